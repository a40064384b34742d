/* Dates and times against the C library's timegm and gmtime, and at their limits. */
#include "datetime.h"
#include "test.h"

#include <time.h>

static void agrees_with_timegm_on_every_day(void **state) {
    (void)state;
    for (int64_t day = -719528; day <= 2932896; day++) { /* 0000-01-01 to 9999-12-31 */
        const time_t at = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;
        struct tm tm;
        (void)gmtime_r(&at, &tm);
        const struct datetime time = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
        int64_t unix_s;
        if (!datetime_to_unix_s(&time, &unix_s) || unix_s != at)
            fail_msg("day %lld: %lld instead of %lld", (long long)day, (long long)unix_s, (long long)at);
    }
}

static void formats_as_gmtime_does(void **state) {
    (void)state;
    for (int64_t day = -719528; day <= 2932896; day += 13) {
        const time_t at = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;
        struct tm tm;
        char ours[DATETIME_TEXT_BYTES], theirs[64];
        (void)gmtime_r(&at, &tm);
        (void)snprintf(theirs, sizeof theirs, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        datetime_format(at * 1000, ours);
        if (strcmp(ours, theirs) != 0) fail_msg("%s instead of %s", ours, theirs);
    }
}

static void formats_parts_of_a_second(void **state) {
    (void)state;
    char text[DATETIME_TEXT_BYTES];
    datetime_format(1250, text);
    assert_string_equal(text, "1970-01-01T00:00:01.250Z");
    datetime_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    datetime_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    datetime_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void refuses_what_is_no_date(void **state) {
    (void)state;
    static const struct datetime wrong[] = {
        {2015, 2, 29, 0, 0, 0}, {2100, 2, 29, 0, 0, 0}, {2015, 4, 31, 0, 0, 0}, {2015, 13, 1, 0, 0, 0},
        {2015, 0, 1, 0, 0, 0},  {2015, 1, 0, 0, 0, 0},  {2015, 1, 1, 24, 0, 0}, {2015, 1, 1, 0, 60, 0},
        {2015, 1, 1, 0, 0, 61}, {10000, 1, 1, 0, 0, 0}, {-1, 1, 1, 0, 0, 0},    {2015, 1, 1, -1, 0, 0},
        {2015, 1, 1, 0, 0, -1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t unix_s = 1;
        if (datetime_to_unix_s(&wrong[i], &unix_s) || unix_s != 0) fail_msg("date %zu is taken", i);
    }
}

static void takes_leap_days_and_leap_seconds(void **state) {
    (void)state;
    int64_t leap, next;
    assert_true(datetime_to_unix_s(&(struct datetime){2000, 2, 29, 12, 0, 0}, &leap));
    assert_int_equal(leap, 951825600);
    assert_true(datetime_to_unix_s(&(struct datetime){2016, 12, 31, 23, 59, 60}, &leap));
    assert_true(datetime_to_unix_s(&(struct datetime){2017, 1, 1, 0, 0, 0}, &next));
    assert_int_equal(leap, next);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_timegm_on_every_day),  cmocka_unit_test(formats_as_gmtime_does),
        cmocka_unit_test(formats_parts_of_a_second),        cmocka_unit_test(refuses_what_is_no_date),
        cmocka_unit_test(takes_leap_days_and_leap_seconds),
    };
    return cmocka_run_group_tests_name("cli.datetime", tests, NULL, NULL);
}
