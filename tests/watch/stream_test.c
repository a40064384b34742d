/* Watches that are streams: parked again after each answer. Time is the test's. A stream is told exactly what a long
 * poll is that asks again at once. */
#include "muster/codes.h"
#include "node/standstill.h"
#include "support/random.h"
#include "watch_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { SILENCE_MS = 30000, PACE_MS = 1000 };

static size_t parked(struct bench *bench) {
    return pump_parked(bench->rig.watches);
}

static void ask_stream(struct bench *bench, struct place *place, struct watcher *watcher, uint32_t silence_ms) {
    struct request_builder builder;
    watcher->max_wait_ms = silence_ms;
    place->waiter.is_stream = true;
    watcher_build(watcher, &builder);
    if (place_ask(place, &bench->rig, &builder)) fail_msg("a stream is answered, and not parked");
}

static void open_stream(struct bench *bench, uint32_t silence_ms) {
    ask_stream(bench, &bench->place, &bench->watcher, silence_ms);
}

/* Takes the answer that came, at this instant, and reads on. */
static void told(struct bench *bench, const char *what) {
    rig_pass(&bench->rig, 0);
    if (bench->place.reply == NULL) fail_msg("%s: not told", what);
    bench_answered(bench);
    if (!bench->place.is_parked) fail_msg("%s: the stream has ended", what);
    place_has_read(&bench->place, &bench->rig);
}

static void expect_silence(struct bench *bench, const char *what) {
    rig_pass(&bench->rig, 0);
    if (bench->place.reply != NULL || !bench->place.is_parked) fail_msg("%s: told", what);
}

static void expect_end(struct place *place, int code, const char *says) {
    const Muster__V1__Reply *reply = place->reply;
    if (place->is_parked || reply == NULL) fail_msg("the stream goes on");
    if (reply->code != code || strstr((const char *)reply->message.data, says) == NULL)
        fail_msg("code %d: %.*s", reply->code, (int)reply->message.len, (const char *)reply->message.data);
    place_close(place);
}

/* ---- what is told ---- */

static void a_stream_goes_on(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    open_stream(bench, 0);
    told(bench, "the snapshot");
    if (bench->last->watch->n_present != 1) fail_msg("%zu are present", bench->last->watch->n_present);
    for (int i = 0; i < 5; i++) {
        bench_join(bench, "bob");
        told(bench, "a join");
        bench_expect_only(bench, "bob", JOINED, NO_REASON);
        bench_leave(bench, "bob");
        told(bench, "a leave");
        bench_expect_only(bench, "bob", LEFT, REASON_IS_LEFT);
        expect_silence(bench, "nothing");
    }
    if (parked(bench) != 1) fail_msg("%zu are parked", parked(bench));
    bench_expect_same(bench);
}

static void the_end_of_an_empty_snapshot_is_told(void **state) {
    struct bench *bench = *state;
    open_stream(bench, 0);
    told(bench, "the snapshot of nobody");
    if (!bench->watcher.is_synced || bench->last->watch->n_present != 0) fail_msg("somebody is there");
    rig_pass(&bench->rig, 60000);
    expect_silence(bench, "a scope where nothing happens");
}

static void silence_has_an_end(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    open_stream(bench, 5000);
    told(bench, "the snapshot");
    for (int i = 0; i < 3; i++) {
        rig_pass(&bench->rig, 4999);
        expect_silence(bench, "too early");
        rig_pass(&bench->rig, 1);
        told(bench, "the end of the silence");
        bench_expect_changes(bench, 0);
        rig_pass(&bench->rig, 3000);
        bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i}); /* begins it anew */
        told(bench, "a change");
        bench_expect_changes(bench, 1);
    }
}

