/* What the replica wants done, on its way from the node's lock to the thread that does it. Thread-safe. */
#ifndef MUSTER_PEERS_ACTION_QUEUE_H
#define MUSTER_PEERS_ACTION_QUEUE_H

#include "cluster/replica.h"

#include <nng/nng.h>
#include <pthread.h>

/* A copy of an action. */
struct queued_action {
    struct queued_action *next;
    enum action_kind kind;
    uint64_t ticket;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
    nng_msg *message; /* what is to be published or asked; whoever sends it sets this to NULL */
};
void queued_action_free(struct queued_action *action);

struct action_queue {
    pthread_mutex_t lock;
    pthread_cond_t come;
    struct queued_action *first, **last;
    size_t count;
    bool is_urgent; /* a wake since action_queue_wait */
    bool is_taken;  /* the thread is about what it took */
};

void action_queue_open(struct action_queue *queue);
void action_queue_close(struct action_queue *queue);

/* Copies an action. Where too many wait already, a frame is dropped: the next one shows the gap. Never blocks for long.
 */
void action_queue_put(struct action_queue *queue, const struct action *action);
/* Ends a wait at once. */
void action_queue_wake(struct action_queue *queue);

/* Takes all, in order; NULL if there are none, and then all that was taken is done. */
struct queued_action *action_queue_take(struct action_queue *queue);
/* Waits for an action or a wake, until until_us of clock_monotonic_us at the latest. Returns whether it was a wake. */
bool action_queue_wait(struct action_queue *queue, uint64_t until_us);
/* Whether nothing waits and nothing is being done. */
bool action_queue_is_done(struct action_queue *queue);

#endif
