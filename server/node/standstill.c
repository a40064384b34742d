#include "standstill.h"
#include "cluster.h"
#include "turn.h"

/* Units of a tick, after which it is known whether anybody's lease has ended. */
enum { STANDSTILL_LOOK = 250 };

static uint64_t live_members(const struct node *node) {
    struct roll_stats stats;
    roll_stats(node->roll, &stats);
    return stats.members_live;
}

/* Expires a few of those whose lease has ended, if there are any; whether there are. */
static bool has_ended_leases(struct node *node) {
    uint64_t live = live_members(node);
    bool has_more = roll_tick(node->roll, node->now_ms, STANDSTILL_LOOK, node_effects(node));
    return has_more || live_members(node) != live;
}

void standstill_note(struct node *node) {
    bool was_ready = atomic_exchange(&node->is_ready, false); /* from here on the observer sees nothing */
    bool has_ended = has_ended_leases(node);
    if (node->replica != NULL && (has_ended || replica_has_peers(node->replica))) {
        replica_begin_anew(node->replica, node->now_ms);
        atomic_store(&node->takes_writes, false);
    } else if (has_ended) {
        node->ready_at_ms = node->now_ms + STANDSTILL_GRACE_MS;
    } else {
        atomic_store(&node->is_ready, was_ready); /* nobody is expired, and nobody could know more */
        return;
    }
    atomic_fetch_add(&node->standstills, 1);
}

void standstill_look(struct node *node) {
    const struct node_observer *observer = node->observer;
    if (atomic_load_explicit(&node->is_ready, memory_order_relaxed)) return;
    bool is_ready =
        node->replica != NULL ? replica_is_ready(node->replica, node->now_ms) : node->now_ms >= node->ready_at_ms;
    if (!is_ready) return;
    atomic_store(&node->is_ready, true);
    if (observer->effects != NULL) observer->see_again(observer->context);
}

void node_expect_ticks(struct node *node, uint64_t stall_ms, struct instant now) {
    struct turn turn = node_begin(node, now);
    node->stall_ms = stall_ms;
    node_commit(&turn, NULL);
}

unsigned node_standstills(const struct node *node) {
    return atomic_load(&node->standstills);
}
