/* The roll's promises, one a test. A program argument runs only the tests of that name (a pattern). */
#include "rig.h"

#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MINUTE_MS = 60000, SECOND_MS = 1000 };

static int set_up(void **state) {
    *state = rig_new();
    return 0;
}

static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static void expect(bool fact, const char *what) {
    if (!fact) fail_msg("%s", what);
}

static void expect_number(uint64_t got, uint64_t expected, const char *what) {
    if (got != expected) fail_msg("%s: %" PRIu64 ", not %" PRIu64, what, got, expected);
}

/* ---- who is live ------------------------------------------------------------------------------------------------ */

static void nobody_is_known_at_first(void **state) {
    struct rig *rig = *state;
    expect(!rig_view(rig, "room", "ada").known, "a stranger is known");
    expect_number(rig_counts(rig, "room").live, 0, "live");
}

static void a_user_is_live_at_exactly_its_ttl(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS;
    expect(rig_is_live(rig, "room", "ada"), "not live at an age of exactly the TTL");
    rig_tick(rig);
    expect(rig_is_live(rig, "room", "ada"), "not live at exactly the TTL after a tick");
    expect_number(rig_counts(rig, "room").live, 1, "live at exactly the TTL");
}

static void a_user_is_not_live_after_its_ttl(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    expect(!rig_is_live(rig, "room", "ada"), "live a millisecond past the TTL");
    rig_tick(rig);
    expect_number(rig_counts(rig, "room").live, 0, "live past the TTL");
}

static void a_beat_extends_the_lease(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS;
    rig_tick(rig);
    expect(rig_is_live(rig, "room", "ada"), "the second beat did not count");
    expect_number(rig->touched.joined, 0, "joined by a refresh");
}

static void a_beat_may_shorten_the_lease(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", 60 * MINUTE_MS);
    rig_touch(rig, "room", "ada", "", SECOND_MS);
    rig->now_ms += SECOND_MS + 1;
    rig_tick(rig);
    expect(!rig_is_live(rig, "room", "ada"), "the longer lease held");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada"), 1, "told of");
}

static void a_leave_ends_the_session_at_once(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "ada", "");
    expect(!rig_is_live(rig, "room", "ada"), "live after the leave");
    expect_number(rig->touched.left, 1, "left");
    expect_number(rig_counts(rig, "room").live, 0, "live");
}

static void a_leave_is_the_last_activity(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += 5000;
    rig_leave(rig, "room", "ada", "");
    expect_number(rig_view(rig, "room", "ada").seen_ms, rig->now_ms, "seen");
}

static void a_leave_of_a_stranger_leaves_a_tombstone(void **state) {
    struct rig *rig = *state;
    rig_leave(rig, "room", "ada", "");
    struct user_view view = rig_view(rig, "room", "ada");
    expect(view.known && !view.live, "no tombstone");
    expect_number(view.seen_ms, rig->now_ms, "seen");
    expect_number(rig->effects.count, 0, "effects");
}

static void a_user_who_left_may_come_back(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "ada", "");
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    expect(rig_is_live(rig, "room", "ada"), "not live");
    expect_number(rig->touched.joined, 1, "joined");
}

static void a_user_is_live_while_any_session_is(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "tab", MINUTE_MS);
    rig_touch(rig, "room", "ada", "phone", 2 * MINUTE_MS);
    expect_number(rig_view(rig, "room", "ada").sessions, 2, "sessions");
    rig->now_ms += MINUTE_MS + 1;
    rig_tick(rig);
    expect(rig_is_live(rig, "room", "ada"), "the phone does not count");
    expect_number(rig_view(rig, "room", "ada").sessions, 1, "sessions");
    rig_leave(rig, "room", "ada", "phone");
    expect(!rig_is_live(rig, "room", "ada"), "live without a session");
}

static void a_user_who_is_gone_is_known_for_exactly_the_retention(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    uint64_t seen_ms = rig->now_ms;
    rig->now_ms += MINUTE_MS + RIG_RETENTION_MS;
    rig_tick(rig);
    expect(rig_view(rig, "room", "ada").known, "unknown at exactly the retention");
    expect_number(rig_view(rig, "room", "ada").seen_ms, seen_ms, "seen");
    rig->now_ms++;
    expect(!rig_view(rig, "room", "ada").known, "known past the retention");
    rig_tick(rig);
    expect(!rig_view(rig, "room", "ada").known, "known past the retention, after a tick");
}

static void answers_are_exact_without_a_tick(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    struct user_view rows[2];
    struct session_view sessions[MUSTER_SESSIONS_MAX];
    expect(!rig_is_live(rig, "room", "ada"), "roll_live");
    struct page page = roll_list(rig->roll, text_of("room"), STATUS_MASK_ALL, NULL, 2, rig->now_ms, rows);
    expect_number(page.count, 0, "roll_list");
    expect_number(roll_sessions(rig->roll, text_of("room"), text_of("ada"), rig->now_ms, sessions), 0, "roll_sessions");
}

static void scopes_are_apart(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    expect(!rig_view(rig, "hall", "ada").known, "known in another scope");
    rig_touch(rig, "hall", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "ada", "");
    expect(rig_is_live(rig, "hall", "ada"), "left another scope");
}

static void the_border_of_user_and_session_is_kept(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ab", "c", MINUTE_MS);
    rig_touch(rig, "room", "a", "bc", MINUTE_MS);
    rig_touch(rig, "room", "abc", "", MINUTE_MS);
    expect_number(rig_counts(rig, "room").live, 3, "live");
    rig_leave(rig, "room", "a", "bc");
    expect(rig_is_live(rig, "room", "ab") && rig_is_live(rig, "room", "abc"), "taken for another");
}

static void ids_of_every_length_are_told_apart(void **state) {
    struct rig *rig = *state;
    char id[MUSTER_ID_BYTES_MAX + 1], other[MUSTER_ID_BYTES_MAX + 1];
    for (size_t user_len = 1; user_len <= MUSTER_ID_BYTES_MAX; user_len++) {
        memset(id, 'u', user_len);
        id[user_len] = '\0';
        memcpy(other, id, user_len + 1);
        other[user_len - 1] = 'v'; /* differs in its last byte only */
        size_t session_len = MUSTER_ID_BYTES_MAX - user_len;
        char session[MUSTER_ID_BYTES_MAX + 1];
        memset(session, 's', session_len);
        session[session_len] = '\0';
        rig_touch(rig, "room", id, session, MINUTE_MS);
        if (!rig_is_live(rig, "room", id)) fail_msg("not live: an id of %zu bytes", user_len);
        if (rig_view(rig, "room", other).known) fail_msg("taken for another: an id of %zu bytes", user_len);
        struct session_view view = rig_session(rig, "room", id);
        if (!text_equal(view.session, text_of(session))) fail_msg("a session of %zu bytes", session_len);
    }
    expect_number(rig_counts(rig, "room").live, MUSTER_ID_BYTES_MAX, "live");
}

/* ---- status and state ------------------------------------------------------------------------------------------- */

static void the_status_is_the_highest_of_the_live_sessions(void **state) {
    struct rig *rig = *state;
    struct beat away = rig_a_beat("room", "ada", "1", 3 * MINUTE_MS), busy = rig_a_beat("room", "ada", "2", MINUTE_MS);
    away.status = STATUS_AWAY;
    busy.status = STATUS_BUSY;
    rig_beat(rig, away);
    expect_number(rig_view(rig, "room", "ada").status, STATUS_AWAY, "status");
    rig_beat(rig, busy);
    rig_touch(rig, "room", "ada", "3", 2 * MINUTE_MS);
    expect_number(rig_view(rig, "room", "ada").status, STATUS_BUSY, "status");
    rig->now_ms += MINUTE_MS + 1;
    expect_number(rig_view(rig, "room", "ada").status, STATUS_ONLINE, "status once the busy session ended");
    rig->now_ms += MINUTE_MS;
    expect_number(rig_view(rig, "room", "ada").status, STATUS_AWAY, "status once the online session ended");
    rig->now_ms += MINUTE_MS;
    expect_number(rig_view(rig, "room", "ada").status, STATUS_NONE, "status of a user who is gone");
}

static void expect_state(const struct rig *rig, const char *expected) {
    struct text found = rig_session(rig, "room", "ada").state;
    if (!text_equal(found, text_of(expected)))
        fail_msg("state \"%.*s\", not \"%s\"", (int)found.len, found.data, expected);
}

static void a_state_is_kept_replaced_and_dropped(void **state) {
    struct rig *rig = *state;
    struct beat beat = rig_a_beat("room", "ada", "tab", MINUTE_MS);
    rig_beat(rig, beat);
    expect_state(rig, "");
    beat.state = text_of("typing");
    rig_beat(rig, beat);
    expect_state(rig, "typing");
    beat.state = text_of("somewhere in the middle of a long document");
    rig_beat(rig, beat);
    expect_state(rig, "somewhere in the middle of a long document");
    beat.state = text_of("x");
    rig_beat(rig, beat);
    expect_state(rig, "x");
    beat.state = (struct text){NULL, 0};
    rig_beat(rig, beat);
    expect_state(rig, "");
}

static void a_state_of_the_greatest_size_is_kept(void **state) {
    struct rig *rig = *state;
    char bytes[MUSTER_STATE_BYTES_MAX];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)i;
    struct beat beat = rig_a_beat("room", "ada", "tab", MINUTE_MS);
    beat.state = (struct text){bytes, sizeof bytes};
    rig_beat(rig, beat);
    struct text found = rig_session(rig, "room", "ada").state;
    expect(text_equal(found, beat.state), "another state");
}

static void a_session_tells_its_beat(void **state) {
    struct rig *rig = *state;
    struct beat beat = rig_a_beat("room", "ada", "tab", 12345);
    beat.status = STATUS_BUSY;
    rig_beat(rig, beat);
    uint64_t seen_ms = rig->now_ms;
    rig->now_ms += 100;
    struct session_view view = rig_session(rig, "room", "ada");
    expect(text_equal(view.session, text_of("tab")), "the session");
    expect_number(view.status, STATUS_BUSY, "status");
    expect_number(view.ttl_ms, 12345, "ttl");
    expect_number(view.seen_ms, seen_ms, "seen");
}

