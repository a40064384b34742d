/* What a stranger can do to a musterd with a socket, over tcp and ipc: it must go on serving everybody else. */
#include "support/random.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* Deadlines. AGAIN_MS is the promise: after an attack a new connection is served within a second; a sanitizer makes
 * everything many times as slow, and no promise about that is made. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { AGAIN_MS = 10000, VISITS = 15, RESETS = 50 };
#else
enum { AGAIN_MS = 1000, VISITS = 80, RESETS = 200 };
#endif
enum { SERVED_MS = 10000, CLOSED_MS = 15000 };

struct attack {
    struct server *server;
    const char *url;
    struct sp bystander; /* connected before the attack; must not notice it */
};

static struct server server;

static void ask_bystander(struct attack *attack, uint64_t timeout_ms, const char *when) {
    uint32_t id, replied_id;
    size_t len;
    if (!sp_send(&attack->bystander, "", 0, &id)) fail_msg("%s: a bystander was cut off %s", attack->url, when);
    uint8_t *reply = sp_receive(&attack->bystander, timeout_ms, &replied_id, &len);
    if (reply == NULL) fail_msg("%s: a bystander is not answered %s", attack->url, when);
    free(reply);
}

static struct attack begin(const char *url) {
    struct attack attack = {&server, url, sp_open(url, SERVED_MS)};
    if (attack.bystander.fd < 0) fail_msg("%s: no connection", url);
    ask_bystander(&attack, SERVED_MS, "before the attack");
    return attack;
}

static void expect_served(struct attack *attack, const char *after) {
    server_expect_running(attack->server, after);
    if (!sp_is_served(attack->url, AGAIN_MS)) fail_msg("%s: nobody is served in time after %s", attack->url, after);
}

static void end(struct attack *attack, const char *what) {
    expect_served(attack, what);
    ask_bystander(attack, SERVED_MS, "after the attack");
    sp_close(&attack->bystander);
}

/* Fault 21: who was cut off or failed to shake hands was `peer=unknown` where it had reset the connection. */
static void expect_peers_named(const char *event) {
    char *line;
    if (!process_await_line(server.process, PROCESS_ERRORS, event, CLOSED_MS, &line))
        fail_msg("no %s is logged", event);
    free(line);
    char *log = process_text(server.process, PROCESS_ERRORS, NULL);
    const char *unknown = strstr(log, "peer=unknown");
    if (unknown != NULL) fail_msg("a peer has no name in the log: …%.60s", unknown);
    free(log);
}

/* ---- attack 1 ---- */

static void giant_length(const char *url) {
    static const uint64_t lengths[] = {0xFFFFFFFFFFFFFFDF, UINT64_MAX, UINT64_MAX - 8, (uint64_t)INT64_MAX,
                                       1ull << 40,         1ull << 32, 3 << 20};
    struct attack attack = begin(url);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct sp sp = sp_open(url, SERVED_MS);
        if (sp.fd < 0) fail_msg("%s: no connection", url);
        sp_write_length(&sp, lengths[i]);
        if (!sp_is_closed(&sp, CLOSED_MS)) fail_msg("%s: a length of %llx is waited for", url, (long long)lengths[i]);
        sp_close(&sp);
        expect_served(&attack, "a giant length");
    }
    end(&attack, "giant lengths");
}

/* ---- attack 2 ---- */

static void spin(unsigned rounds) {
    for (volatile unsigned i = 0; i < rounds; i++) continue;
}

/* The reset must come while the server has not written its greeting yet, or is about to: tried at many moments. */
static void half_close_and_reset(const char *url) {
    struct attack attack = begin(url);
    for (unsigned round = 0; round < 400; round++) {
        struct sp sp = sp_connect(url);
        if (sp.fd < 0) fail_msg("%s: connections are refused in round %u", url, round);
        spin(round % 4 * 500);
        shutdown(sp.fd, SHUT_WR);
        spin(round % 7 * 1000);
        sp_reset(&sp);
        if (round % 100 == 99) expect_served(&attack, "resets during the handshake");
    }
    end(&attack, "resets during the handshake");
}

