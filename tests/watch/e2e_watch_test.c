/* Watches of a real musterd, as long polls over its doors. */
#include "muster/codes.h"
#include "polls.h"
#include "support/random.h"
#include "support/server.h"
#include "support/wait.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 30000, NAME_BYTES = 32 };

static struct server server;

static void beat(const struct answerer *answerer, const char *scope, const char *user, uint32_t ttl_ms) {
    struct request_builder builder;
    builder_touch(&builder, scope);
    builder_beat(&builder, user, "")->ttl_ms = ttl_ms;
    reply_free(ask(answerer, &builder));
}

/* ---- one watcher ---- */

static void long_poll(const char *url, const char *scope) {
    const struct answerer answerer = sp_answerer(url);
    struct sp sp = poll_connect(url);
    struct poll poll = {.sp = &sp, .watcher.scope = scope};
    poll_catch_up(&poll);
    for (int i = 0; i < 20; i++) {
        char user[NAME_BYTES];
        snprintf(user, sizeof user, "u%d", i / 2);
        poll_ask(&poll, WAIT_MS);
        if (i % 2 == 0) touch(&answerer, scope, user, "");
        else leave(&answerer, scope, user, "");
        poll_answered(&poll, POLL_SOON_MS);
        if (poll.changes != 1) fail_msg("%zu changes", poll.changes);
        poll_expect_same(&poll, &answerer);
    }
    uint64_t asked_ms = wait_now_ms();
    poll_ask(&poll, 300);
    poll_answered(&poll, POLL_SOON_MS);
    uint64_t took_ms = wait_now_ms() - asked_ms;
    if (poll.changes != 0 || took_ms < 290) fail_msg("%zu changes after %" PRIu64 " ms", poll.changes, took_ms);
    watcher_close(&poll.watcher);
    sp_close(&sp);
}

static void a_change_answers_who_waits(void **state) {
    (void)state;
    long_poll(server.tcp, "poll:tcp");
    long_poll(server.ipc, "poll:ipc");
}

/* The client that kept them alive was killed: nobody says that they leave. */
static void users_of_a_killed_client_expire(void **state) {
    enum { TTL_MS = 1000 };
    (void)state;
    const struct answerer answerer = sp_answerer(server.tcp);
    struct sp sp = poll_connect(server.tcp);
    struct poll poll = {.sp = &sp, .watcher.scope = "killed"};
    for (int i = 0; i < 50; i++) {
        char user[NAME_BYTES];
        snprintf(user, sizeof user, "u%d", i);
        beat(&answerer, "killed", user, i < 40 ? TTL_MS : 60000);
    }
    uint64_t touched_ms = wait_now_ms();
    poll_catch_up(&poll);
    if (poll.watcher.present != 50) fail_msg("%zu present", poll.watcher.present);
    poll.watcher.min_interval_ms = 100;
    while (poll.watcher.left < 40 && wait_now_ms() - touched_ms < POLL_SOON_MS) {
        poll_ask(&poll, WAIT_MS);
        poll_answered(&poll, POLL_SOON_MS);
    }
    print_message("40 users of TTL %d ms are gone %" PRIu64 " ms after their last touch\n", TTL_MS,
                  wait_now_ms() - touched_ms);
    if (poll.watcher.left != 40 || poll.watcher.live != 10) fail_msg("%zu left", poll.watcher.left);
    poll_expect_same(&poll, &answerer);
    watcher_close(&poll.watcher);
    sp_close(&sp);
}

static void a_restart_begins_a_snapshot(void **state) {
    (void)state;
    struct server own = server_start(NULL);
    const struct answerer answerer = sp_answerer(own.tcp);
    struct sp sp = poll_connect(own.tcp);
    struct poll poll = {.sp = &sp, .watcher.scope = "room"};
    touch(&answerer, "room", "ada", "");
    poll_catch_up(&poll);
    poll_ask(&poll, WAIT_MS);
    process_signal(own.process, SIGKILL);
    if (!process_wait(own.process, POLL_SOON_MS, NULL)) fail_msg("it does not die");
    if (polls_next(&sp, &poll, 1, POLL_SOON_MS) != NULL) fail_msg("an answer of a killed node");
    sp_close(&sp);
    server_start_again(&own, NULL);
    touch(&answerer, "room", "bob", "");
    sp = poll_connect(own.tcp);
    poll_catch_up(&poll);
    if (poll.watcher.resyncs != 1 || poll.watcher.live != 1) fail_msg("%u resyncs", poll.watcher.resyncs);
    poll_expect_same(&poll, &answerer);
    watcher_close(&poll.watcher);
    sp_close(&sp);
    server_end(&own);
}

