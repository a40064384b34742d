/* The visits in an access log, sorted by their time. One thread. */
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
    uint32_t order; /* position in the log */
};

enum visits_who { VISITS_HOST, VISITS_AUTHENTICATED };

struct visits {
    uint64_t lines;                      /* lines read */
    uint64_t malformed, first_malformed; /* lines that do not parse; the number of the first one, from 1 */
    uint64_t nameless;                   /* lines that parse but have no authenticated user */
    struct visit *items;                 /* sorted by unix_s, then by position in the log */
    size_t count;
    size_t users; /* distinct users */
    struct user_names *names;
};

/* Reads a whole log in the common or combined format. who: which field names the user. A name that cannot be an id
 * (longer than MUSTER_ID_BYTES_MAX, not UTF-8, with a NUL) makes its line malformed. Shows progress on a terminal.
 * false, and *out is empty: the log cannot be read (errno), or it has more than UINT32_MAX visits (EFBIG). Ends the
 * program if memory is short; it takes 16 bytes per visit, and about 64 and the name per user. */
bool visits_read(FILE *in, enum visits_who who, struct visits *out);
void visits_free(struct visits *visits);

/* The name of a user, NUL-terminated; valid until the visits are freed. */
struct text visits_user(const struct visits *visits, uint32_t user);

#endif