/* ---- attack 3, and what else is no handshake ---- */

static void failed_handshakes(const char *url) {
    static const struct {
        const char *bytes;
        size_t len;
    } greetings[] = {{"", 0},
                     {"\0SP\0\0\x30\0", 7},
                     {"GET / HTTP/1.1\r\n\r\n", 18},
                     {"\0SP\x01\0\x30\0\0", 8},
                     {"\0SP\0\0\x20\0\0", 8},
                     {"\0SP\0\xff\xff\0\0", 8},
                     {"\x16\x03\x01\x02\0\x01\0\x01", 8}};
    struct attack attack = begin(url);
    for (size_t i = 0; i < 70; i++) {
        size_t kind = i % (sizeof greetings / sizeof greetings[0]);
        struct sp sp = sp_connect(url);
        if (sp.fd < 0) fail_msg("%s: connections are refused", url);
        sp_write(&sp, greetings[kind].bytes, greetings[kind].len);
        if (i % 2 == 0) sp_close(&sp);
        else sp_reset(&sp);
        if (i % 7 == 6) expect_served(&attack, "failed handshakes");
    }
    end(&attack, "failed handshakes");
    expect_peers_named("event=handshake_failed");
}

static void connections_that_say_nothing(const char *url) {
    enum { SILENT = 200 };
    static struct sp silent[SILENT];
    struct attack attack = begin(url);
    for (int i = 0; i < SILENT; i++) {
        silent[i] = i % 2 == 0 ? sp_connect(url) : sp_open(url, SERVED_MS);
        if (silent[i].fd < 0) fail_msg("%s: connection %d is refused", url, i);
    }
    expect_served(&attack, "silent connections");
    for (int i = 0; i < SILENT; i++) sp_close(&silent[i]);
    end(&attack, "silent connections");
}

/* ---- attack 6 ---- */

static void fill_scope(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "crowd");
    for (size_t i = 0; i < 10000; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, "user-", i);
    reply_free(ask(answerer, &builder));
}

