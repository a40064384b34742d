/* Who a line of an access log counts as a visitor, if anybody. One thread. */
#ifndef MUSTER_CLI_VISITOR_H
#define MUSTER_CLI_VISITOR_H

#include "access_line.h"
#include "address.h"
#include "json_line.h"
#include "skip.h"
#include "status_set.h"

struct visitor_rule {
    enum user_field user;
    bool is_any_text;           /* the user may be any text, since the field was named by hand */
    bool leaves_out_bots;       /* those that crawlers_know */
    struct status_set excluded; /* statuses that are left out */
};

/* The user of a line: an id. Addresses are canonical. buffer: where the id may be written; *user is valid as long as
 * the line and it. SKIP_NONE, or why there is no user, and *user is empty. */
enum skip visitor_of(const struct visitor_rule *rule, const struct access_line *line, char buffer[ADDRESS_BYTES],
                     struct text *user);

#endif
