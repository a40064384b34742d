/* What would cost memory, or time, out of proportion: bombs of HPACK and gzip, lengths that are only announced,
 * messages and headers that never end, answers that nobody reads, many connections. Each is bounded by a named limit,
 * and others are served meanwhile. */
#include "attack.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "net/loop.h"
#include "net/stream.h"
#include "support/hpack.h"
#include "support/request_builder.h"
#include "support/wait.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <zlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* The server's own and malloc's; a sanitizer keeps what was freed. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SLACK_BYTES = 400 << 20 };
#else
enum { SLACK_BYTES = 16 << 20 };
#endif
enum { SMALL_BYTES = SLACK_BYTES, LARGE_BYTES = LOOPS_BYTES_MAX + 2 * SLACK_BYTES, SOON_MS = 20000 };

static struct server server;
static struct attack attack;

static void begin(const char *name) {
    attack_begin(&attack, &server, name);
}

static void expect_status(struct h2 *h2, uint32_t id, int code, const char *what) {
    if (!h2_await_stream_end(h2, id, SOON_MS)) fail_msg("%s: the call does not end", what);
    const struct grpc_result result = grpc_result(h2, id);
    if (result.code != code) fail_msg("%s: status %d '%s', expected %d", what, result.code, result.message, code);
}

/* ---- HPACK ---- */

/* A field of 3,900 bytes enters the dynamic table, and is then meant by each of so many bytes. */
static uint32_t send_bomb(struct h2 *h2, size_t references) {
    enum { VALUE_BYTES = 3900 };
    static char value[VALUE_BYTES + 1];
    struct hpack block = {.len = 0};
    uint32_t id = h2_new_stream(h2);
    memset(value, 'v', VALUE_BYTES);
    hpack_request(&block, ATTACK_CALL);
    hpack_field(&block, HPACK_INDEXED, "x-bomb", value);
    for (size_t i = 0; i < references && block.len < H2_FRAME_BYTES - 1; i++) hpack_reference(&block, 62);
    h2_write_frame(h2, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, id, block.bytes, block.len);
    hpack_free(&block);
    return id;
}

/* 4 MB of headers. */
static void send_hpack_bomb(struct h2 *h2, unsigned round) {
    (void)round;
    send_bomb(h2, 1000);
}

/* A megabyte is refused, and the connection goes on; 48 MB in 16 kB are too much at once, and so are many bombs. */
static void hpack_bombs_are_refused(void **state) {
    (void)state;
    begin("HPACK bombs");
    struct h2 *h2 = h2_open(server.grpc);
    expect_status(h2, send_bomb(h2, 250), MUSTER_RESOURCE_EXHAUSTED, "an HPACK bomb");
    expect_status(h2, send_bomb(h2, 250), MUSTER_RESOURCE_EXHAUSTED, "another");
    attack_ask_bystander(&attack);
    send_bomb(h2, H2_FRAME_BYTES);
    if (!h2_await_end(h2, SOON_MS) || h2->goaways == 0 || h2->goaway_error != NGHTTP2_ENHANCE_YOUR_CALM)
        fail_msg("48 MB of headers: %u GOAWAYs, error %u", h2->goaways, h2->goaway_error);
    h2_close(h2);
    attack_until_calmed(&attack, send_hpack_bomb, 200);
    attack_end(&attack, SMALL_BYTES);
}

/* ---- messages ---- */

static void announced_lengths_cost_nothing(void **state) {
    (void)state;
    static const char *const paths[] = {"/muster.v1.Presence/Touch", ATTACK_CALL, ATTACK_WATCH};
    begin("4 GiB in a prefix");
    struct h2 *h2 = h2_open(server.grpc);
    for (int i = 0; i < 200; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = paths[i % 3]}, 0);
        h2_write_frame(h2, H2_DATA, 0, id, "\0\xff\xff\xff\xff", 5);
        expect_status(h2, id, MUSTER_RESOURCE_EXHAUSTED, "4 GiB in a prefix");
        h2_forget(h2, id);
    }
    attack_ask_bystander(&attack);
    h2_close(h2);
    attack_end(&attack, SMALL_BYTES);
}

