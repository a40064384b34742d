/* The same conversation, cut and merged at every boundary: TCP keeps no boundaries, and gRPC's messages keep none of
 * DATA frames (PROTOCOL-HTTP2.md, "Data frame boundaries have no relation to message boundaries"). */
#include "rig.h"
#include "support/hpack.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { RANDOM_RUNS = 300, UNKNOWN_TYPE = 0xbb };

/* What a client sends from its preface on, on the streams 1 to 11. */
struct recording {
    uint8_t *bytes;
    size_t len;
};

static void record_unary(struct h2 *h2) {
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_send_frame(h2, id, text_of("hello"), H2_END_STREAM);
}

/* Three messages in one DATA frame, one of them empty; one message over seven frames, some of them empty; an empty
 * frame at the end. */
static void record_stream(struct h2 *h2) {
    static const char merged[] = "\0\0\0\0\003one\0\0\0\0\0\0\0\0\0\005three";
    static const char split[] = "\0\0\0\0\010splitted";
    static const size_t pieces[] = {1, 0, 3, 2, 0, 4, 3};
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_STREAM}, 0);
    h2_write_frame(h2, H2_DATA, 0, id, merged, sizeof merged - 1);
    size_t at = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        h2_write_frame(h2, H2_DATA, 0, id, split + at, pieces[i]);
        at += pieces[i];
    }
    grpc_half_close(h2, id);
}

/* It ends by trailers. */
static void record_trailers(struct h2 *h2) {
    static const struct h2_field trailer = {"x-trailer", "of a client"};
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_send_frame(h2, id, text_of("with trailers"), 0);
    h2_write_headers(h2, H2_END_STREAM, id, &trailer, 1);
}

/* HEADERS with padding and a priority, and CONTINUATIONs, one of them empty; DATA with padding. */
static void record_padded(struct h2 *h2) {
    struct hpack block = {.len = 0};
    hpack_request(&block, ECHO_COLLECT);
    uint32_t id = h2_new_stream(h2);
    size_t first = 20, second = block.len - 30;
    uint8_t padded[64] = {7, 0, 0, 0, 0, 15};
    memcpy(padded + 6, block.bytes, first);
    h2_write_frame(h2, H2_HEADERS, H2_PADDED | H2_HAS_PRIORITY, id, padded, 6 + first + 7);
    h2_write_frame(h2, H2_CONTINUATION, 0, id, block.bytes + first, second - first);
    h2_write_frame(h2, H2_CONTINUATION, 0, id, NULL, 0);
    h2_write_frame(h2, H2_CONTINUATION, H2_END_HEADERS, id, block.bytes + second, block.len - second);
    static const char data[] = "\003\0\0\0\0\002ab\0\0\0\0\001c\0\0\0", only_padding[] = "\004\0\0\0\0";
    h2_write_frame(h2, H2_DATA, H2_PADDED, id, data, sizeof data - 1);
    h2_write_frame(h2, H2_DATA, H2_PADDED, id, only_padding, sizeof only_padding - 1);
    h2_write_frame(h2, H2_DATA, H2_PADDED | H2_END_STREAM, id, "\001\0", 2);
    hpack_free(&block);
}

/* No message at all, and END_STREAM on HEADERS. */
static void record_nothing(struct h2 *h2) {
    grpc_begin(h2, &(struct grpc_request){.path = ECHO_COLLECT}, H2_END_STREAM);
}

static void record_later(struct h2 *h2) {
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_LATER}, 0);
    grpc_send_frame(h2, id, text_of("in the commit"), H2_END_STREAM);
}

static struct recording record(void) {
    struct recording recording;
    struct h2 *h2 = h2_of(-1, NULL, NULL);
    h2_hold(h2);
    h2_write(h2, H2_PREFACE, H2_PREFACE_BYTES);
    h2_write_settings(h2, (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}, 1);
    record_unary(h2);
    record_stream(h2);
    h2_write_ping(h2, 7);
    record_trailers(h2);
    h2_write_frame(h2, UNKNOWN_TYPE, 0xff, 0, "ignored", 7);
    record_padded(h2);
    h2_write_frame(h2, H2_PRIORITY, 0, 99, "\0\0\0\0\020", 5);
    h2_write_window(h2, 0, 1000);
    record_nothing(h2);
    record_later(h2);
    recording.bytes = h2_take_held(h2, &recording.len);
    h2_close(h2);
    return recording;
}

static void expect_answer(struct h2 *h2, uint32_t id, const char *const *messages, size_t count, const char *how) {
    if (!h2_await_stream_end(h2, id, 0))
        fail_msg("%s: stream %u is not answered (GOAWAY: %u, error %u '%s')", how, id, h2->goaways, h2->goaway_error,
                 h2->goaway_debug);
    struct grpc_result result = grpc_result(h2, id);
    if (result.http_status != 200 || result.code != 0 || result.messages != count)
        fail_msg("%s: stream %u: HTTP %d, status %d '%s', %zu messages; expected %zu", how, id, result.http_status,
                 result.code, result.message, result.messages, count);
    for (size_t i = 0; i < count; i++) {
        struct text message;
        grpc_message_at(h2, id, i, &message);
        if (!text_equal(message, text_of(messages[i])))
            fail_msg("%s: stream %u: message %zu is '%.*s', expected '%s'", how, id, i, (int)message.len, message.data,
                     messages[i]);
    }
}

