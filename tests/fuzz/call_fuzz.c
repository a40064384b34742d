/* The whole way of a request: any bytes get a reply that decodes and fits, and a refused one changes nothing. */
#include "fuzz.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "net/sp/envelope.h"
#include "node/figures.h"
#include "node/tick.h"
#include "rpc/touch_group.h"
#include "tests/support/call_bytes.h"

#include <string.h>

/* One node answers so many inputs, so that they meet a roll that is not empty; then a new one begins. */
enum { NODE_INPUTS = 2000 };

static struct node *node;
static struct rpc *rpc;
static struct worker *worker;
static struct touch_group *group;
static struct instant now;
static unsigned inputs;

static void finish(void) {
    touch_group_free(group);
    rpc_free(rpc);
    node_free(node);
    worker_free(worker);
}

static void begin(void) {
    const struct node_config config = {.hash_key = "fuzz fuzz fuzz.",
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = 120000,
                                       .members_max = 500,
                                       .bytes_max = 64 << 20};
    touch_group_free(group);
    rpc_free(rpc);
    node_free(node);
    now = (struct instant){UINT64_C(1) << 40, UINT64_C(1700000000000)};
    hold((node = node_new(&config, now)) != NULL);
    hold((rpc = rpc_new(node, 0)) != NULL);
    hold((group = touch_group_new(rpc)) != NULL);
    if (worker != NULL) return;
    hold((worker = worker_new()) != NULL);
    atexit(finish);
}

/* What the envelope opens, protobuf-c reads alike. It need not decode the body, nor one that another followed. */
static void compare_envelope(const uint8_t *data, size_t size) {
    struct request request;
    struct envelope_refusal refusal;
    bool is_open = envelope_open((struct text){(const char *)data, (uint32_t)size}, &request, &refusal);
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, size, data);
    if (is_open && call != NULL) {
        hold(request.token.len == call->token.len);
        hold(request.token.len == 0 || memcmp(request.token.data, call->token.data, request.token.len) == 0);
        hold((request.method == METHOD_UNKNOWN) == (call->request_case == 0 && call->base.n_unknown_fields > 0));
        hold((request.method < METHOD_TOUCH) == (call->request_case == 0));
        if (call->request_case != 0) {
            hold((int)request.method - METHOD_TOUCH == (int)call->request_case - MUSTER__V1__CALL__REQUEST_TOUCH);
            ProtobufCMessage *body = protobuf_c_message_unpack(call->touch->base.descriptor, NULL, request.body.len,
                                                               (const uint8_t *)request.body.data);
            hold(body != NULL);
            hold(protobuf_c_message_get_packed_size(body) == protobuf_c_message_get_packed_size(&call->touch->base));
            protobuf_c_message_free_unpacked(body, NULL);
        }
    }
    if (call != NULL) muster__v1__call__free_unpacked(call, NULL);
}

static void count_answer(void *context, void *ticket, const struct response *response) {
    (void)ticket;
    ++*(unsigned *)context;
    hold(response->code == MUSTER_OK || response->code == MUSTER_RESOURCE_EXHAUSTED);
    hold((response->code == MUSTER_OK) == (response->message.len == 0));
}

/* A request that a group takes is valid, so that it is done or refused by the roll. */
static void ask_as_group(const uint8_t *data, size_t size) {
    struct request request;
    struct envelope_refusal refusal;
    unsigned answers = 0, added = 0;
    if (!envelope_open((struct text){(const char *)data, (uint32_t)size}, &request, &refusal)) return;
    while (added < 2 && touch_group_add(group, &request, NULL)) added++;
    touch_group_commit(group, now, count_answer, &answers);
    hold(answers == added);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (inputs++ % NODE_INPUTS == 0) begin();
    compare_envelope(data, size);
    struct node_figures before, after;
    size_t len;
    now.now_ms += size % 3 == 0 ? 1500 : 0;
    now.wall_ms += size % 5;
    node_tick(node, now);
    if (size % 2 == 0) ask_as_group(data, size);
    node_figures(node, &before);
    uint8_t *reply = call_bytes(rpc, worker, data, size, now, NULL, &len);
    node_figures(node, &after);
    hold(reply != NULL);
    hold(len <= MUSTER_MESSAGE_BYTES_MAX);
    Muster__V1__Reply *decoded = muster__v1__reply__unpack(NULL, len, reply);
    free(reply);
    hold(decoded != NULL);
    hold((decoded->code == MUSTER_OK) == (decoded->response_case != MUSTER__V1__REPLY__RESPONSE__NOT_SET));
    hold((decoded->code == MUSTER_OK) == (decoded->message.len == 0));
    if (decoded->code == MUSTER_INVALID_ARGUMENT)
        hold(before.members == after.members && before.members_live == after.members_live);
    muster__v1__reply__free_unpacked(decoded, NULL);
    return 0;
}
