/* What many connections at once may take of a musterd, and that the others are served meanwhile. */
#include "support/parked_watch.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#include "muster/limits.h"

/* All connections together may hold 64 MiB in buffers; what the rest of the process and its allocator do comes on top.
 * A sanitizer's memory says nothing. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { BUFFERS_MAX = 2047 << 20, IDLE = 1000, PARKED = 1000, HALF_SENT = 100, GREEDY = 20, GREEDY_REQUESTS = 40 };
#define PARKED_TEXT "1000"
#else
enum { BUFFERS_MAX = 128 << 20, IDLE = 10000, PARKED = 10000, HALF_SENT = 300, GREEDY = 60, GREEDY_REQUESTS = 40 };
#define PARKED_TEXT "10000"
#endif
enum { SERVED_MS = 20000, CLOSED_MS = 60000, FREED_MS = 30000, RESOURCE_EXHAUSTED = 8 };

static struct sp open_or_fail(const char *url) {
    struct sp sp = sp_open(url, SERVED_MS);
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    return sp;
}

/* Bystanders: one that was there before, and one that comes now. */
static void expect_served(struct sp *bystander, const char *url, const char *when) {
    if (!sp_is_answered(bystander, SERVED_MS)) fail_msg("%s: a bystander is not served %s", url, when);
    if (!sp_is_served(url, SERVED_MS)) fail_msg("%s: a new connection is not served %s", url, when);
}

/* ---- messages that are announced, and sent all but for a byte ---- */

/* Sends what is taken at once. */
static size_t send_some(struct sp *sp, size_t left) {
    static const char zeros[65536];
    size_t sent = 0;
    while (sent < left) {
        size_t len = left - sent < sizeof zeros ? left - sent : sizeof zeros;
        ssize_t n = send(sp->fd, zeros, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) break;
        sent += (size_t)n;
    }
    return sent;
}

struct half_sent {
    struct server *server;
    const char *url;
    struct sp sps[HALF_SENT], bystander;
    size_t left[HALF_SENT];
    size_t most_bytes;
};

/* Goes on sending; whether all have been hung up. */
static bool all_are_hung_up(void *context) {
    struct half_sent *attack = context;
    bool all = true;
    for (size_t i = 0; i < HALF_SENT; i++) {
        if (sp_is_hung_up(&attack->sps[i], 0)) continue;
        attack->left[i] -= send_some(&attack->sps[i], attack->left[i]);
        all = false;
    }
    size_t bytes = process_resident_bytes(attack->server->process);
    if (bytes > attack->most_bytes) attack->most_bytes = bytes;
    if (!all) expect_served(&attack->bystander, attack->url, "while others send half a message");
    return all;
}

static void half_sent_messages(const char *url, struct server *server) {
    static struct half_sent attack;
    attack = (struct half_sent){.server = server, .url = url, .bystander = open_or_fail(url)};
    expect_served(&attack.bystander, url, "before");
    size_t before = process_resident_bytes(server->process);
    for (size_t i = 0; i < HALF_SENT; i++) {
        attack.sps[i] = open_or_fail(url);
        sp_write_length(&attack.sps[i], MUSTER_MESSAGE_BYTES_MAX);
        attack.left[i] = MUSTER_MESSAGE_BYTES_MAX - 1;
    }
    if (!wait_until(all_are_hung_up, &attack, CLOSED_MS))
        fail_msg("%s: messages that do not end are waited for:\n%s", url,
                 process_text(server->process, PROCESS_ERRORS, NULL));
    size_t taken = attack.most_bytes > before ? attack.most_bytes - before : 0;
    print_message("%d half-sent messages cost %zu MiB\n", HALF_SENT, taken >> 20);
    if (taken > BUFFERS_MAX) fail_msg("%s: half-sent messages cost %zu MiB", url, taken >> 20);
    for (size_t i = 0; i < HALF_SENT; i++) sp_close(&attack.sps[i]);
    expect_served(&attack.bystander, url, "afterwards");
    sp_close(&attack.bystander);
}

/* ---- replies that are not read ---- */

struct unread {
    struct server *server;
    const char *url;
    struct sp sps[GREEDY], bystander;
    size_t most_bytes;
};

static bool all_are_cut_off(void *context) {
    struct unread *attack = context;
    bool all = true;
    for (size_t i = 0; i < GREEDY; i++) all = all && sp_is_hung_up(&attack->sps[i], 0);
    size_t bytes = process_resident_bytes(attack->server->process);
    if (bytes > attack->most_bytes) attack->most_bytes = bytes;
    if (!all) expect_served(&attack->bystander, attack->url, "while others do not read");
    return all;
}

static void fill_scope(const char *url) {
    const struct answerer answerer = sp_answerer(url);
    struct request_builder builder;
    builder_touch(&builder, "crowd");
    for (size_t i = 0; i < MUSTER_BEATS_MAX; i++)
        builder_beat(&builder, "", "")->user = builder_number(&builder, "user-", i);
    reply_free(ask(&answerer, &builder));
}

