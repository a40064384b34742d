/* Two replicas without keys for the fuzz targets of the cluster: one takes what the fuzzer makes, the other is the peer
 * that it comes from. They live from input to input. */
#ifndef MUSTER_TESTS_REPLICA_RIG_H
#define MUSTER_TESTS_REPLICA_RIG_H

#include "cluster/replica.h"
#include "common/text.h"
#include "fuzz.h"
#include "node/codec.h"
#include "node/page_allocator.h"

#include <sodium.h>
#include <string.h>

enum { RIG_INPUTS = 500, RIG_PLAIN_AT = SEAL_OVERHEAD_BYTES - 16, RIG_MESSAGE_MAX = 1 << 20 };

struct rig_node {
    struct roll *roll;
    struct hlc clock;
    struct replica *replica;
    struct codec *codec;
    uint64_t origin;
};

static struct rig_node rig_nodes[2]; /* [0]: whom the inputs are for */
static uint64_t rig_now_ms;
static unsigned rig_inputs;
static uint8_t rig_message[RIG_MESSAGE_MAX];

static inline void rig_end(void) {
    for (int i = 0; i < 2; i++) {
        replica_free(rig_nodes[i].replica);
        codec_free(rig_nodes[i].codec);
        roll_free(rig_nodes[i].roll);
        rig_nodes[i] = (struct rig_node){0};
    }
}

static inline void rig_make(int i, const char *sync_address) {
    struct rig_node *node = &rig_nodes[i];
    node->origin = 7 + (uint64_t)i;
    node->clock = hlc_start(UINT64_C(1700000000000), rig_now_ms);
    node->roll = roll_new(&(struct roll_config){.origin = node->origin,
                                                .hash_key = "fuzz fuzz fuzz.",
                                                .retention_ms = 60000,
                                                .members_max = 500,
                                                .bytes_max = 1 << 20,
                                                .log_slots = 64,
                                                .allocator = page_allocator()});
    hold(node->roll != NULL);
    node->replica = replica_new(&(struct replica_config){.origin = node->origin,
                                                         .seed = 1,
                                                         .gossip_address = text_of("tcp://g:1"),
                                                         .sync_address = text_of(sync_address),
                                                         .flush_ms = 10,
                                                         .join_timeout_ms = 10000,
                                                         .roll = node->roll,
                                                         .clock = &node->clock,
                                                         .allocator = page_allocator()},
                                rig_now_ms);
    node->codec = codec_new(NULL);
    hold(node->replica != NULL && node->codec != NULL);
}

/* The sync request to an address among the actions, which are all used up; NULL: there is none. The caller frees it. */
static inline struct action *rig_request(struct actions actions, const char *address) {
    struct action *request = NULL;
    for (struct action *action; (action = actions_take(&actions)) != NULL;) {
        bool is_it = request == NULL && action->kind == ACTION_SYNC_REQUEST && strcmp(action->address, address) == 0;
        if (is_it) request = action;
        else action_free(action);
    }
    return request;
}

static inline void rig_take_response(uint64_t ticket, struct text sealed) {
    struct received *received = codec_open_response(rig_nodes[0].codec, sealed);
    struct actions actions = replica_sync_response(rig_nodes[0].replica, ticket,
                                                   received == NULL ? NULL : &received->response, rig_now_ms, NULL);
    actions_free(&actions);
    codec_release(rig_nodes[0].codec, received);
}

/* Node i's response to a request, which is released with `by`; empty: there is none. */
static inline struct text rig_respond(int i, struct text sealed, struct received **by) {
    if ((*by = codec_open_request(rig_nodes[i].codec, sealed)) == NULL) return (struct text){0};
    replica_sync_request(rig_nodes[i].replica, &(*by)->request, rig_now_ms, &(*by)->response_page);
    return codec_seal_page(rig_nodes[i].codec, *by);
}

static inline void rig_take_frame(const char *from, struct text sealed) {
    struct received *received = codec_open_frame(rig_nodes[0].codec, sealed);
    if (received == NULL) return;
    struct actions actions = replica_frame(rig_nodes[0].replica, text_of(from), &received->frame, rig_now_ms, NULL);
    actions_free(&actions);
    codec_release(rig_nodes[0].codec, received);
}

/* The peer responds to a request of ours. */
static inline void rig_sync(struct actions actions) {
    static uint8_t memory[CODEC_REQUEST_BYTES_MAX];
    struct action *request = rig_request(actions, "tcp://b:1");
    if (request == NULL) return;
    struct received *by;
    struct text response = rig_respond(1, codec_seal_request(rig_nodes[0].codec, request->request, memory), &by);
    hold(response.len > 0);
    rig_take_response(request->ticket, response);
    codec_release(rig_nodes[1].codec, by);
    action_free(request);
}

/* Before each input: now and then everything anew, with a peer that was admitted and some members. */
static inline void rig_begin(void) {
    rig_now_ms += 7;
    if (rig_inputs++ % RIG_INPUTS != 0) return;
    if (rig_inputs == 1) {
        hold(sodium_init() >= 0);
        atexit(rig_end);
    }
    rig_end();
    rig_now_ms = UINT64_C(1) << 40;
    rig_make(0, "tcp://a:1");
    rig_make(1, "tcp://b:1");
    for (int i = 0; i < 2; i++) {
        char user[2] = {(char)('a' + i), 0};
        const struct beat beat = {
            .scope = text_of("room"), .user = text_of(user), .ttl_ms = 60000, .status = STATUS_ONLINE};
        struct touched touched;
        struct refusal why;
        hold(roll_touch(rig_nodes[i].roll, &beat, 1, hlc_next(&rig_nodes[i].clock, rig_now_ms), rig_now_ms, NULL,
                        &touched, &why) == MUSTER_OK);
    }
    rig_sync(replica_add_peer(rig_nodes[0].replica, text_of("tcp://b:1"), rig_now_ms));
}

/* After each: what no message may have done. */
static inline void rig_check(void) {
    struct roll_stats stats;
    static struct known known[ROLL_ORIGINS_MAX + 1];
    static struct peer_view views[REPLICA_PEERS_MAX + 1];
    roll_stats(rig_nodes[0].roll, &stats);
    hold(stats.members <= 500 && stats.bytes <= (1 << 20) + 64 * 1024);
    hold(replica_vector(rig_nodes[0].replica, known, ROLL_ORIGINS_MAX + 1) <= ROLL_ORIGINS_MAX + 1);
    hold(replica_peers(rig_nodes[0].replica, rig_now_ms, views, REPLICA_PEERS_MAX + 1) >= 1);
    struct actions actions = replica_tick(rig_nodes[0].replica, rig_now_ms);
    actions_free(&actions);
    roll_tick(rig_nodes[0].roll, rig_now_ms, 1000, NULL);
}

#endif
