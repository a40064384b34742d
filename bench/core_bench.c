/* The roll in process, without a server: what beats, reads and ticks cost the core.
 * Prints one JSON object per measure.
 * Usage: core_bench [USERS [USERS_GROWN]]   one scope of many users
 *        core_bench scopes [SCOPES]         many scopes of one user each
 *
 * Ids are in a buffer that is filled before each timed call, like those of a decoded request: they are in the cache,
 * the roll is not. */
#include "common/random.h"
#include "core/roll.h"
#include "load/histogram.h"
#include "node/page_allocator.h"
#include "node/page_region.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 1000,
    ID_BYTES = 17,
    TIMED_BATCHES = 3000,
    TICK_BUDGET = 1000, /* as a node uses for one hold of its lock (server/node) */
    LONG_TTL_MS = MUSTER_TTL_MAX_MS,
    SHORT_TTL_MS = 5000,
    LOG_SLOTS = 1 << 16,
};

struct bench {
    struct allocator heap;
    struct roll *roll;
    uint64_t now_ms, stamp, random, bytes;
    struct beat beats[BATCH];
    struct text users[BATCH];
    struct user_view views[MUSTER_PAGE_MAX];
    char ids[BATCH][ID_BYTES + 1];
    char scopes[BATCH][ID_BYTES + 1];
};

/* Times of one kind of call: elapsed, and CPU time of this thread, which other processes do not lengthen. */
struct timing {
    struct histogram wall, cpu;
    uint64_t total_ns;
    uint64_t wall_from, cpu_from;
};

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void timing_begin(struct timing *timing) {
    timing->cpu_from = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    timing->wall_from = clock_ns(CLOCK_MONOTONIC);
}

static void timing_end(struct timing *timing) {
    uint64_t took = clock_ns(CLOCK_MONOTONIC) - timing->wall_from;
    histogram_record(&timing->wall, took);
    histogram_record(&timing->cpu, clock_ns(CLOCK_THREAD_CPUTIME_ID) - timing->cpu_from);
    timing->total_ns += took;
}

static void die_core(const char *what) {
    fprintf(stderr, "core_bench: %s\n", what);
    exit(1);
}

/* ---- memory: a node's allocator, counted ---- */

static void *allocate_counted(void *context, size_t bytes) {
    struct bench *bench = context;
    void *memory = bench->heap.allocate(bench->heap.context, bytes);
    if (memory != NULL) bench->bytes += bytes;
    return memory;
}

static void release_counted(void *context, void *memory, size_t bytes) {
    struct bench *bench = context;
    if (memory != NULL) bench->bytes -= bytes;
    bench->heap.release(bench->heap.context, memory, bytes);
}

static struct bench *bench_new(void) {
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) die_core("memory is short");
    bench->now_ms = UINT64_C(1) << 40;
    bench->random = 1;
    page_region_reserve(4 * MUSTER_ROLL_BYTES_DEFAULT); /* as a node does */
    bench->heap = page_allocator();
    struct roll_config config = {.hash_key = "a bench's key",
                                 .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                 .members_max = MUSTER_MEMBERS_DEFAULT,
                                 .bytes_max = MUSTER_ROLL_BYTES_DEFAULT,
                                 .log_slots = LOG_SLOTS,
                                 .allocator = {allocate_counted, release_counted, bench}};
    bench->roll = roll_new(&config);
    if (bench->roll == NULL) die_core("the roll could not be made");
    return bench;
}

static void bench_free(struct bench *bench) {
    roll_free(bench->roll);
    free(bench);
}

/* ---- the work ---- */

static uint64_t random_below(struct bench *bench, uint64_t bound) {
    return (uint64_t)(((__uint128_t)splitmix64_next(&bench->random) * bound) >> 64);
}

