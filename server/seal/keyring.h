/* The cluster's keys, and the sealing of what travels between nodes: XChaCha20-Poly1305 with a random nonce
 * (libsodium). Every key of the ring opens, the primary one seals; rotation: install everywhere, make primary, remove
 * (as Serf does).
 *
 * A sealed message: version (1), key id (4), nonce (24), ciphertext, tag (16). The associated data is the version, the
 * key id and the kind of message: a question that is sent back as its own answer does not open. Subkeys by crypto_kdf:
 * one for each kind, one for the SipHash key of places (so that page tokens mean the same on every node).
 *
 * The caller has called sodium_init. */
#ifndef MUSTER_SEAL_KEYRING_H
#define MUSTER_SEAL_KEYRING_H

#include "common/error.h"
#include "muster/codes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEYRING_KEYS_MAX = 8, SEAL_OVERHEAD_BYTES = 1 + 4 + 24 + 16, KEYRING_FILE_BYTES_MAX = 4096 };
enum seal_kind { SEAL_FRAME = 1, SEAL_SYNC_REQUEST = 2, SEAL_SYNC_RESPONSE = 3 };

struct keyring;

/* A keyring file: text, one key a line, `key <64 hex digits>` or `primary <64 hex digits>`, exactly one of them
 * primary; at most one line `places <64 hex digits>`; `#` begins a comment, empty lines are passed over. NULL if it is
 * not one: INVALID_ARGUMENT, and the text names the line; or if memory is short. Memory is locked where the system
 * allows it. */
struct keyring *keyring_parse(const char *text, size_t len, struct error *error);
void keyring_free(struct keyring *keyring);
/* A fresh keyring file with one primary key and a `places` line, NUL-terminated; returns its length, 0 if it does not
 * fit `capacity` (KEYRING_FILE_BYTES_MAX is enough). */
size_t keyring_generate(char *text, size_t capacity);
/* The secret that all nodes share for the places of names, made from the `places` line, which rotation leaves alone; a
 * file without one has it from its first key. */
void keyring_hash_key(const struct keyring *keyring, uint8_t out[16]);

/* Writes SEAL_OVERHEAD_BYTES + len bytes. keyring NULL: not sealed, but framed alike, with zeros for key id, nonce and
 * tag. */
void seal(const struct keyring *keyring, enum seal_kind kind, const uint8_t *plain, size_t len, uint8_t *out);
/* *plain_len = len - SEAL_OVERHEAD_BYTES; `plain` has room for so many. INVALID_ARGUMENT: too short; UNIMPLEMENTED: of
 * another version; NOT_FOUND: no key of the ring has its id, so it is of another cluster; PERMISSION_DENIED: forged. */
enum muster_code seal_open(const struct keyring *keyring, enum seal_kind kind, const uint8_t *sealed, size_t len,
                           uint8_t *plain, size_t *plain_len);

#endif
