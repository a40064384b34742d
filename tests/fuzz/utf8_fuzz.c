/* utf8_check against a decoder that goes by code points, slowly. */
#include "common/utf8.h"
#include "fuzz.h"

#include <stdbool.h>

static bool decode(const uint8_t *data, size_t size, size_t *at) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = data[*at];
    size_t length = lead < 0x80             ? 1
                    : (lead & 0xe0) == 0xc0 ? 2
                    : (lead & 0xf0) == 0xe0 ? 3
                    : (lead & 0xf8) == 0xf0 ? 4
                                            : 0;
    if (length == 0 || length > size - *at) return false;
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((data[*at + i] & 0xc0) != 0x80) return false;
        point = point << 6 | (data[*at + i] & 0x3f);
    }
    *at += length;
    return point >= least[length] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum utf8_verdict expected = UTF8_GOOD;
    size_t at = 0, found_at = size;
    while (at < size && expected == UTF8_GOOD) {
        found_at = at;
        if (data[at] == 0) expected = UTF8_HAS_NUL;
        else if (!decode(data, size, &at)) expected = UTF8_BROKEN;
        else found_at = at;
    }
    uint32_t where;
    hold(utf8_check((struct text){(const char *)data, (uint32_t)size}, &where) == expected);
    hold(where == found_at);
    return 0;
}
