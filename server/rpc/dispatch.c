/* From the bytes of a request to the bytes of its reply: decode, dispatch, encode. */
#include "calls.h"
#include "muster/limits.h"
#include "reply/refusal.h"
#include "rpc.h"

#include <inttypes.h>
#include <stdlib.h>

struct rpc *rpc_new(struct node *node, size_t watches_max) {
    struct rpc *rpc = calloc(1, sizeof *rpc);
    if (rpc == NULL) return NULL;
    rpc->node = node;
    rpc->token_key = page_token_key(node->hash_key);
    if ((rpc->watches = watches_new(node, watches_max)) != NULL) return rpc;
    free(rpc);
    return NULL;
}

void rpc_free(struct rpc *rpc) {
    if (rpc == NULL) return;
    watches_free(rpc->watches);
    free(rpc);
}

struct node *rpc_node(const struct rpc *rpc) {
    return rpc->node;
}

struct watches *rpc_watches(const struct rpc *rpc) {
    return rpc->watches;
}

/* What a node that has just started does not know yet, it must not deny. */
static bool is_joining(struct call *call) {
    if (node_is_ready(call->node)) return false;
    call_refuse(call, MUSTER_UNAVAILABLE, "joining: not in sync with its peers yet");
    return true;
}

static enum muster_code dispatch(struct call *call, const Muster__V1__Call *request) {
    if (request->token.len > MUSTER_TOKEN_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "token: %zu bytes, at most %d", request->token.len,
                           MUSTER_TOKEN_BYTES_MAX);
    switch (request->request_case) {
    case MUSTER__V1__CALL__REQUEST_TOUCH:
        return call_touch(call, request->touch);
    case MUSTER__V1__CALL__REQUEST_LEAVE:
        return call_leave(call, request->leave);
    case MUSTER__V1__CALL__REQUEST_LIVE:
        return is_joining(call) ? MUSTER_UNAVAILABLE : call_live(call, request->live);
    case MUSTER__V1__CALL__REQUEST_LIST:
        return is_joining(call) ? MUSTER_UNAVAILABLE : call_list(call, request->list);
    case MUSTER__V1__CALL__REQUEST_COUNTS:
        return is_joining(call) ? MUSTER_UNAVAILABLE : call_counts(call, request->counts);
    case MUSTER__V1__CALL__REQUEST_SCOPES:
        return is_joining(call) ? MUSTER_UNAVAILABLE : call_scopes(call, request->scopes);
    case MUSTER__V1__CALL__REQUEST_RESET:
        return call_reset(call, request->reset);
    case MUSTER__V1__CALL__REQUEST_WATCH:
        return is_joining(call) ? MUSTER_UNAVAILABLE : call_watch(call, request->watch);
    case MUSTER__V1__CALL__REQUEST_NODES:
        return call_nodes(call);
    default:
        break;
    }
    if (request->base.n_unknown_fields > 0)
        return call_refuse(call, MUSTER_UNIMPLEMENTED, "request: this server does not know the call");
    return call_refuse(call, MUSTER_INVALID_ARGUMENT, "request: none, one is needed");
}

static enum muster_code decode_and_dispatch(struct call *call, struct text request) {
    if (request.len > MUSTER_MESSAGE_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "message: %" PRIu32 " bytes, at most %d", request.len,
                           MUSTER_MESSAGE_BYTES_MAX);
    struct touch_fields touch;
    struct live_fields live;
    switch (plain_read(request, call->arena, &touch, &live)) {
    case PLAIN_TOUCH:
        return call_touch_fields(call, &touch);
    case PLAIN_LIVE:
        return is_joining(call) ? MUSTER_UNAVAILABLE : call_live_fields(call, &live);
    case PLAIN_NOT:
        arena_reset(call->arena, WORKER_BYTES_KEPT);
        break;
    }
    ProtobufCAllocator allocator = arena_protobuf(call->arena);
    const Muster__V1__Call *decoded = muster__v1__call__unpack(&allocator, request.len, (const uint8_t *)request.data);
    if (decoded != NULL) return dispatch(call, decoded);
    if (call->arena->is_exhausted)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "message: unpacks to more than %d bytes", WORKER_BYTES_MAX);
    return call_refuse(call, MUSTER_INVALID_ARGUMENT, "message: is no muster.v1.Call, does not decode");
}

static bool encode(struct call *call, struct text *out) {
    size_t size = muster__v1__reply__get_packed_size(&call->reply);
    uint8_t *data = size <= MUSTER_MESSAGE_BYTES_MAX ? arena_take(call->arena, 1, size) : NULL;
    if (data == NULL) return false;
    *out = (struct text){(const char *)data, (uint32_t)muster__v1__reply__pack(&call->reply, data)};
    return true;
}

bool rpc_answer_or_park(struct rpc *rpc, struct worker *worker, struct text request, struct instant now,
                        const struct waiter *waiter, enum muster_code *code, struct text *reply) {
    struct call call = {.rpc = rpc, .node = rpc->node, .arena = &worker->arena, .now = now, .waiter = waiter};
    arena_reset(&worker->arena, WORKER_BYTES_KEPT);
    muster__v1__reply__init(&call.reply);

    *reply = (struct text){0};
    *code = decode_and_dispatch(&call, request);
    if (call.is_parked) return false;
    if (*code == MUSTER_OK) {
        *reply = call.encoded;
        if (call.encoded.len > 0 || encode(&call, reply)) return true;
        *code = call_too_large(&call, "reply");
    }
    refusal_encode(call.arena, *code, text_of(call.message), reply);
    return true;
}

enum muster_code rpc_answer(struct rpc *rpc, struct worker *worker, struct text request, struct instant now,
                            struct text *reply) {
    enum muster_code code;
    rpc_answer_or_park(rpc, worker, request, now, NULL, &code, reply);
    return code;
}
