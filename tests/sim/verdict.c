#include "verdict.h"

#include "world.h"

#include <inttypes.h>
#include <string.h>

enum {
    CONVERGENCE_MS = 2000,
    JOIN_MS = 2000,
    CAPPED_PATIENCE_MS = 10000,
    CAPPED_RETRY_MS = 35000,
    CALM_ROUNDS = 3,
    CROWD_MS = 2500
};

/* ---- lost ------------------------------------------------------------------------------------------------------ */

/* Up to which sequence an origin's beats must be everywhere: all of them while it lives; of one that ended, what a node
 * that is up knows. */
static uint64_t durable_sequence(const struct world *world, size_t o) {
    const struct origin_known *origin = &world->oracle.origins[o];
    uint64_t most = 0;
    if (origin->ended_ms == UINT64_MAX) return origin->count;
    for (unsigned i = 0; i < world->node_count; i++)
        if (world->nodes[i].is_up && world->oracle.watched[i].checked[o] > most)
            most = world->oracle.watched[i].checked[o];
    return most;
}

static void check_lost(struct world *world, struct node *node) {
    for (size_t o = 0; o < world->oracle.origin_count; o++) {
        const struct origin_known *origin = &world->oracle.origins[o];
        uint64_t most = durable_sequence(world, o);
        for (uint64_t sequence = 1; sequence <= origin->count; sequence++) {
            const struct acknowledged *beat = &origin->beats[sequence - 1];
            struct version found;
            if (sequence > most && !beat->is_owed) continue;
            if (oracle_has_effect(world, node, origin, sequence, &found)) continue;
            char text[80];
            world_fail(world, sequence > most ? "killed" : "lost",
                       "node %u lacks %" PRIx64 ":%" PRIu64 " of node %u (%s, stamp %" PRIx64 ", made at %" PRIu64
                       "), and holds stamp %" PRIx64,
                       node->index, origin->id, sequence, origin->node, oracle_describe(beat, text, sizeof text),
                       beat->stamp, beat->at_ms, found.stamp);
            return;
        }
    }
}

/* After heal and quiet no session is live that was stamped before a leave of all sessions. */
static void check_left(struct world *world, struct node *node) {
    for (unsigned member = 0; member < MEMBERS && !world->has_failed; member++) {
        struct member_name name = member_name(member);
        const struct left_all *left = &world->oracle.left_all[name.scope * USERS + name.user];
        struct change change;
        if (name.session >= SESSIONS || left->stamp == 0) continue;
        if (left->sequence > durable_sequence(world, left->origin)) continue;
        if (!oracle_register(node, member, &change) || change.stamp >= left->stamp) continue;
        if (change.ttl_ms == 0 || change.seen_ms + change.ttl_ms < node_now_ms(world, node)) continue;
        world_fail(world, "leave",
                   "%s/%s/%s is live at node %u by a touch with stamp %" PRIx64
                   ", after a leave of all sessions with stamp %" PRIx64,
                   scope_names[name.scope].data, user_names[name.user].data, session_names[name.session].data,
                   node->index, change.stamp, left->stamp);
    }
}

/* ---- capped worlds --------------------------------------------------------------------------------------------- */

/* A full roll forgets who is gone, and refuses who joins. What remains to be promised: a node that has room holds
 * everybody who is live by the newest beat. */
struct newest {
    struct version version;
    const struct acknowledged *beat;
};

static void find_newest(const struct world *world, struct newest members[MEMBERS], struct version resets[SCOPES]) {
    for (size_t o = 0; o < world->oracle.origin_count; o++) {
        const struct origin_known *origin = &world->oracle.origins[o];
        for (uint64_t sequence = 1; sequence <= origin->count; sequence++) {
            const struct acknowledged *beat = &origin->beats[sequence - 1];
            if (beat->origin != origin->id || beat->is_void) continue; /* adopted */
            struct version version = version_of_acknowledged(beat);
            struct version *held = beat->is_reset ? &resets[beat->member] : &members[beat->member].version;
            if (!version_is_before(*held, version)) continue;
            *held = version;
            if (!beat->is_reset) members[beat->member].beat = beat;
        }
    }
}

/* The next session or status after `from` that is live by its newest beat, of an origin that lives, and that the node
 * lacks; MEMBERS if there is none. */