static void expect_answers(struct h2 *h2, const char *how) {
    static const char *const stream[] = {"one", "", "three", "splitted"};
    expect_answer(h2, 1, (const char *[]){"hello"}, 1, how);
    expect_answer(h2, 3, stream, 4, how);
    expect_answer(h2, 5, (const char *[]){"with trailers"}, 1, how);
    expect_answer(h2, 7, (const char *[]){"2 3"}, 1, how);
    expect_answer(h2, 9, (const char *[]){"0 0"}, 1, how);
    expect_answer(h2, 11, (const char *[]){"in the commit"}, 1, how);
    if (h2->pongs != 1 || h2->goaways != 0)
        fail_msg("%s: %u pongs, %u GOAWAYs, expected 1 and 0", how, h2->pongs, h2->goaways);
}

/* Sends the recording in pieces, with turns in between; next(at) says how long the piece at `at` is. */
static void converse(struct rig *rig, const struct recording *recording, size_t (*next)(void *context, size_t at),
                     void *context, const char *how) {
    struct h2 *h2 = rig_connect(rig);
    for (size_t at = 0; at < recording->len;) {
        size_t len = next(context, at);
        if (len > recording->len - at) len = recording->len - at;
        if (!h2_write(h2, recording->bytes + at, len)) {
            h2_read_all(h2);
            fail_msg("%s: the server is gone at byte %zu (GOAWAY: %u, error %u '%s')", how, at, h2->goaways,
                     h2->goaway_error, h2->goaway_debug);
        }
        rig_turn(rig, 1);
        at += len;
    }
    expect_answers(h2, how);
    h2_close(h2);
    rig_turn(rig, 2);
}

static size_t next_all(void *context, size_t at) {
    (void)context, (void)at;
    return SIZE_MAX;
}

static size_t next_byte(void *context, size_t at) {
    (void)context, (void)at;
    return 1;
}

static size_t next_cut(void *context, size_t at) {
    const size_t *cut = context;
    return at < *cut ? *cut : SIZE_MAX;
}

static size_t next_random(void *context, size_t at) {
    (void)at;
    return 1 + (size_t)random_below(context, 60);
}

static struct rig rig;
static struct recording recording;

static void all_at_once(void **state) {
    (void)state;
    converse(&rig, &recording, next_all, NULL, "all at once");
}

static void each_byte_alone(void **state) {
    (void)state;
    converse(&rig, &recording, next_byte, NULL, "each byte alone");
}

static void cut_at_every_byte(void **state) {
    (void)state;
    for (size_t cut = 1; cut < recording.len; cut++) {
        char how[40];
        snprintf(how, sizeof how, "cut at byte %zu", cut);
        converse(&rig, &recording, next_cut, &cut, how);
    }
}

static void cut_anywhere(void **state) {
    (void)state;
    uint64_t seed = random_number_from_environment("MUSTER_TEST_SEED", random_fresh_seed());
    struct random random = random_of(seed);
    char how[64];
    snprintf(how, sizeof how, "cut anywhere, MUSTER_TEST_SEED=%llu", (unsigned long long)seed);
    for (int run = 0; run < RANDOM_RUNS; run++) converse(&rig, &recording, next_random, &random, how);
}

/* A message with the largest padding, one byte in each frame. */
static void one_byte_a_frame_with_padding(void **state) {
    (void)state;
    static const char message[] = "\0\0\0\0\006padded";
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    for (size_t i = 0; i < sizeof message - 1; i++) {
        uint8_t frame[257] = {255, (uint8_t)message[i]};
        h2_write_frame(h2, H2_DATA, i + 2 == sizeof message ? H2_PADDED | H2_END_STREAM : H2_PADDED, id, frame, 257);
    }
    expect_answer(h2, id, (const char *[]){"padded"}, 1, "one byte a frame");
    h2_close(h2);
}

/* A thousand messages that one frame holds. */
static void many_messages_in_one_frame(void **state) {
    (void)state;
    enum { MESSAGES = 1000, EACH = GRPC_PREFIX + 10 };
    struct h2 *h2 = rig_greet(&rig);
    uint8_t *frame = calloc(MESSAGES, EACH);
    for (size_t i = 0; i < MESSAGES; i++) frame[i * EACH + 4] = EACH - GRPC_PREFIX;
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_STREAM}, 0);
    h2_write_frame(h2, H2_DATA, H2_END_STREAM, id, frame, (size_t)MESSAGES * EACH);
    free(frame);
    if (!h2_await_stream_end(h2, id, 0)) fail_msg("a thousand messages in a frame are not answered");
    struct grpc_result result = grpc_result(h2, id);
    if (result.code != 0 || result.messages != MESSAGES)
        fail_msg("status %d, %zu messages; expected 0 and %d", result.code, result.messages, MESSAGES);
    h2_close(h2);
}

static int start(void **state) {
    (void)state;
    rig_open(&rig, NULL);
    recording = record();
    return 0;
}

static int stop(void **state) {
    (void)state;
    free(recording.bytes);
    rig_close(&rig);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(each_byte_alone),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(one_byte_a_frame_with_padding),
        cmocka_unit_test(many_messages_in_one_frame),
    };
    return cmocka_run_group_tests_name("gRPC: frames, cut and merged", tests, start, stop);
}
