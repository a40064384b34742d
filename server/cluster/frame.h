/* A frame: what a node publishes (muster.v1.Frame). */
#ifndef MUSTER_CLUSTER_FRAME_H
#define MUSTER_CLUSTER_FRAME_H

#include "core/hlc.h"
#include "decode_memory.h"
#include "node_info.h"
#include "record.h"
#include "replica_limits.h"
#include "seal/seal.h"

#include <stdatomic.h>

/* What stands at the head of a frame. */
struct frame_head {
    uint64_t origin, number, previous, last, sent_ms;
    bool is_partial;
    uint64_t reach; /* refreshes hold for whoever knows everything up to previous - reach */
};

struct digest {
    struct node_info node_info;
    struct known *vector; /* ascending by origin; room for ROLL_ORIGINS_MAX */
    size_t vector_count;
    uint64_t vector_version, vector_since; /* the vector is what has changed in between; version 0: it is all */
    uint64_t members, wall_ms;
    bool is_leaving;
    struct text peer_hint;
};

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* A frame takes changes in pieces, and is done when it has grown to its mark: then the largest piece still fits. */
enum {
    FRAME_PIECE = 64,                                                  /* changes */
    FRAME_REFRESH_BYTES_MAX = 8 + 3 + 8 + 4 + 3 * PB_VARINT_BYTES_MAX, /* in all columns */
    FRAME_HEAD_BYTES_MAX = 128,                                        /* of the frame and of columns */
    FRAME_RECORDS_AT = SEAL_HEAD_BYTES + FRAME_HEAD_BYTES_MAX,
#ifdef REPLICA_TEST_SMALL_PAGES
    FRAME_MARK_BYTES = 1024,
#else
    FRAME_MARK_BYTES = REPLICA_FRAME_BYTES_MAX / 2,
#endif
    FRAME_REFRESHES_MAX = 4096,
    FRAME_SCOPE_SLOTS = 2 * FRAME_REFRESHES_MAX,
};
_Static_assert(FRAME_MARK_BYTES + (int)FRAME_PIECE * (int)RECORD_BYTES_MAX + FRAME_HEAD_BYTES_MAX +
                       SEAL_OVERHEAD_BYTES <=
                   REPLICA_FRAME_BYTES_MAX,
               "a frame at its mark has room for a piece of records");
_Static_assert((int)FRAME_REFRESH_BYTES_MAX < (int)RECORD_BYTES_MAX, "and for a piece of refreshes");

/* The columns of refreshes, as they are written. */
struct columns {
    uint8_t memory[FRAME_REFRESHES_MAX * FRAME_REFRESH_BYTES_MAX];
    struct pb_writer scopes, scope_indexes, users, sessions, sequences, ages, stamps;
    uint64_t first_sequence, first_age_ms, first_stamp;
    uint64_t sequence, age_ms, stamp;
    size_t count, scope_count;
    bool has_sessions, has_sequences, has_stamps;
    struct text last_scope; /* most are of the scope of the one before */
    uint64_t last_scope_hash;
    uint32_t last_scope_index;
    uint16_t slots[FRAME_SCOPE_SLOTS]; /* scope hash -> index + 1 */
};

/* A frame in the making, and then one that waits to be sealed and published: its owner passes it on. */
struct frame_draft {
    struct frame_pool *pool;
    const struct roll *roll; /* for hashes; not once the frame is complete */
    struct frame_head head;  /* origin and sent_ms: of frame_begin; the rest is filled in by whoever completes it */
    uint8_t memory[REPLICA_FRAME_BYTES_MAX];
    struct pb_writer out; /* records; the head is put before them by frame_end */
    struct columns columns;
};

/* Drafts that are not in use. frame_draft_free may be called by any thread; the pool outlives its drafts. */
enum { FRAME_POOL_DRAFTS = 32 }; /* as many as one flush makes at most */
struct frame_pool {
    struct allocator allocator;
    _Atomic(struct frame_draft *) drafts[FRAME_POOL_DRAFTS];
};
void frame_pool_free(struct frame_pool *pool);
/* NULL: memory is short. */
struct frame_draft *frame_draft_new(struct frame_pool *pool);
void frame_draft_free(struct frame_draft *draft); /* may be NULL */

void frame_begin(struct frame_draft *draft, const struct roll *roll, uint64_t origin, uint64_t now_ms);
/* Whether a piece still fits. */
bool frame_has_room(const struct frame_draft *draft);
/* Adds at most FRAME_PIECE changes, in the order of their sequences. */
void frame_add(struct frame_draft *draft, const struct change *changes, size_t n);
void frame_add_digest(struct frame_draft *draft, const struct digest *digest);
/* The whole frame, not sealed; it lives in the draft, with room for the seal before and after it. *refresh_bytes: what
 * of it is refreshes. Once a draft; needs no lock. */
struct text frame_end(struct frame_draft *draft, size_t *refresh_bytes);

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

/* A frame that was read. Texts point into the message, lists into the memory. */
struct frame {
    struct frame_head head;
    struct record_list records;
    struct refresh *refreshes; /* seen_ms is their *age* */
    size_t refresh_count, wrong_refreshes;
    bool are_refreshes_broken; /* there were some, and none could be read */
    bool has_digest;
    struct digest digest;
};

/* false: broken, a value of the head or of the digest is out of its range, or memory is short. Then *frame is empty. */
bool frame_read(struct text bytes, struct decode_memory *memory, struct frame *frame);

#endif
