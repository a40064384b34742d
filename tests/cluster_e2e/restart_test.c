/* Real nodes that start again at the address that they had: what they acknowledge from then on is elsewhere a flush
 * later, as at any other node. */
#include "support/cluster_rig.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { LONG_MS = 600000, NODES = 3, JOINS = 50 };

static bool has_passed(void *context) {
    return wait_now_ms() >= *(uint64_t *)context;
}

/* The time that a node stays up after an acknowledgement is the scenario: nothing else would tell that it is over. */
static void stay_up(uint64_t ms) {
    uint64_t until_ms = wait_now_ms() + ms;
    wait_until(has_passed, &until_ms, 10 * ms);
}

/* Killed some flush intervals (10 ms) after it acknowledged the joins, a node has told each of the others all of them,
 * though it had started a moment before, where its predecessor was. */
static void joins_at_a_node_that_restarted_outlive_it(void **state) {
    enum { ROUNDS = 8, UP_MIN_MS = 30, UP_STEP_MS = 3 };
    (void)state;
    struct rig rig;
    rig_open(&rig, NODES, NULL);
    rig_start_all(&rig);
    for (size_t round = 0; round < ROUNDS; round++) {
        char stem[16];
        rig_kill(&rig, 1);
        rig_start(&rig, 1);
        snprintf(stem, sizeof stem, "r%zu-", round);
        rig_touch_many(&rig, 1, stem, JOINS, LONG_MS);
        stay_up(UP_MIN_MS + round * UP_STEP_MS);
        rig_kill(&rig, 1);
        for (size_t i = 0; i < NODES; i += 2) rig_expect_count(&rig, i, (round + 1) * JOINS, SOON_MS);
        rig_start(&rig, 1);
    }
    rig_close(&rig);
}

/* The others dial a node that is back at once, instead of when their next attempt is due. */
static void a_join_at_a_node_that_restarted_is_soon_elsewhere(void **state) {
    enum { ROUNDS = 5 };
    (void)state;
    struct rig rig;
    uint64_t longest_ms = 0;
    rig_open(&rig, NODES, NULL);
    rig_start_all(&rig);
    for (size_t round = 0; round < ROUNDS; round++) {
        char user[16];
        snprintf(user, sizeof user, "u%zu", round);
        rig_kill(&rig, 1);
        rig_start(&rig, 1);
        rig_touch(&rig, 1, user, LONG_MS);
        uint64_t start_ms = wait_now_ms();
        for (size_t i = 0; i < NODES; i += 2) rig_expect_live(&rig, i, user, 2000);
        uint64_t took_ms = wait_now_ms() - start_ms;
        if (took_ms > longest_ms) longest_ms = took_ms;
    }
    print_message("live at both others %llu ms after the answer, at most\n", (unsigned long long)longest_ms);
    rig_close(&rig);
}

/* Nobody waits for another who waits. */
static void a_cluster_that_starts_together_takes_touches_at_once(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, NODES, NULL);
    for (size_t i = 0; i < NODES; i++) rig_start(&rig, i);
    uint64_t start_ms = wait_now_ms();
    for (size_t i = 0; i < NODES; i++) {
        char stem[8];
        snprintf(stem, sizeof stem, "n%zu-", i);
        rig_touch_many(&rig, i, stem, JOINS, LONG_MS);
    }
    print_message("all three took touches %llu ms after the last one listened\n",
                  (unsigned long long)(wait_now_ms() - start_ms));
    for (size_t i = 0; i < NODES; i++) rig_await_joined(&rig, i);
    for (size_t i = 0; i < NODES; i++) rig_expect_count(&rig, i, NODES * JOINS, SOON_MS);
    rig_close(&rig);
}

/* main [TEST]: this one alone. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_at_a_node_that_restarted_outlive_it),
        cmocka_unit_test(a_join_at_a_node_that_restarted_is_soon_elsewhere),
        cmocka_unit_test(a_cluster_that_starts_together_takes_touches_at_once),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("cluster end to end: restart", tests, NULL, NULL);
}
