/* The clock that orders beats. */
#include "core/hlc.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t wall_ms = UINT64_C(1700000000000), start_ms = UINT64_C(1) << 40;

static uint64_t stamp_of(uint64_t at_wall_ms) {
    return at_wall_ms << HLC_COUNTER_BITS;
}

static void the_first_stamp_is_the_wall_clock(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t stamp = hlc_next(&clock, start_ms);
    if (stamp != stamp_of(wall_ms)) fail_msg("%" PRIx64, stamp);
}

static void it_goes_on_with_the_monotonic_clock(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t stamp = hlc_next(&clock, start_ms + 12345);
    if (stamp != stamp_of(wall_ms + 12345)) fail_msg("%" PRIx64, stamp);
}

static void it_starts_whatever_the_monotonic_clock_says(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, wall_ms + 999); /* the difference wraps */
    uint64_t stamp = hlc_next(&clock, wall_ms + 1000);
    if (stamp != stamp_of(wall_ms + 1)) fail_msg("%" PRIx64, stamp);
}

static void stamps_of_one_millisecond_grow(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t last = 0;
    for (int i = 0; i < 200000; i++) { /* past the counter's 65,536, too */
        uint64_t stamp = hlc_next(&clock, start_ms);
        if (stamp <= last) fail_msg("stamp %d: %" PRIx64 " after %" PRIx64, i, stamp, last);
        last = stamp;
    }
    uint64_t later = hlc_next(&clock, start_ms + 10);
    if (later <= last || later != stamp_of(wall_ms + 10)) fail_msg("%" PRIx64 " after %" PRIx64, later, last);
}

static void a_stamp_is_greater_than_what_was_seen(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t seen = stamp_of(wall_ms + 60000) + 7;
    hlc_observe(&clock, seen, start_ms);
    uint64_t stamp = hlc_next(&clock, start_ms);
    if (stamp != seen + 1) fail_msg("%" PRIx64 " after %" PRIx64, stamp, seen);
}

static void it_goes_on_from_a_stamp_that_was_seen(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    hlc_observe(&clock, stamp_of(wall_ms + 3600000), start_ms);
    uint64_t stamp = hlc_next(&clock, start_ms + 5000);
    if (stamp != stamp_of(wall_ms + 3605000)) fail_msg("%" PRIx64, stamp);
}

static void an_old_stamp_moves_nothing(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t before = hlc_next(&clock, start_ms);
    hlc_observe(&clock, stamp_of(wall_ms - 60000), start_ms);
    uint64_t after = hlc_next(&clock, start_ms);
    if (after != before + 1) fail_msg("%" PRIx64 " after %" PRIx64, after, before);
}

static void what_runs_a_day_ahead_is_plausible_and_no_more(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t most = stamp_of(wall_ms + HLC_AHEAD_MAX_MS);
    if (!hlc_plausible(&clock, most, start_ms)) fail_msg("exactly a day ahead");
    if (hlc_plausible(&clock, most + 1, start_ms)) fail_msg("more than a day ahead");
    if (!hlc_plausible(&clock, most + stamp_of(1), start_ms + 1)) fail_msg("a day ahead of a millisecond later");
    if (!hlc_plausible(&clock, 1, start_ms)) fail_msg("the past");
}

static void plausibility_does_not_follow_what_was_seen(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t most = stamp_of(wall_ms + HLC_AHEAD_MAX_MS);
    hlc_observe(&clock, most, start_ms);
    if (hlc_plausible(&clock, most + 1, start_ms)) fail_msg("one stamp pushed the next one further");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_stamp_is_the_wall_clock),
        cmocka_unit_test(it_goes_on_with_the_monotonic_clock),
        cmocka_unit_test(it_starts_whatever_the_monotonic_clock_says),
        cmocka_unit_test(stamps_of_one_millisecond_grow),
        cmocka_unit_test(a_stamp_is_greater_than_what_was_seen),
        cmocka_unit_test(it_goes_on_from_a_stamp_that_was_seen),
        cmocka_unit_test(an_old_stamp_moves_nothing),
        cmocka_unit_test(what_runs_a_day_ahead_is_plausible_and_no_more),
        cmocka_unit_test(plausibility_does_not_follow_what_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