/* Asks for large replies as fast as they are taken, and reads none. */
static void ask_and_never_read(struct sp *sp) {
    struct request_builder builder;
    uint32_t id;
    int small = 4096;
    setsockopt(sp->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    fcntl(sp->fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 600; i++) {
        builder_list(&builder, "crowd");
        builder.list.page_size = 10000;
        if (!sp_send_built(sp, &builder, &id)) return; /* it takes no more, or has hung up */
    }
}

static void clients_that_never_read(const char *url) {
    enum { GREEDY = 3 };
    struct sp greedy[GREEDY];
    struct attack attack = begin(url);
    const struct answerer answerer = sp_answerer(url);
    fill_scope(&answerer);
    for (int i = 0; i < GREEDY; i++) {
        greedy[i] = sp_open(url, SERVED_MS);
        if (greedy[i].fd < 0) fail_msg("%s: no connection", url);
        ask_and_never_read(&greedy[i]);
        ask_bystander(&attack, SERVED_MS, "while others do not read");
        expect_served(&attack, "clients that never read");
    }
    for (int i = 0; i < GREEDY; i++) {
        if (!sp_is_hung_up(&greedy[i], CLOSED_MS))
            fail_msg("%s: a client that never reads is kept:\n%s", url,
                     process_text(server.process, PROCESS_ERRORS, NULL));
        sp_close(&greedy[i]);
    }
    end(&attack, "clients that never read");
}

/* One reply that is not read pins its memory, though no context. */
static void a_reply_that_is_never_read(const char *url) {
    struct attack attack = begin(url);
    const struct answerer answerer = sp_answerer(url);
    fill_scope(&answerer);
    struct sp sp = sp_open(url, SERVED_MS);
    struct request_builder builder;
    uint32_t id;
    int small = 4096;
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    setsockopt(sp.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 20; i++) { /* past what the system itself holds of a connection */
        builder_list(&builder, "crowd");
        builder.list.page_size = 10000;
        if (!sp_send_built(&sp, &builder, &id)) break;
    }
    if (!sp_is_hung_up(&sp, CLOSED_MS)) fail_msg("%s: replies that are never read are kept", url);
    sp_close(&sp);
    end(&attack, "a reply that is never read");
}

/* Many requests in flight are no attack if the replies are read. */
static void a_client_that_pipelines_and_reads(const char *url) {
    enum { IN_FLIGHT = 128, ROUNDS = 20 };
    struct sp sp = sp_open(url, SERVED_MS);
    uint32_t id;
    size_t len;
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    for (int i = 0; i < IN_FLIGHT * ROUNDS; i++) {
        if (!sp_send(&sp, "", 0, &id)) fail_msg("%s: cut off after %d requests", url, i);
        if (i < IN_FLIGHT - 1) continue;
        uint8_t *reply = sp_receive(&sp, CLOSED_MS, &id, &len);
        if (reply == NULL) fail_msg("%s: no reply after %d requests", url, i);
        free(reply);
    }
    sp_close(&sp);
}

/* ---- messages that never end, or are none ---- */

static void messages_in_pieces(const char *url) {
    enum { SLOW = 50 };
    struct sp slow[SLOW];
    struct attack attack = begin(url);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = sp_open(url, SERVED_MS);
        if (slow[i].fd < 0) fail_msg("%s: no connection", url);
        if (i % 2 == 0) sp_write_length(&slow[i], 1 << 20);
        sp_write(&slow[i], "\x01\0\0", 3);
    }
    expect_served(&attack, "messages that never end");
    ask_bystander(&attack, SERVED_MS, "while others are slow");
    for (int i = 0; i < SLOW; i++) sp_reset(&slow[i]);
    end(&attack, "messages that never end");
}

/* Nobody could be told what is wrong: docs/protocol.md. */
static void messages_without_an_id(const char *url) {
    struct attack attack = begin(url);
    for (uint64_t len = 0; len < 64; len++) {
        struct sp sp = sp_open(url, SERVED_MS);
        if (sp.fd < 0) fail_msg("%s: no connection", url);
        char header[64] = {0};                          /* no id ever ends */
        if (len < 4) memset(header, 0x80, (size_t)len); /* too short for one */
        sp_write_length(&sp, len);
        sp_write(&sp, header, len);
        if (!sp_is_closed(&sp, CLOSED_MS)) fail_msg("%s: %u bytes without an id are kept", url, (unsigned)len);
        sp_close(&sp);
    }
    end(&attack, "messages without an id");
}

enum { HOPS_MAX = 8, WORD_BYTES = 4, HOPS_BYTES_MAX = WORD_BYTES * (HOPS_MAX + 2) };

/* An empty call behind so many words of devices, whose reply repeats them. */
static bool is_answered_through(const char *url, size_t hops) {
    unsigned char header[HOPS_BYTES_MAX] = {0}, prefix[9], repeated[HOPS_BYTES_MAX];
    struct sp sp = sp_open(url, SERVED_MS);
    size_t len = WORD_BYTES * (hops + 1), prefix_len = sp.is_ipc ? 9 : 8;
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    for (size_t i = 0; i < hops; i++) header[WORD_BYTES * i + 3] = (unsigned char)(i + 1);
    header[WORD_BYTES * hops] = 0x80;
    sp_write_length(&sp, len);
    sp_write(&sp, header, len);
    bool is_answered = recv(sp.fd, prefix, prefix_len, MSG_WAITALL) == (ssize_t)prefix_len &&
                       recv(sp.fd, repeated, len, MSG_WAITALL) == (ssize_t)len;
    if (is_answered && memcmp(header, repeated, len) != 0) fail_msg("%s: %zu hops come back as others", url, hops);
    sp_close(&sp);
    return is_answered;
}

