/* UTF-8, one code point at a time. Pure, and safe in every thread. */
#ifndef MUSTER_CLI_UTF8_H
#define MUSTER_CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the code point at the start of `len` ≥ 1 bytes into *point and returns its length, 1..4.
 * 0, and *point is the first byte, where the bytes are not UTF-8 as RFC 3629 has it: no overlong forms, no surrogates,
 * nothing past U+10FFFF. */
size_t utf8_decode(const char *data, size_t len, uint32_t *point);

/* Whether `len` bytes are UTF-8. NUL is a code point like any other; no bytes are UTF-8 too. */
bool utf8_valid(const char *data, size_t len);

#endif