static size_t make_gzip_bomb(uint8_t *out, size_t size) {
    static uint8_t zeros[1 << 16];
    z_stream stream = {.next_out = out, .avail_out = (uInt)size};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    while (stream.avail_out > 4096) {
        stream.next_in = zeros;
        stream.avail_in = sizeof zeros;
        deflate(&stream, Z_NO_FLUSH);
    }
    deflateEnd(&stream);
    return size - stream.avail_out;
}

static void gzip_bombs_are_refused(void **state) {
    (void)state;
    enum { BOMB_BYTES = 1000000 }; /* a gigabyte of zeros */
    uint8_t *bomb = malloc(BOMB_BYTES);
    if (bomb == NULL) abort();
    const struct text message = {(char *)bomb, (uint32_t)make_gzip_bomb(bomb, BOMB_BYTES)};
    begin("gzip bombs");
    struct h2 *h2 = h2_open(server.grpc);
    for (int i = 0; i < 20; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ATTACK_CALL, .encoding = "gzip"}, 0);
        grpc_send_flagged(h2, id, 1, message, H2_END_STREAM);
        expect_status(h2, id, MUSTER_RESOURCE_EXHAUSTED, "a gzip bomb");
        attack_ask_bystander(&attack);
    }
    h2_close(h2);
    free(bomb);
    attack_end(&attack, SMALL_BYTES);
}

/* As many calls as a connection may have, each with all of a message but its last byte: four times what all connections
 * may own. */
static void partial_messages_are_bounded(void **state) {
    (void)state;
    enum { CONNECTIONS = 4, PIECE = 16000, PIECES = 60 };
    static const uint8_t prefix[GRPC_PREFIX] = {0, 0, 0x0f, 0xff, 0xff};
    static uint8_t bytes[PIECE];
    struct h2 *h2[CONNECTIONS];
    begin("partial messages");
    for (int c = 0; c < CONNECTIONS; c++) {
        h2[c] = h2_open(server.grpc);
        for (int i = 0; i < MUSTER_GRPC_STREAMS_MAX / 4; i++) {
            uint32_t id = grpc_begin(h2[c], &(struct grpc_request){.path = "/muster.v1.Presence/Touch"}, 0);
            h2_write_frame(h2[c], H2_DATA, 0, id, prefix, sizeof prefix);
        }
    }
    /* Frame by frame, as the windows allow; who is refused stays so. */
    for (int piece = 0; piece < PIECES; piece++) {
        for (int c = 0; c < CONNECTIONS; c++) {
            for (uint32_t id = 1; id < h2[c]->next_stream && !h2[c]->is_ended; id += 2) {
                struct h2_stream *stream = h2_stream(h2[c], id);
                if (h2[c]->window < PIECE || stream->window < PIECE) h2_round_trip(h2[c], SOON_MS);
                if (h2[c]->window < PIECE || stream->window < PIECE || stream->has_ended) continue;
                if (!h2_write_frame(h2[c], H2_DATA, 0, id, bytes, PIECE)) break;
            }
        }
        attack_ask_bystander(&attack);
    }
    for (int c = 0; c < CONNECTIONS; c++) h2_close(h2[c]);
    attack_end(&attack, LARGE_BYTES);
}

/* Calls whose headers came, all that they may be, and whose message does not: more of them than all connections may
 * own. The values are sent in full each time: what HPACK shares costs the server nothing either. */
