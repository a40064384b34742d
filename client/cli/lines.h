/* Lines of a stream, in bounded memory. One thread. */
#ifndef MUSTER_CLI_LINES_H
#define MUSTER_CLI_LINES_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LINE_BYTES_MAX = 64 * 1024 };

struct lines;

struct line {
    struct text text; /* without "\n" or "\r\n"; valid until the next call */
    uint64_t number;  /* from 1 */
    bool is_cut;      /* it was longer than LINE_BYTES_MAX; the rest was discarded */
};

/* Reads from `in`, which the caller closes after lines_free. Ends the program where memory is short. */
struct lines *lines_new(FILE *in);
/* The same; what is read at a time is what has come, so that lines_pause can tell. `in` has not been read before, and
 * is read by nobody else. */
struct lines *lines_new_paced(FILE *in, int pause_ms);
void lines_free(struct lines *lines);

/* Reads the next line; the last one needs no line end. The bytes may be anything, NUL included. false: the end, or an
 * error that lines_failed tells of, with its reason in errno. */
bool lines_next(struct lines *lines, struct line *out);

bool lines_failed(const struct lines *lines);

/* Of lines_new_paced: whether nothing is there to be read, and nothing comes for pause_ms. The end is no pause. */
bool lines_pause(struct lines *lines);

#endif