static void live_answers_in_the_order_of_the_question(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    struct text users[] = {text_of("bob"), text_of("nobody"), text_of("ada"), text_of("bob")};
    struct user_view views[4];
    roll_live(rig->roll, text_of("room"), users, 4, rig->now_ms, views);
    for (size_t i = 0; i < 4; i++)
        if (!text_equal(views[i].user, users[i])) fail_msg("answer %zu is another's", i);
    expect(views[0].live && !views[1].known && views[2].live && views[3].live, "the answers");
}

/* ---- batches and refusals --------------------------------------------------------------------------------------- */

static void beats_of_a_batch_apply_in_order(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {rig_a_beat("room", "ada", "", MINUTE_MS), rig_a_beat("room", "ada", "", 0),
                           rig_a_beat("room", "bob", "", 0), rig_a_beat("room", "bob", "", MINUTE_MS)};
    expect_number(rig_batch(rig, beats, 4), MUSTER_OK, "code");
    expect(!rig_is_live(rig, "room", "ada") && rig_is_live(rig, "room", "bob"), "not in order");
    expect_number(rig->touched.joined, 2, "joined");
    expect_number(rig->touched.left, 1, "left");
}

static void a_batch_says_which_beats_joined(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    struct beat beats[] = {rig_a_beat("room", "ada", "", MINUTE_MS),    rig_a_beat("room", "bob", "", MINUTE_MS),
                           rig_a_beat("room", "bob", "tab", MINUTE_MS), rig_a_beat("room", "ada", "", 0),
                           rig_a_beat("hall", "ada", "", MINUTE_MS),    rig_a_beat("room", "ada", "", MINUTE_MS)};
    struct beat_outcome each[6] = {0};
    expect_number(roll_touch_each(rig->roll, beats, 6, ++rig->stamp, rig->now_ms, NULL, &rig->touched, each, &rig->why),
                  MUSTER_OK, "code");
    const bool right[6] = {false, true, false, false, true, true};
    for (size_t i = 0; i < 6; i++)
        if (each[i].joined != right[i]) fail_msg("beat %zu: joined %d", i, each[i].joined);
    expect_number(rig->touched.joined, 3, "joined");
}

static void an_empty_batch_changes_nothing(void **state) {
    struct rig *rig = *state;
    expect_number(rig_batch(rig, NULL, 0), MUSTER_OK, "code");
    expect_number(rig_stats(rig).members, 0, "members");
}

static void each_beat_takes_the_next_sequence(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {rig_a_beat("room", "ada", "", MINUTE_MS), rig_a_beat("room", "ada", "", MINUTE_MS)};
    uint64_t before = rig_stats(rig).sequence;
    rig_batch(rig, beats, 2);
    expect_number(rig_stats(rig).sequence, before + 2, "sequence");
}

static void touch_sessions(struct rig *rig, const char *user, unsigned first, unsigned count, uint32_t ttl_ms) {
    for (unsigned i = first; i < first + count; i++) {
        char session[16];
        snprintf(session, sizeof session, "s%u", i);
        rig_touch(rig, "room", user, session, ttl_ms);
    }
}

static bool has_session(const struct rig *rig, const char *user, const char *session) {
    struct session_view views[MUSTER_SESSIONS_MAX];
    size_t n = roll_sessions(rig->roll, text_of("room"), text_of(user), rig->now_ms, views);
    for (size_t i = 0; i < n; i++)
        if (text_equal(views[i].session, text_of(session))) return true;
    return false;
}

/* The change of a session in the log after a sequence; its origin is 0 if there is none. */
static struct change session_change(const struct rig *rig, uint64_t after, const char *session) {
    static struct change changes[512];
    bool is_complete;
    size_t n = roll_changes(rig->roll, &after, 512, &is_complete, changes);
    for (size_t i = 0; i < n; i++)
        if (text_equal(changes[i].session, text_of(session))) return changes[i];
    return (struct change){0};
}

static void a_session_too_many_displaces_the_longest_unseen(void **state) {
    struct rig *rig = *state;
    touch_sessions(rig, "ada", 0, MUSTER_SESSIONS_MAX, MINUTE_MS);
    rig->now_ms += 10;
    for (unsigned i = 0; i < MUSTER_SESSIONS_MAX; i++)
        if (i != 7) touch_sessions(rig, "ada", i, 1, MINUTE_MS);
    uint64_t sequence = rig_stats(rig).sequence;
    struct beat beats[] = {rig_a_beat("room", "bob", "", MINUTE_MS), rig_a_beat("room", "ada", "more", MINUTE_MS)};
    struct beat_outcome each[2];
    effects_clear(&rig->effects);
    expect_number(
        roll_touch_each(rig->roll, beats, 2, ++rig->stamp, rig->now_ms, &rig->effects, &rig->touched, each, &rig->why),
        MUSTER_OK, "code");
    expect(rig_is_live(rig, "room", "bob"), "bob did not join");
    expect(has_session(rig, "ada", "more") && !has_session(rig, "ada", "s7"), "not the longest unseen has left");
    expect_number(rig_view(rig, "room", "ada").sessions, MUSTER_SESSIONS_MAX, "sessions");
    expect_number(rig_counts(rig, "room").sessions, MUSTER_SESSIONS_MAX + 1, "sessions of the room");
    expect_number(rig->touched.displaced, 1, "displaced");
    expect_number(each[1].displaced, 1, "displaced by the beat");
    expect_number(rig_stats(rig).displaced, 1, "displaced in the figures");
    expect_number(rig->touched.left, 0, "left");
    expect_number(rig->effects.count, 2, "effects");
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada"), 1, "updates of ada");
    expect_number(rig_stats(rig).sequence, sequence + 3, "sequence");
    struct change leave = session_change(rig, sequence, "s7");
    if (leave.sequence != sequence + 3 || leave.ttl_ms != 0 || leave.stamp != rig->stamp || leave.is_refresh)
        fail_msg("the leave: sequence %llu, TTL %u", (unsigned long long)leave.sequence, leave.ttl_ms);
    expect(rig->touched.is_news, "a leave is no news");
}

/* A call with more sessions of one user than a user may have does what one call a session does. */
static void a_batch_with_many_sessions_keeps_the_last(void **state) {
    struct rig *rig = *state;
    enum { MANY = 1000 };
    static struct beat beats[MANY + 1];
    static char names[MANY][8];
    touch_sessions(rig, "ada", 5000, MUSTER_SESSIONS_MAX, MINUTE_MS);
    rig->now_ms += 10;
    uint64_t sequence = rig_stats(rig).sequence;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        beats[i] = rig_a_beat("room", "ada", names[i], MINUTE_MS);
        beats[i].state = text_of("typing");
    }
    beats[MANY] = rig_a_beat("room", "bob", "", MINUTE_MS);
    expect_number(rig_batch(rig, beats, MANY + 1), MUSTER_OK, "code");
    expect_number(rig->touched.displaced, MANY, "displaced");
    expect_number(rig_view(rig, "room", "ada").sessions, MUSTER_SESSIONS_MAX, "sessions");
    for (unsigned i = 0; i < MANY; i++)
        if (has_session(rig, "ada", names[i]) != (i >= MANY - MUSTER_SESSIONS_MAX)) fail_msg("session %u", i);
    expect(rig_is_live(rig, "room", "bob"), "bob did not join");
    expect_number(rig_stats(rig).members, 2 * MUSTER_SESSIONS_MAX + 1, "members kept");
    expect_number(rig_stats(rig).sequence, sequence + 2 * MANY + 1, "sequence");
    /* Peers know the sessions that were here before: they hear of every leave. */
    for (unsigned i = 5000; i < 5000 + MUSTER_SESSIONS_MAX; i++) {
        char session[8];
        snprintf(session, sizeof session, "s%u", i);
        if (session_change(rig, sequence, session).sequence == 0) fail_msg("nobody hears that %s has left", session);
    }
}

/* Departures of sessions that nobody knows make tombstones, of which a user keeps few. */
static void leaves_of_many_unknown_sessions_keep_few(void **state) {
    struct rig *rig = *state;
    enum { MANY = 1000 };
    static struct beat beats[MANY];
    static char names[MANY][8];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        beats[i] = rig_a_beat("room", "ada", names[i], 0);
    }
    expect_number(rig_batch(rig, beats, MANY), MUSTER_OK, "code");
    expect_number(rig_stats(rig).members, MUSTER_SESSIONS_MAX, "members kept");
}

/* A call that goes in pieces is refused before the first one, where the roll has no room for all of it. */
static void many_sessions_are_refused_whole(void **state) {
    (void)state;
    enum { MANY = 200 };
    struct roll_config config = rig_config();
    config.members_max = 150;
    struct rig *rig = rig_new_with(&config);
    static struct beat beats[MANY];
    static char names[MANY][8];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        beats[i] = rig_a_beat("room", "ada", names[i], MINUTE_MS);
    }
    expect_number(rig_batch(rig, beats, MANY), MUSTER_RESOURCE_EXHAUSTED, "code");
    expect_number(rig_stats(rig).members, 0, "members");
    expect_number(rig_stats(rig).scopes, 0, "scopes");
    expect_number(rig_stats(rig).sequence, 0, "sequence");
    rig_free(rig);
}

static void a_displaced_session_comes_back_as_a_new_one(void **state) {
    struct rig *rig = *state;
    touch_sessions(rig, "ada", 0, MUSTER_SESSIONS_MAX + 1, MINUTE_MS);
    expect(!has_session(rig, "ada", "s0"), "s0 was not displaced");
    rig->now_ms += 10;
    touch_sessions(rig, "ada", 0, 1, MINUTE_MS);
    expect(has_session(rig, "ada", "s0") && !has_session(rig, "ada", "s1"), "s0 did not displace s1");
    expect_number(rig_stats(rig).members, MUSTER_SESSIONS_MAX + 1, "members");
}

