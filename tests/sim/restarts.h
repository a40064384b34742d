/* A node that is killed and starts again, thousands of times within the retention: each of its lives is an origin, with
 * a few beats that the others hear of. */
#ifndef MUSTER_SIM_RESTARTS_H
#define MUSTER_SIM_RESTARTS_H

#include "world.h"

/* Makes a calm world of three nodes out of one that was begun. */
void restarts_plan(struct world *world);
/* Lets node 0 live and die so many times. */
void restarts_run(struct world *world, unsigned times);

#endif