/* A large snapshot: the pages come as fast as they are read, and changes meanwhile are not lost. */
static void pages_follow_each_other(void **state) {
    struct bench *bench = *state;
    uint64_t start_ms = bench->rig.now.now_ms;
    bench_crowd(bench, 0, 5000, 'x', 10);
    open_stream(bench, 0);
    unsigned pages = 0;
    do {
        told(bench, "a page");
        if (pages++ == 2) bench_crowd_leaves(bench, 0, 2500);
    } while (!bench->watcher.is_synced);
    if (pages < 5 || bench->rig.now.now_ms != start_ms) fail_msg("%u pages", pages);
    bench_expect_same(bench);
    expect_silence(bench, "after the snapshot");
}

static void a_stream_is_resumed_by_its_cursor(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    open_stream(bench, 0);
    told(bench, "the snapshot");
    pump_hang_up(bench->rig.watches, &bench->rig.door, bench->place.waiter.connection);
    if (bench->place.is_parked) fail_msg("hung up, and parked");
    bench_leave(bench, "ada");
    bench_join(bench, "bob");
    open_stream(bench, 0);
    told(bench, "what was missed");
    bench_expect_changes(bench, 2);
    if (bench->last->watch->resync) fail_msg("resync");
    pump_hang_up(bench->rig.watches, &bench->rig.door, bench->place.waiter.connection);
    bench_leave(bench, "bob");
    bench->place.waiter.is_stream = false; /* a long poll takes the same cursor */
    bench_look(bench);
    bench_expect_only(bench, "bob", LEFT, REASON_IS_LEFT);
}

static void a_cursor_of_no_use_is_told_once(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    bench->watcher.cursor[20] ^= 1;
    open_stream(bench, 0);
    told(bench, "a new beginning");
    if (!bench->last->watch->resync) fail_msg("a cursor that this node did not write is taken");
    bench_join(bench, "bob");
    told(bench, "a join");
    if (bench->last->watch->resync) fail_msg("resync again");
    bench_expect_only(bench, "bob", JOINED, NO_REASON);
}

static void who_falls_too_far_behind_begins_a_snapshot(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    open_stream(bench, 0);
    told(bench, "the snapshot");
    bench->place.has_room = false;
    for (int i = 0; i < 14; i++) {
        bench_crowd(bench, 0, 10000, 'x', 0);
        bench_crowd_leaves(bench, 0, 10000);
    }
    bench_join(bench, "bob");
    bench->place.has_room = true;
    place_has_read(&bench->place, &bench->rig);
    told(bench, "a new beginning");
    if (!bench->last->watch->resync) fail_msg("told of changes that the journal cannot know");
    bench_expect_same(bench);
    bench_leave(bench, "bob");
    told(bench, "a leave"); /* and no second resync */
    bench_expect_only(bench, "bob", LEFT, REASON_IS_LEFT);
}

/* ---- a stream and a long poll are told the same ---- */

enum { PAIRS = 8, USERS = 12, STEPS = 3000 };

struct pair {
    struct watcher poll, stream;
    struct place poll_place, stream_place;
};

static void pair_answers(struct bench *bench, struct pair *pair, size_t number) {
    struct request_builder builder;
    rig_pass(&bench->rig, 0);
    while (pair->poll_place.reply != NULL || pair->stream_place.reply != NULL) {
        if (pair->poll_place.reply == NULL || pair->stream_place.reply == NULL)
            fail_msg("pair %zu: only the %s is told", number, pair->poll_place.reply != NULL ? "poll" : "stream");
        Muster__V1__Reply *polled = place_take(&pair->poll_place), *streamed = place_take(&pair->stream_place);
        const size_t cursors[2] = {polled->watch->cursor.len, streamed->watch->cursor.len};
        polled->watch->cursor.len = streamed->watch->cursor.len = 0; /* both are right, but need not be the same */
        uint8_t *bytes[2] = {malloc(MUSTER_MESSAGE_BYTES_MAX), malloc(MUSTER_MESSAGE_BYTES_MAX)};
        if (bytes[0] == NULL || bytes[1] == NULL) abort();
        size_t len = muster__v1__watch_response__pack(polled->watch, bytes[0]);
        if (muster__v1__watch_response__pack(streamed->watch, bytes[1]) != len || memcmp(bytes[0], bytes[1], len) != 0)
            fail_msg("pair %zu: %zu and %zu changes", number, polled->watch->n_changes, streamed->watch->n_changes);
        polled->watch->cursor.len = cursors[0];
        streamed->watch->cursor.len = cursors[1];
        const char *fault = watcher_apply(&pair->poll, polled->watch);
        if (fault == NULL) fault = watcher_apply(&pair->stream, streamed->watch);
        if (fault != NULL) fail_msg("pair %zu: %s", number, fault);
        free(bytes[0]);
        free(bytes[1]);
        reply_free(polled);
        reply_free(streamed);
        place_has_read(&pair->stream_place, &bench->rig);
        watcher_build(&pair->poll, &builder);
        (void)place_ask(&pair->poll_place, &bench->rig, &builder);
        rig_pass(&bench->rig, 0);
    }
}