static unsigned next_lacking(const struct world *world, const struct node *node, const struct newest *members,
                             const struct version *resets, unsigned from) {
    for (unsigned i = from; i < MEMBERS; i++) {
        const struct acknowledged *beat = members[i].beat;
        struct change change;
        if (beat == NULL || beat->stamp <= resets[member_name(i).scope].stamp) continue;
        if (beat->at_ms + beat->ttl_ms < world->now_ms) continue;
        struct member_name name = member_name(i);
        const struct version *left = &members[member_of(name.scope, name.user, MEMBER_LEAVE)].version;
        if (name.session < SESSIONS && left->stamp > beat->stamp) continue;
        const struct origin_known *origin = oracle_origin(&world->oracle, members[i].version.origin);
        if (origin->ended_ms != UINT64_MAX) continue;
        if (!oracle_register(node, i, &change) || change.stamp < beat->stamp) return i;
    }
    return MEMBERS;
}

/* What does not make room: live sessions, and statuses whose lease holds. */
static uint64_t count_held(const struct world *world, const struct node *node) {
    struct roll_stats stats;
    roll_stats(node->roll, &stats);
    uint64_t held = stats.members_live;
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct change change;
        bool is_status = member_name(i).session == MEMBER_STATUS && oracle_register(node, i, &change);
        held += is_status && change.ttl_ms > 0 && change.seen_ms + change.ttl_ms >= node_now_ms(world, node);
    }
    return held;
}

/* A node that was full tries again now and then: it must have had room for all that it lacks for as long as that. */
static void note_room(struct world *world, struct node *node) {
    struct newest members[MEMBERS] = {0};
    struct version resets[SCOPES] = {0};
    find_newest(world, members, resets);
    uint64_t wanted = count_held(world, node);
    for (unsigned i = 0; (i = next_lacking(world, node, members, resets, i)) < MEMBERS; i++) wanted++;
    node->had_room = wanted <= world->plan.members_max;
}

static void check_capped(struct world *world, struct node *node) {
    struct newest members[MEMBERS] = {0};
    struct version resets[SCOPES] = {0};
    uint64_t held = count_held(world, node);
    if (held >= world->plan.members_max || !node->had_room) return;
    find_newest(world, members, resets);
    unsigned lacking = next_lacking(world, node, members, resets, 0);
    if (lacking == MEMBERS) return;
    char text[80];
    world_fail(world, "lost", "node %u has room for %" PRIu64 " more, and lacks %s, made at %" PRIu64, node->index,
               world->plan.members_max - held, oracle_describe(members[lacking].beat, text, sizeof text),
               members[lacking].beat->at_ms);
}

/* ---- diverged -------------------------------------------------------------------------------------------------- */

static const struct node *first_up(const struct world *world) {
    for (unsigned i = 0; i < world->node_count; i++)
        if (world->nodes[i].is_up) return &world->nodes[i];
    return NULL;
}

/* Whether a lease of a scope ends about now: nodes may differ by the delays they know of. */
static bool is_at_boundary(const struct world *world, const struct node *node, unsigned scope) {
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct change change;
        if (member_name(i).scope != scope || !oracle_register(node, i, &change) || change.ttl_ms == 0) continue;
        uint64_t end_ms = change.seen_ms + change.ttl_ms, now_ms = node_now_ms(world, node);
        if (end_ms + world->oracle.slack_ms >= now_ms && end_ms <= now_ms + world->oracle.slack_ms) return true;
    }
    return false;
}

/* All live users of a scope, in the order of their places. */
static size_t list_all(const struct world *world, const struct node *node, unsigned scope, struct user_view *out) {
    struct page page = {.more = true};
    size_t count = 0;
    while (page.more && count < USERS) {
        uint64_t after = page.next;
        page = roll_list(node->roll, scope_names[scope], STATUS_MASK_ALL, count == 0 ? NULL : &after, USERS - count,
                         node_now_ms(world, node), out + count);
        count += page.count;
    }
    return count;
}

static void compare_reads(struct world *world, const struct node *a, const struct node *b, unsigned scope) {
    struct user_view users[2][USERS];
    struct scope_counts counts[2];
    size_t listed[2] = {list_all(world, a, scope, users[0]), list_all(world, b, scope, users[1])};
    roll_counts(a->roll, scope_names[scope], NULL, 0, node_now_ms(world, a), &counts[0], NULL);
    roll_counts(b->roll, scope_names[scope], NULL, 0, node_now_ms(world, b), &counts[1], NULL);
    for (int i = 0; i < 2; i++) counts[i].joined = counts[i].left = 0; /* of what each node has seen */
    if (memcmp(&counts[0], &counts[1], sizeof counts[0]) != 0 || listed[0] != listed[1] || listed[0] != counts[0].live)
        world_fail(world, "diverged",
                   "in %s node %u counts %" PRIu64 " live, %" PRIu64 " sessions and lists %zu, and node %u %" PRIu64
                   ", %" PRIu64 ", %zu",
                   scope_names[scope].data, a->index, counts[0].live, counts[0].sessions, listed[0], b->index,
                   counts[1].live, counts[1].sessions, listed[1]);
    for (size_t i = 0; i < listed[0] && i < listed[1]; i++)
        if (!text_equal(users[0][i].user, users[1][i].user) || users[0][i].status != users[1][i].status)
            world_fail(world, "diverged", "in %s row %zu of node %u is %.*s, and of node %u %.*s",
                       scope_names[scope].data, i, a->index, (int)users[0][i].user.len, users[0][i].user.data, b->index,
                       (int)users[1][i].user.len, users[1][i].user.data);
}

