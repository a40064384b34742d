/* Registers of a user: a leave of all sessions, and a status above those of the sessions. */
#include "rig.h"
#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TTL_MS = 60000 };

static struct rig *rig_of(uint64_t origin) {
    struct roll_config config = rig_config();
    config.origin = origin;
    return rig_new_with(&config);
}

static struct change a_session(const struct rig *rig, const char *session, uint64_t origin, uint64_t stamp) {
    return (struct change){.origin = origin,
                           .sequence = stamp,
                           .stamp = stamp,
                           .seen_ms = rig->now_ms,
                           .scope = text_of("room"),
                           .user = text_of("ada"),
                           .session = text_of(session),
                           .ttl_ms = TTL_MS,
                           .status = STATUS_ONLINE};
}

static struct change a_register(const struct rig *rig, enum register_kind kind, uint64_t origin, uint64_t stamp) {
    struct change change = a_session(rig, "", origin, stamp);
    change.session = register_session(kind);
    change.kind = (uint8_t)kind;
    if (kind == REGISTER_LEAVE) change.ttl_ms = 0;
    return change;
}

static size_t merge(struct rig *rig, const struct change *changes, size_t n) {
    size_t applied;
    effects_clear(&rig->effects);
    enum muster_code code = roll_merge(rig->roll, changes, n, rig->now_ms, &rig->effects, &applied, &rig->why);
    if (code != MUSTER_OK) fail_msg("a merge is refused: %s", rig->why.what);
    return applied;
}

static void leave_all(struct rig *rig, const char *user) {
    enum muster_code code = rig_beat(rig, beat_of_leave(text_of("room"), text_of(user)));
    if (code != MUSTER_OK) fail_msg("a leave of %s: code %d, %s", user, code, rig->why.what);
}

static void set_status(struct rig *rig, const char *user, enum status status, uint32_t ttl_ms) {
    enum muster_code code = rig_beat(rig, beat_of_status(text_of("room"), text_of(user), status, ttl_ms));
    if (code != MUSTER_OK) fail_msg("a status of %s: code %d, %s", user, code, rig->why.what);
}

/* ---- leaves of all sessions ------------------------------------------------------------------------------------- */

static void a_leave_of_all_beats_every_earlier_touch_whichever_comes_first(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change leave = a_register(rig, REGISTER_LEAVE, 2, 20), before = a_session(rig, "tab", 3, 19),
                  after = a_session(rig, "tab", 3, 21);
    if (merge(rig, &leave, 1) != 1) fail_msg("a leave of a user who is not known is not kept");
    if (merge(rig, &before, 1) != 0 || rig_is_live(rig, "room", "ada")) fail_msg("a touch from before it shows");
    if (rig->effects.count != 0) fail_msg("somebody is told of the touch");
    if (merge(rig, &after, 1) != 1 || !rig_is_live(rig, "room", "ada")) fail_msg("a touch from after it does not show");
    leave.stamp = leave.sequence = 30;
    if (merge(rig, &leave, 1) != 1 || rig_told(rig, EFFECT_LEFT, REASON_LEFT, "ada") != 1) fail_msg("nobody is told");
    if (rig_is_live(rig, "room", "ada") || rig_counts(rig, "room").sessions != 0) fail_msg("ada is still live");
    struct walk_cursor cursor = {0};
    struct change walked[MUSTER_SESSIONS_MAX + 2];
    bool is_done;
    size_t n = roll_walk(rig->roll, &cursor, NULL, 0, MUSTER_SESSIONS_MAX + 2, 1000, &is_done, walked);
    if (n != 1 || walked[0].kind != REGISTER_LEAVE) fail_msg("a walk tells of %zu registers", n);
    rig_free(rig);
}

static void a_leave_of_all_is_told_of_once(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    for (int i = 0; i < 5; i++) rig_touch(rig, "room", "ada", (const char *[]){"a", "b", "c", "d", "e"}[i], TTL_MS);
    rig->now_ms += 1000;
    leave_all(rig, "ada");
    if (rig_told(rig, EFFECT_LEFT, REASON_LEFT, "ada") != 1 || rig->effects.count != 1) fail_msg("not told of once");
    if (rig->touched.left != 1 || !rig->touched.is_news) fail_msg("the caller is not told");
    struct user_view view = rig_view(rig, "room", "ada");
    if (view.live || !view.known || view.seen_ms != rig->now_ms) fail_msg("leaving is not when ada was last seen");
    if (rig_window(rig, "room", 500).users != 1) fail_msg("leaving does not count in a window");
    leave_all(rig, "ada");
    if (rig->effects.count != 0 || rig->touched.left != 0) fail_msg("a second leave is told");
    rig_free(rig);
}