static void a_session_that_left_makes_room_for_another(void **state) {
    struct rig *rig = *state;
    touch_sessions(rig, "ada", 0, MUSTER_SESSIONS_MAX, MINUTE_MS);
    rig_leave(rig, "room", "ada", "s7");
    rig_touch(rig, "room", "ada", "more", MINUTE_MS);
    expect_number(rig_view(rig, "room", "ada").sessions, MUSTER_SESSIONS_MAX, "sessions");
    expect_number(rig->touched.displaced, 0, "displaced");
}

static void a_user_keeps_few_tombstones(void **state) {
    struct rig *rig = *state;
    for (unsigned i = 0; i < 3 * MUSTER_SESSIONS_MAX; i++) {
        char session[16];
        snprintf(session, sizeof session, "s%u", i);
        rig->now_ms += 10;
        rig_touch(rig, "room", "ada", session, MINUTE_MS);
        rig_leave(rig, "room", "ada", session);
    }
    expect_number(rig_stats(rig).members, MUSTER_SESSIONS_MAX, "members kept");
}

/* ---- refresh beats ---------------------------------------------------------------------------------------------- */

static struct beat a_refresh(const char *scope, const char *user, const char *session, uint32_t ttl_ms) {
    struct beat beat = rig_a_beat(scope, user, session, ttl_ms);
    beat.status = STATUS_NONE;
    beat.is_refresh = true;
    return beat;
}

static void a_refresh_keeps_status_and_state(void **state) {
    struct rig *rig = *state;
    for (unsigned sessions = 1; sessions <= 2; sessions++) {
        struct beat beat = rig_a_beat("room", "ada", "tab", MINUTE_MS);
        beat.status = STATUS_BUSY;
        beat.state = text_of("typing");
        rig_beat(rig, beat);
        rig->now_ms += 30000;
        expect_number(rig_beat(rig, a_refresh("room", "ada", "tab", MINUTE_MS)), MUSTER_OK, "code");
        expect_number(rig->touched.unknown, 0, "unknown");
        expect_number(rig->effects.count, 0, "effects");
        rig->now_ms += MINUTE_MS;
        struct session_view view = rig_session(rig, "room", "ada");
        expect_number(view.status, STATUS_BUSY, "status");
        expect(text_equal(view.state, text_of("typing")), "the state");
        rig->now_ms += 1;
        expect(!rig_is_live(rig, "room", "ada"), "live after its TTL");
        rig_leave(rig, "room", "ada", "other"); /* the second time the user has two sessions */
    }
}

static void a_refresh_gives_the_lease_its_ttl(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_beat(rig, a_refresh("room", "ada", "", 5000));
    expect(rig->touched.is_news, "another TTL is no news");
    rig->now_ms += 5000;
    expect(rig_is_live(rig, "room", "ada"), "gone before its TTL");
    rig->now_ms += 1;
    expect(!rig_is_live(rig, "room", "ada"), "live after its TTL");
}

static void a_refresh_of_what_is_not_live_changes_nothing(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", 5000);
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_leave(rig, "room", "bob", "");
    rig_touch(rig, "room", "eve", "tab", MINUTE_MS);
    rig->now_ms += 5001;
    struct roll_stats before = rig_stats(rig);
    struct beat beats[] = {
        a_refresh("room", "ada", "", MINUTE_MS),    /* its TTL has passed */
        a_refresh("room", "bob", "", MINUTE_MS),    /* it has left */
        a_refresh("room", "eve", "tab", MINUTE_MS), /* it is live */
        a_refresh("room", "eve", "", MINUTE_MS),    /* another session of it is */
        a_refresh("room", "kim", "", MINUTE_MS),    /* nobody knows the user */
        a_refresh("hall", "ada", "", MINUTE_MS),    /* nor the scope */
    };
    struct beat_outcome each[6];
    effects_clear(&rig->effects);
    roll_touch_each(rig->roll, beats, 6, ++rig->stamp, rig->now_ms, &rig->effects, &rig->touched, each, &rig->why);
    for (size_t i = 0; i < 6; i++)
        if (each[i].is_unknown != (i != 2)) fail_msg("beat %zu: unknown %d", i, each[i].is_unknown);
    expect_number(rig->touched.unknown, 5, "unknown");
    expect(!rig_is_live(rig, "room", "ada") && !rig_is_live(rig, "room", "bob"), "a refresh has made somebody live");
    expect_number(rig_stats(rig).members, before.members, "members");
    expect_number(rig_stats(rig).scopes, before.scopes, "scopes");
    expect_number(rig_stats(rig).sequence, before.sequence + 1, "sequence");
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada"), 1, "that ada's TTL has passed");
}

static void a_refresh_in_an_empty_roll_changes_nothing(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {a_refresh("room", "ada", "", MINUTE_MS), a_refresh("hall", "bob", "tab", MINUTE_MS)};
    expect_number(rig_batch(rig, beats, 2), MUSTER_OK, "code");
    expect_number(rig->touched.unknown, 2, "unknown");
    expect_number(rig->touched.refresh_by_ms == UINT64_MAX, 1, "nothing to tell peers");
    expect_number(rig_stats(rig).scopes + rig_stats(rig).members + rig_stats(rig).sequence, 0, "what was made");
}

/* What a refresh means is decided at its turn. */
static void a_refresh_sees_the_beats_before_it(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {
        a_refresh("room", "ada", "", MINUTE_MS), rig_a_beat("room", "ada", "", MINUTE_MS),
        a_refresh("room", "ada", "", MINUTE_MS), rig_a_beat("room", "ada", "", 0),
        a_refresh("room", "ada", "", MINUTE_MS), rig_a_beat("room", "bob", "", MINUTE_MS),
        a_refresh("room", "bob", "", 2 * 60000),
    };
    struct beat_outcome each[7];
    roll_touch_each(rig->roll, beats, 7, ++rig->stamp, rig->now_ms, NULL, &rig->touched, each, &rig->why);
    const bool unknown[7] = {true, false, false, false, true, false, false};
    for (size_t i = 0; i < 7; i++)
        if (each[i].is_unknown != unknown[i]) fail_msg("beat %zu: unknown %d", i, each[i].is_unknown);
    expect(!rig_is_live(rig, "room", "ada"), "ada is live");
    rig->now_ms += 2 * 60000;
    expect(rig_is_live(rig, "room", "bob"), "bob's lease was not extended");
}

static void a_refresh_of_a_displaced_session_is_unknown(void **state) {
    struct rig *rig = *state;
    touch_sessions(rig, "ada", 0, MUSTER_SESSIONS_MAX, MINUTE_MS);
    struct beat beats[] = {rig_a_beat("room", "ada", "more", MINUTE_MS), a_refresh("room", "ada", "s0", MINUTE_MS)};
    expect_number(rig_batch(rig, beats, 2), MUSTER_OK, "code");
    expect_number(rig->touched.displaced, 1, "displaced");
    expect_number(rig->touched.unknown, 1, "unknown");
    expect(!has_session(rig, "ada", "s0"), "the refresh has made it live");
}

static void a_refresh_of_a_user_with_all_sessions_is_taken(void **state) {
    struct rig *rig = *state;
    touch_sessions(rig, "ada", 0, MUSTER_SESSIONS_MAX, MINUTE_MS);
    rig_touch(rig, "room", "ada", "s63", MINUTE_MS);
}

/* ---- where ------------------------------------------------------------------------------------------------------ */

/* Where a walk has found users: whether each of two is in each of many scopes. */
enum { WHERE_SCOPES = 300 };

static void name_scope(char name[16], unsigned scope) {
    snprintf(name, 16, "room:%u", scope);
}

/* Walks with pages of `limit`, and lets others come and go between them; counts how often each place came. */
static void walk_where(struct rig *rig, size_t limit, size_t budget, unsigned found[WHERE_SCOPES][2]) {
    const struct text users[] = {text_of("ada"), text_of("bob")};
    uint64_t hashes[2];
    struct where_user sorted[2];
    struct where where = {.users = users, .count = 2, .prefix = text_of("room:"), .hashes = hashes, .sorted = sorted};
    struct where_cursor cursor = {0};
    struct place_view places[16];
    roll_where_prepare(rig->roll, &where);
    memset(found, 0, WHERE_SCOPES * sizeof *found);
    for (unsigned step = 0; !cursor.is_done; step++) {
        size_t looked, count = roll_where(rig->roll, &where, &cursor, limit, budget, rig->now_ms, places, &looked);
        if (looked > budget + 2) fail_msg("%zu look-ups of %zu", looked, budget);
        for (size_t i = 0; i < count; i++) {
            unsigned scope;
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)places[i].scope.len, places[i].scope.data);
            if (sscanf(name, "room:%u", &scope) == 1 && scope < WHERE_SCOPES) found[scope][places[i].index]++;
        }
        /* Scopes come and go, and those that are walked get others. */
        char name[16];
        name_scope(name, WHERE_SCOPES + step);
        rig_touch(rig, name, "eve", "", 1000);
        rig_reset(rig, name);
        name_scope(name, step % WHERE_SCOPES);
        rig_touch(rig, name, step % 2 == 0 ? "kim" : "eve", "", MINUTE_MS);
        if (step % 7 == 0) rig_tick(rig);
    }
}

static void where_finds_each_place_once_whatever_changes(void **state) {
    struct rig *rig = *state;
    char name[16];
    for (unsigned scope = 0; scope < WHERE_SCOPES; scope++) {
        name_scope(name, scope);
        if (scope % 3 != 0) rig_touch(rig, name, "ada", "", MINUTE_MS);
        if (scope % 5 == 0) rig_touch(rig, name, "bob", "tab", MINUTE_MS);
    }
    rig_touch(rig, "hall", "ada", "", MINUTE_MS);
    static unsigned found[WHERE_SCOPES][2];
    static const struct { size_t limit, budget; } pages[] = {{1, 1}, {1, 1000}, {3, 7}, {16, 50}, {16, 100000}};
    for (size_t p = 0; p < sizeof pages / sizeof *pages; p++) {
        walk_where(rig, pages[p].limit, pages[p].budget, found);
        for (unsigned scope = 0; scope < WHERE_SCOPES; scope++)
            if (found[scope][0] != (scope % 3 != 0) || found[scope][1] != (scope % 5 == 0))
                fail_msg("limit %zu: room:%u: ada came %u times, bob %u", pages[p].limit, scope, found[scope][0],
                         found[scope][1]);
    }
}

