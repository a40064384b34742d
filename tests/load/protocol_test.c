/* The load generator's protocols: requests against the generated code of the contract, answers whole and in pieces. */
#include "load/protocol.h"
#include "muster/v1/presence.pb-c.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it needs. */
#include <cmocka.h>

enum { BYTES_MAX = 64 * 1024, USERS = 3 };

static struct work work_of(enum work_kind kind) {
    return (struct work){.kind = kind,
                         .scope = "room:7",
                         .token = "secret",
                         .batch = USERS,
                         .first = 41,
                         .users = 1000,
                         .is_sequential = true,
                         .ttl_ms = 90000,
                         .windows_ms = {300000, 3600000},
                         .window_count = 2};
}

/* ---- requests ---- */

static void expect_text(ProtobufCBinaryData got, const char *wanted) {
    if (got.len != strlen(wanted) || memcmp(got.data, wanted, got.len) != 0)
        fail_msg("'%.*s' instead of '%s'", (int)got.len, (const char *)got.data, wanted);
}

/* The call of one request, whose frame is checked. */
static Muster__V1__Call *call_of(const struct work *work, const struct request *request) {
    struct user_choice choice = {0};
    uint8_t *bytes = malloc(work_request_bytes_max(work));
    const size_t len = protocol_muster.write_request(work, &choice, request, bytes);
    const size_t prefix = request->is_ipc ? 1 : 0;
    if (request->is_ipc) assert_int_equal(bytes[0], 1);
    uint64_t payload = 0;
    for (size_t i = 0; i < 8; i++) payload = payload << 8 | bytes[prefix + i];
    if (payload != len - prefix - 8) fail_msg("length %" PRIu64 " of a frame of %zu bytes", payload, len);
    const uint8_t id[] = {0x80, 0, (uint8_t)(request->slot >> 8), (uint8_t)request->slot};
    assert_memory_equal(bytes + prefix + 8, id, sizeof id);
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, len - prefix - 12, bytes + prefix + 12);
    if (call == NULL) fail_msg("a request that does not decode");
    expect_text(call->token, "secret");
    free(bytes);
    return call;
}

static void writes_touches(void **state) {
    (void)state;
    const struct work work = work_of(WORK_TOUCH);
    for (int is_ipc = 0; is_ipc < 2; is_ipc++) {
        Muster__V1__Call *call = call_of(&work, &(struct request){.slot = 0x1234, .is_ipc = is_ipc != 0});
        assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_TOUCH);
        expect_text(call->touch->scope, "room:7");
        assert_int_equal(call->touch->ttl_ms, 90000);
        assert_int_equal(call->touch->n_beats, USERS);
        expect_text(call->touch->beats[0]->user, "user:000000000041");
        expect_text(call->touch->beats[2]->user, "user:000000000043");
        muster__v1__call__free_unpacked(call, NULL);
    }
}

static void writes_reads(void **state) {
    (void)state;
    struct work work = work_of(WORK_LIVE);
    Muster__V1__Call *call = call_of(&work, &(struct request){0});
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_LIVE);
    assert_int_equal(call->live->n_users, USERS);
    expect_text(call->live->users[1], "user:000000000042");
    muster__v1__call__free_unpacked(call, NULL);
    work.kind = WORK_PING;
    call = call_of(&work, &(struct request){0});
    assert_int_equal(call->live->n_users, 1);
    expect_text(call->live->users[0], "user:000000000041");
    muster__v1__call__free_unpacked(call, NULL);
    work.kind = WORK_COUNTS;
    call = call_of(&work, &(struct request){0});
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_COUNTS);
    assert_int_equal(call->counts->n_scopes, 1);
    expect_text(call->counts->scopes[0], "room:7");
    assert_int_equal(call->counts->n_windows_ms, 2);
    assert_true(call->counts->windows_ms[1] == 3600000);
    muster__v1__call__free_unpacked(call, NULL);
}

static void writes_pages(void **state) {
    (void)state;
    const struct work work = work_of(WORK_LIST);
    const struct page_token page = {.len = 4, .bytes = "next"};
    Muster__V1__Call *call = call_of(&work, &(struct request){.page = &page});
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_LIST);
    assert_int_equal(call->list->page_size, USERS);
    expect_text(call->list->page_token, "next");
    muster__v1__call__free_unpacked(call, NULL);
}

