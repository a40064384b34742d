/* Watch over gRPC, of a real musterd: the stream, its cursors, readers that are slow, and how it ends. */
#include "muster/codes.h"
#include "presence_calls.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"
#include "support/watcher.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { STOPPED_MS = 20000 };
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CONNECTIONS = 10, STREAM_BYTES_MAX = 1 << 30 };
#else
enum { CONNECTIONS = 100, STREAM_BYTES_MAX = 4096 };
#endif

struct stage {
    struct server server;
    struct answerer answerer; /* over nng */
    struct h2 *h2;
};

static void stage_set(struct stage *stage, const char *const flags[]) {
    stage->server = server_start(flags);
    stage->answerer = sp_answerer(stage->server.tcp);
    stage->h2 = h2_open(stage->server.grpc);
}

static void stage_clear(struct stage *stage) {
    h2_close(stage->h2);
    server_end(&stage->server);
}

/* What a watcher asks, on a stream. */
static uint32_t open_watch(struct h2 *h2, const struct watcher *watcher, const char *timeout) {
    struct request_builder builder;
    watcher_build(watcher, &builder);
    return presence_begin(h2, &builder, timeout);
}

static void apply(struct stage *stage, struct watcher *watcher, uint32_t stream, size_t i) {
    Muster__V1__WatchResponse *answer = presence_watched(stage->h2, stream, i);
    const char *fault = watcher_apply(watcher, answer);
    if (fault != NULL) fail_msg("answer %zu: %s", i, fault);
    presence_watched_free(answer);
}

static void expect_same(struct stage *stage, const struct watcher *watcher) {
    const char *fault = watcher_differs(watcher, &stage->answerer, NULL, NULL);
    if (fault != NULL) fail_msg("%s", fault);
}

/* Applies answers from *next on until the watcher knows what the node does. */
static void apply_until_same(struct stage *stage, struct watcher *watcher, uint32_t stream, size_t *next) {
    do apply(stage, watcher, stream, (*next)++);
    while (!watcher->is_synced || watcher_differs(watcher, &stage->answerer, NULL, NULL) != NULL);
}

static void touch_status(struct stage *stage, const char *user, int status, size_t state_bytes) {
    struct request_builder builder;
    builder_touch(&builder, "room");
    Muster__V1__Beat *beat = builder_beat(&builder, user, "tab");
    beat->status = (Muster__V1__Status)status;
    beat->state = builder_filled(&builder, (char)('a' + status), state_bytes);
    reply_free(ask(&stage->answerer, &builder));
}

/* ---- what is told ---- */

static void a_snapshot_and_what_changes(void **state) {
    (void)state;
    struct stage stage;
    struct watcher watcher = {.scope = "room", .sessions = true};
    size_t next = 0;
    stage_set(&stage, NULL);
    touch(&stage.answerer, "room", "ada", "");
    uint32_t stream = open_watch(stage.h2, &watcher, NULL);
    apply(&stage, &watcher, stream, next++);
    expect_same(&stage, &watcher);
    if (watcher.present != 1) fail_msg("%zu are present", watcher.present);
    for (int i = 0; i < 20; i++) {
        if (i % 3 == 2) leave(&stage.answerer, "room", "bob", "tab");
        else touch_status(&stage, "bob", 1 + i % 3, 10);
        apply(&stage, &watcher, stream, next++);
        expect_same(&stage, &watcher);
    }
    if (watcher.joined != 7 || watcher.left != 6 || watcher.resyncs != 0)
        fail_msg("%zu joined, %zu left, %u resyncs", watcher.joined, watcher.left, watcher.resyncs);
    if (h2_stream(stage.h2, stream)->has_ended) fail_msg("the stream has ended");
    watcher_close(&watcher);
    stage_clear(&stage);
}

