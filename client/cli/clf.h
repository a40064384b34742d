/* One line of a web server's access log, in the common or the combined log format: host ident user
 * [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 2326 … (https://httpd.apache.org/docs/2.4/logs.html#accesslog).
 * Everything behind the size is ignored: the combined format's referrer and user agent, and fields that a server was
 * configured to append, complete or not. Pure, and safe in every thread. */
#ifndef MUSTER_CLI_CLF_H
#define MUSTER_CLI_CLF_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

struct clf_line {
    struct text host; /* at least 1 byte, no blanks; points into the parsed line */
    struct text user; /* the authenticated user, len 0 for `-`; may contain blanks; points into the parsed line */
    int64_t unix_s;   /* seconds since 1970-01-01T00:00:00Z; the offset from UTC is applied */
};

/* Parses a line without its line end. The bytes may be anything. Names are not unescaped, and the caller checks that
 * they are ids. false, and *out is zero, if the line is not in this format. Cost O(length). */
bool clf_parse(struct text line, struct clf_line *out);

#endif
