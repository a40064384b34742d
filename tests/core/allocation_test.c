/* Every allocation of a history fails once: the call says so, changes nothing, may be made again, and nothing leaks. */
#include "rig.h"
#include "support/heap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { USERS_MAX = 6000, NAME_BYTES = 64, ALLOCATIONS_MAX = 100000, MINUTE_MS = 60000 };

/* ---- a history -------------------------------------------------------------------------------------------------- */

enum call_kind { TOUCH, MERGE, RESET, TICK };

/* A call; touches are of `count` users from number `first` on. */
struct call {
    enum call_kind kind;
    const char *scope, *session;
    uint32_t first, count, ttl_ms, state_bytes;
    bool has_long_ids;
    uint64_t advance_ms; /* before it */
};

static const struct call script[] = {
    {.kind = TOUCH, .scope = "room", .session = "", .first = 0, .count = 3, .ttl_ms = MINUTE_MS},
    {.kind = TOUCH, .scope = "room", .session = "a session of some length", .count = 3, .ttl_ms = MINUTE_MS},
    {.kind = TOUCH, .scope = "room", .session = "", .count = 4, .ttl_ms = MINUTE_MS, .has_long_ids = true},
    {.kind = TOUCH, .scope = "room", .session = "", .count = 6, .ttl_ms = MINUTE_MS, .state_bytes = 10},
    {.kind = TOUCH, .scope = "room", .session = "", .count = 3, .ttl_ms = MINUTE_MS, .state_bytes = 900},
    {.kind = TOUCH, .scope = "room", .session = "", .count = 5, .ttl_ms = 0},
    {.kind = TICK, .advance_ms = 1000},
    {.kind = TOUCH, .scope = "hall", .session = "", .count = 1500, .ttl_ms = MINUTE_MS},
    {.kind = TOUCH,
     .scope = "hall",
     .session = "",
     .first = 1500,
     .count = 1500,
     .ttl_ms = MINUTE_MS,
     .advance_ms = 900},
    {.kind = TICK, .advance_ms = 900},
    {.kind = TOUCH,
     .scope = "hall",
     .session = "",
     .first = 3000,
     .count = 3000,
     .ttl_ms = MINUTE_MS,
     .advance_ms = 100},
    {.kind = TICK, .advance_ms = 900},
    {.kind = TOUCH, .scope = "hall", .session = "", .first = 10, .count = 2000, .ttl_ms = MINUTE_MS, .advance_ms = 900},
    {.kind = TICK, .advance_ms = 5000},
    {.kind = TOUCH,
     .scope = "one more scope, with a name that is rather long",
     .session = "",
     .count = 9,
     .ttl_ms = MINUTE_MS},
    {.kind = TOUCH, .scope = "and another", .session = "", .count = 9, .ttl_ms = MINUTE_MS},
    {.kind = MERGE, .scope = "hall", .session = "", .first = 100, .count = 12, .ttl_ms = MINUTE_MS, .state_bytes = 9},
    {.kind = MERGE, .scope = "a scope of others", .session = "", .count = 200, .ttl_ms = MINUTE_MS},
    {.kind = RESET, .scope = "room"},
    {.kind = TOUCH, .scope = "room", .session = "", .count = 3, .ttl_ms = MINUTE_MS, .state_bytes = 20},
    {.kind = RESET, .scope = "hall"},
    {.kind = TICK, .advance_ms = 1000},
    {.kind = TOUCH, .scope = "hall", .session = "", .count = 300, .ttl_ms = MINUTE_MS},
    {.kind = TICK, .advance_ms = 2 * MINUTE_MS},
    {.kind = TICK, .advance_ms = 2 * RIG_RETENTION_MS},
    {.kind = TICK, .advance_ms = RIG_RETENTION_MS},
    {.kind = TOUCH, .scope = "room", .session = "", .count = 3, .ttl_ms = MINUTE_MS},
};
enum { CALLS = sizeof script / sizeof *script };

struct play {
    struct heap heap;
    struct roll *roll;
    uint64_t now_ms, stamp;
    bool was_reset; /* since the last tick: memory comes back by and by */
    struct refusal why;
};

