/* A record: a register of a session or of a user, or a scope's reset, on the wire (muster.v1.Record). */
#ifndef MUSTER_CLUSTER_RECORD_H
#define MUSTER_CLUSTER_RECORD_H

#include "common/protobuf.h"
#include "core/roll.h"
#include "decode_memory.h"

/* Field and length of the record, its strings with theirs, and its numbers. */
enum { RECORD_BYTES_MAX = 1 + 3 + 3 * (1 + 2 + MUSTER_ID_BYTES_MAX) + (1 + 2 + MUSTER_STATE_BYTES_MAX) + 64 };

/* The greatest age of a record: what is older is forgotten everywhere. */
#define RECORD_AGE_MAX_MS (MUSTER_RETENTION_MAX_MS + MUSTER_STATUS_TTL_MAX_MS)
#define SEQUENCE_MAX      ((UINT64_C(1) << 48) - 1) /* as the roll keeps it */

/* Writes it as field `number`. sender: the origin that is left out; now_ms: the instant at which the age is meant. */
void record_put(struct pb_writer *out, unsigned number, const struct change *change, uint64_t sender, uint64_t now_ms);

enum record_verdict { RECORD_GOOD, RECORD_WRONG, RECORD_BROKEN };

/* Reads a record; its texts point into the message. RECORD_BROKEN: it is no protobuf; RECORD_WRONG: a value is out of
 * its range. change->seen_ms is the *age*. change->origin is `sender` where none is given. */
enum record_verdict record_get(struct text bytes, uint64_t sender, struct change *change);

/* The records of a message, one after the other, decoded into memory->records. What is out of its range is left out and
 * counted in `wrong`. */
struct record_list {
    struct change *items;
    size_t count, wrong;
};
/* Adds one. `sender` as in record_get. false: memory is short. */
bool record_list_add(struct record_list *list, struct decode_memory *memory, struct text bytes, uint64_t sender);

#endif
