/* What a replica is made of, and what it counts. */
#ifndef MUSTER_CLUSTER_REPLICA_CONFIG_H
#define MUSTER_CLUSTER_REPLICA_CONFIG_H

#include "core/hlc.h"
#include "core/roll.h"

struct replica_config {
    uint64_t origin;            /* random, not 0: this incarnation; the roll's config.origin */
    uint64_t seed;              /* of jitter, and of the order in which peers are sent requests */
    struct text name, region;   /* labels for people */
    struct text gossip_address; /* where others subscribe, e.g. "tcp://10.0.0.1:7701" */
    struct text sync_address;   /* where others send requests, e.g. "tcp://10.0.0.1:7704" */
    struct text version;        /* of the software */
    uint64_t flush_ms;          /* --flush, 10 */
    uint64_t join_timeout_ms;   /* --join-timeout, 10 s */
    size_t crowded_origins; /* origins with registers that are too many, at least: see retire.h; 0: half of the table */
    bool expects_peers; /* peers will be added: until replica_seeds_resolved, a replica without peers is not ready */
    struct roll *roll;  /* borrowed, outlives the replica */
    struct hlc *clock;  /* borrowed: every stamp that is merged moves it */
    struct allocator allocator; /* thread-safe: whoever frees an action gives back what it owns */
};

/* Counted since the start. */
struct replica_stats {
    uint64_t frames_in, frames_out, bytes_in, bytes_out, refreshes_out, refresh_bytes_out;
    uint64_t dropped_forged, dropped_replayed, dropped_foreign, dropped_broken, gaps, sync_requests, pages;
    uint64_t dropped_unknown_origin; /* frames of origins that were not admitted yet */
    uint64_t dropped_records;        /* a value is out of its range; the vector does not cover them */
    uint64_t refused;                /* records that the roll had no room for; they are requested again */
    uint64_t adopted;                /* registers of origins that are gone: see adopt.h and retire.h */
};

#endif
