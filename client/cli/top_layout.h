/* Lines of a screen, written from left to right and cut at its edge. One thread. */
#ifndef MUSTER_CLI_TOP_LAYOUT_H
#define MUSTER_CLI_TOP_LAYOUT_H

#include "top_screen_text.h"

/* Initialise lines, width and limit. Text that does not fit is dropped. */
struct text_layout {
    struct screen_line *lines;
    size_t width, limit; /* columns per line, and lines */
    size_t count;        /* lines begun */
    size_t column, len;  /* of the last line: columns taken, bytes written */
    bool is_dropped;     /* the current line is beyond the limit */
};

void layout_begin_line(struct text_layout *layout, enum screen_style style);
/* Begins empty lines until there are `count`. */
void layout_skip_to(struct text_layout *layout, size_t count);

/* Writes a text of any bytes, escaped, in `width` columns: cut with an ellipsis, or padded where align is 'l' or 'r'.
 * 'n': not padded. */
void layout_cell(struct text_layout *layout, const char *text, size_t width, char align);
/* Writes a text without padding, at most 1 KiB of it. */
void layout_print(struct text_layout *layout, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes an item of a list: two blanks behind the one before, or on a new line if it does not fit. */
void layout_item(struct text_layout *layout, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
