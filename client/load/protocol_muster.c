/* SP over TCP and protobuf, the bytes of Call and Reply (proto/muster/v1/presence.proto; docs/protocol.md). */
#include "sp.h"

enum {
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
    uint8_t *body = out + CALL_HEADER_BYTES;
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
    return put_call(out, slot, fields[work->kind], len);
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

static size_t answer(const struct work *work, struct progress *progress, const uint8_t *data, size_t len,
                     struct answer *out) {
    size_t used = read_message(data, len, &out->slot, out->problem);
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
    size_t used = read_message(data, len, &out->slot, out->problem);
    out->is_done = used > 0;
    return used;
}

static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const uint8_t hello_answer[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

const struct protocol protocol_muster = {.name = "muster",
                                         .hello = hello,
                                         .hello_answer = hello_answer,
                                         .hello_bytes = sizeof hello,
                                         .request = request,
                                         .answer = answer};

/* Muster's requests, to a server that sends back what it gets. */
const struct protocol protocol_echo = {.name = "echo",
                                       .hello = hello,
                                       .hello_answer = hello_answer,
                                       .hello_bytes = sizeof hello,
                                       .request = request,
                                       .answer = answer_echo};
