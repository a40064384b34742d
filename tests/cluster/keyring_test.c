/* Keyring files, and sealing. */
#include "golden.h"
#include "seal/seal.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_C "ee0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"

static struct keyring *ring_of(const char *text) {
    struct error error;
    struct keyring *ring = keyring_parse(text, strlen(text), &error);
    if (ring == NULL) fail_msg("a good keyring is refused: %s", error.text);
    return ring;
}

static void a_good_file_is_read(void **state) {
    (void)state;
    keyring_free(ring_of("primary " KEY_A "\n"));
    keyring_free(ring_of("# a comment\n\n  key\t" KEY_B "  # old\r\nprimary " KEY_A "\r\nplaces " KEY_C));
}

static void a_bad_file_is_refused_with_its_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "no line 'primary', so no key to seal with"},
        {"key " KEY_A "\n", "no line 'primary', so no key to seal with"},
        {"primary " KEY_A "\nprimary " KEY_B "\n", "line 2: a second primary key"},
        {"primary " KEY_A "\nkey " KEY_A "\n", "line 2: the key is there already"},
        {"primary 00\n", "line 1: a key is 64 hex digits"},
        {"primary " KEY_A "00\n", "line 1: a key is 64 hex digits"},
        {"\nprimary\n", "line 2: a key is 64 hex digits"},
        {"primary " KEY_A " " KEY_B "\n", "line 1: a key is 64 hex digits"},
        {"primary " KEY_A "\nplaces " KEY_B "\nplaces " KEY_C "\n", "line 3: a second line of places"},
        {"primary " KEY_A "\nplaces x\n", "line 2: the secret of places is 64 hex digits"},
        {"secondary " KEY_A "\n", "line 1: it begins with neither 'key' nor 'primary' nor 'places'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error;
        struct keyring *ring = keyring_parse(bad[i].text, strlen(bad[i].text), &error);
        if (ring != NULL || strcmp(error.text, bad[i].error) != 0)
            fail_msg("file %zu: '%s' instead of '%s'", i, ring != NULL ? "no error" : error.text, bad[i].error);
    }
    struct error error;
    char large[KEYRING_FILE_BYTES_MAX + 1];
    memset(large, '#', sizeof large);
    if (keyring_parse(large, sizeof large, &error) != NULL) fail_msg("a large file is read");
}

static void there_are_at_most_so_many_keys(void **state) {
    (void)state;
    char text[1024] = "primary " KEY_A "\n";
    struct error error;
    for (int i = 1; i <= KEYRING_KEYS_MAX; i++) {
        struct keyring *ring = keyring_parse(text, strlen(text), &error);
        if (ring == NULL) fail_msg("%d keys are refused: %s", i, error.text);
        keyring_free(ring);
        snprintf(text + strlen(text), sizeof text - strlen(text), "key %02x%s\n", i + 0x80, &KEY_A[2]);
    }
    if (keyring_parse(text, strlen(text), &error) != NULL) fail_msg("one key too many is taken");
}

static void a_generated_file_is_a_keyring(void **state) {
    (void)state;
    char text[KEYRING_FILE_BYTES_MAX], other[KEYRING_FILE_BYTES_MAX];
    size_t len = keyring_generate(text, sizeof text);
    if (len == 0 || len != strlen(text)) fail_msg("it has %zu bytes", len);
    keyring_free(ring_of(text));
    keyring_generate(other, sizeof other);
    if (strcmp(text, other) == 0) fail_msg("two are the same");
    if (keyring_generate(text, 100) != 0) fail_msg("it fits where it does not");
}

/* Plain text opens as it was sealed, and under no other circumstances. */
static void what_is_sealed_opens(void **state) {
    (void)state;
    struct keyring *ring = ring_of("primary " KEY_A "\n"), *other = ring_of("primary " KEY_B "\n");
    const uint8_t text[] = "who is here";
    uint8_t sealed[sizeof text + SEAL_OVERHEAD_BYTES], plain[sizeof sealed];
    size_t len = 1;
    seal(ring, SEAL_FRAME, text, sizeof text, sealed);
    if (seal_open(ring, SEAL_FRAME, sealed, sizeof sealed, plain, &len) != MUSTER_OK || len != sizeof text ||
        memcmp(plain, text, sizeof text) != 0)
        fail_msg("it does not open");
    if (seal_open(ring, SEAL_SYNC_REQUEST, sealed, sizeof sealed, plain, &len) != MUSTER_PERMISSION_DENIED || len != 0)
        fail_msg("it opens as a message of another kind");
    if (seal_open(other, SEAL_FRAME, sealed, sizeof sealed, plain, &len) != MUSTER_NOT_FOUND)
        fail_msg("it opens in another cluster");
    if (seal_open(NULL, SEAL_FRAME, sealed, sizeof sealed, plain, &len) != MUSTER_NOT_FOUND)
        fail_msg("it opens without a key");
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 0x40;
        if (seal_open(ring, SEAL_FRAME, sealed, sizeof sealed, plain, &len) == MUSTER_OK)
            fail_msg("it opens with another byte %zu", i);
        sealed[i] ^= 0x40;
    }
    for (size_t cut = 0; cut < sizeof sealed; cut++)
        if (seal_open(ring, SEAL_FRAME, sealed, cut, plain, &len) == MUSTER_OK) fail_msg("%zu bytes open", cut);
    sealed[0] = 2;
    if (seal_open(ring, SEAL_FRAME, sealed, sizeof sealed, plain, &len) != MUSTER_UNIMPLEMENTED)
        fail_msg("it opens in another version");
    keyring_free(ring);
    keyring_free(other);
}

