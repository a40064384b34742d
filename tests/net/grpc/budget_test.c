/* The abuse budget. */
#include "net/grpc/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* How many times so many points can be spent at once. */
static unsigned spend_all(struct budget *budget, uint32_t points, uint64_t now_ms) {
    unsigned times = 0;
    while (budget_spend(budget, points, now_ms)) times++;
    return times;
}

static void a_burst_is_taken(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 5000);
    unsigned resets = spend_all(&budget, NUISANCE_RESET, 5000);
    if (resets != BUDGET_POINTS_MAX / NUISANCE_RESET) fail_msg("%u resets are taken at once", resets);
}

static void who_is_past_it_stays_past_it_for_now(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 0);
    (void)spend_all(&budget, 7, 0);
    budget_earn(&budget, BUDGET_POINTS_MAX);
    if (budget_spend(&budget, 0, 0)) fail_msg("an answer makes good what is past the budget");
}

static void time_brings_points_back(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 0);
    for (uint64_t now_ms = 0; now_ms < 1000 * 1000; now_ms += 40) /* 25 in a second */
        if (!budget_spend(&budget, NUISANCE_RESET, now_ms)) fail_msg("after %llu ms", (unsigned long long)now_ms);
    budget_open(&budget, 0);
    uint64_t now_ms = 0;
    while (now_ms < 1000 * 1000 && budget_spend(&budget, NUISANCE_RESET, now_ms)) now_ms += 20; /* 50 in a second */
    if (now_ms >= 1000 * 1000) fail_msg("50 resets a second are taken for ever");
}

static void steps_too_short_for_a_point_add_up(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 0);
    if (!budget_spend(&budget, BUDGET_POINTS_MAX - 1, 0)) fail_msg("the first points are refused");
    for (uint64_t now_ms = 1; now_ms <= 1000; now_ms++)
        if (!budget_spend(&budget, 0, now_ms)) fail_msg("nothing is spent, and nothing is left");
    if (budget.points < BUDGET_POINTS_PER_SECOND - 100) fail_msg("%d points are back after a second", budget.points);
}

static void nobody_saves_more_than_the_bucket_holds(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 0);
    budget_earn(&budget, UINT32_MAX);
    (void)budget_spend(&budget, 0, UINT64_MAX / 1000);
    if (budget.points != BUDGET_POINTS_MAX) fail_msg("%d points are saved", budget.points);
}

static void an_answer_pays_for_a_reset(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 0);
    for (int i = 0; i < 100000; i++) {
        if (!budget_spend(&budget, NUISANCE_RESET, 0)) fail_msg("the %dth is refused", i);
        budget_earn(&budget, MERIT_ANSWER);
    }
}

static void a_clock_that_goes_back_gives_nothing(void **state) {
    (void)state;
    struct budget budget;
    budget_open(&budget, 10000);
    if (!budget_spend(&budget, 100, 9000)) fail_msg("refused");
    if (budget.points != BUDGET_POINTS_MAX - 100) fail_msg("%d points", budget.points);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_taken),
        cmocka_unit_test(who_is_past_it_stays_past_it_for_now),
        cmocka_unit_test(time_brings_points_back),
        cmocka_unit_test(steps_too_short_for_a_point_add_up),
        cmocka_unit_test(nobody_saves_more_than_the_bucket_holds),
        cmocka_unit_test(an_answer_pays_for_a_reset),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
