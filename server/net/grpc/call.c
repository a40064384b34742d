/* A call: from its stream's first header to its end. The functions of service.h that a handler calls are here. */
#include "grpc_door_internal.h"
#include "muster/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- life ---- */

struct grpc_call *call_new(struct connection *connection, int32_t stream_id) {
    struct grpc_seat *seat = connection->seat;
    struct grpc_call *call = calloc(1, sizeof *call);
    if (call == NULL) return NULL;
    call->connection = connection;
    call->stream_id = stream_id;
    call->id = ++seat->next_id << 8 | seat->loop;
    call->deadline_ms = UINT64_MAX;
    call->head.timeout_us = UINT64_MAX;
    LIST_INSERT_HEAD(&connection->calls, call, link);
    connection->call_count++;
    connection->is_page_used = true;
    seat->call_count++;
    return call;
}

static void call_count_reader(struct grpc_call *call) {
    struct connection *connection = call->connection;
    size_t owned = message_reader_bytes(&call->reader);
    if (owned < call->reader_counted) connection_give_bytes(connection, call->reader_counted - owned);
    else if (owned > call->reader_counted && !connection_take_bytes(connection, owned - call->reader_counted)) {
        message_reader_free(&call->reader);
        connection_give_bytes(connection, call->reader_counted);
        owned = 0;
        call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for messages is short");
    }
    call->reader_counted = (uint32_t)owned;
}

static void drop_kept(struct grpc_call *call) {
    if (call->kept == NULL) return;
    connection_give_bytes(call->connection, call->kept_len);
    free(call->kept);
    call->kept = NULL;
}

/* What a request was is not needed any more. */
void call_drop_request(struct grpc_call *call) {
    drop_kept(call);
    message_reader_free(&call->reader);
    if (call->reader_counted > 0) call_count_reader(call);
    request_drop_headers(call);
    call->request = (struct text){0};
    call->has_request = false;
}

static bool is_borrowed(const struct grpc_call *call) {
    return call->borrowed_turn == call->connection->seat->turn;
}

void call_free(struct grpc_call *call) {
    call_drop_request(call);
    if (call->head.path != NULL) nghttp2_rcbuf_decref(call->head.path);
    outbox_free(&call->fields);
    outbox_free(&call->trailers);
    outbox_free(&call->status_message);
    LIST_REMOVE(call, link);
    free(call);
}

void call_close(struct grpc_call *call) {
    struct connection *connection = call->connection;
    struct grpc_seat *seat = connection->seat;
    call->is_finished = true;
    if (call->is_young) LIST_REMOVE(call, young_link);
    call_drop_held(call);
    call_await_nothing(call);
    if (call->is_drained_due) SLIST_REMOVE(&seat->drained, call, grpc_call, drained_link);
    deadline_remove(seat, call);
    if (connection->loose == call) connection->loose = NULL;
    if (call->handle != NULL) handle_detach(call->handle);
    call->handle = NULL;
    connection->call_count--;
    seat->call_count--;
    if (call->is_opened && call->method->closed != NULL) call->method->closed(call->service->service, call);
    response_drop(call);
    LIST_REMOVE(call, link);
    LIST_INSERT_HEAD(&seat->graveyard, call, link);
    if (!is_borrowed(call)) call_free(call);
}

void calls_bury(struct grpc_seat *seat) {
    struct grpc_call *call;
    while ((call = LIST_FIRST(&seat->graveyard)) != NULL) call_free(call);
}

void call_fail(struct grpc_call *call, enum muster_code code, const char *message) {
    grpc_call_finish(call, code, text_of(message));
}

/* Where messages wait whose rest the client may never take, a status would wait as well. */
void call_expire(struct grpc_call *call) {
    if (call->is_finished) return;
    if (outbox_len(&call->out) == 0) {
        call_fail(call, MUSTER_DEADLINE_EXCEEDED, "the deadline of the call has passed");
        return;
    }
    call->is_finished = true;
    response_reset(call, NGHTTP2_CANCEL);
}

void call_expire_request(struct grpc_call *call) {
    if (call->is_finished && !call->is_plain) return;
    if (call->is_plain) response_reset(call, NGHTTP2_CANCEL);
    else call_fail(call, MUSTER_DEADLINE_EXCEEDED, "the request was not complete in time");
}

/* ---- messages that come ---- */

