/* The input and output of a client: one thread that dials nodes, writes requests, reads replies and keeps the time.
 *
 * A thread a client, not one a process: clients then share nothing, a client that is closed leaves nothing behind, and
 * a callback that takes its time delays the answers of its own client alone. It sleeps in poll(2) while there is
 * nothing to do, and all its times are on the monotonic clock.
 *
 * A thread of the program writes its request itself where the connection has room, and leaves the rest to this thread.
 */
#ifndef MUSTER_CLIENT_IO_H
#define MUSTER_CLIENT_IO_H

#include "timers.h"

#include <pthread.h>

struct attempt;
struct muster_client;
struct nap;

/* Its mutex is the innermost one of a client: no other is taken under it. */
struct io {
    struct muster_client *client;
    pthread_t thread;
    bool has_thread;
    int wake_fd; /* -1: none */

    pthread_mutex_t mutex; /* guards all below, and what node.h and attempt.h say */
    struct timers timers;
    bool is_asleep, is_woken, is_ending;
    bool has_work;                      /* to be looked at before the thread sleeps */
    uint64_t sleeps_until_ms;           /* while is_asleep */
    struct attempt *ended, *last_ended; /* asynchronous ones whose owners are to be told; through `after` */
    struct nap *over, *last_over;       /* naps whose owners are to be told */
};

/* Makes a zeroed one, without its thread. false: memory or descriptors are short. io_close ends it in either case. */
bool io_open(struct io *io, struct muster_client *client);
/* Starts the thread, once all nodes are open. false: no thread can be made. */
bool io_start(struct io *io);
/* Ends the thread. Nothing is under way, and nothing is begun any more. */
void io_stop(struct io *io);
void io_close(struct io *io);
/* In a child of fork(2), where there is no such thread: closes the descriptors, takes no lock and frees nothing. */
void io_abandon(struct io *io);

bool io_is_own_thread(const struct io *io);

/* The thread looks at everything before it sleeps again. Under the mutex. */
void io_wake(struct io *io);
/* timers_set, and the thread is awake in time. Under the mutex. */
void io_set_timer(struct io *io, struct timer *timer, uint64_t due_ms);
/* `ended` is called for the attempt on the thread. Under the mutex. */
void io_add_ended(struct io *io, struct attempt *attempt);

/* ---- naps -------------------------------------------------------------------------------------------------------- */

/* Called on the thread, without its mutex. */
typedef void nap_woke(void *arg);

/* A wait that ends with a call. */
struct nap {
    struct timer timer;
    struct io *io;
    nap_woke *woke;
    void *arg;
    struct nap *next;
};

/* Makes a nap, which lives as long as the client. false: memory is short. */
bool nap_init(struct nap *nap, struct io *io, nap_woke *woke, void *arg);
/* `woke` is called once, in wait_ms. It has not begun, or `woke` was called since. Any thread. */
void nap_begin(struct nap *nap, uint32_t wait_ms);
/* One that has begun is over now: `woke` is called soon. Any thread. */
void nap_end(struct nap *nap);

#endif
