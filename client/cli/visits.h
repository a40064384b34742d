/* What an access log says of who came when: its visits, ordered by their own time. One thread. */
#ifndef MUSTER_CLI_VISITS_H
#define MUSTER_CLI_VISITS_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One line of the log. */
struct visit {
    int64_t unix_s;
    uint32_t user;  /* see visits_user */
    uint32_t order; /* among all, as the log has them */
};

enum visits_who { VISITS_HOST, VISITS_AUTHENTICATED };

struct visits {
    uint64_t lines;                      /* all that were read */
    uint64_t malformed, first_malformed; /* lines that are not of the format; the number of the first one, from 1 */
    uint64_t nameless;                   /* lines that are, but name no user: not authenticated, or no id (see below) */
    struct visit *items;                 /* by unix_s, and where it is equal as the log has them */
    size_t count;
    size_t users; /* distinct ones */
    struct user_names *names;
};

/* Reads a whole log of the common or combined format. who: which field is the user. A name that cannot be an id (longer
 * than MUSTER_ID_BYTES_MAX, not UTF-8, with a NUL) makes its line malformed. Shows its progress on a terminal.
 * false: the log cannot be read (errno), or it has more than UINT32_MAX visits (EFBIG); *out is empty then.
 * Ends the program where memory is short: 16 bytes a visit, and some 64 and the name a user. */
bool visits_read(FILE *in, enum visits_who who, struct visits *out);
void visits_free(struct visits *visits);

/* The name of a user, NUL-terminated; valid as long as the visits are. */
struct text visits_user(const struct visits *visits, uint32_t user);

#endif