/* Nobody is found where a TTL has passed, or after a leave or a reset. */
static void where_finds_who_is_live(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "short", "ada", "", 1000);
    rig_touch(rig, "left", "ada", "", MINUTE_MS);
    rig_touch(rig, "reset", "ada", "", MINUTE_MS);
    rig_touch(rig, "here", "ada", "", MINUTE_MS);
    rig_leave(rig, "left", "ada", "");
    rig_reset(rig, "reset");
    rig->now_ms += 1001;
    const struct text ada[] = {text_of("ada"), text_of("nobody"), text_of("ada")};
    uint64_t hashes[3];
    struct where_user sorted[3];
    struct where where = {.users = ada, .count = 3, .hashes = hashes, .sorted = sorted};
    struct where_cursor cursor = {0};
    struct place_view places[8];
    size_t looked;
    roll_where_prepare(rig->roll, &where);
    size_t count = roll_where(rig->roll, &where, &cursor, 8, 1000, rig->now_ms, places, &looked);
    expect(cursor.is_done, "the walk is not over");
    expect_number(count, 2, "places"); /* one for each time that she is asked for */
    for (size_t i = 0; i < 2; i++) {
        expect(text_equal(places[i].scope, text_of("here")), "the scope");
        expect_number(places[i].index, 2 * i, "index");
        expect_number(places[i].view.sessions, 1, "sessions");
    }
}

static struct rig *rig_for_members(uint64_t members_max) {
    struct roll_config config = rig_config();
    config.members_max = members_max;
    return rig_new_with(&config);
}

static void a_full_roll_refuses_a_join(void **state) {
    (void)state;
    struct rig *rig = rig_for_members(2);
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    expect_number(rig_beat(rig, rig_a_beat("room", "eve", "", MINUTE_MS)), MUSTER_RESOURCE_EXHAUSTED, "code");
    expect(strcmp(rig->why.what, "members") == 0, rig->why.what);
    expect_number(rig->why.limit, 2, "limit");
    expect(!rig_view(rig, "room", "eve").known, "known");
    expect_number(rig_counts(rig, "room").live, 2, "live");
    rig_touch(rig, "room", "ada", "", MINUTE_MS); /* who is here may stay */
    rig_free(rig);
}

static void a_refused_batch_evicts_nobody(void **state) {
    (void)state;
    struct rig *rig = rig_for_members(2);
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "bob", "");
    struct beat beats[] = {rig_a_beat("room", "eve", "", MINUTE_MS), rig_a_beat("room", "fay", "", MINUTE_MS)};
    expect_number(rig_batch(rig, beats, 2), MUSTER_RESOURCE_EXHAUSTED, "code");
    expect(rig_view(rig, "room", "bob").known, "a tombstone made room for nothing");
    expect(!rig_view(rig, "room", "eve").known, "half of a batch was applied");
    expect_number(rig_stats(rig).evicted, 0, "evicted");
    rig_free(rig);
}

static void the_longest_gone_makes_room_first(void **state) {
    (void)state;
    struct rig *rig = rig_for_members(3);
    rig_touch(rig, "room", "old", "", SECOND_MS);
    rig->now_ms += MINUTE_MS;
    rig_leave(rig, "room", "new", "");
    rig_touch(rig, "room", "live", "", MINUTE_MS);
    rig_tick(rig);
    rig_touch(rig, "room", "eve", "", MINUTE_MS);
    expect(!rig_view(rig, "room", "old").known, "the oldest tombstone did not make room");
    expect(rig_view(rig, "room", "new").known, "another made room");
    rig_touch(rig, "room", "fay", "", MINUTE_MS);
    expect(!rig_view(rig, "room", "new").known, "the next one did not make room");
    expect(rig_is_live(rig, "room", "live"), "a live user made room");
    expect_number(rig_stats(rig).evicted, 2, "evicted");
    rig_free(rig);
}

static void who_is_named_by_the_call_makes_no_room(void **state) {
    (void)state;
    struct rig *rig = rig_for_members(2);
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "bob", "");
    struct beat beats[] = {rig_a_beat("room", "eve", "", MINUTE_MS), rig_a_beat("room", "bob", "", MINUTE_MS)};
    expect_number(rig_batch(rig, beats, 2), MUSTER_RESOURCE_EXHAUSTED, "code");
    expect(rig_view(rig, "room", "bob").known, "bob made room for eve, and came back");
    rig_free(rig);
}

static void a_window_from_which_users_made_room_is_incomplete(void **state) {
    (void)state;
    struct rig *rig = rig_for_members(2);
    rig_touch(rig, "room", "ada", "", 30 * MINUTE_MS);
    rig_leave(rig, "room", "bob", "");
    rig->now_ms += MINUTE_MS;
    expect(!rig_window(rig, "room", MINUTE_MS).incomplete, "incomplete while nobody made room");
    rig_touch(rig, "room", "eve", "", 30 * MINUTE_MS);
    struct window_count window = rig_window(rig, "room", MINUTE_MS);
    expect(window.incomplete, "bob, seen a minute ago, is missing");
    expect_number(window.users, 2, "users");
    expect(!rig_window(rig, "room", MINUTE_MS - 1).incomplete, "bob was not seen so lately");
    rig_free(rig);
}

static void bytes_past_the_cap_are_refused(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.bytes_max = 64 * 1024;
    struct rig *rig = rig_new_with(&config);
    static char bytes[MUSTER_STATE_BYTES_MAX];
    enum muster_code code = MUSTER_OK;
    unsigned taken = 0;
    for (; code == MUSTER_OK && taken < 1000; taken++) {
        char user[16];
        snprintf(user, sizeof user, "user-%u", taken);
        struct beat beat = rig_a_beat("room", user, "", MINUTE_MS);
        beat.state = (struct text){bytes, sizeof bytes};
        code = rig_beat(rig, beat);
        if (rig_stats(rig).bytes > config.bytes_max) fail_msg("%" PRIu64 " bytes", rig_stats(rig).bytes);
    }
    expect_number(code, MUSTER_RESOURCE_EXHAUSTED, "code");
    expect(strcmp(rig->why.what, "bytes") == 0, rig->why.what);
    expect_number(rig->why.limit, config.bytes_max, "limit");
    if (taken < 40) fail_msg("refused after %u states of 1 KiB", taken);
    rig_free(rig);
}

/* ---- effects ---------------------------------------------------------------------------------------------------- */

static void a_join_is_told(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_JOINED, REASON_NONE, "ada"), 1, "told of");
    expect(text_equal(effect_scope(&rig->effects, &rig->items[0]), text_of("room")), "the scope");
    expect_number(rig->touched.joined, 1, "joined");
}

static void a_refresh_is_not_told(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += 1000;
    rig_touch(rig, "room", "ada", "", 2 * MINUTE_MS);
    expect_number(rig->effects.count, 0, "effects");
}

static void a_leave_is_told_with_its_reason(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "ada", "");
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_LEFT, "ada"), 1, "told of");
}

static void an_expiry_is_told_by_the_tick(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS;
    rig_tick(rig);
    expect_number(rig->effects.count, 0, "effects at exactly the TTL");
    rig->now_ms++;
    rig_tick(rig);
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada"), 1, "told of");
    rig->now_ms += MINUTE_MS;
    rig_tick(rig);
    expect_number(rig->effects.count, 0, "effects once more");
}

static void an_expiry_that_no_tick_noticed_is_told_by_the_touch(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    expect_number(rig->effects.count, 2, "effects");
    expect(rig->items[0].kind == EFFECT_LEFT && rig->items[0].reason == REASON_EXPIRED, "first the expiry");
    expect(rig->items[1].kind == EFFECT_JOINED, "then the join");
    expect_number(rig->touched.joined, 1, "joined");
    expect_number(rig->touched.left, 0, "left");
}

static void changes_of_a_live_user_are_told(void **state) {
    struct rig *rig = *state;
    struct beat beat = rig_a_beat("room", "ada", "tab", MINUTE_MS);
    rig_beat(rig, beat);
    beat.status = STATUS_BUSY;
    rig_beat(rig, beat);
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada"), 1, "a status");
    beat.state = text_of("typing");
    rig_beat(rig, beat);
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada"), 1, "a state");
    rig_touch(rig, "room", "ada", "phone", 2 * MINUTE_MS);
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada"), 1, "one more session");
    rig_leave(rig, "room", "ada", "phone");
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada"), 1, "one session less");
    rig_touch(rig, "room", "ada", "phone", 2 * MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    rig_tick(rig);
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada"), 1, "a session that expired");
}

static void a_leave_of_a_session_that_is_not_live_is_not_told(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "tab", MINUTE_MS);
    rig_leave(rig, "room", "ada", "another");
    expect_number(rig->effects.count, 0, "effects");
    rig_leave(rig, "room", "ada", "another");
    expect_number(rig->effects.count, 0, "effects of the second leave");
}

static void effects_that_do_not_fit_are_counted(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {rig_a_beat("room", "ada", "", MINUTE_MS), rig_a_beat("room", "bob", "", MINUTE_MS),
                           rig_a_beat("room", "eve", "", MINUTE_MS)};
    rig->effects.capacity = 1;
    expect_number(rig_batch(rig, beats, 3), MUSTER_OK, "code");
    expect_number(rig->effects.count, 1, "written");
    expect_number(rig->effects.dropped, 2, "dropped");
}

