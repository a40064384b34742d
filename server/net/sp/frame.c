#include "frame.h"
#include "common/byteorder.h"

#include <string.h>

void sp_greeting_write(enum sp_protocol protocol, uint8_t out[SP_GREETING_BYTES]) {
    const uint8_t greeting[SP_GREETING_BYTES] = {0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0};
    memcpy(out, greeting, sizeof greeting);
}

enum sp_verdict sp_greeting_read(const uint8_t *bytes, size_t len, enum sp_protocol protocol) {
    uint8_t expected[SP_GREETING_BYTES];
    sp_greeting_write(protocol, expected);
    size_t known = len < sizeof expected ? len : sizeof expected;
    if (known > 0 && memcmp(bytes, expected, known) != 0) return SP_BAD;
    return known == sizeof expected ? SP_WHOLE : SP_MORE;
}

bool sp_greeting_protocol(const uint8_t *bytes, size_t len, uint16_t *protocol) {
    static const uint8_t begin[] = {0, 'S', 'P', 0};
    *protocol = 0;
    if (len < SP_GREETING_BYTES || memcmp(bytes, begin, sizeof begin) != 0) return false;
    *protocol = (uint16_t)(bytes[4] << 8 | bytes[5]);
    return true;
}

enum sp_verdict sp_frame_read(const uint8_t *bytes, size_t len, bool is_ipc, size_t payload_max, struct sp_frame *out) {
    size_t prefix = is_ipc ? 9 : 8;
    *out = (struct sp_frame){0};
    if (is_ipc && len > 0 && bytes[0] != 1) return SP_BAD;
    if (len < prefix) {
        out->total = prefix;
        return SP_MORE;
    }
    uint64_t payload_len = get_be64(bytes + prefix - 8);
    if (payload_len > payload_max) return SP_BAD;
    out->total = prefix + (size_t)payload_len;
    if (len < out->total) return SP_MORE;
    out->payload = bytes + prefix;
    out->payload_len = (size_t)payload_len;
    return SP_WHOLE;
}

size_t sp_prefix_write(bool is_ipc, size_t payload_len, uint8_t out[SP_PREFIX_BYTES_MAX]) {
    size_t at = is_ipc ? 1 : 0;
    out[0] = 1;
    put_be64(out + at, payload_len);
    return at + 8;
}

size_t sp_header_len(const uint8_t *payload, size_t len) {
    for (size_t at = 0; at < SP_HEADER_BYTES_MAX && len - at >= 4; at += 4)
        if ((payload[at] & 0x80) != 0) return at + 4;
    return 0;
}
