/* A snapshot: the roll as bytes that a later incarnation of a node starts from.
 *
 * Pure: no file, no clock. It is written and read block by block, so that the node's lock is held for a slice of the
 * roll at a time, and neither side needs memory for more than one block.
 *
 *     head:   "muster snapshot" and a NUL, version (u32)
 *     block:  kind (u8), length of the payload (u32), payload, checksum (16)
 *     blocks: one HEADER, any number of CHANGES, one END with the number of changes; nothing after it
 *
 * Numbers are little-endian, or varints (common/protobuf.h). A checksum covers the version, the block and the checksum
 * before it, so that a block that is missing, repeated, out of place or of another snapshot is found. It is BLAKE2b
 * (libsodium's generichash, without a key): it needs no new dependency, is faster than a disk, and detects a block of
 * zeros as surely as a flipped bit. It protects against damage, not against an attacker who may write to the directory.
 *
 * A snapshot contains every register and reset with its origin, sequence and stamp, ages instead of times, the version
 * vector as it was when the walk began, and the sync addresses of the peers. */
#ifndef MUSTER_SNAPSHOT_FORMAT_H
#define MUSTER_SNAPSHOT_FORMAT_H

#include "cluster/replica.h"
#include "core/hlc.h"
#include "core/roll.h"

enum {
    SNAPSHOT_VERSION = 2,        /* that is written */
    SNAPSHOT_VERSION_OLDEST = 1, /* that is read; 1 has no registers of users */
    SNAPSHOT_HEAD_BYTES = 16 + 4,
    SNAPSHOT_PREFIX_BYTES = 1 + 4, /* before a block's payload */
    SNAPSHOT_SUM_BYTES = 16,
    SNAPSHOT_BLOCK_CHANGES_MAX = 256,      /* a slice of the roll: one hold of the lock */
    SNAPSHOT_BLOCK_BYTES_MAX = 512 * 1024, /* a whole block */
    SNAPSHOT_CHANGE_BYTES_MAX =
        1 + 8 + 8 + 10 + 10 + 5 + 3 * (1 + MUSTER_ID_BYTES_MAX) + 2 + MUSTER_STATE_BYTES_MAX + 1,
    SNAPSHOT_ORIGINS_MAX = ROLL_ORIGINS_MAX, /* of the version vector; beyond it the oldest are left out */
    SNAPSHOT_PEERS_MAX = REPLICA_PEERS_MAX,
    SNAPSHOT_BOOT_BYTES = 16,
};
_Static_assert(SNAPSHOT_BLOCK_CHANGES_MAX *SNAPSHOT_CHANGE_BYTES_MAX + 64 <= SNAPSHOT_BLOCK_BYTES_MAX,
               "a slice fits a block");
_Static_assert(SNAPSHOT_ORIGINS_MAX * 16 + SNAPSHOT_PEERS_MAX * (1 + REPLICA_ADDRESS_BYTES_MAX) + 256 <=
                   SNAPSHOT_BLOCK_BYTES_MAX,
               "the header fits a block");
_Static_assert((int)SNAPSHOT_BLOCK_CHANGES_MAX > (int)MUSTER_SESSIONS_MAX, "roll_walk never splits a user");
_Static_assert((int)SNAPSHOT_BLOCK_CHANGES_MAX <= (int)ROLL_MERGE_MAX, "a block is merged in one call");

/* A moment on the clocks that outlive a process. */
struct snapshot_moment {
    uint64_t now_ms;                   /* the roll's clock; goes on from process to process while the machine runs */
    uint64_t wall_ms;                  /* since 1970, as the machine believes */
    uint8_t boot[SNAPSHOT_BOOT_BYTES]; /* which run of the machine now_ms is of; zeros: unknown */
};

/* The time from `then` to `now`: exact within one run of the machine, else by the wall clock; 0 where that says that
 * `then` is in the future. */
uint64_t snapshot_elapsed_ms(const struct snapshot_moment *then, const struct snapshot_moment *now);

struct snapshot_header {
    struct snapshot_moment begun; /* when the walk began; the ages in a block are as of written_ms later */
    uint64_t cluster;             /* as snapshot_cluster has it; 0: the node had no key */
    uint64_t origin;              /* the incarnation that wrote it */
    uint64_t stamp;               /* the greatest that the node's hybrid clock had given or seen */
    const struct known *vector;   /* as it was when the walk began */
    size_t vector_count;          /* at most SNAPSHOT_ORIGINS_MAX */
    const struct text *peers;     /* sync addresses, 1..REPLICA_ADDRESS_BYTES_MAX bytes each */
    size_t peer_count;            /* at most SNAPSHOT_PEERS_MAX */
};

