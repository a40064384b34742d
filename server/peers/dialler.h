/* A thread that polls links. Internal to server/peers.
 *
 * There are two: one for frames and one for sync requests, so that no frame waits while a page of a response is merged.
 * Each sleeps while there is nothing to do, and keeps its times by the monotonic clock. */
#ifndef MUSTER_PEERS_DIALLER_H
#define MUSTER_PEERS_DIALLER_H

#include "cluster/replica_limits.h"
#include "link.h"

struct dialler;

/* The links that a dialler polls. */
struct dialled {
    struct link *links[REPLICA_PEERS_MAX];
    size_t count;
    uint64_t due_us; /* when the next turn is due at the latest; UINT64_MAX: when something happens */
};

/* Before each poll, on the thread: dials, sends, closes and frees links, and puts those that there are into *dialled,
 * which is empty. */
typedef void dialler_turn(void *context, uint64_t now_us, struct dialled *dialled);

/* NULL: memory, threads or descriptors are short. */
struct dialler *dialler_start(dialler_turn *turn, void *context);
/* A turn is taken soon. Any thread. */
void dialler_wake(struct dialler *dialler);
/* Ends the thread; its links are the caller's to free. `dialler` may be NULL. */
void dialler_stop(struct dialler *dialler);

static inline void dialled_by(struct dialled *dialled, uint64_t due_us) {
    if (due_us < dialled->due_us) dialled->due_us = due_us;
}

#endif