static void names_users_within_its_range(void **state) {
    (void)state;
    struct work work = work_of(WORK_TOUCH);
    struct user_choice choice = {.random = 5, .next = 998};
    static const uint64_t wanted[] = {1039, 1040, 41, 42};
    for (size_t i = 0; i < 4; i++)
        if (work_next_number(&work, &choice) != wanted[i]) fail_msg("user %zu is not %" PRIu64, i, wanted[i]);
    work.is_sequential = false;
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < 20000; i++) {
        const uint64_t number = work_next_number(&work, &choice);
        if (number < least) least = number;
        if (number > most) most = number;
    }
    if (least != 41 || most != 1040) fail_msg("%" PRIu64 " to %" PRIu64, least, most);
}

/* ---- answers ---- */

/* Reads an answer as it comes, `piece` bytes at a time, as a worker does: what is used is not given again. */
static struct answer read_in_pieces(const struct protocol *protocol, const struct work *work, const uint8_t *bytes,
                                    size_t len, size_t piece) {
    struct reading reading = {0};
    struct answer all = {0};
    size_t at = 0;
    for (size_t end = 0; end < len;) {
        end = end + piece < len ? end + piece : len;
        uint8_t *exact = malloc(end - at); /* so that a sanitizer sees what is read behind it */
        memcpy(exact, bytes + at, end - at);
        struct answer answer = {0};
        const size_t used = protocol->read_answer(work, &reading, exact, end - at, &answer);
        if (used > end - at) fail_msg("%zu bytes used of %zu", used, end - at);
        if (answer.is_done && at + used != len) fail_msg("done after %zu bytes of %zu", at + used, len);
        at += used;
        all.hits += answer.hits;
        all.is_done = answer.is_done;
        all.slot = answer.slot;
        all.page_token_len = answer.page_token_len;
        if (all.fault == FAULT_NONE) all.fault = answer.fault, all.why = answer.why;
        free(exact);
    }
    return all;
}

static size_t frame(const Muster__V1__Reply *reply, uint32_t slot, uint8_t *out) {
    const size_t len = muster__v1__reply__pack(reply, out + 12);
    for (size_t i = 0; i < 8; i++) out[i] = (uint8_t)((uint64_t)(len + 4) >> (56 - 8 * i));
    for (size_t i = 0; i < 4; i++) out[8 + i] = (uint8_t)((slot | 0x80000000u) >> (24 - 8 * i));
    return len + 12;
}

