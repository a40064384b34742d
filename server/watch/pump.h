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
/* Answers the watches that are due. One thread at a time. Returns after how many ms it wants to be called again;
 * UINT32_MAX: not before it is woken. */
uint32_t pump_run(struct watches *watches, struct worker *worker, struct instant now);
/* The same, but for at most so many batches of 256 watches, so that a thread that has more to do can do it in between.
 * Returns 0 where some may be left. */
uint32_t pump_run_batches(struct watches *watches, struct worker *worker, struct instant now, size_t batches);
/* Waiters of a connection for whom has_room was false have room now: they are looked at now, rather than in a moment.
 */
void pump_has_room(struct watches *watches, const struct watch_door *door, uint64_t connection);
/* Ends every parked request of a connection that is gone: its door gets the reply slots back. */
void pump_hang_up(struct watches *watches, const struct watch_door *door, uint64_t connection);
/* From now on nothing is parked, and the next run answers what is with MUSTER_UNAVAILABLE: clients go elsewhere. */
void pump_stop(struct watches *watches);
/* How many watches are parked now. */
size_t pump_parked(struct watches *watches);

#endif