static void write_id(char id[ID_BYTES + 1], const char prefix[5], uint64_t number) {
    memcpy(id, prefix, 5);
    for (int at = ID_BYTES - 1; at >= 5; at--, number /= 10) id[at] = (char)('0' + number % 10);
}

static void name_user(struct bench *bench, uint32_t i, uint64_t number, uint32_t ttl_ms) {
    char *id = bench->ids[i];
    write_id(id, "user:", number);
    bench->users[i] = (struct text){id, ID_BYTES};
    bench->beats[i] = (struct beat){
        .scope = text_of(MUSTER_SCOPE_DEFAULT), .user = bench->users[i], .ttl_ms = ttl_ms, .status = STATUS_ONLINE};
}

static void touch_batch(struct bench *bench, struct timing *timing) {
    struct touched touched;
    struct refusal why;
    bench->stamp++;
    timing_begin(timing);
    enum muster_code code =
        roll_touch(bench->roll, bench->beats, BATCH, bench->stamp, bench->now_ms, NULL, &touched, &why);
    timing_end(timing);
    if (code != MUSTER_OK) die_core(why.what);
}

static void touch_random(struct bench *bench, uint64_t users, uint32_t ttl_ms, struct timing *timing) {
    for (uint32_t i = 0; i < BATCH; i++) name_user(bench, i, random_below(bench, users), ttl_ms);
    touch_batch(bench, timing);
}

/* Adds users first..end - 1 in order, with the ticks that a server would do in that time. */
static void add_users(struct bench *bench, uint64_t first, uint64_t end, uint32_t ttl_ms, struct timing *touches,
                      struct timing *ticks) {
    for (uint64_t at = first; at < end; at += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) name_user(bench, i, at + i, ttl_ms);
        touch_batch(bench, touches);
        timing_begin(ticks);
        roll_tick(bench->roll, bench->now_ms, TICK_BUDGET, NULL);
        timing_end(ticks);
    }
}

static void tick_until_done(struct bench *bench) {
    while (roll_tick(bench->roll, bench->now_ms, TICK_BUDGET, NULL)) {
    }
}

static void print_measure(const char *name, uint64_t users, double ns_each, const struct timing *timing) {
    printf("{\"measure\":\"%s\",\"users\":%" PRIu64 ",\"ns_each\":%.1f,\"calls\":%" PRIu64
           ",\"call_p5_us\":%.1f,\"call_p50_us\":%.1f,"
           "\"call_p999_us\":%.1f,\"call_max_us\":%.1f,\"call_max_cpu_us\":%.1f}\n",
           name, users, ns_each, timing->wall.count, (double)histogram_percentile(&timing->wall, 5) / 1e3,
           (double)histogram_percentile(&timing->wall, 50) / 1e3,
           (double)histogram_percentile(&timing->wall, 99.9) / 1e3, (double)timing->wall.max / 1e3,
           (double)timing->cpu.max / 1e3);
    fflush(stdout);
}

/* ---- the measures ---- */

static void measure_touch(struct bench *bench, uint64_t users) {
    static struct timing timing;
    memset(&timing, 0, sizeof timing);
    for (int i = 0; i < TIMED_BATCHES; i++) {
        bench->now_ms += 1;
        touch_random(bench, users, LONG_TTL_MS, &timing);
        if (i % 100 == 0) tick_until_done(bench);
    }
    print_measure("touch", users, (double)histogram_percentile(&timing.wall, 50) / BATCH, &timing);
}

static void measure_live(struct bench *bench, uint64_t users) {
    static struct timing timing;
    memset(&timing, 0, sizeof timing);
    for (int i = 0; i < TIMED_BATCHES; i++) {
        for (uint32_t j = 0; j < BATCH; j++) name_user(bench, j, random_below(bench, users), LONG_TTL_MS);
        timing_begin(&timing);
        roll_live(bench->roll, text_of(MUSTER_SCOPE_DEFAULT), bench->users, BATCH, bench->now_ms, bench->views);
        timing_end(&timing);
        for (uint32_t j = 0; j < BATCH; j++)
            if (!bench->views[j].live) die_core("a user who was touched is not live");
    }
    print_measure("live", users, (double)histogram_percentile(&timing.wall, 50) / BATCH, &timing);
}

