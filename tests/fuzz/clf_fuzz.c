// links: client/cli/clf.c client/cli/datetime.c client/cli/escape.c common/utf8.c
/* A line of an access log, of any bytes: what the parser answers lies within the line, and can be shown. */
#include "client/cli/clf.h"
#include "client/cli/datetime.h"
#include "client/cli/escape.h"
#include "common/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) abort();
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct text line = {(const char *)data, (uint32_t)size};
    struct clf_line parsed;
    if (!clf_parse(line, &parsed)) {
        check(parsed.host.len == 0 && parsed.user.len == 0 && parsed.unix_s == 0);
        return 0;
    }
    char text[DATETIME_TEXT_BYTES];
    check(parsed.host.len > 0);
    check_part(parsed.host, line);
    check_part(parsed.user, line);
    check_shown(parsed.host);
    check_shown(parsed.user);
    datetime_format(parsed.unix_s * 1000, text);
    check(strlen(text) == strlen("2015-05-17T10:05:03Z"));
    return 0;
}
