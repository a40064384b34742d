/* A node's answer: one Reply, decoded into what the caller of the library sees. */
#ifndef MUSTER_CLIENT_REPLY_H
#define MUSTER_CLIENT_REPLY_H

#include "muster/muster.h"
#include "wire.h"

/* What was asked; the values are the fields of Reply that answer it. */
enum reply_kind {
    REPLY_TOUCH = 3,
    REPLY_LEAVE = 4,
    REPLY_LIVE = 5,
    REPLY_LIST = 6,
    REPLY_COUNTS = 7,
    REPLY_SCOPES = 8,
    REPLY_RESET = 9,
    REPLY_NODES = 11,
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
    } view;
    struct block items; /* the view's items */
    struct block parts; /* sessions or windows of items */
    struct block text;  /* every string and state */
};

struct result *result_new(void);
/* `result` may be NULL. */
void result_free(struct result *result);
/* Makes the view one without items. */
void result_clear(struct result *result, enum reply_kind kind);

/* Where an answer goes. */
struct answer {
    enum reply_kind kind;
    size_t expected; /* of REPLY_LIVE and REPLY_COUNTS: how many items were asked for */
    union {
        struct muster_touched touched;
        struct muster_left left;
        struct muster_forgotten forgotten;
    } small;
    bool has_sessions;     /* of REPLY_LIVE and REPLY_LIST: they were asked for; else they are ignored */
    struct result *result; /* of REPLY_LIVE, _LIST, _COUNTS, _SCOPES and _NODES; not NULL */
};

/* Decodes a Reply to a call of answer->kind. Nothing of `message` is kept; on failure the answer is empty.
 * MUSTER_OK; the code that the node answered; MUSTER_INTERNAL: it is no answer to this call;
 * MUSTER_RESOURCE_EXHAUSTED: memory is short. Any bytes may be passed; memory taken is at most a small multiple of
 * them. */
enum muster_code reply_decode(struct wire_span message, struct answer *answer, struct muster_error *error);

#endif