static void headers_without_a_message_are_bounded(void **state) {
    (void)state;
    enum { CONNECTIONS = 40, VALUE_BYTES = 15000 };
    static char value[VALUE_BYTES + 1];
    struct h2 *h2[CONNECTIONS];
    struct hpack block = {.len = 0};
    memset(value, 'v', VALUE_BYTES);
    hpack_request(&block, "/muster.v1.Presence/Touch");
    hpack_field(&block, HPACK_PLAIN, "x-large", value);
    begin("headers without a message");
    for (int c = 0; c < CONNECTIONS; c++) {
        h2[c] = h2_open(server.grpc);
        for (int i = 0; i < MUSTER_GRPC_STREAMS_MAX - 6; i++)
            if (!h2_write_frame(h2[c], H2_HEADERS, H2_END_HEADERS, h2_new_stream(h2[c]), block.bytes, block.len)) break;
        attack_ask_bystander(&attack);
    }
    for (int c = 0; c < CONNECTIONS; c++) h2_close(h2[c]);
    hpack_free(&block);
    attack_end(&attack, LARGE_BYTES);
}

/* ---- slowness ---- */

static void slow_connections_hold_up_nobody(void **state) {
    (void)state;
    enum { EACH = 60, KINDS = 4 };
    struct h2 *slow[KINDS][EACH];
    struct hpack block = {.len = 0};
    hpack_request(&block, ATTACK_CALL);
    begin("slow connections");
    for (int i = 0; i < EACH; i++) {
        slow[0][i] = h2_connect(server.grpc); /* a preface that stops */
        h2_write(slow[0][i], H2_PREFACE, (size_t)i % H2_PREFACE_BYTES);
        slow[1][i] = h2_open(server.grpc); /* headers that stop, within a frame and between two */
        h2_write_header(slow[1][i], block.len, H2_HEADERS, i % 2 == 0 ? H2_END_HEADERS : 0, 1);
        h2_write(slow[1][i], block.bytes, i % 2 == 0 ? block.len - 1 : block.len);
        slow[2][i] = h2_open(server.grpc); /* a message that stops */
        uint32_t id = grpc_begin(slow[2][i], &(struct grpc_request){.path = ATTACK_CALL}, 0);
        h2_write_frame(slow[2][i], H2_DATA, 0, id, "\0\0\0\1\0x", 6);
        slow[3][i] = h2_open(server.grpc); /* a message that does not begin */
        grpc_begin(slow[3][i], &(struct grpc_request){.path = ATTACK_CALL}, 0);
        attack_ask_bystander(&attack);
    }
    /* A byte each, again and again. */
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < EACH; i++) h2_write_frame(slow[2][i], H2_DATA, 0, 1, "x", 1);
        attack_ask_bystander(&attack);
    }
    hpack_free(&block);
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < EACH; i++) h2_close(slow[kind][i]);
    attack_end(&attack, SMALL_BYTES);
}

/* ---- clients that do not read ---- */

static void fill_scope(void) {
    struct request_builder builder;
    builder_touch(&builder, "crowd");
    for (size_t i = 0; i < 10000; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, "a-user-", i);
    size_t len = muster__v1__touch_request__get_packed_size(&builder.touch);
    uint8_t *bytes = malloc(len);
    if (bytes == NULL) abort();
    muster__v1__touch_request__pack(&builder.touch, bytes);
    builder_free(&builder);
    struct h2 *h2 = h2_open(server.grpc);
    const struct grpc_result result = grpc_ask(h2, &(struct grpc_request){.path = "/muster.v1.Presence/Touch"},
                                               (struct text){(char *)bytes, (uint32_t)len}, NULL);
    if (result.code != 0) fail_msg("10,000 beats: status %d '%s'", result.code, result.message);
    h2_close(h2);
    free(bytes);
}

static size_t pack_list(uint8_t *out) {
    struct request_builder builder;
    builder_list(&builder, "crowd");
    builder.list.page_size = 10000;
    size_t len = muster__v1__list_request__pack(&builder.list, out);
    builder_free(&builder);
    return len;
}

