/* Condition variables whose deadlines are on the monotonic clock (common/monotonic.h), so that a step of the wall clock
 * neither ends a wait nor prolongs it. */
#ifndef MUSTER_COMMON_WAITING_H
#define MUSTER_COMMON_WAITING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes a condition variable for waiting_until; pthread_cond_destroy ends it. False: the system has no room for it. */
bool waiting_init(pthread_cond_t *condition);

/* Waits until `condition` is signalled or the monotonic clock passes until_us. The caller holds `mutex` and checks what
 * it waits for in a loop, since a wait may end for no reason. False: until_us has passed. */
bool waiting_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until_us);

#endif