static char names[2][USERS_MAX][NAME_BYTES]; /* short and long ones */
static char state_bytes[MUSTER_STATE_BYTES_MAX];
static struct beat beats[USERS_MAX];

static void write_names(void) {
    for (unsigned i = 0; i < USERS_MAX; i++) {
        snprintf(names[0][i], NAME_BYTES, "user-%u", i);
        snprintf(names[1][i], NAME_BYTES, "a user whose name is quite long, number %u", i);
    }
    memset(state_bytes, 'x', sizeof state_bytes);
}

static bool play_begin(struct play *play) {
    struct roll_config config = rig_config();
    config.allocator = heap_counting(&play->heap);
    config.log_slots = 1024;
    play->now_ms = UINT64_C(1) << 40;
    play->stamp = 1000;
    play->roll = roll_new(&config);
    return play->roll != NULL;
}

static void play_end(struct play *play, const char *what, uint64_t k) {
    roll_free(play->roll);
    if (play->heap.blocks != 0 || play->heap.bytes != 0)
        fail_msg("%s, allocation %" PRIu64 ": %zu blocks of %zu bytes leaked", what, k, play->heap.blocks,
                 play->heap.bytes);
}

static enum muster_code touch(struct play *play, const struct call *call) {
    for (uint32_t i = 0; i < call->count; i++)
        beats[i] = (struct beat){.scope = text_of(call->scope),
                                 .user = text_of(names[call->has_long_ids][call->first + i]),
                                 .session = text_of(call->session),
                                 .state = {state_bytes, call->state_bytes},
                                 .ttl_ms = call->ttl_ms,
                                 .status = STATUS_ONLINE};
    struct touched touched;
    return roll_touch(play->roll, beats, call->count, ++play->stamp, play->now_ms, NULL, &touched, &play->why);
}

static enum muster_code merge(struct play *play, const struct call *call) {
    static struct change changes[ROLL_MERGE_MAX];
    play->stamp++;
    for (uint32_t i = 0; i < call->count; i++)
        changes[i] = (struct change){.origin = 77,
                                     .sequence = i + 1,
                                     .stamp = play->stamp,
                                     .seen_ms = play->now_ms,
                                     .scope = text_of(call->scope),
                                     .user = text_of(names[call->has_long_ids][call->first + i]),
                                     .session = text_of(call->session),
                                     .state = {state_bytes, call->state_bytes},
                                     .ttl_ms = call->ttl_ms,
                                     .status = STATUS_AWAY};
    size_t applied;
    return roll_merge(play->roll, changes, call->count, play->now_ms, NULL, &applied, &play->why);
}

static enum muster_code make(struct play *play, const struct call *call) {
    uint64_t forgotten;
    switch (call->kind) {
    case TOUCH:
        return touch(play, call);
    case MERGE:
        return merge(play, call);
    case RESET: {
        enum muster_code code =
            roll_reset(play->roll, text_of(call->scope), ++play->stamp, play->now_ms, NULL, &forgotten, &play->why);
        play->was_reset |= code == MUSTER_OK;
        return code;
    }
    default:
        while (roll_tick(play->roll, play->now_ms, 500, NULL)) continue;
        play->was_reset = false;
        return MUSTER_OK;
    }
}