/* Asks for pages of the whole scope, and reads none of them. */
static void ask_for_much(struct sp *sp) {
    int small = 4096;
    setsockopt(sp->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    fcntl(sp->fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < GREEDY_REQUESTS; i++) {
        struct request_builder builder;
        uint32_t id;
        builder_list(&builder, "crowd");
        builder.list.page_size = MUSTER_PAGE_MAX;
        if (!sp_send_built(sp, &builder, &id)) return; /* it takes no more, or has hung up */
    }
}

static void readers_at_the_cap(const char *url, struct server *server) {
    static struct unread attack;
    attack = (struct unread){.server = server, .url = url, .bystander = open_or_fail(url)};
    fill_scope(url);
    size_t before = process_resident_bytes(server->process);
    for (size_t i = 0; i < GREEDY; i++) {
        attack.sps[i] = open_or_fail(url);
        ask_for_much(&attack.sps[i]);
    }
    if (!wait_until(all_are_cut_off, &attack, CLOSED_MS))
        fail_msg("%s: replies that are not read are kept:\n%s", url,
                 process_text(server->process, PROCESS_ERRORS, NULL));
    size_t taken = attack.most_bytes > before ? attack.most_bytes - before : 0;
    print_message("%d clients that do not read cost %zu MiB\n", GREEDY, taken >> 20);
    if (taken > BUFFERS_MAX) fail_msg("%s: replies that are not read cost %zu MiB", url, taken >> 20);
    for (size_t i = 0; i < GREEDY; i++) sp_close(&attack.sps[i]);
    expect_served(&attack.bystander, url, "afterwards");
    sp_close(&attack.bystander);
}

/* ---- parked watches whose connections end at once ---- */

enum { PARKED_CONNECTIONS = 500 };

static bool has_a_free_place(void *context) {
    const struct answerer answerer = sp_answerer(context);
    struct waiting now = waiting_of(&answerer, "elsewhere", false, 1);
    Muster__V1__Reply *reply = ask_bytes(&answerer, now.request, now.len);
    bool has = reply->code == 0;
    reply_free(reply);
    waiting_free(&now);
    return has;
}

static bool is_full(void *context) {
    return !has_a_free_place(context);
}

/* Twice: a place that was not freed is missed the second time. */
static void parked_watches_that_end_at_once(const char *url, struct server *server) {
    static struct sp sps[PARKED_CONNECTIONS];
    const struct answerer answerer = sp_answerer(url);
    for (int round = 0; round < 2; round++) {
        struct waiting waiting = waiting_of(&answerer, "room", false, MUSTER_WATCH_WAIT_MAX_MS);
        for (size_t i = 0; i < PARKED_CONNECTIONS; i++) {
            sps[i] = open_or_fail(url);
            waiting_send(&waiting, &sps[i], PARKED / PARKED_CONNECTIONS);
        }
        /* A question above may have had the last place for an instant: one more watch on the first connection. */
        while (!wait_until(is_full, (void *)(uintptr_t)url, 1000)) waiting_send(&waiting, &sps[0], 1);
        for (size_t i = 0; i < PARKED_CONNECTIONS; i++) {
            if (i % 2 == 0) sp_reset(&sps[i]);
            else sp_close(&sps[i]);
        }
        touch(&answerer, "room", round == 0 ? "ada" : "bob", ""); /* who went is told of it, or is not */
        if (!wait_until(has_a_free_place, (void *)(uintptr_t)url, FREED_MS))
            fail_msg("%s: who went keeps its places:\n%s", url, process_text(server->process, PROCESS_ERRORS, NULL));
        waiting_free(&waiting);
    }
}

#define BOTH(name)                                                                                                     \
    static void tcp_##name(void **state) {                                                                             \
        struct server server = server_start((const char *const *)*state);                                              \
        name(server.tcp, &server);                                                                                     \
        server_end(&server);                                                                                           \
    }                                                                                                                  \
    static void ipc_##name(void **state) {                                                                             \
        struct server server = server_start((const char *const *)*state);                                              \
        name(server.ipc, &server);                                                                                     \
        server_end(&server);                                                                                           \
    }
#define EACH(X)                                                                                                        \
    X(half_sent_messages)                                                                                              \
    X(readers_at_the_cap)                                                                                              \
    X(parked_watches_that_end_at_once)
EACH(BOTH)

/* ---- connections of one address ---- */

/* So many connections as the node takes, or fewer where this process may not open them. */
static size_t idle_connections(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) fail_msg("no limit of files");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) fail_msg("the limit of files cannot be raised: %s", strerror(errno));
    return files.rlim_cur > IDLE + 300 ? IDLE : (size_t)files.rlim_cur / 2;
}

