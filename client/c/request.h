/* A request: one Call, checked and encoded. */
#ifndef MUSTER_CLIENT_REQUEST_H
#define MUSTER_CLIENT_REQUEST_H

#include "common/protobuf.h"
#include "muster/muster.h"

/* Memory that is kept from one request to the next. Zero-initialised is empty. */
struct request {
    uint8_t *data;
    size_t capacity;
    uint8_t *start, *end;  /* the Call, once encoded */
    uint32_t least_ttl_ms; /* of the beats of a Touch; where they name none, MUSTER_TTL_DEFAULT_MS */
    uint64_t stamp;        /* of a Leave */
    size_t stamp_offset;   /* where it stands, as the last field of the Call */
};

/* Which beats of a Touch only say "still here". */
struct refreshes {
    bool all;
    const bool *some; /* by beat; NULL: none but all */
};

void request_free(struct request *request);
static inline struct text request_bytes(const struct request *request) {
    return (struct text){(const char *)request->start, (uint32_t)(request->end - request->start)};
}

/* Each checks its arguments and encodes them as a Call with `token` (NULL: none, else at most MUSTER_TOKEN_BYTES_MAX
 * bytes), in place of what `request` held. Nothing of the arguments is kept.
 * MUSTER_INVALID_ARGUMENT: *error names the field and the limit. MUSTER_RESOURCE_EXHAUSTED: memory is short. */
enum muster_code request_beats(struct request *request, const char *token, const char *scope, uint32_t ttl_ms,
                               const struct muster_beat *beats, size_t count, struct refreshes refreshes,
                               struct muster_error *error);
/* The same, all of whole beats. */
static inline enum muster_code request_touch(struct request *request, const char *token, const char *scope,
                                             uint32_t ttl_ms, const struct muster_beat *beats, size_t count,
                                             struct muster_error *error) {
    return request_beats(request, token, scope, ttl_ms, beats, count, (struct refreshes){0}, error);
}
enum muster_code request_leave(struct request *request, const char *token, const char *scope,
                               const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                               uint64_t stamp, struct muster_error *error);
/* Gives an encoded Leave this stamp, if it is greater than the one that it has and there is room in the message. */
void request_raise_stamp(struct request *request, const char *token, uint64_t stamp);
enum muster_code request_live(struct request *request, const char *token, const char *scope, const char *const *users,
                              size_t count, bool with_sessions, struct muster_error *error);
/* query: not NULL. */
enum muster_code request_list(struct request *request, const char *token, const struct muster_query *query,
                              struct muster_error *error);
enum muster_code request_counts(struct request *request, const char *token, const char *const *scopes,
                                size_t scope_count, const uint64_t *windows_ms, size_t window_count,
                                struct muster_error *error);
enum muster_code request_scopes(struct request *request, const char *token, uint32_t page_size, const char *page_token,
                                struct muster_error *error);
/* query: not NULL. */
enum muster_code request_where(struct request *request, const char *token, const struct muster_where_query *query,
                               struct muster_error *error);
enum muster_code request_set_status(struct request *request, const char *token, const char *scope, const char *user,
                                    enum muster_status status, uint32_t ttl_ms, struct muster_error *error);
enum muster_code request_reset(struct request *request, const char *token, const char *scope,
                               struct muster_error *error);
/* options: not NULL; its callbacks are of no interest. cursor: at most MUSTER_CURSOR_BYTES_MAX bytes, not checked. */
enum muster_code request_watch(struct request *request, const char *token, const struct muster_watch_options *options,
                               struct text cursor, struct muster_error *error);
enum muster_code request_nodes(struct request *request, const char *token, struct muster_error *error);

/* The checks of one session, as the keepalive needs them. */
enum muster_code check_beat(const struct muster_beat *beat, struct muster_error *error);

#endif
