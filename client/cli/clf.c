#include "clf.h"

#include "address.h"
#include "timestamp.h"

/* `17/May/2015:10:05:03 +0000]` */
enum { TIME_BYTES = TIMESTAMP_CLF_BYTES + 1 };

/* The unread rest of a line. */
struct cursor {
    const char *at, *end;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

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
    const char *blank = bytes_left(c) == 0 ? NULL : memchr(c->at, ' ', bytes_left(c));
    if (blank == NULL || blank == c->at) return false;
    *out = (struct text){c->at, (uint32_t)(blank - c->at)};
    c->at = blank + 1;
    return true;
}

/* `user [time] `. A user may contain blanks and brackets, so it ends where a valid time begins. */
static bool take_user_and_time(struct cursor *c, struct access_line *out) {
    const char *from = c->at;
    for (const char *p = from; p < c->end && (p = memchr(p, '[', (size_t)(c->end - p))) != NULL; p++) {
        if (c->end - p <= TIME_BYTES) return false;
        if (p - from < 2 || p[-1] != ' ' || p[TIME_BYTES] != ']') continue;
        if (!timestamp_clf((struct text){p + 1, TIMESTAMP_CLF_BYTES}, &out->unix_ms)) continue;
        out->user = (struct text){from, (uint32_t)(p - 1 - from)};
        c->at = p + 1 + TIME_BYTES;
        return take_byte(c, ' ');
    }
    return false;
}

static bool has_digits(struct text text) {
    for (uint32_t i = 0; i < text.len; i++)
        if (!is_digit(text.data[i])) return false;
    return true;
}

/* ` 200 2326`, and then the end or a blank. Moves the cursor behind it. */
static bool take_result(struct cursor *c, int *status_out) {
    struct cursor at = *c;
    struct text status, size;
    const struct text none = text_of("-");
    if (!take_byte(&at, ' ') || !take_field(&at, &status) || bytes_left(&at) == 0) return false;
    const char *blank = memchr(at.at, ' ', bytes_left(&at));
    size = (struct text){at.at, (uint32_t)((blank != NULL ? blank : at.end) - at.at)};
    if (size.len == 0 || (status.len != 3 && !text_equal(status, none))) return false;
    if (status.len == 3 && !has_digits(status)) return false;
    if (!text_equal(size, none) && !has_digits(size)) return false;
    *status_out =
        status.len == 3 ? (status.data[0] - '0') * 100 + (status.data[1] - '0') * 10 + (status.data[2] - '0') : 0;
    c->at = size.data + size.len;
    return true;
}

/* `"request" status size`. Some servers do not escape quotes in a request: it ends at the first quote that is followed
 * by a status and a size. */
static bool take_request(struct cursor *c, int *status) {
    if (!take_byte(c, '"')) return false;
    for (; c->at < c->end; c->at++) {
        if (*c->at == '\\' && c->end - c->at > 1) {
            c->at++;
        } else if (*c->at == '"') {
            struct cursor behind = {c->at + 1, c->end};
            if (!take_result(&behind, status)) continue;
            *c = behind;
            return true;
        }
    }
    return false;
}

/* The next quoted field; fields without quotes before it are passed over. It ends at a quote before a blank or the end,
 * since some servers do not escape quotes. */
static bool take_quoted(struct cursor *c, struct text *out) {
    while (c->at < c->end && !(*c->at == '"' && c->at[-1] == ' ')) c->at++;
    if (c->at == c->end) return false;
    const char *from = ++c->at;
    for (; c->at < c->end; c->at++) {
        if (*c->at == '\\' && c->end - c->at > 1) {
            c->at++;
        } else if (*c->at == '"' && (c->end - c->at == 1 || c->at[1] == ' ')) {
            *out = (struct text){from, (uint32_t)(c->at++ - from)};
            return true;
        }
    }
    return false;
}

/* What the combined format has behind the size. */
static void read_headers(struct cursor c, struct access_line *out) {
    struct text referrer;
    if (!take_quoted(&c, &referrer)) return;
    out->has_agent = take_quoted(&c, &out->agent);
    if (out->has_agent) (void)take_quoted(&c, &out->forwarded);
}

/* `Nov 28 10:00:05 `, `<134>` or `2026-11-28T10:00:05`: how syslog's lines begin (RFC 3164, RFC 5424). */
static bool has_syslog_prefix(struct text line) {
    static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    const char *t = line.data;
    if (line.len >= 3 && t[0] == '<' && is_digit(t[1])) return true;
    if (line.len < 16) return false;
    if (is_digit(t[0]) && t[4] == '-' && t[7] == '-' && t[10] == 'T' && t[13] == ':') return true;
    if (t[3] != ' ' || t[6] != ' ' || t[9] != ':' || t[12] != ':' || t[15] != ' ') return false;
    for (size_t month = 0; month < 12; month++)
        if (memcmp(months + month * 4, t, 4) == 0) return true;
    return false;
}

static bool is_address(struct text text) {
    char canonical[ADDRESS_BYTES];
    return address_canonical(text, canonical).len > 0;
}

static bool has_port(struct text text) {
    return text.len > 1 && memchr(text.data, ':', text.len) != NULL && is_digit(text.data[text.len - 1]);
}

static bool has_comma(struct text text) {
    return memchr(text.data, ',', text.len) != NULL;
}

/* Whether the host is a virtual host, and the ident the remote host behind it. */
static bool is_virtual_host(struct text host, struct text ident) {
    return !is_address(host) && (has_port(host) || is_address(ident));
}

/* Fields that belong to another format stand before the user: `- -`. */
static bool has_more_fields(struct text user) {
    return user.len > 2 && user.data[0] == '-' && user.data[1] == ' ';
}

/* Why the fields up to the time are not found. */
static enum skip explain_fields(struct cursor c) {
    return bytes_left(&c) > 0 && memchr(c.at, '[', bytes_left(&c)) != NULL ? SKIP_TIME : SKIP_FIELDS;
}

static enum skip parse_fields(struct cursor *c, bool has_virtual_host, struct access_line *out) {
    struct text ident, virtual_host = {"", 0};
    if (has_virtual_host && !take_field(c, &virtual_host)) return SKIP_FIELDS;
    if (!take_field(c, &out->host)) return SKIP_FIELDS;
    if (has_comma(virtual_host) || has_comma(out->host)) return SKIP_ADDRESS_LIST;
    if (!take_field(c, &ident)) return SKIP_FIELDS;
    if (!take_user_and_time(c, out)) return explain_fields(*c);
    if (!has_virtual_host && is_virtual_host(out->host, ident)) return SKIP_VIRTUAL_HOST;
    return has_more_fields(out->user) ? SKIP_FIELDS : SKIP_NONE;
}

enum skip clf_parse(struct text line, bool has_virtual_host, struct access_line *out) {
    *out = (struct access_line){0};
    if (line.len == 0) return SKIP_EMPTY;
    if (line.data[0] == '"') return SKIP_QUOTED;
    if (has_syslog_prefix(line)) return SKIP_SYSLOG;
    struct cursor c = {line.data, line.data + line.len};
    struct access_line parsed = {0};
    const enum skip skip = parse_fields(&c, has_virtual_host, &parsed);
    if (skip != SKIP_NONE) return skip;
    if (!take_request(&c, &parsed.status)) return SKIP_REQUEST;
    read_headers(c, &parsed);
    *out = parsed;
    return SKIP_NONE;
}
