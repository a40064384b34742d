/* What replication asks of the roll: merging, refreshing, walking, relaying. */
#include "rig.h"
#include "support/heap.h"
#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROLLS = 3, USERS = 40, SESSIONS = 3, LOG_SLOTS = 1 << 12 };

static const char *const scope_names[] = {"room", "hall"};

static struct rig *rig_of(uint64_t origin) {
    struct roll_config config = rig_config();
    config.origin = origin;
    config.log_slots = LOG_SLOTS;
    return rig_new_with(&config);
}

static struct change a_change(const struct rig *rig, const char *user, uint64_t origin, uint64_t stamp) {
    return (struct change){.origin = origin,
                           .sequence = stamp,
                           .stamp = stamp,
                           .seen_ms = rig->now_ms,
                           .scope = text_of("room"),
                           .user = text_of(user),
                           .ttl_ms = 5000,
                           .status = STATUS_ONLINE};
}

static size_t merge(struct rig *rig, const struct change *changes, size_t n) {
    size_t applied;
    effects_clear(&rig->effects);
    enum muster_code code = roll_merge(rig->roll, changes, n, rig->now_ms, &rig->effects, &applied, &rig->why);
    if (code != MUSTER_OK) fail_msg("a merge is refused: %s", rig->why.what);
    return applied;
}

static void a_merged_join_is_a_join(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10);
    change.state = text_of("typing");
    if (merge(rig, &change, 1) != 1) fail_msg("it changed nothing");
    if (rig_told(rig, EFFECT_JOINED, REASON_NONE, "ada") != 1) fail_msg("nobody is told");
    if (!rig_is_live(rig, "room", "ada")) fail_msg("ada is not live");
    if (!text_equal(rig_session(rig, "room", "ada").state, text_of("typing"))) fail_msg("the state is lost");
    if (merge(rig, &change, 1) != 0 || rig->effects.count != 0) fail_msg("a second time it changes something");
    if (rig_stats(rig).sequence != 0) fail_msg("a merge took a sequence");
    rig->now_ms += 5001;
    rig_tick(rig);
    if (rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada") != 1) fail_msg("it does not expire");
    rig_free(rig);
}

static void the_greater_stamp_wins_then_what_is_said(void **state) {
    (void)state;
    struct rig *rig = rig_of(5);
    struct change touch = a_change(rig, "ada", 2, 10), leave = a_change(rig, "ada", 3, 11);
    leave.ttl_ms = 0;
    merge(rig, &leave, 1);
    if (merge(rig, &touch, 1) != 0 || rig_is_live(rig, "room", "ada")) fail_msg("an older touch beats a leave");
    touch.stamp = 11;
    touch.origin = 9;
    if (merge(rig, &touch, 1) != 0) fail_msg("of equal stamps the leave loses");
    struct change longer = a_change(rig, "bob", 2, 10), shorter = longer, busy = longer, typing = longer;
    longer.ttl_ms++;
    shorter.origin = 1;
    busy.status = STATUS_BUSY;
    typing.status = STATUS_BUSY;
    typing.state = text_of("typing");
    struct change *const rising[] = {&longer, &shorter, &busy, &typing};
    for (size_t i = 0; i < 4; i++)
        if (merge(rig, rising[i], 1) != 1) fail_msg("change %zu does not win", i);
    for (size_t i = 0; i < 4; i++)
        if (merge(rig, rising[i], 1) != 0) fail_msg("change %zu wins, though it came before", i);
    rig_free(rig);
}

static size_t changes_after(const struct rig *rig, uint64_t after, struct change *out, size_t limit) {
    bool is_complete;
    size_t n = roll_changes(rig->roll, &after, limit, &is_complete, out);
    if (!is_complete) fail_msg("the log does not reach back");
    if (after != rig_stats(rig).sequence) fail_msg("the log ends at %" PRIu64, after);
    return n;
}

/* The label of the one register that is here. */
static struct known label_of(const struct rig *rig) {
    struct change changes[8];
    struct walk_cursor cursor = {0};
    bool is_done;
    size_t n = roll_walk(rig->roll, &cursor, NULL, 0, 128, SIZE_MAX, &is_done, changes);
    return n == 0 ? (struct known){0} : (struct known){changes[0].origin, changes[0].sequence};
}

static void require_label(const struct rig *rig, uint64_t origin, uint64_t sequence) {
    struct known label = label_of(rig);
    if (label.origin != origin || label.sequence != sequence)
        fail_msg("the label is %" PRIu64 ":%" PRIu64 ", not %" PRIu64 ":%" PRIu64, label.origin, label.sequence, origin,
                 sequence);
    if (roll_origin_registers(rig->roll, origin) != 1) fail_msg("the label is not counted");
}

