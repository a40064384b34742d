/* When users were last seen, against a plain array of instants. */
#include "core/history.h"

#include "support/heap.h"
#include "support/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { USERS = 20000, SPAN_MS = 7200000 };

struct fixture {
    struct heap heap;
    struct allocator allocator;
    struct history *history;
    struct random random;
    uint64_t now_ms, seen_ms[USERS]; /* 0: not in */
};

static struct fixture *fixture_new(uint64_t seed) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->allocator = heap_counting(&fixture->heap);
    fixture->random = random_of(seed);
    fixture->now_ms = UINT64_C(1) << 40;
    fixture->history = history_new(SPAN_MS, fixture->now_ms, &fixture->allocator);
    if (fixture->history == NULL) fail_msg("no history");
    return fixture;
}

static void fixture_free(struct fixture *fixture) {
    history_free(fixture->history);
    if (fixture->heap.blocks != 0) fail_msg("%zu blocks leaked", fixture->heap.blocks);
    free(fixture);
}

static void see(struct fixture *fixture, uint32_t user) {
    if (fixture->seen_ms[user] != 0) history_remove(fixture->history, fixture->seen_ms[user]);
    fixture->seen_ms[user] = fixture->now_ms;
    if (!history_add(fixture->history, fixture->now_ms)) fail_msg("no memory");
}

static void compact(struct fixture *fixture) {
    if (!history_compact(fixture->history, fixture->now_ms)) fail_msg("no memory");
}

static void check(struct fixture *fixture, uint64_t from_ms) {
    if (from_ms > fixture->now_ms || from_ms + SPAN_MS < fixture->now_ms) return;
    uint64_t expected = 0;
    for (uint32_t u = 0; u < USERS; u++) expected += fixture->seen_ms[u] >= from_ms;
    uint64_t count = history_count(fixture->history, from_ms);
    if (count != expected)
        fail_msg("from %" PRIu64 " (%" PRIu64 " ago): %" PRIu64 ", not %" PRIu64, from_ms, fixture->now_ms - from_ms,
                 count, expected);
}

/* At instants at which somebody was seen, and a millisecond to either side. */
static void check_some(struct fixture *fixture) {
    for (int i = 0; i < 20; i++) {
        uint64_t seen_ms = fixture->seen_ms[random_below(&fixture->random, USERS)];
        check(fixture, seen_ms - 1);
        check(fixture, seen_ms);
        check(fixture, seen_ms + 1);
    }
    check(fixture, fixture->now_ms);
    check(fixture, fixture->now_ms - SPAN_MS);
    check(fixture, fixture->now_ms - random_below(&fixture->random, SPAN_MS));
}

static void counts_are_exact_as_time_passes(void **state) {
    (void)state;
    /* Few a second and many, so that lists, split minutes and counters all come about. */
    static const uint32_t crowds[] = {3, 100, 3000};
    for (size_t c = 0; c < 3; c++) {
        struct fixture *fixture = fixture_new(c);
        for (int second = 0; second < 400; second++) {
            for (uint32_t i = 0; i < crowds[c]; i++) {
                if (i % (1 + crowds[c] / 20) == 0) fixture->now_ms += random_below(&fixture->random, 50);
                see(fixture, (uint32_t)random_below(&fixture->random, USERS));
            }
            fixture->now_ms += random_below(&fixture->random, 1000);
            compact(fixture);
            if (second % 10 == 0) check_some(fixture);
        }
        fixture_free(fixture);
    }
}

static void a_crowd_of_one_instant_is_counted(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(4);
    for (uint32_t u = 0; u < USERS; u++) see(fixture, u);
    uint64_t at_ms = fixture->now_ms;
    for (int i = 0; i < 3000; i++) {
        fixture->now_ms += 700;
        compact(fixture);
        if (i % 100 == 0) check(fixture, at_ms), check(fixture, at_ms + 1);
    }
    fixture_free(fixture);
}

static void instants_older_than_the_span_are_let_go(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(5);
    size_t bytes = fixture->heap.bytes;
    for (uint32_t u = 0; u < USERS; u++) {
        fixture->now_ms += 20;
        see(fixture, u);
        if (u % 25 == 0) compact(fixture);
    }
    fixture->now_ms += UINT64_C(3) * SPAN_MS;
    compact(fixture);
    check(fixture, fixture->now_ms - SPAN_MS);
    if (fixture->heap.bytes != bytes) fail_msg("%zu bytes, not %zu", fixture->heap.bytes, bytes);
    for (uint32_t u = 0; u < 100; u++) see(fixture, u); /* removes what was let go */
    check_some(fixture);
    fixture_free(fixture);
}

static void long_leaps_are_survived(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(6);
    for (int leap = 0; leap < 50; leap++) {
        for (uint32_t i = 0; i < 50; i++) see(fixture, (uint32_t)random_below(&fixture->random, USERS));
        fixture->now_ms += random_below(&fixture->random, UINT64_C(1) << random_below(&fixture->random, 36));
        compact(fixture);
        check_some(fixture);
    }
    fixture_free(fixture);
}

static void fresh_instants_take_no_memory(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(7);
    for (int second = 0; second < 20; second++) {
        compact(fixture);
        uint64_t before = fixture->heap.allocations;
        for (uint32_t i = 0; i < 2000; i++) {
            fixture->now_ms += i % 2 == 0 && i < 1998;
            see(fixture, (uint32_t)random_below(&fixture->random, USERS));
        }
        if (fixture->heap.allocations != before)
            fail_msg("%" PRIu64 " allocations", fixture->heap.allocations - before);
    }
    fixture_free(fixture);
}

static void without_memory_it_says_so_and_leaks_nothing(void **state) {
    (void)state;
    bool has_failed = true;
    for (uint64_t k = 1; has_failed && k < 500; k++) {
        struct heap heap = {.fail_at = k};
        struct allocator allocator = heap_counting(&heap);
        uint64_t now_ms = UINT64_C(1) << 40;
        struct history *history = history_new(SPAN_MS, now_ms, &allocator);
        has_failed = history == NULL;
        for (uint32_t i = 0; i < 4000 && !has_failed; i++) {
            now_ms += 10;
            has_failed = !history_add(history, now_ms) || (i % 50 == 0 && !history_compact(history, now_ms));
        }
        if (has_failed != (heap.allocations >= k)) fail_msg("allocation %" PRIu64 " failed, and nobody said so", k);
        history_free(history);
        if (heap.blocks != 0) fail_msg("allocation %" PRIu64 ": %zu blocks leaked", k, heap.blocks);
    }
    if (has_failed) fail_msg("it never comes through");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact_as_time_passes),
        cmocka_unit_test(a_crowd_of_one_instant_is_counted),
        cmocka_unit_test(instants_older_than_the_span_are_let_go),
        cmocka_unit_test(long_leaps_are_survived),
        cmocka_unit_test(fresh_instants_take_no_memory),
        cmocka_unit_test(without_memory_it_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
