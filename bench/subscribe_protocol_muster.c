/* Watch and Touch over SP (proto/muster/v1/presence.proto; docs/protocol.md). */
#include "common/protobuf.h"
#include "common/sp.h"
#include "connection.h"
#include "subscribe_protocol.h"

#include <stdio.h>

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
    PROBLEM_SHOWN = 150,
};

/* Begins a call in an SP frame at `out`: the request is written until end_call. */
static struct pb_writer begin_call(uint8_t *out, size_t capacity, unsigned call, uint8_t **request) {
    struct pb_writer message = pb_write_to(out + sp_header_bytes(false), capacity - sp_header_bytes(false));
    *request = pb_begin(&message, call);
    return message;
}

/* Returns the length of the frame. */
static size_t end_call(uint8_t *out, struct pb_writer *message, uint8_t *request, uint32_t slot) {
    pb_end(message, request);
    if (message->is_full) die("a request that does not fit");
    sp_put_header(out, false, slot, pb_written(message));
    return sp_header_bytes(false) + pb_written(message);
}

static size_t write_watch(const struct watching *watching, const struct watcher *watcher, uint32_t slot, uint8_t *out) {
    uint8_t *request;
    struct pb_writer message = begin_call(out, ASK_BYTES_MAX, CALL_WATCH, &request);
    char scope[24];
    (void)snprintf(scope, sizeof scope, "room:%08u", watcher->number);
    if (watching->has_own_scopes) pb_write_text(&message, 1, text_of(scope));
    pb_write_text(&message, 5, (struct text){(const char *)watcher->cursor, watcher->cursor_len});
    pb_write_number(&message, 6, watching->max_wait_ms);
    pb_write_number(&message, 7, watching->min_interval_ms);
    return end_call(out, &message, request, slot);
}

/* Reads every field of a user. Returns its name, NULL if it is not one of this program's. */
static const uint8_t *read_user(const struct pb_field *user) {
    struct pb_reader fields = pb_read(user->bytes);
    const uint8_t *name = NULL;
    for (struct pb_field field; pb_next(&fields, &field);)
        if (field.number == 1 && field.bytes.len == USER_BYTES) name = (const uint8_t *)field.bytes.data;
    return name;
}

static void read_change(const struct pb_field *change, struct watcher *watcher, struct reception *reception) {
    struct pb_reader fields = pb_read(change->bytes);
    uint64_t kind = 0;
    const uint8_t *user = NULL;
    for (struct pb_field field; pb_next(&fields, &field);) {
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

static void read_watch(const struct pb_field *response, struct watcher *watcher, struct reception *reception) {
    struct pb_reader fields = pb_read(response->bytes);
    bool is_more = false;
    if (watcher->cursor_len == 0) begin_anew(watcher);
    for (struct pb_field field; pb_next(&fields, &field);) {
        switch (field.number) {
        case 1:
            watcher->cursor_len = field.bytes.len <= CURSOR_MAX ? field.bytes.len : 0;
            memcpy(watcher->cursor, field.bytes.data, watcher->cursor_len);
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

static void note_problem(const struct pb_field *field, struct reception *reception) {
    if (field->number == REPLY_CODE && field->value != 0)
        snprintf(reception->problem, sizeof reception->problem, "code %u", (unsigned)field->value);
    if (field->number == REPLY_MESSAGE)
        snprintf(reception->problem, sizeof reception->problem, "%.*s",
                 field->bytes.len < PROBLEM_SHOWN ? (int)field->bytes.len : PROBLEM_SHOWN, field->bytes.data);
}

/* One frame. Returns how many bytes were used; 0: more input is needed. */
static size_t read_reply(const uint8_t *data, size_t len, struct reception *reception, struct text *reply) {
    size_t used = 0;
    if (sp_read(data, len, false, ANSWER_BYTES_MAX, &reception->slot, reply, &used) == SP_MALFORMED)
        snprintf(reception->problem, sizeof reception->problem, "an answer that is no frame");
    reception->is_answer = used > 0;
    return used;
}

/* Relies on the fields being in the order of their numbers, as Muster writes them: resync comes before the users of the
 * new snapshot. */
static size_t read_watch_reply(struct watcher *watchers, const uint8_t *data, size_t len, struct reception *reception) {
    struct text reply;
    size_t used = read_reply(data, len, reception, &reply);
    if (used == 0) return 0;
    if (reception->slot >= WATCHERS_EACH_MAX)
        snprintf(reception->problem, sizeof reception->problem, "an answer to nobody");
    struct pb_reader fields = pb_read(reply);
    for (struct pb_field field; reception->problem[0] == 0 && pb_next(&fields, &field);) {
        note_problem(&field, reception);
        if (field.number == REPLY_WATCH) read_watch(&field, &watchers[reception->slot], reception);
    }
    if (fields.is_broken) snprintf(reception->problem, sizeof reception->problem, "an answer that does not decode");
    return used;
}

static size_t write_touch(const uint8_t *user, bool is_busy, uint8_t *out) {
    uint8_t *request;
    struct pb_writer message = begin_call(out, CHANGE_BYTES_MAX, CALL_TOUCH, &request);
    pb_write_number(&message, 2, TTL_MS);
    uint8_t *beat = pb_begin(&message, 3);
    pb_write_text(&message, 2, (struct text){(const char *)user, USER_BYTES});
    pb_write_number(&message, 5, is_busy ? STATUS_BUSY : STATUS_ONLINE);
    pb_end(&message, beat);
    return end_call(out, &message, request, 0);
}

static size_t read_touched(const uint8_t *data, size_t len, struct reception *reception) {
    struct text reply;
    size_t used = read_reply(data, len, reception, &reply);
    if (used == 0) return 0;
    struct pb_reader fields = pb_read(reply);
    for (struct pb_field field; pb_next(&fields, &field);) note_problem(&field, reception);
    return used;
}

const struct subscribe_protocol subscribe_protocol_muster = {.base = &protocol_muster,
                                                             .ask = write_watch,
                                                             .receive = read_watch_reply,
                                                             .change = write_touch,
                                                             .confirm = read_touched};