static void requests_through_devices(const char *url) {
    for (size_t hops = 0; hops <= HOPS_MAX; hops++)
        if (!is_answered_through(url, hops)) fail_msg("%s: no reply through %zu hops", url, hops);
    if (is_answered_through(url, HOPS_MAX + 1)) fail_msg("%s: a reply through %d hops", url, HOPS_MAX + 1);
}

static void resets_after_requests(const char *url) {
    struct attack attack = begin(url);
    const struct answerer answerer = sp_answerer(url);
    fill_scope(&answerer);
    for (int i = 0; i < RESETS; i++) {
        struct request_builder builder;
        uint32_t id;
        struct sp sp = sp_open(url, SERVED_MS);
        if (sp.fd < 0) fail_msg("%s: no connection", url);
        builder_list(&builder, "crowd");
        builder.list.page_size = 10000;
        sp_send_built(&sp, &builder, &id);
        spin(i % 10 * 3000u);
        sp_reset(&sp);
    }
    end(&attack, "resets after requests");
}

/* Connections that end while the server reads, answers and writes. All must be freed. */
static bool has_few_files(void *context) {
    return process_open_files(server.process) <= *(size_t *)context;
}

struct visitor {
    const char *url;
    unsigned seed;
};

/* Asks for large replies, reads a little of them, and goes in the middle of it. */
static void *come_and_go(void *context) {
    const struct visitor *visitor = context;
    struct random random = random_of(visitor->seed);
    for (int i = 0; i < VISITS; i++) {
        char some[20000];
        struct sp sp = sp_open(visitor->url, CLOSED_MS);
        if (sp.fd < 0) continue;
        for (uint64_t n = random_below(&random, 30); n > 0; n--) {
            struct request_builder builder;
            uint32_t id;
            builder_list(&builder, "crowd");
            builder.list.page_size = 10000;
            if (!sp_send_built(&sp, &builder, &id)) break;
        }
        for (uint64_t n = random_below(&random, 4); n > 0; n--)
            if (recv(sp.fd, some, sizeof some, MSG_DONTWAIT) < 0) break;
        if (random_chance(&random, 1, 2)) sp_reset(&sp);
        else sp_close(&sp);
    }
    return NULL;
}

static void clients_that_come_and_go(const char *url) {
    enum { VISITORS = 4 };
    struct attack attack = begin(url);
    const struct answerer answerer = sp_answerer(url);
    struct visitor visitors[VISITORS];
    pthread_t threads[VISITORS];
    fill_scope(&answerer);
    size_t files = process_open_files(server.process) + 4; /* some of an earlier test may still be freed meanwhile */
    for (unsigned i = 0; i < VISITORS; i++) {
        visitors[i] = (struct visitor){url, i};
        if (pthread_create(&threads[i], NULL, come_and_go, &visitors[i]) != 0) fail_msg("no thread");
    }
    for (int i = 0; i < VISITORS; i++) pthread_join(threads[i], NULL);
    if (!wait_until(has_few_files, &files, CLOSED_MS))
        fail_msg("%s: connections that ended are not freed: %zu files, %zu before", url,
                 process_open_files(server.process), files);
    end(&attack, "clients that come and go");
}

#define BOTH(name)                                                                                                     \
    static void tcp_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        name(server.tcp);                                                                                              \
    }                                                                                                                  \
    static void ipc_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        name(server.ipc);                                                                                              \
    }
#define EACH(X)                                                                                                        \
    X(giant_length)                                                                                                    \
    X(half_close_and_reset)                                                                                            \
    X(failed_handshakes)                                                                                               \
    X(connections_that_say_nothing)                                                                                    \
    X(clients_that_never_read)                                                                                         \
    X(a_reply_that_is_never_read)                                                                                      \
    X(a_client_that_pipelines_and_reads)                                                                               \
    X(messages_in_pieces)                                                                                              \
    X(requests_through_devices)                                                                                        \
    X(messages_without_an_id)                                                                                          \
    X(resets_after_requests)                                                                                           \
    X(clients_that_come_and_go)