static void pair_open(struct bench *bench, struct pair *pair, size_t i) {
    static const char *const names[] = {"u0", "u3", "u7", "nobody"};
    struct request_builder builder;
    pair->poll = (struct watcher){.scope = "room",
                                  .max_wait_ms = 7000,
                                  .min_interval_ms = i % 2 == 0 ? 0 : PACE_MS,
                                  .counts = i / 2 == 3,
                                  .sessions = i / 2 == 1,
                                  .users = i / 2 == 2 ? names : NULL,
                                  .user_count = i / 2 == 2 ? 4 : 0};
    pair->stream = pair->poll;
    place_open(&pair->poll_place, &bench->rig, 100 + i);
    place_open(&pair->stream_place, &bench->rig, 200 + i);
    watcher_build(&pair->poll, &builder);
    (void)place_ask(&pair->poll_place, &bench->rig, &builder);
    ask_stream(bench, &pair->stream_place, &pair->stream, 7000);
    pair_answers(bench, pair, i);
}

static void one_change(struct bench *bench, struct random *random) {
    char user[8];
    snprintf(user, sizeof user, "u%u", (unsigned)random_below(random, USERS));
    switch (random_below(random, 4)) {
    case 0:
        bench_leave(bench, user);
        break;
    case 1:
        bench_linger(bench, user, 1500);
        break;
    default:
        bench_beat(bench, (struct beat_of){.user = user,
                                           .ttl_ms = 1000 + (uint32_t)random_below(random, 4000),
                                           .status = (int)random_below(random, 4)});
        break;
    }
}

static void a_stream_and_a_poll_are_told_the_same(void **state) {
    struct bench *bench = *state;
    uint64_t seed = random_number_from_environment("MUSTER_SEED", random_fresh_seed());
    struct random random = random_of(seed);
    struct pair *pairs = calloc(PAIRS, sizeof *pairs);
    if (pairs == NULL) abort();
    print_message("MUSTER_SEED=0x%llx\n", (unsigned long long)seed);
    for (size_t i = 0; i < PAIRS; i++) pair_open(bench, &pairs[i], i);
    for (int step = 0; step < STEPS; step++) {
        one_change(bench, &random);
        for (size_t i = 0; i < PAIRS; i++) pair_answers(bench, &pairs[i], i);
        uint64_t ms = random_below(&random, random_chance(&random, 1, 50) ? 20000 : 300);
        for (uint64_t until_ms = bench->rig.now.now_ms + ms; rig_step(&bench->rig, until_ms);)
            for (size_t i = 0; i < PAIRS; i++) pair_answers(bench, &pairs[i], i);
    }
    size_t answers = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        answers += pairs[i].stream.answers;
        watcher_close(&pairs[i].poll);
        watcher_close(&pairs[i].stream);
    }
    if (answers < STEPS) fail_msg("only %zu answers", answers);
    rig_close(&bench->rig);
    for (size_t i = 0; i < PAIRS; i++) {
        place_close(&pairs[i].poll_place);
        place_close(&pairs[i].stream_place);
    }
    free(pairs);
    rig_open(&bench->rig, &rig_usual);
}

