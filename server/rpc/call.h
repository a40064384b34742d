/* One request on its way through the node: what the files of the calls share. Internal to server/rpc. */
#ifndef MUSTER_RPC_CALL_H
#define MUSTER_RPC_CALL_H

#include "muster/v1/presence.pb-c.h"
#include "node/turn.h"
#include "page_token.h"
#include "reply/arena.h"
#include "reply/response.h"
#include "reply/worker.h"
#include "watch/watches.h"

/* What the calls need besides the node. */
struct rpc {
    struct node *node;
    struct watches *watches;
    struct page_token_key token_key;
};

enum { CALL_MESSAGE_BYTES = RESPONSE_MESSAGE_BYTES_MAX + 1 };

struct call {
    struct rpc *rpc;
    struct node *node; /* of the rpc */
    struct arena *arena;
    struct instant now;
    const struct waiter *waiter;      /* NULL: the door cannot wait for the answer */
    bool is_parked;                   /* the pump will answer */
    struct text body;                 /* the serialized XResponse, in the arena */
    char message[CALL_MESSAGE_BYTES]; /* what is wrong, where something is */
};

/* Begins a call with an empty arena. */
static inline void call_open(struct call *call, struct rpc *rpc, struct arena *arena, struct instant now) {
    call->rpc = rpc;
    call->node = rpc->node;
    call->arena = arena;
    call->now = now;
    call->waiter = NULL;
    call->is_parked = false;
    call->body = (struct text){0};
    call->message[0] = '\0'; /* the rest is not cleared: most calls never read it */
    arena_reset(arena, WORKER_BYTES_KEPT);
}

/* The request as protobuf-c has it, in the arena. NULL: it does not decode; then the call is refused. */
const void *call_decode(struct call *call, const ProtobufCMessageDescriptor *type, struct text body);
/* Encodes an XResponse into call->body. It is refused if it passes a cap: `field` names what there is too much of. */
enum muster_code call_encode(struct call *call, const ProtobufCMessage *response, const char *field);

/* Refuses the call: writes its message, and returns `code` so that a handler can return it. */
enum muster_code call_refuse(struct call *call, enum muster_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Refuses a request whose response or working memory passes a cap; `field` names what there is too much of. */
enum muster_code call_too_large(struct call *call, const char *field);
/* Refuses a write that came in before the process stood still for so long. */
enum muster_code call_refuse_stalled(struct call *call, uint32_t stalled_ms);
/* Refuses what the roll refused at `where`, with the roll's reason. */
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