/* Identifies a cluster by its secret hash key (keyring_hash_key) without revealing it. Never 0. */
uint64_t snapshot_cluster(const uint8_t hash_key[16]);

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* A walk over a roll. Some 30 kB, so not for the stack of a small thread. It owns no memory. */
struct snapshot_writer {
    struct walk_cursor cursor;
    uint64_t begun_ms, changes;
    uint8_t sum[SNAPSHOT_SUM_BYTES];
    bool is_walked, is_ended;
    struct change slice[SNAPSHOT_BLOCK_CHANGES_MAX];
};

/* Begins a snapshot. Writes the head and the header to `out` (SNAPSHOT_HEAD_BYTES + SNAPSHOT_BLOCK_BYTES_MAX) and
 * returns their length; they are complete. The caller has gathered the header, and calls this, in one hold of the
 * node's lock. */
size_t snapshot_begin(struct snapshot_writer *writer, const struct snapshot_header *header, uint8_t *out);

/* Writes the next slice of the roll to `out` (SNAPSHOT_BLOCK_BYTES_MAX), as a block without its checksum. To be called
 * with the node's lock held; copies at most SNAPSHOT_BLOCK_CHANGES_MAX members. Returns false at the end. *len: the
 * block's length; 0 where there is none yet, or none any more. */
bool snapshot_next(struct snapshot_writer *writer, const struct roll *roll, uint64_t now_ms, uint8_t *out, size_t *len);

/* Writes the checksum of a block of snapshot_next. To be called for each block, once, in the order of snapshot_next;
 * the lock is not needed. */
void snapshot_seal(struct snapshot_writer *writer, uint8_t *block, size_t len);

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

/* What can be wrong with a snapshot. */
#define SNAPSHOT_FAULTS(X)                                                                                             \
    X(SNAPSHOT_GOOD, "good")                                                                                           \
    X(SNAPSHOT_FOREIGN, "it is no snapshot of Muster")                                                                 \
    X(SNAPSHOT_NEWER, "it was written by a newer version")                                                             \
    X(SNAPSHOT_OF_ANOTHER_CLUSTER, "it was written under the key of another cluster")                                  \
    X(SNAPSHOT_TRUNCATED, "it ends too early")                                                                         \
    X(SNAPSHOT_DAMAGED, "it is damaged")                                                                               \
    X(SNAPSHOT_UNREADABLE, "it cannot be read")
#define X(name, text) name,
enum snapshot_fault { SNAPSHOT_FAULTS(X) };
#undef X
const char *snapshot_fault_text(enum snapshot_fault fault); /* static */

enum snapshot_kind { SNAPSHOT_HEADER = 1, SNAPSHOT_CHANGES = 2, SNAPSHOT_END = 3 };

/* What has been read. Some 130 kB. It owns no memory. */
struct snapshot_reader {
    struct snapshot_header header; /* valid once has_header; points into the next three */
    struct known vector[SNAPSHOT_ORIGINS_MAX];
    struct text peers[SNAPSHOT_PEERS_MAX];
    char addresses[SNAPSHOT_PEERS_MAX * REPLICA_ADDRESS_BYTES_MAX];

    enum snapshot_kind kind; /* of the last block */
    uint64_t written_ms;     /* of CHANGES: ms from header.begun to the writing of the block */
    struct change changes[SNAPSHOT_BLOCK_CHANGES_MAX]; /* of CHANGES: texts point into the block; seen_ms is an *age* */
    size_t change_count;

    uint32_t version;
    uint64_t changes_before; /* in all blocks before the last */
    uint8_t sum[SNAPSHOT_SUM_BYTES];
    bool has_header, is_ended;
};

/* Begins to read a snapshot: SNAPSHOT_GOOD, _FOREIGN or _NEWER. */
enum snapshot_fault snapshot_open(struct snapshot_reader *reader, const uint8_t head[SNAPSHOT_HEAD_BYTES]);

/* The length of a whole block, from its prefix; 0: no block is that long. */
size_t snapshot_block_bytes(const uint8_t prefix[SNAPSHOT_PREFIX_BYTES]);

/* Reads one whole block; any bytes may be passed. reader->changes is valid while `block` is. SNAPSHOT_GOOD, or
 * _DAMAGED, after which the reader reads nothing more. */
enum snapshot_fault snapshot_read(struct snapshot_reader *reader, const uint8_t *block, size_t len);

struct snapshot_merged {
    uint64_t changes; /* merged, and newer than what the roll had */
    uint64_t refused; /* not merged: the roll has no room */
};

/* Merges the changes of the last block into the roll, with their ages as of `now`, and moves `clock` past their stamps.
 * Where not all of them fit, as many as do are merged. Adds to *merged. */
void snapshot_merge(struct snapshot_reader *reader, struct roll *roll, struct hlc *clock,
                    const struct snapshot_moment *now, struct snapshot_merged *merged);

#endif
