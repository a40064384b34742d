/* A queue of text from a thread of the library to the main thread, which writes it to a file descriptor. A slow or
 * closed reader does not delay signals or the end of the program. */
#ifndef MUSTER_CLI_OUTPUT_QUEUE_H
#define MUSTER_CLI_OUTPUT_QUEUE_H

#include <stddef.h>
#include <stdint.h>

/* Capacity. Writers wait while it is full; a single text may be longer. */
enum { OUTPUT_BYTES_MAX = 1024 * 1024 };

struct output_queue;

enum output_queue_end {
    OUTPUT_FINISHED,    /* output_queue_finish was called, and all is written */
    OUTPUT_INTERRUPTED, /* a signal came; the queue was written as far as the reader took it */
    OUTPUT_TIMED_OUT,   /* until_ms has passed */
    OUTPUT_ABANDONED,   /* the reader closed its end */
    OUTPUT_FAILED,      /* writing failed; errno says why */
};

/* fd: may be blocking; the caller keeps and closes it. signals: from signals_open. Ends the program where memory or
 * file descriptors are short. */
struct output_queue *output_queue_new(int fd, int signals);
/* Call it when no other thread uses the queue. `queue` may be NULL. */
void output_queue_free(struct output_queue *queue);

/* Appends; waits while the queue is full. Has no effect after output_queue_finish, or once output_queue_run has
 * returned anything but OUTPUT_TIMED_OUT. Any thread but the one in output_queue_run. */
void output_queue_write(struct output_queue *queue, const char *text, size_t len);

/* Marks the end of the text. Any thread. */
void output_queue_finish(struct output_queue *queue);

/* Writes until one of the ends above; after OUTPUT_TIMED_OUT it may be called again. until_ms: of clock_now_ms;
 * UINT64_MAX: no limit. */
enum output_queue_end output_queue_run(struct output_queue *queue, uint64_t until_ms);

#endif
