/* The thread that answers the watches of a node which have something to be told: as soon as the node wakes it, and
 * whenever the node said. */
#ifndef MUSTER_NET_WATCH_PUMP_H
#define MUSTER_NET_WATCH_PUMP_H

#include "watch/pump.h"

struct watch_pump;

/* Before the first request; the watches outlive the pump. NULL if there is no thread or no memory for it. */
struct watch_pump *watch_pump_start(struct watches *watches);
/* Answers nobody any more. Before the doors close, and after pump_stop and a drain if those who wait are to hear
 * of it. The node may go on waking it, in vain. `pump` may be NULL. */
void watch_pump_stop(struct watch_pump *pump);
/* Once it is stopped and nothing can change in the node, which would wake it. `pump` may be NULL. */
void watch_pump_free(struct watch_pump *pump);

#endif
