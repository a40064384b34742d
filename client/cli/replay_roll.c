#include "replay.h"

#include "core/roll.h"
#include "memory.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_BUDGET = 100000, LOG_SLOTS = 16 };

/* The roll's clock is the log's, shifted so that the first visit is at the start of a server's clock. */
#define CLOCK_START_MS (UINT64_C(1) << 40)

struct embedded {
    struct roll *roll;
    const struct replay_plan *plan;
    uint32_t ttl_ms;
    int64_t first_unix_ms;
    uint64_t stamp;
    struct beat beats[MUSTER_BEATS_MAX];
};

static void *allocate_counted(void *context, size_t bytes) {
    (void)context;
    if (bytes < 4096) return calloc(1, bytes);
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void release_counted(void *context, void *memory, size_t bytes) {
    (void)context;
    (void)bytes;
    free(memory);
}

static uint64_t clock_of(const struct embedded *e, int64_t unix_ms) {
    return CLOCK_START_MS + (uint64_t)(unix_ms - e->first_unix_ms);
}

static int replay_roll_visit(void *context, const struct visits *visits, const struct visit *due, size_t count,
                             int64_t unix_ms) {
    struct embedded *e = context;
    for (size_t done = 0; done < count;) {
        size_t n = 0;
        for (; n < MUSTER_BEATS_MAX && done + n < count; n++)
            e->beats[n] = (struct beat){.scope = text_of(MUSTER_SCOPE_DEFAULT),
                                        .user = visits_user(visits, due[done + n].user),
                                        .ttl_ms = e->ttl_ms,
                                        .status = STATUS_ONLINE};
        struct touched touched;
        struct refusal why;
        const uint64_t now_ms = clock_of(e, unix_ms);
        if (roll_touch(e->roll, e->beats, n, ++e->stamp, now_ms, NULL, &touched, &why) != MUSTER_OK) {
            (void)fprintf(stderr, "muster: replay: the roll is full (%s)\n", why.what);
            return STATUS_FAILED;
        }
        while (roll_tick(e->roll, now_ms, TICK_BUDGET, NULL)) continue;
        done += n;
    }
    return STATUS_DONE;
}

static int replay_roll_look(void *context, int64_t unix_ms, struct replay_row *row) {
    struct embedded *e = context;
    const struct windows *windows = &e->plan->windows;
    const uint64_t now_ms = clock_of(e, unix_ms);
    struct scope_counts counts;
    struct window_count by_window[MUSTER_WINDOWS_MAX];
    while (roll_tick(e->roll, now_ms, TICK_BUDGET, NULL)) continue;
    roll_counts(e->roll, text_of(MUSTER_SCOPE_DEFAULT), windows->span_ms, windows->count, now_ms, &counts, by_window);
    row->live = counts.live;
    for (size_t i = 0; i < windows->count; i++) row->windows[i] = by_window[i].users;
    return STATUS_DONE;
}

static void replay_roll_finish(void *context) {
    struct embedded *e = context;
    roll_free(e->roll);
    free(e);
}

/* The retention must cover the longest window. */
static uint64_t retention_for(const struct windows *windows) {
    uint64_t retention_ms = MUSTER_RETENTION_MIN_MS;
    for (size_t i = 0; i < windows->count; i++)
        if (windows->span_ms[i] > retention_ms) retention_ms = windows->span_ms[i];
    return retention_ms;
}

/* A visit counts no longer than its TTL and the longest window. */
static uint64_t quiet_after(const struct embedded *e) {
    uint64_t quiet_ms = e->ttl_ms;
    for (size_t i = 0; i < e->plan->windows.count; i++)
        if (e->plan->windows.span_ms[i] > quiet_ms) quiet_ms = e->plan->windows.span_ms[i];
    return quiet_ms;
}

int replay_roll_open(const struct replay_plan *plan, const struct visits *visits, struct replay_target *out) {
    struct roll_config config = {
        .retention_ms = retention_for(&plan->windows),
        .members_max = visits_users(visits) + 1,
        .bytes_max = UINT64_MAX / 2,
        .log_slots = LOG_SLOTS,
        .allocator = {allocate_counted, release_counted, NULL},
    };
    randombytes_buf(config.hash_key, sizeof config.hash_key);
    struct embedded *e = memory_new(sizeof *e);
    e->plan = plan;
    e->ttl_ms = plan->ttl_ms == 0 ? MUSTER_TTL_DEFAULT_MS : plan->ttl_ms;
    e->first_unix_ms = visits->items[0].unix_ms;
    e->roll = roll_new(&config);
    if (e->roll == NULL) {
        (void)fputs("muster: replay: out of memory\n", stderr);
        free(e);
        return STATUS_FAILED;
    }
    *out = (struct replay_target){replay_roll_visit, replay_roll_look, replay_roll_finish, e, quiet_after(e)};
    return STATUS_DONE;
}
