#include "sync_message.h"

enum {
    SYNC_CURSOR_AFTER = 1,
    SYNC_CURSOR_SCOPE_PLACE,
    SYNC_CURSOR_USER_PLACE,
    SYNC_CURSOR_SCOPE_DONE,
    SYNC_CURSOR_HAS_USER,
    SYNC_CURSOR_SCOPE_BITS,
    SYNC_CURSOR_USER_BITS,
    SYNC_CURSOR_SPLIT_USER,
    SYNC_CURSOR_SPLIT_SESSION,
};

enum {
    SYNC_REQUEST_NONCE = 1,
    SYNC_REQUEST_ORIGIN,
    SYNC_REQUEST_NODE_INFO,
    SYNC_REQUEST_WANT,
    SYNC_REQUEST_ORIGINS,
    SYNC_REQUEST_SEQUENCES,
    SYNC_REQUEST_CURSOR,
    SYNC_REQUEST_PAGE_BYTES,
    SYNC_REQUEST_UNTIL,
};

enum {
    SYNC_RESPONSE_NONCE = 1,
    SYNC_RESPONSE_ORIGIN,
    SYNC_RESPONSE_NODE_INFO,
    SYNC_RESPONSE_SENT,
    SYNC_RESPONSE_FRAME_NUMBER,
    SYNC_RESPONSE_SEQUENCE,
    SYNC_RESPONSE_MEMBERS,
    SYNC_RESPONSE_WALL,
    SYNC_RESPONSE_READY,
    SYNC_RESPONSE_SEQUENCES = 12,
    SYNC_RESPONSE_NEXT = 14,
    SYNC_RESPONSE_FORGOTTEN = 15,
    SYNC_RESPONSE_STAMP = 16,
    SYNC_RESPONSE_VECTOR_VERSION = 18,
    SYNC_RESPONSE_HEARD_FRAME = 17,
};

/* ---- cursors --------------------------------------------------------------------------------------------------- */

static void sync_cursor_put(struct pb_writer *out, unsigned number, const struct sync_cursor *cursor) {
    if (!cursor->is_set) return;
    uint8_t *begun = pb_begin(out, number);
    pb_write_number(out, SYNC_CURSOR_AFTER, cursor->after);
    if (cursor->walk.is_begun) pb_write_fixed64(out, SYNC_CURSOR_SCOPE_PLACE, cursor->walk.scope_hash);
    if (cursor->walk.has_user) pb_write_fixed64(out, SYNC_CURSOR_USER_PLACE, cursor->walk.user_hash);
    pb_write_number(out, SYNC_CURSOR_SCOPE_DONE, cursor->walk.is_scope_done);
    pb_write_number(out, SYNC_CURSOR_HAS_USER, cursor->walk.has_user);
    pb_write_number(out, SYNC_CURSOR_SCOPE_BITS, cursor->walk.scope_bits);
    pb_write_number(out, SYNC_CURSOR_USER_BITS, cursor->walk.user_bits);
    if (cursor->walk.split_session != 0) pb_write_fixed64(out, SYNC_CURSOR_SPLIT_USER, cursor->walk.split_user);
    pb_write_fixed64(out, SYNC_CURSOR_SPLIT_SESSION, cursor->walk.split_session);
    pb_end(out, begun);
}

static bool sync_cursor_get(struct text bytes, struct sync_cursor *cursor) {
    *cursor = (struct sync_cursor){.is_set = true, .walk.is_begun = true};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (field.number == SYNC_CURSOR_AFTER) cursor->after = field.value;
        else if (field.number == SYNC_CURSOR_SCOPE_PLACE) cursor->walk.scope_hash = field.value;
        else if (field.number == SYNC_CURSOR_USER_PLACE) cursor->walk.user_hash = field.value;
        else if (field.number == SYNC_CURSOR_SCOPE_DONE) cursor->walk.is_scope_done = field.value != 0;
        else if (field.number == SYNC_CURSOR_HAS_USER) cursor->walk.has_user = field.value != 0;
        else if (field.number == SYNC_CURSOR_SCOPE_BITS) cursor->walk.scope_bits = (uint8_t)field.value;
        else if (field.number == SYNC_CURSOR_USER_BITS) cursor->walk.user_bits = (uint8_t)field.value;
        else if (field.number == SYNC_CURSOR_SPLIT_USER) cursor->walk.split_user = field.value;
        else if (field.number == SYNC_CURSOR_SPLIT_SESSION) cursor->walk.split_session = field.value;
    }
    return !in.is_broken;
}

