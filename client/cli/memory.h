/* Memory of a short-lived program: where there is none, it says so and ends. */
#ifndef MUSTER_CLI_MEMORY_H
#define MUSTER_CLI_MEMORY_H

#include <stddef.h>

/* `bytes` of zeroed memory, for free(3). Never NULL: ends the program with status 1 and a message. */
void *memory_new(size_t bytes);

/* `memory` (may be NULL) with room for count items of item_bytes each, what is new not zeroed; as realloc(3). */
void *memory_grow(void *memory, size_t count, size_t item_bytes);

/* A copy of `len` bytes with a NUL behind them, for free(3). */
char *memory_text(const char *data, size_t len);

#endif
