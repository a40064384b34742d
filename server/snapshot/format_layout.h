/* What writing and reading a snapshot share. Internal to them. */
#ifndef MUSTER_SNAPSHOT_FORMAT_LAYOUT_H
#define MUSTER_SNAPSHOT_FORMAT_LAYOUT_H

#include "common/byteorder.h"
#include "format.h"

#include <sodium.h>
#include <string.h>

static const char snapshot_magic[16] = "muster snapshot";

/* A greater stamp is damage. */
#define SNAPSHOT_STAMP_MAX HLC_STAMP_MAX

/* The most slots that roll_walk looks at in one slice, so that the lock is held briefly where few slots are taken. */
enum { SNAPSHOT_LOOKS = 4 * SNAPSHOT_BLOCK_CHANGES_MAX };

/* The layout of a change: flags; origin (8 bytes) unless it is the same as in the change before; stamp (8); sequence;
 * age in ms; scope, unless it is the same as in the change before. Unless it is a reset, there follow: TTL; user; the
 * kind (a byte) of a register of the user, else session if there is one, and state if there is one, with its length in
 * two bytes. */
enum {
    FLAG_RESET = 1,
    FLAG_SAME_ORIGIN = 2,
    FLAG_SAME_SCOPE = 4,
    FLAG_SESSION = 8,
    FLAG_STATE = 16,
    FLAG_STATUS_SHIFT = 5, /* two bits */
    FLAG_REGISTER = 0x80,  /* of the user; without FLAG_SESSION and FLAG_STATE; since version 2 */
};

/* The chain of checksums: each one covers the one before it. */
static inline void snapshot_sum_begin(uint8_t sum[SNAPSHOT_SUM_BYTES], uint32_t version) {
    memset(sum, 0, SNAPSHOT_SUM_BYTES);
    put_le32(sum, version);
}

static inline void snapshot_sum(uint8_t sum[SNAPSHOT_SUM_BYTES], const uint8_t *data, size_t len) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, SNAPSHOT_SUM_BYTES);
    crypto_generichash_update(&state, sum, SNAPSHOT_SUM_BYTES);
    crypto_generichash_update(&state, data, len);
    crypto_generichash_final(&state, sum, SNAPSHOT_SUM_BYTES);
}

#endif
