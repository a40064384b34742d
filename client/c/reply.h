/* A node's answer: one Reply, decoded into what the caller of the library sees. */
#ifndef MUSTER_CLIENT_REPLY_H
#define MUSTER_CLIENT_REPLY_H

#include "common/protobuf.h"
#include "muster/muster.h"

/* What was asked; the values are the fields of Reply that answer it. */
enum reply_kind {
    REPLY_TOUCH = 3,
    REPLY_LEAVE = 4,
    REPLY_LIVE = 5,
    REPLY_LIST = 6,
    REPLY_COUNTS = 7,
    REPLY_SCOPES = 8,
    REPLY_RESET = 9,
    REPLY_WATCH = 10,
    REPLY_NODES = 11,
    REPLY_WHERE = 12,
    REPLY_SET_STATUS = 13,
};

/* What a WatchResponse says of a user; the values are ChangeKind's, but for the last. */
enum watch_kind { WATCH_UNKNOWN = 0, WATCH_JOINED = 1, WATCH_LEFT = 2, WATCH_UPDATED = 3, WATCH_PRESENT };

struct watch_item {
    enum watch_kind kind;
    enum muster_left_reason reason; /* of WATCH_LEFT */
    struct muster_user user;        /* its name may be empty, or longer than it should be */
};

struct watch_answer {
    const struct watch_item *items; /* who is present first, then what changed */
    size_t count;
    const char *cursor;
    size_t cursor_len;
    bool is_resync, has_more;
    bool has_counts;
    struct muster_scope_counts counts; /* without windows */
};

/* Memory that is kept from one answer to the next. */
struct block {
    void *data;
    size_t bytes;
};

/* A result object of the library. The view is what the caller sees of it, and comes first. */
struct result {
    union {
        struct muster_users users;
        struct muster_counts counts;
        struct muster_scopes scopes;
        struct muster_nodes nodes;
        struct muster_places places;
        struct watch_answer watch;
    } view;
    struct block items; /* the view's items */
    struct block parts; /* sessions or windows of items */
    struct block text;  /* every string and state */
};

struct result *result_new(void);
/* `result` may be NULL. */
void result_free(struct result *result);
/* Empties the view. */
void result_clear(struct result *result, enum reply_kind kind);

/* What a TouchResponse says. */
struct touched {
    uint32_t joined, ttl_ms;
    uint64_t stamp;
    uint32_t displaced, unknown_count;
    const uint32_t *unknown; /* indexes of beats, ascending; NULL where they were not asked for */
};

/* Where an answer goes. */
struct answer {
    enum reply_kind kind;
    size_t expected;       /* of REPLY_LIVE, REPLY_COUNTS and REPLY_TOUCH: how many items, or beats, were asked for */
    struct block *indexes; /* of REPLY_TOUCH: where those of the unknown beats go; NULL: only their number is kept */
    union {
        struct touched touched;
        struct muster_left left;
        struct muster_forgotten forgotten;
        struct muster_status_set status_set;
    } small;
    bool has_sessions;     /* of REPLY_LIVE, _LIST, _WATCH and _WHERE: they were asked for; else they are ignored */
    struct result *result; /* of REPLY_LIVE, _LIST, _COUNTS, _SCOPES, _WATCH, _NODES and _WHERE; not NULL */
};

/* Decodes a Reply to a call of answer->kind. Nothing of `message` is kept; on failure the answer is empty.
 * MUSTER_OK; the code that the node answered; MUSTER_INTERNAL: it is no answer to this call;
 * MUSTER_RESOURCE_EXHAUSTED: memory is short. Any bytes may be passed; memory taken is at most a small multiple of
 * them. */
enum muster_code reply_decode(struct text message, struct answer *answer, struct muster_error *error);

#endif
