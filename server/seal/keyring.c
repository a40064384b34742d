#include "keyring.h"

#include "keyring_internal.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What subkeys are for: crypto_kdf's contexts, eight bytes each. */
static const char context_seal[crypto_kdf_CONTEXTBYTES + 1] = "mustseal";
static const char context_id[crypto_kdf_CONTEXTBYTES + 1] = "must_kid";
static const char context_places[crypto_kdf_CONTEXTBYTES + 1] = "mustplac";

/* ---- the file -------------------------------------------------------------------------------------------------- */

struct parse {
    struct keyring *ring;
    unsigned line;
    struct error *error;
};

__attribute__((format(printf, 2, 3))) static bool complain(const struct parse *parse, const char *format, ...) {
    char what[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    (void)error_fail(parse->error, MUSTER_INVALID_ARGUMENT, "%s", what);
    return parse->line != 0 ? error_prefix(parse->error, "line %u", parse->line) : false;
}

static void key_derive(struct key *key) {
    uint8_t id[crypto_kdf_BYTES_MIN];
    crypto_kdf_derive_from_key(id, sizeof id, 1, context_id, key->secret);
    memcpy(key->id, id, sizeof key->id);
    for (uint64_t kind = 1; kind <= SUBKEYS; kind++)
        crypto_kdf_derive_from_key(key->by_kind[kind], KEY_BYTES, kind, context_seal, key->secret);
}

/* Exactly 64 hex digits. */
static bool parse_secret(const char *text, size_t len, uint8_t secret[KEY_BYTES]) {
    size_t written = 0;
    const char *end = NULL;
    return len == 2 * KEY_BYTES && sodium_hex2bin(secret, KEY_BYTES, text, len, NULL, &written, &end) == 0 &&
           written == KEY_BYTES && end == text + len;
}

static bool parse_key(struct parse *parse, const char *text, size_t len, bool is_primary) {
    struct keyring *ring = parse->ring;
    if (ring->count == KEYRING_KEYS_MAX) return complain(parse, "more than %d keys", KEYRING_KEYS_MAX);
    if (is_primary && ring->primary != KEYRING_KEYS_MAX) return complain(parse, "a second primary key");
    struct key *key = &ring->keys[ring->count];
    if (!parse_secret(text, len, key->secret)) return complain(parse, "a key is 64 hex digits");
    for (size_t i = 0; i < ring->count; i++)
        if (sodium_memcmp(ring->keys[i].secret, key->secret, KEY_BYTES) == 0)
            return complain(parse, "the key is there already");
    key_derive(key);
    if (is_primary) ring->primary = ring->count;
    ring->count++;
    return true;
}

static bool parse_places(struct parse *parse, const char *text, size_t len) {
    if (parse->ring->has_places) return complain(parse, "a second line of places");
    if (!parse_secret(text, len, parse->ring->places)) return complain(parse, "the secret of places is 64 hex digits");
    return parse->ring->has_places = true;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static bool word_is(const char *word, size_t len, const char *name) {
    return len == strlen(name) && memcmp(word, name, len) == 0;
}

static bool parse_line(struct parse *parse, const char *line, size_t len) {
    const char *comment = len == 0 ? NULL : memchr(line, '#', len);
    if (comment != NULL) len = (size_t)(comment - line);
    while (len > 0 && is_space(line[len - 1])) len--;
    for (; len > 0 && is_space(*line); len--) line++;
    if (len == 0) return true;
    size_t word = 0;
    while (word < len && !is_space(line[word])) word++;
    const char *rest = line + word;
    size_t rest_len = len - word;
    for (; rest_len > 0 && is_space(*rest); rest_len--) rest++;
    if (word_is(line, word, "key")) return parse_key(parse, rest, rest_len, false);
    if (word_is(line, word, "primary")) return parse_key(parse, rest, rest_len, true);
    if (word_is(line, word, "places")) return parse_places(parse, rest, rest_len);
    return complain(parse, "it begins with neither 'key' nor 'primary' nor 'places'");
}

static bool parse_file(struct parse *parse, const char *text, size_t len) {
    if (len > KEYRING_FILE_BYTES_MAX) return complain(parse, "more than %d bytes", KEYRING_FILE_BYTES_MAX);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end == NULL ? len - at : (size_t)(end - (text + at));
        parse->line++;
        if (!parse_line(parse, text + at, line)) return false;
        at += line + (end != NULL);
    }
    parse->line = 0;
    if (parse->ring->primary == KEYRING_KEYS_MAX) return complain(parse, "no line 'primary', so no key to seal with");
    if (!parse->ring->has_places) memcpy(parse->ring->places, parse->ring->keys[0].secret, KEY_BYTES);
    return true;
}

struct keyring *keyring_parse(const char *text, size_t len, struct error *error) {
    struct parse parse = {.error = error};
    parse.ring = sodium_malloc(sizeof *parse.ring);
    if (parse.ring == NULL) {
        (void)error_fail_memory(error);
        return NULL;
    }
    memset(parse.ring, 0, sizeof *parse.ring);
    parse.ring->primary = KEYRING_KEYS_MAX;
    atomic_init(&parse.ring->holders, 1);
    if (parse_file(&parse, text, len)) return parse.ring;
    keyring_free(parse.ring);
    return NULL;
}

struct keyring *keyring_hold(struct keyring *keyring) {
    if (keyring != NULL) atomic_fetch_add_explicit(&keyring->holders, 1, memory_order_relaxed);
    return keyring;
}

void keyring_free(struct keyring *keyring) {
    if (keyring == NULL) return;
    unsigned holders = atomic_fetch_sub_explicit(&keyring->holders, 1, memory_order_acq_rel);
    assert(holders > 0);
    if (holders == 1) sodium_free(keyring); /* wipes it */
}

size_t keyring_generate(char *text, size_t capacity) {
    uint8_t secrets[2][KEY_BYTES];
    char digits[2][2 * KEY_BYTES + 1];
    randombytes_buf(secrets, sizeof secrets);
    for (int i = 0; i < 2; i++) sodium_bin2hex(digits[i], sizeof digits[i], secrets[i], KEY_BYTES);
    int len = snprintf(text, capacity,
                       "# A Muster cluster's keys. Every node has this file; who has it is a node.\n"
                       "# To rotate: add a line 'key' everywhere, then make it 'primary', then remove the old one.\n"
                       "primary %s\n"
                       "# Never changes while the cluster lives.\n"
                       "places %s\n",
                       digits[0], digits[1]);
    sodium_memzero(secrets, sizeof secrets);
    sodium_memzero(digits, sizeof digits);
    if (len > 0 && (size_t)len < capacity) return (size_t)len;
    if (capacity > 0) sodium_memzero(text, capacity);
    return 0;
}

void keyring_hash_key(const struct keyring *keyring, uint8_t out[16]) {
    crypto_kdf_derive_from_key(out, 16, 1, context_places, keyring->places);
}