static void check_alike(struct world *world, struct node *node) {
    const struct node *first = first_up(world);
    uint64_t a = roll_fingerprint(first->roll, node_now_ms(world, first));
    uint64_t b = roll_fingerprint(node->roll, node_now_ms(world, node));
    if (a != b) world_fail(world, "diverged", "nodes %u and %u do not hold the same", first->index, node->index);
    for (unsigned scope = 0; scope < SCOPES && !world->has_failed; scope++)
        if (!is_at_boundary(world, node, scope)) compare_reads(world, first, node, scope);
}

static void tick_all(struct world *world) {
    for (unsigned i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (!node->is_up) continue;
        while (roll_tick(node->roll, node_now_ms(world, node), ROLL_TICK_BUDGET, NULL)) {
        }
        node->rolled_ms = world->now_ms;
    }
}

static void check_peers(struct world *world, struct node *node) {
    struct peer_view peers[NODES_MAX * 8];
    size_t count = replica_peers(node->replica, node_now_ms(world, node), peers, sizeof peers / sizeof peers[0]);
    bool is_joining = world->now_ms - node->started_ms < SIM_JOIN_TIMEOUT_MS;
    is_joining |= node->anew_ms != 0 && world->now_ms - node->anew_ms < 2 * REPLICA_STANDSTILL_GRACE_MS;
    if (!is_joining && !replica_is_ready(node->replica, node_now_ms(world, node)))
        world_fail(world, "members", "node %u is not ready", node->index);
    for (unsigned i = 0; i < world->node_count; i++) {
        const struct node *other = &world->nodes[i];
        bool is_alive = !other->is_up || other == node;
        for (size_t k = 0; k < count; k++) is_alive |= peers[k].origin == other->origin && peers[k].state == PEER_ALIVE;
        if (!is_alive) world_fail(world, "members", "node %u does not see that node %u is alive", node->index, i);
    }
}

/* Nodes begin to retire origins at a number that each draws, at most half as much again as the plan says, and go on as
 * long as there is one that is gone; it counts as gone a while after its end. */
static void check_crowd(struct world *world, const struct node *node) {
    static struct origin_view origins[ROLL_ORIGINS_MAX];
    size_t least = world->plan.crowded_origins == 0 ? ROLL_ORIGINS_MAX / 2 : world->plan.crowded_origins;
    size_t count = roll_origins(node->roll, origins), gone = 0;
    for (size_t i = 0; i < count; i++) {
        const struct origin_known *origin = oracle_origin(&world->oracle, origins[i].origin);
        gone += origin->ended_ms < world->now_ms && world->now_ms - origin->ended_ms > REPLICA_DOWN_MS + CROWD_MS;
    }
    if (count > least + least / 2 && gone > 0)
        world_fail(world, "crowded", "node %u has registers of %zu origins, %zu of which are gone", node->index, count,
                   gone);
}

static bool is_capped(const struct world *world) {
    return world->plan.members_max < MEMBERS;
}

static void check_all(struct world *world) {
    tick_all(world);
    for (unsigned i = 0; i < world->node_count && !world->has_failed; i++) {
        struct node *node = &world->nodes[i];
        if (!node->is_up) continue;
        oracle_check_vector(world, node);
        oracle_look(world, node);
        if (is_capped(world)) {
            check_capped(world, node);
            continue;
        }
        check_left(world, node);
        check_lost(world, node);
    }
    for (unsigned i = 0; i < world->node_count && !world->has_failed; i++) {
        struct node *node = &world->nodes[i];
        if (!node->is_up) continue;
        check_crowd(world, node);
        if (!is_capped(world)) check_alike(world, node);
        check_peers(world, node);
    }
}

/* ---- calm ------------------------------------------------------------------------------------------------------ */

static void expect_everywhere(struct world *world, const char *what, uint64_t within_ms) {
    struct node *node = world_any_node(world);
    if (node == NULL || world->has_failed) return;
    uint64_t began_ms = world->now_ms;
    const struct origin_known *origin = oracle_origin(&world->oracle, node->origin);
    size_t count = origin->count;
    calls_make(world, node, what);
    if (origin->count == count) return;
    world_run_until(world, began_ms + within_ms);
    for (unsigned i = 0; i < world->node_count && !world->has_failed; i++) {
        struct version found;
        for (size_t k = count; k < origin->count && world->nodes[i].is_up; k++)
            if (!oracle_has_effect(world, &world->nodes[i], origin, k + 1, &found))
                world_fail(world, "late", "a %s at node %u is not at node %u after %" PRIu64 " ms", what, node->index,
                           i, within_ms);
    }
}

