/* The clocks of the machine. The only place of the server where one is read. */
#ifndef MUSTER_SYS_CLOCK_H
#define MUSTER_SYS_CLOCK_H

#include "common/instant.h"

/* Where the roll's clock starts: high enough that the oldest age that may be merged fits below (core/roll.h). */
#define CLOCK_BASE_MS (UINT64_C(1) << 40)

/* Now, on both clocks. The monotonic one counts while the machine sleeps. */
struct instant clock_now(void);
/* Microseconds of a monotonic clock, for how long something took. */
uint64_t clock_monotonic_us(void);

/* Which run of the machine the monotonic clock is of; zeros where the system does not say. */
void clock_boot(uint8_t boot[16]);

#endif