static void effects_whose_names_do_not_fit_are_counted(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {rig_a_beat("room", "ada", "", MINUTE_MS), rig_a_beat("room", "roberta", "", MINUTE_MS),
                           rig_a_beat("room", "eve", "", MINUTE_MS), rig_a_beat("hall", "eve", "", MINUTE_MS)};
    rig->effects.names_capacity = strlen("room"
                                         "ada"
                                         "eve") +
                                  3;
    memset(rig->names, '.', sizeof rig->names);
    expect_number(rig_batch(rig, beats, 4), MUSTER_OK, "code");
    expect_number(rig->effects.count, 2, "written");
    expect_number(rig->effects.dropped, 2, "dropped");
    expect_number(rig_told(rig, EFFECT_JOINED, REASON_NONE, "ada"), 1, "ada");
    expect_number(rig_told(rig, EFFECT_JOINED, REASON_NONE, "eve"), 1, "eve");
    expect(rig->names[rig->effects.names_capacity] == '.', "it wrote past the names");
    rig->effects = (struct effects){.items = rig->items, .capacity = RIG_EFFECTS};
    rig_leave(rig, "room", "ada", "");
    expect_number(rig->effects.count, 0, "written without names");
    expect_number(rig->effects.dropped, 1, "dropped without names");
}

static void effects_name_their_scopes(void **state) {
    struct rig *rig = *state;
    const char *scopes[] = {"room", "room", "hall", "room"};
    struct beat beats[4];
    for (int i = 0; i < 4; i++) beats[i] = rig_a_beat(scopes[i], i % 2 == 0 ? "ada" : "bob", "", MINUTE_MS);
    beats[3].user = text_of("eve");
    expect_number(rig_batch(rig, beats, 4), MUSTER_OK, "code");
    expect_number(rig->effects.count, 4, "effects");
    for (int i = 0; i < 4; i++) {
        expect(text_equal(effect_scope(&rig->effects, &rig->items[i]), beats[i].scope), "the scope");
        expect(text_equal(effect_user(&rig->effects, &rig->items[i]), beats[i].user), "the user");
    }
    expect_number(rig->items[1].scope_at, rig->items[0].scope_at, "where the same scope is");
}

static void effects_may_be_left_out(void **state) {
    struct rig *rig = *state;
    struct beat beat = rig_a_beat("room", "ada", "", MINUTE_MS);
    expect_number(roll_touch(rig->roll, &beat, 1, 2000, rig->now_ms, NULL, &rig->touched, &rig->why), MUSTER_OK,
                  "code");
    rig->now_ms += MINUTE_MS + 1;
    while (roll_tick(rig->roll, rig->now_ms, 10, NULL)) {
    }
    expect_number(rig_counts(rig, "room").live, 0, "live");
}

/* ---- tick ------------------------------------------------------------------------------------------------------- */

static void touch_many(struct rig *rig, const char *scope, unsigned first, unsigned count, uint32_t ttl_ms) {
    for (unsigned i = first; i < first + count; i++) {
        char user[16];
        snprintf(user, sizeof user, "user-%u", i);
        rig_touch(rig, scope, user, "", ttl_ms);
    }
}

static void a_tick_makes_no_more_effects_than_its_budget(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, 1000, MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    size_t told = 0, ticks = 0;
    bool more = true;
    while (more) {
        effects_clear(&rig->effects);
        more = roll_tick(rig->roll, rig->now_ms, 7, &rig->effects);
        if (rig->effects.count + rig->effects.dropped > 7) fail_msg("%zu effects", rig->effects.count);
        told += rig->effects.count;
        if (++ticks > 100000) fail_msg("no end");
    }
    expect_number(told, 1000, "told of");
    expect_number(rig_counts(rig, "room").live, 0, "live");
}

static void the_least_budget_comes_to_an_end(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, 500, MINUTE_MS);
    rig_reset(rig, "room");
    touch_many(rig, "room", 250, 500, MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    size_t ticks = 0;
    while (roll_tick(rig->roll, rig->now_ms, 1, NULL))
        if (++ticks > 1000000) fail_msg("no end");
    expect_number(rig_stats(rig).members, 500, "members");
    expect_number(rig_counts(rig, "room").live, 0, "live");
}

static void a_leap_over_everything_leaves_nothing(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, 100, MUSTER_TTL_MAX_MS);
    touch_many(rig, "hall", 0, 100, 1);
    rig->now_ms += UINT64_C(10) * 365 * 24 * 3600 * 1000;
    rig_tick(rig);
    rig->now_ms += RIG_RETENTION_MS / 1000;
    rig_tick(rig);
    expect_number(rig_stats(rig).members, 0, "members");
    expect_number(rig_stats(rig).scopes, 0, "scopes");
    expect_number(rig_stats(rig).forgotten, 200, "forgotten");
    expect_number(rig_stats(rig).expired, 200, "expired");
    expect_number(rig_stats(rig).bytes, 0, "bytes");
}

static void effects_of_a_leap_name_their_users(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += 10 * RIG_RETENTION_MS;
    effects_clear(&rig->effects);
    roll_tick(rig->roll, rig->now_ms, 100000, &rig->effects);
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada"), 1, "told of");
    expect(text_equal(effect_scope(&rig->effects, &rig->items[0]), text_of("room")), "the scope");
}

/* ---- pages ------------------------------------------------------------------------------------------------------ */

enum { PAGED_USERS = 1000 };

static unsigned user_number(struct text name) {
    char digits[16];
    if (name.len < 6 || name.len > 15) fail_msg("a name of %u bytes", name.len);
    memcpy(digits, name.data + 5, name.len - 5);
    digits[name.len - 5] = '\0';
    return (unsigned)atoi(digits);
}

/* Walks a scope of users user-0, user-1, …, doing `between` after each page; how often each came. */
static void walk(struct rig *rig, size_t limit, unsigned *came, void (*between)(struct rig *rig, unsigned page)) {
    struct user_view *rows = calloc(limit, sizeof *rows);
    struct page page = {.more = true};
    uint64_t last = 0;
    for (unsigned pages = 0; page.more; pages++) {
        uint64_t after = page.next;
        page = roll_list(rig->roll, text_of("room"), STATUS_MASK_ALL, pages == 0 ? NULL : &after, limit, rig->now_ms,
                         rows);
        if (page.count > limit) fail_msg("%zu rows, limit %zu", page.count, limit);
        for (size_t i = 0; i < page.count; i++) {
            uint64_t hash = roll_hash(rig->roll, rows[i].user);
            if (hash < last) fail_msg("out of order");
            last = hash;
            came[user_number(rows[i].user)]++;
        }
        if (between != NULL) between(rig, pages);
    }
    free(rows);
}

static void expect_each_once(const unsigned *came, unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count; i++)
        if (came[i] != 1) fail_msg("user-%u came %u times", i, came[i]);
}

static void pages_hold_every_live_user_once(void **state) {
    struct rig *rig = *state;
    static const size_t limits[] = {1, 2, 7, 100, PAGED_USERS - 1, PAGED_USERS, PAGED_USERS + 1, MUSTER_PAGE_MAX};
    touch_many(rig, "room", 0, PAGED_USERS, MINUTE_MS);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        unsigned came[PAGED_USERS] = {0};
        walk(rig, limits[i], came, NULL);
        expect_each_once(came, 0, PAGED_USERS);
    }
}

static void grow(struct rig *rig, unsigned page) {
    touch_many(rig, "room", PAGED_USERS + page * 300, 300, MINUTE_MS);
    if (page % 3 == 0) roll_tick(rig->roll, rig->now_ms, 10, NULL);
}

static void a_walk_is_whole_while_the_scope_grows(void **state) {
    struct rig *rig = *state;
    static unsigned came[PAGED_USERS + 300 * 1000];
    memset(came, 0, sizeof came);
    touch_many(rig, "room", 0, PAGED_USERS, MINUTE_MS);
    walk(rig, 700, came, grow);
    expect_each_once(came, 0, PAGED_USERS);
    for (size_t i = PAGED_USERS; i < sizeof came / sizeof *came; i++)
        if (came[i] > 1) fail_msg("user-%zu came %u times", i, came[i]);
}

static void shrink(struct rig *rig, unsigned page) {
    for (unsigned i = 0; i < 10; i++) {
        char user[16];
        snprintf(user, sizeof user, "user-%u", PAGED_USERS / 2 + (page * 10 + i) % (PAGED_USERS / 2));
        rig_leave(rig, "room", user, "");
    }
    rig->now_ms += RIG_RETENTION_MS / 20;
    touch_many(rig, "room", 0, PAGED_USERS / 2, RIG_RETENTION_MS);
    rig_tick(rig);
}

static void a_walk_is_whole_while_others_leave_and_are_forgotten(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, PAGED_USERS, RIG_RETENTION_MS);
    unsigned came[PAGED_USERS] = {0};
    walk(rig, 13, came, shrink);
    expect_each_once(came, 0, PAGED_USERS / 2);
}

static void a_list_is_filtered_by_status(void **state) {
    struct rig *rig = *state;
    for (unsigned i = 0; i < 30; i++) {
        char user[16];
        snprintf(user, sizeof user, "user-%u", i);
        struct beat beat = rig_a_beat("room", user, "", MINUTE_MS);
        beat.status = (uint8_t)(STATUS_AWAY + i % 3);
        rig_beat(rig, beat);
    }
    struct user_view rows[30];
    struct page page = roll_list(rig->roll, text_of("room"), 1 << STATUS_BUSY, NULL, 30, rig->now_ms, rows);
    expect_number(page.count, 10, "busy ones");
    for (size_t i = 0; i < page.count; i++) expect_number(rows[i].status, STATUS_BUSY, "status");
    page = roll_list(rig->roll, text_of("room"), 1 << STATUS_AWAY | 1 << STATUS_ONLINE, NULL, 30, rig->now_ms, rows);
    expect_number(page.count, 20, "others");
}

static void scopes_are_listed_once_with_their_live_users(void **state) {
    struct rig *rig = *state;
    enum { SCOPES = 50 };
    for (unsigned i = 0; i < SCOPES; i++) {
        char scope[16];
        snprintf(scope, sizeof scope, "user-%u", i);
        touch_many(rig, scope, 0, i % 4, MINUTE_MS);
        rig_leave(rig, scope, "gone", "");
    }
    unsigned came[SCOPES] = {0};
    struct scope_view rows[7];
    struct page page = {.more = true};
    for (bool is_first = true; page.more; is_first = false) {
        uint64_t after = page.next;
        page = roll_scopes(rig->roll, is_first ? NULL : &after, 7, rig->now_ms, rows);
        for (size_t i = 0; i < page.count; i++) {
            unsigned scope = user_number(rows[i].scope);
            came[scope]++;
            expect_number(rows[i].live, scope % 4, "live");
        }
    }
    expect_each_once(came, 0, SCOPES);
}

