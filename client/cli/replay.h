/* The replay of an access log: its visits go to a target, an embedded roll or a node, and rows come out. One thread. */
#ifndef MUSTER_CLI_REPLAY_H
#define MUSTER_CLI_REPLAY_H

#include "command.h"
#include "values.h"
#include "visits.h"

/* What was true at one instant of the log's clock. */
struct replay_row {
    uint64_t live;
    uint64_t windows[MUSTER_WINDOWS_MAX]; /* as many as were asked for */
};

/* Where visits go. Each function returns STATUS_DONE, or the status to exit with after a message. Log times never run
 * backward from call to call. */
struct replay_target {
    /* These visits, all of them of one time, unix_ms, are due. */
    int (*visit)(void *context, const struct visits *visits, const struct visit *due, size_t count, int64_t unix_ms);
    /* All visits up to and including unix_ms are told: what is true at that instant? */
    int (*look)(void *context, int64_t unix_ms, struct replay_row *row);
    void (*close)(void *context); /* frees it */
    void *context;
};

struct replay_plan {
    struct globals *globals;
    struct windows windows;
    uint64_t every_ms;
    uint32_t ttl_ms; /* 0: MUSTER_TTL_DEFAULT_MS in the embedded roll, the node's default on a node */
    double speed;    /* of a node's replay: log time / real time */
};

/* Opens an embedded roll that remembers for as long as the longest window. visits: not empty, outlive the target.
 * STATUS_DONE, or the status to exit with after a message. */
int replay_roll_open(const struct replay_plan *plan, const struct visits *visits, struct replay_target *out);

/* Connects to the node that plan->globals name; the log's clock begins to run now, at the first visit. */
int replay_node_open(const struct replay_plan *plan, const struct visits *visits, struct replay_target *out);

/* Runs all visits through the target and prints the rows and the summary. A row for each full every_ms of UTC after the
 * first visit and one at the last; none, where there are no visits (target is not used then, and may be empty). */
int replay_run(const struct replay_plan *plan, const struct visits *visits, const struct replay_target *target);

#endif
