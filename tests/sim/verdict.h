/* What is promised once everything has healed and the writes have stopped. */
#ifndef MUSTER_SIM_VERDICT_H
#define MUSTER_SIM_VERDICT_H

#include <stdio.h>

struct world;

/* Runs a whole world: with faults, healed, quiet, and then a few beats of a calm cluster. */
void verdict_run(struct world *world);
/* What each node knows: vectors, and the members that nodes disagree about. */
void verdict_print_views(struct world *world, FILE *out);

#endif
