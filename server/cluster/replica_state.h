/* The state of a replica, and what its files read from it. Only for the files of server/cluster. */
#ifndef MUSTER_CLUSTER_REPLICA_STATE_H
#define MUSTER_CLUSTER_REPLICA_STATE_H

#include "action.h"
#include "frame.h"
#include "peers.h"
#include "replica_config.h"
#include "vector.h"

/* So many origins are retired at once. */
enum { RETIRE_ORIGINS_MAX = ROLL_ORIGINS_MAX };

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
    uint64_t flushed, flushed_ms, frame_number; /* sequences up to `flushed` were published, the last at flushed_ms */
    uint64_t assumed_known, assumed_known_ms;   /* peers are assumed to know our sequences up to this one; since when */
    bool has_news;
    uint64_t refresh_by_ms; /* when a refresh that waits has to go out; UINT64_MAX: none waits */
    uint64_t digest_at_ms;
    size_t peer_hint; /* the peer that the last digest named */
    bool is_leaving;

    /* sync_client.c */
    uint64_t last_ticket, walker; /* walker: the ticket of the one request of WANT_ALL that is on its way; 0: none */
    uint64_t walk_next_ms;
    struct known walked[ROLL_ORIGINS_MAX]; /* known once all of its pages have come */
    size_t walked_count;
    uint64_t walked_version; /* of the peer's vector that `walked` is */
    uint64_t pages_ms;       /* when the last page came */
    unsigned refusals;
    uint64_t refused_ms, refused_live; /* the last refusal: when, and how many sessions were live then */

    /* retire.c */
    size_t crowded_at;                        /* more origins with registers than this are too many */
    uint64_t retire_at_ms;                    /* when to look next */
    struct known retired[RETIRE_ORIGINS_MAX]; /* those whose registers are being adopted, ascending; sequences unset */
    size_t retired_count;

    /* adopt.c */
    uint64_t unconfirmed_since_ms; /* since when some register is unconfirmed; 0: none is */
    bool is_adopting;
    struct walk_cursor adopt_cursor;

    /* readiness.c */
    bool takes_writes, is_ready;
    bool has_stood_still;     /* since it was started: it began anew */
    uint64_t started_ms;      /* or began anew */
    uint64_t frames_before;   /* frames up to this number prove nothing: they were published before */
    uint64_t wall_ms_at_zero; /* what the wall clock says, minus the monotonic clock; may wrap, is only added */
    uint64_t taken_since_ms;  /* since when a peer takes this node's frames; 0: none does */
    uint64_t called_ms;       /* when readiness_call published last */

    struct known known[ROLL_ORIGINS_MAX];  /* this node's vector, to be encoded: see replica_list_known */
    struct change changes[ROLL_MERGE_MAX]; /* from the roll, to be encoded */
};

/* The last sequence of this node's own origin. */
uint64_t replica_sequence(const struct replica *replica);
/* Lists this node's vector, its own origin included, in replica->known; returns how many entries it has. is_offer,
 * since: as vector_list. */
size_t replica_list_known(struct replica *replica, uint64_t own_sequence, bool is_offer, uint64_t since);
/* Whether an origin is this node's, or that of a peer that is not down. */
bool replica_has_origin(const struct replica *replica, uint64_t origin);
struct node_info replica_node_info(const struct replica *replica);
/* The wall clock, for people: see replica_set_wall. */
uint64_t replica_wall_ms(const struct replica *replica, uint64_t now_ms);
uint64_t replica_random(struct replica *replica);

#endif
