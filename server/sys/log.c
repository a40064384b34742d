#include "log.h"
#include "common/monotonic.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, EVENTS_MAX = 64 };

/* The lines that one event has written in its current window. Events past EVENTS_MAX share the last. */
struct allowance {
    const char *event;
    uint64_t window_start_ms;
    unsigned lines;
    uint64_t suppressed;
};

static struct {
    pthread_mutex_t lock;
    enum log_format format;
    enum log_level least;
    const char *node;
    struct allowance allowances[EVENTS_MAX];
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER, .least = LEVEL_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char data[LINE_BYTES];
    size_t len;
};

static void put_char(struct line *line, char c) {
    if (line->len < sizeof line->data - 2) line->data[line->len++] = c; /* leaves room for '}' and the line feed */
}

static void put_string(struct line *line, const char *text) {
    while (*text != '\0') put_char(line, *text++);
}

/* Quotes with JSON's escapes, in both formats. Bytes that are not ASCII are written as they are. */
static void put_quoted(struct line *line, const char *text) {
    char escape[8];
    put_char(line, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put_char(line, '\\');
            put_char(line, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", c);
            put_string(line, escape);
        } else {
            put_char(line, (char)c);
        }
    }
    put_char(line, '"');
}

static bool is_bare(const char *text) {
    if (*text == '\0') return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == '"' || *text == '=' || *text == '\\' || *text == 0x7f) return false;
    return true;
}

static void put_key(struct line *line, const char *key) {
    bool is_json = logger.format == FORMAT_JSON;
    if (is_json) put_char(line, line->len == 0 ? '{' : ',');
    else if (line->len > 0) put_char(line, ' ');
    if (is_json) put_quoted(line, key);
    else put_string(line, key);
    put_char(line, is_json ? ':' : '=');
}

static void put_text(struct line *line, const char *key, const char *text) {
    put_key(line, key);
    if (logger.format == FORMAT_LOGFMT && is_bare(text)) put_string(line, text);
    else put_quoted(line, text);
}

static void put_number(struct line *line, const char *key, uint64_t number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    put_key(line, key);
    put_string(line, digits);
}

static void put_time(struct line *line) {
    struct timespec now;
    struct tm utc;
    char seconds[32], text[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
    put_text(line, "time", text);
}

static struct allowance *allowance_of(const char *event) {
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        struct allowance *allowance = &logger.allowances[i];
        if (allowance->event == NULL) allowance->event = event;
        if (strcmp(allowance->event, event) == 0) return allowance;
    }
    return &logger.allowances[EVENTS_MAX - 1];
}

/* Whether the event may write a line now. *suppressed: how many lines were held back since its last one. */
static bool is_allowed(const char *event, uint64_t *suppressed) {
    uint64_t now_ms = monotonic_ms();
    struct allowance *allowance = allowance_of(event);
    if (allowance->lines == 0 || now_ms - allowance->window_start_ms >= LOG_WINDOW_MS) {
        allowance->window_start_ms = now_ms;
        allowance->lines = 0;
    }
    if (allowance->lines >= LOG_LINES_MAX) {
        allowance->suppressed++;
        return false;
    }
    allowance->lines++;
    *suppressed = allowance->suppressed;
    allowance->suppressed = 0;
    return true;
}

static void compose(struct line *line, enum log_level level, const char *event, const char *message,
                    const struct log_field *fields, size_t n) {
    put_time(line);
    put_text(line, "level", level_names[level]);
    put_text(line, "event", event);
    put_text(line, "msg", message);
    if (logger.node != NULL) put_text(line, "node", logger.node);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].text != NULL) put_text(line, fields[i].key, fields[i].text);
        else put_number(line, fields[i].key, fields[i].number);
    }
}

void log_start(enum log_format format, enum log_level least, const char *node) {
    pthread_mutex_lock(&logger.lock);
    logger.format = format;
    logger.least = least;
    logger.node = node;
    pthread_mutex_unlock(&logger.lock);
}

void log_write(enum log_level level, const char *event, const char *message, const struct log_field *fields, size_t n) {
    uint64_t suppressed = 0;
    pthread_mutex_lock(&logger.lock);
    if (level >= logger.least && is_allowed(event, &suppressed)) {
        struct line line;
        line.len = 0;
        compose(&line, level, event, message, fields, n);
        if (suppressed > 0) put_number(&line, "suppressed", suppressed);
        if (logger.format == FORMAT_JSON) line.data[line.len++] = '}';
        line.data[line.len++] = '\n';
        ssize_t written = write(STDERR_FILENO, line.data, line.len);
        (void)written; /* if standard error is gone there is nowhere to report it */
    }
    pthread_mutex_unlock(&logger.lock);
}
