/* What the replica wants done, on its way from the node's lock to the thread that does it. Thread-safe. */
#ifndef MUSTER_PEERS_ACTION_QUEUE_H
#define MUSTER_PEERS_ACTION_QUEUE_H

#include "cluster/action.h"

#include <pthread.h>

enum { ACTION_QUEUE_MAX = 512 }; /* frames that wait to be published */

/* Frames are published by one thread at a time, which takes them in their order; be it the thread that made one, or
 * gossip's. */
struct action_queue {
    pthread_mutex_t lock;
    pthread_cond_t come;
    struct actions frames, others;
    bool is_publishing; /* a thread is about frames */
    bool is_urgent;     /* a wake since action_queue_wait */
    bool is_taken;      /* the thread is about what it took of the others */
};

void action_queue_open(struct action_queue *queue);
/* What waits is freed. */
void action_queue_close(struct action_queue *queue);

/* Appends the actions, and owns them. Where ACTION_QUEUE_MAX frames wait already, more are dropped: the next one that
 * is sent shows the gap. Never blocks for long. */
void action_queue_put(struct action_queue *queue, struct actions actions);
/* Ends a wait at once. */
void action_queue_wake(struct action_queue *queue);

/* Takes all but frames, in order; {0} if there are none, and then all that was taken is done. */
struct actions action_queue_take(struct action_queue *queue);
/* From now on the caller publishes. false: another thread does, and will take what there is. */
bool action_queue_begin_publishing(struct action_queue *queue);
/* Takes all frames, in order; only between begin and end. */
struct actions action_queue_take_frames(struct action_queue *queue);
/* The caller no longer publishes. false: frames have come meanwhile, so somebody has to. */
bool action_queue_end_publishing(struct action_queue *queue);

/* Waits for something to do or a wake, until until_us of clock_monotonic_us at the latest. Returns whether it was a
 * wake. */
bool action_queue_wait(struct action_queue *queue, uint64_t until_us);
/* Whether nothing waits and nothing is being done. */
bool action_queue_is_done(struct action_queue *queue);

#endif
