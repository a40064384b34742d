/* Watches that wait: parking, pacing, slow readers, hanging up, stopping and the cap. Time is the test's. */
#include "muster/codes.h"
#include "watch_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { WAIT_MS = 30000, PACE_MS = 1000 };

static uint64_t now_ms(const struct bench *bench) {
    return bench->rig.now.now_ms;
}

static uint64_t parked(struct bench *bench) {
    return pump_parked(bench->rig.watches);
}

/* What waits is answered at this instant, by a pump that the change woke. */
static void answered_now(struct bench *bench, const char *what) {
    rig_pass(&bench->rig, 0);
    if (bench->place.is_parked) fail_msg("%s: still parked", what);
    bench_answered(bench);
}

/* ---- waiting ---- */

static void a_watch_waits_for_a_change(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_park(bench, WAIT_MS);
    if (parked(bench) != 1) fail_msg("%llu are parked", (unsigned long long)parked(bench));
    rig_pass(&bench->rig, 5000);
    bench_expect_parked(bench);
    bench_join(bench, "bob");
    answered_now(bench, "a join");
    bench_expect_only(bench, "bob", JOINED, NO_REASON);
    if (parked(bench) != 0) fail_msg("parked, and answered");
    bench_park(bench, WAIT_MS);
    bench_leave(bench, "bob");
    answered_now(bench, "a leave");
    bench_expect_only(bench, "bob", LEFT, REASON_IS_LEFT);
    bench_park(bench, WAIT_MS);
    bench_beat(bench, (struct beat_of){.user = "ada", .status = 3});
    answered_now(bench, "a status");
    bench_expect_only(bench, "ada", UPDATED, NO_REASON);
    bench_park(bench, WAIT_MS);
    bench_reset(bench); /* whose leaves come with the next tick */
    rig_pass(&bench->rig, RIG_TICK_MS);
    answered_now(bench, "a reset");
    bench_expect_only(bench, "ada", LEFT, REASON_IS_RESET);
    bench_expect_same(bench);
}

static void an_expiry_ends_the_wait(void **state) {
    struct bench *bench = *state;
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 3000});
    bench_look(bench);
    uint64_t touched_ms = now_ms(bench);
    bench_park(bench, WAIT_MS);
    while (bench->place.is_parked && rig_step(&bench->rig, touched_ms + WAIT_MS)) {
    }
    bench_answered(bench);
    bench_expect_only(bench, "ada", LEFT, REASON_IS_EXPIRED);
    uint64_t took_ms = bench->place.answered_ms - touched_ms;
    if (took_ms <= 3000 || took_ms > 3000 + RIG_TICK_MS) fail_msg("told after %llu ms", (unsigned long long)took_ms);
}

static void a_wait_for_nothing_ends_with_a_cursor(void **state) {
    struct bench *bench = *state;
    bench_look(bench);
    for (int i = 0; i < 3; i++) {
        uint64_t asked_ms = now_ms(bench);
        bench_park(bench, 7777);
        rig_pass(&bench->rig, 7776);
        bench_expect_parked(bench);
        rig_pass(&bench->rig, 1);
        bench_answered(bench);
        if (bench->place.answered_ms != asked_ms + 7777) fail_msg("not at the end of the wait");
        if (watcher_is_news(bench->last->watch) || bench->last->watch->more) fail_msg("not an empty answer");
    }
    bench_join(bench, "ada");
    bench_look(bench);
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
    if (bench->watcher.resyncs > 0) fail_msg("resync");
}

static void refreshes_and_other_scopes_end_no_wait(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_park(bench, WAIT_MS);
    for (int i = 0; i < 10; i++) {
        rig_pass(&bench->rig, 1000);
        bench_join(bench, "ada");
        bench_beat(bench, (struct beat_of){.scope = "elsewhere", .user = i % 2 ? "bob" : "eve", .status = 1 + i % 3});
        bench_expect_parked(bench);
    }
}

static void what_has_changed_already_is_told_at_once(void **state) {
    struct bench *bench = *state;
    bench_look(bench);
    bench_join(bench, "ada");
    struct request_builder builder;
    bench->watcher.max_wait_ms = WAIT_MS;
    watcher_build(&bench->watcher, &builder);
    if (!place_ask(&bench->place, &bench->rig, &builder)) fail_msg("parked, and ada has joined");
    bench_answered(bench);
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
}

