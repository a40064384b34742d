/* One request on its way through the node: what the files of the calls share. Internal to server/rpc. */
#ifndef MUSTER_RPC_CALL_H
#define MUSTER_RPC_CALL_H

#include "decode_hot.h"
#include "muster/v1/presence.pb-c.h"
#include "node/node_internal.h"
#include "page_token.h"
#include "reply/arena.h"
#include "watch/watches.h"

/* The calls' own share of a node. */
struct rpc {
    struct node *node;
    struct watches *watches;
    struct page_token_key token_key;
};

enum { CALL_MESSAGE_BYTES = 256 };

struct call {
    struct rpc *rpc;
    struct node *node; /* of the rpc */
    struct arena *arena;
    struct instant now;
    const struct waiter *waiter;      /* NULL: the door cannot wait */
    bool is_parked;                   /* the answer comes later */
    Muster__V1__Reply reply;          /* what a handler that answers by protobuf-c fills in */
    struct text encoded;              /* what a handler that encodes its whole reply itself leaves here */
    char message[CALL_MESSAGE_BYTES]; /* what is wrong, where something is */
};

/* Says what is wrong, and returns `code` so that a handler can return it. */
enum muster_code call_refuse(struct call *call, enum muster_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The refusal of a request whose answer or working memory passes a cap. */
enum muster_code call_too_large(struct call *call, const char *field);
/* Says why the roll refused what is at `where`. */
enum muster_code call_refused_by_roll(struct call *call, enum muster_code code, const struct refusal *why,
                                      const char *where);
enum { CALL_WHERE_BYTES = 32 };

static inline struct text text_of_field(ProtobufCBinaryData field) {
    return (struct text){(const char *)field.data, (uint32_t)field.len};
}
static inline ProtobufCBinaryData field_of_text(struct text text) {
    return (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.data};
}

#endif
