#include "request_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

struct piece {
    struct piece *next;
    max_align_t data[];
};

void *builder_take(struct request_builder *builder, size_t bytes) {
    struct piece *piece = calloc(1, sizeof *piece + bytes);
    if (piece == NULL) abort();
    piece->next = builder->pieces;
    builder->pieces = piece;
    return piece->data;
}

void builder_free(struct request_builder *builder) {
    struct piece *piece = builder->pieces;
    while (piece != NULL) {
        struct piece *next = piece->next;
        free(piece);
        piece = next;
    }
    builder->pieces = NULL;
}

ProtobufCBinaryData builder_bytes(const char *string) {
    return (ProtobufCBinaryData){strlen(string), (uint8_t *)(uintptr_t)string};
}

ProtobufCBinaryData builder_filled(struct request_builder *builder, char fill, size_t len) {
    return (ProtobufCBinaryData){len, memset(builder_take(builder, len), fill, len)};
}

ProtobufCBinaryData builder_number(struct request_builder *builder, const char *stem, size_t i) {
    char *text = builder_take(builder, strlen(stem) + 24);
    sprintf(text, "%s%zu", stem, i);
    return builder_bytes(text);
}

#define BUILD(NAME, CASE)                                                                                              \
    memset(builder, 0, sizeof *builder);                                                                               \
    muster__v1__call__init(&builder->call);                                                                            \
    muster__v1__##NAME##_request__init(&builder->NAME);                                                                \
    builder->call.request_case = MUSTER__V1__CALL__REQUEST_##CASE;                                                     \
    builder->call.NAME = &builder->NAME

void builder_touch(struct request_builder *builder, const char *scope) {
    BUILD(touch, TOUCH);
    builder->touch.scope = builder_bytes(scope);
}

void builder_set_status(struct request_builder *builder, const char *scope, const char *user, int status) {
    BUILD(set_status, SET_STATUS);
    builder->set_status.scope = builder_bytes(scope);
    builder->set_status.user = builder_bytes(user);
    builder->set_status.status = (Muster__V1__Status)status;
}

void builder_leave(struct request_builder *builder, const char *scope) {
    BUILD(leave, LEAVE);
    builder->leave.scope = builder_bytes(scope);
}

void builder_live(struct request_builder *builder, const char *scope) {
    BUILD(live, LIVE);
    builder->live.scope = builder_bytes(scope);
}

void builder_list(struct request_builder *builder, const char *scope) {
    BUILD(list, LIST);
    builder->list.scope = builder_bytes(scope);
}

void builder_counts(struct request_builder *builder) {
    BUILD(counts, COUNTS);
}

void builder_scopes(struct request_builder *builder) {
    BUILD(scopes, SCOPES);
}

void builder_where(struct request_builder *builder, const char *scope_prefix) {
    BUILD(where, WHERE);
    builder->where.scope_prefix = builder_bytes(scope_prefix);
}

void builder_reset(struct request_builder *builder, const char *scope) {
    BUILD(reset, RESET);
    builder->reset.scope = builder_bytes(scope);
}

void builder_nodes(struct request_builder *builder) {
    BUILD(nodes, NODES);
}

void builder_watch(struct request_builder *builder, const char *scope) {
    BUILD(watch, WATCH);
    builder->watch.scope = builder_bytes(scope);
}

/* Grows an array of `count` items by one, in powers of two, and returns it. */
static void *grown(struct request_builder *builder, void *items, size_t count, size_t size) {
    if (count > 0 && (count & (count - 1)) != 0) return items;
    void *larger = builder_take(builder, (count == 0 ? 1 : 2 * count) * size);
    if (count > 0) memcpy(larger, items, count * size);
    return larger;
}

Muster__V1__Beat *builder_beat(struct request_builder *builder, const char *user, const char *session) {
    Muster__V1__TouchRequest *touch = &builder->touch;
    Muster__V1__Beat *beat = builder_take(builder, sizeof *beat);
    muster__v1__beat__init(beat);
    beat->user = builder_bytes(user);
    beat->session = builder_bytes(session);
    touch->beats = grown(builder, touch->beats, touch->n_beats, sizeof(*touch->beats));
    touch->beats[touch->n_beats++] = beat;
    return beat;
}

Muster__V1__Departure *builder_departure(struct request_builder *builder, const char *user, const char *session) {
    Muster__V1__LeaveRequest *leave = &builder->leave;
    Muster__V1__Departure *departure = builder_take(builder, sizeof *departure);
    muster__v1__departure__init(departure);
    departure->user = builder_bytes(user);
    departure->session = builder_bytes(session);
    leave->departures = grown(builder, leave->departures, leave->n_departures, sizeof(*leave->departures));
    leave->departures[leave->n_departures++] = departure;
    return departure;
}

void builder_user(struct request_builder *builder, ProtobufCBinaryData user) {
    Muster__V1__LiveRequest *live = &builder->live;
    live->users = grown(builder, live->users, live->n_users, sizeof *live->users);
    live->users[live->n_users++] = user;
}

