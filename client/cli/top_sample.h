/* What one round of questions of `muster top` answered: nodes, scopes with their counts, and one scope in detail. Pure,
 * and one thread at a time: who asks builds it, who shows it takes it. Memory that is short ends the program. */
#ifndef MUSTER_CLI_TOP_SAMPLE_H
#define MUSTER_CLI_TOP_SAMPLE_H

#include "muster/muster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAMPLE_SCOPES_MAX = 10000, /* more are not asked for */
    SAMPLE_NODES_MAX = 1000,   /* more are not kept */
    SAMPLE_USERS_MAX = 200,    /* of the scope in detail: the latest seen */
};

/* A rate that is not known: it takes two samples, of the same node. */
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
    bool has; /* it was asked for; what follows is empty otherwise */
    struct sample_scope scope;
    struct muster_window windows[MUSTER_WINDOWS_MAX];
    size_t window_count;
    struct sample_user *users; /* newest first */
    size_t user_count;
};

struct sample {
    uint64_t at_ms;              /* monotonic */
    struct sample_scope *scopes; /* by name, once sample_finish is done; each name once */
    size_t scope_count;
    bool has_more_scopes;      /* there are more than SAMPLE_SCOPES_MAX */
    struct sample_node *nodes; /* itself first, then those in trouble */
    size_t node_count;
    struct sample_detail detail;
};

struct sample *sample_new(uint64_t at_ms);
/* `sample` may be NULL. */
void sample_free(struct sample *sample);

/* Texts are copied. At most SAMPLE_..._MAX are taken, what is beyond is dropped; a dropped scope sets has_more_scopes.
 */
void sample_add_scope(struct sample *sample, const struct muster_scope *scope);
void sample_add_nodes(struct sample *sample, const struct muster_nodes *nodes);
/* The counts of scopes[first..first + counts->count), in the order they were added. */
void sample_set_counts(struct sample *sample, size_t first, const struct muster_counts *counts);
void sample_set_detail(struct sample *sample, const struct muster_scope_counts *counts,
                       const struct muster_users *users);

/* Orders it, and finds the rates since the one before (may be NULL). They are unknown where another node answered, or
 * where the totals began again. */
void sample_finish(struct sample *sample, const struct sample *before);

/* By name, of a finished sample; NULL: it is not there. */
const struct sample_scope *sample_find(const struct sample *sample, const char *name);

/* Of all its scopes together. A user who is live in two counts twice. */
struct sample_scope sample_totals(const struct sample *sample);

#endif