static ProtobufCBinaryData bytes_of(const char *text) {
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static size_t list_frame(uint8_t *out) {
    Muster__V1__User users[USERS], *list[USERS];
    for (int i = 0; i < USERS; i++) {
        muster__v1__user__init(&users[i]);
        users[i].user = bytes_of("user:000000000041");
        users[i].live = i != 1;
        list[i] = &users[i];
    }
    Muster__V1__ListResponse response = MUSTER__V1__LIST_RESPONSE__INIT;
    response.n_users = USERS;
    response.users = list;
    response.next_page_token = bytes_of("token");
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_LIST;
    reply.list = &response;
    return frame(&reply, 7, out);
}

static void reads_pages_in_any_pieces(void **state) {
    (void)state;
    const struct work work = work_of(WORK_LIST);
    static uint8_t bytes[BYTES_MAX];
    const size_t len = list_frame(bytes);
    for (size_t piece = 1; piece <= len; piece++) {
        const struct answer answer = read_in_pieces(&protocol_muster, &work, bytes, len, piece);
        if (!answer.is_done || answer.hits != 2 || answer.slot != 7 || answer.page_token_len != 5 ||
            answer.fault != FAULT_NONE)
            fail_msg("pieces of %zu: done %d, %" PRIu64 " hits, slot %u, fault %d", piece, answer.is_done, answer.hits,
                     answer.slot, answer.fault);
    }
}

static void reports_refusals(void **state) {
    (void)state;
    const struct work work = work_of(WORK_TOUCH);
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    static uint8_t bytes[BYTES_MAX];
    reply.code = MUSTER_INVALID_ARGUMENT;
    reply.message = bytes_of("ttl_ms: too long");
    const size_t len = frame(&reply, 0, bytes);
    const struct answer answer = read_in_pieces(&protocol_muster, &work, bytes, len, len);
    assert_int_equal(answer.fault, FAULT_REFUSED);
    assert_int_equal(answer.why.code, MUSTER_INVALID_ARGUMENT);
    assert_string_equal(answer.why.text, "ttl_ms: too long");
}

static void knows_what_is_no_answer(void **state) {
    (void)state;
    const struct work list = work_of(WORK_LIST), touch = work_of(WORK_TOUCH), echo = work_of(WORK_ECHO);
    static uint8_t bytes[BYTES_MAX];
    const size_t len = list_frame(bytes);
    /* The answer to another call, a message that is cut, a length that no answer has, and no echo. */
    assert_int_equal(read_in_pieces(&protocol_muster, &touch, bytes, len, len).fault, FAULT_MALFORMED);
    assert_int_equal(read_in_pieces(&protocol_echo, &echo, bytes, len, len).fault, FAULT_MALFORMED);
    bytes[12 + 1]++;
    assert_int_equal(read_in_pieces(&protocol_muster, &list, bytes, len, len).fault, FAULT_MALFORMED);
    memset(bytes, 0xff, 8);
    assert_int_equal(read_in_pieces(&protocol_muster, &list, bytes, len, len).fault, FAULT_MALFORMED);
}

static void speaks_redis(void **state) {
    (void)state;
    struct work work = work_of(WORK_LIVE);
    struct user_choice choice = {0};
    uint8_t bytes[1024];
    const size_t len = protocol_redis.write_request(&work, &choice, &(struct request){0}, bytes);
    static const char wanted[] = "*5\r\n$7\r\nZMSCORE\r\n$7\r\ndefault\r\n$17\r\nuser:000000000041\r\n"
                                 "$17\r\nuser:000000000042\r\n$17\r\nuser:000000000043\r\n";
    if (len != strlen(wanted) || memcmp(bytes, wanted, len) != 0) fail_msg("'%.*s'", (int)len, (const char *)bytes);
}

static void expect_redis(enum work_kind kind, const char *answer, bool is_done, uint64_t hits,
                         enum answer_fault fault) {
    const struct work work = work_of(kind);
    for (size_t piece = 1; piece <= strlen(answer); piece++) {
        const struct answer got =
            read_in_pieces(&protocol_redis, &work, (const uint8_t *)answer, strlen(answer), piece);
        if (got.is_done != is_done || got.hits != hits || got.fault != fault)
            fail_msg("'%s' in pieces of %zu: done %d, %" PRIu64 " hits, fault %d", answer, piece, got.is_done, got.hits,
                     got.fault);
    }
}

static void reads_redis_in_any_pieces(void **state) {
    (void)state;
    expect_redis(WORK_TOUCH, ":2\r\n", true, 2, FAULT_NONE);
    expect_redis(WORK_LIVE, "*3\r\n$13\r\n1700000000000\r\n$-1\r\n$1\r\n5\r\n", true, 2, FAULT_NONE);
    expect_redis(WORK_LIST, "*0\r\n", true, 0, FAULT_NONE);
    expect_redis(WORK_COUNTS, ":10\r\n:32\r\n", true, 42, FAULT_NONE);
    expect_redis(WORK_COUNTS, ":10\r\n", false, 10, FAULT_NONE);
    expect_redis(WORK_ECHO, "+PONG\r\n", true, 0, FAULT_NONE);
    expect_redis(WORK_LIVE, "*99999999999999999999999\r\n$5\r\n", false, 0, FAULT_NONE);
    expect_redis(WORK_TOUCH, ":\n", true, 0, FAULT_NONE);
    const struct work work = work_of(WORK_TOUCH);
    static const char refusal[] = "-ERR wrong type\r\n";
    const struct answer got =
        read_in_pieces(&protocol_redis, &work, (const uint8_t *)refusal, sizeof refusal - 1, sizeof refusal - 1);
    assert_int_equal(got.fault, FAULT_REFUSED);
    assert_non_null(strstr(got.why.text, "wrong type"));
}

/* ---- gRPC ---- */

enum { SLOTS = 3, FRAME_HEAD = 9 };

struct h2 {
    uint32_t streams[SLOTS];
    struct reading reading;
};

static void h2_open(struct h2 *h2) {
    *h2 = (struct h2){.reading = {.http2 = {.slots = SLOTS}}};
    h2->reading.http2.streams = h2->streams;
}

static uint32_t number_at(const uint8_t *bytes, size_t len) {
    uint32_t number = 0;
    for (size_t i = 0; i < len; i++) number = number << 8 | bytes[i];
    return number;
}

/* The message of a request's DATA frames, which are checked. */
static Muster__V1__TouchRequest *touch_of(const uint8_t *bytes, size_t len, uint32_t stream) {
    static uint8_t body[BYTES_MAX];
    size_t filled = 0;
    bool is_ended = false;
    for (size_t at = 0, payload; at < len; at += FRAME_HEAD + payload) {
        payload = number_at(bytes + at, 3);
        if (payload > 16384 || payload > len - at - FRAME_HEAD) fail_msg("a frame of %zu bytes", payload);
        if (number_at(bytes + at + 5, 4) != stream) fail_msg("a frame of stream %u", number_at(bytes + at + 5, 4));
        assert_int_equal(bytes[at + 3], at == 0 ? 1 : 0); /* HEADERS, then DATA */
        if (at == 0) continue;
        memcpy(body + filled, bytes + at + FRAME_HEAD, payload);
        filled += payload;
        is_ended = (bytes[at + 4] & 1) != 0;
    }
    if (!is_ended || body[0] != 0 || number_at(body + 1, 4) != filled - 5) fail_msg("%zu bytes of messages", filled);
    Muster__V1__TouchRequest *touch = muster__v1__touch_request__unpack(NULL, filled - 5, body + 5);
    if (touch == NULL) fail_msg("a request that does not decode");
    return touch;
}

static void writes_grpc(void **state) {
    (void)state;
    struct work work = work_of(WORK_TOUCH);
    static uint8_t bytes[2 * BYTES_MAX];
    for (uint32_t batch = 1; batch <= 1000; batch *= 10) {
        struct h2 h2;
        struct user_choice choice = {0};
        h2_open(&h2);
        work.batch = batch;
        for (uint32_t i = 0; i < 2; i++) {
            const size_t len = protocol_grpc.write_request(&work, &choice,
                                                           &(struct request){.slot = i, .reading = &h2.reading}, bytes);
            if (len > work_request_bytes_max(&work)) fail_msg("%zu bytes", len);
            Muster__V1__TouchRequest *touch = touch_of(bytes, len, 1 + 2 * i);
            assert_int_equal(touch->n_beats, batch);
            expect_text(touch->scope, "room:7");
            muster__v1__touch_request__free_unpacked(touch, NULL);
            assert_int_equal(h2.streams[i], 1 + 2 * i);
        }
    }
}

static size_t put_frame(uint8_t *out, int type, int flags, uint32_t stream, const void *payload, size_t len) {
    const uint8_t head[FRAME_HEAD] = {0, (uint8_t)(len >> 8), (uint8_t)len, (uint8_t)type, (uint8_t)flags, 0, 0,
                                      0, (uint8_t)stream};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, payload, len);
    return sizeof head + len;
}

