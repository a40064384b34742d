#include "sync_message.h"

#include "record.h"

enum {
    CURSOR_AFTER = 1,
    CURSOR_SCOPE_PLACE,
    CURSOR_USER_PLACE,
    CURSOR_SCOPE_DONE,
    CURSOR_HAS_USER,
    CURSOR_SCOPE_BITS,
    CURSOR_USER_BITS,
    CURSOR_SPLIT_USER,
    CURSOR_SPLIT_SESSION,
};

enum {
    ASK_NONCE = 1,
    ASK_ORIGIN,
    ASK_NODE_INFO,
    ASK_WANT,
    ASK_ORIGINS,
    ASK_SEQUENCES,
    ASK_CURSOR,
    ASK_PAGE_BYTES,
    ASK_UNTIL,
};

enum {
    ANSWER_NONCE = 1,
    ANSWER_ORIGIN,
    ANSWER_NODE_INFO,
    ANSWER_SENT,
    ANSWER_FRAME_NUMBER,
    ANSWER_SEQUENCE,
    ANSWER_MEMBERS,
    ANSWER_WALL,
    ANSWER_READY,
    ANSWER_SEQUENCES = 12,
    ANSWER_NEXT = 14,
    ANSWER_FORGOTTEN = 15,
};

/* ---- cursors --------------------------------------------------------------------------------------------------- */

static void cursor_put(struct pb_writer *out, unsigned number, const struct cursor *cursor) {
    if (!cursor->is_set) return;
    uint8_t *begun = pb_begin(out, number);
    pb_write_number(out, CURSOR_AFTER, cursor->after);
    if (cursor->walk.is_begun) pb_write_fixed64(out, CURSOR_SCOPE_PLACE, cursor->walk.scope_hash);
    if (cursor->walk.has_user) pb_write_fixed64(out, CURSOR_USER_PLACE, cursor->walk.user_hash);
    pb_write_number(out, CURSOR_SCOPE_DONE, cursor->walk.is_scope_done);
    pb_write_number(out, CURSOR_HAS_USER, cursor->walk.has_user);
    pb_write_number(out, CURSOR_SCOPE_BITS, cursor->walk.scope_bits);
    pb_write_number(out, CURSOR_USER_BITS, cursor->walk.user_bits);
    if (cursor->walk.split_session != 0) pb_write_fixed64(out, CURSOR_SPLIT_USER, cursor->walk.split_user);
    pb_write_fixed64(out, CURSOR_SPLIT_SESSION, cursor->walk.split_session);
    pb_end(out, begun);
}

static bool cursor_get(struct text bytes, struct cursor *cursor) {
    *cursor = (struct cursor){.is_set = true, .walk.is_begun = true};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (field.number == CURSOR_AFTER) cursor->after = field.value;
        else if (field.number == CURSOR_SCOPE_PLACE) cursor->walk.scope_hash = field.value;
        else if (field.number == CURSOR_USER_PLACE) cursor->walk.user_hash = field.value;
        else if (field.number == CURSOR_SCOPE_DONE) cursor->walk.is_scope_done = field.value != 0;
        else if (field.number == CURSOR_HAS_USER) cursor->walk.has_user = field.value != 0;
        else if (field.number == CURSOR_SCOPE_BITS) cursor->walk.scope_bits = (uint8_t)field.value;
        else if (field.number == CURSOR_USER_BITS) cursor->walk.user_bits = (uint8_t)field.value;
        else if (field.number == CURSOR_SPLIT_USER) cursor->walk.split_user = field.value;
        else if (field.number == CURSOR_SPLIT_SESSION) cursor->walk.split_session = field.value;
    }
    return !in.is_broken;
}

