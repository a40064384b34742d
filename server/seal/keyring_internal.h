/* A keyring from the inside: for server/seal alone. */
#ifndef MUSTER_SEAL_KEYRING_INTERNAL_H
#define MUSTER_SEAL_KEYRING_INTERNAL_H

#include "keyring.h"

#include <sodium.h>
#include <stdatomic.h>

enum { KEY_BYTES = crypto_kdf_KEYBYTES, KEY_ID_BYTES = 4, SUBKEYS = SEAL_SYNC_RESPONSE };

struct key {
    uint8_t secret[KEY_BYTES];
    uint8_t id[KEY_ID_BYTES];
    uint8_t by_kind[SUBKEYS + 1][KEY_BYTES];
};

struct keyring {
    atomic_uint holders;
    struct key keys[KEYRING_KEYS_MAX];
    size_t count, primary; /* primary == KEYRING_KEYS_MAX: none yet */
    uint8_t places[KEY_BYTES];
    bool has_places;
};

#endif