/* Many users, with states: pages, over the windows of HTTP/2, while others come and go. */
static void a_large_snapshot(void **state) {
    (void)state;
    enum { USERS = 6000, BATCH = 500 };
    struct stage stage;
    struct watcher watcher = {.scope = "room", .sessions = true};
    size_t next = 0;
    stage_set(&stage, NULL);
    for (size_t first = 0; first < USERS; first += BATCH) {
        struct request_builder builder;
        builder_touch(&builder, "room");
        for (size_t i = 0; i < BATCH; i++) {
            Muster__V1__Beat *beat = builder_beat(&builder, "", "");
            beat->user = builder_number(&builder, "u", first + i);
            beat->state = builder_filled(&builder, 'x', 500);
        }
        reply_free(ask(&stage.answerer, &builder));
    }
    uint32_t stream = open_watch(stage.h2, &watcher, NULL);
    apply(&stage, &watcher, stream, next++);
    leave(&stage.answerer, "room", "u1", "");
    leave(&stage.answerer, "room", "u2", "");
    touch(&stage.answerer, "room", "late", "");
    apply_until_same(&stage, &watcher, stream, &next);
    if (next < USERS / 250) fail_msg("%zu answers", next);
    watcher_close(&watcher);
    stage_clear(&stage);
}

/* Many watch on one connection: all of them, named users, counts. */
static void many_streams_of_a_connection(void **state) {
    (void)state;
    enum { STREAMS = 90 };
    struct stage stage;
    static const char *const names[] = {"ada", "u7"};
    struct watcher watchers[STREAMS];
    uint32_t streams[STREAMS];
    size_t next[STREAMS] = {0};
    stage_set(&stage, NULL);
    touch(&stage.answerer, "room", "ada", "");
    for (size_t i = 0; i < STREAMS; i++) {
        watchers[i] = (struct watcher){.scope = "room",
                                       .counts = i % 3 == 1,
                                       .sessions = i % 2 == 0 && i % 3 != 1,
                                       .users = i % 3 == 2 ? names : NULL,
                                       .user_count = i % 3 == 2 ? 2 : 0};
        streams[i] = open_watch(stage.h2, &watchers[i], NULL);
    }
    for (int round = 0; round < 12; round++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", round);
        for (size_t i = 0; i < STREAMS; i++)
            if (next[i] == 0 || watcher_differs(&watchers[i], &stage.answerer, NULL, NULL) != NULL)
                apply_until_same(&stage, &watchers[i], streams[i], &next[i]);
        touch(&stage.answerer, "room", user, "");
    }
    for (size_t i = 0; i < STREAMS; i++) watcher_close(&watchers[i]);
    stage_clear(&stage);
}

static void a_cursor_is_good_on_another_stream_and_over_nng(void **state) {
    (void)state;
    struct stage stage;
    struct watcher watcher = {.scope = "room"};
    struct request_builder builder;
    stage_set(&stage, NULL);
    touch(&stage.answerer, "room", "ada", "");
    uint32_t stream = open_watch(stage.h2, &watcher, NULL);
    apply(&stage, &watcher, stream, 0);
    h2_write_reset(stage.h2, stream, NGHTTP2_CANCEL);
    touch(&stage.answerer, "room", "bob", "");
    stream = open_watch(stage.h2, &watcher, NULL); /* another stream */
    apply(&stage, &watcher, stream, 0);
    leave(&stage.answerer, "room", "ada", "");
    apply(&stage, &watcher, stream, 1);
    h2_close(stage.h2);
    touch(&stage.answerer, "room", "eve", "");
    watcher_build(&watcher, &builder); /* nng */
    Muster__V1__Reply *reply = ask(&stage.answerer, &builder);
    const char *fault = watcher_apply(&watcher, reply->watch);
    if (fault != NULL) fail_msg("%s", fault);
    reply_free(reply);
    leave(&stage.answerer, "room", "bob", "");
    stage.h2 = h2_open(stage.server.grpc); /* another connection */
    stream = open_watch(stage.h2, &watcher, NULL);
    apply(&stage, &watcher, stream, 0);
    expect_same(&stage, &watcher);
    if (watcher.resyncs != 0 || watcher.joined != 2 || watcher.left != 2)
        fail_msg("%u resyncs, %zu joined, %zu left", watcher.resyncs, watcher.joined, watcher.left);
    watcher_close(&watcher);
    stage_clear(&stage);
}

static void what_is_wrong_ends_the_call(void **state) {
    (void)state;
    struct stage stage;
    struct watcher watcher = {.scope = "room", .max_wait_ms = MUSTER_WATCH_WAIT_MAX_MS + 1};
    stage_set(&stage, (const char *const[]){"--max-watches", "2", NULL});
    presence_expect(stage.h2, open_watch(stage.h2, &watcher, NULL), MUSTER_INVALID_ARGUMENT, "max_wait_ms");
    watcher.max_wait_ms = 0;
    for (int i = 0; i < 2; i++)
        presence_watched_free(presence_watched(stage.h2, open_watch(stage.h2, &watcher, NULL), 0));
    presence_expect(stage.h2, open_watch(stage.h2, &watcher, NULL), MUSTER_RESOURCE_EXHAUSTED, "at most 2 watches");
    watcher_close(&watcher);
    stage_clear(&stage);
}

