#include "utf8.h"

#include <stdbool.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS  UINT64_C(0x0101010101010101)

/* Bytes of a word that are ASCII and not NUL. The zero test is exact where no high bit is set. */
static bool is_plain_word(uint64_t word) {
    return ((word | (word - LOW_BITS)) & HIGH_BITS) == 0;
}

static bool is_plain_eight(const char *data) {
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return is_plain_word(word);
}

/* Whether a text is ASCII without NUL, as most are. The last word overlaps the one before it. */
static bool is_plain_text(struct text text) {
    if (text.len >= 8) {
        for (uint32_t i = 0; i + 8 < text.len; i += 8)
            if (!is_plain_eight(text.data + i)) return false;
        return is_plain_eight(text.data + text.len - 8);
    }
    if (text.len >= 4) {
        uint32_t first, last;
        memcpy(&first, text.data, sizeof first);
        memcpy(&last, text.data + text.len - 4, sizeof last);
        return is_plain_word((uint64_t)first << 32 | last);
    }
    for (uint32_t i = 0; i < text.len; i++)
        if ((unsigned char)(text.data[i] - 1) >= 0x7f) return false;
    return true;
}

/* The length of the sequence that starts at s, with n bytes left; 0 if it is broken. Table 3-7 of the Unicode
 * standard: the range of the second byte depends on the first. */
static uint32_t sequence_length(const unsigned char *s, size_t n) {
    unsigned char lead = s[0];
    uint32_t length = lead < 0x80                    ? 1
                      : lead >= 0xc2 && lead <= 0xdf ? 2
                      : (lead & 0xf0) == 0xe0        ? 3
                      : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                     : 0;
    if (length == 0 || length > n) return 0;
    if (length == 1) return 1;
    unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < least || s[1] > most) return 0;
    for (uint32_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return length;
}

enum utf8_verdict utf8_check(struct text text, uint32_t *at) {
    uint32_t i = is_plain_text(text) ? text.len : 0;
    while (i < text.len) {
        if (text.len - i >= 8 && is_plain_eight(text.data + i)) {
            i += 8;
            continue;
        }
        *at = i;
        if (text.data[i] == '\0') return UTF8_HAS_NUL;
        uint32_t length = sequence_length((const unsigned char *)text.data + i, text.len - i);
        if (length == 0) return UTF8_BROKEN;
        i += length;
    }
    *at = i;
    return UTF8_GOOD;
}

size_t utf8_decode(const char *data, size_t len, uint32_t *point) {
    const unsigned char *bytes = (const unsigned char *)data;
    const uint32_t length = sequence_length(bytes, len);
    *point = bytes[0];
    if (length <= 1) return length;
    uint32_t decoded = bytes[0] & (0x7fu >> length);
    for (uint32_t i = 1; i < length; i++) decoded = decoded << 6 | (bytes[i] & 0x3fu);
    *point = decoded;
    return length;
}

bool utf8_valid(const char *data, size_t len) {
    for (size_t at = 0; at < len;) {
        const uint32_t length = sequence_length((const unsigned char *)data + at, len - at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}
