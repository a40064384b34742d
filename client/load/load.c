#include "load.h"

#include "worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROGRESS_EVERY_MS = 100 };

struct run {
    struct load_shared shared;
    uint32_t worker_count;
    struct load_worker *workers[LOAD_THREADS_MAX];
    pthread_t threads[LOAD_THREADS_MAX];
    load_progress_fn *progress;
    void *arg;
};

static bool make_workers(struct run *run, const struct load_plan *plan) {
    const uint32_t threads = plan->threads < plan->connections ? plan->threads : plan->connections;
    for (; run->worker_count < threads; run->worker_count++) {
        const uint32_t number = run->worker_count;
        const uint32_t share = plan->connections / threads + (number < plan->connections % threads ? 1 : 0);
        run->workers[number] = load_worker_new(&run->shared, share, number);
        if (run->workers[number] == NULL) return false;
    }
    return true;
}

static void *run_worker(void *worker) {
    load_worker_run(worker);
    return NULL;
}

/* Waits for one thread, and reports the progress of all. A step of the wall clock only delays a report. */
static void join_worker(struct run *run, uint32_t number) {
    for (;;) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PROGRESS_EVERY_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) until.tv_nsec -= 1000000000L, until.tv_sec++;
        if (pthread_timedjoin_np(run->threads[number], NULL, &until) == 0) return;
        if (run->progress != NULL) run->progress(run->arg, atomic_load(&run->shared.answered));
    }
}

static void run_workers(struct run *run, const struct load_plan *plan) {
    uint32_t started = 0;
    run->shared.start_ns = load_now_ns();
    run->shared.stop_ns = plan->duration_ms == 0 ? UINT64_MAX : run->shared.start_ns + plan->duration_ms * 1000000u;
    for (; started < run->worker_count; started++) {
        if (pthread_create(&run->threads[started], NULL, run_worker, run->workers[started]) == 0) continue;
        load_shared_fail(&run->shared, LOAD_FAILED, MUSTER_RESOURCE_EXHAUSTED, "cannot start a thread");
        break;
    }
    for (uint32_t i = 0; i < started; i++) join_worker(run, i);
}

/* The requests that the rate called for and that were never begun, since no slot was free in time. */
static uint64_t count_unsent(const struct load_plan *plan, uint64_t answered) {
    if (plan->rate <= 0 || plan->requests > 0) return 0;
    const double wanted = plan->rate * (double)plan->duration_ms / 1000.0;
    return wanted > (double)answered ? (uint64_t)(wanted - (double)answered) : 0;
}

enum load_outcome load_run(const struct load_plan *plan, load_progress_fn *progress, void *arg,
                           struct load_result *result, struct error *error) {
    memset(result, 0, sizeof *result);
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        (void)error_fail_memory(error);
        return LOAD_FAILED;
    }
    run->shared.plan = plan;
    run->progress = progress;
    run->arg = arg;
    if (make_workers(run, plan)) run_workers(run, plan);
    uint64_t last_ns = run->shared.start_ns;
    for (uint32_t i = 0; i < run->worker_count; i++) {
        load_worker_collect(run->workers[i], result, &last_ns);
        load_worker_free(run->workers[i]);
    }
    result->seconds = (double)(last_ns - run->shared.start_ns) / 1e9;
    result->unsent = count_unsent(plan, result->latency.count);
    const enum load_outcome outcome = (enum load_outcome)atomic_load(&run->shared.outcome);
    if (outcome != LOAD_DONE) *error = run->shared.error;
    free(run);
    return outcome;
}