/* ---- pace, silence, and readers that are slow ---- */

static void a_stream_has_a_pace_and_an_end_of_silence(void **state) {
    (void)state;
    struct stage stage;
    struct watcher slow = {.scope = "room", .sessions = true, .min_interval_ms = 1000};
    struct watcher silent = {.scope = "elsewhere", .max_wait_ms = 50};
    size_t next = 0;
    enum { CHANGES = 300 };
    stage_set(&stage, NULL);
    touch_status(&stage, "ada", 0, 0);
    uint32_t stream = open_watch(stage.h2, &slow, NULL), other = open_watch(stage.h2, &silent, NULL);
    apply(&stage, &slow, stream, next++);
    uint64_t start_ms = wait_now_ms();
    for (int i = 0; i < CHANGES; i++) touch_status(&stage, "ada", 1 + i % 3, 10);
    apply_until_same(&stage, &slow, stream, &next);
    uint64_t seconds = (wait_now_ms() - start_ms) / 1000;
    if (next > 3 + seconds) fail_msg("%zu answers to %d changes in %llu s", next, CHANGES, (unsigned long long)seconds);
    for (size_t i = 0; i < 5; i++) apply(&stage, &silent, other, i); /* the first is the snapshot of nobody */
    if (silent.present + silent.joined > 0) fail_msg("somebody is there");
    watcher_close(&slow);
    watcher_close(&silent);
    stage_clear(&stage);
}

/* The client's window is shut: what changes meanwhile is one answer, and nothing is queued. */
static void a_reader_whose_window_is_shut(void **state) {
    (void)state;
    enum { CHANGES = 1000, STATE_BYTES = 1000, ANSWERS_MAX = 12 };
    struct stage stage;
    struct watcher watcher = {.scope = "room", .sessions = true}, quick = {.scope = "room", .sessions = true};
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    size_t next = 0, quick_next = 0;
    stage_set(&stage, NULL);
    touch_status(&stage, "ada", 0, STATE_BYTES);
    struct h2 *reads = h2_open(stage.server.grpc), *shut_out = stage.h2;
    h2_write_settings(shut_out, &shut, 1);
    if (!h2_round_trip(shut_out, CALL_MS)) fail_msg("no answer");
    uint32_t stream = open_watch(shut_out, &watcher, NULL);
    stage.h2 = reads;
    uint32_t quick_stream = open_watch(reads, &quick, NULL);
    apply(&stage, &quick, quick_stream, quick_next++);
    for (int i = 0; i < CHANGES; i++) touch_status(&stage, "ada", 1 + i % 3, STATE_BYTES);
    touch(&stage.answerer, "room", "last", "");
    apply_until_same(&stage, &quick, quick_stream, &quick_next); /* others are told meanwhile */
    stage.h2 = shut_out;
    if (presence_answers(shut_out, stream) > 0) fail_msg("an answer came through a shut window");
    h2_write_window(shut_out, stream, 1 << 20);
    h2_stream(shut_out, stream)->receive_window += 1 << 20;
    apply_until_same(&stage, &watcher, stream, &next);
    if (next > ANSWERS_MAX) fail_msg("%zu answers were queued for who does not read", next);
    h2_close(reads);
    watcher_close(&watcher);
    watcher_close(&quick);
    stage_clear(&stage);
}

