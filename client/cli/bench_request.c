#include "bench_request.h"

#include "memory.h"
#include "muster/v1/presence.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char first_user[] = "user:000000000000";
_Static_assert(sizeof first_user - 1 == BENCH_USER_BYTES, "ids are 17 bytes");
enum { DIGITS = 12, USER_FIELD_BYTES = 2 + BENCH_USER_BYTES, BEAT_FIELD_BYTES = 2 + USER_FIELD_BYTES };

static ProtobufCBinaryData bytes_of(const char *text) {
    return (ProtobufCBinaryData){text == NULL ? 0 : strlen(text), (uint8_t *)(uintptr_t)text};
}

/* Packs a call behind the frame's header. */
static void pack(struct bench_request *r, Muster__V1__Call *call, const struct bench_plan *plan, bool is_ipc,
                 uint32_t id) {
    const size_t header = (is_ipc ? 1 : 0) + WIRE_LENGTH_BYTES + WIRE_ID_BYTES;
    call->token = bytes_of(plan->token);
    const size_t message = plan->call == BENCH_ECHO ? BENCH_ECHO_BYTES : muster__v1__call__get_packed_size(call);
    r->len = header + message;
    r->bytes = memory_grow(r->bytes, r->len, 1);
    uint8_t *at = r->bytes;
    if (is_ipc) *at++ = 1;
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = (uint8_t)((uint64_t)(message + WIRE_ID_BYTES) >> shift);
    for (int shift = 24; shift >= 0; shift -= 8) *at++ = (uint8_t)((id | 0x80000000u) >> shift);
    if (plan->call == BENCH_ECHO) memset(at, 'e', message);
    else (void)muster__v1__call__pack(call, at);
}

/* Users are all packed as number 0, one behind the other at the end of the message, `stride` bytes apart. */
static void find_digits(struct bench_request *r, uint32_t count, size_t stride) {
    r->digits = memory_new(count * sizeof *r->digits);
    r->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const size_t end = r->len - (count - 1 - i) * stride;
        if (memcmp(r->bytes + end - BENCH_USER_BYTES, first_user, BENCH_USER_BYTES) != 0) abort();
        r->digits[i] = (uint32_t)(end - DIGITS);
    }
}

static void make_touch(struct bench_request *r, const struct bench_plan *plan, bool is_ipc, uint32_t id) {
    Muster__V1__Beat beat = MUSTER__V1__BEAT__INIT;
    Muster__V1__Beat **beats = memory_new(plan->batch * sizeof *beats);
    Muster__V1__TouchRequest touch = MUSTER__V1__TOUCH_REQUEST__INIT;
    Muster__V1__Call call = MUSTER__V1__CALL__INIT;
    beat.user = bytes_of(first_user);
    for (uint32_t i = 0; i < plan->batch; i++) beats[i] = &beat;
    touch.scope = bytes_of(plan->scope);
    touch.ttl_ms = plan->ttl_ms;
    touch.n_beats = plan->batch;
    touch.beats = beats;
    call.request_case = MUSTER__V1__CALL__REQUEST_TOUCH;
    call.touch = &touch;
    pack(r, &call, plan, is_ipc, id);
    free(beats);
    find_digits(r, plan->batch, BEAT_FIELD_BYTES);
}

/* Also a ping, which asks for one user who does not change. */
static void make_live(struct bench_request *r, const struct bench_plan *plan, bool is_ipc, uint32_t id) {
    const uint32_t count = plan->call == BENCH_PING ? 1 : plan->batch;
    ProtobufCBinaryData *users = memory_new(count * sizeof *users);
    Muster__V1__LiveRequest live = MUSTER__V1__LIVE_REQUEST__INIT;
    Muster__V1__Call call = MUSTER__V1__CALL__INIT;
    for (uint32_t i = 0; i < count; i++) users[i] = bytes_of(first_user);
    live.scope = bytes_of(plan->scope);
    live.n_users = count;
    live.users = users;
    call.request_case = MUSTER__V1__CALL__REQUEST_LIVE;
    call.live = &live;
    pack(r, &call, plan, is_ipc, id);
    free(users);
    if (plan->call == BENCH_LIVE) find_digits(r, count, USER_FIELD_BYTES);
}

static void make_counts(struct bench_request *r, const struct bench_plan *plan, bool is_ipc, uint32_t id) {
    Muster__V1__CountsRequest counts = MUSTER__V1__COUNTS_REQUEST__INIT;
    Muster__V1__Call call = MUSTER__V1__CALL__INIT;
    ProtobufCBinaryData scope = bytes_of(plan->scope);
    uint64_t windows_ms[MUSTER_WINDOWS_MAX];
    memcpy(windows_ms, plan->windows.span_ms, sizeof windows_ms);
    counts.n_scopes = plan->scope == NULL ? 0 : 1;
    counts.scopes = &scope;
    counts.n_windows_ms = plan->windows.count;
    counts.windows_ms = windows_ms;
    call.request_case = MUSTER__V1__CALL__REQUEST_COUNTS;
    call.counts = &counts;
    pack(r, &call, plan, is_ipc, id);
}

