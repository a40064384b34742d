/* Waits with a deadline. */
#include "common/monotonic.h"
#include "common/waiting.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void a_wait_ends_at_its_deadline(void **state) {
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    if (!waiting_init(&condition)) fail_msg("no condition variable");
    pthread_mutex_lock(&lock);
    uint64_t until_us = monotonic_us() + 20000;
    while (waiting_until(&condition, &lock, until_us)) {
    }
    uint64_t now_us = monotonic_us();
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&condition);
    if (now_us < until_us) fail_msg("%" PRIu64 " us too early", until_us - now_us);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
