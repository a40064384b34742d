/* Numbers formatted in a narrow, fixed width. Pure. */
#ifndef MUSTER_CLI_TOP_FIGURES_H
#define MUSTER_CLI_TOP_FIGURES_H

#include <stdint.h>

enum { FIGURE_BYTES = 24 };

/* Each writes at most nine characters and returns `out`. */

/* 9999999, then 10.0M, 10.0G, 10.0T, ... */
const char *figure_count(uint64_t count, char out[FIGURE_BYTES]);
/* A rate: 0.5, 99.9, 100; "-" if negative, which means unknown. */
const char *figure_rate(double rate, char out[FIGURE_BYTES]);
/* A duration: 9999ms, then 10s, 600s, 11m, 600m, 11h, ...; rounded down. */
const char *figure_span(uint64_t span_ms, char out[FIGURE_BYTES]);

#endif
