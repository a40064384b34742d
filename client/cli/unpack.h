/* The bytes of a file that may be compressed: gzip and zstd are told by their first bytes, whatever the file is called,
 * and unpacked as they are read, in bounded memory. Several gzip members or zstd frames in a row are one content. A
 * byte order mark before the content is passed over. One thread. */
#ifndef MUSTER_CLI_UNPACK_H
#define MUSTER_CLI_UNPACK_H

#include <stddef.h>
#include <stdio.h>

enum { UNPACK_ROOM_MIN = 3 }; /* for a byte order mark */

struct unpack;

/* Reads from `in`, which the caller closes after unpack_free. Ends the program if memory is short: it takes 300 KiB,
 * and what zstd's window needs, 128 MiB at most. */
struct unpack *unpack_new(FILE *in);
void unpack_free(struct unpack *unpack);

/* Writes 1 to `room` bytes of the content to `to` and returns how many; room is at least UNPACK_ROOM_MIN. 0: the end of
 * the content, or an error that unpack_error tells. */
size_t unpack_read(struct unpack *unpack, char *to, size_t room);

/* Why the content ended early, such as "the gzip archive is truncated"; NULL: it did not. Valid until unpack_free. */
const char *unpack_error(const struct unpack *unpack);

#endif
