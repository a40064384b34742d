/* The visits in access logs, sorted by their time. One thread. */
#ifndef MUSTER_CLI_VISITS_H
#define MUSTER_CLI_VISITS_H

#include "common/error.h"
#include "common/text.h"
#include "log_format.h"
#include "skip.h"
#include "visitor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { VISITS_MAX = 1 << 28 }; /* 4 GiB of visits; as much again while they are sorted */

/* One line of a log. */
struct visit {
    int64_t unix_ms;
    uint32_t user;  /* see visits_user */
    uint32_t order; /* position among all visits as they were read */
};

struct visits_rule {
    enum log_format format; /* FORMAT_AUTO: guessed from the first lines of each log */
    struct visitor_rule visitor;
    const char *user_path, *time_path; /* of JSON lines, see json_line_new; NULL: those that are known */
};

struct visits {
    uint64_t lines;                   /* lines read */
    struct skip_tally tallies[SKIPS]; /* lines that are no visits */
    bool has_format[LOG_FORMATS];     /* of a log; FORMAT_AUTO: none of the first lines could be parsed */
    bool has_agents;                  /* a line has a user agent */
    struct visit *items;              /* in the order of the lines, and after visits_sort of their times */
    size_t count, capacity;
    struct user_names *names;
};

/* No visits yet. For visits_free. Ends the program if memory is short, as visits_read does. */
struct visits *visits_new(void);
void visits_free(struct visits *visits);

/* Adds the visits of a log, plain or compressed (see unpack.h). Shows progress on a terminal. False: the log cannot be
 * read to its end, or there are more than VISITS_MAX visits; some may have been added. It takes 16 bytes per visit, and
 * about 64 and the name per user. */
bool visits_read(struct visits *visits, const struct visits_rule *rule, FILE *in, struct error *error);

/* Sorts by time, then by position. Takes as much memory again as the visits, unless they are sorted already. */
void visits_sort(struct visits *visits);

/* Distinct users. */
size_t visits_users(const struct visits *visits);
/* The name of a user, NUL-terminated; valid until the visits are freed. */
struct text visits_user(const struct visits *visits, uint32_t user);

#endif
