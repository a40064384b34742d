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
void lines_free(struct lines *lines);

/* Reads the next line; the last one needs no line end. The bytes may be anything, NUL included. false: the end, or an
 * error that ferror(3) reports. */
bool lines_next(struct lines *lines, struct line *out);

#endif
