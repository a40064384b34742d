/* What clients do: every writing call, at any node, about few users. */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_FEW = 6 };

static size_t draw_batch(struct world *world) {
    bool is_small = world->plan.users <= USERS_FEW || random_chance(&world->random, 3, 4);
    return random_between(&world->random, 1, is_small ? BATCH_FEW : CALL_BEATS_MAX);
}

static bool acknowledge(struct world *world, struct node *node, const struct touched *touched) {
    bool wants_flush = replica_touched(node->replica, touched, node_now_ms(world, node));
    if (wants_flush) node_tick(world, node);
    faults_acknowledged(world, node);
    return wants_flush;
}

/* What a refresh keeps of its session, as the node has it before; whether that is live. */
static bool keep_register(struct world *world, const struct node *node, struct beat *beat) {
    struct change change;
    if (!oracle_register(node, member_find(beat->scope, beat->user, beat->session), &change)) return false;
    if (change.ttl_ms == 0 || change.seen_ms + change.ttl_ms < node_now_ms(world, node)) return false;
    beat->status = change.status;
    beat->state = state_names[name_index(state_names, STATES, change.state)];
    return true;
}

static bool takes_writes(const struct world *world, const struct node *node) {
    return replica_takes_writes(node->replica, node_now_ms(world, node));
}

/* Gives the beats to a node as the Touch, Leave and SetStatus calls do. Whether it took them. */
static bool apply(struct world *world, struct node *node, const char *what, const struct beat *beats, size_t n) {
    uint64_t now_ms = node_now_ms(world, node), stamp = hlc_next(&node->clock, now_ms);
    struct touched touched;
    struct refusal why;
    struct beat done[CALL_BEATS_MAX];
    struct beat_outcome each[CALL_BEATS_MAX];
    bool was_live[CALL_BEATS_MAX];
    if (n > CALL_BEATS_MAX) abort();
    for (size_t i = 0; i < n; i++) {
        done[i] = beats[i];
        was_live[i] = !beats[i].is_refresh || keep_register(world, node, &done[i]);
    }
    enum muster_code code = roll_touch_each(node->roll, beats, n, stamp, now_ms, NULL, &touched, each, &why);
    for (size_t i = 0; i < n; i++)
        transcript_add(&world->transcript, world->now_ms, "node %u: %s %.8s/%.8s/%.5s TTL %" PRIu32 " status %d: %s",
                       node->index, what, beats[i].scope.data, beats[i].user.data, beats[i].session.data,
                       beats[i].ttl_ms, beats[i].status,
                       code != MUSTER_OK       ? why.what
                       : each[i].is_unknown    ? "unknown"
                       : each[i].displaced > 0 ? "ok, one makes room"
                                               : "ok");
    if (code != MUSTER_OK) return false;
    oracle_touched(world, node, done, each, n, stamp, touched.is_news);
    for (size_t i = 0; i < n; i++) {
        unsigned member = member_find(beats[i].scope, beats[i].user, beats[i].session);
        if (!was_live[i] && !each[i].is_unknown)
            world_fail(world, "refresh", "node %u refreshes a session that is not live", node->index);
        if (each[i].is_unknown) continue;
        world->stamps[member] = stamp;
        world->said[member] = (struct said){done[i], node->index};
    }
    acknowledge(world, node, &touched);
    return true;
}

/* ---- touch ----------------------------------------------------------------------------------------------------- */

static struct beat draw_beat(struct world *world) {
    struct random *random = &world->random;
    return (struct beat){.scope = scope_names[random_chance(random, 1, 2) ? 0 : random_below(random, SCOPES)],
                         .user = user_names[random_below(random, world->plan.users)],
                         .session = session_names[random_chance(random, 1, 2) ? 0 : random_below(random, SESSIONS)],
                         .state = state_names[random_chance(random, 2, 3) ? 0 : random_below(random, STATES)],
                         .ttl_ms = (uint32_t)random_between(random, MUSTER_TTL_MIN_MS, world->plan.ttl_max_ms),
                         .status = (uint8_t)random_between(random, STATUS_AWAY, STATUS_BUSY)};
}