/* As a Leave with linger does it: sessions that linger take the stamp of the leave. */
static void sessions_with_the_stamp_of_the_leave_linger(void **state) {
    (void)state;
    struct rig *rig = rig_of(1), *other = rig_of(2);
    rig_touch(rig, "room", "ada", "tab", TTL_MS);
    const struct beat beats[] = {rig_a_beat("room", "ada", "tab", 5000),
                                 beat_of_leave(text_of("room"), text_of("ada"))};
    rig_batch(rig, beats, 2);
    if (rig->effects.count != 0 || !rig_is_live(rig, "room", "ada")) fail_msg("a session that lingers is told of");
    struct change changes[4], unknown = a_session(other, "phone", 3, 5);
    struct change known = a_session(other, "tab", 1, 1);
    merge(other, &known, 1);
    bool is_complete;
    uint64_t after = 0;
    size_t n = roll_changes(rig->roll, &after, 4, &is_complete, changes);
    for (size_t i = 0; i < n / 2; i++) { /* the leave first */
        struct change swapped = changes[i];
        changes[i] = changes[n - 1 - i];
        changes[n - 1 - i] = swapped;
    }
    changes[n] = unknown;
    merge(other, changes, n + 1);
    if (other->effects.count != 0 || rig_view(other, "room", "ada").sessions != 1) fail_msg("elsewhere it is told of");
    rig->now_ms = other->now_ms += 5001;
    if (rig_is_live(rig, "room", "ada") || rig_is_live(other, "room", "ada")) fail_msg("it lingers for too long");
    rig_free(rig);
    rig_free(other);
}

static void a_leave_of_all_is_kept_as_long_as_a_leave(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    leave_all(rig, "ada");
    rig_leave(rig, "room", "ben", "");
    rig->now_ms += RIG_RETENTION_MS;
    rig_tick(rig);
    if (!rig_view(rig, "room", "ada").known || !rig_view(rig, "room", "ben").known) fail_msg("forgotten too early");
    rig->now_ms += RIG_RETENTION_MS / 1024;
    rig_tick(rig);
    if (rig_stats(rig).members != 0) fail_msg("%" PRIu64 " members are kept", rig_stats(rig).members);
    rig_free(rig);
}

/* The slot of a local session that another node's leave made void tells of the leave. */
static void the_log_tells_of_the_leave_in_place_of_what_it_made_void(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change leave = a_register(rig, REGISTER_LEAVE, 2, rig->stamp + 100), out[4];
    rig_touch(rig, "room", "ada", "tab", TTL_MS);
    merge(rig, &leave, 1);
    bool is_complete;
    uint64_t after = 0;
    size_t n = roll_changes(rig->roll, &after, 4, &is_complete, out);
    if (!is_complete || n != 1 || out[0].kind != REGISTER_LEAVE || out[0].origin != 2 || out[0].stamp != leave.stamp)
        fail_msg("%zu changes, the first of kind %u", n, out[0].kind);
    rig_free(rig);
}

/* A slot that tells of a session of another node, since that overwrote a session of this one, finds the leave too. */
static void the_log_finds_the_leave_through_a_session_of_another_node(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change session = a_session(rig, "tab", 2, rig->stamp + 100), out[4],
                  leave = a_register(rig, REGISTER_LEAVE, 3, rig->stamp + 200);
    rig_touch(rig, "room", "ada", "tab", TTL_MS);
    merge(rig, &session, 1);
    merge(rig, &leave, 1);
    bool is_complete;
    uint64_t after = 0;
    size_t n = roll_changes(rig->roll, &after, 4, &is_complete, out);
    if (!is_complete || n != 1 || out[0].kind != REGISTER_LEAVE || out[0].stamp != leave.stamp)
        fail_msg("%zu changes, the first of kind %u", n, out[0].kind);
    rig->now_ms += RIG_RETENTION_MS + RIG_RETENTION_MS / 1024;
    rig_tick(rig);
    if (rig_stats(rig).members != 0) fail_msg("%" PRIu64 " members are kept", rig_stats(rig).members);
    rig_free(rig);
}

