/* Requests under construction, and the asking of them, for tests. */
#ifndef MUSTER_TESTS_SUPPORT_DRAFT_H
#define MUSTER_TESTS_SUPPORT_DRAFT_H

#include "muster/v1/presence.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who answers: a node in this process, or a server at the other end of a connection. */
struct answerer {
    void *context;
    const char *name;
    /* Sends one Call and waits for the Reply; *reply is freed by the caller. Ends the test if none comes. */
    size_t (*ask)(void *context, const uint8_t *request, size_t len, uint8_t **reply);
};

/* A Call and all that it points to. */
struct draft {
    Muster__V1__Call call;
    Muster__V1__TouchRequest touch;
    Muster__V1__LeaveRequest leave;
    Muster__V1__LiveRequest live;
    Muster__V1__ListRequest list;
    Muster__V1__CountsRequest counts;
    Muster__V1__ScopesRequest scopes;
    Muster__V1__ResetRequest reset;
    Muster__V1__NodesRequest nodes;
    Muster__V1__WatchRequest watch;
    void *pieces; /* allocated, chained */
};

/* A draft of each call; draft_free frees what it points to. */
void draft_touch(struct draft *draft, const char *scope);
void draft_leave(struct draft *draft, const char *scope);
void draft_live(struct draft *draft, const char *scope);
void draft_list(struct draft *draft, const char *scope);
void draft_counts(struct draft *draft);
void draft_scopes(struct draft *draft);
void draft_reset(struct draft *draft, const char *scope);
void draft_nodes(struct draft *draft);
void draft_watch(struct draft *draft, const char *scope);
void draft_free(struct draft *draft);

/* Zeroed memory that lives as long as the draft. */
void *draft_take(struct draft *draft, size_t bytes);
ProtobufCBinaryData draft_bytes(const char *string);                               /* borrowed */
ProtobufCBinaryData draft_filled(struct draft *draft, char fill, size_t len);      /* `len` times `fill` */
ProtobufCBinaryData draft_number(struct draft *draft, const char *stem, size_t i); /* stem followed by i */

Muster__V1__Beat *draft_beat(struct draft *draft, const char *user, const char *session);
Muster__V1__Departure *draft_departure(struct draft *draft, const char *user, const char *session);
void draft_user(struct draft *draft, ProtobufCBinaryData user);
void draft_scope(struct draft *draft, ProtobufCBinaryData scope);
void draft_window(struct draft *draft, uint64_t window_ms);
void draft_status(struct draft *draft, int status);
void draft_watched(struct draft *draft, ProtobufCBinaryData user);

/* The request's bytes, *len of them, to be freed by the caller; frees the draft. */
uint8_t *draft_packed(struct draft *draft, size_t *len);
/* Asks, and frees the draft. reply_free frees the reply. */
Muster__V1__Reply *ask_any(const struct answerer *answerer, struct draft *draft);
/* The same; ends the test unless the code is 0. */
Muster__V1__Reply *ask(const struct answerer *answerer, struct draft *draft);
Muster__V1__Reply *ask_bytes(const struct answerer *answerer, const void *request, size_t len);
void reply_free(Muster__V1__Reply *reply);

/* Asks, frees the draft, and ends the test unless the code is this one and the message contains `message`. */
void ask_refused(const struct answerer *answerer, struct draft *draft, int code, const char *message);
void expect_refused(const struct answerer *answerer, Muster__V1__Reply *reply, int code, const char *message);

/* Shorthands. */
uint64_t touch(const struct answerer *answerer, const char *scope, const char *user,
               const char *session); /* the stamp */
uint32_t leave(const struct answerer *answerer, const char *scope, const char *user,
               const char *session); /* users left */
bool is_live(const struct answerer *answerer, const char *scope, const char *user);
bool bytes_are(ProtobufCBinaryData bytes, const char *string);

#endif
