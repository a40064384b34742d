#include "replica_state.h"

#include "common/random.h"

uint64_t replica_sequence(const struct replica *replica) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    return stats.sequence;
}

bool replica_has_origin(const struct replica *replica, uint64_t origin) {
    const struct peer *peer = peers_by_origin(&replica->peers, origin);
    return origin == replica->config.origin || (peer != NULL && peer->life.state < PEER_DOWN);
}

size_t replica_list_known(struct replica *replica, uint64_t own_sequence, bool is_offer, uint64_t since) {
    vector_raise(&replica->vector, replica->config.origin, own_sequence);
    size_t count = vector_list(&replica->vector, is_offer, since, replica->known, ROLL_ORIGINS_MAX);
    for (size_t i = 0; i < count; i++)
        if (replica->known[i].origin == replica->config.origin) replica->known[i].sequence = own_sequence;
    return count;
}

struct node_info replica_node_info(const struct replica *replica) {
    return (struct node_info){label_text(&replica->name), label_text(&replica->region),
                              label_text(&replica->gossip_address), label_text(&replica->sync_address),
                              label_text(&replica->version)};
}

uint64_t replica_wall_ms(const struct replica *replica, uint64_t now_ms) {
    return replica->wall_ms_at_zero + now_ms;
}

uint64_t replica_random(struct replica *replica) {
    return splitmix64_next(&replica->random);
}
