/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. Pure, and safe in every thread. */
#ifndef MUSTER_COMMON_UTF8_H
#define MUSTER_COMMON_UTF8_H

#include "text.h"

#include <stddef.h>

enum utf8_verdict { UTF8_GOOD, UTF8_BROKEN, UTF8_HAS_NUL };

/* Whether a text is UTF-8 without NUL, as ids are. *at: the offset of the first bad byte; of the text's end if it is
 * good. */
enum utf8_verdict utf8_check(struct text text, uint32_t *at);

/* Decodes the code point at the start of `len` ≥ 1 bytes into *point and returns its length, 1..4.
 * 0, and *point is the first byte, where the bytes are not UTF-8. NUL is a code point like any other. */
size_t utf8_decode(const char *data, size_t len, uint32_t *point);

/* Whether `len` bytes are UTF-8, NUL included; no bytes are UTF-8 too. */
bool utf8_valid(const char *data, size_t len);

#endif