/* Snapshots of 60 MB in all are asked for on a connection that takes none of them. */
static void a_connection_that_reads_nothing(void **state) {
    (void)state;
    enum { STREAMS = 200, USERS = 1000, BATCH = 500, GROWTH_MAX = 28 << 20 };
    struct stage stage;
    struct watcher watcher = {.scope = "large", .sessions = true}, other = {.scope = "room"};
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    size_t next = 0;
    stage_set(&stage, NULL);
    for (size_t first = 0; first < USERS; first += BATCH) {
        struct request_builder builder;
        builder_touch(&builder, "large");
        for (size_t i = 0; i < BATCH; i++) {
            Muster__V1__Beat *beat = builder_beat(&builder, "", "");
            beat->user = builder_number(&builder, "u", first + i);
            beat->state = builder_filled(&builder, 'x', MUSTER_STATE_BYTES_MAX);
        }
        reply_free(ask(&stage.answerer, &builder));
    }
    struct h2 *greedy = h2_open(stage.server.grpc);
    h2_write_settings(greedy, &shut, 1);
    if (!h2_round_trip(greedy, CALL_MS)) fail_msg("no answer");
    uint32_t stream = open_watch(stage.h2, &other, NULL);
    size_t before = process_resident_bytes(stage.server.process), most = before;
    for (size_t i = 0; i < STREAMS; i++) open_watch(greedy, &watcher, NULL);
    for (int i = 0; i < 500; i++) { /* others are told meanwhile */
        touch_status(&stage, "ada", 1 + i % 3, 10);
        apply_until_same(&stage, &other, stream, &next);
        size_t now = process_resident_bytes(stage.server.process);
        if (now > most) most = now;
    }
    print_message("who reads nothing cost %zu KiB\n", (most - before) >> 10);
    if (most - before > GROWTH_MAX && STREAM_BYTES_MAX < 1 << 20)
        fail_msg("who reads nothing cost %zu bytes", most - before);
    h2_close(greedy);
    watcher_close(&watcher);
    watcher_close(&other);
    stage_clear(&stage);
}

/* ---- what it costs ---- */

/* Of a hundred users, so that the pages of the snapshots went through the buffers. */
static void what_a_stream_costs(void **state) {
    (void)state;
    enum { STREAMS = 100 };
    struct stage stage;
    struct h2 *h2s[CONNECTIONS];
    const struct watcher watcher = {.scope = "room"};
    static uint32_t streams[CONNECTIONS][STREAMS];
    stage_set(&stage, NULL);
    struct request_builder builder;
    builder_touch(&builder, "room");
    for (size_t i = 0; i < 100; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, "u", i);
    reply_free(ask(&stage.answerer, &builder));
    for (size_t i = 0; i < CONNECTIONS; i++) {
        h2s[i] = h2_open(stage.server.grpc);
        presence_expect(h2s[i], open_watch(h2s[i], &watcher, "50m"), MUSTER_DEADLINE_EXCEEDED, "");
    }
    size_t before = process_resident_bytes(stage.server.process);
    for (size_t i = 0; i < CONNECTIONS; i++)
        for (size_t j = 0; j < STREAMS; j++) streams[i][j] = open_watch(h2s[i], &watcher, NULL);
    for (size_t i = 0; i < CONNECTIONS; i++)
        for (size_t j = 0; j < STREAMS; j++) presence_watched_free(presence_watched(h2s[i], streams[i][j], 0));
    size_t each = (process_resident_bytes(stage.server.process) - before) / (CONNECTIONS * STREAMS);
    print_message("a stream costs %zu bytes\n", each);
    if (each > STREAM_BYTES_MAX) fail_msg("a stream costs %zu bytes", each);
    uint64_t start_ms = wait_now_ms();
    touch(&stage.answerer, "room", "ada", "");
    for (size_t i = 0; i < CONNECTIONS; i++)
        for (size_t j = 0; j < STREAMS; j++) presence_watched_free(presence_watched(h2s[i], streams[i][j], 1));
    print_message("%d are told in %llu ms\n", CONNECTIONS * STREAMS, (unsigned long long)(wait_now_ms() - start_ms));
    for (size_t i = 0; i < CONNECTIONS; i++) h2_close(h2s[i]);
    stage_clear(&stage);
}

/* ---- how it ends ---- */

static bool has_a_place(void *context) {
    struct stage *stage = context;
    const struct watcher watcher = {.scope = "other"};
    uint32_t stream = open_watch(stage->h2, &watcher, NULL);
    while (presence_answers(stage->h2, stream) == 0 && !h2_stream(stage->h2, stream)->has_ended)
        if (h2_read(stage->h2, NULL, CALL_MS) != H2_READ) fail_msg("neither told nor refused");
    bool is_told = presence_answers(stage->h2, stream) > 0;
    if (is_told) h2_write_reset(stage->h2, stream, NGHTTP2_CANCEL);
    return is_told;
}

