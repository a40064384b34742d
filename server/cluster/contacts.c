#include "contacts.h"

struct peer *replica_note_address(struct replica *replica, struct text sync_address, uint64_t now_ms) {
    if (text_equal(sync_address, label_text(&replica->sync_address))) return NULL;
    for (size_t i = 0; i < replica->peers.count; i++) {
        struct peer *peer = replica->peers.items[i];
        if (peer->id.origin != 0 && text_equal(label_text(&peer->id.own_address), sync_address)) return peer;
    }
    return peers_obtain(&replica->peers, sync_address, now_ms);
}

void replica_subscribe(struct replica *replica, struct peer *peer) {
    struct text address = label_text(&peer->id.gossip_address);
    if (address.len == 0 || text_equal(address, label_text(&peer->id.subscribed))) return;
    replica_unsubscribe(replica, peer);
    bool is_there = peers_by_gossip(&replica->peers, address) != NULL;
    if (is_there || actions_add(&replica->actions, replica->allocator, ACTION_SUBSCRIBE, address) != NULL)
        label_set(&peer->id.subscribed, address);
}

void replica_unsubscribe(struct replica *replica, struct peer *peer) {
    struct label subscribed = peer->id.subscribed;
    peer->id.subscribed.len = 0;
    if (subscribed.len == 0 || peers_by_gossip(&replica->peers, label_text(&subscribed)) != NULL) return;
    if (actions_add(&replica->actions, replica->allocator, ACTION_UNSUBSCRIBE, label_text(&subscribed)) == NULL)
        peer->id.subscribed = subscribed; /* the next tick tries again */
}
