#include "cursor.h"
#include "common/byteorder.h"

#include <sodium.h>
#include <string.h>

enum { CURSOR_FORMAT = 2, FIELDS = 6, AT_INCARNATION = 2, AT_FIELDS = 10, AT_MAC = AT_FIELDS + FIELDS * 8 };
enum { PHASE_MASK = 3, FLAG_WALKING = 4, FLAG_OWED = 8, FLAGS_MASK = PHASE_MASK | FLAG_WALKING | FLAG_OWED };

_Static_assert(AT_MAC + 8 == CURSOR_BYTES, "the layout is complete");
_Static_assert(CURSOR_PHASES <= PHASE_MASK + 1, "a phase fits its bits");
_Static_assert(crypto_shorthash_KEYBYTES == CURSOR_KEY_BYTES, "SipHash keys");
_Static_assert(crypto_shorthash_BYTES == 8, "SipHash-2-4 is 64 bits");

struct cursor_key cursor_key_new(uint64_t incarnation) {
    struct cursor_key key = {.incarnation = incarnation};
    randombytes_buf(key.bytes, sizeof key.bytes);
    return key;
}

void cursor_write(const struct cursor_key *key, const struct cursor *cursor, char out[CURSOR_BYTES]) {
    unsigned char raw[CURSOR_BYTES] = {CURSOR_FORMAT};
    const uint64_t fields[FIELDS] = {cursor->selection, cursor->base, cursor->target,
                                     cursor->at,        cursor->hash, cursor->paced_ms};
    raw[1] =
        (unsigned char)(cursor->phase | (cursor->is_walking ? FLAG_WALKING : 0) | (cursor->is_owed ? FLAG_OWED : 0));
    put_be64(raw + AT_INCARNATION, key->incarnation);
    for (size_t i = 0; i < FIELDS; i++) put_be64(raw + AT_FIELDS + 8 * i, fields[i]);
    crypto_shorthash(raw + AT_MAC, raw, AT_MAC, key->bytes);
    memcpy(out, raw, sizeof raw);
}

bool cursor_read(const struct cursor_key *key, struct text bytes, struct cursor *cursor) {
    unsigned char raw[CURSOR_BYTES], mac[8];
    *cursor = (struct cursor){0};
    if (bytes.len != CURSOR_BYTES) return false;
    memcpy(raw, bytes.data, sizeof raw);
    crypto_shorthash(mac, raw, AT_MAC, key->bytes);
    if (sodium_memcmp(mac, raw + AT_MAC, sizeof mac) != 0) return false;
    if ((raw[1] & PHASE_MASK) >= CURSOR_PHASES || (raw[1] & ~FLAGS_MASK) != 0) return false;
    if (raw[0] != CURSOR_FORMAT || get_be64(raw + AT_INCARNATION) != key->incarnation) return false;
    uint64_t *const fields[FIELDS] = {&cursor->selection, &cursor->base, &cursor->target,
                                      &cursor->at,        &cursor->hash, &cursor->paced_ms};
    for (size_t i = 0; i < FIELDS; i++) *fields[i] = get_be64(raw + AT_FIELDS + 8 * i);
    cursor->phase = (enum cursor_phase)(raw[1] & PHASE_MASK);
    cursor->is_walking = (raw[1] & FLAG_WALKING) != 0;
    cursor->is_owed = (raw[1] & FLAG_OWED) != 0;
    return true;
}

uint64_t cursor_digest(const struct cursor_key *key, const void *bytes, size_t len) {
    unsigned char out[8];
    crypto_shorthash(out, bytes, len, key->bytes);
    return get_be64(out);
}

/* Names cannot contain NUL, so that with one behind each no two selections are the same bytes. */
uint64_t cursor_selection(const struct cursor_key *key, struct text scope, const struct text *users, size_t count,
                          bool counts) {
    crypto_generichash_state state;
    unsigned char out[crypto_generichash_BYTES_MIN];
    const unsigned char kind[2] = {counts, 0};
    crypto_generichash_init(&state, key->bytes, sizeof key->bytes, sizeof out);
    crypto_generichash_update(&state, kind, sizeof kind);
    crypto_generichash_update(&state, (const unsigned char *)scope.data, scope.len);
    for (size_t i = 0; i < count; i++) {
        crypto_generichash_update(&state, kind + 1, 1);
        crypto_generichash_update(&state, (const unsigned char *)users[i].data, users[i].len);
    }
    crypto_generichash_final(&state, out, sizeof out);
    return get_be64(out);
}
