/* A thread that does something every so often. */
#ifndef MUSTER_SYS_PERIODIC_H
#define MUSTER_SYS_PERIODIC_H

#include <stdbool.h>
#include <stdint.h>

struct periodic;

/* Calls `work` for the first time after first_ms, and then again every_ms after each call has returned, on a thread of
 * its own, until it is stopped. `context` outlives it. NULL if there is no thread or no memory for it. */
struct periodic *periodic_start(void (*work)(void *context), void *context, uint32_t first_ms, uint32_t every_ms);
/* Ends the thread; waits for a call of `work` that runs. `periodic` may be NULL. */
void periodic_stop(struct periodic *periodic);
/* The same for work that may hang, as a look-up of a name does: waits for at most within_ms. False: it still runs, and
 * what it uses must not be freed; the program can only end. */
bool periodic_stop_within(struct periodic *periodic, uint32_t within_ms);

#endif