/* What came and went while it waited is no reason to answer, whoever asks about it. */
static void what_comes_to_nothing_ends_no_wait(void **state) {
    struct bench *bench = *state;
    bench_look(bench);
    bench_park(bench, WAIT_MS);
    bench_join(bench, "ada");
    bench_leave(bench, "ada");
    bench_expect_parked(bench);
    bench_join(bench, "ada");
    answered_now(bench, "a join after a join that came to nothing");
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
    bench_park(bench, WAIT_MS);
    bench_leave(bench, "ada");
    answered_now(bench, "a leave");
    bench_expect_only(bench, "ada", LEFT, REASON_IS_LEFT);
}

static void a_snapshot_and_its_pages_do_not_wait(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, 3000, 'x', 1000);
    for (int i = 0; !bench->watcher.is_synced && i < 100; i++) {
        struct request_builder builder;
        bench->watcher.max_wait_ms = WAIT_MS;
        watcher_build(&bench->watcher, &builder);
        if (!place_ask(&bench->place, &bench->rig, &builder)) fail_msg("page %d waits", i);
        bench_answered(bench);
    }
    bench_expect_same(bench);
    bench_park(bench, WAIT_MS);
}

static void a_door_that_cannot_wait_is_answered_at_once(void **state) {
    struct bench *bench = *state;
    bench_look(bench);
    for (int i = 0; i < 2; i++) {
        struct request_builder builder;
        bench->watcher.max_wait_ms = WAIT_MS;
        watcher_build(&bench->watcher, &builder);
        reply_free(ask(&bench->rig.answerer, &builder));
    }
    if (parked(bench) != 0) fail_msg("parked without a place");
}

static void named_users_wait_for_their_own_changes(void **state) {
    static const char *const names[] = {"ada", "nobody"};
    struct bench *bench = *state;
    bench->watcher.users = names;
    bench->watcher.user_count = 2;
    bench_look(bench);
    bench_park(bench, WAIT_MS);
    bench_join(bench, "bob");
    bench_crowd(bench, 0, 1000, 'x', 10);
    bench_expect_parked(bench);
    bench_join(bench, "ada");
    answered_now(bench, "ada");
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
    bench_park(bench, WAIT_MS);
    bench_crowd_leaves(bench, 0, 1000);
    bench_expect_parked(bench);
    bench_reset(bench); /* whose leaves come with the next tick */
    rig_pass(&bench->rig, RIG_TICK_MS);
    answered_now(bench, "a reset");
    bench_expect_only(bench, "ada", LEFT, REASON_IS_RESET);
    bench_park(bench, WAIT_MS);
    bench_join(bench, "nobody");
    answered_now(bench, "nobody");
    bench_expect_same(bench);
}

static void counts_wait_for_a_change_of_them(void **state) {
    struct bench *bench = *state;
    bench->watcher.counts = true;
    bench_look(bench);
    bench_park(bench, WAIT_MS);
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 5000});
    answered_now(bench, "a join");
    bench_expect_same(bench);
    bench_park(bench, WAIT_MS);
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 5000, .state = "typing"});
    bench_expect_parked(bench);
    rig_pass(&bench->rig, 5000 + RIG_TICK_MS);
    answered_now(bench, "an expiry");
    bench_expect_same(bench);
    if (bench->watcher.last_counts.live != 0) fail_msg("somebody is live");
}

/* ---- a page that is loaded again ---- */

static void a_reload_ends_no_wait_with_a_leave(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    for (int i = 0; i < 4; i++) {
        if (!bench->place.is_parked) bench_park(bench, WAIT_MS);
        bench_linger(bench, "ada", 5000);
        rig_pass(&bench->rig, 2000);
        if (!bench->place.is_parked) bench_answered(bench), bench_park(bench, WAIT_MS);
        bench_join(bench, "ada");
        rig_pass(&bench->rig, 1000);
        if (!bench->place.is_parked) bench_answered(bench);
    }
    if (bench->watcher.joined != 0 || bench->watcher.left != 0)
        fail_msg("%zu joined and %zu left", bench->watcher.joined, bench->watcher.left);
}

/* ---- pace ---- */

