#include "names.h"

#include "muster/limits.h"

#include <stdlib.h>

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
enum { BASE = 62, DIGITS = 4 };

static size_t power_of_base(uint32_t exponent) {
    size_t power = 1;
    while (exponent-- > 0) power *= BASE;
    return power;
}

static uint32_t random_len(struct random *random, size_t index) {
    static const uint8_t common[] = {1,  2,  3,  4,  7,  8,  9,  11, 12, 13, 14, 15,  16, 17,
                                     18, 20, 23, 24, 25, 31, 32, 33, 63, 64, 65, 127, 128};
    uint32_t len = random_chance(random, 3, 4) ? common[random_below(random, sizeof common)]
                                               : (uint32_t)random_between(random, 1, MUSTER_ID_BYTES_MAX);
    if (random_chance(random, 1, 2)) len = (uint32_t)random_between(random, 4, 20);
    while (len < DIGITS && index >= power_of_base(len)) len++;
    return len;
}

/* The index in as many digits as there is room for, up to DIGITS, then letters. */
static void write_name(struct random *random, char *out, uint32_t len, size_t index) {
    uint32_t coded = len < DIGITS ? len : DIGITS;
    for (uint32_t i = coded; i-- > 0; index /= BASE) out[i] = digits[index % BASE];
    random_letters(random, out + coded, len - coded);
}

static struct names make(struct random *random, size_t count, bool with_empty, uint32_t fixed_len) {
    struct names names = {.items = calloc(count, sizeof *names.items), .count = count};
    uint32_t stride = fixed_len != 0 ? fixed_len : MUSTER_ID_BYTES_MAX;
    names.bytes = malloc(count * stride);
    if (names.items == NULL || names.bytes == NULL) abort();
    for (size_t i = 0; i < count; i++) {
        char *out = names.bytes + i * stride;
        uint32_t len = fixed_len != 0 ? fixed_len : random_len(random, i);
        if (with_empty && i == 0) len = 0;
        write_name(random, out, len, i);
        names.items[i] = (struct text){out, len};
    }
    return names;
}

struct names names_make(struct random *random, size_t count, bool with_empty) {
    return make(random, count, with_empty, 0);
}

struct names names_make_of_len(struct random *random, size_t count, uint32_t len) {
    return make(random, count, false, len);
}

void names_free(struct names *names) {
    free(names->items);
    free(names->bytes);
    *names = (struct names){0};
}

int64_t names_find(const struct names *names, struct text name) {
    uint32_t coded = name.len < DIGITS ? name.len : DIGITS;
    size_t index = 0;
    for (uint32_t i = 0; i < coded; i++) {
        const char *digit = memchr(digits, name.data[i], BASE);
        if (digit == NULL) return NAMES_NONE;
        index = index * BASE + (size_t)(digit - digits);
    }
    return index < names->count && text_equal(names->items[index], name) ? (int64_t)index : NAMES_NONE;
}
