#include "net_internal.h"
#include "tls_stream.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { THREADS_DEFAULT_MAX = 4 };

static _Thread_local const struct loop *current_loop;

unsigned loops_default_threads(void) {
    cpu_set_t cores;
    int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    if (count <= 2) return 1;
    return count < THREADS_DEFAULT_MAX ? (unsigned)count : THREADS_DEFAULT_MAX;
}

bool loop_is_current(const struct loop *loop) {
    return current_loop == loop;
}

bool loop_watch(const struct loop *loop, struct source *source, uint32_t events, bool is_new) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, source->fd, &event) == 0;
}

/* ---- memory ---- */

/* Memory counts as short well before it is used up, so that slow readers make room for others. */
enum { BYTES_SHORT = LOOPS_BYTES_MAX / 4 * 3 };

bool loops_take_bytes(struct loops *loops, size_t bytes) {
    if (atomic_fetch_add(&loops->bytes, bytes) + bytes <= LOOPS_BYTES_MAX) return true;
    atomic_fetch_sub(&loops->bytes, bytes);
    return false;
}

void loops_give_bytes(struct loops *loops, size_t bytes) {
    size_t before = atomic_fetch_sub(&loops->bytes, bytes);
    assert(before >= bytes);
    (void)before;
}

bool loops_are_short(const struct loops *loops) {
    return atomic_load(&loops->bytes) > BYTES_SHORT;
}

/* ---- posts ---- */

static void loop_signal(struct loop *loop) {
    const uint64_t one = 1;
    if (loop_is_current(loop) || atomic_exchange(&loop->is_signalled, true)) return;
    (void)!write(loop->mailbox.fd, &one, sizeof one);
}

void loop_post(struct loop *loop, struct post *post) {
    post->next = atomic_load(&loop->posts);
    while (!atomic_compare_exchange_weak(&loop->posts, &post->next, post)) continue;
    loop_signal(loop);
}

static void run_posts(struct loop *loop) {
    struct post *taken = atomic_exchange(&loop->posts, NULL), *in_order = NULL, *next;
    for (; taken != NULL; taken = next) {
        next = taken->next;
        taken->next = in_order;
        in_order = taken;
    }
    for (; in_order != NULL; in_order = next) {
        next = in_order->next;
        in_order->run(in_order, loop);
    }
}

static void take_signal(struct loop *loop) {
    uint64_t count;
    (void)!read(loop->mailbox.fd, &count, sizeof count);
    atomic_store(&loop->is_signalled, false); /* before the posts are taken: later ones signal again */
}

/* ---- the task ---- */

void loops_set_task(struct loops *loops, loop_task_fn *task, void *context) {
    atomic_store(&loops->task_context, context);
    atomic_store(&loops->task, task);
    loops_wake_task(loops);
}

void loops_wake_task(struct loops *loops) {
    if (!atomic_exchange(&loops->is_task_woken, true)) loop_signal(&loops->items[0]);
}

static bool task_is_due(const struct loop *loop) {
    const struct loops *loops = loop->loops;
    if (loop->index != 0) return false;
    return atomic_load(&loops->is_task_woken) || loop->now.now_ms >= loops->task_ms;
}

static void run_task(struct loop *loop) {
    struct loops *loops = loop->loops;
    loop_task_fn *task = atomic_load(&loops->task);
    if (!task_is_due(loop)) return;
    atomic_store(&loops->is_task_woken, false); /* before it runs: later wake-ups run it again */
    loops->task_ms = UINT64_MAX;
    if (task == NULL) return;
    uint32_t wait_ms = task(atomic_load(&loops->task_context), loop->now);
    if (wait_ms != UINT32_MAX) loops->task_ms = loop->now.now_ms + wait_ms;
}

/* ---- the clock ---- */

