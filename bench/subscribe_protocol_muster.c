/* Watch and Touch over SP (proto/muster/v1/presence.proto; docs/protocol.md). */
#include "subscribe_protocol.h"
#include "load/sp.h"

enum {
    CALL_TOUCH = 2,
    CALL_WATCH = 9,
    REPLY_CODE = 1,
    REPLY_MESSAGE = 2,
    REPLY_WATCH = 10,
    KIND_JOINED = 1,
    KIND_LEFT = 2,
    STATUS_ONLINE = 2,
    STATUS_BUSY = 3,
    TTL_MS = 3600000,
};

static size_t ask(const struct watching *watching, const struct watcher *watcher, uint32_t slot, uint8_t *out) {
    uint8_t *body = out + CALL_HEADER_BYTES;
    size_t at = 0;
    if (watching->has_own_scopes) {
        char scope[24];
        at += put_field(body, 1, scope, (size_t)snprintf(scope, sizeof scope, "room:%08u", watcher->number));
    }
    if (watcher->cursor_len > 0) at += put_field(body + at, 5, watcher->cursor, watcher->cursor_len);
    at += put_number(body + at, 6, watching->max_wait_ms);
    if (watching->min_interval_ms > 0) at += put_number(body + at, 7, watching->min_interval_ms);
    return put_call(out, slot, CALL_WATCH, at);
}

static struct reader within(const struct field *field) {
    return (struct reader){field->data, field->data + field->len, false};
}

/* Reads every field of a user; its name, NULL if that is none of ours. */
static const uint8_t *read_user(const struct field *user) {
    struct reader fields = within(user);
    const uint8_t *name = NULL;
    for (struct field field; read_field(&fields, &field);)
        if (field.number == 1 && field.len == USER_BYTES) name = field.data;
    return name;
}

static void read_change(const struct field *change, struct watcher *watcher, struct reception *reception) {
    struct reader fields = within(change);
    uint64_t kind = 0;
    const uint8_t *user = NULL;
    for (struct field field; read_field(&fields, &field);) {
        if (field.number == 1) kind = field.value;
        if (field.number == 3) user = read_user(&field);
    }
    if (kind == KIND_JOINED) watcher->live++;
    if (kind == KIND_LEFT) watcher->live--;
    if (user != NULL) receive_change(watcher, reception, user);
}

static void begin_anew(struct watcher *watcher) {
    watcher->live = 0;
    watcher->is_synced = false;
}

static void read_watch(const struct field *response, struct watcher *watcher, struct reception *reception) {
    struct reader fields = within(response);
    bool is_more = false;
    if (watcher->cursor_len == 0) begin_anew(watcher);
    for (struct field field; read_field(&fields, &field);) {
        switch (field.number) {
        case 1:
            watcher->cursor_len = field.len <= CURSOR_MAX ? (uint32_t)field.len : 0;
            memcpy(watcher->cursor, field.data, watcher->cursor_len);
            break;
        case 2:
            reception->resyncs++;
            begin_anew(watcher);
            break;
        case 3:
            is_more = true;
            break;
        case 4:
            watcher->live += read_user(&field) != NULL;
            break;
        case 5:
            read_change(&field, watcher, reception);
            break;
        }
    }
    if (!is_more) watcher->is_synced = true;
}

static void note_problem(const struct field *field, struct reception *reception) {
    if (field->number == REPLY_CODE && field->value != 0)
        snprintf(reception->problem, sizeof reception->problem, "code %u", (unsigned)field->value);
    if (field->number == REPLY_MESSAGE)
        snprintf(reception->problem, sizeof reception->problem, "%.*s", (int)(field->len < 150 ? field->len : 150),
                 (const char *)field->data);
}

/* resync comes before the users of the new snapshot: the fields are in the order of their numbers, as protobuf-c and
 * every other writer of ours puts them. */
static size_t receive_message(struct watcher *watchers, const uint8_t *data, size_t len, struct reception *reception) {
    size_t used = read_message(data, len, &reception->slot, reception->problem);
    if (used == 0) return 0;
    if (reception->slot >= WATCHERS_EACH_MAX)
        snprintf(reception->problem, sizeof reception->problem, "an answer to nobody");
    struct reader reply = {data + SP_HEADER_BYTES, data + used, false};
    for (struct field field; reception->problem[0] == 0 && read_field(&reply, &field);) {
        note_problem(&field, reception);
        if (field.number == REPLY_WATCH) read_watch(&field, &watchers[reception->slot], reception);
    }
    if (reply.is_bad) snprintf(reception->problem, sizeof reception->problem, "an answer that does not decode");
    reception->is_answer = true;
    return used;
}

static size_t change(const uint8_t *user, bool is_busy, uint8_t *out) {
    uint8_t *body = out + CALL_HEADER_BYTES, beat[USER_BYTES + 4];
    size_t beat_len = put_field(beat, 2, user, USER_BYTES);
    beat_len += put_number(beat + beat_len, 5, is_busy ? STATUS_BUSY : STATUS_ONLINE);
    size_t at = put_number(body, 2, TTL_MS);
    at += put_field(body + at, 3, beat, beat_len);
    return put_call(out, 0, CALL_TOUCH, at);
}

static size_t confirm(const uint8_t *data, size_t len, struct reception *reception) {
    size_t used = read_message(data, len, &reception->slot, reception->problem);
    if (used == 0) return 0;
    struct reader reply = {data + SP_HEADER_BYTES, data + used, false};
    for (struct field field; read_field(&reply, &field);) note_problem(&field, reception);
    reception->is_answer = true;
    return used;
}

const struct subscribe_protocol subscribe_protocol_muster = {
    .base = &protocol_muster, .ask = ask, .receive = receive_message, .change = change, .confirm = confirm};
