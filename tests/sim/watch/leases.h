/* When each user's last lease ends, in true time: whatever was cut off or crashed, nobody may be shown for much longer.
 * An upper bound: a leave or a reset does not shorten it, since a node may not have heard of either. */
#ifndef MUSTER_SIM_LEASES_H
#define MUSTER_SIM_LEASES_H

#include "script.h"

struct leases {
    uint64_t ends_ms[SCOPES][CROWD];
    uint64_t made_ms[SCOPES][CROWD];  /* when that lease was given */
    uint64_t ended_ms[SCOPES][CROWD]; /* when a leave, a reset or a shorter lease was last about the user */
    uint64_t stamps[SCOPES][CROWD];   /* of the last touch */
    uint64_t last_ms;                 /* the end of them all */
};

const char *scope_name(unsigned scope);
void user_name(unsigned user, char out[16]);
/* CROWD if it is none. */
unsigned user_number(const char *name);

void leases_extend(struct leases *leases, unsigned scope, unsigned user, uint64_t now_ms, uint64_t until_ms);
void leases_end(struct leases *leases, unsigned scope, unsigned user, uint64_t now_ms);
/* Whether nodes that could hear of it know a lease that was given before made_ms, and holds at at_ms. */
bool leases_are_known(const struct leases *leases, unsigned scope, unsigned user, uint64_t made_ms, uint64_t at_ms);
bool leases_hold(const struct leases *leases, unsigned scope, unsigned user, uint64_t at_ms);
size_t leases_count(const struct leases *leases, unsigned scope, uint64_t at_ms);

#endif
