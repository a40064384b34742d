/* One line of a web server's access log, in the common or the combined log format:
 *     host ident user [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 2326 …
 * (https://httpd.apache.org/docs/2.4/logs.html#accesslog). What follows the size, if anything does, is not looked at:
 * the combined format's referrer and user agent, whatever else a server was told to append, also cut off.
 * Pure, and safe in every thread. */
#ifndef MUSTER_CLI_CLF_H
#define MUSTER_CLI_CLF_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

struct clf_line {
    struct text host; /* 1.. bytes, without blanks; into the line that was parsed */
    struct text user; /* the authenticated one, len 0 where the log says `-`; may hold blanks; into the line as well */
    int64_t unix_s;   /* when, in seconds since 1970-01-01T00:00:00Z: the offset is taken into account */
};

/* Parses a line without its line end. Any bytes may come in. Names stay as the log has them, escapes included; the
 * caller decides whether they are ids.
 * false, and *out is zero, if the line is not of the format. Cost O(length). */
bool clf_parse(struct text line, struct clf_line *out);

#endif
