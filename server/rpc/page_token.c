#include "page_token.h"
#include "common/byteorder.h"

#include <sodium.h>

enum { TOKEN_VERSION = 1, AT_KIND = 1, AT_DIGEST = 2, AT_HASH = 10, AT_MAC = 18, DIGEST_BYTES = 8 };
enum { AT_USER = 8, WHERE_DIGEST_BYTES = AT_USER - AT_DIGEST }; /* in a token of WALK_WHERE */

_Static_assert(PAGE_TOKEN_CHARS == (PAGE_TOKEN_BYTES * 4 + 2) / 3, "base64url without padding");
_Static_assert(AT_MAC + DIGEST_BYTES == PAGE_TOKEN_BYTES, "the layout is complete");
_Static_assert(crypto_shorthash_KEYBYTES == PAGE_TOKEN_KEY_BYTES, "SipHash keys");
_Static_assert(crypto_shorthash_BYTES == DIGEST_BYTES, "SipHash-2-4 is 64 bits");

struct page_token_key page_token_key(const uint8_t hash_key[16]) {
    static const unsigned char purpose[] = "muster page token 1";
    struct page_token_key key;
    crypto_generichash(key.bytes, sizeof key.bytes, purpose, sizeof purpose - 1, hash_key, 16);
    return key;
}

uint64_t page_token_digest(const struct page_token_key *key, const struct text *names, size_t n) {
    crypto_generichash_state state;
    unsigned char digest[crypto_generichash_BYTES_MIN];
    crypto_generichash_init(&state, key->bytes, sizeof key->bytes, sizeof digest);
    for (size_t i = 0; i < n; i++) {
        unsigned char len[4];
        put_be32(len, names[i].len);
        crypto_generichash_update(&state, len, sizeof len);
        crypto_generichash_update(&state, (const unsigned char *)names[i].data, names[i].len);
    }
    crypto_generichash_final(&state, digest, sizeof digest);
    return get_be64(digest);
}

static void digest_walk(const struct page_token_key *key, const struct walk *walk, unsigned char out[DIGEST_BYTES]) {
    unsigned char input[5 + 256 + 8] = {(unsigned char)walk->kind};
    for (int i = 0; i < 4; i++) input[1 + i] = (unsigned char)(walk->statuses >> (24 - 8 * i));
    uint32_t len = walk->scope.len < 256 ? walk->scope.len : 256;
    if (len > 0) memcpy(input + 5, walk->scope.data, len);
    if (walk->kind != WALK_WHERE) {
        crypto_shorthash(out, input, 5 + len, key->bytes);
        return;
    }
    put_be64(input + 5 + len, walk->users);
    crypto_shorthash(out, input, 5 + len + 8, key->bytes);
}

static size_t digest_bytes(const struct walk *walk) {
    return walk->kind == WALK_WHERE ? WHERE_DIGEST_BYTES : DIGEST_BYTES;
}

void page_token_write(const struct page_token_key *key, const struct walk *walk, struct walk_position at,
                      char out[PAGE_TOKEN_CHARS + 1]) {
    unsigned char raw[PAGE_TOKEN_BYTES] = {TOKEN_VERSION, (unsigned char)walk->kind};
    digest_walk(key, walk, raw + AT_DIGEST);
    if (walk->kind == WALK_WHERE) put_be16(raw + AT_USER, at.user);
    put_be64(raw + AT_HASH, at.hash);
    crypto_shorthash(raw + AT_MAC, raw, AT_MAC, key->bytes);
    sodium_bin2base64(out, PAGE_TOKEN_CHARS + 1, raw, sizeof raw, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

enum page_token_verdict page_token_read(const struct page_token_key *key, const struct walk *walk, struct text token,
                                        struct walk_position *at) {
    *at = (struct walk_position){0};
    unsigned char raw[PAGE_TOKEN_BYTES], mac[DIGEST_BYTES], digest[DIGEST_BYTES];
    size_t bytes = 0;
    if (token.len != PAGE_TOKEN_CHARS) return PAGE_TOKEN_FOREIGN;
    if (sodium_base642bin(raw, sizeof raw, token.data, token.len, NULL, &bytes, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        bytes != sizeof raw)
        return PAGE_TOKEN_FOREIGN;
    crypto_shorthash(mac, raw, AT_MAC, key->bytes);
    if (sodium_memcmp(mac, raw + AT_MAC, sizeof mac) != 0 || raw[0] != TOKEN_VERSION) return PAGE_TOKEN_FOREIGN;
    digest_walk(key, walk, digest);
    if (raw[AT_KIND] != walk->kind || sodium_memcmp(digest, raw + AT_DIGEST, digest_bytes(walk)) != 0)
        return PAGE_TOKEN_OF_OTHER_WALK;
    at->hash = get_be64(raw + AT_HASH);
    if (walk->kind == WALK_WHERE) at->user = get_be16(raw + AT_USER);
    return PAGE_TOKEN_GOOD;
}
