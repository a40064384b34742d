#include "record.h"

#include "common/utf8.h"
#include "core/hlc.h"

enum {
    RECORD_SCOPE = 1,
    RECORD_USER,
    RECORD_SESSION,
    RECORD_STATE,
    RECORD_TTL,
    RECORD_STATUS,
    RECORD_AGE,
    RECORD_STAMP,
    RECORD_SEQUENCE,
    RECORD_ORIGIN,
    RECORD_RESET,
    RECORD_KIND,
};

void record_put(struct pb_writer *out, unsigned number, const struct change *change, uint64_t sender, uint64_t now_ms) {
    uint8_t *begun = pb_begin(out, number);
    pb_write_text(out, RECORD_SCOPE, change->scope);
    if (!change->is_reset) {
        pb_write_text(out, RECORD_USER, change->user);
        pb_write_text(out, RECORD_SESSION, change->session);
        pb_write_text(out, RECORD_STATE, change->state);
        pb_write_number(out, RECORD_TTL, change->ttl_ms);
        pb_write_number(out, RECORD_STATUS, change->status);
        pb_write_number(out, RECORD_KIND, change->kind);
    }
    pb_write_number(out, RECORD_AGE, now_ms > change->seen_ms ? now_ms - change->seen_ms : 0);
    pb_write_fixed64(out, RECORD_STAMP, change->stamp);
    pb_write_number(out, RECORD_SEQUENCE, change->sequence);
    pb_write_fixed64(out, RECORD_ORIGIN, change->origin == sender ? 0 : change->origin);
    pb_write_number(out, RECORD_RESET, change->is_reset);
    pb_end(out, begun);
}

static bool is_id(struct text text, uint32_t least) {
    uint32_t at;
    return text.len >= least && text.len <= MUSTER_ID_BYTES_MAX && utf8_check(text, &at) == UTF8_GOOD;
}

/* The numbers of a record that are checked before they are narrowed. */
struct record_numbers {
    uint64_t ttl_ms, status, kind;
};

static bool is_register_in_range(const struct change *change, const struct record_numbers *numbers) {
    bool has_status = numbers->ttl_ms == 0 ? numbers->status <= STATUS_BUSY
                                           : numbers->status >= STATUS_AWAY && numbers->status <= STATUS_BUSY;
    switch (numbers->kind) {
    case REGISTER_SESSION:
        return is_id(change->session, 0) && change->state.len <= MUSTER_STATE_BYTES_MAX &&
               numbers->ttl_ms <= MUSTER_TTL_MAX_MS && has_status;
    case REGISTER_LEAVE:
        return text_equal(change->session, register_session(REGISTER_LEAVE)) && change->state.len == 0 &&
               numbers->ttl_ms == 0 && has_status;
    case REGISTER_STATUS:
        return text_equal(change->session, register_session(REGISTER_STATUS)) && change->state.len == 0 &&
               numbers->ttl_ms <= MUSTER_STATUS_TTL_MAX_MS && has_status;
    default: /* of a newer version */
        return false;
    }
}

static bool is_in_range(const struct change *change, const struct record_numbers *numbers) {
    if (!is_id(change->scope, 1) || !hlc_is_stamp(change->stamp) || change->origin == 0) return false;
    if (change->sequence == 0 || change->sequence > SEQUENCE_MAX || change->seen_ms > RECORD_AGE_MAX_MS) return false;
    if (change->is_reset) return true;
    return is_id(change->user, 1) && is_register_in_range(change, numbers);
}

/* A field of the wrong type reads as 0 or as empty, which is out of range, or unset. */
static void record_take_field(const struct pb_field *field, struct change *change, struct record_numbers *numbers) {
    switch (field->number) {
    case RECORD_SCOPE:
        change->scope = field->bytes;
        break;
    case RECORD_USER:
        change->user = field->bytes;
        break;
    case RECORD_SESSION:
        change->session = field->bytes;
        break;
    case RECORD_STATE:
        change->state = field->bytes;
        break;
    case RECORD_TTL:
        numbers->ttl_ms = field->value;
        break;
    case RECORD_STATUS:
        numbers->status = field->value;
        break;
    case RECORD_AGE:
        change->seen_ms = field->value;
        break;
    case RECORD_STAMP:
        change->stamp = field->value;
        break;
    case RECORD_SEQUENCE:
        change->sequence = field->value;
        break;
    case RECORD_ORIGIN:
        if (field->value != 0) change->origin = field->value;
        break;
    case RECORD_RESET:
        change->is_reset = field->value != 0;
        break;
    case RECORD_KIND:
        numbers->kind = field->value;
        break;
    default: /* of a newer version */
        break;
    }
}

enum record_verdict record_get(struct text bytes, uint64_t sender, struct change *change) {
    *change = (struct change){.origin = sender};
    struct record_numbers numbers = {0};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) record_take_field(&field, change, &numbers);
    if (in.is_broken) return RECORD_BROKEN;
    if (!is_in_range(change, &numbers)) return RECORD_WRONG;
    if (change->is_reset) {
        change->user = change->session = change->state = (struct text){0};
        return RECORD_GOOD;
    }
    change->ttl_ms = (uint32_t)numbers.ttl_ms;
    change->status = (uint8_t)numbers.status;
    change->kind = (uint8_t)numbers.kind;
    return RECORD_GOOD;
}

bool record_list_add(struct record_list *list, struct decode_memory *memory, struct text bytes, uint64_t sender) {
    if (!decode_memory_fit_record(memory, list->count)) return false;
    list->items = memory->records;
    if (record_get(bytes, sender, &list->items[list->count]) == RECORD_GOOD) list->count++;
    else list->wrong++;
    return true;
}