static void the_same_register_takes_over_the_label(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10);
    merge(rig, &change, 1);
    require_label(rig, 2, 10);
    change.origin = 3;
    change.sequence = 7;
    if (merge(rig, &change, 1) != 0 || rig->effects.count != 0) fail_msg("a label is news");
    require_label(rig, 3, 7);
    change.sequence = 6;
    merge(rig, &change, 1);
    require_label(rig, 3, 7);
    if (roll_origin_registers(rig->roll, 2) != 0) fail_msg("the old label is counted");
    struct change reset = {
        .origin = 2, .sequence = 1, .stamp = 20, .seen_ms = rig->now_ms, .is_reset = true, .scope = text_of("room")};
    merge(rig, &reset, 1);
    if (roll_origin_registers(rig->roll, 2) != 1) fail_msg("the reset is not counted");
    reset.origin = 4;
    if (merge(rig, &reset, 1) != 0) fail_msg("a label of a reset is news");
    if (roll_origin_registers(rig->roll, 2) != 0 || roll_origin_registers(rig->roll, 4) != 1)
        fail_msg("its label stays");
    rig_free(rig);
}

/* A session that has ended has let go of its state: it is the same all the same. */
static void a_register_without_its_state_is_the_same(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10);
    change.state = text_of("typing");
    merge(rig, &change, 1);
    rig->now_ms += 5001;
    rig_tick(rig);
    change.origin = 3;
    if (merge(rig, &change, 1) != 0) fail_msg("it is news");
    require_label(rig, 3, 10);
    rig_free(rig);
}

static void what_is_adopted_is_told_as_this_nodes_own(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10), told[8];
    change.state = text_of("typing");
    merge(rig, &change, 1);
    if (!roll_adopt(rig->roll, &change)) fail_msg("it is not adopted");
    if (roll_adopt(rig->roll, &change)) fail_msg("it is adopted twice");
    require_label(rig, 1, 1);
    if (changes_after(rig, 0, told, 8) != 1 || told[0].origin != 1 || told[0].stamp != 10 || told[0].is_refresh ||
        !text_equal(told[0].state, change.state))
        fail_msg("it is told otherwise");
    merge(rig, &change, 1);
    require_label(rig, 1, 1);
    rig_free(rig);
}

static void a_beat_whose_lease_has_ended_is_merged_as_gone(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10);
    change.seen_ms = rig->now_ms - 5001;
    change.state = text_of("typing");
    if (merge(rig, &change, 1) != 1 || rig_is_live(rig, "room", "ada")) fail_msg("a late beat makes ada live");
    if (!rig_view(rig, "room", "ada").known || rig_view(rig, "room", "ada").seen_ms != change.seen_ms)
        fail_msg("when ada was seen is lost");
    change.seen_ms = rig->now_ms - 5000;
    change.sequence = change.stamp = 11;
    if (merge(rig, &change, 1) != 1 || !rig_is_live(rig, "room", "ada")) fail_msg("the boundary is not inclusive");
    change.sequence = change.stamp = 12;
    change.seen_ms = rig->now_ms - 5000 - RIG_RETENTION_MS - 1;
    if (merge(rig, &change, 1) != 0) fail_msg("what would be forgotten at once is merged");
    rig_free(rig);
}

static void a_merged_reset_makes_older_members_void(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[] = {a_change(rig, "ada", 2, 10), a_change(rig, "bob", 2, 30), a_change(rig, "cleo", 2, 15)};
    merge(rig, changes, 2);
    struct change reset = {
        .origin = 3, .sequence = 1, .stamp = 20, .seen_ms = rig->now_ms, .is_reset = true, .scope = text_of("room")};
    if (merge(rig, &reset, 1) != 1) fail_msg("the reset changes nothing");
    if (rig_is_live(rig, "room", "ada") || !rig_is_live(rig, "room", "bob")) fail_msg("the wrong ones are void");
    if (merge(rig, &changes[2], 1) != 0 || rig_is_live(rig, "room", "cleo")) fail_msg("a void beat is merged");
    if (merge(rig, &reset, 1) != 0) fail_msg("a second time it changes something");
    rig_free(rig);
}

static void a_full_roll_refuses_a_merge_whole(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.origin = 1;
    config.members_max = 3;
    struct rig *rig = rig_new_with(&config);
    struct change changes[] = {a_change(rig, "a", 2, 10), a_change(rig, "b", 2, 11), a_change(rig, "c", 2, 12),
                               a_change(rig, "d", 2, 13)};
    size_t applied;
    uint64_t before = roll_fingerprint(rig->roll, rig->now_ms);
    if (roll_merge(rig->roll, changes, 4, rig->now_ms, NULL, &applied, &rig->why) != MUSTER_RESOURCE_EXHAUSTED)
        fail_msg("four fit where three do");
    if (strcmp(rig->why.what, "members") != 0 || applied != 0) fail_msg("refused for %s", rig->why.what);
    if (roll_fingerprint(rig->roll, rig->now_ms) != before || rig_stats(rig).members != 0) fail_msg("some were taken");
    merge(rig, changes, 3);
    rig_free(rig);
}

/* ---- the log --------------------------------------------------------------------------------------------------- */