uint64_t loop_look(struct loop *loop, size_t unconsumed) {
    const struct instant now = loop->loops->clock();
    uint64_t gap_ms = now.now_ms > loop->now.now_ms ? now.now_ms - loop->now.now_ms : 0;
    bool stood_still = gap_ms > loop->loops->stall_ms;
    if (stood_still) loop_commit(loop); /* which refuses what was deferred before */
    loop->now = now;
    if (!stood_still) return 0;
    loop->stood_still_ms = gap_ms;
    loop->thawed_ms = now.now_ms;
    streams_mark_stale(loop, unconsumed);
    return gap_ms;
}

/* ---- a turn ---- */

void loop_commit(struct loop *loop) {
    if (!loop->is_borrowed) return;
    loop->is_borrowed = false;
    loop->in_used = 0;
    for (unsigned i = 0; i < atomic_load(&loop->loops->door_count); i++) {
        const struct door *door = loop->loops->doors[i];
        if (door != NULL && door->protocol->commit != NULL) door->protocol->commit(door->context, loop->index);
    }
}

static int wait_ms_of(const struct loop *loop, int timeout_ms) {
    const struct loops *loops = loop->loops;
    uint64_t wait_ms = loops_are_short(loops) ? LOOP_SHORT_STEP_MS : LOOP_HEARTBEAT_MS;
    if (!TAILQ_EMPTY(&loop->backlog) || !TAILQ_EMPTY(&loop->shaking) || task_is_due(loop) ||
        atomic_load(&loop->posts) != NULL)
        return 0;
    if (wait_ms > loops->stall_ms / 2) wait_ms = loops->stall_ms / 2;
    if (loop->index == 0 && loops->task_ms != UINT64_MAX && loops->task_ms - loop->now.now_ms < wait_ms)
        wait_ms = loops->task_ms - loop->now.now_ms;
    if (loop->step_ms <= loop->now.now_ms) return 0;
    if (loop->step_ms - loop->now.now_ms < wait_ms) wait_ms = loop->step_ms - loop->now.now_ms;
    return (uint64_t)timeout_ms < wait_ms ? timeout_ms : (int)wait_ms;
}

static void take_event(struct loop *loop, struct source *source, uint32_t events) {
    switch (source->kind) {
    case SOURCE_MAILBOX:
        take_signal(loop);
        break;
    case SOURCE_LISTENER:
        listener_accept(loop, (struct listener *)source, false);
        break;
    case SOURCE_STREAM:
        stream_event((struct stream *)source, events);
        break;
    }
}

static void resume_listeners(struct loop *loop) {
    for (unsigned i = 0; loop->index == 0 && i < atomic_load(&loop->loops->door_count); i++) {
        struct door *door = loop->loops->doors[i];
        for (size_t j = 0; door != NULL && j < door->listener_count; j++) listener_resume(loop, &door->listeners[j]);
    }
}

static void step_protocols(struct loop *loop) {
    loop->step_ms = UINT64_MAX;
    for (unsigned i = 0; i < atomic_load(&loop->loops->door_count); i++) {
        const struct door *door = loop->loops->doors[i];
        if (door == NULL || door->protocol->step == NULL) continue;
        uint64_t due_ms = door->protocol->step(door->context, loop->index, loop->now);
        if (due_ms < loop->step_ms) loop->step_ms = due_ms;
    }
}

static void loop_turn(struct loop *loop, int timeout_ms) {
    struct epoll_event events[LOOP_EVENTS];
    int count = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS, wait_ms_of(loop, timeout_ms));
    loop_look(loop, 0);
    run_posts(loop);
    streams_resume(loop);
    for (int i = 0; i < count; i++) take_event(loop, events[i].data.ptr, events[i].events);
    streams_shake_hands(loop);
    loop_commit(loop);
    output_flush_owner(loop); /* before the task, which may take some milliseconds */
    run_task(loop);
    step_protocols(loop);
    streams_flush(loop);
    resume_listeners(loop);
    streams_expire(loop);
    streams_reap(loop);
}

static void *run_loop(void *context) {
    struct loop *loop = context;
    current_loop = loop;
    while (!atomic_load(&loop->loops->is_stopping)) loop_turn(loop, LOOP_HEARTBEAT_MS);
    current_loop = NULL;
    return NULL;
}

