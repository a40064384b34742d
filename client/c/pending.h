/* The requests of one connection that wait for their replies, by request id: a hash table. Ids count up, so that a
 * reply that comes after its request was given up meets no later one. Not thread-safe: the caller holds a mutex. */
#ifndef MUSTER_CLIENT_PENDING_H
#define MUSTER_CLIENT_PENDING_H

#include <stddef.h>
#include <stdint.h>

struct attempt;

struct pending_slot {
    uint32_t id;
    struct attempt *attempt; /* NULL: free */
};

/* Zero-initialised is empty. */
struct pending {
    struct pending_slot *slots; /* open addressing, linear probing; a power of two of them */
    size_t capacity, count;
    uint32_t last_id;
};

void pending_free(struct pending *pending);
/* Adds an attempt under a new id, of 31 bits, which it returns. 0: memory is short. */
uint32_t pending_add(struct pending *pending, struct attempt *attempt);
/* Takes out the attempt of this id; NULL: there is none. */
struct attempt *pending_take(struct pending *pending, uint32_t id);
typedef void pending_each(struct attempt *attempt, const void *arg);
/* Takes out all attempts, and calls `each` for every one. */
void pending_drain(struct pending *pending, pending_each *each, const void *arg);

#endif
