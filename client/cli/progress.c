#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_AFTER_MS = 500, DRAW_EVERY_MS = 100 };

uint64_t clock_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ms(void) {
    return clock_now_ns() / 1000000u;
}

void clock_sleep_until_ns(uint64_t at_ns) {
    const struct timespec at = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};
    while (clock_now_ns() < at_ns) (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

struct progress progress_start(const char *what, uint64_t total) {
    return (struct progress){what, total, isatty(STDERR_FILENO) == 1, clock_now_ms(), 0};
}

void progress_show(struct progress *p, uint64_t done) {
    if (!p->is_shown) return;
    const uint64_t now_ms = clock_now_ms(), elapsed_ms = now_ms - p->started_ms;
    if (elapsed_ms < FIRST_AFTER_MS || now_ms - p->drawn_ms < DRAW_EVERY_MS) return;
    p->drawn_ms = now_ms;
    const uint64_t a_second = (uint64_t)((double)done * 1000.0 / (double)elapsed_ms);
    if (p->total > 0)
        (void)fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " %s (%d %%), %" PRIu64 "/s", done, p->total, p->what,
                      (int)(100.0 * (double)done / (double)p->total), a_second);
    else (void)fprintf(stderr, "\r\033[K%" PRIu64 " %s, %" PRIu64 "/s", done, p->what, a_second);
}

void progress_end(struct progress *p) {
    if (p->drawn_ms != 0) (void)fputs("\r\033[K", stderr);
    p->drawn_ms = 0;
}
