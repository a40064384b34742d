/* nng's envelope, against protobuf-c's reading and writing of the same messages. */
#include "muster/v1/presence.pb-c.h"
#include "net/sp/envelope.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

static struct text bytes_of(const void *data, size_t len) {
    return (struct text){data, (uint32_t)len};
}

static struct request opened(const void *call, size_t len) {
    struct request request;
    struct envelope_refusal refusal;
    if (!envelope_open(bytes_of(call, len), &request, &refusal)) fail_msg("refused: %s", refusal.message);
    return request;
}

static void expect_refused(const void *call, size_t len, const char *message) {
    struct request request;
    struct envelope_refusal refusal;
    if (envelope_open(bytes_of(call, len), &request, &refusal)) fail_msg("opened, where %s is right", message);
    assert_int_equal(refusal.response.code, MUSTER_INVALID_ARGUMENT);
    assert_int_equal(refusal.response.message.len, strlen(message));
    assert_memory_equal(refusal.response.message.data, message, strlen(message));
    assert_int_equal(refusal.response.body.len, 0);
    assert_int_equal(request.method, METHOD_NONE);
}

/* A Call of each kind with a token: what comes out is the method, the token and the body as it was written. */
static void every_call_is_opened(void **state) {
    (void)state;
    for (uint8_t number = 2; number <= 10; number++) {
        const uint8_t call[] = {(uint8_t)(number << 3 | 2), 3, 0x0a, 1, 's', 0x0a, 2, 'm', 'e'};
        struct request request = opened(call, sizeof call);
        assert_int_equal(request.method, METHOD_TOUCH + number - 2);
        assert_int_equal(request.body.len, 3);
        assert_ptr_equal(request.body.data, call + 2);
        assert_int_equal(request.token.len, 2);
        assert_ptr_equal(request.token.data, call + 7);
        assert_int_equal(request.stalled_ms, 0);
    }
}

static void what_is_no_call_is_refused(void **state) {
    (void)state;
    static const char broken[] = "message: is no muster.v1.Call, does not decode";
    expect_refused("\x12\x20\x0a", 3, broken);                                  /* cut off */
    expect_refused("\xff\xff\xff\xff", 4, broken);                              /* a tag without an end */
    expect_refused("\x10\x01", 2, broken);                                      /* Touch as a number */
    expect_refused("\x0b\x0c", 2, broken);                                      /* a group */
    expect_refused("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, broken); /* a length of 2^64 - 1 */
    char *large = calloc(1, MUSTER_MESSAGE_BYTES_MAX + 1);
    expect_refused(large, MUSTER_MESSAGE_BYTES_MAX + 1, "message: 1048577 bytes, at most 1048576");
    free(large);
}

static void the_last_of_several_counts(void **state) {
    (void)state;
    static const uint8_t call[] = {0x0a, 1, 'a', 0x12, 2, 0x0a, 0, 0x22, 1, 'x', 0x0a, 1, 'b', 0x22, 2, 'y', 'z'};
    struct request request = opened(call, sizeof call);
    assert_int_equal(request.method, METHOD_LIVE);
    assert_memory_equal(request.body.data, "yz", 2);
    assert_int_equal(request.body.len, 2);
    assert_int_equal(request.token.len, 1);
    assert_memory_equal(request.token.data, "b", 1);
}

static void unknown_fields_are_ignored_beside_a_call(void **state) {
    (void)state;
    assert_int_equal(opened("", 0).method, METHOD_NONE);
    assert_int_equal(opened("\x0a\x01t", 3).method, METHOD_NONE);
    assert_int_equal(opened("\xfa\x01\x00", 3).method, METHOD_UNKNOWN);
    assert_int_equal(opened("\x52\x00\xfa\x01\x00", 5).method, METHOD_NODES);
    assert_int_equal(opened("\xfa\x01\x00\x52\x00", 5).method, METHOD_NODES);
    assert_int_equal(opened("\xa0\x06\x01\xa5\x06....\xa1\x06........\x52\x00", 21).method, METHOD_NODES);
}

static Muster__V1__Reply *closed(enum method method, const struct response *response) {
    uint8_t reply[ENVELOPE_HEAD_BYTES_MAX + 512];
    size_t len = envelope_head(method, response, reply);
    if (len > ENVELOPE_HEAD_BYTES_MAX) fail_msg("a head of %zu bytes", len);
    if (response->body.len > 0) memcpy(reply + len, response->body.data, response->body.len);
    Muster__V1__Reply *out = muster__v1__reply__unpack(NULL, len + response->body.len, reply);
    if (out == NULL) fail_msg("the reply does not decode");
    return out;
}

static void every_response_is_a_reply(void **state) {
    (void)state;
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        for (int is_empty = 0; is_empty < 2; is_empty++) {
            /* A field that no response knows: it must come through as it is. */
            const struct response response = {.body = bytes_of("\xa2\x06\x03"
                                                               "abc",
                                                               is_empty ? 0 : 6)};
            Muster__V1__Reply *reply = closed((enum method)method, &response);
            assert_int_equal(reply->code, 0);
            assert_int_equal(reply->response_case, MUSTER__V1__REPLY__RESPONSE_TOUCH + method - METHOD_TOUCH);
            assert_int_equal(reply->touch->base.n_unknown_fields, is_empty ? 0 : 1);
            muster__v1__reply__free_unpacked(reply, NULL);
        }
    }
}

