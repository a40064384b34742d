/* A musterd with thousands of requests that wait: what they cost, who is served meanwhile, and how it ends. */
#include "support/parked_watch.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#include "muster/limits.h"

/* A sanitizer makes everything many times as slow, and large. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { PARKED = 1000, PARKED_BYTES_MAX = 1 << 30, STOPPED_MS = 20000, GREEDY_BYTES_MAX = 1 << 30 };
#define PARKED_TEXT "1000"
#else
enum { PARKED = 10000, PARKED_BYTES_MAX = 4096, STOPPED_MS = 3000, GREEDY_BYTES_MAX = 64 << 20 };
#define PARKED_TEXT "10000"
#endif
enum { CONNECTIONS = 4, SERVED_MS = 10000, TOLD_MS = 20000, CUT_OFF_MS = 120000, WAIT_MS = MUSTER_WATCH_WAIT_MAX_MS };
enum { RESOURCE_EXHAUSTED = 8, UNAVAILABLE = 14 };

/* A server that is full once PARKED watches wait: from outside, that is how to know that they do. */
struct stage {
    struct server server;
    struct answerer answerer;
    struct sp sps[CONNECTIONS];
    struct waiting waiting;
};

static void stage_set(struct stage *stage, bool with_users) {
    /* A crowded machine is no standstill: that would answer everybody who waits. */
    static const char *const flags[] = {"--max-watches", PARKED_TEXT, "--max-stall", "1m", NULL};
    stage->server = server_start(flags);
    stage->answerer = sp_answerer(stage->server.tcp);
    for (int i = 0; i < CONNECTIONS; i++)
        if ((stage->sps[i] = sp_open(stage->server.tcp, SERVED_MS)).fd < 0) fail_msg("no connection");
    if (with_users) waiting_stir(&stage->answerer, 'A');
    stage->waiting = waiting_of(&stage->answerer, "room", with_users, WAIT_MS);
}

static void stage_clear(struct stage *stage) {
    waiting_free(&stage->waiting);
    for (int i = 0; i < CONNECTIONS; i++) sp_close(&stage->sps[i]);
    server_end(&stage->server);
}

static bool is_full(const struct stage *stage) {
    struct waiting now = waiting_of(&stage->answerer, "elsewhere", false, 1);
    Muster__V1__Reply *reply = ask_bytes(&stage->answerer, now.request, now.len);
    bool is = reply->code == RESOURCE_EXHAUSTED;
    reply_free(reply);
    waiting_free(&now);
    return is;
}

static bool has_a_place(void *context) {
    return !is_full(context);
}

/* A watch that was refused because the question above had the last place asks again. */
static bool are_parked(void *context) {
    struct stage *stage = context;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct pollfd reply = {.fd = stage->sps[i].fd, .events = POLLIN};
        for (; poll(&reply, 1, 0) > 0; waiting_send(&stage->waiting, &stage->sps[i], 1))
            if (waiting_replies(&stage->sps[i], 1, RESOURCE_EXHAUSTED, TOLD_MS) != 1) fail_msg("a watch does not wait");
    }
    return is_full(stage);
}

/* Parks so many as there may be, on some of the connections. */
static void park(struct stage *stage, int connections) {
    for (int i = 0; i < connections; i++) waiting_send(&stage->waiting, &stage->sps[i], (size_t)(PARKED / connections));
    if (!wait_until(are_parked, stage, TOLD_MS)) fail_msg("%d watches are not parked", PARKED);
}

static void expect_told(struct stage *stage, int code, const char *what) {
    for (int i = 0; i < CONNECTIONS; i++) {
        size_t told = waiting_replies(&stage->sps[i], PARKED / CONNECTIONS, code, TOLD_MS);
        if (told != PARKED / CONNECTIONS)
            fail_msg("%s: %zu of %d on connection %d:\n%s", what, told, PARKED / CONNECTIONS, i,
                     process_text(stage->server.process, PROCESS_ERRORS, NULL));
    }
}

static void what_a_parked_watch_costs(void **state) {
    (void)state;
    struct stage stage;
    stage_set(&stage, false);
    size_t before = process_resident_bytes(stage.server.process);
    park(&stage, CONNECTIONS);
    size_t each = (process_resident_bytes(stage.server.process) - before) / PARKED;
    print_message("a parked watch costs %zu bytes\n", each);
    if (each > PARKED_BYTES_MAX) fail_msg("a parked watch costs %zu bytes", each);
    for (int i = 0; i < 300; i++) {
        touch(&stage.answerer, "elsewhere", "ada", "");
        if (!is_live(&stage.answerer, "elsewhere", "ada")) fail_msg("a touch is lost");
    }
    uint64_t start_ms = wait_now_ms();
    touch(&stage.answerer, "room", "ada", "");
    expect_told(&stage, 0, "a change");
    print_message("%d are told in %llu ms\n", PARKED, (unsigned long long)(wait_now_ms() - start_ms));
    if (is_full(&stage)) fail_msg("who was told still waits");
    stage_clear(&stage);
}

