/* Waiting for a fact, with a deadline: what tests do instead of sleeping. Monotonic milliseconds. Any thread. */
#ifndef MUSTER_TESTS_SUPPORT_WAIT_H
#define MUSTER_TESTS_SUPPORT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* The monotonic clock. */
uint64_t wait_now_ms(void);

/* Asks `fact` again every few milliseconds until it is true or timeout_ms have passed, and returns whether it is true.
 * It is asked at least once, also where timeout_ms is 0, and once more at the end. */
bool wait_until(bool (*fact)(void *context), void *context, uint64_t timeout_ms);

#endif
