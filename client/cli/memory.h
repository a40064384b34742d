/* Allocation for a short-lived program: it ends with a message when memory is short. */
#ifndef MUSTER_CLI_MEMORY_H
#define MUSTER_CLI_MEMORY_H

#include <stddef.h>

/* Memory is short: ends the program with a message and command_failed. */
_Noreturn void memory_fail(void);

/* `bytes` of zeroed memory, for free(3). Never NULL: ends the program with a message and command_failed. */
void *memory_new(size_t bytes);

/* `memory` (may be NULL) resized to count items of item_bytes each as realloc(3) does; new bytes are not zeroed. */
void *memory_grow(void *memory, size_t count, size_t item_bytes);

/* A copy of `len` bytes with a NUL behind them, for free(3). */
char *memory_text(const char *data, size_t len);

#endif