/* Asks for as many pages of 10,000 users as may be, with windows that are shut or wide open, and reads nothing. */
static struct h2 *ask_greedily(uint32_t window) {
    uint8_t list[64];
    const struct text message = {(char *)list, (uint32_t)pack_list(list)};
    int small = 4096;
    struct h2 *h2 = h2_open(server.grpc);
    setsockopt(h2->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    h2->keeps_windows = h2->never_reads = true;
    h2_write_settings(h2, (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}}, 1);
    if (window > 0) h2_write_window(h2, 0, window);
    h2_hold(h2);
    for (int i = 0; i < MUSTER_GRPC_STREAMS_MAX; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = "/muster.v1.Presence/List"}, 0);
        grpc_send_frame(h2, id, message, H2_END_STREAM);
    }
    h2_release(h2);
    return h2;
}

static bool is_hung_up(const struct h2 *h2) {
    struct pollfd poll_fd = {.fd = h2->fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, 200) > 0;
}

/* They must be given up: their connections end, though they read nothing. */
static void ask_and_never_read(const char *name, uint32_t window) {
    enum { CLIENTS = 6 };
    struct h2 *greedy[CLIENTS];
    begin(name);
    for (int c = 0; c < CLIENTS; c++) {
        greedy[c] = ask_greedily(window);
        attack_ask_bystander(&attack);
    }
    const uint64_t until_ms = wait_now_ms() + ATTACK_CLOSED_MS;
    for (int c = 0; c < CLIENTS; c++) {
        while (!is_hung_up(greedy[c])) {
            if (wait_now_ms() >= until_ms) fail_msg("%s: client %d, which reads nothing, is kept", name, c);
            attack_ask_bystander(&attack);
        }
        h2_close(greedy[c]);
    }
    attack_end(&attack, LARGE_BYTES);
}

static void shut_windows_are_given_up(void **state) {
    (void)state;
    fill_scope();
    ask_and_never_read("shut windows", 0);
}

static void sockets_that_nobody_reads_are_given_up(void **state) {
    (void)state;
    ask_and_never_read("unread sockets", 1 << 30);
}

/* ---- many connections ---- */

static void many_connections_with_a_watch_each(void **state) {
    (void)state;
    enum { CONNECTIONS = 500, EACH_BYTES = 64 << 10 };
    static struct h2 *h2[CONNECTIONS];
    begin("500 connections with a watch each");
    for (int i = 0; i < CONNECTIONS; i++) {
        h2[i] = h2_open(server.grpc);
        uint32_t id = grpc_begin(h2[i], &(struct grpc_request){.path = ATTACK_WATCH}, 0);
        grpc_send(h2[i], id, (struct text){"", 0}, H2_END_STREAM);
        if (i % 10 == 0) attack_ask_bystander(&attack);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        if (!grpc_await_messages(h2[i], 1, 1, SOON_MS)) fail_msg("watch %d is not answered", i);
    attack_ask_bystander(&attack);
    for (int i = 0; i < CONNECTIONS; i++) h2_close(h2[i]);
    attack_end(&attack, (size_t)CONNECTIONS * EACH_BYTES + SLACK_BYTES);
}

static int start(void **state) {
    (void)state;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    server = attack_server_start((const char *const[]){"--max-connections", "4000", NULL});
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hpack_bombs_are_refused),
        cmocka_unit_test(announced_lengths_cost_nothing),
        cmocka_unit_test(gzip_bombs_are_refused),
        cmocka_unit_test(partial_messages_are_bounded),
        cmocka_unit_test(headers_without_a_message_are_bounded),
        cmocka_unit_test(slow_connections_hold_up_nobody),
        cmocka_unit_test(shut_windows_are_given_up),
        cmocka_unit_test(sockets_that_nobody_reads_are_given_up),
        cmocka_unit_test(many_connections_with_a_watch_each),
    };
    return cmocka_run_group_tests_name("gRPC: bombs and burdens", tests, start, stop);
}
