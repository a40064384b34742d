#include "top_layout.h"

#include "common/utf8.h"
#include "escape.h"
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { PRINT_BYTES = 1024 };
static const char ellipsis[] = "…"; /* one column */

void layout_begin_line(struct text_layout *layout, enum screen_style style) {
    layout->is_dropped = layout->count == layout->limit;
    if (layout->is_dropped) return;
    layout->column = layout->len = 0;
    layout->lines[layout->count++].style = style;
}

void layout_skip_to(struct text_layout *layout, size_t count) {
    while (layout->count < count && layout->count < layout->limit) layout_begin_line(layout, STYLE_PLAIN);
}

static void append_bytes(struct text_layout *layout, const char *text, size_t len, size_t columns) {
    struct screen_line *line = &layout->lines[layout->count - 1];
    line->text = memory_grow(line->text, layout->len + len + 1, 1);
    memcpy(line->text + layout->len, text, len);
    layout->len += len;
    layout->column += columns;
    line->text[layout->len] = '\0';
}

static void append_blanks(struct text_layout *layout, size_t count) {
    for (; count > 0; count--) append_bytes(layout, " ", 1, 1);
}

/* Appends as much of an escaped text as fits in `width` columns. A character of unknown width becomes a question mark.
 */
static void append_cut(struct text_layout *layout, const char *text, size_t len, size_t width) {
    for (size_t at = 0, length; at < len; at += length) {
        uint32_t point;
        length = utf8_decode(text + at, len - at, &point);
        const int columns = point < 0x80 ? 1 : wcwidth((wchar_t)point);
        const size_t wanted = columns < 0 ? 1 : (size_t)columns;
        if (length == 0 || wanted > width) return;
        append_bytes(layout, columns < 0 ? "?" : text + at, columns < 0 ? 1 : length, wanted);
        width -= wanted;
    }
}

void layout_cell(struct text_layout *layout, const char *text, size_t width, char align) {
    if (layout->is_dropped || layout->count == 0) return;
    if (width > layout->width - layout->column) width = layout->width - layout->column;
    const size_t len = strlen(text);
    char *escaped = memory_new(len * ESCAPE_GROWTH + 1);
    const size_t escaped_len = text_escape(text, len, escaped), columns = text_width(escaped);
    const size_t end = layout->column + width;
    if (columns > width) {
        append_cut(layout, escaped, escaped_len, width == 0 ? 0 : width - 1);
        if (width > 0) append_bytes(layout, ellipsis, strlen(ellipsis), 1);
    } else {
        if (align == 'r') append_blanks(layout, width - columns);
        append_cut(layout, escaped, escaped_len, width);
    }
    if (align == 'l') append_blanks(layout, end - layout->column);
    free(escaped);
}

void layout_print(struct text_layout *layout, const char *format, ...) {
    char text[PRINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    layout_cell(layout, text, layout->width, 'n');
}

void layout_item(struct text_layout *layout, const char *format, ...) {
    char text[PRINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (layout->column > 0 && layout->column + 2 + text_width(text) > layout->width)
        layout_begin_line(layout, STYLE_PLAIN);
    if (layout->column > 0) layout_cell(layout, "  ", 2, 'n');
    layout_cell(layout, text, layout->width, 'n');
}