/* ---- many ---- */

enum { CONNECTIONS = 20, EACH = 50, WATCHERS = CONNECTIONS * EACH };

struct stage {
    struct sp sps[CONNECTIONS];
    struct poll polls[WATCHERS];
    char scopes[WATCHERS][NAME_BYTES];
};

static struct stage *stage_set(const char *stem, size_t scopes) {
    struct stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL) abort();
    for (size_t i = 0; i < CONNECTIONS; i++) stage->sps[i] = poll_connect(i % 2 == 0 ? server.tcp : server.ipc);
    for (size_t i = 0; i < WATCHERS; i++) {
        snprintf(stage->scopes[i], NAME_BYTES, "%s:%zu", stem, i % scopes);
        stage->polls[i].sp = &stage->sps[i / EACH];
        stage->polls[i].watcher.scope = stage->scopes[i];
        stage->polls[i].watcher.sessions = i % 3 == 0;
    }
    for (size_t i = 0; i < WATCHERS; i++) poll_catch_up(&stage->polls[i]);
    return stage;
}

static void stage_clear(struct stage *stage) {
    for (size_t i = 0; i < WATCHERS; i++) watcher_close(&stage->polls[i].watcher);
    for (size_t i = 0; i < CONNECTIONS; i++) sp_close(&stage->sps[i]);
    free(stage);
}

/* Whoever's scope it is hears of `changes` changes in all, in however many answers. */
static void everybody_hears(struct stage *stage, size_t first, size_t step, size_t changes) {
    static size_t heard[WATCHERS];
    memset(heard, 0, sizeof heard);
    for (size_t i = first; i < WATCHERS; i += step) {
        struct poll *polls = &stage->polls[i / EACH * EACH];
        while (heard[i] < changes) {
            if (stage->polls[i].id == 0) poll_ask(&stage->polls[i], WAIT_MS);
            struct poll *told = polls_next(stage->polls[i].sp, polls, EACH, POLL_SOON_MS);
            if (told == NULL) fail_msg("watcher %zu heard of %zu changes, not %zu", i, heard[i], changes);
            heard[told - stage->polls] += told->changes;
        }
        if (heard[i] > changes) fail_msg("watcher %zu heard of %zu changes, not %zu", i, heard[i], changes);
    }
}

static void a_thousand_watchers_hear_of_each_change(void **state) {
    (void)state;
    const struct answerer answerer = sp_answerer(server.tcp);
    struct stage *stage = stage_set("hall", 1);
    uint64_t start_ms = wait_now_ms();
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < WATCHERS; i++) poll_ask(&stage->polls[i], WAIT_MS);
        if (round % 2 == 0) touch(&answerer, "hall:0", "ada", "");
        else leave(&answerer, "hall:0", "ada", "");
        everybody_hears(stage, 0, 1, 1);
    }
    print_message("%d watchers heard of 6 changes in %" PRIu64 " ms\n", WATCHERS, wait_now_ms() - start_ms);
    for (size_t i = 0; i < WATCHERS; i++)
        if (stage->polls[i].watcher.joined != 3 || stage->polls[i].watcher.left != 3) fail_msg("watcher %zu", i);
    stage_clear(stage);
}

