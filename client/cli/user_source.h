/* The users that a command is about: its arguments, or the lines of standard input where the only argument is `-`;
 * taken in batches that fit a request. One thread. */
#ifndef MUSTER_CLI_USER_SOURCE_H
#define MUSTER_CLI_USER_SOURCE_H

#include "command.h"

struct user_source;

/* arguments: count of them, at least one; outlive the source. batch_max: names in a batch at most, 1..MUSTER_BEATS_MAX.
 * extra_bytes: what a request needs for each besides the name. Ends the program where memory is short. */
struct user_source *user_source_new(char **arguments, size_t count, size_t batch_max, size_t extra_bytes);
void user_source_free(struct user_source *source);

/* The next batch: NUL-terminated names, valid until the next call. 0: the end, or *status is what to exit with, after a
 * message. Lines that are empty are passed over; one that contains NUL cannot be a user. */
size_t user_source_next(struct user_source *source, const char *const **out, int *status);

/* Where the last batch came from, for messages: "lines 1 to 10000"; NULL: from the arguments. */
const char *user_source_where(const struct user_source *source);

/* Whether standard input is read: there may be many. */
bool user_source_is_streamed(const struct user_source *source);

#endif