/* Install everywhere, make primary, remove: at no step does a node not understand another. */
static void keys_rotate_without_a_gap(void **state) {
    (void)state;
    const char *steps[] = {"primary " KEY_A "\n", "primary " KEY_A "\nkey " KEY_B "\n",
                           "key " KEY_A "\nprimary " KEY_B "\n", "primary " KEY_B "\n"};
    const uint8_t text[] = "who is here";
    uint8_t sealed[sizeof text + SEAL_OVERHEAD_BYTES], plain[sizeof sealed];
    size_t len;
    for (int i = 0; i + 1 < 4; i++) {
        struct keyring *before = ring_of(steps[i]), *after = ring_of(steps[i + 1]);
        seal(before, SEAL_SYNC_REQUEST, text, sizeof text, sealed);
        if (seal_open(after, SEAL_SYNC_REQUEST, sealed, sizeof sealed, plain, &len) != MUSTER_OK)
            fail_msg("step %d: back", i);
        seal(after, SEAL_SYNC_REQUEST, text, sizeof text, sealed);
        if (seal_open(before, SEAL_SYNC_REQUEST, sealed, sizeof sealed, plain, &len) != MUSTER_OK)
            fail_msg("step %d: on", i);
        keyring_free(before);
        keyring_free(after);
    }
}

static void places_stay_where_they_are(void **state) {
    (void)state;
    struct keyring *rings[] = {ring_of("primary " KEY_A "\nplaces " KEY_C "\n"),
                               ring_of("key " KEY_A "\nprimary " KEY_B "\nplaces " KEY_C "\n"),
                               ring_of("primary " KEY_B "\nplaces " KEY_C "\n"), ring_of("primary " KEY_B "\n")};
    uint8_t keys[4][16];
    for (int i = 0; i < 4; i++) {
        keyring_hash_key(rings[i], keys[i]);
        keyring_free(rings[i]);
    }
    if (memcmp(keys[0], keys[1], 16) != 0 || memcmp(keys[0], keys[2], 16) != 0) fail_msg("rotation moves the places");
    if (memcmp(keys[0], keys[3], 16) == 0) fail_msg("another cluster has the same places");
}

static void without_a_key_it_is_framed_alike(void **state) {
    (void)state;
    const uint8_t text[] = "who is here";
    uint8_t sealed[sizeof text + SEAL_OVERHEAD_BYTES], plain[sizeof sealed];
    size_t len;
    seal(NULL, SEAL_FRAME, text, sizeof text, sealed);
    if (seal_open(NULL, SEAL_FRAME, sealed, sizeof sealed, plain, &len) != MUSTER_OK || len != sizeof text ||
        memcmp(plain, text, len) != 0)
        fail_msg("it does not open");
    struct keyring *ring = ring_of("primary " KEY_A "\n");
    if (seal_open(ring, SEAL_FRAME, sealed, sizeof sealed, plain, &len) != MUSTER_NOT_FOUND)
        fail_msg("a node with a key believes one without");
    keyring_free(ring);
}

static void a_message_of_old_still_opens(void **state) {
    (void)state;
    uint8_t sealed[256], plain[256];
    size_t len, sealed_len = golden_read("sealed.hex", sealed, sizeof sealed);
    struct keyring *ring = ring_of("primary " KEY_A "\n");
    enum muster_code code = seal_open(ring, SEAL_FRAME, sealed, sealed_len, plain, &len);
    if (code != MUSTER_OK || len != 11 || memcmp(plain, "who is here", 11) != 0) fail_msg("code %d", code);
    keyring_free(ring);
}

int main(void) {
    if (sodium_init() < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(a_bad_file_is_refused_with_its_line),
        cmocka_unit_test(there_are_at_most_so_many_keys),
        cmocka_unit_test(a_generated_file_is_a_keyring),
        cmocka_unit_test(what_is_sealed_opens),
        cmocka_unit_test(keys_rotate_without_a_gap),
        cmocka_unit_test(places_stay_where_they_are),
        cmocka_unit_test(without_a_key_it_is_framed_alike),
        cmocka_unit_test(a_message_of_old_still_opens),
    };
    return cmocka_run_group_tests_name("cluster.keyring", tests, NULL, NULL);
}