void bench_request_turn(struct bench_request *request, const struct bench_plan *plan, bool is_ipc, uint32_t id,
                        const uint8_t *token, size_t len) {
    Muster__V1__ListRequest list = MUSTER__V1__LIST_REQUEST__INIT;
    Muster__V1__Call call = MUSTER__V1__CALL__INIT;
    list.scope = bytes_of(plan->scope);
    list.page_size = plan->batch;
    list.page_token = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)token};
    call.request_case = MUSTER__V1__CALL__REQUEST_LIST;
    call.list = &list;
    pack(request, &call, plan, is_ipc, id);
}

void bench_request_make(struct bench_request *request, const struct bench_plan *plan, bool is_ipc, uint32_t id) {
    Muster__V1__Call nothing = MUSTER__V1__CALL__INIT;
    *request = (struct bench_request){0};
    switch (plan->call) {
    case BENCH_TOUCH:
        make_touch(request, plan, is_ipc, id);
        return;
    case BENCH_LIVE:
    case BENCH_PING:
        make_live(request, plan, is_ipc, id);
        return;
    case BENCH_LIST:
        bench_request_turn(request, plan, is_ipc, id, NULL, 0);
        return;
    case BENCH_COUNTS:
        make_counts(request, plan, is_ipc, id);
        return;
    case BENCH_ECHO:
        pack(request, &nothing, plan, is_ipc, id);
        return;
    }
    abort();
}

void bench_request_free(struct bench_request *request) {
    free(request->bytes);
    free(request->digits);
    *request = (struct bench_request){0};
}

void bench_request_name(struct bench_request *request, uint32_t i, uint64_t number) {
    uint8_t *digits = request->bytes + request->digits[i];
    for (int at = DIGITS - 1; at >= 0; at--, number /= 10) digits[at] = (uint8_t)('0' + number % 10);
}

/* ---- answers ---- */

struct input {
    const uint8_t *at, *end;
};

static bool take_varint(struct input *in, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        const uint8_t byte = *in->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* The next field of a protobuf message: its number, and its bytes where it has a length, else its number in *value. */
static bool take_field(struct input *in, uint32_t *number, struct input *bytes, uint64_t *value) {
    uint64_t key, len;
    *bytes = (struct input){in->at, in->at};
    if (!take_varint(in, &key)) return false;
    *number = (uint32_t)(key >> 3);
    if ((key & 7) == 0) return take_varint(in, value);
    if ((key & 7) != 2 || !take_varint(in, &len) || len > (uint64_t)(in->end - in->at)) return false;
    *bytes = (struct input){in->at, in->at + len};
    in->at += len;
    return true;
}

static bool read_page(struct input page, struct bench_answer *out) {
    uint32_t number;
    struct input bytes;
    uint64_t value;
    while (page.at < page.end) {
        if (!take_field(&page, &number, &bytes, &value)) return false;
        if (number == 1) out->items++;
        if (number == 2) out->token = bytes.at, out->token_len = (size_t)(bytes.end - bytes.at);
    }
    return true;
}

bool bench_answer_read(enum bench_call call, const uint8_t *message, size_t len, struct bench_answer *out) {
    static const uint32_t wanted[] = {
        [BENCH_TOUCH] = 3, [BENCH_LIVE] = 5, [BENCH_LIST] = 6, [BENCH_COUNTS] = 7, [BENCH_PING] = 5, [BENCH_ECHO] = 0};
    struct input in = {message, message + len}, bytes;
    uint32_t number;
    uint64_t value = 0;
    *out = (struct bench_answer){0};
    if (call == BENCH_ECHO) return len == BENCH_ECHO_BYTES && message[0] == 'e' && message[len - 1] == 'e';
    if (!take_field(&in, &number, &bytes, &value)) return false;
    if (number == 1) {
        out->code = (uint32_t)value;
        return out->code != 0;
    }
    if (number != wanted[call]) return false;
    return call != BENCH_LIST || read_page(bytes, out);
}

void bench_answer_error(const uint8_t *message, size_t len, char *out, size_t out_len) {
    Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, message);
    (void)snprintf(out, out_len, "%s: %.*s",
                   reply == NULL ? "unreadable" : muster_strerror((enum muster_code)reply->code),
                   reply == NULL ? 0 : (int)reply->message.len, reply == NULL ? "" : (const char *)reply->message.data);
    if (reply != NULL) muster__v1__reply__free_unpacked(reply, NULL);
}
