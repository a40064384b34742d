#include "draft.h"

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

void *draft_take(struct draft *draft, size_t bytes) {
    struct piece *piece = calloc(1, sizeof *piece + bytes);
    if (piece == NULL) abort();
    piece->next = draft->pieces;
    draft->pieces = piece;
    return piece->data;
}

void draft_free(struct draft *draft) {
    struct piece *piece = draft->pieces;
    while (piece != NULL) {
        struct piece *next = piece->next;
        free(piece);
        piece = next;
    }
    draft->pieces = NULL;
}

ProtobufCBinaryData draft_bytes(const char *string) {
    return (ProtobufCBinaryData){strlen(string), (uint8_t *)(uintptr_t)string};
}

ProtobufCBinaryData draft_filled(struct draft *draft, char fill, size_t len) {
    return (ProtobufCBinaryData){len, memset(draft_take(draft, len), fill, len)};
}

ProtobufCBinaryData draft_number(struct draft *draft, const char *stem, size_t i) {
    char *text = draft_take(draft, strlen(stem) + 24);
    sprintf(text, "%s%zu", stem, i);
    return draft_bytes(text);
}

#define DRAFT(NAME, CASE)                                                                                              \
    memset(draft, 0, sizeof *draft);                                                                                   \
    muster__v1__call__init(&draft->call);                                                                              \
    muster__v1__##NAME##_request__init(&draft->NAME);                                                                  \
    draft->call.request_case = MUSTER__V1__CALL__REQUEST_##CASE;                                                       \
    draft->call.NAME = &draft->NAME

void draft_touch(struct draft *draft, const char *scope) {
    DRAFT(touch, TOUCH);
    draft->touch.scope = draft_bytes(scope);
}

void draft_leave(struct draft *draft, const char *scope) {
    DRAFT(leave, LEAVE);
    draft->leave.scope = draft_bytes(scope);
}

void draft_live(struct draft *draft, const char *scope) {
    DRAFT(live, LIVE);
    draft->live.scope = draft_bytes(scope);
}

void draft_list(struct draft *draft, const char *scope) {
    DRAFT(list, LIST);
    draft->list.scope = draft_bytes(scope);
}

void draft_counts(struct draft *draft) {
    DRAFT(counts, COUNTS);
}

void draft_scopes(struct draft *draft) {
    DRAFT(scopes, SCOPES);
}

void draft_reset(struct draft *draft, const char *scope) {
    DRAFT(reset, RESET);
    draft->reset.scope = draft_bytes(scope);
}

void draft_nodes(struct draft *draft) {
    DRAFT(nodes, NODES);
}

void draft_watch(struct draft *draft, const char *scope) {
    DRAFT(watch, WATCH);
    draft->watch.scope = draft_bytes(scope);
}

/* Grows an array of `count` items by one, in powers of two, and returns it. */
static void *grown(struct draft *draft, void *items, size_t count, size_t size) {
    if (count > 0 && (count & (count - 1)) != 0) return items;
    void *larger = draft_take(draft, (count == 0 ? 1 : 2 * count) * size);
    if (count > 0) memcpy(larger, items, count * size);
    return larger;
}

Muster__V1__Beat *draft_beat(struct draft *draft, const char *user, const char *session) {
    Muster__V1__TouchRequest *touch = &draft->touch;
    Muster__V1__Beat *beat = draft_take(draft, sizeof *beat);
    muster__v1__beat__init(beat);
    beat->user = draft_bytes(user);
    beat->session = draft_bytes(session);
    touch->beats = grown(draft, touch->beats, touch->n_beats, sizeof(*touch->beats));
    touch->beats[touch->n_beats++] = beat;
    return beat;
}

Muster__V1__Departure *draft_departure(struct draft *draft, const char *user, const char *session) {
    Muster__V1__LeaveRequest *leave = &draft->leave;
    Muster__V1__Departure *departure = draft_take(draft, sizeof *departure);
    muster__v1__departure__init(departure);
    departure->user = draft_bytes(user);
    departure->session = draft_bytes(session);
    leave->departures = grown(draft, leave->departures, leave->n_departures, sizeof(*leave->departures));
    leave->departures[leave->n_departures++] = departure;
    return departure;
}