/* Waits with a pace until it is answered with news, and returns when that was. */
static uint64_t paced_answer(struct bench *bench) {
    if (!bench->place.is_parked && bench->place.reply == NULL) {
        struct request_builder builder;
        bench->watcher.max_wait_ms = WAIT_MS;
        watcher_build(&bench->watcher, &builder);
        place_ask(&bench->place, &bench->rig, &builder);
    }
    uint64_t until_ms = now_ms(bench) + WAIT_MS;
    while (bench->place.is_parked && rig_step(&bench->rig, until_ms)) {
    }
    bench_answered(bench);
    if (!watcher_is_news(bench->last->watch)) fail_msg("an empty answer");
    return bench->place.answered_ms;
}

static void answers_keep_the_pace(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench->watcher.min_interval_ms = PACE_MS;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_beat(bench, (struct beat_of){.user = "ada", .state = "first"});
    uint64_t last_ms = paced_answer(bench);
    for (int i = 0; i < 20; i++) {
        char text[16];
        for (int j = 0; j < 7; j++) { /* many changes, one answer */
            snprintf(text, sizeof text, "%d.%d", i, j);
            bench_beat(bench, (struct beat_of){.user = "ada", .state = text});
            rig_pass(&bench->rig, 10);
        }
        uint64_t at_ms = paced_answer(bench), interval_ms = at_ms - last_ms;
        if (interval_ms < PACE_MS || interval_ms > PACE_MS + PACE_MS / 4)
            fail_msg("answers are %llu ms apart", (unsigned long long)interval_ms);
        bench_expect_only(bench, "ada", UPDATED, NO_REASON);
        if (!bytes_are(bench_change(bench, "ada")->user->sessions[0]->state, text)) fail_msg("not as it is now");
        last_ms = at_ms;
    }
}

static void the_first_change_after_a_quiet_time_is_told_at_once(void **state) {
    struct bench *bench = *state;
    bench->watcher.min_interval_ms = PACE_MS;
    bench_join(bench, "ada");
    bench_look(bench);
    for (int i = 0; i < 5; i++) {
        bench_park(bench, WAIT_MS);
        rig_pass(&bench->rig, PACE_MS + PACE_MS / 4);
        bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i % 3});
        answered_now(bench, "a change after a quiet time");
    }
}

/* Bursts at random moments: on the average the answers are no further apart than the pace and its quarter. */
static void a_pace_does_not_starve(void **state) {
    struct bench *bench = *state;
    bench->watcher.min_interval_ms = PACE_MS;
    bench_join(bench, "ada");
    bench_look(bench);
    unsigned answers = 0;
    uint64_t until_ms = now_ms(bench) + 60000;
    for (int i = 0; now_ms(bench) < until_ms; i++) {
        bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i % 3});
        if (!bench->place.is_parked) {
            struct request_builder builder;
            if (bench->place.reply != NULL) {
                bench_answered(bench);
                answers += watcher_is_news(bench->last->watch);
            }
            bench->watcher.max_wait_ms = WAIT_MS;
            watcher_build(&bench->watcher, &builder);
            place_ask(&bench->place, &bench->rig, &builder);
        }
        rig_pass(&bench->rig, 17);
    }
    if (answers < 60 * 4 / 5 - 1 || answers > 61) fail_msg("%u answers in a minute, paced to one a second", answers);
}

/* The wait is shorter than the pace. No change is lost, and none comes before its time. */
static void a_wait_within_the_pace_ends_in_time(void **state) {
    struct bench *bench = *state;
    bench->watcher.min_interval_ms = 10000;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_leave(bench, "ada");
    uint64_t first_ms = paced_answer(bench);
    bench_join(bench, "ada");
    unsigned empty = 0;
    do {
        struct request_builder builder;
        uint64_t asked_ms = now_ms(bench);
        bench->watcher.max_wait_ms = 900;
        watcher_build(&bench->watcher, &builder);
        if (!place_ask(&bench->place, &bench->rig, &builder)) rig_pass(&bench->rig, 900);
        bench_answered(bench);
        if (bench->place.answered_ms > asked_ms + 900) fail_msg("a wait of more than max_wait_ms");
        if (++empty > 30) fail_msg("never told");
    } while (!watcher_is_news(bench->last->watch));
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
    uint64_t interval_ms = bench->place.answered_ms - first_ms;
    if (interval_ms < 10000 || interval_ms > 12500 + 900)
        fail_msg("told after %llu ms", (unsigned long long)interval_ms);
}

