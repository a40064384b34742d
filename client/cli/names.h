/* The users that a command is about: its arguments, or the lines of standard input where the only argument is `-`;
 * taken in batches that fit a request. One thread. */
#ifndef MUSTER_CLI_NAMES_H
#define MUSTER_CLI_NAMES_H

#include "command.h"

struct names;

/* arguments: count of them, at least one; outlive the names. batch_max: names in a batch at most, 1..MUSTER_BEATS_MAX.
 * extra_bytes: what a request needs for each besides the name. Ends the program where memory is short. */
struct names *names_new(char **arguments, size_t count, size_t batch_max, size_t extra_bytes);
void names_free(struct names *names);

/* The next batch: NUL-terminated names, valid until the next call. 0: the end, or *status is what to exit with, after a
 * message. Lines that are empty are passed over; one that contains NUL cannot be a user. */
size_t names_next(struct names *names, const char *const **out, int *status);

/* Where the last batch came from, for messages: "lines 1 to 10000"; NULL: from the arguments. */
const char *names_where(const struct names *names);

/* Whether standard input is read: there may be many. */
bool names_are_streamed(const struct names *names);

#endif
