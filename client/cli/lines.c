#include "lines.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024 };

struct lines {
    FILE *in;
    uint64_t number;
    size_t at, end; /* the unread part of the chunk */
    size_t len;     /* of the line that continues in the next chunk */
    char chunk[CHUNK_BYTES];
    char line[LINE_BYTES_MAX];
};

struct lines *lines_new(FILE *in) {
    struct lines *lines = memory_new(sizeof *lines);
    lines->in = in;
    return lines;
}

void lines_free(struct lines *lines) {
    free(lines);
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
        if (l->at == l->end) {
            l->at = 0;
            l->end = fread(l->chunk, 1, CHUNK_BYTES, l->in);
            if (l->end == 0) return has_begun && !ferror(l->in) ? finish_line(l, out) : false;
        }
        has_begun = true;
        const char *from = l->chunk + l->at;
        const char *line_feed = memchr(from, '\n', l->end - l->at);
        const size_t len = line_feed != NULL ? (size_t)(line_feed - from) : l->end - l->at;
        keep_bytes(l, from, len, &out->is_cut);
        l->at += len + (line_feed != NULL ? 1 : 0);
        if (line_feed != NULL) return finish_line(l, out);
    }
}
