#include "utf8.h"

size_t utf8_decode(const char *data, size_t len, uint32_t *point) {
    const unsigned char *byte = (const unsigned char *)data;
    *point = byte[0];
    if (byte[0] < 0x80) return 1;
    const size_t length = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || length > len) return 0;
    uint32_t decoded = byte[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80) return 0;
        decoded = decoded << 6 | (byte[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (decoded < least[length] || decoded > 0x10ffff || (decoded >= 0xd800 && decoded <= 0xdfff)) return 0;
    *point = decoded;
    return length;
}

bool utf8_valid(const char *data, size_t len) {
    for (size_t at = 0; at < len;) {
        uint32_t point;
        const size_t length = utf8_decode(data + at, len - at, &point);
        if (length == 0) return false;
        at += length;
    }
    return true;
}
