/* Spans of time as people write them. */
#include "common/duration.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_unit_is_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {{"0s", 0},
                 {"500ms", 500},
                 {"60s", 60000},
                 {"5m", 300000},
                 {"24h", 86400000},
                 {"7d", 604800000},
                 {"007s", 7000},
                 {"1h30m", 5400000},
                 {"0.5s", 500},
                 {"1.5h", 5400000},
                 {"1d2h3m4s5ms", 93784005},
                 {"5m5s", 305000},
                 {"0.001s", 1},
                 {"1.05m", 63000},
                 {"18446744073709551615ms", UINT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ms = 1;
        if (!duration_parse(cases[i].text, &ms) || ms != cases[i].ms) fail_msg("%s: %" PRIu64, cases[i].text, ms);
    }
}

static void what_is_no_span_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"",
                                        "s",
                                        "5",
                                        "5 m",
                                        " 5m",
                                        "5m ",
                                        "-5m",
                                        "+5m",
                                        "1.s",
                                        ".5s",
                                        "1..5s",
                                        "1.5",
                                        "0.5ms",
                                        "0.0001s",
                                        "0.0000000001d",
                                        "30m1h",
                                        "5m5m",
                                        "1h 30m",
                                        "1h-30m",
                                        "1h30",
                                        "5min",
                                        "0x5s",
                                        "5M",
                                        "5mm",
                                        "18446744073709551616ms",
                                        "18446744073709551615s",
                                        "18446744073709552s",
                                        "18446744073709551s616ms",
                                        "18446744073709551.616s",
                                        "999999999999999999999d"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ms = 1;
        if (duration_parse(cases[i], &ms) || ms != 0) fail_msg("\"%s\": %" PRIu64, cases[i], ms);
    }
}

static void a_span_is_written_in_its_largest_unit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {{"0s", 0},
                 {"1500ms", 1500},
                 {"90s", 90000},
                 {"1m", 60000},
                 {"25h", 90000000},
                 {"1d", 86400000},
                 {"18446744073709551615ms", UINT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[DURATION_BYTES];
        if (strcmp(duration_format(cases[i].ms, out), cases[i].text) != 0) fail_msg("%s, not %s", out, cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_is_read),
        cmocka_unit_test(what_is_no_span_is_refused),
        cmocka_unit_test(a_span_is_written_in_its_largest_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
