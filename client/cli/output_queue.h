/* Text that a thread of the library writes and the main thread carries to a file descriptor: a reader that is slow, or
 * gone, holds up neither a signal nor the end. */
#ifndef MUSTER_CLI_OUTPUT_QUEUE_H
#define MUSTER_CLI_OUTPUT_QUEUE_H

#include <stddef.h>
#include <stdint.h>

/* More than so much is not held back: who writes waits. One text may be longer. */
enum { OUTPUT_BYTES_MAX = 1024 * 1024 };

struct output_queue;

enum output_queue_end {
    OUTPUT_FINISHED,    /* output_queue_finish was called, and all is written */
    OUTPUT_INTERRUPTED, /* a signal came; what was held back is written, unless the reader does not take it */
    OUTPUT_TIMED_OUT,   /* it is until_ms */
    OUTPUT_ABANDONED,   /* nobody reads what is written any longer */
    OUTPUT_FAILED,      /* it cannot be written; errno says why */
};

/* fd: may be blocking, and stays the caller's. signals: from signals_open. Ends the program where memory or file
 * descriptors are short. */
struct output_queue *output_queue_new(int fd, int signals);
/* No other thread may use it. `queue` may be NULL. */
void output_queue_free(struct output_queue *queue);

/* Appends. Waits while too much is held back. Without effect after output_queue_finish, or once output_queue_run has
 * returned anything but OUTPUT_TIMED_OUT. Any thread but the one that runs. */
void output_queue_write(struct output_queue *queue, const char *text, size_t len);

/* Nothing more is to come. Any thread. */
void output_queue_finish(struct output_queue *queue);

/* Carries until one of the ends; after OUTPUT_TIMED_OUT it may be called again. until_ms: on clock_now_ms;
 * UINT64_MAX: for good. */
enum output_queue_end output_queue_run(struct output_queue *queue, uint64_t until_ms);

#endif