static bool nonce_get(struct text bytes, uint8_t nonce[NONCE_BYTES]) {
    if (bytes.len != NONCE_BYTES) return false;
    memcpy(nonce, bytes.data, NONCE_BYTES);
    return true;
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

void ask_put(struct pb_writer *out, const struct ask *ask) {
    pb_write_text(out, ASK_NONCE, (struct text){(const char *)ask->nonce, NONCE_BYTES});
    pb_write_fixed64(out, ASK_ORIGIN, ask->origin);
    node_info_put(out, ASK_NODE_INFO, &ask->node_info);
    pb_write_number(out, ASK_WANT, ask->want);
    vector_put(out, ASK_ORIGINS, ask->vector, ask->vector_count);
    cursor_put(out, ASK_CURSOR, &ask->cursor);
    pb_write_number(out, ASK_PAGE_BYTES, ask->page_bytes);
    pb_write_number(out, ASK_UNTIL, ask->until);
}

bool ask_get(struct text bytes, struct ask *ask) {
    *ask = (struct ask){.vector = ask->vector};
    struct text nonce = {0}, node_info = {0}, origins = {0}, sequences = {0};
    bool is_good = true;
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (field.number == ASK_NONCE) nonce = field.bytes;
        else if (field.number == ASK_ORIGIN) ask->origin = field.value;
        else if (field.number == ASK_NODE_INFO) node_info = field.bytes;
        else if (field.number == ASK_WANT) ask->want = field.value <= WANT_ALL ? (enum want)field.value : WANT_HELLO;
        else if (field.number == ASK_ORIGINS) origins = field.bytes;
        else if (field.number == ASK_SEQUENCES) sequences = field.bytes;
        else if (field.number == ASK_CURSOR) is_good = is_good && cursor_get(field.bytes, &ask->cursor);
        else if (field.number == ASK_PAGE_BYTES) ask->page_bytes = field.value;
        else if (field.number == ASK_UNTIL) ask->until = field.value;
    }
    return is_good && !in.is_broken && ask->origin != 0 && nonce_get(nonce, ask->nonce) &&
           node_info_get(node_info, &ask->node_info) && vector_get(origins, sequences, ask->vector, &ask->vector_count);
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

void answer_put_head(struct pb_writer *out, const struct answer *answer) {
    pb_write_text(out, ANSWER_NONCE, (struct text){(const char *)answer->nonce, NONCE_BYTES});
    pb_write_fixed64(out, ANSWER_ORIGIN, answer->origin);
    node_info_put(out, ANSWER_NODE_INFO, &answer->node_info);
    pb_write_number(out, ANSWER_SENT, answer->sent_ms);
    pb_write_number(out, ANSWER_FRAME_NUMBER, answer->frame_number);
    pb_write_number(out, ANSWER_SEQUENCE, answer->sequence);
    pb_write_number(out, ANSWER_MEMBERS, answer->members);
    pb_write_number(out, ANSWER_WALL, answer->wall_ms);
    pb_write_number(out, ANSWER_READY, answer->is_ready);
}

void answer_put_tail(struct pb_writer *out, const struct answer *answer) {
    cursor_put(out, ANSWER_NEXT, &answer->next);
    pb_write_number(out, ANSWER_FORGOTTEN, answer->is_forgotten);
}

static bool take_number(const struct pb_field *field, struct answer *answer) {
    switch (field->number) {
    case ANSWER_ORIGIN:
        answer->origin = field->value;
        return true;
    case ANSWER_SENT:
        answer->sent_ms = field->value;
        return true;
    case ANSWER_FRAME_NUMBER:
        answer->frame_number = field->value;
        return true;
    case ANSWER_SEQUENCE:
        answer->sequence = field->value;
        return true;
    case ANSWER_MEMBERS:
        answer->members = field->value;
        return true;
    case ANSWER_WALL:
        answer->wall_ms = field->value;
        return true;
    case ANSWER_READY:
        answer->is_ready = field->value != 0;
        return true;
    case ANSWER_FORGOTTEN:
        answer->is_forgotten = field->value != 0;
        return true;
    default:
        return false;
    }
}

bool answer_get(struct text bytes, struct answer *answer) {
    *answer = (struct answer){.vector = answer->vector, .whole = bytes};
    struct text nonce = {0}, node_info = {0}, origins = {0}, sequences = {0};
    bool is_good = true;
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (take_number(&field, answer)) continue;
        if (field.number == ANSWER_NONCE) nonce = field.bytes;
        else if (field.number == ANSWER_NODE_INFO) node_info = field.bytes;
        else if (field.number == ANSWER_ORIGINS) origins = field.bytes;
        else if (field.number == ANSWER_SEQUENCES) sequences = field.bytes;
        else if (field.number == ANSWER_NEXT) is_good = is_good && cursor_get(field.bytes, &answer->next);
    }
    return is_good && !in.is_broken && answer->origin != 0 && answer->sequence <= SEQUENCE_MAX &&
           nonce_get(nonce, answer->nonce) && node_info_get(node_info, &answer->node_info) &&
           vector_get(origins, sequences, answer->vector, &answer->vector_count);
}