static bool keep_bytes(struct grpc_call *call, struct text bytes) {
    struct connection *connection = call->connection;
    assert(call->kept == NULL);
    if (!connection_take_bytes(connection, bytes.len)) return false;
    call->kept = malloc(bytes.len > 0 ? bytes.len : 1);
    if (call->kept == NULL) {
        connection_give_bytes(connection, bytes.len);
        return false;
    }
    if (bytes.len > 0) memcpy(call->kept, bytes.data, bytes.len);
    call->kept_len = bytes.len;
    return true;
}

static bool lies_in_reader(const struct grpc_call *call) {
    return call->reader.bytes != NULL && call->request.data == (const char *)call->reader.bytes;
}

void call_keep_request(struct grpc_call *call) {
    if (call->connection->loose == call) call->connection->loose = NULL;
    if (!call->has_request || call->is_finished || call->kept != NULL || lies_in_reader(call)) return;
    if (keep_bytes(call, call->request)) call->request.data = (const char *)call->kept;
    else call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for messages is short");
}

/* The first as the nng door says it. */
static void refuse_length(struct grpc_call *call, uint32_t len) {
    char message[96];
    const size_t bytes_max = call->connection->seat->door->config.message_bytes_max;
    if (len > bytes_max) snprintf(message, sizeof message, "message: %u bytes, at most %zu", len, bytes_max);
    else snprintf(message, sizeof message, "message: more than %zu bytes once it is decompressed", bytes_max);
    call_fail(call, MUSTER_RESOURCE_EXHAUSTED, message);
}

/* The decompressed message is the call's own: the coder is used by others before the commit. */
static bool decompress_message(struct grpc_call *call, struct text *message) {
    const struct grpc_seat *seat = call->connection->seat;
    struct text plain;
    if (call->head.coding == CODING_IDENTITY) {
        call_fail(call, MUSTER_INTERNAL, "a message is compressed, and grpc-encoding does not say how");
        return false;
    }
    drop_kept(call);
    switch (coder_decompress(seat->coder, *message, seat->door->config.message_bytes_max, &plain)) {
    case CODER_DONE:
        if (!keep_bytes(call, plain)) break;
        *message = (struct text){(const char *)call->kept, plain.len};
        return true;
    case CODER_TOO_LARGE:
        refuse_length(call, message->len);
        return false;
    case CODER_MALFORMED:
        call_fail(call, MUSTER_INTERNAL, "a message is not what its grpc-encoding says");
        return false;
    case CODER_NO_MEMORY:
        break;
    }
    call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for messages is short");
    return false;
}

static void call_message(struct grpc_call *call, const struct grpc_message *message) {
    struct text bytes = message->bytes;
    if (message->is_compressed && !decompress_message(call, &bytes)) return;
    if (!call->method->is_request_one) {
        call->method->message(call->service->service, call, bytes);
        if (!is_borrowed(call)) drop_kept(call);
        return;
    }
    call->has_request = true;
    call->request = bytes;
    if (call->kept == NULL && !lies_in_reader(call)) call->connection->loose = call;
}

/* What message_take says of bytes that are no whole message. */
static void refuse_message(struct grpc_call *call, enum message_read read) {
    if (read == MESSAGE_TOO_LARGE) refuse_length(call, message_announced_len(&call->reader));
    else if (read == MESSAGE_NO_MEMORY) call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for messages is short");
    else if (read == MESSAGE_MALFORMED) call_fail(call, MUSTER_INTERNAL, "the flag of a message is neither 0 nor 1");
}

static void take_messages(struct grpc_call *call, const uint8_t *bytes, size_t len) {
    const size_t bytes_max = call->connection->seat->door->config.message_bytes_max;
    while (len > 0 && !call->is_finished) {
        struct grpc_message message;
        size_t used;
        if (call->has_request) {
            call_fail(call, MUSTER_UNIMPLEMENTED, "the method takes one message, and more have come");
            return;
        }
        enum message_read read = message_take(&call->reader, bytes, len, bytes_max, &used, &message);
        bytes += used;
        len -= used;
        if (message_reader_bytes(&call->reader) != call->reader_counted) call_count_reader(call);
        if (call->is_finished) return;
        if (read == MESSAGE_WHOLE) call_message(call, &message);
        else refuse_message(call, read);
    }
}

/* A method with one message waits for it from the headers on. */
void call_receive(struct grpc_call *call, const uint8_t *bytes, size_t len) {
    const bool was_partial = message_is_partial(&call->reader);
    take_messages(call, bytes, len);
    if (call->is_finished || call->method->is_request_one) return;
    if (!message_is_partial(&call->reader)) call_await_nothing(call);
    else if (!was_partial || !call_awaits_request(call)) call_await_request(call);
}