static void a_refresh_from_before_a_leave_of_all_is_of_no_effect(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change session = a_session(rig, "tab", 2, 10), leave = a_register(rig, REGISTER_LEAVE, 3, 20);
    merge(rig, &session, 1);
    merge(rig, &leave, 1);
    struct refresh refresh = {.scope_hash = roll_hash(rig->roll, text_of("room")),
                              .user_hash = roll_hash(rig->roll, text_of("ada")),
                              .session_hash = roll_session_hash(rig->roll, text_of("tab")),
                              .sequence = 15,
                              .stamp = 15,
                              .seen_ms = rig->now_ms};
    if (roll_refresh(rig->roll, 2, &refresh, 1, 0, rig->now_ms, NULL) != 0) fail_msg("a void refresh is missed");
    refresh.stamp = refresh.sequence = 25;
    if (roll_refresh(rig->roll, 2, &refresh, 1, 0, rig->now_ms, NULL) != 1) fail_msg("a newer one is not missed");
    refresh.session_hash = roll_session_hash(rig->roll, register_session(REGISTER_LEAVE));
    if (roll_refresh(rig->roll, 3, &refresh, 1, 0, rig->now_ms, NULL) != 1) fail_msg("a leave is refreshed");
    if (rig_is_live(rig, "room", "ada")) fail_msg("ada is live");
    rig_free(rig);
}

static void registers_do_not_count_as_sessions(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    char session[16];
    leave_all(rig, "ada");
    set_status(rig, "ada", STATUS_BUSY, 1000);
    rig->now_ms += 2000; /* both are tombstones now, and older than any session */
    for (unsigned i = 0; i < MUSTER_SESSIONS_MAX; i++) {
        snprintf(session, sizeof session, "s%u", i);
        rig_touch(rig, "room", "ada", session, TTL_MS);
    }
    if (rig_view(rig, "room", "ada").sessions != MUSTER_SESSIONS_MAX) fail_msg("not every session fits");
    struct change late = a_session(rig, "late", 2, 1);
    if (merge(rig, &late, 1) != 0) fail_msg("the leave was dropped for a session");
    if (rig_stats(rig).members_live != MUSTER_SESSIONS_MAX) fail_msg("registers count as live members");
    rig_free(rig);
}

/* ---- any order -------------------------------------------------------------------------------------------------- */

enum { RECORDS = 14, USERS = 2 };

static void draw_records(struct random *random, const struct rig *rig, struct change records[RECORDS]) {
    static const char *const sessions[] = {"", "tab", "phone"};
    static const char *const users[USERS] = {"ada", "ben"};
    for (unsigned i = 0; i < RECORDS; i++) {
        uint64_t origin = random_between(random, 2, 4);
        enum register_kind kind = random_chance(random, 1, 2) ? REGISTER_SESSION : (int)random_between(random, 1, 2);
        struct change change = kind == REGISTER_SESSION ? a_session(rig, sessions[random_below(random, 3)], origin, 1)
                                                        : a_register(rig, kind, origin, 1);
        change.user = text_of(users[random_below(random, USERS)]);
        change.stamp = random_between(random, 10, 16);
        change.sequence = 100 + i;
        change.seen_ms -= random_below(random, 3) * 1000;
        change.status = (uint8_t)random_between(random, STATUS_AWAY, STATUS_BUSY);
        if (random_chance(random, 1, 6)) change.ttl_ms = 0;
        if (random_chance(random, 1, 12)) {
            change.is_reset = true;
            change.user = change.session = (struct text){0};
            change.kind = REGISTER_SESSION;
        }
        records[i] = change;
    }
}

/* Merges all in a random order, some of them twice, in random pieces, with ticks between. */
static void merge_somehow(struct random *random, struct rig *rig, const struct change records[RECORDS]) {
    struct change all[RECORDS + 4];
    size_t n = RECORDS;
    memcpy(all, records, RECORDS * sizeof *records);
    while (n < RECORDS + 4) all[n++] = records[random_below(random, RECORDS)];
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = (size_t)random_below(random, i + 1);
        struct change swapped = all[i];
        all[i] = all[k];
        all[k] = swapped;
    }
    for (size_t at = 0, piece; at < n; at += piece) {
        piece = (size_t)random_between(random, 1, n - at);
        merge(rig, all + at, piece);
        if (random_chance(random, 1, 2)) rig_tick(rig);
    }
    rig_tick(rig);
}

