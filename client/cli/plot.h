/* A chart of counts over time, as an SVG file that needs nothing else. One thread. */
#ifndef MUSTER_CLI_PLOT_H
#define MUSTER_CLI_PLOT_H

#include "muster/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PLOT_SERIES_MAX = 1 + MUSTER_WINDOWS_MAX };

struct plot;

/* A chart from from_ms to to_ms, in milliseconds since 1970-01-01T00:00:00Z. title, names: of any bytes, copied; names
 * of the series, 1..PLOT_SERIES_MAX of them. Memory does not grow with the values. Ends the program if memory is
 * short. */
struct plot *plot_new(const char *title, const char *const *names, size_t series, int64_t from_ms, int64_t to_ms);
void plot_free(struct plot *plot);

/* Adds a value of each series; times do not decrease, and lie within the chart. */
void plot_add(struct plot *plot, int64_t at_ms, const uint64_t *values);

/* Writes the file; the axis of the users is logarithmic if a series would be flat beside another one. Errors are
 * ferror(3)'s. */
void plot_write(const struct plot *plot, FILE *out);

#endif
