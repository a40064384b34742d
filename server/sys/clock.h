/* The clocks of the machine. Only sys/, and common/monotonic.h for deadlines, read a clock. */
#ifndef MUSTER_SYS_CLOCK_H
#define MUSTER_SYS_CLOCK_H

#include "common/instant.h"

/* What the roll's clock shows at boot: high enough that the oldest age that may be merged is not before 0
 * (core/roll.h). */
#define CLOCK_BASE_MS (UINT64_C(1) << 40)

/* The time on both clocks. The monotonic one also counts while the machine is suspended. */
struct instant clock_now(void);

/* The id of this boot of the machine, within which the monotonic clock counts on; zeros if the system does not say. */
void clock_boot(uint8_t boot[16]);

#endif
