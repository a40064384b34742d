/* The memory that one request at a time is answered with; kept and used again. */
#ifndef MUSTER_REPLY_WORKER_H
#define MUSTER_REPLY_WORKER_H

#include "arena.h"

/* What a request may take to answer. 10,000 beats of a 1 MiB message unpack to 3 MiB; the largest reply with its rows
 * is under 8. What a hostile message could unpack to is 33 MiB. */
enum { WORKER_BYTES_MAX = 16 * 1024 * 1024, WORKER_BYTES_KEPT = 2 * 1024 * 1024 };

/* For one thread at a time. */
struct worker {
    struct arena arena;
};

/* NULL if there is no memory for it. */
struct worker *worker_new(void);
void worker_free(struct worker *worker); /* `worker` may be NULL */

#endif
