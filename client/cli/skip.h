/* Why a line of an access log names no visit: one reason a line, counted, each with the first line as a sample. Pure.
 */
#ifndef MUSTER_CLI_SKIP_H
#define MUSTER_CLI_SKIP_H

#include "common/text.h"
#include "escape.h"

#include <stdbool.h>
#include <stdint.h>

enum skip {
    SKIP_NONE, /* the line names a visit */
    SKIP_EMPTY,
    SKIP_CUT,
    SKIP_QUOTED,
    SKIP_SYSLOG,
    SKIP_ADDRESS_LIST,
    SKIP_VIRTUAL_HOST,
    SKIP_FIELDS,
    SKIP_TIME,
    SKIP_REQUEST,
    SKIP_JSON,
    SKIP_USER_FIELD,
    SKIP_TIME_FIELD,
    SKIP_NO_HOST,
    SKIP_HOST,
    SKIP_NOBODY,
    SKIP_LOGIN,
    SKIP_ID,
    /* Lines that the options leave out. */
    SKIP_STATUS,
    SKIP_BOT,
    SKIPS
};

/* The word of a reason in JSON, such as "syslog_prefix", and the sentence for people. Static. */
const char *skip_word(enum skip skip);
const char *skip_sentence(enum skip skip);

/* Whether the line was understood, and left out by an option. */
bool skip_is_asked(enum skip skip);

enum { SKIP_SAMPLE_BYTES = 160 }; /* of a line, before it is escaped */

struct skip_tally {
    uint64_t lines, first_line;                         /* first_line: its number in its file, from 1 */
    char sample[SKIP_SAMPLE_BYTES * ESCAPE_GROWTH + 4]; /* escaped for a terminal, "..." behind it where it is cut */
};

/* Counts a line. text: any bytes; the first of a reason is kept, shortened. tallies: SKIPS of them. */
void skip_count(struct skip_tally *tallies, enum skip skip, struct text text, uint64_t line_number);

/* The lines of all reasons that options asked for, or of all others. */
uint64_t skip_total(const struct skip_tally *tallies, bool is_asked);

#endif
