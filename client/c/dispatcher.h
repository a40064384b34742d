/* The dispatcher of a client: one thread that runs tasks, one at a time. The callbacks of watches run on it. */
#ifndef MUSTER_CLIENT_DISPATCHER_H
#define MUSTER_CLIENT_DISPATCHER_H

#include <stdbool.h>
#include <stdint.h>

struct dispatcher;

enum task_state { TASK_IDLE, TASK_QUEUED, TASK_SLEEPING };

/* Something that the thread runs now and again: a watch, whose first field this is. Guarded by the dispatcher. */
struct task {
    struct task *next, *previous; /* in the queue, or among the sleeping tasks */
    enum task_state state;
    uint64_t due_ms; /* when a sleeping task runs */
    bool is_woken, is_cancelled;
    struct task *after, *before; /* in the list of all tasks */
};

/* Called on the thread for a task that was woken or has slept. is_woken: it was woken since its last run. is_cancelled:
 * the task is to be removed, in this run or a later one. */
typedef void task_run(struct task *task, bool is_woken, bool is_cancelled);

/* NULL: memory or threads are short. */
struct dispatcher *dispatcher_new(task_run *run);
/* Cancels every task, waits until all tasks were removed, ends the thread and frees. Not on the thread. `dispatcher`
 * may be NULL. */
void dispatcher_free(struct dispatcher *dispatcher);

/* Adds a task, which is idle at first. */
void dispatcher_add(struct dispatcher *dispatcher, struct task *task);
/* Removes a task, which may be freed then: nobody may wake or cancel it any more. On the thread. */
void dispatcher_remove(struct dispatcher *dispatcher, struct task *task);

/* Runs the task soon. Any thread. */
void dispatcher_wake(struct dispatcher *dispatcher, struct task *task);
/* Marks the task cancelled and runs it soon. Any thread; nobody else may wake or cancel it after this. */
void dispatcher_cancel(struct dispatcher *dispatcher, struct task *task);
/* Runs the task at due_ms, or before that when it is woken. On the thread. */
void dispatcher_sleep(struct dispatcher *dispatcher, struct task *task, uint64_t due_ms);
/* Sleeping tasks that are due after due_ms are due at due_ms. Any thread; takes no lock but the dispatcher's. */
void dispatcher_hasten(struct dispatcher *dispatcher, uint64_t due_ms);
/* Waits until this task does not run now. On the thread itself it does not wait. */
void dispatcher_wait_idle(struct dispatcher *dispatcher, const struct task *task);

#endif
