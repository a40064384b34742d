/* Two replicas without keys for the fuzz targets of the cluster: one takes what the fuzzer makes, the other is the peer
 * that it comes from. They live from input to input. */
#ifndef MUSTER_TESTS_REPLICA_RIG_H
#define MUSTER_TESTS_REPLICA_RIG_H

#include "cluster/replica.h"
#include "cluster/sync_message.h"
#include "common/text.h"
#include "fuzz.h"
#include "node/page_allocator.h"

#include <sodium.h>
#include <string.h>

enum { RIG_INPUTS = 500, RIG_PLAIN_AT = SEAL_OVERHEAD_BYTES - 16, RIG_MESSAGE_MAX = 1 << 20 };

struct rig_node {
    struct roll *roll;
    struct hlc clock;
    struct replica *replica;
    uint64_t origin;
};

static struct rig_node rig_nodes[2]; /* [0]: whom the inputs are for */
static uint64_t rig_now_ms;
static unsigned rig_inputs;
static uint8_t rig_message[RIG_MESSAGE_MAX];

static inline void rig_end(void) {
    for (int i = 0; i < 2; i++) {
        replica_free(rig_nodes[i].replica);
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
                                                .allocator = heap_allocator()});
    hold(node->roll != NULL);
    node->replica = replica_new(&(struct replica_config){.origin = node->origin,
                                                         .seed = 1,
                                                         .gossip_address = text_of("tcp://g:1"),
                                                         .sync_address = text_of(sync_address),
                                                         .flush_ms = 10,
                                                         .join_timeout_ms = 10000,
                                                         .roll = node->roll,
                                                         .clock = &node->clock,
                                                         .allocator = heap_allocator()},
                                rig_now_ms);
    hold(node->replica != NULL);
}

/* The question among actions; NULL: none. */
static inline const struct action *rig_question(struct actions actions, const char *address) {
    for (size_t i = 0; i < actions.count; i++)
        if (actions.items[i].kind == ACTION_SYNC_REQUEST && text_equal(actions.items[i].address, text_of(address)))
            return &actions.items[i];
    return NULL;
}

/* The peer answers a question of ours. */
static inline void rig_answer(struct actions actions) {
    const struct action *question = rig_question(actions, "tcp://b:1");
    if (question == NULL) return;
    struct action reply;
    uint64_t ticket = question->ticket;
    replica_sync_request(rig_nodes[1].replica, question->bytes, question->len, rig_now_ms, &reply);
    hold(reply.len > 0);
    replica_sync_response(rig_nodes[0].replica, ticket, reply.bytes, reply.len, rig_now_ms, NULL);
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
    rig_answer(replica_add_peer(rig_nodes[0].replica, text_of("tcp://b:1"), rig_now_ms));
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
    replica_tick(rig_nodes[0].replica, rig_now_ms);
    roll_tick(rig_nodes[0].roll, rig_now_ms, 1000, NULL);
}

#endif
