/* Golden vectors: bytes in hex, in files that a change of the wire format would have to change. */
#ifndef MUSTER_TESTS_GOLDEN_H
#define MUSTER_TESTS_GOLDEN_H

#include "common/text.h"

#include <stddef.h>
#include <stdint.h>

/* Reads GOLDEN_PATH/name; spaces, line ends and comments after `#` are passed over. Returns the length; fails the test
 * if there is no such file. */
size_t golden_read(const char *name, uint8_t *bytes, size_t capacity);
/* Fails the test, and prints what was made, unless it is what the file has. */
void golden_require(const char *name, struct text made);

#endif
