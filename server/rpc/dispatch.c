/* From the bytes of a request to the bytes of its reply: decode, dispatch, encode. */
#include "call.h"
#include "muster/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct worker *worker_new(void) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return NULL;
    if (!arena_open(&worker->arena, WORKER_BYTES_MAX)) {
        free(worker);
        return NULL;
    }
    return worker;
}

void worker_free(struct worker *worker) {
    if (worker == NULL) return;
    arena_close(&worker->arena);
    free(worker);
}

enum muster_code call_refuse(struct call *call, enum muster_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->message, sizeof call->message, format, arguments);
    va_end(arguments);
    return code;
}

enum muster_code call_too_large(struct call *call, const char *field) {
    return call_refuse(call, MUSTER_RESOURCE_EXHAUSTED, "%s: the reply would pass %d bytes; ask for less at a time",
                       field, MUSTER_MESSAGE_BYTES_MAX);
}

enum muster_code call_refused_by_roll(struct call *call, enum muster_code code, const struct refusal *why,
                                      const char *where) {
    if (why->what == NULL) return call_refuse(call, code, "%s: refused", where);
    if (strcmp(why->what, "sessions") == 0)
        return call_refuse(call, code, "%s: too many live sessions of the user, at most %" PRIu64, where, why->limit);
    if (strcmp(why->what, "memory") == 0) return call_refuse(call, code, "%s: the node is out of memory", where);
    return call_refuse(call, code, "%s: the node is full, at most %" PRIu64 " %s", where, why->limit, why->what);
}

int64_t call_wall_ms(const struct call *call, uint64_t now_ms, uint64_t seen_ms) {
    uint64_t age_ms = now_ms > seen_ms ? now_ms - seen_ms : 0;
    return age_ms < call->now.wall_ms ? (int64_t)(call->now.wall_ms - age_ms) : 0;
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

enum muster_code call_encode_refusal(struct call *call, enum muster_code code, struct text *out) {
    arena_reset(call->arena, WORKER_BYTES_KEPT);
    muster__v1__reply__init(&call->reply);
    call->reply.code = (int32_t)code;
    call->reply.message = field_of_text(text_of(call->message));
    if (!encode(call, out)) abort(); /* an empty arena holds a message of CALL_MESSAGE_BYTES */
    return code;
}

bool node_answer_or_park(struct node *node, struct worker *worker, struct text request, struct instant now,
                         const struct asker *asker, enum muster_code *code, struct text *reply) {
    struct call call = {.node = node, .arena = &worker->arena, .now = now, .asker = asker};
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
    call_encode_refusal(&call, *code, reply);
    return true;
}

enum muster_code node_answer(struct node *node, struct worker *worker, struct text request, struct instant now,
                             struct text *reply) {
    enum muster_code code;
    node_answer_or_park(node, worker, request, now, NULL, &code, reply);
    return code;
}