static bool nonce_get(struct text bytes, uint8_t nonce[NONCE_BYTES]) {
    if (bytes.len != NONCE_BYTES) return false;
    memcpy(nonce, bytes.data, NONCE_BYTES);
    return true;
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

struct sync_request *sync_request_new(const struct allocator *allocator) {
    struct known *vector = allocator->allocate(allocator->context, ROLL_ORIGINS_MAX * sizeof *vector);
    struct sync_request *request = vector == NULL ? NULL : allocator->allocate(allocator->context, sizeof *request);
    if (request != NULL) *request = (struct sync_request){.vector = vector};
    else allocator->release(allocator->context, vector, ROLL_ORIGINS_MAX * sizeof *vector);
    return request;
}

void sync_request_free(struct sync_request *request, const struct allocator *allocator) {
    if (request == NULL) return;
    allocator->release(allocator->context, request->vector, ROLL_ORIGINS_MAX * sizeof *request->vector);
    allocator->release(allocator->context, request, sizeof *request);
}

void sync_request_put(struct pb_writer *out, const struct sync_request *request) {
    pb_write_text(out, SYNC_REQUEST_NONCE, (struct text){(const char *)request->nonce, NONCE_BYTES});
    pb_write_fixed64(out, SYNC_REQUEST_ORIGIN, request->origin);
    node_info_put(out, SYNC_REQUEST_NODE_INFO, &request->node_info);
    pb_write_number(out, SYNC_REQUEST_WANT, request->want);
    vector_put(out, SYNC_REQUEST_ORIGINS, request->vector, request->vector_count);
    sync_cursor_put(out, SYNC_REQUEST_CURSOR, &request->cursor);
    pb_write_number(out, SYNC_REQUEST_PAGE_BYTES, request->page_bytes);
    pb_write_number(out, SYNC_REQUEST_UNTIL, request->until);
}

bool sync_request_get(struct text bytes, struct decode_memory *memory, struct sync_request *request) {
    *request = (struct sync_request){.vector = memory->vector};
    struct text nonce = {0}, node_info = {0}, origins = {0}, sequences = {0};
    bool is_good = true;
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (field.number == SYNC_REQUEST_NONCE) nonce = field.bytes;
        else if (field.number == SYNC_REQUEST_ORIGIN) request->origin = field.value;
        else if (field.number == SYNC_REQUEST_NODE_INFO) node_info = field.bytes;
        else if (field.number == SYNC_REQUEST_WANT)
            request->want = field.value <= WANT_ALL ? (enum sync_want)field.value : WANT_HELLO;
        else if (field.number == SYNC_REQUEST_ORIGINS) origins = field.bytes;
        else if (field.number == SYNC_REQUEST_SEQUENCES) sequences = field.bytes;
        else if (field.number == SYNC_REQUEST_CURSOR)
            is_good = is_good && sync_cursor_get(field.bytes, &request->cursor);
        else if (field.number == SYNC_REQUEST_PAGE_BYTES) request->page_bytes = field.value;
        else if (field.number == SYNC_REQUEST_UNTIL) request->until = field.value;
    }
    return is_good && !in.is_broken && request->origin != 0 && nonce_get(nonce, request->nonce) &&
           node_info_get(node_info, &request->node_info) &&
           vector_get(origins, sequences, request->vector, &request->vector_count);
}

/* ---- responses -------------------------------------------------------------------------------------------------- */