EACH(BOTH)

/* ---- the cap of connections ---- */

static bool is_served_now(void *context) {
    return sp_is_served(context, 200);
}

static void connections_are_capped(void **state) {
    (void)state;
    const char *const flags[] = {"--max-connections", "3", NULL};
    struct server small = server_start(flags);
    struct sp taken[3];
    for (int i = 0; i < 3; i++) {
        taken[i] = sp_open(small.tcp, SERVED_MS);
        uint32_t id;
        size_t len;
        if (taken[i].fd < 0 || !sp_send(&taken[i], "", 0, &id)) fail_msg("connection %d is refused", i);
        uint8_t *reply = sp_receive(&taken[i], SERVED_MS, &id, &len);
        if (reply == NULL) fail_msg("connection %d is not served", i);
        free(reply);
    }
    struct sp fourth = sp_open(small.ipc, SERVED_MS);
    if (fourth.fd >= 0 && !sp_is_closed(&fourth, CLOSED_MS)) fail_msg("a fourth connection is kept");
    sp_close(&fourth);
    if (!process_await_line(small.process, PROCESS_ERRORS, "connections_full", CLOSED_MS, NULL))
        fail_msg("a refused connection is not logged");
    sp_close(&taken[1]);
    if (!wait_until(is_served_now, small.tcp, CLOSED_MS)) fail_msg("nobody is served though a place is free");
    sp_close(&taken[0]);
    sp_close(&taken[2]);
    server_end(&small);
}

/* Keeps a connection that asked something; whether there was a place for it. */
static bool take_place(struct sp sp, struct sp *kept) {
    if (sp.fd >= 0) sp_shake_hands(&sp, SERVED_MS);
    bool is_taken = sp.fd >= 0 && sp_is_answered(&sp, SERVED_MS);
    if (is_taken) *kept = sp;
    else sp_close(&sp);
    return is_taken;
}

/* Of 64 places an address of the loopback may have 48, and 4 are kept for ipc. */
static void an_address_has_its_share(void **state) {
    (void)state;
    enum { PLACES = 64, SHARE = 48, KEPT = 4 };
    const char *const flags[] = {"--max-connections", "64", NULL};
    struct server small = server_start(flags);
    static struct sp taken[PLACES];
    size_t count = 0;
    while (count < PLACES && take_place(sp_connect(small.tcp), &taken[count])) count++;
    if (count != SHARE) fail_msg("an address has %zu of %d places, expected %d", count, PLACES, SHARE);
    while (count < PLACES && take_place(sp_connect_from(small.tcp, "127.0.0.2"), &taken[count])) count++;
    if (count != PLACES - KEPT) fail_msg("all have %zu places over tcp, expected %d", count, PLACES - KEPT);
    while (count < PLACES && take_place(sp_connect(small.ipc), &taken[count])) count++;
    if (count != PLACES) fail_msg("over ipc the %zuth place is not to be had", count + 1);
    struct sp further;
    if (take_place(sp_connect(small.ipc), &further)) fail_msg("there are more places than may be");
    if (!process_await_line(small.process, PROCESS_ERRORS, "its address has as many", CLOSED_MS, NULL))
        fail_msg("an address that has its share is not logged");
    while (count > 0) sp_close(&taken[--count]);
    server_end(&small);
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

int main(void) {
#define TESTS(name) cmocka_unit_test(tcp_##name), cmocka_unit_test(ipc_##name),
    const struct CMUnitTest tests[] = {EACH(TESTS) cmocka_unit_test(connections_are_capped),
                                       cmocka_unit_test(an_address_has_its_share)};
    return cmocka_run_group_tests_name("rpc end to end: attacks", tests, start, stop);
}