/* So much happens while the pace holds it back that the journal no longer knows what it was told. */
static void who_waited_too_long_begins_a_snapshot(void **state) {
    struct bench *bench = *state;
    static const char *const names[] = {"u1", "u77", "nobody"};
    for (int i = 0; i < 2; i++) {
        bench->watcher.users = names;
        bench->watcher.user_count = i == 0 ? 0 : 3;
        bench->watcher.min_interval_ms = 20000;
        bench->watcher.cursor_len = 0;
        bench_catch_up(bench);
        bench_join(bench, "u1");
        bench_leave(bench, "u1");
        bench_join(bench, "u1");
        paced_answer(bench);
        bench_park(bench, WAIT_MS);
        for (int round = 0; round < 15; round++) {
            bench_crowd(bench, 0, 10000, 'x', 0);
            bench_crowd_leaves(bench, 0, 10000);
        }
        bench_crowd(bench, 70, 50, 'x', 0);
        paced_answer(bench);
        if (i == 0 && !bench->last->watch->resync) fail_msg("told of changes that the journal cannot know");
        bench->watcher.min_interval_ms = 0;
        bench_catch_up(bench);
        bench_expect_same(bench);
        bench_reset(bench);
    }
}

/* ---- many, and slow ones ---- */

enum { MANY = 500 };
struct many {
    struct watcher watchers[MANY];
    struct place places[MANY];
};

static void many_ask(struct bench *bench, struct many *many, bool expect_answer) {
    for (size_t i = 0; i < MANY; i++) {
        struct request_builder builder;
        watcher_build(&many->watchers[i], &builder);
        if (place_ask(&many->places[i], &bench->rig, &builder) != expect_answer)
            fail_msg("watcher %zu is%s parked", i, expect_answer ? "" : " not");
    }
}

static void many_are_told(struct many *many, size_t changes) {
    for (size_t i = 0; i < MANY; i++) {
        Muster__V1__Reply *reply = place_take(&many->places[i]);
        const char *fault = watcher_apply(&many->watchers[i], reply->watch);
        if (fault != NULL || reply->watch->n_changes != changes)
            fail_msg("watcher %zu: %zu changes, expected %zu; %s", i, reply->watch->n_changes, changes,
                     fault != NULL ? fault : "no other fault");
        reply_free(reply);
    }
}

static void everybody_is_told_of_each_change(void **state) {
    struct bench *bench = *state;
    struct many *many = calloc(1, sizeof *many);
    if (many == NULL) abort();
    for (size_t i = 0; i < MANY; i++) {
        many->watchers[i] = (struct watcher){.scope = "room", .max_wait_ms = WAIT_MS, .sessions = i % 2 == 0};
        place_open(&many->places[i], &bench->rig, i);
    }
    many_ask(bench, many, true);
    many_are_told(many, 0);
    for (int round = 0; round < 12; round++) {
        many_ask(bench, many, false);
        if (round % 2 == 0) bench_crowd(bench, 0, 10, 'x', 5);
        else bench_crowd_leaves(bench, 0, 10);
        rig_pass(&bench->rig, 0);
        many_are_told(many, 10);
    }
    for (size_t i = 0; i < MANY; i++) watcher_close(&many->watchers[i]);
    free(many);
}

static void a_slow_reader_costs_one_answer(void **state) {
    struct bench *bench = *state;
    struct place other;
    place_open(&other, &bench->rig, 2);
    bench_join(bench, "ada");
    bench_look(bench);
    struct watcher quick = {.scope = "room", .max_wait_ms = WAIT_MS, .cursor_len = bench->watcher.cursor_len};
    memcpy(quick.cursor, bench->watcher.cursor, quick.cursor_len);
    bench_park(bench, WAIT_MS);
    bench->place.has_room = false;
    for (int i = 0; i < 20; i++) {
        struct request_builder builder;
        watcher_build(&quick, &builder);
        if (place_ask(&other, &bench->rig, &builder)) fail_msg("not parked");
        bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i % 3});
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        bench_join(bench, user);
        rig_pass(&bench->rig, 100);
        Muster__V1__Reply *reply = place_take(&other);
        memcpy(quick.cursor, reply->watch->cursor.data, quick.cursor_len);
        if (reply->watch->n_changes != 2) fail_msg("the quick one is told of %zu changes", reply->watch->n_changes);
        reply_free(reply);
        if (!bench->place.is_parked) fail_msg("answered without room");
    }
    bench->place.has_room = true;
    rig_pass(&bench->rig, 1000);
    bench_answered(bench);
    bench_expect_changes(bench, 21);
    bench_expect_same(bench);
}

