#include "lines.h"

#include "memory.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 * 1024 };

struct lines {
    size_t (*read)(void *context, char *to, size_t room); /* NULL: `paced` is read */
    void *context;
    FILE *paced;
    int pause_ms;
    bool is_ended, is_failed;
    uint64_t number;
    size_t at, end; /* the unread part of the chunk */
    size_t len;     /* of the line that continues in the next chunk */
    char chunk[CHUNK_BYTES];
    char line[LINE_BYTES_MAX];
};

struct lines *lines_new(size_t (*read)(void *context, char *to, size_t room), void *context) {
    struct lines *lines = memory_new(sizeof *lines);
    lines->read = read;
    lines->context = context;
    return lines;
}

struct lines *lines_new_paced(FILE *in, int pause_ms) {
    struct lines *lines = memory_new(sizeof *lines);
    lines->paced = in;
    lines->pause_ms = pause_ms;
    return lines;
}

void lines_free(struct lines *lines) {
    free(lines);
}

/* Reads what has come behind the unread part, and waits where nothing has. */
static void read_more(struct lines *l) {
    if (l->at == l->end) l->at = l->end = 0;
    ssize_t n;
    if (l->read != NULL) {
        n = (ssize_t)l->read(l->context, l->chunk + l->end, CHUNK_BYTES - l->end);
    } else {
        do n = read(fileno(l->paced), l->chunk + l->end, CHUNK_BYTES - l->end);
        while (n < 0 && errno == EINTR);
    }
    l->is_failed = n < 0;
    l->is_ended = n <= 0;
    if (n > 0) l->end += (size_t)n;
}

bool lines_failed(const struct lines *lines) {
    return lines->is_failed;
}

bool lines_pause(struct lines *l) {
    while (!l->is_ended && memchr(l->chunk + l->at, '\n', l->end - l->at) == NULL) {
        if (l->at > 0) memmove(l->chunk, l->chunk + l->at, l->end - l->at);
        l->end -= l->at;
        l->at = 0;
        if (l->end == CHUNK_BYTES) return false; /* a long line */
        struct pollfd in = {.fd = fileno(l->paced), .events = POLLIN};
        if (poll(&in, 1, l->pause_ms) == 0) return true;
        read_more(l);
    }
    return false;
}

static void keep_bytes(struct lines *l, const char *data, size_t len, bool *is_cut) {
    const size_t room = LINE_BYTES_MAX - l->len;
    if (len > room) *is_cut = true;
    if (len > room) len = room;
    memcpy(l->line + l->len, data, len);
    l->len += len;
}

static bool finish_line(struct lines *l, struct line *out) {
    if (!out->is_cut && l->len > 0 && l->line[l->len - 1] == '\r') l->len--;
    out->text = (struct text){l->line, (uint32_t)l->len};
    out->number = ++l->number;
    return true;
}

bool lines_next(struct lines *l, struct line *out) {
    *out = (struct line){0};
    l->len = 0;
    bool has_begun = false;
    for (;;) {
        if (l->at == l->end && !l->is_ended) read_more(l);
        if (l->at == l->end) return has_begun && !l->is_failed ? finish_line(l, out) : false;
        has_begun = true;
        const char *from = l->chunk + l->at;
        const char *line_feed = memchr(from, '\n', l->end - l->at);
        const size_t len = line_feed != NULL ? (size_t)(line_feed - from) : l->end - l->at;
        keep_bytes(l, from, len, &out->is_cut);
        l->at += len + (line_feed != NULL ? 1 : 0);
        if (line_feed != NULL) return finish_line(l, out);
    }
}
