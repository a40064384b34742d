/* The beats of one call of roll_touch or roll_merge, and what was planned for them. First all are planned (plan.c),
 * which may fail and is then undone; then they are committed (commit.c), which cannot fail. Only a call that names very
 * many new sessions of one user goes in pieces, so that no chain of sessions grows long. */
#ifndef MUSTER_CORE_BATCH_H
#define MUSTER_CORE_BATCH_H

#include "roll_internal.h"

struct batch {
    struct roll *roll;
    const struct beat *beats;
    const struct change *const *changes; /* the beats are those of other origins; NULL: they are made here and now */
    struct planned *plan;
    uint64_t stamp, now_ms;
    struct effects *effects;
    struct refusal *why;
    struct text last_scope; /* most calls name one scope: it is looked up once */
    uint64_t last_scope_hash;
    uint32_t last_scope_ref;
    const struct scope *last_scope_at; /* NULL: there is none */
    size_t refreshes; /* so many beats, the first ones, only extend a lease, or do nothing: see plan.c */
    bool is_cut;      /* planning has stopped before the end, where a piece ends */
    bool is_untidy;   /* something is left for commit_tidy */
    bool has_leaves;  /* a leave of all sessions was written, and is to be applied: commit_leaves */
    bool has_void;    /* a session was planned that a leave of all sessions makes void */
    struct touched *touched;
};

/* Whether beat i makes its session live. One of another origin may have ended by its age. */
static inline bool beat_lives(const struct batch *batch, size_t i) {
    if (batch->beats[i].ttl_ms == 0) return false;
    return batch->changes == NULL || batch->changes[i]->seen_ms + batch->beats[i].ttl_ms >= batch->now_ms;
}

static inline bool batch_refuse(struct batch *batch, const char *what, uint64_t limit, size_t index) {
    batch->roll->refused_live = batch->roll->live_members;
    *batch->why = (struct refusal){what, limit, index};
    return false;
}

/* What a register takes besides the beat. */
struct writing {
    uint64_t stamp, sequence, seen_ms;
    uint16_t origin;
    bool lives;
};

enum {
    LOG_AHEAD = 3,
    COMMIT_AHEAD = 8, /* in a large call the records have fallen out of the nearest cache by then */
};

/* Fetches what committing will write for a beat soon after i, of n. */
static inline void commit_fetch(const struct batch *batch, size_t i, size_t n) {
    const struct roll *roll = batch->roll;
    if (i + COMMIT_AHEAD < n && batch->plan[i + COMMIT_AHEAD].member != MEMBER_NONE)
        cache_fetch(member_at(roll, batch->plan[i + COMMIT_AHEAD].member));
    if (roll->flushed_sequence == 0 || i + LOG_AHEAD >= n || batch->plan[i + LOG_AHEAD].member == MEMBER_NONE) return;
    uint64_t sequence = member_at(roll, batch->plan[i + LOG_AHEAD].member)->sequence;
    if (sequence > roll->flushed_sequence) cache_fetch(log_slot(roll, sequence));
}

/* plan.c */
/* Plans the first of n beats (n > 0), mostly all, and makes room for them: how many. 0: refused, and everything is as
 * it was. */
size_t plan_beats(struct batch *batch, size_t n);
/* Lets go of the room for a state that was planned and is not used. */
void plan_drop_extra(struct roll *roll, struct planned *planned);

/* commit.c */
/* Writes the refreshes that the batch begins with. each: may be NULL; else their outcomes. */
void commit_refreshes(struct batch *batch, struct beat_outcome *each);
/* Writes a local beat. */
void commit_beat(struct batch *batch, const struct planned *planned, const struct beat *beat);
void commit_writing(struct batch *batch, const struct planned *planned, const struct beat *beat,
                    const struct writing *writing);
/* Applies the leaves of all sessions among the n beats, once all beats are written: each tells of its user once. */
void commit_leaves(struct batch *batch, size_t n);
/* What a call leaves behind: states of those who left, sessions beyond a user's cap. */
void commit_tidy(struct batch *batch, size_t n);

#endif
