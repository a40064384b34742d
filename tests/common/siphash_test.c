/* SipHash against the vectors of its authors: the key is 00 01 … 0f, the input of length n is 00 01 … (n - 1). */
#include "common/siphash.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t hash_of_len(int c, int d, size_t len) {
    uint8_t key[16], input[64];
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof input; i++) input[i] = (uint8_t)i;
    return siphash(key, c, d, input, len);
}

/* From the appendix of the paper, and vectors.h of the reference implementation (read as little-endian numbers). */
static void siphash_2_4_is_that_of_the_paper(void **state) {
    (void)state;
    static const uint64_t expected[16] = {
        UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
        UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
        UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
        UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
        UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
        UINT64_C(0xa129ca6149be45e5),
    };
    for (size_t len = 0; len < 16; len++) {
        uint64_t hash = hash_of_len(2, 4, len);
        if (hash != expected[len]) fail_msg("%zu bytes: %016" PRIx64 ", not %016" PRIx64, len, hash, expected[len]);
    }
}

/* Computed by a plain transcription of the paper in another language, which gives the vectors above for 2-4. */
static void siphash_1_3_is_that_of_another_implementation(void **state) {
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},  {7, UINT64_C(0xd3927d989bb11140)},
        {8, UINT64_C(0x369095118d299a8e)},  {9, UINT64_C(0x25a48eb36c063de4)},  {15, UINT64_C(0xd320d86d2a519956)},
        {16, UINT64_C(0xcc4fdd1a7d908b66)}, {17, UINT64_C(0x9cf2689063dbd80c)}, {18, UINT64_C(0x8ffc389cb473e63e)},
        {31, UINT64_C(0x2370dd1f8c21d1bc)}, {63, UINT64_C(0x9d199062b7bbb3a8)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t hash = hash_of_len(1, 3, cases[i].len);
        if (hash != cases[i].hash)
            fail_msg("%zu bytes: %016" PRIx64 ", not %016" PRIx64, cases[i].len, hash, cases[i].hash);
    }
}

static void every_byte_and_the_key_count(void **state) {
    (void)state;
    uint8_t key[16] = {0}, input[24] = {0};
    uint64_t before = siphash(key, 1, 3, input, sizeof input);
    for (size_t i = 0; i < sizeof input; i++) {
        input[i] ^= 1;
        if (siphash(key, 1, 3, input, sizeof input) == before) fail_msg("byte %zu does not count", i);
        input[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] ^= 1;
        if (siphash(key, 1, 3, input, sizeof input) == before) fail_msg("byte %zu of the key does not count", i);
        key[i] ^= 1;
    }
}

/* By the same transcription, which gives the first vector of the authors' vectors_sip128 for 2-4. */
static void siphash_128_is_that_of_another_implementation(void **state) {
    (void)state;
    static const struct {
        size_t len;
        uint64_t low, high;
    } cases[] = {
        {0, UINT64_C(0xbea58827b2bc7ee7), UINT64_C(0x013030dd6adb62fd)},
        {1, UINT64_C(0xa8edd36004376ffc), UINT64_C(0x63f02f2bcc73055e)},
        {3, UINT64_C(0x9ff7dc1efaccc56b), UINT64_C(0x43d7eb1277182348)},
        {4, UINT64_C(0x5a282bac714e780c), UINT64_C(0x252cbf8fe7928e9f)},
        {7, UINT64_C(0xc3e0aaf223b98410), UINT64_C(0x77ab4808c82e2fa6)},
        {8, UINT64_C(0xb4dae3d5e1fe12aa), UINT64_C(0x99c7f935ab164f72)},
        {9, UINT64_C(0x9439f32c04b8dd81), UINT64_C(0x427c1394000e72f4)},
        {17, UINT64_C(0x8d66bb3ff9264123), UINT64_C(0xecf7bdfee8125197)},
        {36, UINT64_C(0xda8e7102f010a137), UINT64_C(0x40f153e49e3f4bd2)},
    };
    uint8_t key[16], input[64];
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof input; i++) input[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct siphash_128 hash = siphash_128(key, input, cases[i].len);
        if (hash.low != cases[i].low || hash.high != cases[i].high)
            fail_msg("%zu bytes: %016" PRIx64 " %016" PRIx64, cases[i].len, hash.low, hash.high);
    }
}

enum { NAMES = 40, NAME_BYTES_MAX = 64 };

typedef void names_fn(const uint8_t key[16], const struct text *names, size_t n, uint64_t *hashes);

/* Each name in a piece of memory of its own length, so that a sanitizer sees who reads beyond it. */
static void check_names(names_fn *hash_names, const struct text *names, size_t n) {
    static const uint8_t key[16] = "sixteen bytes...";
    uint64_t hashes[NAMES + 1] = {0};
    hashes[n] = 1234;
    hash_names(key, names, n, hashes);
    for (size_t i = 0; i < n; i++)
        if (hashes[i] != siphash(key, 1, 3, names[i].data, names[i].len))
            fail_msg("name %zu of %zu, of %u bytes: another hash", i, n, names[i].len);
    if (hashes[n] != 1234) fail_msg("a hash too many");
}

static struct text name_new(uint32_t len, unsigned seed) {
    char *name = malloc(len > 0 ? len : 1);
    if (name == NULL) abort();
    for (uint32_t i = 0; i < len; i++) name[i] = (char)(seed * 31 + i * 7);
    return (struct text){name, len};
}

static void many_names_hash_as_one(names_fn *hash_names) {
    for (uint32_t step = 0; step < 3; step++) /* of one length, of similar ones, of all */
        for (uint32_t len = 0; len < NAME_BYTES_MAX; len++) {
            struct text names[NAMES];
            for (unsigned i = 0; i < NAMES; i++) names[i] = name_new((len + i * step * step) % NAME_BYTES_MAX, len + i);
            for (size_t n = 0; n <= NAMES; n++) check_names(hash_names, names, n);
            for (unsigned i = 0; i < NAMES; i++) free((char *)(uintptr_t)names[i].data);
        }
}

static void names_side_by_side_hash_as_one(void **state) {
    (void)state;
    many_names_hash_as_one(siphash_names);
}

static void names_one_by_one_hash_as_one(void **state) {
    (void)state;
    many_names_hash_as_one(siphash_names_one_by_one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_2_4_is_that_of_the_paper),
        cmocka_unit_test(siphash_1_3_is_that_of_another_implementation),
        cmocka_unit_test(every_byte_and_the_key_count),
        cmocka_unit_test(siphash_128_is_that_of_another_implementation),
        cmocka_unit_test(names_side_by_side_hash_as_one),
        cmocka_unit_test(names_one_by_one_hash_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
