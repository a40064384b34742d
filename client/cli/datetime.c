#include "datetime.h"

#include <stdio.h>

enum { SECONDS_A_DAY = 86400, DAYS_A_CYCLE = 146097, DAYS_TO_1970 = 719468 };

#define UNIX_S_MIN INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define UNIX_S_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01. H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil: years begin in
 * March, so that the leap day is the last of its year, and repeat every 400. */
static int64_t days_from_civil(int year, int month, int day) {
    const int shifted = month <= 2 ? year - 1 : year;
    const int64_t cycle = (shifted >= 0 ? shifted : shifted - 399) / 400;
    const int64_t year_of_cycle = shifted - cycle * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    return cycle * DAYS_A_CYCLE + day_of_cycle - DAYS_TO_1970;
}

/* The inverse: civil_from_days of the same source. */
static struct datetime civil_from_days(int64_t days) {
    days += DAYS_TO_1970;
    const int64_t cycle = (days >= 0 ? days : days - (DAYS_A_CYCLE - 1)) / DAYS_A_CYCLE;
    const int64_t of_cycle = days - cycle * DAYS_A_CYCLE;
    const int64_t year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
    const int64_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
    const int64_t shifted_month = (5 * of_year + 2) / 153;
    const int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    return (struct datetime){
        .year = (int)(year + cycle * 400) + (month <= 2 ? 1 : 0),
        .month = month,
        .day = (int)(of_year - (153 * shifted_month + 2) / 5) + 1,
    };
}

bool datetime_to_unix_s(const struct datetime *t, int64_t *unix_s) {
    *unix_s = 0;
    if (t->year < 0 || t->year > 9999 || t->month < 1 || t->month > 12) return false;
    if (t->day < 1 || t->day > days_of_month(t->year, t->month)) return false;
    if (t->hour < 0 || t->hour > 23 || t->minute < 0 || t->minute > 59 || t->second < 0 || t->second > 60) return false;
    *unix_s = days_from_civil(t->year, t->month, t->day) * SECONDS_A_DAY + t->hour * 3600 + t->minute * 60 + t->second;
    return true;
}

void datetime_format(int64_t unix_ms, char out[DATETIME_TEXT_BYTES]) {
    if (unix_ms < UNIX_S_MIN * 1000) unix_ms = UNIX_S_MIN * 1000;
    if (unix_ms > UNIX_S_MAX * 1000 + 999) unix_ms = UNIX_S_MAX * 1000 + 999;
    int64_t seconds = unix_ms / 1000, rest_ms = unix_ms % 1000;
    if (rest_ms < 0) rest_ms += 1000, seconds--;
    int64_t days = seconds / SECONDS_A_DAY, of_day = seconds % SECONDS_A_DAY;
    if (of_day < 0) of_day += SECONDS_A_DAY, days--;
    const struct datetime date = civil_from_days(days);
    int n = snprintf(out, DATETIME_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", date.year % 10000, date.month % 100,
                     date.day % 100, (int)(of_day / 3600) % 100, (int)(of_day / 60 % 60), (int)(of_day % 60));
    if (rest_ms != 0) n += snprintf(out + n, DATETIME_TEXT_BYTES - (size_t)n, ".%03d", (int)rest_ms % 1000);
    (void)snprintf(out + n, DATETIME_TEXT_BYTES - (size_t)n, "Z");
}
