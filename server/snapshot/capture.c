#include "capture.h"
#include "node/turn.h"

#include <stdlib.h>

static struct instant instant_of(const struct snapshot_moment *moment) {
    return (struct instant){.now_ms = moment->now_ms, .wall_ms = moment->wall_ms};
}

/* What a header points to. The texts are views that are valid until the lock is released. */
struct header_parts {
    struct known vector[SNAPSHOT_ORIGINS_MAX];
    struct peer_view views[SNAPSHOT_PEERS_MAX];
    struct text peers[SNAPSHOT_PEERS_MAX];
};

static void header_of_replica(const struct node *node, struct header_parts *parts, struct snapshot_header *header) {
    header->vector_count = replica_vector(node->replica, parts->vector, SNAPSHOT_ORIGINS_MAX);
    size_t count = replica_peers(node->replica, node->now_ms, parts->views, SNAPSHOT_PEERS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct peer_view *view = &parts->views[i];
        bool is_kept = !view->is_self && view->address.len > 0 && view->address.len <= REPLICA_ADDRESS_BYTES_MAX;
        if (is_kept) parts->peers[header->peer_count++] = view->address;
    }
}

/* A node without peers has its own changes, and those of the snapshot that it began with. */
static void header_of_lone_node(const struct node *node, struct header_parts *parts, struct snapshot_header *header) {
    struct roll_stats stats;
    roll_stats(node->roll, &stats);
    parts->vector[0] = (struct known){node->origin, stats.sequence};
    header->vector_count = 1;
    for (size_t i = 0; i < node->recalled_count && header->vector_count < SNAPSHOT_ORIGINS_MAX; i++)
        if (roll_origin_registers(node->roll, node->recalled[i].origin) > 0)
            parts->vector[header->vector_count++] = node->recalled[i];
}

size_t node_snapshot_begin(struct node *node, struct snapshot_writer *writer, const struct snapshot_moment *now,
                           uint64_t cluster, uint8_t *out) {
    struct header_parts parts;
    struct snapshot_header header = {
        .begun = *now, .cluster = cluster, .origin = node->origin, .vector = parts.vector, .peers = parts.peers};
    struct turn turn = node_begin(node, instant_of(now));
    header.begun.now_ms = turn.now_ms;
    header.stamp = node->hlc.last;
    if (node->replica != NULL) header_of_replica(node, &parts, &header);
    else header_of_lone_node(node, &parts, &header);
    size_t len = snapshot_begin(writer, &header, out);
    node_commit(&turn, NULL);
    return len;
}

bool node_snapshot_next(struct node *node, struct snapshot_writer *writer, struct instant now, uint8_t *out,
                        size_t *len) {
    struct turn turn = node_begin(node, now);
    bool has_more = snapshot_next(writer, turn.roll, turn.now_ms, out, len);
    node_commit(&turn, NULL);
    if (*len > 0) snapshot_seal(writer, out, *len);
    return has_more;
}

void node_snapshot_merge(struct node *node, struct snapshot_reader *reader, const struct snapshot_moment *now,
                         struct snapshot_merged *merged) {
    struct snapshot_moment then = *now;
    struct turn turn = node_begin(node, instant_of(now));
    then.now_ms = turn.now_ms;
    snapshot_merge(reader, turn.roll, turn.hlc, &then, merged);
    node_commit(&turn, NULL);
}

void node_snapshot_merged(struct node *node, const struct snapshot_header *header) {
    if (header->vector_count == 0) return;
    struct known *recalled = calloc(header->vector_count, sizeof *recalled);
    if (recalled == NULL) return; /* then the node asks its peers for all of it */
    memcpy(recalled, header->vector, header->vector_count * sizeof *recalled);
    struct turn turn = node_begin(node, (struct instant){0});
    node->recalled = recalled;
    node->recalled_count = header->vector_count;
    node_commit(&turn, NULL);
}
