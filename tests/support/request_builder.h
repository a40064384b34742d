/* Requests under construction, and the asking of them, for tests. */
#ifndef MUSTER_TESTS_SUPPORT_REQUEST_BUILDER_H
#define MUSTER_TESTS_SUPPORT_REQUEST_BUILDER_H

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
struct request_builder {
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
    Muster__V1__WhereRequest where;
    Muster__V1__SetStatusRequest set_status;
    void *pieces; /* allocated, chained */
};

/* A builder that holds a request of each call; builder_free frees what it points to. */
void builder_touch(struct request_builder *builder, const char *scope);
void builder_leave(struct request_builder *builder, const char *scope);
void builder_live(struct request_builder *builder, const char *scope);
void builder_list(struct request_builder *builder, const char *scope);
void builder_counts(struct request_builder *builder);
void builder_scopes(struct request_builder *builder);
void builder_reset(struct request_builder *builder, const char *scope);
void builder_nodes(struct request_builder *builder);
void builder_watch(struct request_builder *builder, const char *scope);
void builder_set_status(struct request_builder *builder, const char *scope, const char *user, int status);
void builder_where(struct request_builder *builder, const char *scope_prefix);
void builder_free(struct request_builder *builder);

/* Zeroed memory that lives as long as the builder. */
void *builder_take(struct request_builder *builder, size_t bytes);
ProtobufCBinaryData builder_bytes(const char *string);                                      /* borrowed */
ProtobufCBinaryData builder_filled(struct request_builder *builder, char fill, size_t len); /* `len` times `fill` */
ProtobufCBinaryData builder_number(struct request_builder *builder, const char *stem,
                                   size_t i); /* stem followed by i */

Muster__V1__Beat *builder_beat(struct request_builder *builder, const char *user, const char *session);
Muster__V1__Departure *builder_departure(struct request_builder *builder, const char *user, const char *session);
void builder_user(struct request_builder *builder, ProtobufCBinaryData user);
void builder_where_user(struct request_builder *builder, ProtobufCBinaryData user);
void builder_scope(struct request_builder *builder, ProtobufCBinaryData scope);
void builder_window(struct request_builder *builder, uint64_t window_ms);
void builder_status(struct request_builder *builder, int status);
void builder_watched(struct request_builder *builder, ProtobufCBinaryData user);

/* The request's bytes, *len of them, to be freed by the caller; frees the builder. */
uint8_t *builder_packed(struct request_builder *builder, size_t *len);
/* Asks, and frees the builder. reply_free frees the reply. */
Muster__V1__Reply *ask_any(const struct answerer *answerer, struct request_builder *builder);
/* The same; ends the test unless the code is 0. */
Muster__V1__Reply *ask(const struct answerer *answerer, struct request_builder *builder);
Muster__V1__Reply *ask_bytes(const struct answerer *answerer, const void *request, size_t len);
void reply_free(Muster__V1__Reply *reply);

/* Asks, frees the builder, and ends the test unless the code is this one and the message contains `message`. */
void ask_refused(const struct answerer *answerer, struct request_builder *builder, int code, const char *message);
void expect_refused(const struct answerer *answerer, Muster__V1__Reply *reply, int code, const char *message);

/* Shorthands. */
uint64_t touch(const struct answerer *answerer, const char *scope, const char *user,
               const char *session); /* the stamp */
uint32_t leave(const struct answerer *answerer, const char *scope, const char *user,
               const char *session); /* users left */
bool is_live(const struct answerer *answerer, const char *scope, const char *user);
bool bytes_are(ProtobufCBinaryData bytes, const char *string);

#endif
