#include "seal.h"

#include "keyring_internal.h"

#include <string.h>

enum { SEAL_VERSION = 1, NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, TAG_BYTES = SEAL_TAG_BYTES };
enum { KEY_ID_AT = 1, NONCE_AT = KEY_ID_AT + KEY_ID_BYTES, TEXT_AT = NONCE_AT + NONCE_BYTES };
_Static_assert((int)TEXT_AT == (int)SEAL_HEAD_BYTES, "the header says how long a sealed message's head is");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == TAG_BYTES, "the tag is Poly1305's");
_Static_assert((int)KEY_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a subkey is as long as a key");

/* What is not encrypted, and what kind of message it is. The nonce is bound by the cipher. */
struct associated {
    uint8_t bytes[NONCE_AT + 1];
};

static struct associated associate(const uint8_t *sealed, enum seal_kind kind) {
    struct associated with;
    memcpy(with.bytes, sealed, NONCE_AT);
    with.bytes[NONCE_AT] = (uint8_t)kind;
    return with;
}

uint8_t *seal_in_place(const struct keyring *keyring, enum seal_kind kind, uint8_t *plain, size_t len) {
    uint8_t *out = plain - TEXT_AT;
    memset(out, 0, TEXT_AT);
    out[0] = SEAL_VERSION;
    if (keyring == NULL) {
        memset(plain + len, 0, TAG_BYTES);
        return out;
    }
    const struct key *key = &keyring->keys[keyring->primary];
    memcpy(out + KEY_ID_AT, key->id, KEY_ID_BYTES);
    randombytes_buf(out + NONCE_AT, NONCE_BYTES);
    struct associated with = associate(out, kind);
    crypto_aead_xchacha20poly1305_ietf_encrypt(plain, NULL, plain, len, with.bytes, sizeof with.bytes, NULL,
                                               out + NONCE_AT, key->by_kind[kind]);
    return out;
}

void seal(const struct keyring *keyring, enum seal_kind kind, const uint8_t *plain, size_t len, uint8_t *out) {
    if (len > 0) memmove(out + TEXT_AT, plain, len);
    seal_in_place(keyring, kind, out + TEXT_AT, len);
}

static enum muster_code open_sealed(const struct keyring *keyring, enum seal_kind kind, const uint8_t *sealed,
                                    size_t len, uint8_t *plain) {
    struct associated with = associate(sealed, kind);
    enum muster_code code = MUSTER_NOT_FOUND;
    for (size_t i = 0; i < keyring->count; i++) {
        const struct key *key = &keyring->keys[i];
        if (memcmp(key->id, sealed + KEY_ID_AT, KEY_ID_BYTES) != 0) continue;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed + TEXT_AT, len - TEXT_AT, with.bytes,
                                                       sizeof with.bytes, sealed + NONCE_AT, key->by_kind[kind]) == 0)
            return MUSTER_OK;
        code = MUSTER_PERMISSION_DENIED;
    }
    return code;
}

enum muster_code seal_open(const struct keyring *keyring, enum seal_kind kind, const uint8_t *sealed, size_t len,
                           uint8_t *plain, size_t *plain_len) {
    static const uint8_t zeros[KEY_ID_BYTES];
    *plain_len = 0;
    if (len < SEAL_OVERHEAD_BYTES) return MUSTER_INVALID_ARGUMENT;
    if (sealed[0] != SEAL_VERSION) return MUSTER_UNIMPLEMENTED;
    if (keyring != NULL) {
        enum muster_code code = open_sealed(keyring, kind, sealed, len, plain);
        if (code != MUSTER_OK) return code;
    } else {
        if (memcmp(sealed + KEY_ID_AT, zeros, sizeof zeros) != 0) return MUSTER_NOT_FOUND;
        if (len > SEAL_OVERHEAD_BYTES) memcpy(plain, sealed + TEXT_AT, len - SEAL_OVERHEAD_BYTES);
    }
    *plain_len = len - SEAL_OVERHEAD_BYTES;
    return MUSTER_OK;
}
