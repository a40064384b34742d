/* The last stretch of what happened in a simulated world: kept in a ring, printed when a check fails. */
#ifndef MUSTER_SIM_TRANSCRIPT_H
#define MUSTER_SIM_TRANSCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TRANSCRIPT_LINES = 400, TRANSCRIPT_LINE_BYTES = 160 };

struct transcript {
    uint64_t count;
    bool is_verbose; /* every line is printed at once as well */
    char lines[TRANSCRIPT_LINES][TRANSCRIPT_LINE_BYTES];
};

void transcript_add(struct transcript *transcript, uint64_t at_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void transcript_print(const struct transcript *transcript, FILE *out);

#endif