/* ---- ends ---- */

static void a_hang_up_gives_the_places_back(void **state) {
    enum { WATCHERS = 40 };
    struct bench *bench = *state;
    struct place places[WATCHERS];
    bench_look(bench);
    bench->watcher.max_wait_ms = WAIT_MS;
    for (size_t i = 0; i < WATCHERS; i++) {
        struct request_builder builder;
        place_open(&places[i], &bench->rig, 1000 + i % 2);
        watcher_build(&bench->watcher, &builder);
        if (place_ask(&places[i], &bench->rig, &builder)) fail_msg("not parked");
    }
    struct watch_door other_door = bench->rig.door;
    pump_hang_up(bench->rig.watches, &other_door, 1000);
    pump_hang_up(bench->rig.watches, &bench->rig.door, 1002);
    if (parked(bench) != WATCHERS) fail_msg("another door's connection hung up on these");
    pump_hang_up(bench->rig.watches, &bench->rig.door, 1001);
    rig_pass(&bench->rig, 0);
    for (size_t i = 0; i < WATCHERS; i++)
        if (places[i].is_parked != (i % 2 == 0) || places[i].is_hung_up != (i % 2 == 1)) fail_msg("place %zu", i);
    if (parked(bench) != WATCHERS / 2) fail_msg("%llu are parked", (unsigned long long)parked(bench));
    pump_hang_up(bench->rig.watches, &bench->rig.door, 1001);
    bench_join(bench, "ada");
    rig_pass(&bench->rig, 0);
    for (size_t i = 0; i < WATCHERS; i += 2) reply_free(place_take(&places[i]));
}

/* The connection goes in the moment in which its answer has no room, and nobody is told. */
static void a_hang_up_while_an_answer_is_due(void **state) {
    struct bench *bench = *state;
    bench->watcher.min_interval_ms = PACE_MS;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_leave(bench, "ada");
    paced_answer(bench);
    bench_park(bench, WAIT_MS);
    bench->place.has_room = false;
    bench_join(bench, "ada");
    rig_pass(&bench->rig, 2 * PACE_MS);
    pump_hang_up(bench->rig.watches, &bench->rig.door, 1);
    rig_pass(&bench->rig, 0);
    if (!bench->place.is_hung_up || parked(bench) != 0) fail_msg("still parked");
    rig_pass(&bench->rig, WAIT_MS);
}

static void a_node_that_stops_answers_everybody(void **state) {
    struct bench *bench = *state;
    struct place slow;
    struct request_builder builder;
    place_open(&slow, &bench->rig, 2);
    bench_look(bench);
    bench_park(bench, WAIT_MS);
    watcher_build(&bench->watcher, &builder);
    if (place_ask(&slow, &bench->rig, &builder)) fail_msg("not parked");
    pump_stop(bench->rig.watches);
    rig_pass(&bench->rig, 0);
    struct place *places[] = {&bench->place, &slow};
    for (int i = 0; i < 2; i++) {
        Muster__V1__Reply *reply = places[i]->reply;
        if (reply == NULL || reply->code != MUSTER_UNAVAILABLE || reply->message.len == 0)
            fail_msg("place %d is not told that the node stops", i);
        place_close(places[i]);
    }
    watcher_build(&bench->watcher, &builder);
    if (!place_ask(&slow, &bench->rig, &builder)) fail_msg("parked at a node that stops");
    if (slow.reply->code != MUSTER_UNAVAILABLE) fail_msg("code %d at a node that stops", slow.reply->code);
    place_close(&slow);
}