/* ---- a digest of all answers ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t digest, uint64_t number) {
    digest ^= number;
    digest *= UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 29;
}

static uint64_t mix_text(uint64_t digest, struct text text) {
    digest = mix(digest, text.len);
    for (uint32_t i = 0; i < text.len; i++) digest = mix(digest, (unsigned char)text.data[i]);
    return digest;
}

static uint64_t digest_users(const struct play *play, struct text scope, uint64_t digest) {
    static struct user_view views[USERS_MAX];
    struct session_view sessions[MUSTER_SESSIONS_MAX];
    struct page page = roll_list(play->roll, scope, STATUS_MASK_ALL, NULL, USERS_MAX, play->now_ms, views);
    for (size_t i = 0; i < page.count; i++) {
        digest = mix(mix(mix_text(digest, views[i].user), views[i].seen_ms), views[i].status);
        if (i > 50) continue;
        size_t count = roll_sessions(play->roll, scope, views[i].user, play->now_ms, sessions);
        for (size_t s = 0; s < count; s++) {
            digest = mix(mix_text(mix_text(digest, sessions[s].session), sessions[s].state), sessions[s].ttl_ms);
            digest = mix(mix(digest, sessions[s].seen_ms), sessions[s].status);
        }
    }
    return digest;
}

static uint64_t digest_counts(const struct play *play, struct text scope, uint64_t digest) {
    static const uint64_t windows_ms[] = {1, 1000, 5000, MINUTE_MS, RIG_RETENTION_MS};
    enum { WINDOWS = sizeof windows_ms / sizeof *windows_ms };
    struct scope_counts counts;
    struct window_count windows[WINDOWS];
    roll_counts(play->roll, scope, windows_ms, WINDOWS, play->now_ms, &counts, windows);
    digest = mix(mix(digest, counts.live), counts.sessions);
    for (int s = 0; s < 4; s++) digest = mix(digest, counts.by_status[s]);
    for (int w = 0; w < WINDOWS; w++) digest = mix(mix(digest, windows[w].users), windows[w].incomplete);
    return digest;
}

static uint64_t digest_of(const struct play *play) {
    static struct change changes[1024];
    struct scope_view scopes[16];
    struct page page = roll_scopes(play->roll, NULL, 16, play->now_ms, scopes);
    uint64_t digest = mix(1, page.count);
    for (size_t i = 0; i < page.count; i++) {
        digest = mix(mix_text(digest, scopes[i].scope), scopes[i].live);
        digest = digest_counts(play, scopes[i].scope, digest_users(play, scopes[i].scope, digest));
    }
    struct roll_stats stats;
    roll_stats(play->roll, &stats);
    digest = mix(digest, stats.sequence);
    /* A scope that was made for a refused call may go with the next tick only. */
    if (!play->was_reset) digest = mix(mix(digest, stats.members), stats.bytes - stats.scope_bytes);
    uint64_t after = stats.sequence > 1000 ? stats.sequence - 1000 : 0;
    bool is_complete;
    size_t count = roll_changes(play->roll, &after, 1024, &is_complete, changes);
    for (size_t i = 0; i < count; i++)
        digest = mix(mix_text(mix_text(digest, changes[i].user), changes[i].state), changes[i].sequence);
    return digest;
}

/* ---- the sweeps ------------------------------------------------------------------------------------------------- */

/* Makes a call, and where its memory was refused, checks that nothing changed and makes it again. */
static void make_twice(struct play *play, const struct call *call, uint64_t k) {
    play->now_ms += call->advance_ms;
    uint64_t before = digest_of(play);
    enum muster_code code = make(play, call);
    if (code == MUSTER_OK) return;
    size_t number = (size_t)(call - script);
    if (code != MUSTER_RESOURCE_EXHAUSTED || play->why.what == NULL || strcmp(play->why.what, "memory") != 0)
        fail_msg("allocation %" PRIu64 ": call %zu answers %d, %s", k, number, code, play->why.what);
    if (play->heap.allocations < k) fail_msg("allocation %" PRIu64 ": call %zu was refused before", k, number);
    if (digest_of(play) != before)
        fail_msg("allocation %" PRIu64 ": call %zu was refused and has changed something", k, number);
    code = make(play, call);
    if (code != MUSTER_OK) fail_msg("allocation %" PRIu64 ": call %zu answers %d again", k, number, code);
}

static uint64_t digests[CALLS]; /* after each call, where nothing fails */

static uint64_t play_without_failure(void) {
    struct play play = {0};
    if (!play_begin(&play)) fail_msg("no roll");
    for (size_t i = 0; i < CALLS; i++) {
        make_twice(&play, &script[i], 0);
        digests[i] = digest_of(&play);
    }
    uint64_t allocations = play.heap.allocations;
    play_end(&play, "without failure", 0);
    return allocations;
}

