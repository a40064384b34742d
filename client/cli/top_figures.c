#include "top_figures.h"

#include <inttypes.h>
#include <stdio.h>

const char *figure_count(uint64_t count, char out[FIGURE_BYTES]) {
    static const char units[] = "MGTPE";
    double scaled = (double)count / 1e6;
    int unit = 0;
    if (count < 10000000) {
        (void)snprintf(out, FIGURE_BYTES, "%" PRIu64, count);
        return out;
    }
    for (; scaled >= 9999.95 && units[unit + 1] != '\0'; unit++) scaled /= 1e3;
    (void)snprintf(out, FIGURE_BYTES, "%.1f%c", scaled, units[unit]);
    return out;
}

const char *figure_rate(double rate, char out[FIGURE_BYTES]) {
    if (rate < 0) (void)snprintf(out, FIGURE_BYTES, "-");
    else if (rate < 99.95) (void)snprintf(out, FIGURE_BYTES, "%.1f", rate);
    else if (rate < 1e18) return figure_count((uint64_t)(rate + 0.5), out);
    else (void)snprintf(out, FIGURE_BYTES, ">1E");
    return out;
}

const char *figure_span(uint64_t span_ms, char out[FIGURE_BYTES]) {
    const uint64_t s = span_ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (span_ms < 10 * 1000) (void)snprintf(out, FIGURE_BYTES, "%" PRIu64 "ms", span_ms);
    else if (m < 10) (void)snprintf(out, FIGURE_BYTES, "%" PRIu64 "s", s);
    else if (h < 10) (void)snprintf(out, FIGURE_BYTES, "%" PRIu64 "m", m);
    else if (d < 10) (void)snprintf(out, FIGURE_BYTES, "%" PRIu64 "h", h);
    else if (d < 100000) (void)snprintf(out, FIGURE_BYTES, "%" PRIu64 "d", d);
    else (void)snprintf(out, FIGURE_BYTES, ">99999d");
    return out;
}