static void reads_grpc_in_any_pieces(void **state) {
    (void)state;
    const struct work work = work_of(WORK_LIVE);
    uint8_t bytes[256], live[64] = {0};
    Muster__V1__User user = MUSTER__V1__USER__INIT, *users[] = {&user, &user};
    Muster__V1__LiveResponse response = MUSTER__V1__LIVE_RESPONSE__INIT;
    user.live = 1;
    response.n_users = 2;
    response.users = users;
    live[4] = (uint8_t)muster__v1__live_response__pack(&response, live + 5);
    size_t len = put_frame(bytes, 4, 0, 0, "", 0);              /* SETTINGS */
    len += put_frame(bytes + len, 6, 0, 0, "12345678", 8);      /* PING */
    len += put_frame(bytes + len, 1, 4, 5, "\x88", 1);          /* HEADERS */
    len += put_frame(bytes + len, 0, 0, 5, live, 5u + live[4]); /* DATA */
    len += put_frame(bytes + len, 1, 5, 5, "\xbf", 1);          /* the trailers */
    for (size_t piece = 1; piece <= len; piece++) {
        struct h2 h2;
        uint8_t control[CONTROL_BYTES_MAX];
        size_t at = 0;
        uint64_t hits = 0;
        struct answer answer = {0};
        h2_open(&h2);
        h2.streams[1] = 3, h2.streams[2] = 5;
        for (size_t end = 0; end < len && answer.fault == FAULT_NONE;) {
            end = end + piece < len ? end + piece : len;
            for (size_t used = 1; used > 0 && !answer.is_done; at += used) {
                answer = (struct answer){0};
                used = protocol_grpc.read_answer(&work, &h2.reading, bytes + at, end - at, &answer);
                hits += answer.hits;
            }
        }
        if (!answer.is_done || answer.slot != 2 || hits != 2 || at != len)
            fail_msg("pieces of %zu: done %d, slot %u, %" PRIu64 " hits", piece, answer.is_done, answer.slot, hits);
        assert_int_equal(protocol_grpc.write_control(&h2.reading, control), FRAME_HEAD + FRAME_HEAD + 8);
        assert_memory_equal(control + 2 * FRAME_HEAD, "12345678", 8);
        assert_int_equal(protocol_grpc.write_control(&h2.reading, control), 0);
    }
}