static void watchers_of_many_scopes_hear_of_their_own(void **state) {
    enum { SCOPES = 500 };
    (void)state;
    const struct answerer answerer = sp_answerer(server.ipc);
    struct stage *stage = stage_set("cell", SCOPES);
    struct request_builder builder;
    for (size_t i = 0; i < WATCHERS; i++) poll_ask(&stage->polls[i], WAIT_MS);
    builder_touch(&builder, "nowhere");
    for (size_t i = 0; i < SCOPES; i += 2) builder_beat(&builder, "ada", "")->scope = builder_bytes(stage->scopes[i]);
    reply_free(ask(&answerer, &builder));
    everybody_hears(stage, 0, 2, 1);
    for (size_t i = 1; i < WATCHERS; i += 2)
        if (stage->polls[i].id == 0) fail_msg("watcher %zu of an empty scope was answered", i);
    stage_clear(stage);
}

/* ---- what is wrong ---- */

static void requests_that_are_wrong_are_refused(void **state) {
    (void)state;
    struct sp sp = poll_connect(server.tcp);
    struct poll poll = {.sp = &sp, .watcher.scope = "wrong"};
    for (int i = 0; i < 6; i++) {
        struct request_builder builder;
        uint32_t id, back;
        size_t len;
        builder_watch(&builder, "wrong");
        builder.watch.max_wait_ms = WAIT_MS;
        if (i == 0) builder.watch.max_wait_ms = 60001;
        if (i == 1) builder.watch.cursor = builder_filled(&builder, 'c', 257);
        if (i == 2) builder_watched(&builder, builder_bytes("\xff"));
        if (i == 3) builder.watch.counts = builder.watch.sessions = true;
        if (i == 4) builder.watch.scope = builder_filled(&builder, 's', 5000);
        if (i == 5)
            for (size_t j = 0; j < 2000; j++) builder_watched(&builder, builder_number(&builder, "u", j));
        if (!sp_send_built(&sp, &builder, &id)) fail_msg("the server is gone");
        uint8_t *bytes = sp_receive(&sp, POLL_SOON_MS, &back, &len);
        Muster__V1__Reply *reply = bytes == NULL ? NULL : muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL || back != id || reply->code != MUSTER_INVALID_ARGUMENT) fail_msg("request %d", i);
        reply_free(reply);
        free(bytes);
    }
    poll.watcher.cursor_len = 40; /* zeros: from nowhere */
    poll_catch_up(&poll);
    if (poll.watcher.resyncs != 1) fail_msg("no resync");
    server_expect_running(&server, "wrong requests");
    watcher_close(&poll.watcher);
    sp_close(&sp);
}

/* ---- all at once ---- */

enum { WRITERS = 2, WRITES = 1500, USERS = 40, SCOPES = 3 };

/* What a writer does; faults are said by the main thread. */
struct writer {
    pthread_t thread;
    uint64_t seed;
    atomic_bool is_done, has_failed;
};

static void write_once(struct random *random, struct request_builder *builder, const char *scope) {
    size_t n = 1 + random_below(random, 5);
    if (random_chance(random, 1, 3)) {
        builder_leave(builder, scope);
        builder->leave.linger_ms = random_chance(random, 1, 3) ? 300 : 0;
        for (size_t i = 0; i < n; i++) {
            Muster__V1__Departure *departure = builder_departure(builder, "", "");
            departure->user = builder_number(builder, "u", random_below(random, USERS));
            departure->all_sessions = true;
        }
        return;
    }
    if (random_chance(random, 1, 200)) return builder_reset(builder, scope);
    builder_touch(builder, scope);
    for (size_t i = 0; i < n; i++) {
        Muster__V1__Beat *beat = builder_beat(builder, "", "");
        beat->user = builder_number(builder, "u", random_below(random, USERS));
        beat->session = builder_number(builder, "s", random_below(random, 2));
        beat->status = (Muster__V1__Status)random_below(random, 4);
        beat->ttl_ms = random_chance(random, 1, 4) ? 1000 : 60000;
    }
}

static void *write_much(void *argument) {
    struct writer *writer = argument;
    struct random random = random_of(writer->seed);
    struct sp sp = sp_open(server.tcp, POLL_SOON_MS);
    for (int i = 0; i < WRITES && !writer->has_failed; i++) {
        static const char *const scopes[SCOPES] = {"busy:0", "busy:1", "busy:2"};
        struct request_builder builder;
        uint32_t id;
        size_t len;
        write_once(&random, &builder, scopes[random_below(&random, SCOPES)]);
        uint8_t *reply = sp_send_built(&sp, &builder, &id) ? sp_receive(&sp, POLL_SOON_MS, &id, &len) : NULL;
        if (reply == NULL) writer->has_failed = true;
        free(reply);
    }
    sp_close(&sp);
    writer->is_done = true;
    return NULL;
}

