/* Text that a thread of the library writes and the main thread carries to a file descriptor: a reader that is slow, or
 * gone, holds up neither a signal nor the end. */
#ifndef MUSTER_CLI_OUTLET_H
#define MUSTER_CLI_OUTLET_H

#include <stddef.h>
#include <stdint.h>

/* More than so much is not held back: who writes waits. One text may be longer. */
enum { OUTLET_BYTES_MAX = 1024 * 1024 };

struct outlet;

enum outlet_end {
    OUTLET_FINISHED,    /* outlet_finish was called, and all is written */
    OUTLET_INTERRUPTED, /* a signal came; what was held back is written, unless the reader does not take it */
    OUTLET_TIMED_OUT,   /* it is until_ms */
    OUTLET_ABANDONED,   /* nobody reads what is written any longer */
    OUTLET_FAILED,      /* it cannot be written; errno says why */
};

/* fd: may be blocking, and stays the caller's. signals: from signals_open. Ends the program where memory or file
 * descriptors are short. */
struct outlet *outlet_new(int fd, int signals);
/* No other thread may use it. `outlet` may be NULL. */
void outlet_free(struct outlet *outlet);

/* Appends. Waits while too much is held back. Without effect after outlet_finish, or once outlet_run has returned
 * anything but OUTLET_TIMED_OUT. Any thread but the one that runs. */
void outlet_write(struct outlet *outlet, const char *text, size_t len);

/* Nothing more is to come. Any thread. */
void outlet_finish(struct outlet *outlet);

/* Carries until one of the ends; after OUTLET_TIMED_OUT it may be called again. until_ms: on clock_now_ms;
 * UINT64_MAX: for good. */
enum outlet_end outlet_run(struct outlet *outlet, uint64_t until_ms);

#endif