static void touch(struct world *world, struct node *node) {
    struct beat beats[CALL_BEATS_MAX];
    size_t n = random_chance(&world->random, 1, 2) ? 1 : draw_batch(world);
    for (size_t i = 0; i < n; i++) beats[i] = draw_beat(world);
    apply(world, node, "touch", beats, n);
}

/* The same beat again, or only "still here", mostly where it was sent before: a lease that is extended. */
static void refresh(struct world *world, struct node *node) {
    struct beat beats[CALL_BEATS_MAX];
    size_t n = 0, from = random_below(&world->random, MEMBERS), most = draw_batch(world);
    bool is_same_node = random_chance(&world->random, 4, 5);
    for (size_t i = 0; i < MEMBERS && n < most; i++) {
        const struct said *said = &world->said[(from + i) % MEMBERS];
        if (said->beat.ttl_ms == 0 || (is_same_node && said->node != node->index)) continue;
        beats[n] = said->beat;
        beats[n].is_refresh = said->beat.kind == REGISTER_SESSION && random_chance(&world->random, 1, 2);
        if (beats[n].is_refresh) {
            beats[n].status = STATUS_NONE;
            beats[n].state = (struct text){0};
        }
        n++;
    }
    if (n > 0) apply(world, node, "refresh", beats, n);
}

/* ---- leave ----------------------------------------------------------------------------------------------------- */

/* What ends sessions, as the Leave call does it; or lets them linger for a moment and keep what they say. */
static size_t endings(struct world *world, const struct node *node, const struct beat *whom, bool all_sessions,
                      uint32_t linger_ms, struct beat *out) {
    struct session_view live[MUSTER_SESSIONS_MAX];
    size_t n = roll_sessions(node->roll, whom->scope, whom->user, node_now_ms(world, node), live), count = 0;
    for (size_t i = 0; i < n && linger_ms > 0; i++) {
        if (!all_sessions && !text_equal(live[i].session, whom->session)) continue;
        struct beat *beat = &out[count++];
        *beat = (struct beat){.scope = whom->scope, .user = whom->user, .ttl_ms = linger_ms, .status = live[i].status};
        /* What the roll gave is gone once it moves. */
        beat->session = session_names[name_index(session_names, SESSIONS, live[i].session)];
        beat->state = state_names[name_index(state_names, STATES, live[i].state)];
    }
    if (all_sessions) {
        out[count++] = beat_of_leave(whom->scope, whom->user);
    } else if (count == 0) {
        out[count++] =
            (struct beat){.scope = whom->scope, .user = whom->user, .session = whom->session, .status = STATUS_ONLINE};
    }
    return count;
}

/* carried: the stamp of the touch that the leave is to end; 0: none. */
static void leave_user(struct world *world, struct node *node, const struct beat *whom, bool all_sessions,
                       uint32_t linger_ms, uint64_t carried) {
    struct beat beats[SESSIONS + 1];
    uint64_t now_ms = node_now_ms(world, node);
    if (carried != 0 && !hlc_plausible(&node->clock, carried, now_ms)) return;
    size_t n = endings(world, node, whom, all_sessions, linger_ms, beats);
    if (carried != 0) hlc_observe_carried(&node->clock, carried, now_ms);
    if (!apply(world, node, linger_ms > 0 ? "linger" : all_sessions ? "leave all" : "leave", beats, n)) return;
    if (all_sessions) oracle_left_all(world, node, whom->scope, whom->user);
}

static void leave(struct world *world, struct node *node) {
    struct random *random = &world->random;
    struct beat whom = draw_beat(world);
    uint32_t linger_ms = random_chance(random, 1, 4) ? (uint32_t)random_between(random, 1, 3000) : 0;
    uint64_t carried = 0;
    if (random_chance(random, 1, 2)) carried = world->stamps[member_find(whom.scope, whom.user, whom.session)];
    leave_user(world, node, &whom, random_chance(random, 1, 5), linger_ms, carried);
}