/* A watcher whose connection breaks now and then, with whatever is on its way. */
static void watch_on(struct random *random, struct poll *poll, struct sp *sp) {
    if (random_chance(random, 1, 15)) {
        sp_reset(sp);
        *sp = poll_connect(random_chance(random, 1, 2) ? server.tcp : server.ipc);
        poll->id = 0;
    }
    if (poll->id == 0) poll_ask(poll, (uint32_t)random_below(random, 200));
    else if (random_chance(random, 2, 3)) poll_answered(poll, POLL_SOON_MS);
}

/* Two write, twelve watch; in the end all know what the node knows, and at no time was anybody told nonsense. */
static void watchers_keep_up_with_writers(void **state) {
    enum { POLLS = 12 };
    (void)state;
    const struct answerer answerer = sp_answerer(server.tcp);
    struct writer writers[WRITERS] = {0};
    struct sp sps[POLLS];
    struct poll polls[POLLS];
    static const char *const scopes[SCOPES] = {"busy:0", "busy:1", "busy:2"};
    struct random random = random_of(random_fresh_seed());
    for (size_t i = 0; i < POLLS; i++) {
        sps[i] = poll_connect(server.tcp);
        polls[i] = (struct poll){.sp = &sps[i],
                                 .watcher = {.scope = scopes[i % SCOPES],
                                             .sessions = i % 2 == 0,
                                             .counts = i % 6 == 5,
                                             .min_interval_ms = i % 4 == 0 ? 50 : 0}};
    }
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].seed = random_next(&random);
        if (pthread_create(&writers[i].thread, NULL, write_much, &writers[i]) != 0) fail_msg("no thread");
    }
    while (!writers[0].is_done || !writers[1].is_done) {
        size_t i = random_below(&random, POLLS);
        watch_on(&random, &polls[i], &sps[i]);
    }
    for (size_t i = 0; i < WRITERS; i++) pthread_join(writers[i].thread, NULL);
    if (writers[0].has_failed || writers[1].has_failed) fail_msg("a write was not answered");
    for (size_t i = 0; i < SCOPES; i++) { /* so that no lease ends while they are compared */
        struct request_builder builder;
        builder_touch(&builder, scopes[i]);
        for (size_t j = 0; j < 2 * (size_t)USERS; j++) {
            Muster__V1__Beat *beat = builder_beat(&builder, "", "");
            beat->user = builder_number(&builder, "u", j / 2);
            beat->session = builder_number(&builder, "s", j % 2);
        }
        reply_free(ask(&answerer, &builder));
    }
    size_t told = 0;
    for (size_t i = 0; i < POLLS; i++) {
        if (polls[i].id != 0) poll_answered(&polls[i], POLL_SOON_MS);
        polls[i].watcher.min_interval_ms = 0;
        poll_catch_up(&polls[i]);
        poll_expect_same(&polls[i], &answerer);
        if (polls[i].watcher.resyncs > 0) fail_msg("resync");
        told += polls[i].watcher.joined + polls[i].watcher.left + polls[i].watcher.updated;
        watcher_close(&polls[i].watcher);
        sp_close(&sps[i]);
    }
    print_message("%d watchers were told of %zu changes of %d writes\n", POLLS, told, WRITERS * WRITES);
}

static int start(void **state) {
    (void)state;
    server = server_start(NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_answers_who_waits),
        cmocka_unit_test(users_of_a_killed_client_expire),
        cmocka_unit_test(a_restart_begins_a_snapshot),
        cmocka_unit_test(a_thousand_watchers_hear_of_each_change),
        cmocka_unit_test(watchers_of_many_scopes_hear_of_their_own),
        cmocka_unit_test(requests_that_are_wrong_are_refused),
        cmocka_unit_test(watchers_keep_up_with_writers),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("rpc end to end: watch", tests, start, stop);
}