void loops_turn(struct loops *loops, int timeout_ms) {
    assert(loops->is_driven);
    for (unsigned i = 0; i < loops->count; i++) {
        current_loop = &loops->items[i];
        loop_turn(&loops->items[i], i == 0 ? timeout_ms : 0);
        current_loop = NULL;
    }
}

/* ---- opening and closing ---- */

static bool loop_open(struct loops *loops, unsigned index) {
    struct loop *loop = &loops->items[index];
    loop->loops = loops;
    loop->index = index;
    loop->now = loops->clock();
    loop->step_ms = UINT64_MAX;
    loop->mailbox = (struct source){SOURCE_MAILBOX, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->in = malloc(LOOP_BUFFER_BYTES);
    loop->out = malloc(LOOP_BUFFER_BYTES);
    loop->chunks = calloc(LOOP_CHUNKS_MAX, sizeof *loop->chunks);
    TAILQ_INIT(&loop->backlog);
    TAILQ_INIT(&loop->shaking);
    for (size_t i = 0; i < DOORS_MAX; i++) {
        TAILQ_INIT(&loop->parts[i].unread);
        for (size_t j = 0; j < SLOW_LISTS; j++) TAILQ_INIT(&loop->parts[i].slow[j]);
    }
    return loop->in != NULL && loop->out != NULL && loop->chunks != NULL && loop->mailbox.fd >= 0 &&
           loop->epoll_fd >= 0 && loop_watch(loop, &loop->mailbox, EPOLLIN, true);
}

static void loop_close(struct loop *loop) {
    if (loop->loops == NULL) return;
    run_posts(loop);
    streams_free(loop);
    tls_free_room(loop);
    if (loop->mailbox.fd >= 0) close(loop->mailbox.fd);
    if (loop->epoll_fd >= 0) close(loop->epoll_fd);
    free(loop->in);
    free(loop->out);
    free(loop->chunks);
}

static bool start_threads(struct loops *loops) {
    for (unsigned i = 0; i < loops->count; i++) {
        struct loop *loop = &loops->items[i];
        loop->has_thread = pthread_create(&loop->thread, NULL, run_loop, loop) == 0;
        if (!loop->has_thread) return false;
    }
    return true;
}

struct loops *loops_start(const struct loops_config *config) {
    struct loops *loops = calloc(1, sizeof *loops);
    if (loops == NULL) return NULL;
    loops->stall_ms = config->stall_ms != 0 ? config->stall_ms : LOOPS_STALL_DEFAULT_MS;
    loops->clock = config->clock != NULL ? config->clock : clock_now;
    loops->is_driven = config->is_driven;
    loops->task_ms = UINT64_MAX;
    loops->count = config->threads != 0 ? config->threads : loops_default_threads();
    assert(loops->count <= LOOPS_MAX);
    bool is_open = (loops->items = calloc(loops->count, sizeof *loops->items)) != NULL;
    for (unsigned i = 0; i < loops->count && is_open; i++) is_open = loop_open(loops, i);
    if (is_open && (config->is_driven || start_threads(loops))) return loops;
    loops_stop(loops);
    loops_free(loops);
    return NULL;
}

void loops_stop(struct loops *loops) {
    if (loops == NULL) return;
    atomic_store(&loops->is_stopping, true);
    for (unsigned i = 0; i < loops->count && loops->items != NULL; i++) {
        struct loop *loop = &loops->items[i];
        if (!loop->has_thread) continue;
        loop_signal(loop);
        pthread_join(loop->thread, NULL);
        loop->has_thread = false;
    }
}

void loops_free(struct loops *loops) {
    if (loops == NULL) return;
    for (unsigned i = 0; i < loops->count && loops->items != NULL; i++) loop_close(&loops->items[i]);
    free(loops->items);
    free(loops);
}

void loops_run_posts(struct loops *loops) {
    for (unsigned i = 0; i < loops->count; i++) run_posts(&loops->items[i]);
}

unsigned loops_count(const struct loops *loops) {
    return loops->count;
}

struct loop *loops_at(struct loops *loops, unsigned i) {
    assert(i < loops->count);
    return &loops->items[i];
}
