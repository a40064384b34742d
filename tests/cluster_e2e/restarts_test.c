/* A real node that is killed and starts again, over and over. */
#include "support/cluster_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

enum { RESTARTS = 300, LOOK_EVERY = 50, PROMPT_MS = 5000, TTL_MS = 600000 };

static void after_three_hundred_restarts_replication_works_both_ways(void **state) {
    (void)state;
    static struct rig rig;
    char user[32];
    rig_open(&rig, 2, NULL);
    rig_start_all(&rig);
    for (int i = 0; i < RESTARTS; i++) {
        rig_kill(&rig, 1);
        rig_start(&rig, 1);
        rig_await_joined(&rig, 1);
        snprintf(user, sizeof user, "of-life-%d", i);
        rig_touch(&rig, 1, user, TTL_MS);
        rig_expect_live(&rig, 0, user, PROMPT_MS);
        if (i % LOOK_EVERY > 0) continue;
        snprintf(user, sizeof user, "stays-%d", i);
        rig_touch(&rig, 0, user, TTL_MS);
        rig_expect_live(&rig, 1, user, PROMPT_MS);
    }
    /* What the lives that are gone have done is at both. */
    for (size_t node = 0; node < 2; node++) rig_expect_count(&rig, node, RESTARTS + RESTARTS / LOOK_EVERY, PROMPT_MS);
    rig_leave(&rig, 0, "of-life-0");
    rig_expect_gone(&rig, 1, "of-life-0", PROMPT_MS);
    rig_leave(&rig, 1, "stays-0");
    rig_expect_gone(&rig, 0, "stays-0", PROMPT_MS);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_three_hundred_restarts_replication_works_both_ways),
    };
    return cmocka_run_group_tests_name("cluster_e2e.restarts", tests, NULL, NULL);
}
