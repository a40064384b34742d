/* The memory that one message at a time is decoded into. It grows as elements are found, never by a length that the
 * message names, and is kept from one message to the next. Begin with {0} and an allocator. */
#ifndef MUSTER_CLUSTER_DECODE_MEMORY_H
#define MUSTER_CLUSTER_DECODE_MEMORY_H

#include "core/allocator.h"
#include "core/roll.h"
#include "replica_limits.h"

struct decode_memory {
    struct allocator allocator;
    struct change *records;
    size_t record_capacity;
    struct refresh *refreshes;
    size_t refresh_capacity;
    struct known vector[ROLL_ORIGINS_MAX];
    struct text peer_hints[REPLICA_PEERS_MAX];
};

/* Makes room for one more record, or refresh, than `count`. false: memory is short; what is there stays. */
bool decode_memory_fit_record(struct decode_memory *memory, size_t count);
bool decode_memory_fit_refresh(struct decode_memory *memory, size_t count);
void decode_memory_free(struct decode_memory *memory);

#endif