/* ---- pace and room ---- */

static void a_stream_keeps_its_pace(void **state) {
    struct bench *bench = *state;
    uint64_t last_ms = 0;
    unsigned answers = 0;
    bench->watcher.min_interval_ms = PACE_MS;
    bench_join(bench, "ada");
    open_stream(bench, 0);
    told(bench, "the snapshot");
    for (int i = 0; i < 3000; i++) {
        bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i % 3});
        rig_pass(&bench->rig, 10);
        if (bench->place.reply == NULL) continue;
        uint64_t at_ms = bench->place.answered_ms;
        told(bench, "a change");
        bench_expect_only(bench, "ada", UPDATED, NO_REASON);
        if (answers++ > 0 && (at_ms - last_ms < PACE_MS || at_ms - last_ms > PACE_MS + PACE_MS / 4))
            fail_msg("answers are %llu ms apart", (unsigned long long)(at_ms - last_ms));
        last_ms = at_ms;
    }
    if (answers < 24 || answers > 31) fail_msg("%u answers in 30 s", answers);
}

static void a_slow_reader_gets_one_answer_of_all(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    open_stream(bench, 0);
    told(bench, "the snapshot");
    for (int round = 0; round < 3; round++) {
        bench->place.has_room = false;
        for (int i = 0; i < 50; i++) {
            char user[16];
            snprintf(user, sizeof user, "u%d", i);
            if (round % 2 == 0) bench_join(bench, user);
            else bench_leave(bench, user);
            bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i % 3});
            rig_pass(&bench->rig, 100);
        }
        expect_silence(bench, "no room");
        bench->place.has_room = true;
        place_has_read(&bench->place, &bench->rig);
        told(bench, "room"); /* at this instant, and not at the next try */
        bench_expect_changes(bench, 51);
        bench_expect_same(bench);
    }
}

/* Nobody says that there is room: it is found out all the same. */
static void room_is_looked_for(void **state) {
    struct bench *bench = *state;
    open_stream(bench, 0);
    told(bench, "the snapshot");
    bench->place.has_room = false;
    bench_join(bench, "ada");
    expect_silence(bench, "no room");
    bench->place.has_room = true;
    rig_pass(&bench->rig, 200);
    told(bench, "room");
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
}

/* Room does not make a paced stream faster. */
static void room_keeps_the_pace(void **state) {
    struct bench *bench = *state;
    bench->watcher.min_interval_ms = PACE_MS;
    bench_join(bench, "bob");
    open_stream(bench, 500);
    told(bench, "the snapshot");
    bench_join(bench, "ada");
    bench->place.has_room = false;
    uint64_t joined_ms = bench->rig.now.now_ms;
    rig_pass(&bench->rig, 510); /* the end of a silence has no room */
    bench->place.has_room = true;
    place_has_read(&bench->place, &bench->rig);
    do {
        rig_pass(&bench->rig, 50);
        if (bench->place.reply != NULL) told(bench, "a silence, or the join");
    } while (bench->last->watch->n_changes == 0);
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
    uint64_t after_ms = bench->place.answered_ms - joined_ms;
    if (after_ms < PACE_MS || after_ms > PACE_MS + PACE_MS / 4)
        fail_msg("told after %llu ms", (unsigned long long)after_ms);
}

/* ---- what happens while an answer is on its way ---- */

static void hang_up_between(void *context, struct place *place) {
    struct bench *bench = context;
    place->between = NULL;
    pump_hang_up(bench->rig.watches, &bench->rig.door, place->waiter.connection);
    if (!place->is_parked) fail_msg("the slot is handed back twice");
}

