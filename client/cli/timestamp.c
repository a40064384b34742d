#include "timestamp.h"

#include "datetime.h"

#include <math.h>
#include <stdlib.h>

#define UNIX_S_MIN INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define UNIX_S_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool number_at(const char *digits, int count, int *out) {
    *out = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(digits[i])) return false;
        *out = *out * 10 + (digits[i] - '0');
    }
    return true;
}

static int month_at(const char *name) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++)
        if (memcmp(name, names + (ptrdiff_t)month * 3, 3) == 0) return month + 1;
    return 0;
}

/* The instant of a local time that is `offset_s` ahead of UTC. */
static bool instant_of(const struct datetime *local, int offset_s, int fraction_ms, int64_t *unix_ms) {
    int64_t unix_s;
    if (!datetime_to_unix_s(local, &unix_s)) return false;
    *unix_ms = (unix_s - offset_s) * 1000 + fraction_ms;
    return true;
}

/* `+0200`, or `+02:00` with gap 1. */
static bool offset_at(const char *t, int gap, int *offset_s) {
    int hours, minutes;
    if (t[0] != '+' && t[0] != '-') return false;
    if (!number_at(t + 1, 2, &hours) || (gap == 1 && t[3] != ':') || !number_at(t + 3 + gap, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *offset_s = (hours * 3600 + minutes * 60) * (t[0] == '+' ? 1 : -1);
    return true;
}

bool timestamp_clf(struct text text, int64_t *unix_ms) {
    *unix_ms = 0;
    if (text.len != TIMESTAMP_CLF_BYTES) return false;
    const char *t = text.data;
    struct datetime time = {.month = month_at(t + 3)};
    int offset_s;
    if (t[2] != '/' || t[6] != '/' || t[11] != ':' || t[14] != ':' || t[17] != ':' || t[20] != ' ') return false;
    if (!number_at(t, 2, &time.day) || !number_at(t + 7, 4, &time.year) || !number_at(t + 12, 2, &time.hour) ||
        !number_at(t + 15, 2, &time.minute) || !number_at(t + 18, 2, &time.second))
        return false;
    return offset_at(t + 21, 0, &offset_s) && instant_of(&time, offset_s, 0, unix_ms);
}

/* `.250`, of any length; digits behind the third are dropped. Moves *at behind it. */
static bool take_fraction(struct text text, uint32_t *at, int *fraction_ms) {
    *fraction_ms = 0;
    if (*at == text.len || (text.data[*at] != '.' && text.data[*at] != ',')) return true;
    int unit_ms = 100;
    const uint32_t from = ++*at;
    for (; *at < text.len && is_digit(text.data[*at]); ++*at, unit_ms /= 10)
        *fraction_ms += (text.data[*at] - '0') * unit_ms;
    return *at > from;
}

static bool offset_of(struct text rest, int *offset_s) {
    *offset_s = 0;
    if (rest.len == 0 || (rest.len == 1 && (rest.data[0] == 'Z' || rest.data[0] == 'z'))) return true;
    if (rest.len == 5) return offset_at(rest.data, 0, offset_s);
    return rest.len == 6 && offset_at(rest.data, 1, offset_s);
}

bool timestamp_iso(struct text text, int64_t *unix_ms) {
    enum { SECONDS_BYTES = 19 };
    *unix_ms = 0;
    if (text.len < SECONDS_BYTES) return false;
    const char *t = text.data;
    struct datetime time = {0};
    int fraction_ms, offset_s;
    uint32_t at = SECONDS_BYTES;
    if (t[4] != '-' || t[7] != '-' || (t[10] != 'T' && t[10] != 't' && t[10] != ' ') || t[13] != ':' || t[16] != ':')
        return false;
    if (!number_at(t, 4, &time.year) || !number_at(t + 5, 2, &time.month) || !number_at(t + 8, 2, &time.day) ||
        !number_at(t + 11, 2, &time.hour) || !number_at(t + 14, 2, &time.minute) || !number_at(t + 17, 2, &time.second))
        return false;
    if (!take_fraction(text, &at, &fraction_ms)) return false;
    return offset_of((struct text){t + at, text.len - at}, &offset_s) &&
           instant_of(&time, offset_s, fraction_ms, unix_ms);
}

bool timestamp_number(double number, int64_t *unix_ms) {
    const double size = fabs(number);
    const double per_ms = size < 1e11 ? 1e-3 : size < 1e14 ? 1 : size < 1e17 ? 1e3 : 1e6;
    *unix_ms = 0;
    if (!isfinite(number) || number / per_ms < (double)UNIX_S_MIN * 1e3 || number / per_ms > (double)UNIX_S_MAX * 1e3)
        return false;
    *unix_ms = llround(number / per_ms);
    return true;
}

/* Digits with at most one point among them. */
static bool is_decimal(struct text text) {
    uint32_t points = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.') points++;
        else if (!is_digit(text.data[i])) return false;
    }
    return points <= 1 && text.len > points;
}

bool timestamp_any(struct text text, int64_t *unix_ms) {
    char digits[32];
    if (timestamp_clf(text, unix_ms) || timestamp_iso(text, unix_ms)) return true;
    if (text.len >= sizeof digits || !is_decimal(text)) return false;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    return timestamp_number(strtod(digits, NULL), unix_ms);
}