static void dispatch_request(struct grpc_call *call) {
    call->method->message(call->service->service, call, call->request);
}

void call_half_close(struct grpc_call *call) {
    if (call->is_half_closed) return;
    call->is_half_closed = true;
    call_await_nothing(call);
    if (call->is_plain) request_answer_plain(call);
    if (call->is_finished) return;
    const struct grpc_method *method = call->method;
    if (message_is_partial(&call->reader)) call_fail(call, MUSTER_INTERNAL, "the last message is not whole");
    else if (method->is_request_one && !call->has_request)
        call_fail(call, MUSTER_UNIMPLEMENTED, "the method takes one message, and none has come");
    if (call->is_finished) return;
    if (method->is_request_one) dispatch_request(call);
    if (!call->is_finished && method->half_closed != NULL) method->half_closed(call->service->service, call);
    if (call->connection->loose == call) call->connection->loose = NULL;
    if (!is_borrowed(call)) call_drop_request(call);
}

/* ---- what a handler knows of its call ---- */

const struct grpc_method *grpc_call_method(const struct grpc_call *call) {
    return call->method;
}

struct stream *grpc_call_stream(const struct grpc_call *call) {
    return call->connection->stream;
}

unsigned grpc_call_loop(const struct grpc_call *call) {
    return call->connection->seat->loop;
}

struct instant grpc_call_now(const struct grpc_call *call) {
    return stream_now(call->connection->stream);
}

uint64_t grpc_call_id(const struct grpc_call *call) {
    return call->id;
}

void **grpc_call_data(struct grpc_call *call) {
    return &call->data;
}

uint64_t *grpc_call_mark(struct grpc_call *call) {
    return &call->connection->mark;
}

struct text grpc_call_metadata(const struct grpc_call *call, const char *name, size_t i) {
    return header_list_find(&call->headers, text_of(name), i);
}

void grpc_call_look(const struct grpc_call *call) {
    stream_look(call->connection->stream, call->connection->rest);
}

uint64_t grpc_call_stale_ms(const struct grpc_call *call) {
    const struct stream *stream = call->connection->stream;
    if (call->held_ms == 0) return stream_stale_ms(stream);
    return call->held_stale_ms != 0 ? call->held_stale_ms : stream_stale_since_ms(stream, call->held_ms);
}

void grpc_call_borrow(struct grpc_call *call) {
    assert(call->method->is_request_one); /* of many, the next one takes the place of the one before */
    call->borrowed_turn = call->connection->seat->turn;
    stream_borrow(call->connection->stream);
}

/* ---- what a handler does with it ---- */

static bool add_field(struct outbox *fields, uint8_t *count, struct text name, struct text value) {
    const uint32_t lens[2] = {name.len, value.len};
    size_t len = sizeof lens + name.len + value.len;
    if (*count == CALL_FIELDS_MAX) return false;
    if (len > MUSTER_GRPC_METADATA_BYTES_MAX || outbox_len(fields) > MUSTER_GRPC_METADATA_BYTES_MAX - len) return false;
    uint8_t *out = outbox_add(fields, len);
    if (out == NULL) return false;
    (*count)++;
    memcpy(out, lens, sizeof lens);
    memcpy(out + sizeof lens, name.data, name.len);
    if (value.len > 0) memcpy(out + sizeof lens + name.len, value.data, value.len);
    return true;
}

bool grpc_call_add_header(struct grpc_call *call, struct text name, struct text value) {
    return !call->is_answered && !call->is_finished && add_field(&call->fields, &call->field_count, name, value);
}

bool grpc_call_add_trailer(struct grpc_call *call, struct text name, struct text value) {
    return !call->is_finished && add_field(&call->trailers, &call->trailer_count, name, value);
}

void grpc_call_send(struct grpc_call *call, struct text message) {
    if (call->is_finished) return;
    if (!call->is_answered) response_begin(call);
    if (!call->method->is_request_one)
        stream_answered(call->connection->stream); /* as of a call: its share of a turn */
    response_message(call, message);
}

void grpc_call_finish(struct grpc_call *call, enum muster_code code, struct text message) {
    if (call->is_finished) return;
    call->is_finished = true;
    call->code = code;
    stream_answered(call->connection->stream);
    response_end(call, message);
}

void grpc_call_answer(struct grpc_call *call, enum muster_code code, struct text message, struct text body) {
    if (code == MUSTER_OK) grpc_call_send(call, body);
    grpc_call_finish(call, code, message);
}

size_t grpc_call_unsent(const struct grpc_call *call) {
    return outbox_len(&call->out);
}
