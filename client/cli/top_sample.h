/* The result of one polling round of `muster top`: nodes, scopes with their counts, and one scope in detail. Pure. One
 * thread at a time: the poller builds it and hands it to the view. Ends the program if memory is short. */
#ifndef MUSTER_CLI_TOP_SAMPLE_H
#define MUSTER_CLI_TOP_SAMPLE_H

#include "muster/muster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAMPLE_SCOPES_MAX = 10000, /* more are not requested */
    SAMPLE_NODES_MAX = 1000,   /* more are not kept */
    SAMPLE_USERS_MAX = 200,    /* of the scope in detail: those seen last */
};

/* An unknown rate: a rate needs two samples of the same node. */
#define RATE_UNKNOWN (-1.0)

struct sample_scope {
    char *name;
    uint64_t live, online, away, busy, sessions, joined_total, left_total;
    double joins, leaves; /* a second, or RATE_UNKNOWN */
};

struct sample_node {
    char *name, *address, *region, *version;
    enum muster_node_state state;
    bool is_self;
    uint64_t members, lag, delay_ms, silent_ms;
};

struct sample_user {
    char *name;
    enum muster_status status;
    uint32_t sessions;
    int64_t last_seen_ms;
};

struct sample_detail {
    bool has; /* it was requested; else the rest is empty */
    struct sample_scope scope;
    struct muster_window windows[MUSTER_WINDOWS_MAX];
    size_t window_count;
    struct sample_user *users; /* newest first */
    size_t user_count;
};

struct sample {
    uint64_t at_ms;              /* monotonic */
    struct sample_scope *scopes; /* after sample_finish sorted by name, without duplicates */
    size_t scope_count;
    bool has_more_scopes;      /* there are more than SAMPLE_SCOPES_MAX */
    struct sample_node *nodes; /* the answering node first, then those not alive */
    size_t node_count;
    struct sample_detail detail;
};

struct sample *sample_new(uint64_t at_ms);
/* `sample` may be NULL. */
void sample_free(struct sample *sample);

/* Texts are copied. More than SAMPLE_..._MAX are dropped; a dropped scope sets has_more_scopes. */
void sample_add_scope(struct sample *sample, const struct muster_scope *scope);
void sample_add_nodes(struct sample *sample, const struct muster_nodes *nodes);
/* Sets the counts of scopes[first..first + counts->count), in the order in which the scopes were added. */
void sample_set_counts(struct sample *sample, size_t first, const struct muster_counts *counts);
void sample_set_detail(struct sample *sample, const struct muster_scope_counts *counts,
                       const struct muster_users *users);

/* Sorts the sample and computes the rates since `before` (may be NULL). They are unknown if another node answered, or
 * if the totals restarted. */
void sample_finish(struct sample *sample, const struct sample *before);

/* Finds a scope by name, after sample_finish. NULL: there is none. */
const struct sample_scope *sample_find(const struct sample *sample, const char *name);

/* The sum over all scopes; a user who is live in two scopes counts twice. */
struct sample_scope sample_totals(const struct sample *sample);

#endif
