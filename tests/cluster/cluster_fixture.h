/* A few replicas wired by hand: a frame arrives at once at whoever subscribed, a question is answered at once, unless
 * the test has cut the wire. Time is what the test makes it. */
#ifndef MUSTER_TESTS_CLUSTER_FIXTURE_H
#define MUSTER_TESTS_CLUSTER_FIXTURE_H

#include "cluster/replica.h"
#include "node/codec.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

enum { FIXTURE_NODES = 40, FIXTURE_FRAMES = 4096, FIXTURE_RETENTION_MS = 3600 * 1000, FIXTURE_FLUSH_MS = 10 };

struct fixture_node {
    bool is_up;
    uint64_t origin, zero_ms; /* zero_ms: its monotonic clock at the fixture's 0 */
    struct roll *roll;
    struct replica *replica;
    struct codec *codec;
    struct hlc clock;
    char sync[32], gossip[32];
    bool hears[FIXTURE_NODES]; /* it subscribed to that node */
};

/* A frame that was published. */
struct fixture_frame {
    unsigned from;
    uint8_t *bytes;
    size_t len;
};

/* One that is on its way. */
struct fixture_late {
    uint64_t at_ms;
    unsigned to;
    struct fixture_frame frame;
};

struct cluster_fixture {
    struct fixture_node nodes[FIXTURE_NODES];
    unsigned count;
    uint64_t now_ms;
    bool is_deaf[FIXTURE_NODES][FIXTURE_NODES];      /* [to][from]: frames are lost */
    bool is_cut[FIXTURE_NODES][FIXTURE_NODES];       /* [from][to]: questions fail */
    uint64_t delay_ms[FIXTURE_NODES][FIXTURE_NODES]; /* [to][from]: of frames */
    struct fixture_late late[FIXTURE_FRAMES];
    size_t late_count;
    size_t response_bytes_max[FIXTURE_NODES][FIXTURE_NODES]; /* [from][to]: longer answers do not come; 0: all do */
    bool is_kept;                                            /* frames are kept in `frames` instead of arriving */
    struct fixture_frame frames[FIXTURE_FRAMES];
    size_t frame_count;
    uint64_t published_bytes, response_bytes;
    unsigned sync_requests;
    uint64_t members_max;
    uint32_t log_slots;
    size_t crowded_origins; /* as replica_config has it */
    struct keyring *keyring;
    uint64_t lives; /* origins that were drawn */
};

struct cluster_fixture *fixture_new(unsigned count);
void fixture_free(struct cluster_fixture *fixture);

/* Starts a node with node 0 as its peer (node 0 has node 1). */
void fixture_start(struct cluster_fixture *fixture, unsigned node);
/* Publishes that the node leaves; it still runs. */
void fixture_leave(struct cluster_fixture *fixture, unsigned node);
void fixture_stop(struct cluster_fixture *fixture, unsigned node);
/* Tells a node of another, or of nobody: 9. */
void fixture_add_peer(struct cluster_fixture *fixture, unsigned node, unsigned other);
/* Lets time pass in steps of the flush interval. */
void fixture_run(struct cluster_fixture *fixture, uint64_t ms);
/* Both ways: nothing gets through, or all does. */
void fixture_cut(struct cluster_fixture *fixture, unsigned a, unsigned b, bool is_cut);

void fixture_touch(struct cluster_fixture *fixture, unsigned node, const char *scope, const char *user,
                   uint32_t ttl_ms);
void fixture_beat(struct cluster_fixture *fixture, unsigned node, const struct beat *beat);
void fixture_reset(struct cluster_fixture *fixture, unsigned node, const char *scope);
bool fixture_is_live(const struct cluster_fixture *fixture, unsigned node, const char *scope, const char *user);
/* What a node knows of another's beats. */
uint64_t fixture_known(const struct cluster_fixture *fixture, unsigned node, unsigned of);
uint64_t fixture_now_ms(const struct cluster_fixture *fixture, unsigned node);
struct replica_stats fixture_stats(const struct cluster_fixture *fixture, unsigned node);
enum peer_state fixture_state(const struct cluster_fixture *fixture, unsigned node, unsigned of);

/* Fails the test unless all nodes that are up hold the same. */
void fixture_agree(const struct cluster_fixture *fixture);
/* Whether two nodes do. */
bool fixture_is_same(const struct cluster_fixture *fixture, unsigned a, unsigned b);

/* Delivers a kept frame, or anything else. */
void fixture_deliver(struct cluster_fixture *fixture, unsigned to, const struct fixture_frame *frame);
void fixture_forget_frames(struct cluster_fixture *fixture);

#endif