static void expect_place(struct stage *stage, const char *after) {
    if (!wait_until(has_a_place, stage, CALL_MS)) fail_msg("%s keeps its place", after);
}

/* The one place that there is is free again, however the call ended. */
static void who_goes_gives_the_place_back(void **state) {
    (void)state;
    struct stage stage;
    const struct watcher watcher = {.scope = "room"};
    stage_set(&stage, (const char *const[]){"--max-watches", "1", NULL});
    for (int round = 0; round < 3; round++) {
        uint32_t stream = open_watch(stage.h2, &watcher, NULL);
        presence_watched_free(presence_watched(stage.h2, stream, 0));
        presence_expect(stage.h2, open_watch(stage.h2, &watcher, NULL), MUSTER_RESOURCE_EXHAUSTED, "at most 1 watches");
        h2_write_reset(stage.h2, stream, NGHTTP2_CANCEL);
        expect_place(&stage, "a call that is cancelled");

        struct h2 *other = h2_open(stage.server.grpc);
        presence_watched_free(presence_watched(other, open_watch(other, &watcher, NULL), 0));
        if (round == 0) h2_reset(other);
        else h2_close(other);
        expect_place(&stage, "a connection that is gone");

        presence_expect(stage.h2, open_watch(stage.h2, &watcher, "100m"), MUSTER_DEADLINE_EXCEEDED, "");
        expect_place(&stage, "a call whose deadline has passed");
    }
    stage_clear(&stage);
}

static void a_node_that_stops_ends_streams(void **state) {
    (void)state;
    enum { STREAMS = 60 };
    struct stage stage;
    struct process_exit how;
    const struct watcher watcher = {.scope = "room"};
    uint32_t streams[STREAMS];
    stage_set(&stage, NULL);
    for (size_t i = 0; i < STREAMS; i++) streams[i] = open_watch(stage.h2, &watcher, NULL);
    for (size_t i = 0; i < STREAMS; i++) presence_watched_free(presence_watched(stage.h2, streams[i], 0));
    struct sp sp = sp_open(stage.server.tcp, CALL_MS); /* the other door drains as well */
    struct request_builder builder;
    uint32_t id;
    size_t len;
    builder_watch(&builder, "room");
    builder.watch.max_wait_ms = MUSTER_WATCH_WAIT_MAX_MS;
    if (!sp_send_built(&sp, &builder, &id)) fail_msg("no watch over nng");
    uint8_t *first = sp_receive(&sp, CALL_MS, &id, &len); /* the snapshot of nobody */
    if (first == NULL) fail_msg("no answer over nng");
    free(first);
    process_signal(stage.server.process, SIGTERM);
    for (size_t i = 0; i < STREAMS; i++) presence_expect(stage.h2, streams[i], MUSTER_UNAVAILABLE, "the node stops");
    if (!h2_await_end(stage.h2, STOPPED_MS) || stage.h2->goaways < 1 || stage.h2->goaway_error != NGHTTP2_NO_ERROR)
        fail_msg("%u GOAWAYs, error %u", stage.h2->goaways, stage.h2->goaway_error);
    if (!process_wait(stage.server.process, STOPPED_MS, &how) || how.is_signal || how.status != 0)
        fail_msg("it does not end well: %d", how.status);
    if (!process_await_line(stage.server.process, PROCESS_ERRORS, "all that had come in was answered", 0, NULL))
        fail_msg("it did not drain:\n%s", process_text(stage.server.process, PROCESS_ERRORS, NULL));
    sp_close(&sp);
    stage_clear(&stage);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_and_what_changes),
        cmocka_unit_test(a_large_snapshot),
        cmocka_unit_test(many_streams_of_a_connection),
        cmocka_unit_test(a_cursor_is_good_on_another_stream_and_over_nng),
        cmocka_unit_test(what_is_wrong_ends_the_call),
        cmocka_unit_test(a_stream_has_a_pace_and_an_end_of_silence),
        cmocka_unit_test(a_reader_whose_window_is_shut),
        cmocka_unit_test(a_connection_that_reads_nothing),
        cmocka_unit_test(what_a_stream_costs),
        cmocka_unit_test(who_goes_gives_the_place_back),
        cmocka_unit_test(a_node_that_stops_ends_streams),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("grpc end to end: watches", tests, NULL, NULL);
}
