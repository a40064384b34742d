#include "worker.h"

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_EVERY_MS = 100 };

struct crew {
    struct bench_shared shared;
    uint32_t count;
    struct bench_worker *workers[BENCH_THREADS_MAX];
    pthread_t threads[BENCH_THREADS_MAX];
};

static bool hire(struct crew *crew, const struct bench_plan *plan) {
    const uint32_t threads = plan->threads < plan->connections ? plan->threads : plan->connections;
    for (; crew->count < threads; crew->count++) {
        const uint32_t share = plan->connections / threads + (crew->count < plan->connections % threads ? 1 : 0);
        const uint64_t seed = (crew->count + 1) * UINT64_C(0x9e3779b97f4a7c15);
        crew->workers[crew->count] = bench_worker_new(&crew->shared, share, seed);
        if (crew->workers[crew->count] == NULL) return false;
    }
    return true;
}

static void *work(void *worker) {
    bench_worker_run(worker);
    return NULL;
}

/* Waits for one thread, and shows the progress of all. */
static void join(struct crew *crew, uint32_t i, struct progress *progress) {
    for (;;) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_EVERY_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) until.tv_nsec -= 1000000000L, until.tv_sec++;
        if (pthread_timedjoin_np(crew->threads[i], NULL, &until) == 0) return;
        if (progress != NULL) progress_show(progress, atomic_load(&crew->shared.answered));
    }
}

static void work_all(struct crew *crew, const char *what) {
    const struct bench_plan *plan = crew->shared.plan;
    struct progress progress = progress_start(what, plan->requests);
    crew->shared.start_ns = clock_now_ns();
    crew->shared.stop_ns = plan->requests > 0 ? UINT64_MAX : crew->shared.start_ns + plan->duration_ms * 1000000u;
    uint32_t started = 0;
    for (; started < crew->count; started++) {
        if (pthread_create(&crew->threads[started], NULL, work, crew->workers[started]) == 0) continue;
        (void)fputs("muster: bench: cannot start a thread\n", stderr);
        atomic_store(&crew->shared.status, STATUS_FAILED);
        break;
    }
    for (uint32_t i = 0; i < started; i++) join(crew, i, what == NULL ? NULL : &progress);
    progress_end(&progress);
}

/* The requests that the rate called for and that were never begun, since no slot was free in time. */
static uint64_t count_unsent(const struct bench_plan *plan, uint64_t answered) {
    if (plan->rate <= 0 || plan->requests > 0) return 0;
    const double wanted = plan->rate * (double)plan->duration_ms / 1000.0;
    return wanted > (double)answered ? (uint64_t)(wanted - (double)answered) : 0;
}

int bench_run(const struct bench_plan *plan, const char *what, struct bench_result *result) {
    struct crew *crew = memory_new(sizeof *crew);
    crew->shared.plan = plan;
    memset(result, 0, sizeof *result);
    int status = STATUS_UNREACHABLE;
    if (hire(crew, plan)) {
        work_all(crew, what);
        status = atomic_load(&crew->shared.status);
    }
    uint64_t last_ns = crew->shared.start_ns;
    for (uint32_t i = 0; i < crew->count; i++) {
        bench_worker_collect(crew->workers[i], result, &last_ns);
        bench_worker_free(crew->workers[i]);
    }
    result->seconds = (double)(last_ns - crew->shared.start_ns) / 1e9;
    result->unsent = count_unsent(plan, result->latency.count);
    free(crew);
    return status;
}
