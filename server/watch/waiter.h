/* Who asked, and is answered later: a request that is parked. */
#ifndef MUSTER_WATCH_WAITER_H
#define MUSTER_WATCH_WAITER_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

struct watch_door;

struct asker {
    void *place;                   /* the door's; not NULL */
    uint64_t connection;           /* of the door: what pump_hang_up names */
    const struct watch_door *door; /* outlives the request */
};

/* A door that can wait. Its functions are called without the node's lock, by one thread at a time a place; they must
 * not block for long, nor call into pump_run. */
struct watch_door {
    void *context;
    /* Whether an answer to this asker would go out soon. Where not, it stays parked for a moment: what changes
     * meanwhile is told as one change, and so a reader that is slow costs no more than its place. */
    bool (*has_room)(void *context, const struct asker *asker);
    /* Takes the answer, which is the caller's again once it returns. The place is the door's again. reply.len 0: there
     * is none, the connection was hung up. */
    void (*deliver)(void *context, const struct asker *asker, struct text reply);
};

#endif
