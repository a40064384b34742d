/* A bump allocator with a cap: memory for one request, freed as a whole by a reset.
 *
 * The cap makes hostile input fail cleanly: a message of 1 MiB can unpack to 33 MiB. Not thread-safe. */
#ifndef MUSTER_REPLY_ARENA_H
#define MUSTER_REPLY_ARENA_H

#include "common/text.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena {
    char *base;
    size_t capacity, used;
    bool is_exhausted; /* an allocation was refused since the last reset */
};

/* Reserves `capacity` bytes of address space; they become resident as they are used. False if there is none. */
bool arena_open(struct arena *arena, size_t capacity);
void arena_close(struct arena *arena);

/* Frees all that was allocated. Memory beyond `keep_bytes` goes back to the system. */
void arena_reset(struct arena *arena, size_t keep_bytes);

/* `count` items of `size` bytes, aligned to 16, not zeroed. NULL if they would pass the cap. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* A copy of `text`, without alignment. False if it would pass the cap; then *copy is empty. */
bool arena_copy(struct arena *arena, struct text text, struct text *copy);

/* The arena as an allocator of protobuf-c; freeing does nothing. */
ProtobufCAllocator arena_protobuf(struct arena *arena);

#endif