void builder_where_user(struct request_builder *builder, ProtobufCBinaryData user) {
    Muster__V1__WhereRequest *where = &builder->where;
    where->users = grown(builder, where->users, where->n_users, sizeof *where->users);
    where->users[where->n_users++] = user;
}

void builder_scope(struct request_builder *builder, ProtobufCBinaryData scope) {
    Muster__V1__CountsRequest *counts = &builder->counts;
    counts->scopes = grown(builder, counts->scopes, counts->n_scopes, sizeof *counts->scopes);
    counts->scopes[counts->n_scopes++] = scope;
}

void builder_window(struct request_builder *builder, uint64_t window_ms) {
    Muster__V1__CountsRequest *counts = &builder->counts;
    counts->windows_ms = grown(builder, counts->windows_ms, counts->n_windows_ms, sizeof *counts->windows_ms);
    counts->windows_ms[counts->n_windows_ms++] = window_ms;
}

void builder_status(struct request_builder *builder, int status) {
    Muster__V1__ListRequest *list = &builder->list;
    list->statuses = grown(builder, list->statuses, list->n_statuses, sizeof *list->statuses);
    list->statuses[list->n_statuses++] = (Muster__V1__Status)status;
}

void builder_watched(struct request_builder *builder, ProtobufCBinaryData user) {
    Muster__V1__WatchRequest *watch = &builder->watch;
    watch->users = grown(builder, watch->users, watch->n_users, sizeof *watch->users);
    watch->users[watch->n_users++] = user;
}

uint8_t *builder_packed(struct request_builder *builder, size_t *len) {
    *len = muster__v1__call__get_packed_size(&builder->call);
    uint8_t *request = malloc(*len + 1);
    if (request == NULL) abort();
    muster__v1__call__pack(&builder->call, request);
    builder_free(builder);
    return request;
}

Muster__V1__Reply *ask_bytes(const struct answerer *answerer, const void *request, size_t len) {
    uint8_t *bytes;
    size_t n = answerer->ask(answerer->context, request, len, &bytes);
    Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, n, bytes);
    free(bytes);
    if (reply == NULL) fail_msg("%s: a reply of %zu bytes that does not decode", answerer->name, n);
    return reply;
}

Muster__V1__Reply *ask_any(const struct answerer *answerer, struct request_builder *builder) {
    size_t len;
    uint8_t *request = builder_packed(builder, &len);
    Muster__V1__Reply *reply = ask_bytes(answerer, request, len);
    free(request);
    return reply;
}

Muster__V1__Reply *ask(const struct answerer *answerer, struct request_builder *builder) {
    Muster__V1__Reply *reply = ask_any(answerer, builder);
    if (reply->code != 0)
        fail_msg("%s: refused with code %d: %.*s", answerer->name, reply->code, (int)reply->message.len,
                 (const char *)reply->message.data);
    return reply;
}

void reply_free(Muster__V1__Reply *reply) {
    muster__v1__reply__free_unpacked(reply, NULL);
}

void expect_refused(const struct answerer *answerer, Muster__V1__Reply *reply, int code, const char *message) {
    char said[512];
    snprintf(said, sizeof said, "%.*s", (int)reply->message.len, (const char *)reply->message.data);
    bool has_response = reply->response_case != MUSTER__V1__REPLY__RESPONSE__NOT_SET;
    int given = reply->code;
    reply_free(reply);
    if (given != code || strstr(said, message) == NULL || has_response)
        fail_msg("%s: code %d '%s'%s, expected code %d '%s'", answerer->name, given, said,
                 has_response ? " with a response" : "", code, message);
}

void ask_refused(const struct answerer *answerer, struct request_builder *builder, int code, const char *message) {
    expect_refused(answerer, ask_any(answerer, builder), code, message);
}

uint64_t touch(const struct answerer *answerer, const char *scope, const char *user, const char *session) {
    struct request_builder builder;
    builder_touch(&builder, scope);
    builder_beat(&builder, user, session);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    uint64_t stamp = reply->touch->stamp;
    reply_free(reply);
    return stamp;
}

uint32_t leave(const struct answerer *answerer, const char *scope, const char *user, const char *session) {
    struct request_builder builder;
    builder_leave(&builder, scope);
    builder_departure(&builder, user, session);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    uint32_t left = reply->leave->left;
    reply_free(reply);
    return left;
}

bool is_live(const struct answerer *answerer, const char *scope, const char *user) {
    struct request_builder builder;
    builder_live(&builder, scope);
    builder_user(&builder, builder_bytes(user));
    Muster__V1__Reply *reply = ask(answerer, &builder);
    if (reply->live == NULL || reply->live->n_users != 1)
        fail_msg("%s: Live of one user, not one answer", answerer->name);
    bool live = reply->live->users[0]->live;
    reply_free(reply);
    return live;
}

bool bytes_are(ProtobufCBinaryData bytes, const char *string) {
    return bytes.len == strlen(string) && memcmp(bytes.data, string, bytes.len) == 0;
}
