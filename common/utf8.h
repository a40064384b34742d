/* Whether bytes are UTF-8 without NUL (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF). */
#ifndef MUSTER_COMMON_UTF8_H
#define MUSTER_COMMON_UTF8_H

#include "text.h"

enum utf8_verdict { UTF8_GOOD, UTF8_BROKEN, UTF8_HAS_NUL };

/* *at: the offset of the first bad byte; of the text's end if it is good. */
enum utf8_verdict utf8_check(struct text text, uint32_t *at);

#endif