static void expect_alike(const struct rig *a, const struct rig *b, uint64_t seed) {
    if (roll_fingerprint(a->roll, a->now_ms) != roll_fingerprint(b->roll, b->now_ms))
        fail_msg("seed %" PRIu64 ": other registers", seed);
    for (int user = 0; user < USERS; user++) {
        const char *name = user == 0 ? "ada" : "ben";
        struct user_view va = rig_view(a, "room", name), vb = rig_view(b, "room", name);
        if (va.known != vb.known || va.live != vb.live || va.status != vb.status || va.sessions != vb.sessions ||
            va.seen_ms != vb.seen_ms)
            fail_msg("seed %" PRIu64 ": %s is live %d with %u sessions and status %d, or live %d, %u, %d", seed, name,
                     va.live, va.sessions, va.status, vb.live, vb.sessions, vb.status);
    }
    struct scope_counts ca = rig_counts(a, "room"), cb = rig_counts(b, "room");
    bool is_same = ca.live == cb.live && ca.sessions == cb.sessions;
    for (int s = STATUS_AWAY; s <= STATUS_BUSY; s++) is_same &= ca.by_status[s] == cb.by_status[s];
    if (!is_same) fail_msg("seed %" PRIu64 ": other counts", seed);
}

static void any_order_comes_to_the_same(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct random random = random_of(seed);
        struct rig *a = rig_of(1), *b = rig_of(9);
        struct change records[RECORDS];
        draw_records(&random, a, records);
        merge_somehow(&random, a, records);
        merge_somehow(&random, b, records);
        expect_alike(a, b, seed);
        a->now_ms = b->now_ms += TTL_MS / 2;
        rig_tick(a);
        rig_tick(b);
        expect_alike(a, b, seed);
        rig_free(a);
        rig_free(b);
    }
}

/* ---- status ------------------------------------------------------------------------------------------------------ */

