/* Room that doors promise the pump: a promise counts as sent until it is kept, and what one connection is sent says
 * nothing of another. */
#include "muster/limits.h"
#include "net/watch_task.h"
#include "rpc/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { ROOM = 1 << 20, LARGE = 400000, SMALL = 100 };

struct fixture {
    struct node *node;
    struct rpc *rpc;
    struct loops *loops;
    struct watch_task *task;
};

static int set_up(void **state) {
    const struct node_config config = {.ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = 1000,
                                       .bytes_max = 1 << 28};
    const struct loops_config loops = {.threads = 1, .is_driven = true};
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL) abort();
    if ((fixture->node = node_new(&config, clock_now())) == NULL) fail_msg("no node");
    if ((fixture->rpc = rpc_new(fixture->node, 0)) == NULL) fail_msg("no calls");
    if ((fixture->loops = loops_start(&loops)) == NULL) fail_msg("no loops");
    fixture->task = watch_task_start(fixture->loops, rpc_watches(fixture->rpc));
    if (fixture->task == NULL) fail_msg("no task");
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    loops_stop(fixture->loops);
    watch_task_free(fixture->task);
    loops_free(fixture->loops);
    rpc_free(fixture->rpc);
    node_free(fixture->node);
    free(fixture);
    return 0;
}

static size_t promised(struct fixture *fixture, uint64_t connection, size_t most) {
    size_t count = 0;
    while (count < most && watch_task_promise_room(fixture->task, connection, 0, ROOM)) count++;
    return count;
}

static void what_is_unsent_leaves_no_room(void **state) {
    struct fixture *fixture = *state;
    if (watch_task_promise_room(fixture->task, 1, ROOM, ROOM)) fail_msg("room where there is none");
    if (!watch_task_promise_room(fixture->task, 1, ROOM - 1, ROOM)) fail_msg("no room where there is some");
}

static void promises_count_until_they_are_kept(void **state) {
    struct fixture *fixture = *state;
    size_t least = SIZE_MAX;
    for (uint64_t connection = 1; connection <= 50 && least > 3; connection++) { /* they expire if the machine pauses */
        watch_task_keep_promise(fixture->task, connection, LARGE);
        size_t count = promised(fixture, connection, 100);
        if (count < least) least = count;
    }
    if (least != 3) fail_msg("%zu large answers at a time", least);
}

static void a_large_answer_delays_no_other_connection(void **state) {
    struct fixture *fixture = *state;
    watch_task_keep_promise(fixture->task, 2, SMALL);
    for (int i = 0; i < 3; i++) watch_task_keep_promise(fixture->task, 1, LARGE);
    size_t others = promised(fixture, 2, 256);
    if (others != 256) fail_msg("%zu small answers, since another connection gets large ones", others);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_unsent_leaves_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(promises_count_until_they_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_answer_delays_no_other_connection, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("net watch task", tests, NULL, NULL);
}
