#include "grpc_client.h"

#include "wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { ANSWER_MS = 20000 };

static const char *or_else(const char *text, const char *otherwise) {
    return text != NULL ? text : otherwise;
}

uint32_t grpc_begin(struct h2 *h2, const struct grpc_request *request, uint8_t flags) {
    struct h2_field fields[GRPC_FIELDS_MAX] = {{":method", or_else(request->method, "POST")},
                                               {":scheme", "http"},
                                               {":path", request->path},
                                               {":authority", "test"},
                                               {"te", "trailers"},
                                               {"content-type", or_else(request->content_type, "application/grpc")},
                                               {"user-agent", "muster-test"},
                                               {"grpc-accept-encoding", "identity"}};
    size_t count = 8;
    if (request->timeout != NULL) fields[count++] = (struct h2_field){"grpc-timeout", request->timeout};
    if (request->encoding != NULL) fields[count++] = (struct h2_field){"grpc-encoding", request->encoding};
    if (request->metadata_count > GRPC_FIELDS_MAX - count) abort();
    for (size_t i = 0; i < request->metadata_count; i++) fields[count++] = request->metadata[i];
    uint32_t stream = h2_new_stream(h2);
    (void)h2_stream(h2, stream);
    h2_write_headers(h2, flags, stream, fields, count);
    return stream;
}

static void write_prefix(uint8_t *out, uint8_t flag, size_t len) {
    out[0] = flag;
    for (int i = 0; i < 4; i++) out[1 + i] = (uint8_t)(len >> (24 - 8 * i));
}

static uint8_t *prefixed(uint8_t flag, struct text message) {
    uint8_t *bytes = malloc(GRPC_PREFIX + (size_t)message.len);
    if (bytes == NULL) abort();
    write_prefix(bytes, flag, message.len);
    if (message.len > 0) memcpy(bytes + GRPC_PREFIX, message.data, message.len);
    return bytes;
}

static bool can_send(const struct h2 *h2, const void *context) {
    const struct h2_stream *stream = context;
    return stream->has_ended || (h2->window > 0 && stream->window > 0);
}

bool grpc_send_flagged(struct h2 *h2, uint32_t id, uint8_t flag, struct text message, uint8_t flags) {
    struct h2_stream *stream = h2_stream(h2, id);
    uint8_t *bytes = prefixed(flag, message);
    size_t len = GRPC_PREFIX + (size_t)message.len, at = 0;
    while (at < len && h2_await(h2, can_send, stream, ANSWER_MS) && !stream->has_ended) {
        size_t piece = len - at < H2_FRAME_BYTES ? len - at : H2_FRAME_BYTES;
        if ((int64_t)piece > h2->window) piece = (size_t)h2->window;
        if ((int64_t)piece > stream->window) piece = (size_t)stream->window;
        if (!h2_write_frame(h2, H2_DATA, at + piece == len ? flags : 0, id, bytes + at, piece)) break;
        at += piece;
    }
    free(bytes);
    return at == len;
}

bool grpc_send(struct h2 *h2, uint32_t stream, struct text message, uint8_t flags) {
    return grpc_send_flagged(h2, stream, 0, message, flags);
}

bool grpc_send_frame(struct h2 *h2, uint32_t stream, struct text message, uint8_t flags) {
    uint8_t *bytes = prefixed(0, message);
    bool is_sent = h2_write_frame(h2, H2_DATA, flags, stream, bytes, GRPC_PREFIX + (size_t)message.len);
    free(bytes);
    return is_sent;
}

bool grpc_half_close(struct h2 *h2, uint32_t stream) {
    return h2_write_frame(h2, H2_DATA, H2_END_STREAM, stream, NULL, 0);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_percent(const char *text, char *out, size_t size) {
    size_t len = 0;
    for (; *text != '\0' && len + 1 < size; text++) {
        int high = *text == '%' ? hex_digit(text[1]) : -1, low = high >= 0 ? hex_digit(text[2]) : -1;
        if (low >= 0) out[len++] = (char)(high * 16 + low), text += 2;
        else out[len++] = *text;
    }
    out[len] = '\0';
}

/* Where message i begins in the body, and where the body's whole messages end. */
static size_t skip_messages(const struct h2_stream *stream, size_t count, size_t *skipped) {
    size_t at = 0;
    for (*skipped = 0; *skipped < count && stream->body_len - at >= GRPC_PREFIX; ++*skipped) {
        const uint8_t *prefix = stream->body + at;
        size_t len = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
        if (stream->body_len - at - GRPC_PREFIX < len) break;
        at += GRPC_PREFIX + len;
    }
    return at;
}

bool grpc_message_at(struct h2 *h2, uint32_t id, size_t i, struct text *message) {
    const struct h2_stream *stream = h2_stream(h2, id);
    size_t skipped, at = skip_messages(stream, i, &skipped), end = skip_messages(stream, i + 1, &skipped);
    if (skipped != i + 1) return false;
    *message = (struct text){(const char *)stream->body + at + GRPC_PREFIX, (uint32_t)(end - at - (size_t)GRPC_PREFIX)};
    return true;
}

struct messages_fact {
    const struct h2_stream *stream;
    size_t count;
};

static bool has_messages(const struct h2 *h2, const void *context) {
    const struct messages_fact *fact = context;
    size_t skipped;
    (void)h2;
    skip_messages(fact->stream, fact->count, &skipped);
    return skipped == fact->count;
}

bool grpc_await_messages(struct h2 *h2, uint32_t stream, size_t count, uint64_t timeout_ms) {
    return h2_await(h2, has_messages, &(struct messages_fact){h2_stream(h2, stream), count}, timeout_ms);
}

struct grpc_result grpc_result(struct h2 *h2, uint32_t id) {
    const struct h2_stream *stream = h2_stream(h2, id);
    struct grpc_result result = {.code = -1};
    const char *status = h2_value(&stream->headers, ":status");
    result.http_status = status != NULL ? atoi(status) : 0;
    result.is_trailers_only = stream->has_headers && stream->has_ended && stream->trailers.count == 0;
    const struct h2_fields *last = result.is_trailers_only ? &stream->headers : &stream->trailers;
    const char *code = h2_value(last, "grpc-status"), *message = h2_value(last, "grpc-message");
    if (code != NULL) result.code = atoi(code);
    if (message != NULL) decode_percent(message, result.message, sizeof result.message);
    if (!result.is_trailers_only && h2_value(&stream->headers, "grpc-status") != NULL)
        fail_msg("stream %u: grpc-status in headers that are not the last", id);
    size_t whole = skip_messages(stream, SIZE_MAX, &result.messages);
    const char *type = h2_value(&stream->headers, "content-type");
    if (type == NULL || strncmp(type, "application/grpc", 16) != 0) result.messages = 0;
    else if (result.code >= 0 && whole != stream->body_len) fail_msg("stream %u ends within a message", id);
    return result;
}

struct grpc_result grpc_ask(struct h2 *h2, const struct grpc_request *request, struct text message, uint32_t *stream) {
    uint32_t id = grpc_begin(h2, request, 0);
    grpc_send(h2, id, message, H2_END_STREAM);
    if (!h2_await_stream_end(h2, id, ANSWER_MS))
        fail_msg("%s is not answered%s (GOAWAY: %u, error %u, '%s')", request->path,
                 h2->is_ended ? ": the connection ended" : "", h2->goaways, h2->goaway_error, h2->goaway_debug);
    if (stream != NULL) *stream = id;
    return grpc_result(h2, id);
}
