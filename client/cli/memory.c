#include "memory.h"

#include "command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void memory_fail(void) {
    (void)fputs("muster: out of memory\n", stderr);
    exit(command_failed);
}

void *memory_new(size_t bytes) {
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    if (memory == NULL) memory_fail();
    return memory;
}

void *memory_grow(void *memory, size_t count, size_t item_bytes) {
    if (item_bytes != 0 && count > SIZE_MAX / item_bytes) memory_fail();
    const size_t bytes = count * item_bytes;
    void *grown = realloc(memory, bytes == 0 ? 1 : bytes);
    if (grown == NULL) memory_fail();
    return grown;
}

char *memory_text(const char *data, size_t len) {
    char *copy = memory_new(len + 1);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}