static void only_what_extends_a_lease_is_a_refresh(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[8];
    rig_touch(rig, "room", "ada", "", 5000);
    roll_flushed(rig->roll, 1);
    rig_touch(rig, "room", "ada", "", 5000);
    if (changes_after(rig, 1, changes, 8) != 1 || !changes[0].is_refresh) fail_msg("a refresh is news");
    rig_touch(rig, "room", "ada", "", 6000);
    if (changes_after(rig, 1, changes, 8) != 1 || changes[0].is_refresh) fail_msg("another TTL is no news");
    rig_touch(rig, "room", "ada", "", 6000);
    if (changes_after(rig, 1, changes, 8) != 1 || changes[0].is_refresh) fail_msg("news that was not flushed is none");
    roll_flushed(rig->roll, 4);
    rig_leave(rig, "room", "ada", "");
    rig_leave(rig, "room", "bob", "");
    if (changes_after(rig, 4, changes, 8) != 2 || changes[0].is_refresh || changes[1].is_refresh)
        fail_msg("a leave is a refresh");
    roll_flushed(rig->roll, 6);
    rig_leave(rig, "room", "bob", "");
    if (changes_after(rig, 6, changes, 8) != 1 || changes[0].is_refresh) fail_msg("a second leave is a refresh");
    rig_free(rig);
}

/* What peers may have missed is told with each refresh of it, until they are taken to know it. */
static void news_stays_news_until_peers_know_it(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[8];
    rig_touch(rig, "room", "bob", "", 5000);
    roll_flushed(rig->roll, 1);
    rig_touch(rig, "room", "ada", "", 5000);
    roll_flushed(rig->roll, 1);
    rig_touch(rig, "room", "ada", "", 5000);
    roll_flushed(rig->roll, 1);
    rig_touch(rig, "room", "ada", "", 5000);
    if (changes_after(rig, 3, changes, 8) != 1 || changes[0].is_refresh)
        fail_msg("a join is no longer told, though it may not be known");
    roll_flushed(rig->roll, 2);
    rig_touch(rig, "room", "ada", "", 5000);
    if (changes_after(rig, 4, changes, 8) != 1 || !changes[0].is_refresh) fail_msg("a join stays news for ever");
    if (roll_refreshes_since(rig->roll) != 2)
        fail_msg("refreshes are meant from %" PRIu64, roll_refreshes_since(rig->roll));
    rig_free(rig);
}

static void the_log_tells_of_a_member_that_another_origin_took(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[8], change = a_change(rig, "ada", 2, 5000);
    rig_touch(rig, "room", "ada", "", 5000);
    merge(rig, &change, 1);
    if (changes_after(rig, 0, changes, 8) != 1 || changes[0].origin != 2 || changes[0].is_refresh)
        fail_msg("the member is not told of as it is now");
    rig->stamp = 6000;
    rig_touch(rig, "room", "ada", "", 5000);
    if (changes_after(rig, 1, changes, 8) != 1 || changes[0].origin != 1 || changes[0].is_refresh)
        fail_msg("what was another origin's is a refresh");
    rig_free(rig);
}

static void a_merged_reset_spares_what_is_newer(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[] = {a_change(rig, "ada", 2, 10), a_change(rig, "ada", 2, 30), a_change(rig, "bob", 2, 11)};
    changes[1].session = text_of("phone");
    merge(rig, changes, 3);
    struct change later[] = {
        {.origin = 3, .sequence = 1, .stamp = 20, .seen_ms = rig->now_ms, .is_reset = true, .scope = text_of("room")},
        a_change(rig, "bob", 2, 31)};
    merge(rig, later, 2);
    if (rig->effects.count != 3 || rig->items[0].kind != EFFECT_RESET) fail_msg("first the reset is told of");
    if (rig->items[1].kind != EFFECT_LEFT || rig_told(rig, EFFECT_LEFT, REASON_RESET, "bob") != 1)
        fail_msg("then that bob left");
    if (rig_told(rig, EFFECT_JOINED, REASON_NONE, "bob") != 1) fail_msg("then that bob joined");
    rig_tick(rig);
    if (rig->effects.count != 1 || rig_told(rig, EFFECT_UPDATED, REASON_NONE, "ada") != 1)
        fail_msg("ada is spared, and that is not told");
    if (!rig_is_live(rig, "room", "ada") || rig_view(rig, "room", "ada").sessions != 1) fail_msg("ada has one session");
    rig_free(rig);
}

static void the_log_ends_at_a_reset_of_another_origin(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    rig_touch(rig, "room", "ada", "", 5000);
    struct change reset = {
        .origin = 3, .sequence = 1, .stamp = 5000, .seen_ms = rig->now_ms, .is_reset = true, .scope = text_of("room")};
    merge(rig, &reset, 1);
    struct change changes[8];
    uint64_t after = 0;
    bool is_complete;
    roll_changes(rig->roll, &after, 8, &is_complete, changes);
    if (is_complete) fail_msg("a log that lacks what the reset made void is complete");
    if (changes_after(rig, 1, changes, 8) != 0) fail_msg("there is something after it");
    rig_free(rig);
}