void sync_response_put_head(struct pb_writer *out, const struct sync_response *response) {
    pb_write_text(out, SYNC_RESPONSE_NONCE, (struct text){(const char *)response->nonce, NONCE_BYTES});
    pb_write_fixed64(out, SYNC_RESPONSE_ORIGIN, response->origin);
    node_info_put(out, SYNC_RESPONSE_NODE_INFO, &response->node_info);
    pb_write_number(out, SYNC_RESPONSE_SENT, response->sent_ms);
    pb_write_number(out, SYNC_RESPONSE_FRAME_NUMBER, response->frame_number);
    pb_write_number(out, SYNC_RESPONSE_SEQUENCE, response->sequence);
    pb_write_number(out, SYNC_RESPONSE_MEMBERS, response->members);
    pb_write_number(out, SYNC_RESPONSE_WALL, response->wall_ms);
    pb_write_number(out, SYNC_RESPONSE_READY, response->is_ready);
    pb_write_fixed64(out, SYNC_RESPONSE_STAMP, response->stamp);
    pb_write_number(out, SYNC_RESPONSE_VECTOR_VERSION, response->vector_version);
    pb_write_number(out, SYNC_RESPONSE_HEARD_FRAME, response->heard_frame);
}

void sync_response_put_tail(struct pb_writer *out, const struct sync_response *response) {
    sync_cursor_put(out, SYNC_RESPONSE_NEXT, &response->next);
    pb_write_number(out, SYNC_RESPONSE_FORGOTTEN, response->is_forgotten);
}

static bool take_number(const struct pb_field *field, struct sync_response *response) {
    switch (field->number) {
    case SYNC_RESPONSE_ORIGIN:
        response->origin = field->value;
        return true;
    case SYNC_RESPONSE_SENT:
        response->sent_ms = field->value;
        return true;
    case SYNC_RESPONSE_FRAME_NUMBER:
        response->frame_number = field->value;
        return true;
    case SYNC_RESPONSE_SEQUENCE:
        response->sequence = field->value;
        return true;
    case SYNC_RESPONSE_MEMBERS:
        response->members = field->value;
        return true;
    case SYNC_RESPONSE_WALL:
        response->wall_ms = field->value;
        return true;
    case SYNC_RESPONSE_READY:
        response->is_ready = field->value != 0;
        return true;
    case SYNC_RESPONSE_VECTOR_VERSION:
        response->vector_version = field->value;
        return true;
    case SYNC_RESPONSE_STAMP:
        response->stamp = field->value;
        return true;
    case SYNC_RESPONSE_FORGOTTEN:
        response->is_forgotten = field->value != 0;
        return true;
    case SYNC_RESPONSE_HEARD_FRAME:
        response->heard_frame = field->value;
        return true;
    default:
        return false;
    }
}

static void take_peer_hint(struct text address, struct decode_memory *memory, struct sync_response *response) {
    if (response->peer_hint_count < REPLICA_PEERS_MAX && is_address(address))
        memory->peer_hints[response->peer_hint_count++] = address;
}

/* Records are read once the origin is known. false: memory is short. */
static bool response_read_records(struct text bytes, struct decode_memory *memory, struct sync_response *response) {
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field))
        if (field.tag == PB_TAG(SYNC_RESPONSE_RECORDS, PB_BYTES) &&
            !record_list_add(&response->records, memory, field.bytes, response->origin))
            return false;
    return true;
}

bool sync_response_get(struct text bytes, struct decode_memory *memory, struct sync_response *response) {
    *response = (struct sync_response){.vector = memory->vector, .peer_hints = memory->peer_hints};
    struct text nonce = {0}, node_info = {0}, origins = {0}, sequences = {0};
    bool is_good = true;
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (take_number(&field, response)) continue;
        if (field.number == SYNC_RESPONSE_NONCE) nonce = field.bytes;
        else if (field.number == SYNC_RESPONSE_NODE_INFO) node_info = field.bytes;
        else if (field.number == SYNC_RESPONSE_PEER_HINTS) take_peer_hint(field.bytes, memory, response);
        else if (field.number == SYNC_RESPONSE_ORIGINS) origins = field.bytes;
        else if (field.number == SYNC_RESPONSE_SEQUENCES) sequences = field.bytes;
        else if (field.number == SYNC_RESPONSE_NEXT) is_good = is_good && sync_cursor_get(field.bytes, &response->next);
    }
    return is_good && !in.is_broken && response->origin != 0 && response->sequence <= SEQUENCE_MAX &&
           nonce_get(nonce, response->nonce) && node_info_get(node_info, &response->node_info) &&
           vector_get(origins, sequences, response->vector, &response->vector_count) &&
           response_read_records(bytes, memory, response);
}
