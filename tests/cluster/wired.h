/* A few replicas wired by hand: a frame arrives at once at whoever subscribed, a question is answered at once, unless
 * the test has cut the wire. Time is what the test makes it. */
#ifndef MUSTER_TESTS_WIRED_H
#define MUSTER_TESTS_WIRED_H

#include "cluster/replica.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

enum { WIRED_NODES = 4, WIRED_FRAMES = 4096, WIRED_RETENTION_MS = 3600 * 1000, WIRED_FLUSH_MS = 10 };

struct wired_node {
    bool is_up;
    uint64_t origin, zero_ms; /* zero_ms: its monotonic clock at the wires' 0 */
    struct roll *roll;
    struct replica *replica;
    struct hlc clock;
    char sync[32], gossip[32];
    bool hears[WIRED_NODES]; /* it subscribed to that node */
};

/* A frame that was published. */
struct wired_frame {
    unsigned from;
    uint8_t *bytes;
    size_t len;
};

/* One that is on its way. */
struct wired_late {
    uint64_t at_ms;
    unsigned to;
    struct wired_frame frame;
};

struct wires {
    struct wired_node nodes[WIRED_NODES];
    unsigned count;
    uint64_t now_ms;
    bool is_deaf[WIRED_NODES][WIRED_NODES];      /* [to][from]: frames are lost */
    bool is_cut[WIRED_NODES][WIRED_NODES];       /* [from][to]: questions fail */
    uint64_t delay_ms[WIRED_NODES][WIRED_NODES]; /* [to][from]: of frames */
    struct wired_late late[WIRED_FRAMES];
    size_t late_count;
    size_t answer_bytes_max[WIRED_NODES][WIRED_NODES]; /* [from][to]: longer answers do not come; 0: all do */
    bool is_kept;                                      /* frames are kept in `frames` instead of arriving */
    struct wired_frame frames[WIRED_FRAMES];
    size_t frame_count;
    uint64_t published_bytes, answered_bytes;
    unsigned asks;
    uint64_t members_max;
    uint32_t log_slots;
    struct keyring *keyring;
    uint64_t lives; /* origins that were drawn */
};

struct wires *wires_new(unsigned count);
void wires_free(struct wires *wires);

/* Starts a node, which meets node 0 (node 1, if it is node 0 itself). */
void wired_start(struct wires *wires, unsigned node);
void wired_stop(struct wires *wires, unsigned node);
/* Tells a node of another, or of nobody: 9. */
void wired_meet(struct wires *wires, unsigned node, unsigned other);
/* Lets time pass in steps of the flush interval. */
void wired_run(struct wires *wires, uint64_t ms);
/* Both ways: nothing gets through, or all does. */
void wired_part(struct wires *wires, unsigned a, unsigned b, bool is_parted);

void wired_touch(struct wires *wires, unsigned node, const char *scope, const char *user, uint32_t ttl_ms);
void wired_beat(struct wires *wires, unsigned node, const struct beat *beat);
void wired_reset(struct wires *wires, unsigned node, const char *scope);
bool wired_is_live(const struct wires *wires, unsigned node, const char *scope, const char *user);
/* What a node knows of another's beats. */
uint64_t wired_known(const struct wires *wires, unsigned node, unsigned of);
uint64_t wired_now_ms(const struct wires *wires, unsigned node);
struct replica_stats wired_stats(const struct wires *wires, unsigned node);
enum peer_state wired_state(const struct wires *wires, unsigned node, unsigned of);

/* Fails the test unless all nodes that are up hold the same. */
void wired_agree(const struct wires *wires);
/* Whether two nodes do. */
bool wired_is_same(const struct wires *wires, unsigned a, unsigned b);

/* Delivers a kept frame, or anything else. */
void wired_deliver(struct wires *wires, unsigned to, const struct wired_frame *frame);
void wired_forget_frames(struct wires *wires);

#endif
