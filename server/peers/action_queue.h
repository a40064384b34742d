/* What the replica wants done, on its way from the node's lock to the thread that does it. Thread-safe. */
#ifndef MUSTER_PEERS_ACTION_QUEUE_H
#define MUSTER_PEERS_ACTION_QUEUE_H

#include "cluster/replica.h"

#include <nng/nng.h>
#include <pthread.h>

/* A copy of an action. */
struct errand {
    struct errand *next;
    enum action_kind kind;
    uint64_t ticket;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
    nng_msg *message; /* what is to be published or asked; whoever sends it sets this to NULL */
};
void errand_free(struct errand *errand);

struct errands {
    pthread_mutex_t lock;
    pthread_cond_t come;
    struct errand *first, **last;
    size_t count;
    bool is_urgent; /* a wake since errands_wait */
    bool is_taken;  /* the thread is about what it took */
};

void errands_open(struct errands *errands);
void errands_close(struct errands *errands);

/* Copies an action. Where too many wait already, a frame is dropped: the next one shows the gap. Never blocks for long.
 */
void errands_put(struct errands *errands, const struct action *action);
/* Ends a wait at once. */
void errands_wake(struct errands *errands);

/* Takes all, in order; NULL if there are none, and then all that was taken is done. */
struct errand *errands_take(struct errands *errands);
/* Waits for an errand or a wake, until until_us of clock_monotonic_us at the latest. Returns whether it was a wake. */
bool errands_wait(struct errands *errands, uint64_t until_us);
/* Whether nothing waits and nothing is being done. */
bool errands_are_done(struct errands *errands);

#endif
