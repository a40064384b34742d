/* The state of a replica, and what all its files read from it. Not for others. */
#ifndef MUSTER_CLUSTER_REPLICA_STATE_H
#define MUSTER_CLUSTER_REPLICA_STATE_H

#include "action.h"
#include "frame.h"
#include "peers.h"
#include "replica_config.h"
#include "vector.h"

struct replica {
    struct replica_config config;
    struct allocator allocator;
    struct label name, region, gossip_address, sync_address, version;
    uint64_t random; /* SplitMix64's state */
    struct vector vector;
    struct peers peers;
    struct actions actions; /* of the call that is running */
    struct frame_pool frames;
    struct replica_stats stats;

    /* flush.c */
    uint64_t flushed, flushed_ms, frame_number;
    uint64_t assumed_known, assumed_known_ms; /* peers are assumed to know our sequences up to this one; since when */
    bool has_news;
    uint64_t refresh_by_ms; /* UINT64_MAX: nothing waits */
    uint64_t digest_at_ms;
    size_t peer_hint; /* the peer that the last digest named */
    bool is_leaving;

    /* ask.c */
    uint64_t last_ticket, walker; /* the ticket of the one question for all; 0: none */
    uint64_t walk_next_ms;
    struct known walked[ROLL_ORIGINS_MAX]; /* what the answer to it said will be known */
    size_t walked_count;
    uint64_t pages_ms; /* when the last page came */
    unsigned refusals;
    uint64_t refused_ms, refused_live; /* the last refusal: when, and how many sessions were live then */

    /* adopt.c */
    uint64_t unconfirmed_since_ms; /* 0: nothing is beyond the vector */
    bool is_adopting;
    struct walk_cursor adopt_cursor;

    bool is_ready;
    uint64_t started_ms;

    struct known known[ROLL_ORIGINS_MAX];  /* of this node, as it is put on the wire */
    struct change changes[ROLL_MERGE_MAX]; /* of the roll, that are put on the wire */
};

uint64_t replica_sequence(const struct replica *replica); /* the last one of this node's own */
/* This node's vector, its own origin included, in replica->known; returns how many. */
size_t replica_list_known(struct replica *replica, uint64_t own_sequence, uint64_t now_ms);
struct node_info replica_node_info(const struct replica *replica);
uint64_t replica_wall_ms(const struct replica *replica, uint64_t now_ms);
uint64_t replica_random(struct replica *replica);

#endif