static void a_hang_up_between_selection_and_the_next_park(void **state) {
    struct bench *bench = *state;
    open_stream(bench, 0);
    told(bench, "the snapshot");
    bench->place.between = hang_up_between;
    bench->place.between_context = bench;
    bench_join(bench, "ada");
    rig_pass(&bench->rig, 0);
    if (bench->place.is_parked || !bench->place.is_hung_up || parked(bench) != 0) fail_msg("it is parked still");
}

static void leave_between(void *context, struct place *place) {
    struct bench *bench = context;
    place->between = NULL;
    bench_leave(bench, "ada");
}

/* Of all users, and of named ones: these two are woken in different ways. */
static void a_change_between_selection_and_the_next_park(void **state) {
    struct bench *bench = *state;
    static const char *const names[] = {"ada"};
    for (int i = 0; i < 3; i++) {
        bench->watcher.users = names;
        bench->watcher.user_count = i == 1;
        bench->watcher.counts = i == 2;
        bench->watcher.cursor_len = 0;
        open_stream(bench, 0);
        told(bench, "the snapshot");
        bench->place.between = leave_between;
        bench->place.between_context = bench;
        bench_join(bench, "ada");
        told(bench, "the join");
        told(bench, "the leave");
        if (i < 2) bench_expect_only(bench, "ada", LEFT, REASON_IS_LEFT);
        bench_expect_same(bench);
        pump_hang_up(bench->rig.watches, &bench->rig.door, bench->place.waiter.connection);
    }
}

static void stop_between(void *context, struct place *place) {
    struct bench *bench = context;
    place->between = NULL;
    pump_stop(bench->rig.watches);
}

static void a_stop_between_selection_and_the_next_park(void **state) {
    struct bench *bench = *state;
    open_stream(bench, 0);
    told(bench, "the snapshot");
    bench->place.between = stop_between;
    bench->place.between_context = bench;
    bench_join(bench, "ada");
    rig_pass(&bench->rig, 0);
    expect_end(&bench->place, MUSTER_UNAVAILABLE, "the node stops");
    if (parked(bench) != 0) fail_msg("parked at a node that stops");
}

/* ---- ends ---- */

static void each_call_is_hung_up_alone(void **state) {
    enum { CALLS = 30 };
    struct bench *bench = *state;
    struct place places[CALLS];
    bench_look(bench);
    for (size_t i = 0; i < CALLS; i++) {
        place_open(&places[i], &bench->rig, 1000 + i);
        ask_stream(bench, &places[i], &bench->watcher, 0);
    }
    for (size_t i = 0; i < CALLS; i += 3) pump_hang_up(bench->rig.watches, &bench->rig.door, 1000 + i);
    for (size_t i = 0; i < CALLS; i++)
        if (places[i].is_parked != (i % 3 != 0) || places[i].is_hung_up != (i % 3 == 0)) fail_msg("call %zu", i);
    if (parked(bench) != CALLS - CALLS / 3) fail_msg("%zu are parked", parked(bench));
    bench_join(bench, "ada");
    rig_pass(&bench->rig, 0);
    for (size_t i = 0; i < CALLS; i++)
        if ((places[i].reply != NULL) != (i % 3 != 0)) fail_msg("call %zu", i);
    for (size_t i = 0; i < CALLS; i++) place_close(&places[i]);
}

static void a_node_that_stops_ends_streams(void **state) {
    struct bench *bench = *state;
    struct place slow;
    place_open(&slow, &bench->rig, 2);
    open_stream(bench, 0);
    told(bench, "the snapshot");
    ask_stream(bench, &slow, &bench->watcher, 0);
    slow.has_room = true;
    pump_stop(bench->rig.watches);
    rig_pass(&bench->rig, 0);
    expect_end(&bench->place, MUSTER_UNAVAILABLE, "the node stops");
    expect_end(&slow, MUSTER_UNAVAILABLE, "the node stops");
    struct request_builder builder;
    watcher_build(&bench->watcher, &builder);
    if (!place_ask(&slow, &bench->rig, &builder)) fail_msg("parked at a node that stops");
    expect_end(&slow, MUSTER_UNAVAILABLE, "the node stops");
}