static void what_is_adopted_is_in_the_log(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[8], change = a_change(rig, "ada", 2, 5000);
    struct change reset = {
        .origin = 3, .sequence = 1, .stamp = 7, .seen_ms = rig->now_ms, .is_reset = true, .scope = text_of("hall")};
    if (roll_adopt(rig->roll, &change)) fail_msg("what is not there is adopted");
    merge(rig, &reset, 1);
    merge(rig, &change, 1);
    if (!roll_adopt(rig->roll, &change) || !roll_adopt(rig->roll, &reset)) fail_msg("what is there is not adopted");
    size_t n = changes_after(rig, 0, changes, 8);
    if (n != 2 || changes[0].origin != 1 || changes[0].sequence != 1 || changes[0].stamp != 5000 ||
        changes[0].is_refresh)
        fail_msg("%zu changes, the first of origin %" PRIu64, n, changes[0].origin);
    if (!changes[1].is_reset || changes[1].origin != 1 || changes[1].stamp != 7) fail_msg("the reset is not there");
    rig_free(rig);
}

/* ---- handles --------------------------------------------------------------------------------------------------- */

static struct refresh refresh_of(const struct rig *rig, const char *user, const char *session, uint64_t stamp) {
    return (struct refresh){.scope_hash = roll_hash(rig->roll, text_of("room")),
                            .user_hash = roll_hash(rig->roll, text_of(user)),
                            .session_hash = roll_session_hash(rig->roll, text_of(session)),
                            .sequence = stamp,
                            .stamp = stamp,
                            .seen_ms = rig->now_ms};
}

static size_t refresh(struct rig *rig, struct refresh refresh, uint64_t floor) {
    effects_clear(&rig->effects);
    return roll_refresh(rig->roll, 2, &refresh, 1, floor, rig->now_ms, &rig->effects);
}

static void a_handle_finds_its_member(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10), found;
    change.session = text_of("tab");
    merge(rig, &change, 1);
    uint64_t user = roll_hash(rig->roll, change.user), session = roll_session_hash(rig->roll, change.session);
    if (roll_session_hash(rig->roll, text_of("")) != 0 || session == 0) fail_msg("the hash of a session");
    if (!roll_find_handle(rig->roll, change.scope, user, session, &found) || found.sequence != 10 ||
        !text_equal(found.user, change.user))
        fail_msg("it is not found");
    if (roll_find_handle(rig->roll, change.scope, user, 0, &found) ||
        roll_find_handle(rig->roll, change.scope, user + 1, session, &found) ||
        roll_find_handle(rig->roll, text_of("hall"), user, session, &found))
        fail_msg("something else is found");
    rig_free(rig);
}

static void a_refresh_extends_the_lease(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10);
    change.state = text_of("typing");
    merge(rig, &change, 1);
    rig->now_ms += 4000;
    if (refresh(rig, refresh_of(rig, "ada", "", 20), 0) != 0) fail_msg("it is not understood");
    rig->now_ms += 4000;
    rig_tick(rig);
    if (!rig_is_live(rig, "room", "ada")) fail_msg("the lease ended");
    if (!text_equal(rig_session(rig, "room", "ada").state, text_of("typing"))) fail_msg("the state is lost");
    if (refresh(rig, refresh_of(rig, "ada", "", 15), 0) != 0) fail_msg("an old refresh is not passed over");
    rig->now_ms += 1000;
    if (!rig_is_live(rig, "room", "ada")) fail_msg("an old refresh changes something");
    rig->now_ms += 1;
    rig_tick(rig);
    if (rig_told(rig, EFFECT_LEFT, REASON_EXPIRED, "ada") != 1) fail_msg("it does not expire when it should");
    rig_free(rig);
}

static void a_refresh_that_is_not_sure_is_not_applied(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    if (refresh(rig, refresh_of(rig, "ada", "", 20), 0) != 1) fail_msg("nobody is refreshed");
    struct change changes[] = {a_change(rig, "ada", 2, 10), a_change(rig, "bob", 3, 10), a_change(rig, "cleo", 3, 30)};
    merge(rig, changes, 3);
    if (refresh(rig, refresh_of(rig, "bob", "", 20), 0) != 1) fail_msg("another origin's member is refreshed");
    if (refresh(rig, refresh_of(rig, "cleo", "", 20), 0) != 0) fail_msg("something newer is there, so it is done");
    if (refresh(rig, refresh_of(rig, "ada", "", 20), 11) != 1) fail_msg("a member from before the floor is refreshed");
    if (refresh(rig, refresh_of(rig, "ada", "tab", 20), 0) != 1) fail_msg("another session is refreshed");
    rig->now_ms += 5001;
    if (refresh(rig, refresh_of(rig, "ada", "", 20), 0) != 1) fail_msg("a member whose lease has ended is refreshed");
    if (rig_is_live(rig, "room", "ada")) fail_msg("ada is back");
    rig_free(rig);
}

