/* One request on its way through the node: what the files of the calls share. Internal to server/rpc. */
#ifndef MUSTER_RPC_CALL_H
#define MUSTER_RPC_CALL_H

#include "core/hlc.h"
#include "core/roll.h"
#include "decode_hot.h"
#include "muster/v1/presence.pb-c.h"
#include "node/cluster.h"
#include "page_token.h"
#include "reply/arena.h"
#include "watch/watches.h"

#include <pthread.h>
#include <stdatomic.h>

struct node {
    pthread_mutex_t lock;
    atomic_uint waiting; /* threads that want the lock */
    atomic_uint turns;   /* how often it was had */

    struct roll *roll; /* all below is under the lock */
    struct hlc hlc;
    uint64_t now_ms; /* the latest that any call came with: requests read the clock before they have the lock */

    struct replica *replica; /* NULL: no peers, ever */
    struct errand_taker taker;
    bool is_told, is_idle; /* it was told something since the last node_gossip; which then said that there is time */
    uint64_t flush_ms, join_until_ms;
    bool has_met;         /* all peers that it was told of at its start */
    atomic_bool is_ready; /* reads are answered; never false again */

    struct watches *watches;
    void (*wake)(void *context); /* of the pump; NULL: there is none */
    void *wake_context;

    struct known *recalled; /* what a snapshot knew, until there is a replica to be told; NULL: nothing */
    size_t recalled_count;

    uint64_t origin; /* all below never changes */
    struct text name, version;
    uint32_t ttl_ms;
    uint64_t retention_ms;
    struct page_token_key token_key;
};

enum { CALL_MESSAGE_BYTES = 256 };

/* What a request may take to answer. 10,000 beats of a 1 MiB message unpack to 3 MiB; the largest reply with its rows
 * is under 8. What a hostile message could unpack to is 33 MiB. */
enum { WORKER_BYTES_MAX = 16 * 1024 * 1024, WORKER_BYTES_KEPT = 2 * 1024 * 1024 };

struct worker {
    struct arena arena;
};

struct call {
    struct node *node;
    struct arena *arena;
    struct instant now;
    const struct asker *asker;        /* NULL: the door cannot wait */
    bool is_parked;                   /* the answer comes later */
    Muster__V1__Reply reply;          /* what a handler that answers by protobuf-c fills in */
    struct text encoded;              /* what a handler that encodes its whole reply itself leaves here */
    char message[CALL_MESSAGE_BYTES]; /* what is wrong, where something is */
};

/* Takes the lock and moves the node's time on. Returns the time to ask the roll at. */
uint64_t node_lock(struct node *node, struct instant now);
/* Lets it go; what the roll's effects tell of meanwhile has gone to the watches then, and the pump is woken. */
void node_unlock(struct node *node);
/* Takes the lock at a moment at which roll_tick has nothing left to do. */
uint64_t node_catch_up(struct node *node, struct instant now);
/* The same once the roll took local beats: the peers are to hear of them. */
void node_unlock_told(struct node *node, const struct touched *touched);
/* Lets those who wait have the lock, and takes it again. Views of the roll do not survive it. */
uint64_t node_breathe(struct node *node, struct instant now);

/* Says what is wrong, and returns `code` so that a handler can return it. */
enum muster_code call_refuse(struct call *call, enum muster_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Encodes a refusal that call_refuse wrote, in place of all that is in the arena; returns `code`. */
enum muster_code call_encode_refusal(struct call *call, enum muster_code code, struct text *out);
/* The refusal of a request whose answer or working memory passes a cap. */
enum muster_code call_too_large(struct call *call, const char *field);
/* Says why the roll refused what is at `where`. */
enum muster_code call_refused_by_roll(struct call *call, enum muster_code code, const struct refusal *why,
                                      const char *where);
enum { CALL_WHERE_BYTES = 32 };

/* When a moment on the roll's clock was, on this node's wall clock. */
int64_t call_wall_ms(const struct call *call, uint64_t now_ms, uint64_t seen_ms);

static inline struct text text_of_field(ProtobufCBinaryData field) {
    return (struct text){(const char *)field.data, (uint32_t)field.len};
}
static inline ProtobufCBinaryData field_of_text(struct text text) {
    return (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.data};
}

/* The calls. Each validates its request whole, does it whole or not at all, and leaves its answer in `call`. */
enum muster_code call_touch(struct call *call, const Muster__V1__TouchRequest *request);
enum muster_code call_touch_fields(struct call *call, const struct touch_fields *fields); /* completes them */
enum muster_code call_leave(struct call *call, const Muster__V1__LeaveRequest *request);
enum muster_code call_live(struct call *call, const Muster__V1__LiveRequest *request);
enum muster_code call_live_fields(struct call *call, const struct live_fields *fields);
enum muster_code call_list(struct call *call, const Muster__V1__ListRequest *request);
enum muster_code call_counts(struct call *call, const Muster__V1__CountsRequest *request);
enum muster_code call_scopes(struct call *call, const Muster__V1__ScopesRequest *request);
enum muster_code call_reset(struct call *call, const Muster__V1__ResetRequest *request);
enum muster_code call_watch(struct call *call, const Muster__V1__WatchRequest *request);
enum muster_code call_nodes(struct call *call);

#endif
