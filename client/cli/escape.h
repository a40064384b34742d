/* Texts of strangers, made fit for a terminal. Pure but for wcwidth(3), which asks the locale set by the program. */
#ifndef MUSTER_CLI_ESCAPE_H
#define MUSTER_CLI_ESCAPE_H

#include <stddef.h>

/* An escaped text needs at most so many bytes for each of its own, and one more for the NUL. */
enum { ESCAPE_GROWTH = 6 };

/* Writes `len` bytes of any kind as printable UTF-8, NUL-terminated, and returns the length written. Control characters
 * become \n, \t, \r or \u001b, as do the invisible ones that turn the direction of writing or break lines; bytes that
 * are not UTF-8 become \xff. A backslash stays a backslash. out: room for len * ESCAPE_GROWTH + 1 bytes. */
size_t text_escape(const char *data, size_t len, char *out);

/* How many columns of a terminal an escaped text takes: wide characters two, combining ones none. */
size_t text_width(const char *escaped);

#endif
