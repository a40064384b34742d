/* The response of a call: its headers, its messages, and the trailers with its status.
 *
 * What nearly every response says costs next to nothing: the fields are static, nghttp2 does not copy them, and HPACK
 * sends type and status as one byte each once they have been sent. The name of the server is sent as it is: in the
 * tables of HPACK it would cost each connection more memory than it saves bytes. */
#include "grpc_door_internal.h"
#include "header_text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STATUS_MESSAGE_BYTES_MAX = 1024, /* of a grpc-message, percent-encoded */
    COMPRESSED_BYTES_MIN = 512,      /* a shorter message is sent as it is */
};

#define FIELD(name, value)                                                                                             \
    (nghttp2_nv) {                                                                                                     \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,              \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                               \
    }

static nghttp2_nv field_of(const char *name, struct text value, uint8_t flags) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.data, strlen(name), value.len,
                        (uint8_t)(NGHTTP2_NV_FLAG_NO_COPY_NAME | flags)};
}

/* ---- fields ---- */

struct fields {
    nghttp2_nv items[2 * CALL_FIELDS_MAX + 8];
    size_t count;
};

static void fields_add(struct fields *fields, nghttp2_nv field) {
    assert(fields->count < sizeof fields->items / sizeof fields->items[0]);
    fields->items[fields->count++] = field;
}

/* What the service added; nghttp2 copies it. */
static void fields_add_box(struct fields *fields, const struct outbox *box) {
    for (size_t at = box->at; at < box->len;) {
        uint32_t lens[2];
        memcpy(lens, box->bytes + at, sizeof lens);
        uint8_t *name = box->bytes + at + sizeof lens;
        fields_add(fields, (nghttp2_nv){name, name + lens[0], lens[0], lens[1], NGHTTP2_NV_FLAG_NO_INDEX});
        at += sizeof lens + lens[0] + lens[1];
    }
}

static void fields_add_server(struct fields *fields, const struct grpc_call *call) {
    const char *server = call->connection->seat->door->config.server;
    const uint8_t flags = NGHTTP2_NV_FLAG_NO_COPY_VALUE | NGHTTP2_NV_FLAG_NO_INDEX;
    if (server != NULL) fields_add(fields, field_of("server", text_of(server), flags));
}

static void fields_add_head(struct fields *fields, const struct grpc_call *call) {
    fields_add(fields, FIELD(":status", "200"));
    fields_add(fields, FIELD("content-type", "application/grpc"));
    fields_add_server(fields, call);
    if (call->head.coding != CODING_IDENTITY) /* who compresses nothing does not ask what is taken */
        fields_add(fields, FIELD("grpc-accept-encoding", GRPC_CODINGS));
    if (call->is_gzip) fields_add(fields, FIELD("grpc-encoding", "gzip"));
    fields_add_box(fields, &call->fields);
}

static const char *const status_texts[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                           "9", "10", "11", "12", "13", "14", "15", "16"};

static void fields_add_status(struct fields *fields, const struct grpc_call *call) {
    const struct outbox *message = &call->status_message;
    const size_t codes = sizeof status_texts / sizeof status_texts[0];
    const char *code = (size_t)call->code < codes ? status_texts[call->code] : "2"; /* UNKNOWN */
    fields_add(fields, field_of("grpc-status", text_of(code), NGHTTP2_NV_FLAG_NO_COPY_VALUE));
    if (outbox_len(message) > 0)
        fields_add(fields, field_of("grpc-message", (struct text){(const char *)message->bytes, message->len},
                                    NGHTTP2_NV_FLAG_NO_INDEX));
    fields_add_box(fields, &call->trailers);
}

/* ---- what nghttp2 reads ---- */

static void count_unsent(struct grpc_call *call, size_t taken) {
    struct connection *connection = call->connection;
    assert(connection->unsent >= taken);
    connection->unsent -= taken;
    connection->progress += taken;
    connection_give_answer(connection, taken);
    handle_count(call);
}

static void note_drained(struct grpc_call *call) {
    struct grpc_seat *seat = call->connection->seat;
    if (call->is_drained_due || call->is_finished || call->method->drained == NULL) return;
    call->is_drained_due = true;
    SLIST_INSERT_HEAD(&seat->drained, call, drained_link);
}

static int submit_trailers(struct grpc_call *call) {
    struct fields fields;
    fields.count = 0;
    fields_add_status(&fields, call);
    return nghttp2_submit_trailer(call->connection->session, call->stream_id, fields.items, fields.count);
}

static ssize_t read_response(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t size,
                             uint32_t *data_flags, nghttp2_data_source *source, void *user_data) {
    struct grpc_call *call = source->ptr;
    (void)session, (void)stream_id, (void)user_data;
    size_t some = outbox_take(&call->out, out, size);
    if (some > 0) count_unsent(call, some);
    if (outbox_len(&call->out) > 0) return (ssize_t)some;
    if (call->is_finished) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call->is_plain) return (ssize_t)some;
        *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(call) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    } else if (some == 0) {
        call->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    } else {
        note_drained(call);
    }
    return (ssize_t)some;
}