static void expect_grpc_fault(int type, int flags, const void *payload, size_t len, enum answer_fault fault) {
    const struct work work = work_of(WORK_TOUCH);
    uint8_t bytes[64];
    struct h2 h2;
    struct answer answer = {0};
    h2_open(&h2);
    h2.streams[0] = 5;
    len = put_frame(bytes, type, flags, 5, payload, len);
    (void)protocol_grpc.read_answer(&work, &h2.reading, bytes, len, &answer);
    if (answer.fault != fault || answer.is_done) fail_msg("type %d: fault %d", type, answer.fault);
}

static void reports_grpc_faults(void **state) {
    (void)state;
    expect_grpc_fault(1, 5, "\xbf", 1, FAULT_REFUSED); /* trailers without a message */
    expect_grpc_fault(3, 0, "\0\0\0\1", 4, FAULT_REFUSED);
    expect_grpc_fault(7, 0, "\0\0\0\0\0\0\0\0", 8, FAULT_REFUSED);
    expect_grpc_fault(0, 0, "\0\0\0\0\5abc", 8, FAULT_MALFORMED);
    expect_grpc_fault(0, 0, "\1\0\0\0\0", 5, FAULT_MALFORMED);
}

static void waits_for_the_window_of_grpc(void **state) {
    (void)state;
    struct work work = work_of(WORK_TOUCH);
    static uint8_t bytes[2 * BYTES_MAX];
    struct h2 h2;
    struct user_choice choice = {0};
    struct answer answer = {0};
    h2_open(&h2);
    work.batch = 1000;
    uint32_t sent = 0;
    for (; protocol_grpc.has_room(&work, &h2.reading) && sent < 10; sent++)
        (void)protocol_grpc.write_request(&work, &choice, &(struct request){.reading = &h2.reading}, bytes);
    assert_int_equal(sent, 2); /* of 65,535 bytes */
    const size_t len = put_frame(bytes, 8, 0, 0, "\0\0\x60\0", 4);
    assert_int_equal(protocol_grpc.read_answer(&work, &h2.reading, bytes, len, &answer), len);
    assert_true(protocol_grpc.has_room(&work, &h2.reading));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_touches),
        cmocka_unit_test(writes_reads),
        cmocka_unit_test(writes_pages),
        cmocka_unit_test(names_users_within_its_range),
        cmocka_unit_test(reads_pages_in_any_pieces),
        cmocka_unit_test(reports_refusals),
        cmocka_unit_test(knows_what_is_no_answer),
        cmocka_unit_test(speaks_redis),
        cmocka_unit_test(reads_redis_in_any_pieces),
        cmocka_unit_test(writes_grpc),
        cmocka_unit_test(reads_grpc_in_any_pieces),
        cmocka_unit_test(reports_grpc_faults),
        cmocka_unit_test(waits_for_the_window_of_grpc),
    };
    return cmocka_run_group_tests_name("load.protocol", tests, NULL, NULL);
}