static void past_the_cap_a_watch_is_refused(void **state) {
    enum { CAP = 3 };
    struct bench *bench = *state;
    rig_close(&bench->rig);
    rig_open_capped(&bench->rig, &rig_usual, CAP);
    place_open(&bench->place, &bench->rig, 1);
    struct place places[CAP];
    struct request_builder builder;
    bench_look(bench);
    bench->watcher.max_wait_ms = WAIT_MS;
    for (int i = 0; i < CAP; i++) {
        place_open(&places[i], &bench->rig, (uint64_t)i);
        watcher_build(&bench->watcher, &builder);
        if (place_ask(&places[i], &bench->rig, &builder)) fail_msg("watch %d is not parked", i);
    }
    watcher_build(&bench->watcher, &builder);
    if (!place_ask(&bench->place, &bench->rig, &builder)) fail_msg("parked past the cap");
    Muster__V1__Reply *refusal = bench->place.reply;
    bench->place.reply = NULL;
    expect_refused(&bench->rig.answerer, refusal, MUSTER_RESOURCE_EXHAUSTED, "at most 3 watches");
    bench_look(bench); /* who does not want to wait needs no place */
    for (int i = 0; i < CAP; i++)
        if (!places[i].is_parked) fail_msg("watch %d was dropped", i);
    bench_join(bench, "ada");
    rig_pass(&bench->rig, 0);
    for (int i = 0; i < CAP; i++) reply_free(place_take(&places[i]));
    bench_look(bench);
    bench_park(bench, WAIT_MS);
}

/* Many scopes are watched, each by one: a change in one of them concerns that one alone. */
static void watches_of_many_scopes_do_not_meet(void **state) {
    enum { SCOPES = 2000 };
    struct bench *bench = *state;
    static struct watcher watchers[SCOPES];
    static struct place places[SCOPES];
    static char names[SCOPES][16];
    memset(watchers, 0, sizeof watchers);
    for (size_t i = 0; i < SCOPES; i++) {
        struct request_builder builder;
        snprintf(names[i], sizeof names[i], "room:%zu", i);
        watchers[i] = (struct watcher){.scope = names[i], .max_wait_ms = WAIT_MS, .counts = i % 3 == 1};
        place_open(&places[i], &bench->rig, i);
        watcher_build(&watchers[i], &builder);
        if (!place_ask(&places[i], &bench->rig, &builder)) fail_msg("a first request is parked");
        Muster__V1__Reply *reply = place_take(&places[i]);
        if (watcher_apply(&watchers[i], reply->watch) != NULL) fail_msg("watcher %zu", i);
        reply_free(reply);
        watcher_build(&watchers[i], &builder);
        if (place_ask(&places[i], &bench->rig, &builder)) fail_msg("watcher %zu is not parked", i);
    }
    for (size_t i = 0; i < SCOPES; i += 2) bench_beat(bench, (struct beat_of){.scope = names[i], .user = "ada"});
    rig_pass(&bench->rig, 0);
    for (size_t i = 0; i < SCOPES; i++)
        if (places[i].is_parked != (i % 2 == 1)) fail_msg("watcher %zu is%s parked", i, i % 2 == 0 ? "" : " not");
    for (size_t i = 0; i < SCOPES; i++) {
        place_close(&places[i]);
        watcher_close(&watchers[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(a_watch_waits_for_a_change),
        TEST(an_expiry_ends_the_wait),
        TEST(a_wait_for_nothing_ends_with_a_cursor),
        TEST(refreshes_and_other_scopes_end_no_wait),
        TEST(what_has_changed_already_is_told_at_once),
        TEST(what_comes_to_nothing_ends_no_wait),
        TEST(a_snapshot_and_its_pages_do_not_wait),
        TEST(a_door_that_cannot_wait_is_answered_at_once),
        TEST(named_users_wait_for_their_own_changes),
        TEST(counts_wait_for_a_change_of_them),
        TEST(a_reload_ends_no_wait_with_a_leave),
        TEST(answers_keep_the_pace),
        TEST(the_first_change_after_a_quiet_time_is_told_at_once),
        TEST(a_pace_does_not_starve),
        TEST(a_wait_within_the_pace_ends_in_time),
        TEST(who_waited_too_long_begins_a_snapshot),
        TEST(everybody_is_told_of_each_change),
        TEST(a_slow_reader_costs_one_answer),
        TEST(a_hang_up_gives_the_places_back),
        TEST(a_hang_up_while_an_answer_is_due),
        TEST(a_node_that_stops_answers_everybody),
        TEST(past_the_cap_a_watch_is_refused),
        TEST(watches_of_many_scopes_do_not_meet),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("rpc watches that wait", tests, NULL, NULL);
}