void draft_user(struct draft *draft, ProtobufCBinaryData user) {
    Muster__V1__LiveRequest *live = &draft->live;
    live->users = grown(draft, live->users, live->n_users, sizeof *live->users);
    live->users[live->n_users++] = user;
}

void draft_scope(struct draft *draft, ProtobufCBinaryData scope) {
    Muster__V1__CountsRequest *counts = &draft->counts;
    counts->scopes = grown(draft, counts->scopes, counts->n_scopes, sizeof *counts->scopes);
    counts->scopes[counts->n_scopes++] = scope;
}

void draft_window(struct draft *draft, uint64_t window_ms) {
    Muster__V1__CountsRequest *counts = &draft->counts;
    counts->windows_ms = grown(draft, counts->windows_ms, counts->n_windows_ms, sizeof *counts->windows_ms);
    counts->windows_ms[counts->n_windows_ms++] = window_ms;
}

void draft_status(struct draft *draft, int status) {
    Muster__V1__ListRequest *list = &draft->list;
    list->statuses = grown(draft, list->statuses, list->n_statuses, sizeof *list->statuses);
    list->statuses[list->n_statuses++] = (Muster__V1__Status)status;
}

void draft_watched(struct draft *draft, ProtobufCBinaryData user) {
    Muster__V1__WatchRequest *watch = &draft->watch;
    watch->users = grown(draft, watch->users, watch->n_users, sizeof *watch->users);
    watch->users[watch->n_users++] = user;
}

uint8_t *draft_packed(struct draft *draft, size_t *len) {
    *len = muster__v1__call__get_packed_size(&draft->call);
    uint8_t *request = malloc(*len + 1);
    if (request == NULL) abort();
    muster__v1__call__pack(&draft->call, request);
    draft_free(draft);
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

Muster__V1__Reply *ask_any(const struct answerer *answerer, struct draft *draft) {
    size_t len;
    uint8_t *request = draft_packed(draft, &len);
    Muster__V1__Reply *reply = ask_bytes(answerer, request, len);
    free(request);
    return reply;
}

Muster__V1__Reply *ask(const struct answerer *answerer, struct draft *draft) {
    Muster__V1__Reply *reply = ask_any(answerer, draft);
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

void ask_refused(const struct answerer *answerer, struct draft *draft, int code, const char *message) {
    expect_refused(answerer, ask_any(answerer, draft), code, message);
}

uint64_t touch(const struct answerer *answerer, const char *scope, const char *user, const char *session) {
    struct draft draft;
    draft_touch(&draft, scope);
    draft_beat(&draft, user, session);
    Muster__V1__Reply *reply = ask(answerer, &draft);
    uint64_t stamp = reply->touch->stamp;
    reply_free(reply);
    return stamp;
}

uint32_t leave(const struct answerer *answerer, const char *scope, const char *user, const char *session) {
    struct draft draft;
    draft_leave(&draft, scope);
    draft_departure(&draft, user, session);
    Muster__V1__Reply *reply = ask(answerer, &draft);
    uint32_t left = reply->leave->left;
    reply_free(reply);
    return left;
}

bool is_live(const struct answerer *answerer, const char *scope, const char *user) {
    struct draft draft;
    draft_live(&draft, scope);
    draft_user(&draft, draft_bytes(user));
    Muster__V1__Reply *reply = ask(answerer, &draft);
    if (reply->live == NULL || reply->live->n_users != 1)
        fail_msg("%s: Live of one user, not one answer", answerer->name);
    bool live = reply->live->users[0]->live;
    reply_free(reply);
    return live;
}

bool bytes_are(ProtobufCBinaryData bytes, const char *string) {
    return bytes.len == strlen(string) && memcmp(bytes.data, string, bytes.len) == 0;
}
