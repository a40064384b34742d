/* One moment on two clocks. */
#ifndef MUSTER_COMMON_INSTANT_H
#define MUSTER_COMMON_INSTANT_H

#include <stdint.h>

struct instant {
    uint64_t now_ms;  /* monotonic, of CLOCK_BOOTTIME; see core/roll.h for where it starts */
    uint64_t wall_ms; /* since 1970, as the machine believes */
};

#endif
