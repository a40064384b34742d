/* The whole way of a request: any bytes get a reply that decodes and fits, and a refused one changes nothing. */
#include "fuzz.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "rpc/rpc.h"

#include <string.h>

/* One node answers so many inputs, so that they meet a roll that is not empty; then a new one begins. */
enum { NODE_INPUTS = 2000 };

static struct node *node;
static struct rpc *rpc;
static struct worker *worker;
static struct instant now;
static unsigned inputs;

static void finish(void) {
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
    rpc_free(rpc);
    node_free(node);
    now = (struct instant){UINT64_C(1) << 40, UINT64_C(1700000000000)};
    hold((node = node_new(&config, now)) != NULL);
    hold((rpc = rpc_new(node, 0)) != NULL);
    if (worker != NULL) return;
    hold((worker = worker_new()) != NULL);
    atexit(finish);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (inputs++ % NODE_INPUTS == 0) begin();
    struct text reply;
    struct node_figures before, after;
    now.now_ms += size % 3 == 0 ? 1500 : 0;
    now.wall_ms += size % 5;
    node_tick(node, now);
    node_figures(node, &before);
    enum muster_code code = rpc_answer(rpc, worker, (struct text){(const char *)data, (uint32_t)size}, now, &reply);
    node_figures(node, &after);
    hold(reply.len <= MUSTER_MESSAGE_BYTES_MAX);
    Muster__V1__Reply *decoded = muster__v1__reply__unpack(NULL, reply.len, (const uint8_t *)reply.data);
    hold(decoded != NULL);
    hold(decoded->code == (int)code);
    hold((code == MUSTER_OK) == (decoded->response_case != MUSTER__V1__REPLY__RESPONSE__NOT_SET));
    hold((code == MUSTER_OK) == (decoded->message.len == 0));
    if (code == MUSTER_INVALID_ARGUMENT)
        hold(before.members == after.members && before.members_live == after.members_live);
    muster__v1__reply__free_unpacked(decoded, NULL);
    return 0;
}
