/* What a node keeps on its disk, as server/cluster/snapshot.h has it: registers with ages, and the version vector. */
#include "world.h"

#include <inttypes.h>

void node_restore(struct world *world, struct node *node) {
    struct snapshot *snapshot = &node->snapshot;
    if (!snapshot->is_there) return;
    uint64_t now_ms = node_now_ms(world, node), elapsed_ms = world->now_ms - snapshot->saved_ms;
    transcript_add(&world->transcript, world->now_ms, "node %u loads %zu registers, saved %" PRIu64 " ms ago",
                   node->index, snapshot->count, elapsed_ms);
    for (size_t i = 0; i < snapshot->count; i++) {
        struct change change = snapshot->changes[i];
        change.seen_ms = now_ms - change.seen_ms - elapsed_ms;
        size_t applied;
        struct refusal why;
        roll_merge(node->roll, &change, 1, now_ms, NULL, &applied, &why);
        hlc_observe(&node->clock, change.stamp, now_ms);
    }
    replica_restore(node->replica, snapshot->vector, snapshot->vector_count);
    oracle_learn_adopted(world, node);
    oracle_check_vector(world, node);
}

/* Texts are kept as the names that they are. */
static bool save_change(const struct change *change, uint64_t now_ms, struct change *out) {
    *out = *change;
    out->seen_ms = now_ms - change->seen_ms;
    unsigned scope = name_index(scope_names, SCOPES, change->scope);
    if (scope == SCOPES) return false;
    out->scope = scope_names[scope];
    if (change->is_reset) return true;
    unsigned member = member_find(change->scope, change->user, change->session);
    if (member == MEMBER_UNKNOWN) return false;
    struct member_name name = member_name(member);
    out->user = user_names[name.user];
    out->session = session_names[name.session];
    unsigned state = name_index(state_names, STATES, change->state);
    if (state == STATES) return false;
    out->state = state_names[state];
    return true;
}

void node_save(struct world *world, struct node *node) {
    struct snapshot *snapshot = &node->snapshot;
    struct walk_cursor cursor = {0};
    uint64_t now_ms = node_now_ms(world, node);
    snapshot->is_there = true;
    snapshot->saved_ms = world->now_ms;
    snapshot->count = 0;
    snapshot->vector_count = replica_vector(node->replica, snapshot->vector, ROLL_ORIGINS_MAX);
    for (bool done = false; !done;) {
        struct change changes[256];
        size_t n =
            roll_walk(node->roll, &cursor, NULL, 0, sizeof changes / sizeof changes[0], SIZE_MAX, &done, changes);
        for (size_t i = 0; i < n && snapshot->count < SAVED_MAX; i++)
            if (save_change(&changes[i], now_ms, &snapshot->changes[snapshot->count])) snapshot->count++;
    }
    transcript_add(&world->transcript, world->now_ms, "node %u saves %zu registers", node->index, snapshot->count);
}
