/* The generator gives the published numbers. */
#include "common/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

/* The first numbers of the generator's reference implementation, from 1234567. */
static void splitmix_is_the_published_one(void **state) {
    (void)state;
    static const uint64_t expected[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                        UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
    uint64_t seed = 1234567;
    for (size_t i = 0; i < 4; i++) {
        uint64_t got = splitmix64_next(&seed);
        if (got != expected[i]) fail_msg("number %zu is %" PRIu64 ", expected %" PRIu64, i, got, expected[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitmix_is_the_published_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
