/* The cluster's keys: what a keyring file holds. Every key of the ring opens, the primary one seals (seal.h); rotation:
 * install everywhere, make primary, remove (as Serf does). Subkeys by crypto_kdf: one for each kind of message, one for
 * the SipHash key of places (so that page tokens mean the same on every node).
 *
 * The caller has called sodium_init. A keyring does not change once it was parsed, and may be used by many threads. */
#ifndef MUSTER_SEAL_KEYRING_H
#define MUSTER_SEAL_KEYRING_H

#include "common/error.h"
#include "muster/codes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEYRING_KEYS_MAX = 8, KEYRING_FILE_BYTES_MAX = 4096 };
/* Each has a subkey of its own. */
enum seal_kind { SEAL_FRAME = 1, SEAL_SYNC_REQUEST = 2, SEAL_SYNC_RESPONSE = 3 };

struct keyring;

/* A keyring file: text, one key a line, `key <64 hex digits>` or `primary <64 hex digits>`, exactly one of them
 * primary; at most one line `places <64 hex digits>`; `#` begins a comment, empty lines are passed over. NULL if it is
 * not one: INVALID_ARGUMENT, and the text names the line; or if memory is short. Memory is locked where the system
 * allows it. */
struct keyring *keyring_parse(const char *text, size_t len, struct error *error);
/* One more holder of the same keyring, which frees it too. Returns it; NULL stays NULL. */
struct keyring *keyring_hold(struct keyring *keyring);
/* The last holder's call wipes it. `keyring` may be NULL. */
void keyring_free(struct keyring *keyring);
/* A fresh keyring file with one primary key and a `places` line, NUL-terminated; returns its length, 0 if it does not
 * fit `capacity` (KEYRING_FILE_BYTES_MAX is enough). */
size_t keyring_generate(char *text, size_t capacity);
/* The secret that all nodes share for the places of names, made from the `places` line, which rotation leaves alone; a
 * file without one has it from its first key. */
void keyring_hash_key(const struct keyring *keyring, uint8_t out[16]);

#endif
