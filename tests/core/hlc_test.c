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

static void what_a_client_carries_runs_a_day_ahead_and_no_more(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t most = stamp_of(wall_ms + HLC_CARRIED_AHEAD_MAX_MS);
    if (!hlc_plausible(&clock, most, start_ms)) fail_msg("exactly a day ahead");
    if (hlc_plausible(&clock, most + stamp_of(1), start_ms)) fail_msg("more than a day ahead");
    if (!hlc_plausible(&clock, most + stamp_of(1), start_ms + 1)) fail_msg("a day ahead of a millisecond later");
    if (!hlc_plausible(&clock, 1, start_ms)) fail_msg("the past");
}

static void clients_push_the_limit_no_further(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t most = stamp_of(wall_ms + HLC_CARRIED_AHEAD_MAX_MS);
    hlc_observe_carried(&clock, most, start_ms);
    if (!hlc_plausible(&clock, most, start_ms)) fail_msg("what was seen");
    if (hlc_plausible(&clock, most + stamp_of(1), start_ms)) fail_msg("one stamp pushed the next one further");
    if (hlc_next(&clock, start_ms) != most + 1) fail_msg("a stamp that is not after the one that was carried");
}

/* A touch of a node whose clock is far ahead: its client may leave at another node, which has heard of that node. */
static void what_a_peer_may_have_given_is_plausible(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    uint64_t far = wall_ms + HLC_CARRIED_AHEAD_MAX_MS * 1000;
    hlc_observe(&clock, stamp_of(far), start_ms);
    if (!hlc_plausible(&clock, stamp_of(far + HLC_CARRIED_PUSH_MAX_MS), start_ms)) fail_msg("a little ahead of a peer");
    if (hlc_plausible(&clock, stamp_of(far + HLC_CARRIED_PUSH_MAX_MS + 1), start_ms)) fail_msg("more than that");
}

static void stamps_are_seen_up_to_the_cap_and_the_clock_goes_on_from_there(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    hlc_observe(&clock, HLC_STAMP_MAX, start_ms);
    uint64_t stamp = hlc_next(&clock, start_ms + UINT64_C(1000) * 24 * 3600 * 365 * 30);
    if (stamp <= HLC_STAMP_MAX) fail_msg("%" PRIx64 " after the cap", stamp);
    struct hlc other = hlc_start(wall_ms, start_ms);
    hlc_observe(&other, HLC_STAMP_MAX + 1, start_ms);
    stamp = hlc_next(&other, start_ms);
    if (stamp != stamp_of(wall_ms)) fail_msg("%" PRIx64 " after what is no stamp", stamp);
}

static void no_wall_clock_comes_near_the_cap(void **state) {
    (void)state;
    static const uint64_t walls_ms[] = {0, 1, HLC_WALL_MAX_MS, UINT64_MAX / 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof walls_ms / sizeof walls_ms[0]; i++) {
        struct hlc clock = hlc_start(walls_ms[i], start_ms);
        uint64_t first = hlc_next(&clock, start_ms), later = hlc_next(&clock, start_ms + (UINT64_C(1) << 41));
        if (!hlc_is_stamp(first) || !hlc_is_stamp(later) || later <= first)
            fail_msg("wall %" PRIu64 ": %" PRIx64 " and %" PRIx64, walls_ms[i], first, later);
    }
}

static void a_clock_that_is_behind_follows_a_peer(void **state) {
    (void)state;
    struct hlc clock = hlc_start(0, start_ms);
    hlc_follow(&clock, stamp_of(wall_ms), start_ms);
    uint64_t stamp = hlc_next(&clock, start_ms + 5);
    if (stamp != stamp_of(wall_ms + 5)) fail_msg("%" PRIx64, stamp);
}

static void a_clock_that_is_ahead_follows_a_peer_before_its_first_stamp_alone(void **state) {
    (void)state;
    uint64_t far_ms = wall_ms + HLC_FAR_MS + 1;
    struct hlc fresh = hlc_start(far_ms, start_ms), used = fresh, near = hlc_start(far_ms - 1, start_ms), seen = fresh;
    uint64_t given = hlc_next(&used, start_ms);
    hlc_observe(&seen, stamp_of(wall_ms + 1000), start_ms);
    hlc_follow(&fresh, stamp_of(wall_ms), start_ms);
    hlc_follow(&used, stamp_of(wall_ms), start_ms);
    hlc_follow(&near, stamp_of(wall_ms), start_ms);
    hlc_follow(&seen, stamp_of(wall_ms), start_ms);
    if (hlc_next(&fresh, start_ms + 1) != stamp_of(wall_ms + 1)) fail_msg("a fresh clock does not follow");
    if (hlc_next(&used, start_ms + 1) <= given) fail_msg("a clock went back behind its own stamp");
    if (hlc_next(&near, start_ms + 1) != stamp_of(far_ms)) fail_msg("a clock that is near was set");
    if (hlc_next(&seen, start_ms + 1) != stamp_of(wall_ms + 1001)) fail_msg("a clock went back behind what it saw");
}

static void a_clock_without_a_stamp_says_so(void **state) {
    (void)state;
    struct hlc clock = hlc_start(wall_ms, start_ms);
    if (hlc_now(&clock, start_ms) != 0) fail_msg("it has nothing to follow");
    hlc_next(&clock, start_ms);
    if (hlc_now(&clock, start_ms + 9) != stamp_of(wall_ms + 9)) fail_msg("%" PRIx64, hlc_now(&clock, start_ms + 9));
    hlc_follow(&clock, 0, start_ms);
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
        cmocka_unit_test(what_a_client_carries_runs_a_day_ahead_and_no_more),
        cmocka_unit_test(clients_push_the_limit_no_further),
        cmocka_unit_test(what_a_peer_may_have_given_is_plausible),
        cmocka_unit_test(stamps_are_seen_up_to_the_cap_and_the_clock_goes_on_from_there),
        cmocka_unit_test(no_wall_clock_comes_near_the_cap),
        cmocka_unit_test(a_clock_that_is_behind_follows_a_peer),
        cmocka_unit_test(a_clock_that_is_ahead_follows_a_peer_before_its_first_stamp_alone),
        cmocka_unit_test(a_clock_without_a_stamp_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
