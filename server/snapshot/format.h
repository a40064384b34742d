/* A snapshot: the roll as bytes that a later incarnation of a node starts from.
 *
 * Pure: no file, no clock. It is written and read a block at a time, so that the lock is never held for more than a
 * slice of the roll, and neither side needs memory for more than one block.
 *
 *     head:   "muster snapshot" and a NUL, version (u32)
 *     block:  kind (u8), length of the payload (u32), payload, checksum (16)
 *     blocks: one HEADER, any number of CHANGES, one END with the number of changes; nothing after it
 *
 * Numbers are little-endian, or varints of at most ten bytes. A checksum covers the version, the block and the checksum
 * before it, so that a block that is missing, doubled, out of place or of another snapshot is seen as damage. It is
 * BLAKE2b (libsodium's generichash, no key): there at no new dependency, faster than any disk here, and unlike a CRC as
 * good against a whole block of zeros as against a flipped bit. It keeps damage out, not an attacker who may write to
 * the directory: such a one can read the keyring beside it as well.
 *
 * What is in it: every register and reset with its origin, sequence and stamp, ages instead of times, the version
 * vector as it was when the walk began, and the sync addresses of the peers. */
#ifndef MUSTER_SNAPSHOT_FORMAT_H
#define MUSTER_SNAPSHOT_FORMAT_H

#include "cluster/replica.h"
#include "core/hlc.h"
#include "core/roll.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEAD_BYTES = 16 + 4,
    SNAPSHOT_PREFIX_BYTES = 1 + 4, /* before a block's payload */
    SNAPSHOT_SUM_BYTES = 16,
    SNAPSHOT_BLOCK_CHANGES_MAX = 256,      /* a slice of the roll: one hold of the lock */
    SNAPSHOT_BLOCK_BYTES_MAX = 512 * 1024, /* a whole block */
    SNAPSHOT_CHANGE_BYTES_MAX = 1 + 8 + 8 + 10 + 10 + 5 + 3 * (1 + MUSTER_ID_BYTES_MAX) + 2 + MUSTER_STATE_BYTES_MAX,
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

/* How long ago `then` was: exact within one run of the machine, by the wall clock from one to the next, and 0 where the
 * wall clock says that it is yet to come. */
uint64_t snapshot_elapsed_ms(const struct snapshot_moment *then, const struct snapshot_moment *now);

struct snapshot_header {
    struct snapshot_moment begun; /* when the walk began: ages are told as of later, see the blocks */
    uint64_t cluster;             /* as snapshot_cluster has it; 0: the node had no key */
    uint64_t origin;              /* the incarnation that wrote it */
    uint64_t stamp;               /* the greatest that its clock had given or seen */
    const struct known *vector;   /* as it was when the walk began */
    size_t vector_count;          /* at most SNAPSHOT_ORIGINS_MAX */
    const struct text *peers;     /* sync addresses, 1..REPLICA_ADDRESS_BYTES_MAX bytes each */
    size_t peer_count;            /* at most SNAPSHOT_PEERS_MAX */
};

/* A name for a cluster, from the secret of its places (keyring_hash_key), which it does not give away. Never 0. */
uint64_t snapshot_cluster(const uint8_t hash_key[16]);

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* A walk over a roll. Some 30 kB: not for the stack of a small thread. No memory of its own. */
struct snapshot_writer {
    struct walk_cursor cursor;
    uint64_t begun_ms, changes;
    uint8_t sum[SNAPSHOT_SUM_BYTES];
    bool is_walked, is_ended;
    struct change slice[SNAPSHOT_BLOCK_CHANGES_MAX];
};

/* Begins a snapshot. Writes the head and the header to `out` (SNAPSHOT_HEAD_BYTES + SNAPSHOT_BLOCK_BYTES_MAX) and
 * returns how many bytes; they are complete. The header, and the walk's beginning, must be of one hold of the lock. */
size_t snapshot_begin(struct snapshot_writer *writer, const struct snapshot_header *header, uint8_t *out);

/* The next slice of the roll, as a block that lacks its checksum. To be called with the lock held, for about as long as
 * SNAPSHOT_BLOCK_CHANGES_MAX members take to be copied. `out`: SNAPSHOT_BLOCK_BYTES_MAX. Returns false at the end; *len
 * may be 0 before: nothing to write, call again. */
bool snapshot_next(struct snapshot_writer *writer, const struct roll *roll, uint64_t now_ms, uint8_t *out, size_t *len);

/* Completes a block of snapshot_next: in the order they were made, each once, without the lock. */
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

/* What has been read. Some 130 kB. No memory of its own. */
struct snapshot_reader {
    struct snapshot_header header; /* once the header was read; points into what follows */
    struct known vector[SNAPSHOT_ORIGINS_MAX];
    struct text peers[SNAPSHOT_PEERS_MAX];
    char addresses[SNAPSHOT_PEERS_MAX * REPLICA_ADDRESS_BYTES_MAX];

    enum snapshot_kind kind;                           /* of the last block */
    uint64_t written_ms;                               /* CHANGES: when they were written, after header.begun */
    struct change changes[SNAPSHOT_BLOCK_CHANGES_MAX]; /* CHANGES: texts point into the block; seen_ms is an *age* */
    size_t change_count;

    uint64_t changes_before; /* of all blocks before */
    uint8_t sum[SNAPSHOT_SUM_BYTES];
    bool has_header, is_ended;
};

/* Begins to read. SNAPSHOT_GOOD, _FOREIGN or _NEWER. */
enum snapshot_fault snapshot_open(struct snapshot_reader *reader, const uint8_t head[SNAPSHOT_HEAD_BYTES]);

/* The bytes of a whole block, from its prefix; 0: no block can be so long. */
size_t snapshot_block_bytes(const uint8_t prefix[SNAPSHOT_PREFIX_BYTES]);

/* Reads one whole block. Anything may be passed; what is in reader->changes holds while `block` does. SNAPSHOT_GOOD or
 * _DAMAGED; after that the reader reads no more. */
enum snapshot_fault snapshot_read(struct snapshot_reader *reader, const uint8_t *block, size_t len);

struct snapshot_merged {
    uint64_t changes; /* that changed something */
    uint64_t refused; /* that found no room */
};

/* Merges the changes of the last block, with ages carried over to `now`, and moves `clock` past their stamps. A roll
 * that is full takes what fits. Adds to *merged. */
void snapshot_merge(struct snapshot_reader *reader, struct roll *roll, struct hlc *clock,
                    const struct snapshot_moment *now, struct snapshot_merged *merged);

#endif
