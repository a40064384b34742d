/* The thread that does something every so often: when it begins, that it repeats, and how it ends. */
#include "support/wait.h"
#include "sys/periodic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
/* cmocka wants three of the above first. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, NEVER_MS = 24 * 60 * 60 * 1000 };

struct job {
    atomic_uint calls;
    atomic_bool may_return;
};

static void count_call(void *context) {
    struct job *job = context;
    atomic_fetch_add(&job->calls, 1);
}

static bool has_begun(void *context) {
    struct job *job = context;
    return atomic_load(&job->calls) > 0;
}

static bool has_been_called_thrice(void *context) {
    struct job *job = context;
    return atomic_load(&job->calls) >= 3;
}

static bool may_return(void *context) {
    struct job *job = context;
    return atomic_load(&job->may_return);
}

static void hang(void *context) {
    count_call(context);
    (void)wait_until(may_return, context, PATIENCE_MS);
}

static void it_repeats_until_it_is_stopped(void **state) {
    (void)state;
    struct job job = {0};
    struct periodic *periodic = periodic_start(count_call, &job, 0, 1);
    if (periodic == NULL || !wait_until(has_been_called_thrice, &job, PATIENCE_MS)) fail_msg("it does not repeat");
    periodic_stop(periodic); /* joins the thread: `job` may go */
}

static void it_waits_before_the_first_and_between(void **state) {
    (void)state;
    struct job job = {0}, first = {0};
    struct periodic *periodic = periodic_start(count_call, &job, NEVER_MS, 1);
    periodic_stop(periodic); /* at once: a stop does not wait for the next call */
    if (atomic_load(&job.calls) != 0) fail_msg("it does not wait before the first call");
    periodic = periodic_start(count_call, &first, 0, NEVER_MS);
    if (!wait_until(has_begun, &first, PATIENCE_MS)) fail_msg("it does not begin at once");
    periodic_stop(periodic);
    if (atomic_load(&first.calls) != 1) fail_msg("it does not wait between calls");
}

static void a_stop_gives_up_on_work_that_hangs(void **state) {
    (void)state;
    struct job job = {0};
    struct periodic *periodic = periodic_start(hang, &job, 0, 1);
    if (!wait_until(has_begun, &job, PATIENCE_MS)) fail_msg("it does not begin");
    if (periodic_stop_within(periodic, 10)) fail_msg("it says that work which hangs has ended");
    atomic_store(&job.may_return, true);
    if (!periodic_stop_within(periodic, PATIENCE_MS)) fail_msg("it does not end");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_repeats_until_it_is_stopped),
        cmocka_unit_test(it_waits_before_the_first_and_between),
        cmocka_unit_test(a_stop_gives_up_on_work_that_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
