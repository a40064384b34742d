/* A simulated world: nodes that run the real roll and replica, a network between them, clients, faults, and an oracle
 * that knows every acknowledged call. One seed decides everything; time is virtual. */
#ifndef MUSTER_SIM_WORLD_H
#define MUSTER_SIM_WORLD_H

#include "attacker.h"
#include "cluster/replica.h"
#include "event_queue.h"
#include "network.h"
#include "node/codec.h"
#include "oracle.h"
#include "plan.h"
#include "support/random.h"
#include "trace.h"
#include "transcript.h"

enum {
    ROLL_TICK_MS = 100,
    ROLL_TICK_BUDGET = 10000,
    SIM_SYNC_MAX = 256,
    SAVED_MAX = MEMBERS + SCOPES,
    CALL_BEATS_MAX = 150,
    SIM_JOIN_TIMEOUT_MS = 10000,
    SIM_STALL_MS = 1000, /* --max-stall */
};

/* What a wall clock that is right says when the world begins. */
#define WORLD_WALL_MS UINT64_C(1700000000000)

/* What a node wrote to its disk. */
struct snapshot {
    bool is_there;
    uint64_t saved_ms; /* of the world */
    size_t count, vector_count;
    struct change changes[SAVED_MAX]; /* seen_ms: an age; texts are of names.h */
    struct known vector[ROLL_ORIGINS_MAX];
};

struct node {
    unsigned index;
    bool is_up;
    uint32_t life; /* counts its starts and its ends */
    uint64_t origin;
    struct roll *roll;
    struct replica *replica;
    struct codec *codec;
    struct hlc clock;
    uint64_t zero_ms; /* its monotonic clock at the world's 0 */
    int64_t wall_error_ms;
    uint64_t paused_since_ms, paused_until_ms; /* since: 0 where it runs */
    uint64_t started_ms, rolled_ms;            /* the roll's last tick */
    uint64_t anew_ms;                          /* when it began anew, after it stood still; 0: it did not */
    struct event *inbox;                       /* what arrived while the process was stopped */
    size_t inbox_count, inbox_capacity;
    uint64_t sync_requests[SIM_SYNC_MAX]; /* tickets of which the answer is awaited */
    size_t sync_count;
    struct snapshot snapshot;
    bool dies_of_call; /* it is killed soon after it acknowledges the next call */
    bool had_room;     /* a while before the verdict, in a world of small rolls */
    char gossip_address[40], sync_address[40];
};

/* What a client said last of a session, and where. */
struct said {
    struct beat beat;
    unsigned node;
};

struct world {
    uint64_t seed, now_ms;
    struct random random;
    struct plan plan;
    struct event_queue event_queue;
    struct network network;
    struct attacker attacker;
    struct oracle oracle;
    struct node nodes[NODES_MAX];
    unsigned node_count;      /* that were ever started */
    bool is_quiet;            /* nothing breaks any more */
    bool is_writing;          /* clients still call */
    uint64_t stamps[MEMBERS]; /* of the last acknowledged beat of a session */
    struct said said[MEMBERS];
    bool has_made_room; /* a roll was full, and forgot who was gone */
    bool has_failed;
    const char *failed_check;
    char failure[400];
    struct keyring *keyring; /* NULL: nothing is sealed */
    struct transcript transcript;
    struct trace trace;
};

/* Makes a world of a seed. is_large: with many users, whatever the seed says. */
void world_begin(struct world *world, uint64_t seed, bool is_large);
void world_end(struct world *world);
/* Lets time pass, until a check fails. */
void world_run_until(struct world *world, uint64_t at_ms);

/* A check has failed: the first one counts. */
void world_fail(struct world *world, const char *check, const char *format, ...) __attribute__((format(printf, 3, 4)));

void node_start(struct world *world, struct node *node);
void node_crash(struct world *world, struct node *node);
void node_leave(struct world *world, struct node *node);
/* Ends the process, whatever it was doing. */
void node_end(struct world *world, struct node *node);
void node_clear_inbox(struct node *node);
/* snapshot.c */
void node_save(struct world *world, struct node *node);
void node_restore(struct world *world, struct node *node);
/* A process that is there and not stopped. */
bool node_runs(const struct world *world, const struct node *node);
uint64_t node_now_ms(const struct world *world, const struct node *node);
/* Performs what the replica wants done. */
void node_perform(struct world *world, struct node *node, struct actions actions);
/* The timer, or news that want to go at once. */
void node_tick(struct world *world, struct node *node);
/* A running node, or NULL. */
struct node *world_any_node(struct world *world);

void calls_step(struct world *world);
/* One call at a node: "touch", "beat" (a touch of one session, whichever), "refresh", "leave", "overtake", "status" or
 * "reset". It may come to nothing where there is nobody to speak of.
 */
void calls_make(struct world *world, struct node *node, const char *what);
void faults_step(struct world *world);
/* Kills a node that runs. It starts again soon, and is killed again soon after it acknowledges a call. */
void faults_restart(struct world *world, struct node *node);
/* A node acknowledged a call. */
void faults_acknowledged(struct world *world, struct node *node);
/* All cuts heal, what was stopped goes on. */
void faults_end(struct world *world);

#endif
