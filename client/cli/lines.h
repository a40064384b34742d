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

/* Reads from a function, which writes at most `room` bytes to `to` and returns how many; 0 is the end or an error,
 * which the caller asks the function for: the line that an error cuts off is then the last one. context: passed to it,
 * outlives the lines. Ends the program where memory is short. */
struct lines *lines_new(size_t (*read)(void *context, char *to, size_t room), void *context);
/* Reads from `in`, which the caller closes after lines_free, has not been read before, and is read by nobody else. What
 * is read at a time is what has come, so that lines_pause can tell. */
struct lines *lines_new_paced(FILE *in, int pause_ms);
void lines_free(struct lines *lines);

/* Reads the next line; the last one needs no line end. The bytes may be anything, NUL included. false: the end, or an
 * error; of lines_new_paced lines_failed tells it, with its reason in errno. */
bool lines_next(struct lines *lines, struct line *out);

bool lines_failed(const struct lines *lines);

/* Of lines_new_paced: whether nothing is there to be read, and nothing comes for pause_ms. The end is no pause. */
bool lines_pause(struct lines *lines);

#endif