/* ---- the latest seen -------------------------------------------------------------------------------------------- */

static size_t search(const struct rig *rig, size_t k, size_t budget, struct recent *best) {
    struct recent_search search = {0};
    while (!roll_recent(rig->roll, text_of("room"), STATUS_MASK_ALL, k, rig->now_ms, budget, &search, best)) {
    }
    return search.count;
}

static void the_latest_seen_come_newest_first(void **state) {
    struct rig *rig = *state;
    for (unsigned i = 0; i < 100; i++) {
        rig->now_ms++;
        touch_many(rig, "room", i * 37 % 100, 1, MINUTE_MS);
    }
    struct recent best[10];
    for (size_t budget = 1; budget < 300; budget *= 4) {
        expect_number(search(rig, 10, budget, best), 10, "found");
        for (size_t i = 0; i < 10; i++) {
            struct user_view view;
            expect(roll_recent_view(rig->roll, text_of("room"), &best[i], rig->now_ms, &view), "no more");
            expect_number(view.seen_ms, rig->now_ms - i, "seen");
            expect_number(user_number(view.user), (99 - i) * 37 % 100, "user");
        }
    }
}

static void one_who_was_found_and_is_forgotten_is_no_more(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "user-1", "", MINUTE_MS);
    struct recent best[3];
    expect_number(search(rig, 3, 100, best), 1, "found");
    rig_reset(rig, "room");
    struct user_view view;
    expect(!roll_recent_view(rig->roll, text_of("room"), &best[0], rig->now_ms, &view), "seen after the reset");
    rig_tick(rig);
    rig_touch(rig, "room", "user-2", "", MINUTE_MS); /* perhaps with the record of user-1 */
    expect(!roll_recent_view(rig->roll, text_of("room"), &best[0], rig->now_ms, &view) ||
               text_equal(view.user, text_of("user-1")),
           "taken for another");
}

/* ---- counts ----------------------------------------------------------------------------------------------------- */

static void counts_tell_users_statuses_and_sessions(void **state) {
    struct rig *rig = *state;
    struct beat beats[] = {rig_a_beat("room", "ada", "1", MINUTE_MS), rig_a_beat("room", "ada", "2", MINUTE_MS),
                           rig_a_beat("room", "bob", "", MINUTE_MS), rig_a_beat("room", "eve", "", 0)};
    beats[0].status = STATUS_AWAY;
    beats[1].status = STATUS_BUSY;
    rig_batch(rig, beats, 4);
    struct scope_counts counts = rig_counts(rig, "room");
    expect_number(counts.live, 2, "live");
    expect_number(counts.sessions, 3, "sessions");
    expect_number(counts.by_status[STATUS_AWAY], 0, "away");
    expect_number(counts.by_status[STATUS_ONLINE], 1, "online");
    expect_number(counts.by_status[STATUS_BUSY], 1, "busy");
}

static void counts_tell_how_often_users_came_and_went(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "tab", MINUTE_MS);
    rig_touch(rig, "room", "ada", "phone", MINUTE_MS);
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_touch(rig, "room", "eve", "", 10 * MINUTE_MS);
    rig_leave(rig, "room", "bob", "");
    rig_touch(rig, "room", "bob", "", 10 * MINUTE_MS);
    expect_number(rig_counts(rig, "room").joined, 4, "joined");
    expect_number(rig_counts(rig, "room").left, 1, "left");
    rig->now_ms += MINUTE_MS + 1;
    rig_tick(rig);
    expect_number(rig_counts(rig, "room").left, 2, "left, with who expired");
    uint64_t between = rig->stamp;
    rig_touch(rig, "room", "eve", "phone", 10 * MINUTE_MS);
    rig_reset_at(rig, "room", between);
    expect_number(rig_counts(rig, "room").left, 4, "left at the reset");
    rig_reset_at(rig, "room", between);
    rig_tick(rig);
    expect_number(rig_counts(rig, "room").left, 4, "left when the reset is through");
    expect_number(rig_counts(rig, "room").joined, 5, "joined, with eve who was spared");
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_tick(rig);
    expect_number(rig_counts(rig, "room").joined, 7, "joined in the end");
    expect_number(rig_counts(rig, "room").left, 6, "left in the end");
    expect_number(rig_counts(rig, "room").live, 1, "live in the end");
    expect_number(rig_counts(rig, "hall").joined, 0, "joined elsewhere");
}

static void a_window_counts_whoever_was_seen_exactly_its_length_ago(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", SECOND_MS);
    rig->now_ms += 5 * MINUTE_MS;
    rig_tick(rig);
    expect_number(rig_window(rig, "room", 5 * MINUTE_MS).users, 1, "seen exactly the window ago");
    expect_number(rig_window(rig, "room", 5 * MINUTE_MS - 1).users, 0, "seen a millisecond earlier");
}

static void a_window_counts_a_user_once(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "1", MINUTE_MS);
    rig->now_ms += 1000;
    rig_touch(rig, "room", "ada", "2", MINUTE_MS);
    rig_touch(rig, "room", "ada", "2", MINUTE_MS);
    expect_number(rig_window(rig, "room", MINUTE_MS).users, 1, "users");
    expect_number(rig_window(rig, "room", 1).users, 1, "users by the newer session");
}

static void windows_of_a_large_scope_are_exact(void **state) {
    struct rig *rig = *state;
    enum { USERS = 10000 };
    uint64_t seen_ms[USERS];
    struct random random = random_of(7);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < USERS; i++) {
            unsigned user = (unsigned)random_below(&random, USERS);
            if (round == 0) user = i;
            rig->now_ms += random_below(&random, 30);
            touch_many(rig, "room", user, 1, SECOND_MS);
            seen_ms[user] = rig->now_ms;
            if (i % 50 == 0) rig_tick(rig);
        }
    rig_tick(rig);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t window_ms = rig->now_ms - seen_ms[random_below(&random, USERS)] + random_below(&random, 3) - 1;
        if (window_ms == 0 || window_ms > RIG_RETENTION_MS) continue;
        uint64_t expected = 0;
        for (unsigned u = 0; u < USERS; u++) expected += rig->now_ms - seen_ms[u] <= window_ms;
        uint64_t users = rig_window(rig, "room", window_ms).users;
        if (users != expected) fail_msg("window %" PRIu64 ": %" PRIu64 ", not %" PRIu64, window_ms, users, expected);
    }
}

/* ---- reset ------------------------------------------------------------------------------------------------------ */

static void a_reset_forgets_every_member(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, 100, MINUTE_MS);
    rig_leave(rig, "room", "gone", "");
    rig_touch(rig, "hall", "user-0", "", MINUTE_MS);
    expect_number(rig_reset(rig, "room"), 101, "forgotten");
    for (unsigned i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "user-%u", i);
        if (rig_view(rig, "room", user).known) fail_msg("%s is known", user);
    }
    struct user_view rows[10];
    expect_number(roll_list(rig->roll, text_of("room"), STATUS_MASK_ALL, NULL, 10, rig->now_ms, rows).count, 0,
                  "listed");
    expect_number(rig_counts(rig, "room").live, 0, "live");
    expect_number(rig_window(rig, "room", RIG_RETENTION_MS).users, 0, "in the window");
    rig_tick(rig);
    expect_number(rig_stats(rig).members, 1, "members kept");
    expect(rig_is_live(rig, "hall", "user-0"), "another scope was reset");
}

static void a_reset_is_told_at_once_and_then_of_each_live_user(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, 10, MINUTE_MS);
    rig_touch(rig, "room", "user-3", "phone", MINUTE_MS);
    rig_touch(rig, "room", "gone", "", MINUTE_MS);
    rig_leave(rig, "room", "gone", "");
    rig_reset(rig, "room");
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_RESET, REASON_RESET, NULL), 1, "told of");
    expect(text_equal(effect_scope(&rig->effects, &rig->items[0]), text_of("room")), "the scope");
    rig_tick(rig);
    expect_number(rig->effects.count, 10, "effects of the tick");
    for (unsigned i = 0; i < 10; i++) {
        char user[16];
        snprintf(user, sizeof user, "user-%u", i);
        expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, user), 1, user);
    }
    rig_tick(rig);
    expect_number(rig->effects.count, 0, "effects of another tick");
}

static void a_touch_after_a_reset_tells_that_the_user_left_and_joined(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "tab", MINUTE_MS);
    rig_reset(rig, "room");
    struct beat beats[] = {rig_a_beat("room", "ada", "phone", MINUTE_MS), rig_a_beat("room", "ada", "tab", MINUTE_MS)};
    expect_number(rig_batch_after(rig, beats, 2), MUSTER_OK, "code");
    expect_number(rig->effects.count, 4, "effects");
    expect(rig->items[0].kind == EFFECT_RESET, "first the reset");
    expect(rig->items[1].kind == EFFECT_LEFT && rig->items[1].reason == REASON_RESET, "then the leave");
    expect(rig->items[2].kind == EFFECT_JOINED && rig->items[2].reason == REASON_NONE, "then the join");
    expect(rig->items[3].kind == EFFECT_UPDATED, "then the other session");
    for (int i = 1; i < 4; i++)
        expect(text_equal(effect_user(&rig->effects, &rig->items[i]), text_of("ada")), "the user");
    expect_number(rig->touched.joined, 1, "joined");
    expect_number(rig->touched.left, 0, "left");
    rig_tick(rig);
    expect_number(rig->effects.count, 0, "effects of the tick");
}

static void a_leave_after_a_reset_tells_of_the_reset_alone(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig_leave(rig, "room", "ada", "");
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "told of");
    expect_number(rig->touched.left, 0, "left");
}

