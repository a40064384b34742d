/* The users of a command: its arguments, where `-` stands for the lines of standard input; in batches that fit a
 * request. What a slow writer has written is a batch as soon as it pauses for 100 ms. One thread. */
#ifndef MUSTER_CLI_USER_SOURCE_H
#define MUSTER_CLI_USER_SOURCE_H

#include "command.h"

struct user_source;

/* arguments: count of them, at least one; outlive the source. batch_max: names in a batch at most, 1..MUSTER_BEATS_MAX.
 * extra_bytes: bytes that a request needs for each user besides the name. Ends the program if memory is short. */
struct user_source *user_source_new(char **arguments, size_t count, size_t batch_max, size_t extra_bytes);
void user_source_free(struct user_source *source);

/* The next batch: NUL-terminated names, valid until the next call. 0: the end, or, after a message, *status is the exit
 * status. Empty lines are skipped; a line with NUL is an error. */
size_t user_source_next(struct user_source *source, const char *const **out, int *status);

/* The origin of the last batch for messages, "lines 1 to 10000"; NULL: it was of arguments. */
const char *user_source_where(const struct user_source *source);

#endif
