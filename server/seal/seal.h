/* The sealing of what travels between nodes: XChaCha20-Poly1305 with a random nonce (libsodium). Every key of the ring
 * opens, the primary one seals.
 *
 * A sealed message: version (1), key id (4), nonce (24), ciphertext, tag (16). The associated data is the version, the
 * key id and the kind of message: a sync request that is sent back as its own response does not open.
 *
 * Pure but for the nonces, which are libsodium's. Thread-safe: a keyring does not change. */
#ifndef MUSTER_SEAL_SEAL_H
#define MUSTER_SEAL_SEAL_H

#include "keyring.h"
#include "muster/codes.h"

enum { SEAL_HEAD_BYTES = 1 + 4 + 24, SEAL_TAG_BYTES = 16, SEAL_OVERHEAD_BYTES = SEAL_HEAD_BYTES + SEAL_TAG_BYTES };

/* Writes SEAL_OVERHEAD_BYTES + len bytes. keyring NULL: not sealed, but framed alike, with zeros for key id, nonce and
 * tag. */
void seal(const struct keyring *keyring, enum seal_kind kind, const uint8_t *plain, size_t len, uint8_t *out);
/* The same where the plain bytes are. The SEAL_HEAD_BYTES before and the SEAL_TAG_BYTES after them are the caller's
 * too. Returns where the sealed message begins: at plain - SEAL_HEAD_BYTES. */
uint8_t *seal_in_place(const struct keyring *keyring, enum seal_kind kind, uint8_t *plain, size_t len);

/* *plain_len = len - SEAL_OVERHEAD_BYTES; `plain` has room for so many. INVALID_ARGUMENT: too short; UNIMPLEMENTED: of
 * another version; NOT_FOUND: no key of the ring has its id, so it is of another cluster; PERMISSION_DENIED: forged. */
enum muster_code seal_open(const struct keyring *keyring, enum seal_kind kind, const uint8_t *sealed, size_t len,
                           uint8_t *plain, size_t *plain_len);

#endif