static void a_refresh_of_one_session_leaves_the_others(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change changes[] = {a_change(rig, "ada", 2, 10), a_change(rig, "ada", 2, 11)};
    changes[0].session = text_of("a");
    changes[1].session = text_of("b");
    changes[1].status = STATUS_BUSY;
    merge(rig, changes, 2);
    rig->now_ms += 3000;
    if (refresh(rig, refresh_of(rig, "ada", "a", 20), 0) != 0) fail_msg("it is not understood");
    rig->now_ms += 3000;
    rig_tick(rig);
    struct user_view view = rig_view(rig, "room", "ada");
    if (!view.live || view.sessions != 1 || view.status != STATUS_ONLINE)
        fail_msg("live %d, %u sessions, status %d", view.live, view.sessions, view.status);
    if (rig_counts(rig, "room").sessions != 1) fail_msg("the count of sessions is off");
    rig_free(rig);
}

/* More refreshes than are looked up side by side, of every kind: users of one session and of two, users and scopes that
 * are not there, handles that are the hash of nobody though its upper half is somebody's. */
static void many_refreshes_are_applied_each_for_itself(void **state) {
    (void)state;
    enum { MANY = 333 };
    static char names[MANY][16];
    static struct change changes[2 * MANY];
    static struct refresh refreshes[MANY];
    struct rig *rig = rig_of(1);
    size_t count = 0, expected = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], i % 2 == 0 ? "u%u" : "user:%07u", i);
        if (i % 10 == 7) continue;
        changes[count++] = a_change(rig, names[i], 2, 10 + i);
        if (i % 10 != 3) continue;
        changes[count] = a_change(rig, names[i], 2, 10 + MANY + i);
        changes[count++].session = text_of("tab");
    }
    merge(rig, changes, count);
    rig->now_ms += 3000;
    for (unsigned i = 0; i < MANY; i++) {
        refreshes[i] = refresh_of(rig, names[i], i % 10 == 3 ? "tab" : "", 1000 + i);
        if (i % 10 == 5) refreshes[i].scope_hash ^= 1;
        if (i % 10 == 8) refreshes[i].user_hash ^= 1;
        expected += i % 10 == 5 || i % 10 == 7 || i % 10 == 8;
    }
    size_t failed = roll_refresh(rig->roll, 2, refreshes, MANY, 0, rig->now_ms, NULL);
    if (failed != expected) fail_msg("%zu of %d could not be applied, not %zu", failed, MANY, expected);
    for (unsigned i = 0; i < MANY; i++) {
        bool is_refreshed = i % 10 != 5 && i % 10 != 7 && i % 10 != 8;
        struct user_view view = rig_view(rig, "room", names[i]);
        if (view.known != (i % 10 != 7) || (view.known && (view.seen_ms == rig->now_ms) != is_refreshed))
            fail_msg("user %u: known %d, seen at %" PRIu64, i, view.known, view.seen_ms);
    }
    rig_free(rig);
}

/* ---- walks ----------------------------------------------------------------------------------------------------- */

enum { WALKED_MAX = 4096, WALK_LIMIT = MUSTER_SESSIONS_MAX + 2 };

/* Copies a roll by pages into another, which merges them; `between` happens between two pages. */
static size_t walk_into(struct rig *to, struct rig *from, const struct known *have, size_t have_count,
                        void (*between)(struct rig *from, void *context), void *context) {
    struct walk_cursor cursor = {0};
    struct change changes[WALK_LIMIT];
    size_t total = 0;
    bool is_done = false;
    for (int pages = 0; !is_done; pages++) {
        if (pages > 100000) fail_msg("the walk does not end");
        size_t n = roll_walk(from->roll, &cursor, have, have_count, WALK_LIMIT, 50, &is_done, changes);
        if (n > WALK_LIMIT) fail_msg("%zu changes in a page", n);
        total += n;
        merge(to, changes, n);
        if (between != NULL) between(from, context);
    }
    return total;
}

static void a_walk_copies_a_roll(void **state) {
    (void)state;
    struct rig *from = rig_of(1), *to = rig_of(9);
    char user[16], session[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(user, sizeof user, "u%d", i % 700);
        snprintf(session, sizeof session, "s%d", i % 5);
        rig_touch(from, scope_names[i % 2], user, session, 60000);
    }
    rig_reset(from, "gone");
    to->now_ms = from->now_ms;
    walk_into(to, from, NULL, 0, NULL, NULL);
    if (roll_fingerprint(from->roll, from->now_ms) != roll_fingerprint(to->roll, to->now_ms)) fail_msg("they differ");
    struct change late = a_change(to, "x", 1, 1);
    late.scope = text_of("gone");
    if (merge(to, &late, 1) != 0) fail_msg("the reset did not come along");
    const struct known all = {1, rig_stats(from).sequence}, some = {1, rig_stats(from).sequence - 10};
    if (walk_into(to, from, &all, 1, NULL, NULL) != 0) fail_msg("what is known comes");
    size_t n = walk_into(to, from, &some, 1, NULL, NULL);
    if (n != 10) fail_msg("%zu instead of 10 that are not known", n);
    rig_free(from);
    rig_free(to);
}

struct meddler {
    struct random random;
    struct rig *third;
};

