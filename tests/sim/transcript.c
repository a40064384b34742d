#include "transcript.h"

#include <inttypes.h>
#include <stdarg.h>

void transcript_add(struct transcript *transcript, uint64_t at_ms, const char *format, ...) {
    char *line = transcript->lines[transcript->count++ % TRANSCRIPT_LINES];
    int len = snprintf(line, TRANSCRIPT_LINE_BYTES, "%8" PRIu64 " ", at_ms);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + len, TRANSCRIPT_LINE_BYTES - (size_t)len, format, arguments);
    va_end(arguments);
    if (transcript->is_verbose) puts(line);
}

void transcript_print(const struct transcript *transcript, FILE *out) {
    uint64_t first = transcript->count > TRANSCRIPT_LINES ? transcript->count - TRANSCRIPT_LINES : 0;
    for (uint64_t i = first; i < transcript->count; i++) fprintf(out, "%s\n", transcript->lines[i % TRANSCRIPT_LINES]);
}