static void a_lease_that_ends_after_a_reset_is_told_once(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig->now_ms += MINUTE_MS + 1;
    rig_tick(rig);
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "told of");
}

/* The lease of ada's last session ended, and nobody noticed, before a reset that spares it. */
static void a_lease_that_ended_before_a_reset_is_told_in_the_end(void **state) {
    struct rig *rig = *state;
    uint64_t before = rig->stamp;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig->now_ms += MINUTE_MS + 1;
    rig_reset_at(rig, "room", before);
    rig_tick(rig);
    expect_number(rig->effects.count, 2, "effects");
    expect(rig->items[0].kind == EFFECT_UPDATED, "first it is spared");
    expect(rig->items[1].kind == EFFECT_LEFT && rig->items[1].reason == REASON_EXPIRED, "then it expires");
}

static void resets_in_a_row_are_told_once_a_user(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_reset(rig, "room");
    expect_number(rig_told(rig, EFFECT_RESET, REASON_RESET, NULL), 1, "the second reset");
    rig_tick(rig);
    expect_number(rig->effects.count, 2, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "ada");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "bob"), 1, "bob");
}

/* Each with a user of its own, and none but the last is told of by a tick. */
static void resets_beyond_an_epochs_range_tell_of_everybody(void **state) {
    enum { RESETS = 300 };
    struct rig *rig = *state;
    size_t told = 0;
    for (unsigned i = 0; i < RESETS; i++) {
        touch_many(rig, "room", i, 1, MINUTE_MS);
        rig_reset(rig, "room");
        told += rig->effects.count - 1;
        expect(rig->items[rig->effects.count - 1].kind == EFFECT_RESET, "the reset");
    }
    expect(told > 0, "no reset had to tell of others");
    rig_tick(rig);
    expect_number(told + rig->effects.count, RESETS, "users told of");
}

static void who_is_live_in_no_session_is_not_told_of_by_a_reset(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_leave(rig, "room", "ada", "");
    rig_reset(rig, "room");
    rig_tick(rig);
    expect_number(rig->effects.count, 0, "effects");
}

/* Of ada's sessions a newer one is there, but it is gone: she left. */
static void a_reset_that_spares_only_what_is_gone_ends_the_user(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "tab", MINUTE_MS);
    uint64_t between = rig->stamp;
    rig_leave(rig, "room", "ada", "phone");
    rig_reset_at(rig, "room", between);
    rig_tick(rig);
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "told of");
    expect(rig_view(rig, "room", "ada").known, "the newer session is forgotten");
}

/* The scope's reset is forgotten by the tick that tells of it. */
static void a_reset_is_told_however_late(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig->now_ms += RIG_RETENTION_MS + MUSTER_TTL_MAX_MS + MINUTE_MS;
    rig_tick(rig);
    expect_number(rig_stats(rig).scopes, 0, "scopes");
    expect_number(rig->effects.count, 1, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "told of");
    expect(text_equal(effect_scope(&rig->effects, &rig->items[0]), text_of("room")), "the scope");
}

