/* What the replica wants done, on its way from the node's lock to the thread that does it. Thread-safe. */
#ifndef MUSTER_PEERS_ACTION_QUEUE_H
#define MUSTER_PEERS_ACTION_QUEUE_H

#include "cluster/action.h"

#include <pthread.h>

struct action_queue {
    pthread_mutex_t lock;
    pthread_cond_t come;
    struct actions actions;
    bool is_urgent; /* a wake since action_queue_wait */
    bool is_taken;  /* the thread is about what it took */
};

void action_queue_open(struct action_queue *queue);
/* What waits is freed. */
void action_queue_close(struct action_queue *queue);

/* Appends the actions, and owns them. Where ACTION_QUEUE_MAX wait already, frames are dropped: the next one that is
 * sent shows the gap. Never blocks for long. */
void action_queue_put(struct action_queue *queue, struct actions actions);
/* Ends a wait at once. */
void action_queue_wake(struct action_queue *queue);

/* Takes all, in order; {0} if there are none, and then all that was taken is done. */
struct actions action_queue_take(struct action_queue *queue);
/* Waits for actions or a wake, until until_us of monotonic_us at the latest. Returns whether it was a wake. */
bool action_queue_wait(struct action_queue *queue, uint64_t until_us);
/* Whether nothing waits and nothing is being done. */
bool action_queue_is_done(struct action_queue *queue);

#endif
