#include "clf.h"

#include "datetime.h"

/* `17/May/2015:10:05:03 +0000]` */
enum { TIME_BYTES = 27 };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The unread rest of a line. */
struct cursor {
    const char *at, *end;
};

static size_t bytes_left(const struct cursor *c) {
    return (size_t)(c->end - c->at);
}

static bool take_byte(struct cursor *c, char wanted) {
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

/* Reads a field and the blank behind it. */
static bool take_field(struct cursor *c, struct text *out) {
    const char *blank = memchr(c->at, ' ', bytes_left(c));
    if (blank == NULL || blank == c->at) return false;
    *out = (struct text){c->at, (uint32_t)(blank - c->at)};
    c->at = blank + 1;
    return true;
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

/* The time at t[0..TIME_BYTES-1], the closing bracket included. */
static bool time_at(const char *t, int64_t *unix_s) {
    struct datetime time = {.month = month_at(t + 3)};
    int offset_hour, offset_minute;
    if (t[2] != '/' || t[6] != '/' || t[11] != ':' || t[14] != ':' || t[17] != ':' || t[20] != ' ') return false;
    if ((t[21] != '+' && t[21] != '-') || t[26] != ']') return false;
    if (!number_at(t, 2, &time.day) || !number_at(t + 7, 4, &time.year) || !number_at(t + 12, 2, &time.hour) ||
        !number_at(t + 15, 2, &time.minute) || !number_at(t + 18, 2, &time.second) ||
        !number_at(t + 22, 2, &offset_hour) || !number_at(t + 24, 2, &offset_minute))
        return false;
    if (offset_hour > 23 || offset_minute > 59 || !datetime_to_unix_s(&time, unix_s)) return false;
    const int offset_s = offset_hour * 3600 + offset_minute * 60;
    *unix_s += t[21] == '+' ? -offset_s : offset_s;
    return true;
}

/* `user [time] `. A user may contain blanks and brackets, so it ends where a valid time begins. */
static bool take_user_and_time(struct cursor *c, struct clf_line *out) {
    const char *from = c->at;
    for (const char *p = from; (p = memchr(p, '[', (size_t)(c->end - p))) != NULL; p++) {
        if (c->end - p <= TIME_BYTES) return false;
        if (p - from < 2 || p[-1] != ' ' || !time_at(p + 1, &out->unix_s)) continue;
        const bool is_unknown = p - from == 2 && from[0] == '-';
        if (!is_unknown) out->user = (struct text){from, (uint32_t)(p - 1 - from)};
        c->at = p + 1 + TIME_BYTES;
        return take_byte(c, ' ');
    }
    return false;
}

/* ` 200 2326`, and then the end or a blank. */
static bool result_at(struct cursor c) {
    struct text status, size;
    if (!take_byte(&c, ' ') || !take_field(&c, &status)) return false;
    const char *blank = memchr(c.at, ' ', bytes_left(&c));
    size = (struct text){c.at, (uint32_t)((blank != NULL ? blank : c.end) - c.at)};
    if (size.len == 0 || (status.len != 3 && !text_equal(status, text_of("-")))) return false;
    for (uint32_t i = 0; i < status.len && status.len == 3; i++)
        if (!is_digit(status.data[i])) return false;
    for (uint32_t i = 0; i < size.len && !text_equal(size, text_of("-")); i++)
        if (!is_digit(size.data[i])) return false;
    return true;
}

/* `"request" status size`. Some servers do not escape quotes in a request: it ends at the first quote that is followed
 * by a status and a size. */
static bool request_at(struct cursor c) {
    if (!take_byte(&c, '"')) return false;
    for (; c.at < c.end; c.at++) {
        if (*c.at == '\\' && c.end - c.at > 1) {
            c.at++;
        } else if (*c.at == '"') {
            if (result_at((struct cursor){c.at + 1, c.end})) return true;
        }
    }
    return false;
}

bool clf_parse(struct text line, struct clf_line *out) {
    *out = (struct clf_line){0};
    if (line.len == 0) return false;
    struct cursor c = {line.data, line.data + line.len};
    struct text ident;
    struct clf_line parsed = {0};
    if (!take_field(&c, &parsed.host) || !take_field(&c, &ident)) return false;
    if (!take_user_and_time(&c, &parsed) || !request_at(c)) return false;
    *out = parsed;
    return true;
}
