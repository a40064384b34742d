/* Progress of long work, on a terminal only: one line on standard error that is redrawn, and removed at the end. One
 * thread. */
#ifndef MUSTER_CLI_PROGRESS_H
#define MUSTER_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "users touched" */
    uint64_t total;   /* 0: unknown */
    bool is_shown;    /* standard error is a terminal */
    uint64_t started_ms, drawn_ms;
};

/* what: static. Nothing is shown in the first half second. */
struct progress progress_start(const char *what, uint64_t total);
/* Cheap to call often: draws ten times a second at most. */
void progress_show(struct progress *progress, uint64_t done);
/* Removes the line. */
void progress_end(struct progress *progress);

/* The monotonic clock. */
uint64_t clock_now_ns(void);
uint64_t clock_now_ms(void);
/* Sleeps until clock_now_ns() is at least at_ns. */
void clock_sleep_until_ns(uint64_t at_ns);

#endif
