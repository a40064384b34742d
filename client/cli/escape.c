#include "escape.h"

#include "common/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* Control characters, and characters with which an id could change how the line around it is shown: line separators and
 * direction overrides. */
static bool must_escape(uint32_t point) {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 || point == 0x200e ||
           point == 0x200f || (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static const char *short_escape(uint32_t point) {
    return point == '\n' ? "\\n" : point == '\t' ? "\\t" : point == '\r' ? "\\r" : NULL;
}

size_t text_escape(const char *data, size_t len, char *out) {
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        uint32_t point;
        const size_t length = utf8_decode(data + at, len - at, &point);
        if (length == 0) {
            n += (size_t)snprintf(out + n, 5, "\\x%02x", point & 0xff);
        } else if (!must_escape(point)) {
            memcpy(out + n, data + at, length);
            n += length;
        } else if (short_escape(point) != NULL) {
            memcpy(out + n, short_escape(point), 2);
            n += 2;
        } else {
            n += (size_t)snprintf(out + n, 7, "\\u%04x", point & 0xffff);
        }
        at += length == 0 ? 1 : length;
    }
    out[n] = '\0';
    return n;
}

size_t text_width(const char *escaped) {
    size_t width = 0;
    const size_t len = strlen(escaped);
    for (size_t at = 0; at < len;) {
        uint32_t point;
        const size_t length = utf8_decode(escaped + at, len - at, &point);
        const int columns = point < 0x80 ? 1 : wcwidth((wchar_t)point);
        width += columns < 0 ? 1 : (size_t)columns;
        at += length == 0 ? 1 : length;
    }
    return width;
}
