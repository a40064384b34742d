/* SP over TCP and protobuf, the bytes of Call and Reply (proto/muster/v1/presence.proto; docs/protocol.md). */
#include "dialect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SP_HEADER_BYTES = 12, /* u64 length, u32 request id */
    VARINT_BYTES = 5,     /* a length, padded to be written after what it measures */
    TAG_LEN = 2,
    CALL_TOUCH = 2,
    CALL_LIVE = 4,
    CALL_LIST = 5,
    CALL_COUNTS = 6,
    REPLY_CODE = 1,
    REPLY_MESSAGE = 2,
    REPLY_LIVE = 5,
    REPLY_LIST = 6,
    REPLY_COUNTS = 7,
};

static size_t put_varint(uint8_t *out, uint64_t value) {
    size_t at = 0;
    for (; value >= 0x80; value >>= 7) out[at++] = (uint8_t)(value | 0x80);
    out[at++] = (uint8_t)value;
    return at;
}

static void put_big_endian(uint8_t *out, uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) out[i] = (uint8_t)value;
}

static size_t put_field(uint8_t *out, uint32_t field, const void *data, size_t len) {
    size_t at = put_varint(out, (uint64_t)field << 3 | TAG_LEN);
    at += put_varint(out + at, len);
    memcpy(out + at, data, len);
    return at + len;
}

static size_t put_number(uint8_t *out, uint32_t field, uint64_t value) {
    size_t at = put_varint(out, (uint64_t)field << 3);
    return at + put_varint(out + at, value);
}

static size_t put_touch(struct work *work, uint8_t *out) {
    size_t at = put_number(out, 2, work->ttl_ms);
    for (uint32_t i = 0; i < work->batch; i++) {
        out[at] = 3 << 3 | TAG_LEN; /* TouchRequest.beats */
        out[at + 1] = USER_BYTES + 2;
        out[at + 2] = 2 << 3 | TAG_LEN; /* Beat.user */
        out[at + 3] = USER_BYTES;
        work_next_user(work, out + at + 4);
        at += 4 + USER_BYTES;
    }
    return at;
}

static size_t put_live(struct work *work, uint8_t *out) {
    size_t at = 0;
    for (uint32_t i = 0; i < work->batch; i++) {
        out[at] = 2 << 3 | TAG_LEN; /* LiveRequest.users */
        out[at + 1] = USER_BYTES;
        work_next_user(work, out + at + 2);
        at += 2 + USER_BYTES;
    }
    return at;
}

static size_t put_list(const struct progress *progress, uint8_t *out) {
    size_t at = put_number(out, 2, PAGE_SIZE);
    if (progress->token_len > 0) at += put_field(out + at, 3, progress->token, progress->token_len);
    return at;
}

static size_t put_counts(const struct work *work, uint8_t *out) {
    size_t at = 0;
    for (uint32_t i = 0; i < work->window_count; i++) at += put_number(out + at, 2, work->windows_ms[i]);
    return at;
}

static size_t request(struct work *work, struct progress *progress, uint32_t slot, uint8_t *out) {
    static const uint32_t fields[] = {
        [WORK_TOUCH] = CALL_TOUCH, [WORK_LIVE] = CALL_LIVE, [WORK_LIST] = CALL_LIST, [WORK_COUNTS] = CALL_COUNTS};
    uint8_t *body = out + SP_HEADER_BYTES + 1 + VARINT_BYTES;
    size_t len = 0;
    switch (work->kind) {
    case WORK_TOUCH:
        len = put_touch(work, body);
        break;
    case WORK_LIVE:
        len = put_live(work, body);
        break;
    case WORK_LIST:
        len = put_list(progress, body);
        break;
    case WORK_COUNTS:
        len = put_counts(work, body);
        break;
    }
    put_big_endian(out, 4 + 1 + VARINT_BYTES + len, 8);
    put_big_endian(out + 8, 0x80000000u | slot, 4);
    out[SP_HEADER_BYTES] = (uint8_t)(fields[work->kind] << 3 | TAG_LEN);
    uint8_t *length = out + SP_HEADER_BYTES + 1;
    for (int i = 0; i < VARINT_BYTES; i++)
        length[i] = (uint8_t)((len >> (7 * i) & 0x7f) | (i + 1 < VARINT_BYTES ? 0x80 : 0));
    return SP_HEADER_BYTES + 1 + VARINT_BYTES + len;
}

/* A cursor over encoded fields. `is_bad` sticks. */
struct reader {
    const uint8_t *at, *end;
    bool is_bad;
};

struct field {
    uint32_t number;
    uint64_t value; /* of a varint */
    const uint8_t *data;
    size_t len; /* of a length-delimited field */
};

