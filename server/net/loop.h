/* The event loops that serve every door: N threads with one epoll instance each.
 *
 * A connection belongs to one loop from accept to close, so its requests take effect in the order in which they arrive
 * and its state is not shared. One turn of a loop: wait for events; read and answer; commit deferred requests; run the
 * task; write output; close connections past a deadline. Listeners are on loop 0, which distributes connections round
 * robin.
 *
 * Each loop has an input and an output buffer of LOOP_BUFFER_BYTES. A connection owns memory only for a partial message
 * and for unsent output; LOOPS_BYTES_MAX bounds the sum over all connections.
 *
 * Other threads give a loop work by posts: a lock-free list and an eventfd. */
#ifndef MUSTER_NET_LOOP_H
#define MUSTER_NET_LOOP_H

#include "sys/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loops;
struct loop;

enum {
    LOOPS_MAX = 64,
    LOOP_BUFFER_BYTES = 256 * 1024,
    LOOPS_BYTES_MAX = 64 << 20, /* of all connections, both directions */
    LOOPS_STALL_DEFAULT_MS = 1000,
};

struct loops_config {
    unsigned threads;              /* 1..LOOPS_MAX; 0: loops_default_threads() */
    uint32_t stall_ms;             /* a loop that did not read the clock for longer has stood still; 0: the default */
    struct instant (*clock)(void); /* NULL: clock_now. For tests */
    bool is_driven;                /* no threads: the caller turns the loops by loops_turn. For tests */
};

/* One on up to two cores, else one a core, at most four. */
unsigned loops_default_threads(void);

/* Starts the threads. NULL: memory, threads or descriptors are short. */
struct loops *loops_start(const struct loops_config *config);
/* Stops and joins the threads. Connections stay open until their door is closed. May be called twice; `loops` may be
 * NULL. */
void loops_stop(struct loops *loops);
/* After loops_stop, and once every door is closed (door.h). `loops` may be NULL. */
void loops_free(struct loops *loops);

/* Whether connections own more than three quarters of LOOPS_BYTES_MAX; slow readers are then closed sooner. Any
 * thread. */
bool loops_are_short(const struct loops *loops);

unsigned loops_count(const struct loops *loops);
struct loop *loops_at(struct loops *loops, unsigned i);
/* Whether the caller is on the loop's thread. */
bool loop_is_current(const struct loop *loop);

/* One turn of every loop, waiting at most timeout_ms for the first. Only for `is_driven`. */
void loops_turn(struct loops *loops, int timeout_ms);

/* ---- posts: work for a loop, from any thread ---- */

struct post {
    struct post *next;
    void (*run)(struct post *post, struct loop *loop); /* on the loop's thread; owns the post from then on */
};
/* Posts of one thread run in order. Posts that are left when the loops stop are run by door_close or loops_free, on the
 * caller's thread. */
void loop_post(struct loop *loop, struct post *post);

/* ---- the task of loop 0 (the pump of the watches) ---- */

/* Returns after how many ms it wants to run again; UINT32_MAX: only when woken. */
typedef uint32_t loop_task_fn(void *context, struct instant now);
/* Sets the task and wakes it. NULL: there is none from now on. */
void loops_set_task(struct loops *loops, loop_task_fn *task, void *context);
/* Makes the task run at the end of the current or the next turn. Thread-safe; never blocks. */
void loops_wake_task(struct loops *loops);

#endif
