/* What a seed draws once for a whole run. */
#ifndef MUSTER_SIM_PLAN_H
#define MUSTER_SIM_PLAN_H

#include "support/random.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { NODES_MAX = 7 };

enum fault {
    FAULT_CUT,       /* no bytes from one node to another, or both ways, or between two halves */
    FAULT_STALL,     /* a stream stands still, and later delivers everything */
    FAULT_SLOW,      /* a subscriber reads slowly: its queue overflows */
    FAULT_CRASH,     /* and mostly starts again */
    FAULT_PAUSE,     /* SIGSTOP, later SIGCONT */
    FAULT_JOIN,      /* a node that was never there */
    FAULT_LEAVE,     /* a drain */
    FAULT_WALL_JUMP, /* the wall clock of a node jumps, or is put right; who starts reads it anew */
    FAULT_SAVE,      /* a snapshot */
    FAULT_REPLAY,    /* the attacker sends what it has recorded */
    FAULT_GARBAGE,   /* the attacker sends what is broken */
    FAULT_RESTART,   /* a node starts again at once, and is killed some milliseconds after it acknowledged a call */
    FAULTS,
};

/* How wrong wall clocks are. */
enum wall_error {
    WALLS_RIGHT,
    WALLS_BY_AN_HOUR, /* by up to an hour either way */
    WALLS_BY_YEARS,   /* by up to decades, or a day and a bit, or at 1970: no two nodes alike */
};

struct plan {
    unsigned nodes_at_start, nodes; /* nodes: that may ever be */
    bool meets_all;                 /* a node is told of all others, or of one */
    uint64_t active_ms;             /* with faults */
    uint64_t late_calls_ms;         /* calls go on for so long after the last fault has ended */
    uint64_t flush_ms;
    uint64_t delay_max_ms; /* of a frame or a request that nothing holds up */
    unsigned loss_permille, duplicate_permille, sync_loss_permille;
    bool is_chaotic;       /* frames overtake each other and come twice, which TCP does not do */
    unsigned queue_frames; /* of one subscriber at the publisher */
    uint64_t call_every_ms, fault_every_ms;
    unsigned faults; /* a mask of 1 << enum fault */
    uint64_t ttl_max_ms;
    unsigned users; /* that there may be in a scope */
    uint64_t retention_ms;
    uint64_t members_max;
    uint32_t log_slots;
    size_t crowded_origins; /* as replica_config has it: so that few crashes make nodes retire origins */
    enum wall_error walls;
    bool is_sealed;
    bool is_reliable; /* nodes are restarted and killed, but all that is sent arrives, and nobody stands still */
};

/* is_large: many users, whatever the seed says. */
struct plan plan_draw(struct random *random, bool is_large);
/* By how much a wall clock that says true_wall_ms is wrong, in ms. */
int64_t plan_draw_wall_error(const struct plan *plan, struct random *random, uint64_t true_wall_ms);
bool plan_has(const struct plan *plan, enum fault fault);
void plan_print(const struct plan *plan, FILE *out);

#endif
