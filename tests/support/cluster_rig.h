/* A cluster of real nodes under test: musterd processes on the loopback, or in network namespaces, with a fresh key. */
#ifndef MUSTER_TESTS_SUPPORT_CLUSTER_RIG_H
#define MUSTER_TESTS_SUPPORT_CLUSTER_RIG_H

#include "process.h"
#include "request_builder.h"
#include "tempdir.h"

enum { RIG_NODES_MAX = 5, RIG_FLAGS_MAX = 12, RIG_URL_BYTES = 600 };
/* More than anything here should take; a test that waits so long fails. */
enum { SOON_MS = 20000 };

struct rig_node {
    struct process *process; /* NULL: does not run */
    char name[24], rpc[RIG_URL_BYTES];
    char host[32];
    uint16_t gossip_port, sync_port;
    char netns[32]; /* empty: this one's */
    struct tempdir key_file;
    const char *const *environment; /* of its processes, as process_options has it; NULL: this process' own */
    struct answerer answerer;
};

struct rig {
    struct tempdir dir, key_file;
    struct rig_node nodes[RIG_NODES_MAX];
    size_t count;
    const char *flags[RIG_FLAGS_MAX]; /* of every node besides, NULL at the end */
    char *log;                        /* what rig_log gave last */
};

/* `count` nodes that know each other's addresses; none runs yet. flags: besides, NULL at the end; NULL for none. */
void rig_open(struct rig *rig, size_t count, const char *const flags[]);
/* Ends every node that runs, by SIGTERM, with the test failing on any exit status but 0; removes all files. */
void rig_close(struct rig *rig);

/* Starts a node that was not started or has ended, and waits for its ready line. */
void rig_start(struct rig *rig, size_t i);
/* Waits until it says that it answers reads, and returns after how many ms of its life that was. */
uint64_t rig_await_joined(struct rig *rig, size_t i);
/* The two above for every node. */
void rig_start_all(struct rig *rig);
void rig_kill(struct rig *rig, size_t i);
/* SIGTERM; ends the test unless it exits with status 0. */
void rig_stop(struct rig *rig, size_t i);
/* What it logged so far; holds until the next call. */
const char *rig_log(struct rig *rig, size_t i);
/* Waits for a line of its log. */
void rig_await_log(struct rig *rig, size_t i, const char *needle, uint64_t timeout_ms);

/* All of these wait where a node says that it starts or joins. */

/* Wait until a user is live, or is not, at a node; end the test where that takes longer. */
void rig_expect_live(struct rig *rig, size_t i, const char *user, uint64_t timeout_ms);
void rig_expect_gone(struct rig *rig, size_t i, const char *user, uint64_t timeout_ms);
/* Waits until so many are live at a node. */
void rig_expect_count(struct rig *rig, size_t i, uint64_t live, uint64_t timeout_ms);
/* Touches one user, or `count` of them called stem0, stem1, ... in batches, in the scope that all of the above ask. */
void rig_touch(struct rig *rig, size_t i, const char *user, uint32_t ttl_ms);
void rig_touch_many(struct rig *rig, size_t i, const char *stem, size_t count, uint32_t ttl_ms);
/* A user leaves the scope, with its session of no name. */
void rig_leave(struct rig *rig, size_t i, const char *user);
/* The state of node `of` as node `i` sees it (NodeState), 0 if it does not know it. */
int rig_state(struct rig *rig, size_t i, size_t of);
void rig_expect_state(struct rig *rig, size_t i, size_t of, int state, uint64_t timeout_ms);

#endif
