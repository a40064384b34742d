#include "top_pen.h"

#include "escape.h"
#include "memory.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { PRINT_BYTES = 1024 };
static const char ellipsis[] = "…"; /* one column */

void pen_line(struct pen *pen, enum page_style style) {
    pen->is_dropped = pen->count == pen->limit;
    if (pen->is_dropped) return;
    pen->column = pen->len = 0;
    pen->lines[pen->count++].style = style;
}

void pen_skip_to(struct pen *pen, size_t count) {
    while (pen->count < count && pen->count < pen->limit) pen_line(pen, PAGE_PLAIN);
}

static void append(struct pen *pen, const char *text, size_t len, size_t columns) {
    struct page_line *line = &pen->lines[pen->count - 1];
    line->text = memory_grow(line->text, pen->len + len + 1, 1);
    memcpy(line->text + pen->len, text, len);
    pen->len += len;
    pen->column += columns;
    line->text[pen->len] = '\0';
}

static void append_blanks(struct pen *pen, size_t count) {
    for (; count > 0; count--) append(pen, " ", 1, 1);
}

/* Appends what fits `width` columns of an escaped text. A character that has no width on a terminal, since nobody knows
 * it, becomes a question mark. */
static void append_cut(struct pen *pen, const char *text, size_t len, size_t width) {
    for (size_t at = 0, length; at < len; at += length) {
        uint32_t point;
        length = utf8_decode(text + at, len - at, &point);
        const int columns = point < 0x80 ? 1 : wcwidth((wchar_t)point);
        const size_t wanted = columns < 0 ? 1 : (size_t)columns;
        if (length == 0 || wanted > width) return;
        append(pen, columns < 0 ? "?" : text + at, columns < 0 ? 1 : length, wanted);
        width -= wanted;
    }
}

void pen_cell(struct pen *pen, const char *text, size_t width, char align) {
    if (pen->is_dropped || pen->count == 0) return;
    if (width > pen->width - pen->column) width = pen->width - pen->column;
    const size_t len = strlen(text);
    char *escaped = memory_new(len * ESCAPE_GROWTH + 1);
    const size_t escaped_len = text_escape(text, len, escaped), columns = text_width(escaped);
    const size_t end = pen->column + width;
    if (columns > width) {
        append_cut(pen, escaped, escaped_len, width == 0 ? 0 : width - 1);
        if (width > 0) append(pen, ellipsis, strlen(ellipsis), 1);
    } else {
        if (align == 'r') append_blanks(pen, width - columns);
        append_cut(pen, escaped, escaped_len, width);
    }
    if (align == 'l') append_blanks(pen, end - pen->column);
    free(escaped);
}

void pen_print(struct pen *pen, const char *format, ...) {
    char text[PRINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pen_cell(pen, text, pen->width, 'n');
}

void pen_piece(struct pen *pen, const char *format, ...) {
    char text[PRINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (pen->column > 0 && pen->column + 2 + text_width(text) > pen->width) pen_line(pen, PAGE_PLAIN);
    if (pen->column > 0) pen_cell(pen, "  ", 2, 'n');
    pen_cell(pen, text, pen->width, 'n');
}