static uint64_t read_varint(struct reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    reader->is_bad = true;
    return 0;
}

static bool read_field(struct reader *reader, struct field *out) {
    *out = (struct field){0};
    if (reader->at == reader->end || reader->is_bad) return false;
    uint64_t tag = read_varint(reader);
    out->number = (uint32_t)(tag >> 3);
    out->value = read_varint(reader);
    if ((tag & 7) == TAG_LEN) {
        if (out->value > (uint64_t)(reader->end - reader->at)) reader->is_bad = true;
        if (reader->is_bad) return false;
        out->data = reader->at;
        out->len = (size_t)out->value;
        reader->at += out->len;
    } else if ((tag & 7) != 0) {
        reader->is_bad = true;
    }
    return !reader->is_bad;
}

/* Reads every field of every user, as a client that shows them would. */
static uint64_t count_live(const struct field *response, struct progress *progress) {
    struct reader users = {response->data, response->data + response->len, false};
    uint64_t live = 0;
    for (struct field user; read_field(&users, &user);) {
        if (user.number == 1) {
            struct reader fields = {user.data, user.data + user.len, false};
            for (struct field field; read_field(&fields, &field);)
                if (field.number == 2) live += field.value;
        } else if (user.number == 2 && user.len <= TOKEN_BYTES_MAX) {
            memcpy(progress->token, user.data, user.len);
            progress->token_len = (uint32_t)user.len;
        }
    }
    return live;
}

/* CountsResponse.scopes[0].windows[..].users: the sum of the windows. */
static uint64_t count_windows(const struct field *response) {
    struct reader scopes = {response->data, response->data + response->len, false};
    uint64_t users = 0;
    for (struct field scope; read_field(&scopes, &scope);) {
        struct reader fields = {scope.data, scope.data + scope.len, false};
        for (struct field field; read_field(&fields, &field);) {
            if (field.number != 7) continue;
            struct reader window = {field.data, field.data + field.len, false};
            for (struct field part; read_field(&window, &part);)
                if (part.number == 2) users += part.value;
        }
    }
    return users;
}

static void read_reply(struct progress *progress, struct reader reply, struct answer *out) {
    progress->token_len = 0;
    for (struct field field; read_field(&reply, &field);) {
        if (field.number == REPLY_CODE && field.value != 0)
            snprintf(out->problem, sizeof out->problem, "code %u", (unsigned)field.value);
        if (field.number == REPLY_MESSAGE)
            snprintf(out->problem, sizeof out->problem, "%.*s", (int)(field.len < 150 ? field.len : 150),
                     (const char *)field.data);
        if (field.number == REPLY_LIVE || field.number == REPLY_LIST) out->hits += count_live(&field, progress);
        if (field.number == REPLY_COUNTS) out->hits += count_windows(&field);
    }
    if (reply.is_bad) snprintf(out->problem, sizeof out->problem, "an answer that does not decode");
}

/* One SP message: its bytes, 0 if it is not complete. */
static size_t message(const uint8_t *data, size_t len, struct answer *out) {
    if (len < SP_HEADER_BYTES) return 0;
    uint64_t size = 0;
    for (int i = 0; i < 8; i++) size = size << 8 | data[i];
    if (size < 4 || size > ANSWER_BYTES_MAX - 8) snprintf(out->problem, sizeof out->problem, "an answer of odd length");
    if (out->problem[0] != 0 || len - 8 < size) return 0;
    out->slot = (uint32_t)data[10] << 8 | data[11];
    return 8 + (size_t)size;
}

static size_t answer(const struct work *work, struct progress *progress, const uint8_t *data, size_t len,
                     struct answer *out) {
    size_t used = message(data, len, out);
    if (used == 0) return 0;
    read_reply(progress, (struct reader){data + SP_HEADER_BYTES, data + used, false}, out);
    out->is_more = work->kind == WORK_LIST && progress->token_len > 0;
    out->is_done = !out->is_more;
    return used;
}

static size_t answer_echo(const struct work *work, struct progress *progress, const uint8_t *data, size_t len,
                          struct answer *out) {
    (void)work;
    (void)progress;
    size_t used = message(data, len, out);
    out->is_done = used > 0;
    return used;
}

static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const uint8_t hello_answer[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

const struct dialect dialect_muster = {.name = "muster",
                                       .hello = hello,
                                       .hello_answer = hello_answer,
                                       .hello_bytes = sizeof hello,
                                       .request = request,
                                       .answer = answer};

/* Muster's requests, to a server that sends back what it gets. */
const struct dialect dialect_echo = {.name = "echo",
                                     .hello = hello,
                                     .hello_answer = hello_answer,
                                     .hello_bytes = sizeof hello,
                                     .request = request,
                                     .answer = answer_echo};