static void who_makes_room_after_a_reset_is_told_of(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.members_max = 4;
    struct rig *rig = rig_new_with(&config);
    rig_touch(rig, "room", "ada", "tab", MINUTE_MS);
    rig_touch(rig, "room", "ada", "phone", MINUTE_MS);
    rig_leave(rig, "room", "ada", "tab");
    rig_touch(rig, "hall", "bob", "", MINUTE_MS);
    rig_touch(rig, "hall", "eve", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig_touch(rig, "hall", "zoe", "", MINUTE_MS);
    expect_number(rig->effects.count, 2, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "who made room");
    expect_number(rig_told(rig, EFFECT_JOINED, REASON_NONE, "zoe"), 1, "who came");
    rig_tick(rig);
    expect_number(rig->effects.count, 0, "effects of the tick");
    rig_free(rig);
}

/* The session that expired unnoticed makes room in the call that tells of it. */
static void who_expires_and_makes_room_in_one_call_is_told_of(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.members_max = 1;
    struct rig *rig = rig_new_with(&config);
    rig_touch(rig, "room", "ada", "tab", SECOND_MS);
    rig->now_ms += SECOND_MS + 1;
    rig_touch(rig, "room", "ada", "phone", MINUTE_MS);
    expect_number(rig->effects.count, 2, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada"), 1, "left");
    expect_number(rig_told(rig, EFFECT_JOINED, REASON_NONE, "ada"), 1, "joined");
    expect_number(rig_stats(rig).evicted, 1, "evicted");
    rig_free(rig);
}

static void whoever_comes_after_a_reset_joins(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    expect_number(rig->touched.joined, 1, "joined");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "told of the reset");
    expect_number(rig_told(rig, EFFECT_JOINED, REASON_NONE, "ada"), 1, "told of");
    rig_tick(rig);
    expect(rig_is_live(rig, "room", "ada"), "forgotten after all");
    expect_number(rig_counts(rig, "room").live, 1, "live");
}

static void whoever_is_newer_than_a_reset_survives(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    uint64_t between = rig->stamp;
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_reset_at(rig, "room", between);
    expect(!rig_view(rig, "room", "ada").known, "ada is known");
    expect(rig_is_live(rig, "room", "bob"), "bob is forgotten");
    rig_tick(rig);
    expect_number(rig->effects.count, 2, "effects");
    expect_number(rig_told(rig, EFFECT_LEFT, REASON_RESET, "ada"), 1, "told of ada");
    expect_number(rig_told(rig, EFFECT_UPDATED, REASON_NONE, "bob"), 1, "told of bob");
    expect_number(rig_counts(rig, "room").live, 1, "live");
    expect_number(rig_stats(rig).members, 1, "members");
}

static void an_older_reset_undoes_nothing(void **state) {
    struct rig *rig = *state;
    uint64_t early = rig->stamp;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_reset(rig, "room");
    uint64_t forgotten;
    roll_reset(rig->roll, text_of("room"), early, rig->now_ms, NULL, &forgotten, &rig->why);
    expect(!rig_view(rig, "room", "ada").known, "an older reset brought ada back");
    rig_tick(rig);
    expect_number(rig_stats(rig).members, 0, "members");
}

static void many_resets_without_a_tick_are_right(void **state) {
    struct rig *rig = *state;
    for (unsigned i = 0; i < 700; i++) {
        touch_many(rig, "room", i, 3, MINUTE_MS);
        expect_number(rig_counts(rig, "room").live, 3, "live");
        expect_number(rig_reset(rig, "room"), 3, "forgotten");
        expect_number(rig_counts(rig, "room").live, 0, "live after the reset");
    }
    rig_tick(rig);
    expect_number(rig_stats(rig).members, 0, "members");
}

static void a_reset_of_a_full_roll_makes_room(void **state) {
    (void)state;
    struct rig *rig = rig_for_members(10);
    touch_many(rig, "room", 0, 10, MINUTE_MS);
    rig_reset(rig, "room");
    rig_tick(rig);
    touch_many(rig, "room", 10, 10, MINUTE_MS);
    expect_number(rig_counts(rig, "room").live, 10, "live");
    rig_free(rig);
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

enum { CHANGES = 100 };

static size_t changes_after(const struct rig *rig, uint64_t after, struct change changes[CHANGES]) {
    bool is_complete = false;
    size_t count = roll_changes(rig->roll, &after, CHANGES, &is_complete, changes);
    expect(is_complete, "the log does not reach back");
    expect_number(after, rig_stats(rig).sequence, "looked at");
    return count;
}

static void changes_tell_beats_in_order(void **state) {
    struct rig *rig = *state;
    uint64_t after = rig_stats(rig).sequence;
    struct beat beat = rig_a_beat("room", "ada", "tab", 12345);
    beat.status = STATUS_BUSY;
    beat.state = text_of("typing");
    rig_beat(rig, beat);
    rig_leave(rig, "hall", "bob", "");
    struct change changes[CHANGES];
    expect_number(changes_after(rig, after, changes), 2, "changes");
    expect_number(changes[0].sequence, after + 1, "sequence");
    expect(text_equal(changes[0].scope, text_of("room")) && text_equal(changes[0].user, text_of("ada")) &&
               text_equal(changes[0].session, text_of("tab")) && text_equal(changes[0].state, text_of("typing")),
           "the texts");
    expect(changes[0].ttl_ms == 12345 && changes[0].status == STATUS_BUSY && changes[0].stamp == rig->stamp - 1 &&
               changes[0].seen_ms == rig->now_ms,
           "the register");
    expect(text_equal(changes[1].user, text_of("bob")) && changes[1].ttl_ms == 0, "the leave");
}

static void changes_skip_a_member_that_was_touched_again(void **state) {
    struct rig *rig = *state;
    uint64_t after = rig_stats(rig).sequence;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_touch(rig, "room", "ada", "", 2 * MINUTE_MS);
    struct change changes[CHANGES];
    expect_number(changes_after(rig, after, changes), 2, "changes");
    expect(text_equal(changes[0].user, text_of("bob")), "the first is bob's");
    expect(text_equal(changes[1].user, text_of("ada")) && changes[1].sequence == after + 3, "the second is ada's last");
    expect_number(changes[1].ttl_ms, 2 * MINUTE_MS, "as it is now");
}

static void changes_skip_a_member_that_is_no_more(void **state) {
    struct rig *rig = *state;
    uint64_t after = rig_stats(rig).sequence;
    rig_touch(rig, "room", "ada", "", SECOND_MS);
    rig->now_ms += SECOND_MS + 1;
    rig_tick(rig);
    rig->now_ms += RIG_RETENTION_MS + RIG_RETENTION_MS / 1000;
    rig_tick(rig);
    struct change changes[CHANGES];
    expect_number(changes_after(rig, after, changes), 0, "changes");
    rig_touch(rig, "room", "bob", "", SECOND_MS); /* perhaps with the record of ada */
    expect_number(changes_after(rig, after, changes), 1, "changes once another has the record");
    expect(text_equal(changes[0].user, text_of("bob")), "bob");
}

static void changes_tell_a_reset(void **state) {
    struct rig *rig = *state;
    rig_touch(rig, "room", "ada", "", MINUTE_MS);
    uint64_t after = rig_stats(rig).sequence;
    rig_touch(rig, "room", "bob", "", MINUTE_MS);
    rig_reset(rig, "room");
    rig_touch(rig, "room", "eve", "", MINUTE_MS);
    struct change changes[CHANGES];
    expect_number(changes_after(rig, after, changes), 2, "changes");
    expect(changes[0].is_reset && text_equal(changes[0].scope, text_of("room")), "the reset");
    expect(!changes[1].is_reset && text_equal(changes[1].user, text_of("eve")), "eve, who came later");
}

static void changes_come_in_parts(void **state) {
    struct rig *rig = *state;
    touch_many(rig, "room", 0, 50, MINUTE_MS);
    uint64_t after = 0, last = 0;
    size_t got = 0;
    while (after != rig_stats(rig).sequence) {
        struct change changes[7];
        bool is_complete;
        size_t count = roll_changes(rig->roll, &after, 7, &is_complete, changes);
        expect(is_complete, "the log does not reach back");
        for (size_t i = 0; i < count; i++) {
            expect(changes[i].sequence > last, "out of order");
            last = changes[i].sequence;
        }
        got += count;
    }
    expect_number(got, 50, "changes");
}

static void a_log_that_was_passed_says_so(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.log_slots = 16;
    struct rig *rig = rig_new_with(&config);
    touch_many(rig, "room", 0, 20, MINUTE_MS);
    uint64_t sequence = rig_stats(rig).sequence, after = sequence - 16;
    struct change changes[CHANGES];
    bool is_complete = false;
    expect_number(roll_changes(rig->roll, &after, CHANGES, &is_complete, changes), 16, "changes");
    expect(is_complete, "the log reaches back over its slots");
    after = sequence - 17;
    expect_number(roll_changes(rig->roll, &after, CHANGES, &is_complete, changes), 0, "changes");
    expect(!is_complete, "the log reaches back further than it has slots");
    rig_free(rig);
}

/* ---- configuration ---------------------------------------------------------------------------------------------- */

static void a_configuration_out_of_range_makes_no_roll(void **state) {
    (void)state;
    struct roll_config wrong[8];
    for (size_t i = 0; i < 8; i++) wrong[i] = rig_config();
    wrong[0].retention_ms = MUSTER_RETENTION_MIN_MS - 1;
    wrong[1].retention_ms = MUSTER_RETENTION_MAX_MS + 1;
    wrong[2].members_max = 0;
    wrong[3].members_max = MUSTER_MEMBERS_MAX + 1;
    wrong[4].bytes_max = 64 * 1024 - 1;
    wrong[5].log_slots = 8;
    wrong[6].log_slots = 1000;
    wrong[7].log_slots = UINT32_C(1) << 29;
    for (size_t i = 0; i < 8; i++) {
        struct roll *roll = roll_new(&wrong[i]);
        if (roll != NULL) fail_msg("configuration %zu was taken", i);
    }
    roll_free(NULL);
}

#define ROLL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    ROLL_TEST(nobody_is_known_at_first),
    ROLL_TEST(a_user_is_live_at_exactly_its_ttl),
    ROLL_TEST(a_user_is_not_live_after_its_ttl),
    ROLL_TEST(a_beat_extends_the_lease),
    ROLL_TEST(a_beat_may_shorten_the_lease),
    ROLL_TEST(a_leave_ends_the_session_at_once),
    ROLL_TEST(a_leave_is_the_last_activity),
    ROLL_TEST(a_leave_of_a_stranger_leaves_a_tombstone),
    ROLL_TEST(a_user_who_left_may_come_back),
    ROLL_TEST(a_user_is_live_while_any_session_is),
    ROLL_TEST(a_user_who_is_gone_is_known_for_exactly_the_retention),
    ROLL_TEST(answers_are_exact_without_a_tick),
    ROLL_TEST(scopes_are_apart),
    ROLL_TEST(the_border_of_user_and_session_is_kept),
    ROLL_TEST(ids_of_every_length_are_told_apart),
    ROLL_TEST(the_status_is_the_highest_of_the_live_sessions),
    ROLL_TEST(a_state_is_kept_replaced_and_dropped),
    ROLL_TEST(a_state_of_the_greatest_size_is_kept),
    ROLL_TEST(a_session_tells_its_beat),
    ROLL_TEST(live_answers_in_the_order_of_the_question),
    ROLL_TEST(beats_of_a_batch_apply_in_order),
    ROLL_TEST(a_batch_says_which_beats_joined),
    ROLL_TEST(an_empty_batch_changes_nothing),
    ROLL_TEST(each_beat_takes_the_next_sequence),
    ROLL_TEST(a_session_too_many_displaces_the_longest_unseen),
    ROLL_TEST(a_batch_with_many_sessions_keeps_the_last),
    ROLL_TEST(leaves_of_many_unknown_sessions_keep_few),
    cmocka_unit_test(many_sessions_are_refused_whole),
    ROLL_TEST(a_displaced_session_comes_back_as_a_new_one),
    ROLL_TEST(a_session_that_left_makes_room_for_another),
    ROLL_TEST(a_user_keeps_few_tombstones),
    ROLL_TEST(a_refresh_keeps_status_and_state),
    ROLL_TEST(a_refresh_gives_the_lease_its_ttl),
    ROLL_TEST(a_refresh_of_what_is_not_live_changes_nothing),
    ROLL_TEST(a_refresh_in_an_empty_roll_changes_nothing),
    ROLL_TEST(a_refresh_sees_the_beats_before_it),
    ROLL_TEST(a_refresh_of_a_displaced_session_is_unknown),
    ROLL_TEST(where_finds_each_place_once_whatever_changes),
    ROLL_TEST(where_finds_who_is_live),
    ROLL_TEST(a_refresh_of_a_user_with_all_sessions_is_taken),
    cmocka_unit_test(a_full_roll_refuses_a_join),
    cmocka_unit_test(a_refused_batch_evicts_nobody),
    cmocka_unit_test(the_longest_gone_makes_room_first),
    cmocka_unit_test(who_is_named_by_the_call_makes_no_room),
    cmocka_unit_test(a_window_from_which_users_made_room_is_incomplete),
    cmocka_unit_test(bytes_past_the_cap_are_refused),
    ROLL_TEST(a_join_is_told),
    ROLL_TEST(a_refresh_is_not_told),
    ROLL_TEST(a_leave_is_told_with_its_reason),
    ROLL_TEST(an_expiry_is_told_by_the_tick),
    ROLL_TEST(an_expiry_that_no_tick_noticed_is_told_by_the_touch),
    ROLL_TEST(changes_of_a_live_user_are_told),
    ROLL_TEST(a_leave_of_a_session_that_is_not_live_is_not_told),
    ROLL_TEST(effects_that_do_not_fit_are_counted),
    ROLL_TEST(effects_whose_names_do_not_fit_are_counted),
    ROLL_TEST(effects_name_their_scopes),
    ROLL_TEST(effects_may_be_left_out),
    ROLL_TEST(a_tick_makes_no_more_effects_than_its_budget),
    ROLL_TEST(the_least_budget_comes_to_an_end),
    ROLL_TEST(a_leap_over_everything_leaves_nothing),
    ROLL_TEST(effects_of_a_leap_name_their_users),
    ROLL_TEST(pages_hold_every_live_user_once),
    ROLL_TEST(a_walk_is_whole_while_the_scope_grows),
    ROLL_TEST(a_walk_is_whole_while_others_leave_and_are_forgotten),
    ROLL_TEST(a_list_is_filtered_by_status),
    ROLL_TEST(scopes_are_listed_once_with_their_live_users),
    ROLL_TEST(the_latest_seen_come_newest_first),
    ROLL_TEST(one_who_was_found_and_is_forgotten_is_no_more),
    ROLL_TEST(counts_tell_users_statuses_and_sessions),
    ROLL_TEST(counts_tell_how_often_users_came_and_went),
    ROLL_TEST(a_window_counts_whoever_was_seen_exactly_its_length_ago),
    ROLL_TEST(a_window_counts_a_user_once),
    ROLL_TEST(windows_of_a_large_scope_are_exact),
    ROLL_TEST(a_reset_forgets_every_member),
    ROLL_TEST(a_reset_is_told_at_once_and_then_of_each_live_user),
    ROLL_TEST(a_touch_after_a_reset_tells_that_the_user_left_and_joined),
    ROLL_TEST(a_leave_after_a_reset_tells_of_the_reset_alone),
    ROLL_TEST(a_lease_that_ends_after_a_reset_is_told_once),
    ROLL_TEST(a_lease_that_ended_before_a_reset_is_told_in_the_end),
    ROLL_TEST(resets_in_a_row_are_told_once_a_user),
    ROLL_TEST(resets_beyond_an_epochs_range_tell_of_everybody),
    ROLL_TEST(who_is_live_in_no_session_is_not_told_of_by_a_reset),
    ROLL_TEST(a_reset_that_spares_only_what_is_gone_ends_the_user),
    ROLL_TEST(a_reset_is_told_however_late),
    cmocka_unit_test(who_makes_room_after_a_reset_is_told_of),
    cmocka_unit_test(who_expires_and_makes_room_in_one_call_is_told_of),
    ROLL_TEST(whoever_comes_after_a_reset_joins),
    ROLL_TEST(whoever_is_newer_than_a_reset_survives),
    ROLL_TEST(an_older_reset_undoes_nothing),
    ROLL_TEST(many_resets_without_a_tick_are_right),
    cmocka_unit_test(a_reset_of_a_full_roll_makes_room),
    ROLL_TEST(changes_tell_beats_in_order),
    ROLL_TEST(changes_skip_a_member_that_was_touched_again),
    ROLL_TEST(changes_skip_a_member_that_is_no_more),
    ROLL_TEST(changes_tell_a_reset),
    ROLL_TEST(changes_come_in_parts),
    cmocka_unit_test(a_log_that_was_passed_says_so),
    cmocka_unit_test(a_configuration_out_of_range_makes_no_roll),
};

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