static void measure_list(struct bench *bench, uint64_t users) {
    static struct timing timing;
    memset(&timing, 0, sizeof timing);
    uint64_t listed = 0, after = 0;
    struct page page = {.more = true};
    for (bool is_first = true; page.more; is_first = false) {
        timing_begin(&timing);
        page = roll_list(bench->roll, text_of(MUSTER_SCOPE_DEFAULT), STATUS_MASK_ALL, is_first ? NULL : &after,
                         MUSTER_PAGE_MAX, bench->now_ms, bench->views);
        timing_end(&timing);
        listed += page.count;
        after = page.next;
    }
    if (listed != users) die_core("the walk did not list every user once");
    print_measure("list", users, (double)timing.total_ns / (double)users, &timing);
}

static void measure_counts(struct bench *bench, uint64_t users) {
    static struct timing timing;
    memset(&timing, 0, sizeof timing);
    /* The first two windows cut through the users of measure_touch, which took one millisecond per batch; the third
     * covers all. */
    const uint64_t windows_ms[] = {TIMED_BATCHES / 3, TIMED_BATCHES / 2, 3600000};
    struct scope_counts counts;
    struct window_count windows[3];
    for (int i = 0; i < TIMED_BATCHES; i++) {
        timing_begin(&timing);
        roll_counts(bench->roll, text_of(MUSTER_SCOPE_DEFAULT), windows_ms, 3, bench->now_ms, &counts, windows);
        timing_end(&timing);
    }
    if (counts.live != users || windows[2].users != users) die_core("the counts are wrong");
    print_measure("counts", users, (double)histogram_percentile(&timing.wall, 50), &timing);
}

/* All users expire in the same millisecond; slices of ticks alternate with touches of other users. */
static void measure_expiry(uint64_t users) {
    static struct timing fill, touches, ticks;
    struct bench *bench = bench_new();
    add_users(bench, 0, users, SHORT_TTL_MS, &fill, &ticks);
    tick_until_done(bench);
    memset(&ticks, 0, sizeof ticks);
    bench->now_ms += SHORT_TTL_MS + 1;
    bool is_more = true;
    for (uint64_t other = users; is_more; other += BATCH) {
        timing_begin(&ticks);
        is_more = roll_tick(bench->roll, bench->now_ms, TICK_BUDGET, NULL);
        timing_end(&ticks);
        for (uint32_t i = 0; i < BATCH; i++) name_user(bench, i, other + i % 10, LONG_TTL_MS);
        touch_batch(bench, &touches);
    }
    struct roll_stats stats;
    roll_stats(bench->roll, &stats);
    if (stats.expired != users) die_core("not every lease expired");
    print_measure("expiry_tick", users, (double)ticks.total_ns / (double)users, &ticks);
    print_measure("expiry_touch", users, (double)touches.total_ns / ((double)touches.wall.count * BATCH), &touches);
    bench_free(bench);
}

static void print_memory(const struct bench *bench, uint64_t users) {
    printf("{\"measure\":\"memory\",\"users\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"bytes_each\":%.1f}\n", users,
           bench->bytes, (double)bench->bytes / (double)users);
}

/* ---- many scopes: a user in each ---- */

static uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%*u %llu", &pages) != 1) die_core("resident memory is not known");
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void name_in_scope(struct bench *bench, uint32_t i, uint64_t number) {
    name_user(bench, i, number, LONG_TTL_MS);
    write_id(bench->scopes[i], "page:", number);
    bench->beats[i].scope = (struct text){bench->scopes[i], ID_BYTES};
}