static void a_status_decides_while_its_lease_holds(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    rig_touch(rig, "room", "ada", "a", TTL_MS);
    rig_touch(rig, "room", "ada", "b", TTL_MS);
    set_status(rig, "ada", STATUS_AWAY, 5000);
    if (rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada") != 1 || rig->effects.count != 1) fail_msg("not told of once");
    struct user_view view = rig_view(rig, "room", "ada");
    if (view.status != STATUS_AWAY || view.sessions != 2)
        fail_msg("status %d, %u sessions", view.status, view.sessions);
    rig_touch(rig, "room", "ada", "a", TTL_MS);
    if (rig->effects.count != 0 || rig_view(rig, "room", "ada").status != STATUS_AWAY) fail_msg("a beat changes it");
    struct scope_counts counts = rig_counts(rig, "room");
    if (counts.by_status[STATUS_AWAY] != 1 || counts.by_status[STATUS_ONLINE] != 0) fail_msg("it is counted otherwise");
    struct user_view out[2];
    if (roll_list(rig->roll, text_of("room"), 1 << STATUS_AWAY, NULL, 2, rig->now_ms, out).count != 1 ||
        roll_list(rig->roll, text_of("room"), 1 << STATUS_ONLINE, NULL, 2, rig->now_ms, out).count != 0)
        fail_msg("it is listed otherwise");
    rig->now_ms += 5000;
    rig_tick(rig);
    if (rig->effects.count != 0 || rig_view(rig, "room", "ada").status != STATUS_AWAY) fail_msg("it ends too early");
    rig->now_ms += 1;
    if (rig_view(rig, "room", "ada").status != STATUS_ONLINE) fail_msg("it outlives its TTL");
    rig_tick(rig);
    if (rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada") != 1 || rig->effects.count != 1)
        fail_msg("its end is not told of once");
    if (rig_counts(rig, "room").by_status[STATUS_ONLINE] != 1) fail_msg("its end is not counted");
    rig_free(rig);
}

static void a_status_makes_nobody_live_or_known(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    set_status(rig, "ada", STATUS_BUSY, TTL_MS);
    struct scope_counts counts = rig_counts(rig, "room");
    if (rig->effects.count != 0 || counts.live != 0 || rig->touched.joined != 0) fail_msg("it makes ada live");
    if (rig_view(rig, "room", "ada").known || rig_window(rig, "room", 1000).users != 0) fail_msg("it makes ada known");
    struct scope_view scopes[2];
    if (roll_scopes(rig->roll, NULL, 2, rig->now_ms, scopes).count != 0) fail_msg("it makes a scope");
    rig->now_ms += 1000;
    rig_touch(rig, "room", "ada", "", TTL_MS);
    if (rig_view(rig, "room", "ada").status != STATUS_BUSY) fail_msg("it does not wait for the user");
    rig->now_ms += 1000;
    leave_all(rig, "ada");
    rig->now_ms += 1000;
    set_status(rig, "ada", STATUS_AWAY, TTL_MS);
    if (rig_view(rig, "room", "ada").seen_ms != rig->now_ms - 1000) fail_msg("it counts as an activity");
    rig_touch(rig, "room", "ada", "", TTL_MS);
    if (rig_view(rig, "room", "ada").status != STATUS_AWAY) fail_msg("it does not survive a leave");
    rig_free(rig);
}

static void a_status_is_cleared_and_stays_so(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    rig_touch(rig, "room", "ada", "", TTL_MS);
    set_status(rig, "ada", STATUS_BUSY, (uint32_t)MUSTER_STATUS_TTL_MAX_MS);
    set_status(rig, "ada", STATUS_ONLINE, 0);
    if (rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada") != 1 || rig_view(rig, "room", "ada").status != STATUS_ONLINE)
        fail_msg("it is not cleared");
    struct change older = a_register(rig, REGISTER_STATUS, 2, rig->stamp - 1);
    older.status = STATUS_AWAY;
    if (merge(rig, &older, 1) != 0 || rig_view(rig, "room", "ada").status != STATUS_ONLINE)
        fail_msg("an earlier one that comes late is not cleared");
    rig_free(rig);
}

/* 30 days are more than the timers' wheel spans, and the retention. */
static void a_status_holds_for_thirty_days(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    set_status(rig, "ada", STATUS_BUSY, (uint32_t)MUSTER_STATUS_TTL_MAX_MS);
    uint64_t end_ms = rig->now_ms + MUSTER_STATUS_TTL_MAX_MS;
    while (rig->now_ms + 6 * 3600000 < end_ms) {
        rig->now_ms += 6 * 3600000;
        rig_tick(rig);
    }
    rig->now_ms = end_ms;
    rig_touch(rig, "room", "ada", "", TTL_MS);
    if (rig_view(rig, "room", "ada").status != STATUS_BUSY) fail_msg("it ends too early");
    rig->now_ms++;
    rig_tick(rig);
    if (rig_view(rig, "room", "ada").status != STATUS_ONLINE || rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada") != 1)
        fail_msg("it does not end");
    rig_free(rig);
}

static void a_reset_drops_both(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    leave_all(rig, "ada");
    set_status(rig, "ada", STATUS_BUSY, TTL_MS);
    rig_reset(rig, "room");
    if (rig_view(rig, "room", "ada").known) fail_msg("a leave outlives a reset");
    rig_touch(rig, "room", "ada", "", TTL_MS);
    if (rig_view(rig, "room", "ada").status != STATUS_ONLINE) fail_msg("a status outlives a reset");
    rig_tick(rig);
    if (rig_stats(rig).members != 1) fail_msg("%" PRIu64 " members are kept", rig_stats(rig).members);
    rig_free(rig);
}

/* A full roll: a leave of all makes room as a leave does, a status that holds does not. */
static void only_what_has_ended_makes_room(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.members_max = 2;
    struct rig *rig = rig_new_with(&config);
    set_status(rig, "ada", STATUS_BUSY, TTL_MS);
    rig->now_ms++;
    leave_all(rig, "ben");
    rig_touch(rig, "room", "ada", "", TTL_MS);
    if (rig_view(rig, "room", "ben").known) fail_msg("the leave made no room");
    if (rig_view(rig, "room", "ada").status != STATUS_BUSY) fail_msg("the status made room");
    if (!rig_window(rig, "room", 1000).incomplete) fail_msg("a window hides that a leave is missing");
    if (rig_beat(rig, rig_a_beat("room", "eve", "", TTL_MS)) != MUSTER_RESOURCE_EXHAUSTED) fail_msg("there is room");
    rig_free(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leave_of_all_beats_every_earlier_touch_whichever_comes_first),
        cmocka_unit_test(a_leave_of_all_is_told_of_once),
        cmocka_unit_test(sessions_with_the_stamp_of_the_leave_linger),
        cmocka_unit_test(a_leave_of_all_is_kept_as_long_as_a_leave),
        cmocka_unit_test(the_log_tells_of_the_leave_in_place_of_what_it_made_void),
        cmocka_unit_test(the_log_finds_the_leave_through_a_session_of_another_node),
        cmocka_unit_test(a_refresh_from_before_a_leave_of_all_is_of_no_effect),
        cmocka_unit_test(registers_do_not_count_as_sessions),
        cmocka_unit_test(any_order_comes_to_the_same),
        cmocka_unit_test(a_status_decides_while_its_lease_holds),
        cmocka_unit_test(a_status_makes_nobody_live_or_known),
        cmocka_unit_test(a_status_is_cleared_and_stays_so),
        cmocka_unit_test(a_status_holds_for_thirty_days),
        cmocka_unit_test(a_reset_drops_both),
        cmocka_unit_test(only_what_has_ended_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
