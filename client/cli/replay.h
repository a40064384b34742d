/* Replays access logs: visits are sent to a target, an embedded roll or a node, and rows are printed. One thread. */
#ifndef MUSTER_CLI_REPLAY_H
#define MUSTER_CLI_REPLAY_H

#include "command.h"
#include "values.h"
#include "visits.h"

/* The figures at one instant of the log's clock. */
struct replay_row {
    uint64_t live;
    uint64_t windows[MUSTER_WINDOWS_MAX]; /* as many as the plan has */
};

/* The receiver of visits. Each function returns STATUS_DONE, or prints a message and returns the exit status. Log times
 * never decrease from call to call. */
struct replay_target {
    /* Applies these visits, all of them of time unix_ms. */
    int (*visit)(void *context, const struct visits *visits, const struct visit *due, size_t count, int64_t unix_ms);
    /* Reads the figures at unix_ms, after all visits up to and including that time. */
    int (*look)(void *context, int64_t unix_ms, struct replay_row *row);
    void (*close)(void *context); /* frees it */
    void *context;
    uint64_t quiet_ms; /* all figures are 0 when the last visit is longer ago than this; UINT64_MAX: that is unknown */
};

struct replay_plan {
    struct globals *globals;
    struct windows windows;
    uint64_t every_ms;
    uint32_t ttl_ms; /* 0: MUSTER_TTL_DEFAULT_MS in the embedded roll, the node's default on a node */
    double speed;    /* of a node's replay: log time / real time */
    struct visits_rule rule;
    bool has_exclusions; /* options leave lines out */
    const char *plot;    /* the file of the chart; NULL: none */
    const char *title;   /* of the chart */
};

/* Opens an embedded roll whose retention is the longest window. visits: not empty, sorted, outlive the target. Returns
 * STATUS_DONE, or prints a message and returns the exit status. */
int replay_roll_open(const struct replay_plan *plan, const struct visits *visits, struct replay_target *out);

/* Connects to the node of plan->globals; the log's clock starts now, at the time of the first visit. */
int replay_node_open(const struct replay_plan *plan, const struct visits *visits, struct replay_target *out);

/* Runs all visits, sorted, through the target, and prints the rows and the summary. There is a row at every multiple of
 * every_ms in UTC after the first visit, and one at the last; without visits there are no rows, and target is not used.
 */
int replay_run(const struct replay_plan *plan, const struct visits *visits, const struct replay_target *target);

#endif
