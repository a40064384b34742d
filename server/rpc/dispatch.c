/* From a request to its response. */
#include "calls.h"
#include "muster/limits.h"
#include "node/cluster.h"
#include "node/standstill.h"
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

struct watches *rpc_watches(const struct rpc *rpc) {
    return rpc->watches;
}

static enum muster_code refuse_too_long(struct call *call, const char *what, uint32_t bytes, int most) {
    return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: %" PRIu32 " bytes, at most %d", what, bytes, most);
}

static enum muster_code refuse_joining(struct call *call) {
    const char *why = node_standstills(call->node) > 0 ? "the process stood still, and is not in sync again yet"
                                                       : "not in sync with its peers yet";
    return call_refuse(call, MUSTER_UNAVAILABLE, "joining: %s", why);
}

/* The turn of the read itself may be the one that finds that the process stood still. */
static enum muster_code answer_read(struct call *call, const struct method_entry *method, struct text body) {
    unsigned standstills = node_standstills(call->node);
    if (!node_is_ready(call->node)) return refuse_joining(call);
    enum muster_code code = method->handle(call, body);
    if (call->is_parked || node_standstills(call->node) == standstills) return code;
    return refuse_joining(call);
}

static enum muster_code dispatch(struct call *call, const struct request *request) {
    const struct method_entry *method = method_entry(request->method);
    if (request->body.len > MUSTER_MESSAGE_BYTES_MAX)
        return refuse_too_long(call, "message", request->body.len, MUSTER_MESSAGE_BYTES_MAX);
    if (request->token.len > MUSTER_TOKEN_BYTES_MAX)
        return refuse_too_long(call, "token", request->token.len, MUSTER_TOKEN_BYTES_MAX);
    if (request->stalled_ms > 0 && method->writes) return call_refuse_stalled(call, request->stalled_ms);
    if (method->writes && !node_takes_writes(call->node))
        return call_refuse(call, MUSTER_UNAVAILABLE, "starting: no peer would learn of it yet; ask another node");
    return method->needs_ready ? answer_read(call, method, request->body) : method->handle(call, request->body);
}

bool rpc_answer(struct rpc *rpc, struct worker *worker, const struct request *request, struct instant now,
                const struct waiter *waiter, struct response *out) {
    struct call call;
    call_open(&call, rpc, &worker->arena, now);
    call.waiter = waiter;
    *out = (struct response){.code = dispatch(&call, request)};
    if (call.is_parked) return false;
    if (out->code == MUSTER_OK) out->body = call.body;
    else response_refuse(out, call.arena, out->code, text_of(call.message));
    return true;
}
