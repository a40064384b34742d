/* What one line of an access log says, whatever its format. */
#ifndef MUSTER_CLI_ACCESS_LINE_H
#define MUSTER_CLI_ACCESS_LINE_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The texts are as the log has them, of any bytes; len 0: the line does not have them. */
struct access_line {
    struct text host;      /* the remote host */
    struct text user;      /* the authenticated user; may contain blanks, may be - or "" */
    struct text forwarded; /* X-Forwarded-For: addresses, a comma between two of them */
    struct text agent;     /* the user agent; has_agent tells an empty one from none */
    int64_t unix_ms;       /* milliseconds since 1970-01-01T00:00:00Z */
    int status;            /* of the answer, 100 to 999; 0: unknown */
    bool has_agent;        /* the format has a user agent */
};

#endif
