#include "user_source.h"

#include "lines.h"
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The share of a message that a batch may use; the rest is for the token, the scope and other fields. */
enum { BATCH_BYTES_MAX = MUSTER_MESSAGE_BYTES_MAX - 2 * MUSTER_TOKEN_BYTES_MAX, NAME_OVERHEAD_BYTES = 24 };

/* A name longer than an id is kept up to this length, so that the node refuses it as too long. */
enum { NAME_KEPT_BYTES = 4 * MUSTER_ID_BYTES_MAX };

/* A writer who is silent for so long has its lines sent. */
enum { PAUSE_MS = 100 };

struct user_source {
    char **arguments;
    size_t count, next; /* arguments: all, and the next one to send */
    size_t batch_max, extra_bytes;
    struct lines *lines; /* of standard input, where `-` is among the arguments; NULL: it is not, or has been read */
    struct line held;    /* a line that did not fit the last batch; text.data NULL: none */
    bool is_of_lines;    /* the last batch */
    uint64_t first_line, last_line;
    char where[64];
    char *bytes; /* the names of the batch, if they are lines */
    const char *batch[];
};

/* `-` stands for the lines of standard input. */
static bool is_input(const char *argument) {
    return strcmp(argument, "-") == 0;
}

struct user_source *user_source_new(char **arguments, size_t count, size_t batch_max, size_t extra_bytes) {
    struct user_source *n = memory_new(sizeof *n + batch_max * sizeof n->batch[0]);
    *n = (struct user_source){arguments, count, .batch_max = batch_max,
                              .extra_bytes = extra_bytes + NAME_OVERHEAD_BYTES};
    for (size_t i = 0; i < count && n->lines == NULL; i++) {
        if (!is_input(arguments[i])) continue;
        n->lines = lines_new_paced(stdin, PAUSE_MS);
        n->bytes = memory_new(BATCH_BYTES_MAX);
    }
    return n;
}

void user_source_free(struct user_source *source) {
    if (source == NULL) return;
    lines_free(source->lines);
    free(source->bytes);
    free(source);
}

const char *user_source_where(const struct user_source *source) {
    return source->is_of_lines ? source->where : NULL;
}

static size_t next_arguments(struct user_source *n) {
    size_t taken = 0, bytes = 0;
    while (n->next < n->count && taken < n->batch_max && !is_input(n->arguments[n->next])) {
        bytes += strlen(n->arguments[n->next]) + n->extra_bytes;
        if (taken > 0 && bytes > BATCH_BYTES_MAX) break;
        n->batch[taken++] = n->arguments[n->next++];
    }
    return taken;
}

static int refuse_line(const struct user_source *n, const char *why) {
    (void)fprintf(stderr, "muster: line %" PRIu64 ": %s\n", n->held.number, why);
    return STATUS_REFUSED;
}

static size_t next_lines(struct user_source *n, int *status) {
    size_t taken = 0, bytes = 0, used = 0;
    while (taken < n->batch_max) {
        /* What has come is sent when the writer pauses: it may go on writing for hours. */
        if (n->held.text.data == NULL && taken > 0 && lines_pause(n->lines)) break;
        if (n->held.text.data == NULL && !lines_next(n->lines, &n->held)) break;
        const struct text text = n->held.text;
        const size_t len = text.len > NAME_KEPT_BYTES ? NAME_KEPT_BYTES : text.len;
        if (len > 0 && memchr(text.data, '\0', len) != NULL) {
            *status = refuse_line(n, "user contains NUL");
            return 0;
        }
        if (len > 0 && taken > 0 && bytes + len + n->extra_bytes > BATCH_BYTES_MAX) break;
        if (len > 0) {
            if (taken == 0) n->first_line = n->held.number;
            n->last_line = n->held.number;
            n->batch[taken++] = memcpy(n->bytes + used, text.data, len);
            n->bytes[used + len] = '\0';
            used += len + 1;
            bytes += len + n->extra_bytes;
        }
        n->held.text.data = NULL;
    }
    if (lines_failed(n->lines)) {
        (void)fprintf(stderr, "muster: cannot read standard input: %s\n", strerror(errno));
        *status = command_failed;
        return 0;
    }
    (void)snprintf(n->where, sizeof n->where, "lines %" PRIu64 " to %" PRIu64, n->first_line, n->last_line);
    return taken;
}

size_t user_source_next(struct user_source *source, const char *const **out, int *status) {
    *out = source->batch;
    *status = STATUS_DONE;
    for (;;) {
        source->is_of_lines = source->next < source->count && is_input(source->arguments[source->next]);
        const size_t taken = source->is_of_lines ? next_lines(source, status) : next_arguments(source);
        if (taken > 0 || *status != STATUS_DONE || source->next == source->count) return taken;
        source->next++; /* standard input has been read; a second `-` finds nothing more */
    }
}