/* A leave of all sessions that comes to another node before the touch whose stamp it carries. */
static void overtake(struct world *world, struct node *node) {
    struct beat beat = draw_beat(world);
    struct node *other = world_any_node(world);
    if (!apply(world, node, "touch", &beat, 1) || other == NULL || !takes_writes(world, other)) return;
    leave_user(world, other, &beat, true, 0, world->stamps[member_find(beat.scope, beat.user, beat.session)]);
}

/* ---- status and reset ------------------------------------------------------------------------------------------- */

static void set_status(struct world *world, struct node *node) {
    struct random *random = &world->random;
    struct beat whom = draw_beat(world);
    uint32_t ttl_ms = (uint32_t)random_between(random, MUSTER_TTL_MIN_MS, 2 * world->plan.ttl_max_ms);
    struct beat beat =
        beat_of_status(whom.scope, whom.user, (enum status)whom.status, random_chance(random, 1, 4) ? 0 : ttl_ms);
    apply(world, node, "status", &beat, 1);
}

static void reset(struct world *world, struct node *node) {
    unsigned scope = (unsigned)random_below(&world->random, SCOPES);
    uint64_t now_ms = node_now_ms(world, node), stamp = hlc_next(&node->clock, now_ms), forgotten;
    struct refusal why;
    enum muster_code code = roll_reset(node->roll, scope_names[scope], stamp, now_ms, NULL, &forgotten, &why);
    transcript_add(&world->transcript, world->now_ms, "node %u: reset %.8s: %s", node->index, scope_names[scope].data,
                   code == MUSTER_OK ? "ok" : why.what);
    if (code != MUSTER_OK) return;
    oracle_was_reset(world, node, scope, stamp);
    acknowledge(world, node, &(struct touched){.is_news = true, .refresh_by_ms = UINT64_MAX});
}

static void beat_once(struct world *world, struct node *node) {
    struct beat beat = draw_beat(world);
    beat.scope = scope_names[random_below(&world->random, SCOPES)];
    beat.session = session_names[random_below(&world->random, SESSIONS)];
    apply(world, node, "beat", &beat, 1);
}

void calls_make(struct world *world, struct node *node, const char *what) {
    if (!takes_writes(world, node))
        transcript_add(&world->transcript, world->now_ms, "node %u: %s: starting", node->index, what);
    else if (strcmp(what, "beat") == 0) beat_once(world, node);
    else if (strcmp(what, "touch") == 0) touch(world, node);
    else if (strcmp(what, "refresh") == 0) refresh(world, node);
    else if (strcmp(what, "leave") == 0) leave(world, node);
    else if (strcmp(what, "overtake") == 0) overtake(world, node);
    else if (strcmp(what, "status") == 0) set_status(world, node);
    else reset(world, node);
}

/* Whoever is to die of a call gets one soon. */
static struct node *draw_node(struct world *world) {
    for (unsigned i = 0; i < world->node_count; i++)
        if (world->nodes[i].dies_of_call && node_runs(world, &world->nodes[i]) && random_chance(&world->random, 1, 2))
            return &world->nodes[i];
    return world_any_node(world);
}

void calls_step(struct world *world) {
    if (!world->is_writing) return;
    struct node *node = draw_node(world);
    uint64_t kind = random_below(&world->random, 100);
    const char *what = kind < 42   ? "touch"
                       : kind < 74 ? "refresh"
                       : kind < 92 ? "leave"
                       : kind < 95 ? "overtake"
                       : kind < 98 ? "status"
                                   : "reset";
    if (node != NULL) calls_make(world, node, what);
    uint64_t next_ms = world->now_ms + random_between(&world->random, 1, 2 * world->plan.call_every_ms);
    event_queue_add(&world->event_queue, (struct event){.at_ms = next_ms, .kind = EVENT_CALL});
}