/* Members change hands while they are walked, resets come and scopes grow. */
static void meddle(struct rig *from, void *context) {
    struct meddler *meddler = context;
    char user[16];
    for (int i = 0; i < 5; i++) {
        snprintf(user, sizeof user, "u%d", (int)random_below(&meddler->random, 900));
        const char *scope = scope_names[random_below(&meddler->random, 2)];
        if (random_chance(&meddler->random, 1, 2)) {
            rig_touch(from, scope, user, "", 60000);
            continue;
        }
        struct change change = a_change(from, user, 2, ++from->stamp);
        change.scope = text_of(scope);
        change.is_reset = random_chance(&meddler->random, 1, 20);
        merge(from, &change, 1);
    }
}

static void what_was_there_or_newer_comes_whatever_happens_meanwhile(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rig *from = rig_of(1), *to = rig_of(9), *then = rig_of(8);
        struct meddler meddler = {.random = random_of(seed)};
        char user[16];
        for (int i = 0; i < 600; i++) {
            snprintf(user, sizeof user, "u%d", (int)random_below(&meddler.random, 700));
            rig_touch(from, scope_names[i % 2], user, "", 60000);
        }
        walk_into(then, from, NULL, 0, NULL, NULL); /* as it was when the walk began */
        walk_into(to, from, NULL, 0, meddle, &meddler);
        uint64_t before = roll_fingerprint(to->roll, to->now_ms);
        walk_into(to, then, NULL, 0, NULL, NULL);
        if (roll_fingerprint(to->roll, to->now_ms) != before) fail_msg("seed %" PRIu64 ": something was missed", seed);
        rig_free(from);
        rig_free(to);
        rig_free(then);
    }
}

/* Nodes that were cut off let in their sessions each: more than fit a page. */
static void a_user_of_very_many_sessions_is_walked_in_parts(void **state) {
    (void)state;
    struct rig *from = rig_of(1), *to = rig_of(9);
    char session[16];
    for (unsigned i = 0; i < 5 * WALK_LIMIT; i++) {
        snprintf(session, sizeof session, "s%u", i);
        struct change change = a_change(from, "ada", 2 + i / MUSTER_SESSIONS_MAX, 100 + i);
        change.session = text_of(session);
        merge(from, &change, 1);
    }
    rig_touch(from, "room", "bob", "", 60000);
    rig_reset(from, "gone");
    walk_into(to, from, NULL, 0, NULL, NULL);
    if (roll_fingerprint(from->roll, from->now_ms) != roll_fingerprint(to->roll, to->now_ms)) fail_msg("they differ");
    rig_free(from);
    rig_free(to);
}