/* A calm cluster: news are everywhere after a flush and a delay, refreshes after a second more. */
static void check_calm(struct world *world) {
    uint64_t news_ms = 2 * world->plan.flush_ms + world->plan.delay_max_ms + 1;
    /* A batch that the log has no room for is asked for, page by page. */
    if (world->plan.log_slots < CALL_BEATS_MAX && world->plan.users > USERS_FEW) news_ms += CONVERGENCE_MS;
    for (unsigned i = 0; i < CALM_ROUNDS && !world->has_failed; i++) {
        expect_everywhere(world, "touch", news_ms);
        expect_everywhere(world, "refresh", news_ms + REPLICA_REFRESH_WAIT_MS);
        expect_everywhere(world, "leave", news_ms);
    }
}

/* Who starts first has to find the others. */
static bool has_just_started(const struct world *world) {
    for (unsigned i = 0; i < world->node_count; i++)
        if (world->nodes[i].is_up && world->now_ms - world->nodes[i].started_ms < JOIN_MS) return true;
    return false;
}

void verdict_run(struct world *world) {
    world_run_until(world, world->plan.active_ms);
    if (world->has_failed) return;
    faults_end(world);
    world_run_until(world, world->now_ms + world->plan.late_calls_ms);
    world->is_writing = false;
    uint64_t patience_ms = CONVERGENCE_MS + 4 * world->plan.delay_max_ms + (has_just_started(world) ? JOIN_MS : 0);
    if (is_capped(world)) patience_ms = CAPPED_PATIENCE_MS;
    world_run_until(world, world->now_ms + patience_ms);
    if (is_capped(world)) {
        for (unsigned i = 0; i < world->node_count; i++)
            if (world->nodes[i].is_up) note_room(world, &world->nodes[i]);
        world_run_until(world, world->now_ms + CAPPED_RETRY_MS);
    }
    if (world->has_failed || first_up(world) == NULL) return;
    check_all(world);
    if (!is_capped(world)) check_calm(world);
}

/* ---- views ----------------------------------------------------------------------------------------------------- */

static void print_vector(const struct world *world, const struct node *node, FILE *out) {
    struct known vector[ROLL_ORIGINS_MAX];
    size_t count = replica_vector(node->replica, vector, ROLL_ORIGINS_MAX);
    fprintf(out, "node %u (%" PRIx64 ") knows", node->index, node->origin);
    for (size_t i = 0; i < count; i++) {
        unsigned of = NODES_MAX;
        for (size_t o = 0; o < world->oracle.origin_count; o++)
            if (world->oracle.origins[o].id == vector[i].origin) of = world->oracle.origins[o].node;
        fprintf(out, " %" PRIx64 "(node %u):%" PRIu64, vector[i].origin, of, vector[i].sequence);
    }
    fputc('\n', out);
}

static void print_member(struct world *world, unsigned member, FILE *out) {
    struct version held[NODES_MAX] = {0};
    struct change change;
    bool is_alike = true;
    const struct node *first = first_up(world);
    for (unsigned i = 0; i < world->node_count; i++) {
        if (!world->nodes[i].is_up) continue;
        if (oracle_register(&world->nodes[i], member, &change)) held[i] = version_of(&change);
        is_alike &= !version_is_before(held[i], held[first->index]) && !version_is_before(held[first->index], held[i]);
    }
    if (is_alike) return;
    struct member_name name = member_name(member);
    fprintf(out, "%.12s/%.12s/%.12s:\n", scope_names[name.scope].data, user_names[name.user].data,
            session_names[name.session].data);
    for (unsigned i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (!node->is_up) continue;
        if (!oracle_register(node, member, &change)) {
            fprintf(out, "    node %u: nothing\n", i);
            continue;
        }
        fprintf(out, "    node %u: %" PRIx64 ":%" PRIu64 " stamp %" PRIx64 " seen at %" PRId64 " TTL %" PRIu32 "\n", i,
                change.origin, change.sequence, change.stamp, (int64_t)(change.seen_ms - node->zero_ms), change.ttl_ms);
    }
}

void verdict_print_views(struct world *world, FILE *out) {
    for (unsigned i = 0; i < world->node_count; i++)
        if (world->nodes[i].is_up) print_vector(world, &world->nodes[i], out);
    if (first_up(world) == NULL) return;
    fputs("what they disagree about:\n", out);
    for (unsigned i = 0; i < MEMBERS; i++) print_member(world, i, out);
}
