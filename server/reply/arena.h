/* A bump allocator with a cap: memory for one request, given back by a reset.
 *
 * The cap is what makes hostile input fail cleanly: a message of 1 MiB can unpack to 33 MiB. Not thread-safe. */
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

/* Forgets all that was allocated. What grew beyond `keep_bytes` is given back to the system. */
void arena_reset(struct arena *arena, size_t keep_bytes);

/* `count` items of `size` bytes, aligned to 16, not zeroed. NULL where the cap is met. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* A copy of `text`, without alignment. False where the cap is met; then *copy is empty. */
bool arena_copy(struct arena *arena, struct text text, struct text *copy);

/* The arena as protobuf-c wants it; freeing does nothing. */
ProtobufCAllocator arena_protobuf(struct arena *arena);

#endif