/* nghttp2 fails for want of memory alone. */
static void submit_head(struct grpc_call *call, const struct fields *fields, bool has_body) {
    struct connection *connection = call->connection;
    const nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_response};
    call->is_answered = true;
    if (nghttp2_submit_response(connection->session, call->stream_id, fields->items, fields->count,
                                has_body ? &provider : NULL) != 0)
        stream_end(connection->stream, STREAM_MEMORY);
    connection_wake(connection);
}

static void resume_response(struct grpc_call *call) {
    if (call->is_deferred) (void)nghttp2_session_resume_data(call->connection->session, call->stream_id);
    call->is_deferred = false;
    connection_wake(call->connection);
}

/* ---- messages and status ---- */

void response_begin(struct grpc_call *call) {
    struct fields fields;
    fields.count = 0;
    call->is_gzip = call->head.coding == CODING_GZIP && call->head.takes_gzip;
    fields_add_head(&fields, call);
    submit_head(call, &fields, true);
    outbox_free(&call->fields);
}

/* A client that compresses what it sends gets compressed what it takes so: to compress for who did not ask for it costs
 * this side more than it saves. */
static bool compress_message(struct grpc_call *call, struct text *message) {
    struct text smaller;
    if (!call->is_gzip || message->len < COMPRESSED_BYTES_MIN) return false;
    if (coder_compress(call->connection->seat->coder, *message, &smaller) != CODER_DONE) return false;
    if (smaller.len >= message->len) return false;
    *message = smaller;
    return true;
}

static bool add_bytes(struct grpc_call *call, bool is_compressed, struct text bytes) {
    struct connection *connection = call->connection;
    size_t len = GRPC_PREFIX_BYTES + (size_t)bytes.len;
    if (!connection_take_answer(connection, len)) return false;
    uint8_t *out = outbox_add(&call->out, len);
    if (out == NULL) {
        connection_give_answer(connection, len);
        return false;
    }
    message_prefix_write(out, is_compressed, bytes.len);
    if (bytes.len > 0) memcpy(out + GRPC_PREFIX_BYTES, bytes.data, bytes.len);
    connection->unsent += len;
    handle_count(call);
    return true;
}

void response_message(struct grpc_call *call, struct text message) {
    bool is_compressed = compress_message(call, &message);
    if (add_bytes(call, is_compressed, message)) resume_response(call);
    else call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for answers is short");
}

static void set_status_message(struct grpc_call *call, struct text message) {
    if (message.len == 0) return;
    char encoded[STATUS_MESSAGE_BYTES_MAX];
    size_t len = percent_encode(message, encoded, sizeof encoded);
    uint8_t *out = outbox_add(&call->status_message, len);
    if (out != NULL) memcpy(out, encoded, len); /* else the status goes without its sentence */
}

void response_end(struct grpc_call *call, struct text message) {
    set_status_message(call, message);
    if (call->is_answered) {
        resume_response(call);
        return;
    }
    struct fields fields; /* nothing else was said: headers and trailers are one */
    fields.count = 0;
    fields_add_head(&fields, call);
    fields_add_status(&fields, call);
    submit_head(call, &fields, false);
}

void response_plain(struct grpc_call *call, const char *status, const char *body) {
    char length[24];
    struct fields fields;
    size_t len = strlen(body);
    fields.count = 0;
    (void)snprintf(length, sizeof length, "%zu", len);
    fields_add(&fields, field_of(":status", text_of(status), NGHTTP2_NV_FLAG_NO_COPY_VALUE));
    fields_add(&fields, FIELD("content-type", "text/plain"));
    fields_add_server(&fields, call);
    fields_add(&fields, field_of("content-length", text_of(length), 0));
    if (strcmp(status, "405") == 0) fields_add(&fields, FIELD("allow", "POST"));
    bool has_body = !call->head.is_head && connection_take_answer(call->connection, len);
    uint8_t *out = has_body ? outbox_add(&call->out, len) : NULL;
    if (has_body && out == NULL) connection_give_answer(call->connection, len);
    if (out != NULL) memcpy(out, body, len), call->connection->unsent += len;
    submit_head(call, &fields, out != NULL);
}

void response_reset(struct grpc_call *call, uint32_t error_code) {
    struct connection *connection = call->connection;
    if (nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, call->stream_id, error_code) != 0)
        stream_end(connection->stream, STREAM_MEMORY);
    connection_wake(connection);
}

void response_drop(struct grpc_call *call) {
    size_t left = outbox_len(&call->out);
    outbox_free(&call->out);
    if (left > 0) count_unsent(call, left);
}
