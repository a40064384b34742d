/* Structured logs on standard error, one line an event, as logfmt or JSON. Thread-safe.
 *
 * Each event has its own name and its own rate limit, so that events that a stranger can cause at will cannot fill a
 * disk. The next line of the event says how many were held back (`suppressed`). */
#ifndef MUSTER_SYS_LOG_H
#define MUSTER_SYS_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { FORMAT_LOGFMT, FORMAT_JSON };

struct log_field {
    const char *key;
    const char *text; /* NULL: `number` is the value */
    uint64_t number;
};

/* The most lines of one event that are written in LOG_WINDOW_MS; the others are counted. */
enum { LOG_LINES_MAX = 10, LOG_WINDOW_MS = 10000 };

/* Sets format, level and the node's name, which every line carries (NULL: none; borrowed). To be called before the
 * first line; without it the log is logfmt from LEVEL_INFO on. */
void log_start(enum log_format format, enum log_level least, const char *node);

/* Writes one line. `event` is a string literal: lower case, words joined by '_'. Use log_line. */
void log_write(enum log_level level, const char *event, const char *message, const struct log_field *fields, size_t n);

#define log_line(level, event, message, ...)                                                                           \
    log_write((level), (event), (message), (const struct log_field[]){__VA_ARGS__},                                    \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