static void add_scopes(struct bench *bench, uint64_t first, uint64_t end, struct timing *touches) {
    for (uint64_t at = first; at < end; at += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) name_in_scope(bench, i, at + i);
        touch_batch(bench, touches);
        if (at / BATCH % 100 == 0) tick_until_done(bench);
    }
}

/* What a scope of one user takes, all included, while their number grows to `scopes`, and at the end. */
static void measure_scope_memory(struct bench *bench, uint64_t scopes) {
    static struct timing joins;
    uint64_t before = resident_bytes(), bytes_before = bench->bytes, steps = 0;
    double sum = 0, most = 0;
    for (uint64_t at = 0; at < scopes; at += BATCH) {
        add_scopes(bench, at, at + BATCH, &joins);
        if (at < scopes / 4) continue; /* the table of scopes grows some four times from here on */
        double each = (double)(bench->bytes - bytes_before) / (double)(at + BATCH);
        sum += each;
        steps++;
        if (each > most) most = each;
    }
    print_measure("scope_join", scopes, (double)joins.total_ns / (double)scopes, &joins);
    tick_until_done(bench);
    printf("{\"measure\":\"scope_memory\",\"users\":%" PRIu64
           ",\"bytes_each\":%.1f,\"bytes_mean\":%.1f,\"bytes_most\":%.1f,\"resident_each\":%.1f}\n",
           scopes, (double)(bench->bytes - bytes_before) / (double)scopes, sum / (double)steps, most,
           (double)(resident_bytes() - before) / (double)scopes);
}

static uint64_t scopes_wanted(const char *text) {
    uint64_t scopes = strtoull(text, NULL, 10);
    if (scopes < BATCH || scopes % BATCH != 0) die_core("scopes must be a multiple of 1000");
    return scopes;
}

static void measure_scopes(uint64_t scopes) {
    static struct timing touches;
    struct bench *bench = bench_new();
    measure_scope_memory(bench, scopes);
    for (int i = 0; i < TIMED_BATCHES; i++) {
        bench->now_ms += 1;
        for (uint32_t j = 0; j < BATCH; j++) name_in_scope(bench, j, random_below(bench, scopes));
        touch_batch(bench, &touches);
        if (i % 100 == 0) tick_until_done(bench);
    }
    print_measure("scope_touch", scopes, (double)histogram_percentile(&touches.wall, 50) / BATCH, &touches);
    bench_free(bench);
}

static void measure_reads(struct bench *bench, uint64_t users) {
    print_memory(bench, users);
    measure_touch(bench, users);
    measure_live(bench, users);
    measure_list(bench, users);
    measure_counts(bench, users);
}

int main(int argc, char **argv) {
    static struct timing fill, fill_ticks, growth, growth_ticks;
    if (argc > 1 && strcmp(argv[1], "scopes") == 0) {
        measure_scopes(scopes_wanted(argc > 2 ? argv[2] : "1000000"));
        return 0;
    }
    uint64_t users = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint64_t grown = argc > 2 ? strtoull(argv[2], NULL, 10) : 10 * users;
    if (users < BATCH || users % BATCH != 0 || grown <= users || grown % BATCH != 0)
        die_core("users must be multiples of 1000, the second more than the first");
    struct bench *bench = bench_new();
    add_users(bench, 0, users, LONG_TTL_MS, &fill, &fill_ticks);
    print_measure("join", users, (double)fill.total_ns / (double)users, &fill);
    tick_until_done(bench);
    measure_reads(bench, users);
    add_users(bench, users, grown, LONG_TTL_MS, &growth, &growth_ticks);
    print_measure("growth_touch", grown, (double)growth.total_ns / (double)(grown - users), &growth);
    print_measure("growth_tick", grown, (double)growth_ticks.total_ns / (double)(grown - users), &growth_ticks);
    tick_until_done(bench);
    measure_reads(bench, grown);
    bench_free(bench);
    measure_expiry(users);
    return 0;
}