static void stand_still(struct bench *bench, uint64_t ms) {
    bench->rig.now.now_ms += ms;
    bench->rig.now.wall_ms += ms;
    bench->rig.tick_at_ms = bench->rig.now.now_ms;
}

/* It does not know what happened meanwhile: a stream is silent until it does, and then begins anew. One that is to hear
 * of something before that ends, and its client asks another node. */
static void a_node_that_stood_still(void **state) {
    struct bench *bench = *state;
    struct place other;
    struct watcher impatient = {.scope = "room"}, pending = {.scope = "room", .min_interval_ms = 10000};
    struct place paced;
    place_open(&other, &bench->rig, 2);
    place_open(&paced, &bench->rig, 3);
    node_expect_ticks(bench->rig.node, 1000, bench->rig.now);
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 2000});
    open_stream(bench, 0);
    told(bench, "the snapshot");
    ask_stream(bench, &other, &impatient, 6000);
    ask_stream(bench, &paced, &pending, 0);
    reply_free(place_take(&other));
    reply_free(place_take(&paced));
    bench_join(bench, "bob");
    told(bench, "a join"); /* which is pending for the paced one */
    reply_free(place_take(&other));
    place_has_read(&other, &bench->rig);
    stand_still(bench, 5900);
    rig_pass(&bench->rig, 200);
    expect_end(&other, MUSTER_UNAVAILABLE, "stood still");
    expect_silence(bench, "not in sync");
    rig_pass(&bench->rig, 60000);
    told(bench, "in sync again");
    if (!bench->last->watch->resync) fail_msg("no resync after a standstill");
    bench_expect_same(bench);
    if (!paced.is_parked || paced.reply == NULL || paced.reply->code != 0) fail_msg("a stream that was due has ended");
    place_close(&paced);
}

static void streams_count_as_parked(void **state) {
    enum { CAP = 3 };
    struct bench *bench = *state;
    struct place places[CAP];
    rig_close(&bench->rig);
    rig_open_capped(&bench->rig, &rig_usual, CAP);
    place_open(&bench->place, &bench->rig, 1);
    for (size_t i = 0; i < CAP; i++) {
        place_open(&places[i], &bench->rig, 100 + i);
        ask_stream(bench, &places[i], &bench->watcher, 0);
        place_close(&places[i]);
    }
    struct request_builder builder;
    bench->place.waiter.is_stream = true;
    watcher_build(&bench->watcher, &builder);
    if (!place_ask(&bench->place, &bench->rig, &builder)) fail_msg("parked past the cap");
    expect_end(&bench->place, MUSTER_RESOURCE_EXHAUSTED, "at most 3 watches");
    pump_hang_up(bench->rig.watches, &bench->rig.door, 101);
    open_stream(bench, 0);
    told(bench, "the snapshot");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(a_stream_goes_on),
        TEST(the_end_of_an_empty_snapshot_is_told),
        TEST(silence_has_an_end),
        TEST(pages_follow_each_other),
        TEST(a_stream_is_resumed_by_its_cursor),
        TEST(a_cursor_of_no_use_is_told_once),
        TEST(who_falls_too_far_behind_begins_a_snapshot),
        TEST(a_stream_and_a_poll_are_told_the_same),
        TEST(a_stream_keeps_its_pace),
        TEST(a_slow_reader_gets_one_answer_of_all),
        TEST(room_is_looked_for),
        TEST(room_keeps_the_pace),
        TEST(a_hang_up_between_selection_and_the_next_park),
        TEST(a_change_between_selection_and_the_next_park),
        TEST(a_stop_between_selection_and_the_next_park),
        TEST(each_call_is_hung_up_alone),
        TEST(a_node_that_stops_ends_streams),
        TEST(a_node_that_stood_still),
        TEST(streams_count_as_parked),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("rpc watches that are streams", tests, NULL, NULL);
}
