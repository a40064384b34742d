/* Numbers are read to their end, up to 2^64 - 1. */
#include "common/number.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void digits_are_read_and_the_rest_is_left(void **state) {
    (void)state;
    static const struct {
        const char *text, *rest;
        uint64_t number;
    } cases[] = {{"0", "", 0},
                 {"007s", "s", 7},
                 {"60ms", "ms", 60},
                 {"18446744073709551615", "", UINT64_MAX},
                 {"12 34", " 34", 12}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = cases[i].text;
        uint64_t number = 1;
        if (!number_take(&at, &number)) fail_msg("'%s' is refused", cases[i].text);
        if (number != cases[i].number) fail_msg("'%s' is read as %" PRIu64, cases[i].text, number);
        if (strcmp(at, cases[i].rest) != 0) fail_msg("'%s' leaves '%s'", cases[i].text, at);
    }
}

static void what_is_no_number_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"", "s", "-1", "+1", " 1", "18446744073709551616", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = cases[i];
        uint64_t number = 1;
        if (number_take(&at, &number)) fail_msg("'%s' is read as %" PRIu64, cases[i], number);
        if (number != 0 || at != cases[i]) fail_msg("'%s' is refused, but changes something", cases[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_read_and_the_rest_is_left),
        cmocka_unit_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
