#include "grpc_answerer.h"

#include "grpc_client.h"
#include "muster/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { ANSWER_MS = 20000, TOKEN_FIELD = 1, REQUEST_FIRST = 2, WATCH_FIELD = 9 };

/* By the number of the request's field in a Call; its response's in a Reply is one more. */
static const char *const methods[] = {
    [2] = "Touch", [3] = "Leave", [4] = "Live",   [5] = "List",   [6] = "Counts",    [7] = "Scopes",
    [8] = "Reset", [9] = "Watch", [10] = "Nodes", [11] = "Where", [12] = "SetStatus"};
enum { METHODS = sizeof methods / sizeof *methods };

struct call_parts {
    struct text token, body;
    unsigned field; /* 0: no request */
};

static bool read_varint(struct text *at, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && at->len > 0; shift += 7) {
        uint8_t byte = (uint8_t)*at->data++;
        at->len--;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Fields that have a length; of several the last counts. */
static struct call_parts take_apart(struct text call) {
    struct call_parts parts = {.field = 0};
    uint64_t tag = 0, len = 0;
    while (call.len > 0) {
        if (!read_varint(&call, &tag) || (tag & 7) != 2 || !read_varint(&call, &len) || len > call.len)
            fail_msg("this is no Call that gRPC can say");
        struct text value = {call.data, (uint32_t)len};
        call.data += len;
        call.len -= (uint32_t)len;
        if (tag >> 3 == TOKEN_FIELD) parts.token = value;
        else if (tag >> 3 < METHODS) parts.field = (unsigned)(tag >> 3), parts.body = value;
    }
    if (parts.field < REQUEST_FIRST) fail_msg("a Call of nothing cannot be said with gRPC");
    return parts;
}

static size_t put_varint(uint8_t *out, uint64_t value) {
    size_t len = 0;
    for (; value >= 128; value >>= 7) out[len++] = (uint8_t)(value | 128);
    out[len++] = (uint8_t)value;
    return len;
}

static size_t put_bytes(uint8_t *out, unsigned field, struct text bytes) {
    size_t len = put_varint(out, field << 3 | 2);
    len += put_varint(out + len, bytes.len);
    if (bytes.len > 0) memcpy(out + len, bytes.data, bytes.len);
    return len + bytes.len;
}

static size_t put_reply(uint8_t *out, unsigned field, int code, const char *message, struct text body) {
    size_t len = 0;
    if (code != 0) {
        out[len++] = 1 << 3;
        len += put_varint(out + len, (uint64_t)code);
        return len + put_bytes(out + len, 2, (struct text){message, (uint32_t)strlen(message)});
    }
    return put_bytes(out, field + 1, body);
}

static uint32_t ask_parts(struct h2 *h2, const struct call_parts *parts, const char *url) {
    char path[64], bearer[sizeof "Bearer " + 2 * MUSTER_TOKEN_BYTES_MAX];
    snprintf(path, sizeof path, "/muster.v1.Presence/%s", methods[parts->field]);
    snprintf(bearer, sizeof bearer, "Bearer %.*s", (int)parts->token.len, parts->token.data);
    const struct h2_field authorization = {"authorization", bearer};
    const struct grpc_request request = {
        .path = path, .metadata = &authorization, .metadata_count = parts->token.len > 0 ? 1 : 0};
    uint32_t stream = grpc_begin(h2, &request, 0);
    grpc_send(h2, stream, parts->body, H2_END_STREAM);
    bool is_answered = parts->field == WATCH_FIELD
                           ? grpc_await_messages(h2, stream, 1, ANSWER_MS) || h2_stream(h2, stream)->has_ended
                           : h2_await_stream_end(h2, stream, ANSWER_MS);
    if (!is_answered) fail_msg("%s: %s is not answered", url, path);
    return stream;
}

static size_t ask_anew(void *context, const uint8_t *call, size_t len, uint8_t **reply) {
    const char *url = context;
    const struct call_parts parts = take_apart((struct text){(const char *)call, (uint32_t)len});
    struct h2 *h2 = h2_open(url);
    uint32_t stream = ask_parts(h2, &parts, url);
    struct grpc_result result = grpc_result(h2, stream);
    struct text body = {"", 0};
    bool has_message = grpc_message_at(h2, stream, 0, &body);
    if (parts.field == WATCH_FIELD && has_message) result.code = 0;
    if (result.code < 0)
        fail_msg("%s: %s ends without a status: HTTP %d", url, methods[parts.field], result.http_status);
    if (result.code == 0 && !has_message) fail_msg("%s: %s is OK without a message", url, methods[parts.field]);
    if (result.code != 0 && has_message) fail_msg("%s: %s fails, with a message", url, methods[parts.field]);
    *reply = malloc(body.len + GRPC_MESSAGE_BYTES + 32);
    if (*reply == NULL) abort();
    size_t reply_len = put_reply(*reply, parts.field, result.code, result.message, body);
    h2_close(h2);
    return reply_len;
}

struct answerer grpc_answerer(const char *url) {
    return (struct answerer){(void *)(uintptr_t)url, url, ask_anew};
}
