#include "header_text.h"

#include "common/utf8.h"

#include <sodium.h>
#include <strings.h>

enum { TIMEOUT_DIGITS_MAX = 8, CODE_BYTES = 3 };

/* ---- grpc-timeout ---- */

/* Nanoseconds of a unit; 0: there is no such unit. */
static uint64_t unit_ns(char unit) {
    switch (unit) {
    case 'H':
        return UINT64_C(3600000000000);
    case 'M':
        return UINT64_C(60000000000);
    case 'S':
        return 1000000000;
    case 'm':
        return 1000000;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool timeout_read(struct text value, uint64_t *timeout_us) {
    *timeout_us = 0;
    if (value.len < 2 || value.len > TIMEOUT_DIGITS_MAX + 1) return false;
    uint64_t unit = unit_ns(value.data[value.len - 1]), count = 0;
    if (unit == 0) return false;
    for (uint32_t i = 0; i < value.len - 1; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return false;
        count = count * 10 + (uint64_t)(value.data[i] - '0');
    }
    *timeout_us = unit >= 1000 ? count * (unit / 1000) : (count + 999) / 1000;
    return true;
}

/* ---- grpc-message ---- */

/* The length of the character at `at`; 1 where it is no UTF-8. */
static size_t character_len(struct text message, size_t at) {
    uint32_t point;
    size_t len = utf8_decode(message.data + at, message.len - at, &point);
    return len == 0 ? 1 : len;
}

static bool is_plain(struct text message, size_t at) {
    char byte = message.data[at];
    if (byte == ' ') return at > 0 && at + 1 < message.len;
    return byte > ' ' && byte <= '~' && byte != '%';
}

static void write_codes(const char *bytes, size_t len, char *out) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        *out++ = '%';
        *out++ = digits[(unsigned char)bytes[i] >> 4];
        *out++ = digits[(unsigned char)bytes[i] & 15];
    }
}

size_t percent_encode(struct text message, char *out, size_t size) {
    size_t at = 0, written = 0;
    while (at < message.len) {
        size_t len = character_len(message, at), needed = is_plain(message, at) ? 1 : CODE_BYTES * len;
        if (needed > size - written) break;
        if (needed == 1) out[written] = message.data[at];
        else write_codes(message.data + at, len, out + written);
        written += needed;
        at += len;
    }
    while (written > 0 && out[written - 1] == ' ') written--; /* it was cut behind a space */
    return written;
}

/* ---- -bin ---- */

/* libsodium 1.0.18 takes some bytes from 0x80 on for letters of the alphabet where char is signed. */
static bool is_ascii(struct text value) {
    unsigned char bits = 0;
    for (uint32_t i = 0; i < value.len; i++) bits |= (unsigned char)value.data[i];
    return bits < 0x80;
}

size_t base64_decode(struct text value, uint8_t *out, size_t size) {
    bool is_padded = value.len > 0 && value.data[value.len - 1] == '=';
    int variant = is_padded ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    size_t len;
    if (value.len == 0) return 0;
    if (!is_ascii(value)) return SIZE_MAX;
    int result = sodium_base642bin(out, size, value.data, value.len, NULL, &len, NULL, variant);
    return result == 0 ? len : SIZE_MAX;
}

size_t base64_encode(struct text bytes, char *out, size_t size) {
    const int variant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    size_t needed = sodium_base64_encoded_len(bytes.len, variant);
    if (needed > size) return SIZE_MAX;
    (void)sodium_bin2base64(out, size, (const unsigned char *)bytes.data, bytes.len, variant);
    return needed - 1;
}

/* ---- content-type ---- */

bool content_type_is_grpc(struct text value) {
    static const char type[] = "application/grpc";
    const size_t len = sizeof type - 1;
    if (value.len < len || strncasecmp(value.data, type, len) != 0) return false;
    return value.len == len || value.data[len] == '+' || value.data[len] == ';';
}