static void each_allocation_may_fail_once(void **state) {
    (void)state;
    uint64_t allocations = play_without_failure();
    if (allocations < 50 || allocations > ALLOCATIONS_MAX) fail_msg("%" PRIu64 " allocations", allocations);
    print_message("%" PRIu64 " allocations, each failed once\n", allocations);
    for (uint64_t k = 1; k <= allocations; k++) {
        struct play play = {.heap = {.fail_at = k}};
        if (!play_begin(&play)) {
            play_end(&play, "roll_new", k);
            continue;
        }
        for (size_t i = 0; i < CALLS; i++) {
            make_twice(&play, &script[i], k);
            if (digest_of(&play) != digests[i]) fail_msg("allocation %" PRIu64 ": after call %zu another roll", k, i);
        }
        play_end(&play, "failing once", k);
    }
}

/* Memory stays short: calls are refused for it, and nothing breaks or leaks. */
static void memory_may_stay_short(void **state) {
    (void)state;
    uint64_t allocations = play_without_failure();
    for (uint64_t k = 1; k <= allocations; k++) {
        struct play play = {.heap = {.fail_at = k, .fails_after = true}};
        if (play_begin(&play))
            for (size_t i = 0; i < CALLS; i++) {
                play.now_ms += script[i].advance_ms;
                uint64_t before = digest_of(&play);
                enum muster_code code = make(&play, &script[i]);
                if (code != MUSTER_OK && digest_of(&play) != before)
                    fail_msg("allocation %" PRIu64 " and all later: call %zu was refused and has changed something", k,
                             i);
            }
        play_end(&play, "failing for good", k);
    }
}

/* ---- the steady state ------------------------------------------------------------------------------------------- */

enum { CROWD = 20000, CROWD_BATCH = 500, BEAT_EVERY_S = 10 };

static void touch_crowd(struct play *play, uint32_t first, bool has_states) {
    char(*crowd)[16] = malloc(CROWD_BATCH * sizeof *crowd);
    struct beat batch[CROWD_BATCH];
    for (uint32_t i = 0; i < CROWD_BATCH; i++) {
        snprintf(crowd[i], sizeof *crowd, "user-%u", first + i);
        batch[i] = rig_a_beat("room", crowd[i], "", MINUTE_MS);
        if (has_states) batch[i].state = (struct text){state_bytes, 1 + (first + i) % 16};
    }
    struct touched touched;
    enum muster_code code =
        roll_touch(play->roll, batch, CROWD_BATCH, ++play->stamp, play->now_ms, NULL, &touched, &play->why);
    if (code != MUSTER_OK) fail_msg("code %d", code);
    free(crowd);
}

/* All of a crowd beat every ten seconds, spread over them; a tick each second. */
static void expect_no_allocation(bool has_states) {
    struct play play = {0};
    if (!play_begin(&play)) fail_msg("no roll");
    for (uint32_t first = 0; first < CROWD; first += CROWD_BATCH) touch_crowd(&play, first, has_states);
    uint32_t next = 0;
    for (int second = 0; second < 300; second++) {
        while (roll_tick(play.roll, play.now_ms, 1000, NULL)) continue;
        uint64_t before = play.heap.allocations;
        for (int batch = 0; batch < CROWD / CROWD_BATCH / BEAT_EVERY_S; batch++) {
            play.now_ms += 1000 / (CROWD / CROWD_BATCH / BEAT_EVERY_S);
            touch_crowd(&play, next, has_states);
            next = (next + CROWD_BATCH) % CROWD;
        }
        if (play.heap.allocations != before)
            fail_msg("second %d: %" PRIu64 " allocations", second, play.heap.allocations - before);
    }
    play_end(&play, "steady", 0);
}

static void touching_known_members_does_not_allocate(void **state) {
    (void)state;
    expect_no_allocation(false);
}

static void touching_known_members_with_states_does_not_allocate(void **state) {
    (void)state;
    expect_no_allocation(true);
}

int main(void) {
    write_names();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail_once),
        cmocka_unit_test(memory_may_stay_short),
        cmocka_unit_test(touching_known_members_does_not_allocate),
        cmocka_unit_test(touching_known_members_with_states_does_not_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
