#include "dispatcher.h"

#include "client.h"
#include "common/monotonic.h"
#include "common/waiting.h"

#include <assert.h>
#include <stdlib.h>

/* Sleeping tasks are looked through at most so often. */
enum { SLEEP_GRAIN_MS = 10 };

/* Each list of tasks is a ring through `next` and `previous`; its head is a task that never runs. */
struct dispatcher {
    task_run *run;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below, and every task */
    pthread_cond_t woken;  /* wakes the thread */
    pthread_cond_t ran;
    struct task queue, sleeping;
    struct task *all;
    const struct task *current;
    uint64_t next_due_ms; /* when the sleeping tasks are looked through; UINT64_MAX: none sleeps */
    bool is_ending;
};

static bool is_dispatcher_thread(const struct dispatcher *dispatcher) {
    return pthread_equal(pthread_self(), dispatcher->thread) != 0;
}

/* ---- lists: under the mutex -------------------------------------------------------------------------------------- */

static void ring_init(struct task *head) {
    head->next = head->previous = head;
}

static void ring_append(struct task *head, struct task *task) {
    task->previous = head->previous;
    task->next = head;
    head->previous->next = task;
    head->previous = task;
}

static void task_unlink(struct task *task) {
    if (task->state == TASK_IDLE) return;
    task->previous->next = task->next;
    task->next->previous = task->previous;
    task->state = TASK_IDLE;
}

static void queue_append(struct dispatcher *dispatcher, struct task *task) {
    task_unlink(task);
    ring_append(&dispatcher->queue, task);
    task->state = TASK_QUEUED;
}