/* Its places are free for others. */
static void a_connection_that_goes(void **state) {
    (void)state;
    struct stage stage;
    stage_set(&stage, false);
    for (int round = 0; round < 3; round++) {
        park(&stage, 1);
        waiting_send(&stage.waiting, &stage.sps[0], 1);
        if (waiting_replies(&stage.sps[0], 1, RESOURCE_EXHAUSTED, TOLD_MS) != 1) fail_msg("one more is not refused");
        sp_reset(&stage.sps[0]);
        if (!wait_until(has_a_place, &stage, TOLD_MS)) fail_msg("who went keeps its places");
        if ((stage.sps[0] = sp_open(stage.server.tcp, SERVED_MS)).fd < 0) fail_msg("no connection");
    }
    stage_clear(&stage);
}

static void it_ends_while_many_wait(void **state) {
    (void)state;
    struct stage stage;
    struct process_exit how;
    stage_set(&stage, false);
    park(&stage, CONNECTIONS);
    uint64_t start_ms = wait_now_ms();
    process_signal(stage.server.process, SIGTERM);
    expect_told(&stage, UNAVAILABLE, "the end");
    if (!process_wait(stage.server.process, STOPPED_MS, &how))
        fail_msg("it runs still:\n%s", process_text(stage.server.process, PROCESS_ERRORS, NULL));
    print_message("ended after %llu ms\n", (unsigned long long)(wait_now_ms() - start_ms));
    if (!process_await_line(stage.server.process, PROCESS_ERRORS, "all that had come in was answered", 0, NULL))
        fail_msg("it did not drain:\n%s", process_text(stage.server.process, PROCESS_ERRORS, NULL));
    stage_clear(&stage);
}

/* ---- watchers that do not read ---- */

static bool are_cut_off(void *context) {
    struct stage *stage = context;
    for (int i = 0; i < CONNECTIONS; i++)
        if (!sp_is_hung_up(&stage->sps[i], 0)) return false;
    return true;
}

/* What the system and the server know of connections that are open though nobody reads them. */
static void fail_open(struct stage *stage) {
    char line[512], wanted[16];
    (void)snprintf(wanted, sizeof wanted, ":%04X ", (unsigned)atoi(strrchr(stage->server.tcp, ':') + 1));
    FILE *sockets = fopen("/proc/net/tcp", "r");
    while (sockets != NULL && fgets(line, sizeof line, sockets) != NULL)
        if (strstr(line, wanted) != NULL) print_message("%s", line);
    if (sockets != NULL) (void)fclose(sockets);
    for (int i = 0; i < CONNECTIONS; i++)
        if (!sp_is_hung_up(&stage->sps[i], 0)) print_message("connection %d is open\n", i);
    fail_msg("who does not read is not cut off:\n%s", process_text(stage->server.process, PROCESS_ERRORS, NULL));
}

/* Their answers would take a gigabyte. */
static void watchers_that_never_read(void **state) {
    (void)state;
    struct stage stage;
    int small = 4096;
    stage_set(&stage, true);
    struct sp reader = sp_open(stage.server.tcp, SERVED_MS);
    for (int i = 0; i < CONNECTIONS; i++) setsockopt(stage.sps[i].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    park(&stage, CONNECTIONS);
    size_t before = process_resident_bytes(stage.server.process), most = before;
    uint64_t slowest_ms = 0, begin_ms = wait_now_ms();
    waiting_stir(&stage.answerer, 'B');
    for (char fill = 'C'; !are_cut_off(&stage); fill = fill == 'Z' ? 'A' : (char)(fill + 1)) {
        struct waiting next = waiting_of(&stage.answerer, "room", true, WAIT_MS);
        uint64_t start_ms = wait_now_ms();
        waiting_stir(&stage.answerer, fill);
        waiting_send(&next, &reader, 1);
        if (waiting_replies(&reader, 1, 0, TOLD_MS) != 1) fail_msg("who reads is not told while others do not");
        if (wait_now_ms() - begin_ms > CUT_OFF_MS) fail_open(&stage);
        if (wait_now_ms() - start_ms > slowest_ms) slowest_ms = wait_now_ms() - start_ms;
        if (process_resident_bytes(stage.server.process) > most) most = process_resident_bytes(stage.server.process);
        waiting_free(&next);
    }
    print_message("who does not read cost %zu MiB; who does was told within %llu ms\n", (most - before) >> 20,
                  (unsigned long long)slowest_ms);
    if (most - before > GREEDY_BYTES_MAX) fail_msg("who does not read cost %zu bytes", most - before);
    sp_close(&reader);
    stage_clear(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_parked_watch_costs),
        cmocka_unit_test(a_connection_that_goes),
        cmocka_unit_test(it_ends_while_many_wait),
        cmocka_unit_test(watchers_that_never_read),
    };
    return cmocka_run_group_tests_name("rpc end to end: parked", tests, NULL, NULL);
}
