/* Real nodes whose wall clocks are wrong. */
#include "support/cluster_rig.h"
#include "support/wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
/* cmocka wants the above first. */
#include <cmocka.h>

enum { NODES = 4, RIGHT = 3, PROMPT_MS = 5000 };
#define HOUR_MS (INT64_C(60) * 60 * 1000)

/* Three nodes whose wall clocks are off by as much, 0: at 1970; and one that is right. */
static void open_wrong(struct rig *rig, struct wall *walls, const int64_t *errors_ms) {
    rig_open(rig, NODES, NULL);
    for (size_t i = 0; i < RIGHT; i++) {
        int64_t error_ms = errors_ms[i] != 0 ? errors_ms[i] : -(int64_t)time(NULL) * 1000;
        wall_open(&walls[i], &rig->dir, rig->nodes[i].name, error_ms);
        rig->nodes[i].environment = walls[i].environment;
    }
}

/* What each node takes shows at all others: joins, and leaves of sessions that were touched elsewhere. */
static void expect_agreement(struct rig *rig, const char *round) {
    char user[32];
    for (size_t i = 0; i < rig->count; i++) {
        snprintf(user, sizeof user, "%s-%zu", round, i);
        rig_touch(rig, i, user, 60000);
        for (size_t j = 0; j < rig->count; j++) rig_expect_live(rig, j, user, PROMPT_MS);
        rig_leave(rig, (i + 1) % rig->count, user);
        for (size_t j = 0; j < rig->count; j++) rig_expect_gone(rig, j, user, PROMPT_MS);
        rig_touch(rig, (i + 2) % rig->count, user, 60000);
        for (size_t j = 0; j < rig->count; j++) rig_expect_live(rig, j, user, PROMPT_MS);
    }
}

static void clocks_that_are_wrong_by_a_day_and_at_1970_cut_nobody_off(void **state) {
    (void)state;
    static struct rig rig;
    static struct wall walls[RIGHT];
    open_wrong(&rig, walls, (const int64_t[]){25 * HOUR_MS, -25 * HOUR_MS, 0});
    rig_start_all(&rig);
    expect_agreement(&rig, "wrong");
    for (size_t i = 0; i < RIGHT; i++) rig_await_log(&rig, i, "event=clock_wrong", PROMPT_MS);
    /* Put right, while they run; then each starts anew. */
    for (size_t i = 0; i < RIGHT; i++) wall_step(&walls[i], 0);
    for (size_t i = 0; i < RIGHT; i++) rig_await_log(&rig, i, "event=clock_right", PROMPT_MS);
    expect_agreement(&rig, "stepped");
    for (size_t i = 0; i < RIGHT; i++) {
        rig_kill(&rig, i);
        rig_start(&rig, i);
        rig_await_joined(&rig, i);
    }
    expect_agreement(&rig, "right");
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_that_are_wrong_by_a_day_and_at_1970_cut_nobody_off),
    };
    return cmocka_run_group_tests_name("cluster_e2e.walls", tests, NULL, NULL);
}
