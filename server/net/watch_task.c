#include "watch_task.h"
#include "reply/worker.h"
#include "watch/pump.h"

#include <stdlib.h>

/* Limits the pump to a few milliseconds a turn, since the loop's connections wait meanwhile. */
enum { PUMP_BATCHES_OF_TURN = 2 };
/* A promise of room that is not used expires after so long. */
enum { PROMISE_MS = 50 };

/* Room that was promised to a connection and is not used yet. */
struct promise {
    uint64_t connection;
    uint64_t since_ms;
    size_t bytes;
    size_t usual_bytes; /* what an answer to it is expected to take: the largest of late; 0 at first */
};
enum { PROMISES = 1024 };

struct watch_task {
    struct loops *loops;
    struct watches *watches;
    struct worker *worker;
    struct promise promises[PROMISES];
};

/* ---- room -------------------------------------------------------------------------------------------------------- */

static struct promise *promise_to(struct watch_task *task, uint64_t connection) {
    struct promise *promise = &task->promises[(connection * UINT64_C(0x9E3779B97F4A7C15)) >> 54];
    uint64_t now_ms = clock_now().now_ms;
    if (promise->connection != connection) *promise = (struct promise){.connection = connection};
    if (promise->since_ms + PROMISE_MS < now_ms) {
        promise->since_ms = now_ms;
        promise->bytes = 0;
    }
    return promise;
}
_Static_assert(PROMISES == 1 << (64 - 54), "the hash has as many bits");

bool watch_task_promise_room(struct watch_task *task, uint64_t connection, size_t unsent, size_t unsent_max) {
    struct promise *promise = promise_to(task, connection);
    if (unsent + promise->bytes >= unsent_max || loops_are_short(task->loops)) return false;
    promise->bytes += promise->usual_bytes;
    return true;
}

/* Of the answers of late the largest; each smaller one makes it a little less. */
static void learn_usual(struct promise *promise, size_t bytes) {
    size_t faded = promise->usual_bytes - promise->usual_bytes / 16;
    promise->usual_bytes = bytes > faded ? bytes : faded;
}

void watch_task_keep_promise(struct watch_task *task, uint64_t connection, size_t bytes) {
    struct promise *promise = promise_to(task, connection);
    promise->bytes -= promise->bytes < promise->usual_bytes ? promise->bytes : promise->usual_bytes;
    learn_usual(promise, bytes);
}

/* ---- the pump ---------------------------------------------------------------------------------------------------- */

static uint32_t run_pump(void *context, struct instant now) {
    struct watch_task *task = context;
    return pump_run_batches(task->watches, task->worker, now, PUMP_BATCHES_OF_TURN);
}

static void wake_pump(void *context) {
    struct watch_task *task = context;
    loops_wake_task(task->loops);
}

struct watch_task *watch_task_start(struct loops *loops, struct watches *watches) {
    struct watch_task *task = calloc(1, sizeof *task);
    if (task == NULL) return NULL;
    *task = (struct watch_task){.loops = loops, .watches = watches, .worker = worker_new()};
    if (task->worker == NULL) {
        free(task);
        return NULL;
    }
    pump_set_waker(watches, wake_pump, task);
    loops_set_task(loops, run_pump, task);
    return task;
}

void watch_task_free(struct watch_task *task) {
    if (task == NULL) return;
    pump_set_waker(task->watches, NULL, NULL);
    loops_set_task(task->loops, NULL, NULL);
    worker_free(task->worker);
    free(task);
}
