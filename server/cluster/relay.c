/* What came beyond a gap that nobody can close any more: its origin is gone, and what it told before is lost. No vector
 * covers it, so nobody would ever ask for it. The node that holds it tells it as its own, and every node has it again.
 */
#include "replica_internal.h"

static bool is_due(const struct replica *replica, uint64_t now_ms) {
    if (replica->walker != 0 || now_ms - replica->pages_ms < RELAY_WAIT_MS) return false;
    return now_ms - replica->loose_since_ms >= RELAY_WAIT_MS && peers_that_count(&replica->peers) > 0;
}

static void relay_begin(struct replica *replica) {
    replica->is_relaying = true;
    replica->relay_cursor = (struct walk_cursor){0};
    vector_let_go(&replica->vector); /* what is merged from now on counts anew */
    replica->loose_since_ms = 0;
}

void relay_step(struct replica *replica, uint64_t now_ms) {
    if (!replica->is_relaying) {
        if (replica->loose_since_ms == 0) return;
        if (!vector_holds(&replica->vector)) {
            replica->loose_since_ms = 0;
            return;
        }
        if (!is_due(replica, now_ms)) return;
        relay_begin(replica);
    }
    bool is_done;
    size_t known = replica_list_known(replica, replica_sequence(replica), now_ms);
    size_t n = roll_walk(replica->config.roll, &replica->relay_cursor, replica->known, known, ROLL_MERGE_MAX,
                         RELAY_BUDGET, &is_done, replica->told);
    for (size_t i = 0; i < n; i++) {
        if (!roll_relay(replica->config.roll, &replica->told[i])) continue;
        replica->stats.relayed++;
        replica->has_news = true;
    }
    replica->is_relaying = !is_done;
}
