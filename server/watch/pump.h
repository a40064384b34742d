/* The pump: answers the watches that are parked. All calls are thread-safe, and take the node's lock themselves. */
#ifndef MUSTER_WATCH_PUMP_H
#define MUSTER_WATCH_PUMP_H

#include "node/node.h"
#include "waiter.h"

#include <stddef.h>

struct watches;
struct worker;

/* Before the first request: `wake` is called, by any thread and without the lock, when pump_run has to be called
 * earlier than it said. It must not block. */
void pump_set_waker(struct watches *watches, void (*wake)(void *context), void *context);
/* Answers those who are due. One thread at a time. Returns after how many ms it wants to be called again; UINT32_MAX:
 * not before it is woken. */
uint32_t pump_run(struct watches *watches, struct worker *worker, struct instant now);
/* Hands back the places of every parked request of a connection, which is gone. */
void pump_hang_up(struct watches *watches, const struct watch_door *door, uint64_t connection);
/* From now on nobody is parked, and the next run answers all who are with MUSTER_UNAVAILABLE: clients go elsewhere. */
void pump_stop(struct watches *watches);
/* How many watches are parked now. */
size_t pump_parked(struct watches *watches);

#endif