static void a_refusal_is_a_reply(void **state) {
    (void)state;
    char message[RESPONSE_MESSAGE_BYTES_MAX];
    memset(message, 'm', sizeof message);
    const enum muster_code codes[] = {MUSTER_INVALID_ARGUMENT, MUSTER_UNAVAILABLE};
    for (size_t i = 0; i < 2; i++) {
        const struct response response = {.code = codes[i], .message = bytes_of(message, sizeof message)};
        Muster__V1__Reply *reply = closed(METHOD_NONE, &response);
        assert_int_equal(reply->code, codes[i]);
        assert_int_equal(reply->message.len, sizeof message);
        assert_int_equal(reply->response_case, MUSTER__V1__REPLY__RESPONSE__NOT_SET);
        muster__v1__reply__free_unpacked(reply, NULL);
    }
}

/* Whatever is opened, protobuf-c reads alike; over random fields, most of them well made. */
static void random_calls_are_read_as_protobuf_c_reads_them(void **state) {
    (void)state;
    enum { ROUNDS = 200000 };
    struct random random = random_of(2026);
    unsigned opened_count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t call[64];
        size_t len = 0;
        for (uint64_t fields = random_below(&random, 5); fields > 0; fields--) {
            uint8_t number = (uint8_t)random_below(&random, 15);
            size_t bytes = random_below(&random, 6);
            call[len++] = (uint8_t)(number << 3 | (random_chance(&random, 1, 8) ? random_below(&random, 8) : 2));
            call[len++] = (uint8_t)(random_chance(&random, 1, 16) ? random_below(&random, 256) : bytes);
            for (size_t i = 0; i < bytes; i++) call[len++] = (uint8_t)random_below(&random, 256);
        }
        struct request request;
        struct envelope_refusal refusal;
        if (!envelope_open(bytes_of(call, len), &request, &refusal)) continue;
        Muster__V1__Call *decoded = muster__v1__call__unpack(NULL, len, call);
        if (decoded == NULL) continue; /* a body that does not decode: the call's own affair */
        opened_count++;
        int number = request.method >= METHOD_TOUCH ? (int)(request.method - METHOD_TOUCH) + 2 : 0;
        if (number != (int)decoded->request_case)
            fail_msg("round %d: field %d, not %d", round, number, decoded->request_case);
        if (request.token.len != decoded->token.len ||
            (request.token.len > 0 && memcmp(request.token.data, decoded->token.data, request.token.len) != 0))
            fail_msg("round %d: another token", round);
        if (number != 0) {
            uint8_t again[64];
            size_t size = protobuf_c_message_pack(&decoded->touch->base, again);
            ProtobufCMessage *body = protobuf_c_message_unpack(decoded->touch->base.descriptor, NULL, request.body.len,
                                                               (const uint8_t *)request.body.data);
            uint8_t ours[64];
            if (body == NULL || protobuf_c_message_pack(body, ours) != size || memcmp(ours, again, size) != 0)
                fail_msg("round %d: another body", round);
            protobuf_c_message_free_unpacked(body, NULL);
        }
        muster__v1__call__free_unpacked(decoded, NULL);
    }
    if (opened_count < ROUNDS / 20) fail_msg("only %u of %d calls were compared", opened_count, ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_opened),
        cmocka_unit_test(what_is_no_call_is_refused),
        cmocka_unit_test(the_last_of_several_counts),
        cmocka_unit_test(unknown_fields_are_ignored_beside_a_call),
        cmocka_unit_test(every_response_is_a_reply),
        cmocka_unit_test(a_refusal_is_a_reply),
        cmocka_unit_test(random_calls_are_read_as_protobuf_c_reads_them),
    };
    return cmocka_run_group_tests_name("net envelope", tests, NULL, NULL);
}
