#include "replica_state.h"

#include "common/random.h"

uint64_t replica_sequence(const struct replica *replica) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    return stats.sequence;
}

size_t replica_list_known(struct replica *replica, uint64_t own_sequence, uint64_t now_ms) {
    vector_raise(&replica->vector, replica->config.origin, own_sequence);
    uint64_t fade_ms = roll_retention_ms(replica->config.roll) + MUSTER_TTL_MAX_MS;
    size_t count = vector_list(&replica->vector, now_ms, fade_ms, replica->known, ROLL_ORIGINS_MAX);
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