/* A walk over very many scopes that hold nothing new takes many small steps. */
static void a_step_of_a_walk_is_bounded(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    char scope[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(scope, sizeof scope, "scope%d", i);
        rig_touch(rig, scope, "ada", "", 60000);
    }
    const struct known all = {1, rig_stats(rig).sequence};
    struct walk_cursor cursor = {0};
    struct change changes[WALK_LIMIT];
    bool is_done = false;
    int steps = 0;
    for (; !is_done; steps++)
        if (roll_walk(rig->roll, &cursor, &all, 1, WALK_LIMIT, 100, &is_done, changes) != 0) fail_msg("something came");
    if (steps < 50) fail_msg("%d steps of 100 looks for 5000 scopes", steps);
    rig_free(rig);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

struct mesh {
    struct random random;
    struct rig *rigs[ROLLS];
    uint64_t stamp, told[ROLLS][ROLLS]; /* told[to][from]: up to which sequence */
    uint64_t flushed[ROLLS];
};

static void random_call(struct mesh *mesh) {
    struct rig *rig = mesh->rigs[random_below(&mesh->random, ROLLS)];
    char user[16], session[16];
    snprintf(user, sizeof user, "u%d", (int)random_below(&mesh->random, USERS));
    snprintf(session, sizeof session, "s%d", (int)random_below(&mesh->random, SESSIONS));
    const char *scope = scope_names[random_below(&mesh->random, 2)];
    rig->stamp = ++mesh->stamp;
    struct beat beat = rig_a_beat(scope, user, session, random_chance(&mesh->random, 1, 5) ? 0 : 5000);
    beat.status = (uint8_t)random_between(&mesh->random, STATUS_AWAY, STATUS_BUSY);
    if (random_chance(&mesh->random, 1, 3)) beat.state = text_of("a state that is long enough to need memory");
    if (random_chance(&mesh->random, 1, 100)) rig_reset(rig, scope);
    else if (rig_beat(rig, beat) != MUSTER_OK) fail_msg("a beat is refused: %s", rig->why.what);
}

/* What `from` did since it was told last, in any order, some of it twice. */
static void tell(struct mesh *mesh, unsigned to, unsigned from) {
    struct change changes[ROLL_MERGE_MAX];
    struct rig *source = mesh->rigs[from];
    uint64_t after = mesh->told[to][from];
    bool is_complete;
    size_t n = roll_changes(source->roll, &after, ROLL_MERGE_MAX / 2, &is_complete, changes);
    if (!is_complete) {
        const struct known have = {from + 1, mesh->told[to][from]};
        walk_into(mesh->rigs[to], source, &have, 1, NULL, NULL);
        mesh->told[to][from] = rig_stats(source).sequence;
        return;
    }
    for (size_t twice = n / 4; twice > 0; twice--, n++) changes[n] = changes[random_below(&mesh->random, n)];
    for (size_t i = n; i-- > 1;) {
        size_t other = random_below(&mesh->random, i + 1);
        struct change swapped = changes[i];
        changes[i] = changes[other];
        changes[other] = swapped;
    }
    merge(mesh->rigs[to], changes, n);
    mesh->told[to][from] = after;
}

static void require_alike(struct mesh *mesh, uint64_t seed) {
    const struct rig *first = mesh->rigs[0];
    for (unsigned i = 1; i < ROLLS; i++) {
        const struct rig *rig = mesh->rigs[i];
        if (roll_fingerprint(first->roll, first->now_ms) != roll_fingerprint(rig->roll, rig->now_ms))
            fail_msg("seed %" PRIu64 ": rolls 0 and %u hold different registers", seed, i);
        for (int s = 0; s < 2; s++) {
            struct scope_counts a = rig_counts(first, scope_names[s]), b = rig_counts(rig, scope_names[s]);
            a.joined = a.left = b.joined = b.left = 0; /* what each was told in which order */
            if (memcmp(&a, &b, sizeof a) != 0) fail_msg("seed %" PRIu64 ": rolls 0 and %u count differently", seed, i);
            if (rig_window(first, scope_names[s], 3000).users != rig_window(rig, scope_names[s], 3000).users)
                fail_msg("seed %" PRIu64 ": rolls 0 and %u differ in a window", seed, i);
        }
    }
}

static void rolls_that_were_told_the_same_are_alike(void **state) {
    (void)state;
    uint64_t first = random_number_from_environment("MUSTER_SEED", 0);
    for (uint64_t seed = first == 0 ? 1 : first; seed <= (first == 0 ? 60 : first); seed++) {
        struct mesh mesh = {.random = random_of(seed)};
        for (unsigned i = 0; i < ROLLS; i++) mesh.rigs[i] = rig_of(i + 1);
        for (int step = 0; step < 1500; step++) {
            random_call(&mesh);
            unsigned to = (unsigned)random_below(&mesh.random, ROLLS),
                     from = (unsigned)random_below(&mesh.random, ROLLS);
            if (to != from && random_chance(&mesh.random, 1, 10)) tell(&mesh, to, from);
            if (!random_chance(&mesh.random, 1, 20)) continue;
            uint64_t ms = random_below(&mesh.random, 2000);
            for (unsigned i = 0; i < ROLLS; i++) {
                mesh.rigs[i]->now_ms += ms;
                rig_tick(mesh.rigs[i]);
            }
        }
        for (int round = 0; round < 3 * LOG_SLOTS / (ROLL_MERGE_MAX / 2); round++)
            for (unsigned to = 0; to < ROLLS; to++)
                for (unsigned from = 0; from < ROLLS; from++)
                    if (to != from) tell(&mesh, to, from);
        for (unsigned i = 0; i < ROLLS; i++) rig_tick(mesh.rigs[i]);
        require_alike(&mesh, seed);
        for (unsigned i = 0; i < ROLLS; i++) rig_free(mesh.rigs[i]);
    }
}

static void an_origin_is_forgotten_when_nothing_refers_to_it(void **state) {
    (void)state;
    struct rig *rig = rig_of(1);
    struct change change = a_change(rig, "ada", 2, 10);
    struct origin_view origins[ROLL_ORIGINS_MAX];
    merge(rig, &change, 1);
    if (roll_origin_registers(rig->roll, 2) != 1) fail_msg("it has no register");
    rig->stamp = 20;
    rig_touch(rig, "room", "ada", "", 5000);
    if (roll_origin_registers(rig->roll, 2) != 0 || roll_origin_registers(rig->roll, 1) != 1)
        fail_msg("the counts are off");
    if (roll_origins(rig->roll, origins) != 1 || origins[0].origin != 1) fail_msg("it is listed");
    rig->now_ms += 5001;
    rig_tick(rig);
    rig->now_ms += RIG_RETENTION_MS + RIG_RETENTION_MS / 1000;
    rig_tick(rig);
    if (roll_origins(rig->roll, origins) != 0) fail_msg("%" PRIu64 " has registers", origins[0].origin);
    for (uint64_t i = 0; i < 3 * ROLL_ORIGINS_MAX; i++) { /* one after the other: none is left with a register */
        change = a_change(rig, "bob", 100 + i, 100 + i);
        merge(rig, &change, 1);
        require_label(rig, 100 + i, 100 + i);
    }
    rig_free(rig);
}

static void more_origins_than_there_is_room_for_are_adopted_as_they_come(void **state) {
    (void)state;
    enum { MORE = 40 };
    struct rig *rig = rig_of(1);
    static struct change changes[ROLL_ORIGINS_MAX + MORE], told[ROLL_ORIGINS_MAX];
    static char names[ROLL_ORIGINS_MAX + MORE][8];
    static struct origin_view origins[ROLL_ORIGINS_MAX];
    for (size_t i = 0; i < ROLL_ORIGINS_MAX - 1 + MORE; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        changes[i] = a_change(rig, names[i], 100 + i, 100 + i);
        if (merge(rig, &changes[i], 1) != 1) fail_msg("origin %zu is refused", i);
    }
    if (rig_stats(rig).sequence != MORE) fail_msg("%d were adopted", (int)rig_stats(rig).sequence);
    if (changes_after(rig, 0, told, ROLL_ORIGINS_MAX) != MORE ||
        told[MORE - 1].stamp != 100 + ROLL_ORIGINS_MAX + MORE - 2)
        fail_msg("not all are told of");
    struct change reset = {
        .origin = 9, .sequence = 3, .stamp = 5, .seen_ms = rig->now_ms, .is_reset = true, .scope = text_of("hall")};
    if (merge(rig, &reset, 1) != 1 || changes_after(rig, MORE, told, 8) != 1 || !told[0].is_reset ||
        told[0].origin != 1)
        fail_msg("a reset is not adopted");
    for (size_t i = 0; i < 10; i++) roll_adopt(rig->roll, &changes[i]);
    struct change next = a_change(rig, "next", 50000, 50000);
    merge(rig, &next, 1);
    if (roll_origin_registers(rig->roll, 50000) != 1) fail_msg("an origin without registers makes no room");
    if (roll_origins(rig->roll, origins) != ROLL_ORIGINS_MAX - 9)
        fail_msg("%zu origins", roll_origins(rig->roll, origins));
    rig_free(rig);
}

/* Each allocation of a merge fails once: then nothing has changed, and it can be made again. */
static void a_merge_without_memory_changes_nothing(void **state) {
    (void)state;
    struct heap heap = {0};
    struct roll_config config = rig_config();
    config.origin = 1;
    config.log_slots = 16;
    config.allocator = heap_counting(&heap);
    struct rig *rig = rig_new_with(&config);
    char users[100][16];
    struct change changes[100];
    for (int i = 0; i < 100; i++) {
        snprintf(users[i], sizeof users[i], "u%d", i);
        changes[i] = a_change(rig, users[i], 2, 10 + (uint64_t)i);
        changes[i].state = text_of("a state");
    }
    size_t applied;
    for (uint64_t attempt = 1;; attempt++) {
        uint64_t before = roll_fingerprint(rig->roll, rig->now_ms);
        heap.fail_at = heap.allocations + attempt;
        enum muster_code code = roll_merge(rig->roll, changes, 100, rig->now_ms, NULL, &applied, &rig->why);
        bool has_failed = heap.allocations >= heap.fail_at;
        heap.fail_at = 0;
        if (code == MUSTER_OK) {
            if (has_failed) continue; /* an allocation that can be done without */
            break;
        }
        if (roll_fingerprint(rig->roll, rig->now_ms) != before || rig_stats(rig).members != 0)
            fail_msg("attempt %d: something has changed", (int)attempt);
    }
    if (rig_counts(rig, "room").live != 100) fail_msg("not all are there in the end");
    rig_free(rig);
    if (heap.blocks != 0) fail_msg("%zu blocks leaked", heap.blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merged_join_is_a_join),
        cmocka_unit_test(the_greater_stamp_wins_then_what_is_said),
        cmocka_unit_test(the_same_register_takes_over_the_label),
        cmocka_unit_test(a_register_without_its_state_is_the_same),
        cmocka_unit_test(what_is_adopted_is_told_as_this_nodes_own),
        cmocka_unit_test(more_origins_than_there_is_room_for_are_adopted_as_they_come),

        cmocka_unit_test(a_beat_whose_lease_has_ended_is_merged_as_gone),
        cmocka_unit_test(a_merged_reset_makes_older_members_void),
        cmocka_unit_test(a_merged_reset_spares_what_is_newer),
        cmocka_unit_test(a_full_roll_refuses_a_merge_whole),
        cmocka_unit_test(only_what_extends_a_lease_is_a_refresh),
        cmocka_unit_test(news_stays_news_until_peers_know_it),
        cmocka_unit_test(the_log_tells_of_a_member_that_another_origin_took),
        cmocka_unit_test(the_log_ends_at_a_reset_of_another_origin),
        cmocka_unit_test(what_is_adopted_is_in_the_log),
        cmocka_unit_test(a_handle_finds_its_member),
        cmocka_unit_test(a_refresh_extends_the_lease),
        cmocka_unit_test(a_refresh_that_is_not_sure_is_not_applied),
        cmocka_unit_test(a_refresh_of_one_session_leaves_the_others),
        cmocka_unit_test(many_refreshes_are_applied_each_for_itself),
        cmocka_unit_test(a_walk_copies_a_roll),
        cmocka_unit_test(what_was_there_or_newer_comes_whatever_happens_meanwhile),
        cmocka_unit_test(a_user_of_very_many_sessions_is_walked_in_parts),
        cmocka_unit_test(a_step_of_a_walk_is_bounded),
        cmocka_unit_test(rolls_that_were_told_the_same_are_alike),
        cmocka_unit_test(an_origin_is_forgotten_when_nothing_refers_to_it),
        cmocka_unit_test(a_merge_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests_name("core.merge", tests, NULL, NULL);
}
