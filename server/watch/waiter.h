/* A client whose request is parked, and the door that delivers the answers to it later: one, or one after the other
 * where it is a stream. */
#ifndef MUSTER_WATCH_WAITER_H
#define MUSTER_WATCH_WAITER_H

#include "reply/response.h"

#include <stdbool.h>
#include <stdint.h>

struct watch_door;

struct waiter {
    void *reply_slot;              /* the door's: where the answer goes; not NULL */
    uint64_t connection;           /* the door's name for it, for pump_hang_up */
    const struct watch_door *door; /* outlives the request */
    /* It is parked again after each answer, from there on, until its connection is hung up or the node ends it. */
    bool is_stream;
};

/* A door that can wait. The functions are called without the node's lock, and by one thread at a time for each reply
 * slot. They must not block for long, nor call pump_run. */
struct watch_door {
    void *context;
    /* Whether an answer to this waiter would be sent soon. If not, the request stays parked for a moment, or until
     * pump_has_room, and the changes of that time are sent as one: a slow reader costs no more than its reply slot. */
    bool (*has_room)(void *context, const struct waiter *waiter);
    /* Delivers an answer, a response to a Watch, which is valid only during the call. NULL: no answer, the connection
     * was hung up. is_last: no other follows, and the reply slot belongs to the door again; only answers to a stream
     * are not. */
    void (*deliver)(void *context, const struct waiter *waiter, const struct response *response, bool is_last);
};

#endif
