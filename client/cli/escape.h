/* Untrusted text, escaped for a terminal. Pure except for wcwidth(3), which depends on the locale of the program. */
#ifndef MUSTER_CLI_ESCAPE_H
#define MUSTER_CLI_ESCAPE_H

#include <stddef.h>

/* An escaped text takes at most this many bytes for each original byte, and one for the NUL. */
enum { ESCAPE_GROWTH = 6 };

/* Writes `len` bytes of any kind as printable UTF-8, NUL-terminated, and returns the length written. Control characters
 * become \n, \t, \r or \u001b, as do invisible characters that change the direction of writing or break lines; bytes
 * that are not UTF-8 become \xff. A backslash stays a backslash. out: room for len * ESCAPE_GROWTH + 1 bytes. */
size_t text_escape(const char *data, size_t len, char *out);

/* The columns that an escaped text takes on a terminal: two for a wide character, none for a combining one. */
size_t text_width(const char *escaped);

#endif
