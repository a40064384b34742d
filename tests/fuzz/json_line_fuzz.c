/* A line of an access log in JSON, of any bytes: what the parser answers can be used as a user and as a time. */
#include "client/cli/command.h"
#include "client/cli/datetime.h"
#include "client/cli/json_line.h"
#include "client/cli/visitor.h"
#include "common/utf8.h"
#include "fuzz.h"
#include "muster/limits.h"

#include <string.h>

int command_failed = 1; /* command.c's, for memory.c */

static void check_line(enum user_field field, const char *user_path, const char *time_path, struct text line) {
    const struct visitor_rule rule = {.user = field, .is_any_text = user_path != NULL};
    struct json_line *json_line = json_line_new(field, user_path, time_path);
    struct access_line parsed;
    char buffer[ADDRESS_BYTES], text[DATETIME_TEXT_BYTES];
    struct text user;
    if (json_line_parse(json_line, line, &parsed) == SKIP_NONE) {
        hold(parsed.status == 0 || (parsed.status >= 100 && parsed.status <= 999));
        datetime_format(parsed.unix_ms, text);
        hold(strlen(text) >= strlen("2015-05-17T10:05:03Z"));
        if (visitor_of(&rule, &parsed, buffer, &user) == SKIP_NONE)
            hold(user.len > 0 && user.len <= MUSTER_ID_BYTES_MAX && utf8_valid(user.data, user.len));
    } else {
        hold(parsed.host.len == 0 && parsed.user.len == 0 && parsed.forwarded.len == 0 && parsed.unix_ms == 0);
    }
    json_line_free(json_line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct text line = {(const char *)data, (uint32_t)size};
    for (enum user_field field = USER_HOST; field <= USER_FORWARDED_LAST; field++) check_line(field, NULL, NULL, line);
    check_line(USER_HOST, "a.b", "t", line);
    return 0;
}