/* Queues the sleeping tasks that are due, and notes when the next one will be. */
static void queue_due_tasks(struct dispatcher *dispatcher, uint64_t now_ms) {
    dispatcher->next_due_ms = UINT64_MAX;
    for (struct task *task = dispatcher->sleeping.next, *next; task != &dispatcher->sleeping; task = next) {
        next = task->next;
        if (task->due_ms <= now_ms) queue_append(dispatcher, task);
        else if (task->due_ms < dispatcher->next_due_ms) dispatcher->next_due_ms = task->due_ms;
    }
    if (dispatcher->next_due_ms < now_ms + SLEEP_GRAIN_MS) dispatcher->next_due_ms = now_ms + SLEEP_GRAIN_MS;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* Waits for a task to run and clears its is_woken. NULL: the dispatcher ends. Under the mutex. */
static struct task *next_task(struct dispatcher *dispatcher, bool *is_woken) {
    for (;;) {
        uint64_t now_ms = monotonic_ms();
        if (now_ms >= dispatcher->next_due_ms) queue_due_tasks(dispatcher, now_ms);
        struct task *task = dispatcher->queue.next;
        if (task != &dispatcher->queue) {
            task_unlink(task);
            *is_woken = task->is_woken;
            task->is_woken = false;
            return task;
        }
        if (dispatcher->is_ending && dispatcher->all == NULL) return NULL;
        if (dispatcher->next_due_ms == UINT64_MAX) pthread_cond_wait(&dispatcher->woken, &dispatcher->mutex);
        else waiting_until(&dispatcher->woken, &dispatcher->mutex, dispatcher->next_due_ms * 1000);
    }
}

static void *dispatcher_thread(void *arg) {
    struct dispatcher *dispatcher = arg;
    pthread_mutex_lock(&dispatcher->mutex);
    bool is_woken;
    for (struct task *task; (task = next_task(dispatcher, &is_woken)) != NULL;) {
        bool is_cancelled = task->is_cancelled;
        dispatcher->current = task;
        pthread_mutex_unlock(&dispatcher->mutex);
        dispatcher->run(task, is_woken, is_cancelled);
        pthread_mutex_lock(&dispatcher->mutex);
        dispatcher->current = NULL;
        pthread_cond_broadcast(&dispatcher->ran);
    }
    pthread_mutex_unlock(&dispatcher->mutex);
    return NULL;
}

struct dispatcher *dispatcher_new(task_run *run) {
    struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (dispatcher == NULL) return NULL;
    dispatcher->run = run;
    dispatcher->next_due_ms = UINT64_MAX;
    ring_init(&dispatcher->queue);
    ring_init(&dispatcher->sleeping);
    if (pthread_mutex_init(&dispatcher->mutex, NULL) != 0) goto fail_dispatcher;
    if (!waiting_init(&dispatcher->woken)) goto fail_mutex;
    if (!waiting_init(&dispatcher->ran)) goto fail_woken;
    pthread_mutex_lock(&dispatcher->mutex); /* the thread knows itself by dispatcher->thread */
    int rv = thread_start(&dispatcher->thread, dispatcher_thread, dispatcher);
    pthread_mutex_unlock(&dispatcher->mutex);
    if (rv == 0) return dispatcher;
    pthread_cond_destroy(&dispatcher->ran);
fail_woken:
    pthread_cond_destroy(&dispatcher->woken);
fail_mutex:
    pthread_mutex_destroy(&dispatcher->mutex);
fail_dispatcher:
    free(dispatcher);
    return NULL;
}

void dispatcher_free(struct dispatcher *dispatcher) {
    if (dispatcher == NULL) return;
    assert(!is_dispatcher_thread(dispatcher));
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->is_ending = true;
    for (struct task *task = dispatcher->all; task != NULL; task = task->after) {
        task->is_cancelled = true;
        queue_append(dispatcher, task);
    }
    pthread_cond_signal(&dispatcher->woken);
    pthread_mutex_unlock(&dispatcher->mutex);
    pthread_join(dispatcher->thread, NULL);
    pthread_cond_destroy(&dispatcher->ran);
    pthread_cond_destroy(&dispatcher->woken);
    pthread_mutex_destroy(&dispatcher->mutex);
    free(dispatcher);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

void dispatcher_add(struct dispatcher *dispatcher, struct task *task) {
    pthread_mutex_lock(&dispatcher->mutex);
    *task = (struct task){.after = dispatcher->all};
    if (dispatcher->all != NULL) dispatcher->all->before = task;
    dispatcher->all = task;
    pthread_mutex_unlock(&dispatcher->mutex);
}

void dispatcher_remove(struct dispatcher *dispatcher, struct task *task) {
    assert(is_dispatcher_thread(dispatcher));
    pthread_mutex_lock(&dispatcher->mutex);
    task_unlink(task);
    if (task->after != NULL) task->after->before = task->before;
    if (task->before != NULL) task->before->after = task->after;
    else dispatcher->all = task->after;
    pthread_mutex_unlock(&dispatcher->mutex);
}

void dispatcher_wake(struct dispatcher *dispatcher, struct task *task) {
    pthread_mutex_lock(&dispatcher->mutex);
    task->is_woken = true;
    if (task->state != TASK_QUEUED) queue_append(dispatcher, task);
    pthread_cond_signal(&dispatcher->woken);
    pthread_mutex_unlock(&dispatcher->mutex);
}

void dispatcher_cancel(struct dispatcher *dispatcher, struct task *task) {
    pthread_mutex_lock(&dispatcher->mutex);
    assert(!task->is_cancelled || dispatcher->is_ending);
    task->is_cancelled = true;
    if (task->state != TASK_QUEUED) queue_append(dispatcher, task);
    pthread_cond_signal(&dispatcher->woken);
    pthread_mutex_unlock(&dispatcher->mutex);
}

void dispatcher_sleep(struct dispatcher *dispatcher, struct task *task, uint64_t due_ms) {
    assert(is_dispatcher_thread(dispatcher));
    pthread_mutex_lock(&dispatcher->mutex);
    if (task->state != TASK_QUEUED) {
        task_unlink(task);
        ring_append(&dispatcher->sleeping, task);
        task->state = TASK_SLEEPING;
        task->due_ms = due_ms;
        if (due_ms < dispatcher->next_due_ms) dispatcher->next_due_ms = due_ms;
    }
    pthread_mutex_unlock(&dispatcher->mutex);
}

void dispatcher_hasten(struct dispatcher *dispatcher, uint64_t due_ms) {
    pthread_mutex_lock(&dispatcher->mutex);
    for (struct task *task = dispatcher->sleeping.next; task != &dispatcher->sleeping; task = task->next) {
        if (task->due_ms > due_ms) task->due_ms = due_ms;
        if (task->due_ms < dispatcher->next_due_ms) dispatcher->next_due_ms = task->due_ms;
    }
    pthread_cond_signal(&dispatcher->woken);
    pthread_mutex_unlock(&dispatcher->mutex);
}

void dispatcher_wait_idle(struct dispatcher *dispatcher, const struct task *task) {
    if (is_dispatcher_thread(dispatcher)) return;
    pthread_mutex_lock(&dispatcher->mutex);
    while (dispatcher->current == task) pthread_cond_wait(&dispatcher->ran, &dispatcher->mutex);
    pthread_mutex_unlock(&dispatcher->mutex);
}
