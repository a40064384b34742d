/* The loops that serve every door: N threads with one epoll each.
 *
 * A connection belongs to one loop from its accept to its end, so that its requests take effect in the order in which
 * they came and nothing of it is shared. A turn of a loop is: wait, read and answer who is ready, commit what was
 * gathered, run the task, send, end what is late. Listeners are on loop 0, which hands connections out round robin.
 *
 * Each loop has two buffers of LOOP_BUFFER_BYTES, in and out; a connection owns memory only for a partial message and
 * for unsent output. What those take together is bounded by LOOPS_BYTES_MAX.
 *
 * Other threads reach a loop by a post (its mailbox and an eventfd). */
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
    uint32_t stall_ms;             /* a loop that did not look at the clock for longer stood still; 0: the default */
    struct instant (*clock)(void); /* NULL: clock_now. For tests */
    bool is_driven;                /* no threads: the caller turns the loops by loops_turn. For tests */
};

/* One thread on up to two cores, else one a core, at most four. */
unsigned loops_default_threads(void);

/* Starts the threads. NULL: memory, threads or descriptors are short. */
struct loops *loops_start(const struct loops_config *config);
/* Ends the threads; connections stay as they are until loops_free. May be called twice; `loops` may be NULL. */
void loops_stop(struct loops *loops);
/* After loops_stop, and once every door is closed (door.h). `loops` may be NULL. */
void loops_free(struct loops *loops);

/* Whether the memory of all connections is nearly used up: those who do not read are ended sooner. Any thread. */
bool loops_are_short(const struct loops *loops);

unsigned loops_count(const struct loops *loops);
struct loop *loops_at(struct loops *loops, unsigned i);

/* One turn of every loop, waiting at most timeout_ms for the first. Only for `is_driven`. */
void loops_turn(struct loops *loops, int timeout_ms);

/* ---- posts: work for a loop, from any thread ---- */

struct post {
    struct post *next;
    void (*run)(struct post *post, struct loop *loop); /* on the loop's thread; the post is its own from then on */
};
/* Posts of one thread run in the order in which they were posted. One that is never run since the loops stopped is run
 * by loops_free. */
void loop_post(struct loop *loop, struct post *post);

/* ---- the task of loop 0: the watch pump ---- */

/* Returns after how many ms it is to run again; UINT32_MAX: not before it is woken. */
typedef uint32_t loop_task_fn(void *context, struct instant now);
/* Before the first door is opened. NULL: none any more. */
void loops_set_task(struct loops *loops, loop_task_fn *task, void *context);
/* Thread-safe, cheap, never blocks: the task runs at the end of this turn, or of the next. */
void loops_wake_task(struct loops *loops);

#endif