static void idle_connections_of_one_address(void **state) {
    (void)state;
    size_t count = idle_connections();
    char text[24];
    snprintf(text, sizeof text, "%zu", count);
    const char *const flags[] = {"--max-connections", text, NULL};
    struct server server = server_start(flags);
    struct sp *idle = calloc(count, sizeof *idle);
    if (idle == NULL) abort();
    for (size_t i = 0; i < count; i++) {
        idle[i] = sp_connect_from(server.tcp, "127.0.0.2");
        if (idle[i].fd >= 0 && i % 2 == 0) sp_write(&idle[i], sp_greeting, sizeof sp_greeting);
    }
    struct sp other = sp_connect_from(server.tcp, "127.0.0.3");
    sp_shake_hands(&other, SERVED_MS);
    if (!sp_is_answered(&other, SERVED_MS))
        fail_msg("another address is locked out by %zu idle connections:\n%s", count,
                 process_text(server.process, PROCESS_ERRORS, NULL));
    if (!sp_is_served(server.tcp, SERVED_MS)) fail_msg("a health check is locked out");
    if (!sp_is_served(server.ipc, SERVED_MS)) fail_msg("the operator's door is locked out");
    /* On a slow machine those that never shake hands are closed before they are too many. */
    if (!process_await_line(server.process, PROCESS_ERRORS, "connections_full", SERVED_MS, NULL) &&
        !process_await_line(server.process, PROCESS_ERRORS, "handshake_failed", SERVED_MS, NULL))
        fail_msg("connections that are refused or closed are not logged");
    for (size_t i = 0; i < count; i++) sp_close(&idle[i]);
    free(idle);
    sp_close(&other);
    server_end(&server);
}

/* ---- descriptors used up ---- */

enum { FILES_MAX = 160, FILE_TAKERS = 400 };

static void descriptors_used_up(void **state) {
    (void)state;
    static struct sp idle[FILE_TAKERS];
    struct tempdir data = tempdir_make();
    const char *const flags[] = {"--data-dir", data.path, NULL};
    struct server server = server_start_with_files(FILES_MAX, flags);
    struct answerer answerer = sp_answerer(server.ipc);
    touch(&answerer, "room", "ada", "");
    for (size_t i = 0; i < FILE_TAKERS; i++)
        idle[i] = sp_connect_from(server.tcp, i % 2 == 0 ? "127.0.0.2" : "127.0.0.3");
    if (!process_await_line(server.process, PROCESS_ERRORS, "connections_full", SERVED_MS, NULL))
        fail_msg("it does not say that it takes no more:\n%s", process_text(server.process, PROCESS_ERRORS, NULL));
    server_expect_running(&server, "all descriptors were wanted");
    int status = server_stop(&server);
    if (status != 0) fail_msg("exit status %d:\n%s", status, process_text(server.process, PROCESS_ERRORS, NULL));
    for (size_t i = 0; i < FILE_TAKERS; i++) sp_close(&idle[i]);
    server_start_again(&server, flags);
    if (!is_live(&answerer, "room", "ada"))
        fail_msg("the snapshot was not written:\n%s", process_text(server.process, PROCESS_ERRORS, NULL));
    server_end(&server);
    tempdir_remove(&data);
}

/* What cannot be kept at the end is an error, not a good end. */
static void a_last_snapshot_that_fails(void **state) {
    (void)state;
    struct tempdir data = tempdir_make();
    const char *const flags[] = {"--data-dir", data.path, NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.ipc);
    touch(&answerer, "room", "ada", "");
    tempdir_remove(&data);
    int status = server_stop(&server);
    char *log = process_text(server.process, PROCESS_ERRORS, NULL);
    if (status != 1 || strstr(log, "level=error") == NULL) fail_msg("exit status %d, not 1:\n%s", status, log);
    free(log);
    process_free(server.process);
    tempdir_remove(&server.dir);
}

/* main [TEST]: this one alone. */
int main(int argc, char **argv) {
    static const char *const no_flags[] = {NULL}, *const full[] = {"--max-watches", PARKED_TEXT, NULL};
#define TEST(name, flags) cmocka_unit_test_prestate(name, (void *)(uintptr_t)flags)
    const struct CMUnitTest tests[] = {
        TEST(tcp_half_sent_messages, no_flags),
        TEST(ipc_half_sent_messages, no_flags),
        TEST(tcp_readers_at_the_cap, no_flags),
        TEST(ipc_readers_at_the_cap, no_flags),
        TEST(tcp_parked_watches_that_end_at_once, full),
        TEST(ipc_parked_watches_that_end_at_once, full),
        cmocka_unit_test(idle_connections_of_one_address),
        cmocka_unit_test(descriptors_used_up),
        cmocka_unit_test(a_last_snapshot_that_fails),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("net end to end: limits", tests, NULL, NULL);
}
