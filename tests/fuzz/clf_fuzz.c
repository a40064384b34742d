/* A line of an access log, of any bytes: what the parser answers lies within the line, and can be shown. */
#include "client/cli/clf.h"
#include "client/cli/datetime.h"
#include "client/cli/escape.h"
#include "client/cli/skip.h"
#include "client/cli/visitor.h"
#include "common/utf8.h"
#include "muster/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) abort();
}

/* Whoever visits is an id, and lies within the line or the buffer. */
static void check_visitor(const struct access_line *parsed, enum user_field field) {
    const struct visitor_rule rule = {.user = field, .leaves_out_bots = true};
    char buffer[ADDRESS_BYTES];
    struct text user;
    if (visitor_of(&rule, parsed, buffer, &user) != SKIP_NONE) {
        check(user.len == 0);
        return;
    }
    check(user.len > 0 && user.len <= MUSTER_ID_BYTES_MAX && utf8_valid(user.data, user.len));
    check(memchr(user.data, '\0', user.len) == NULL);
}

static void check_part(struct text part, struct text line) {
    check(part.len == 0 || (part.data >= line.data && part.data + part.len <= line.data + line.len));
}

/* A name of whatever bytes is shown as printable UTF-8. */
static void check_shown(struct text name) {
    char *shown = malloc(name.len * ESCAPE_GROWTH + 1);
    if (shown == NULL) return;
    const size_t len = text_escape(name.data, name.len, shown);
    check(len <= name.len * ESCAPE_GROWTH && strlen(shown) == len && utf8_valid(shown, len));
    for (size_t i = 0; i < len; i++) check((unsigned char)shown[i] >= 0x20 && shown[i] != 0x7f);
    (void)text_width(shown);
    free(shown);
}

static void check_line(struct text line, bool has_virtual_host) {
    struct access_line parsed;
    if (clf_parse(line, has_virtual_host, &parsed) != SKIP_NONE) {
        check(parsed.host.len == 0 && parsed.user.len == 0 && parsed.unix_ms == 0);
        return;
    }
    char text[DATETIME_TEXT_BYTES];
    check(parsed.host.len > 0 && parsed.user.len > 0 && parsed.status >= 0 && parsed.status <= 999);
    check_part(parsed.host, line);
    check_part(parsed.user, line);
    check_part(parsed.agent, line);
    check_part(parsed.forwarded, line);
    check_shown(parsed.host);
    check_shown(parsed.user);
    for (enum user_field field = USER_HOST; field <= USER_FORWARDED_LAST; field++) check_visitor(&parsed, field);
    datetime_format(parsed.unix_ms, text);
    check(strlen(text) == strlen("2015-05-17T10:05:03Z"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct text line = {(const char *)data, (uint32_t)size};
    static struct skip_tally tallies[SKIPS];
    check_line(line, false);
    check_line(line, true);
    tallies[SKIP_FIELDS].lines = 0;
    skip_count(tallies, SKIP_FIELDS, line, 1);
    check(utf8_valid(tallies[SKIP_FIELDS].sample, strlen(tallies[SKIP_FIELDS].sample)));
    return 0;
}
