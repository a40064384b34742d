/* Lines of a page, written from left to right and cut where the page ends. One thread. */
#ifndef MUSTER_CLI_TOP_PEN_H
#define MUSTER_CLI_TOP_PEN_H

#include "top_page.h"

/* Start with {lines, width, limit}. What has no room is dropped. */
struct pen {
    struct page_line *lines;
    size_t width, limit; /* columns of a line, and lines */
    size_t count;        /* lines begun */
    size_t column, len;  /* of the last line: columns taken, bytes written */
    bool is_dropped;     /* it has no room */
};

void pen_line(struct pen *pen, enum page_style style);
/* Begins empty lines until there are `count`. */
void pen_skip_to(struct pen *pen, size_t count);

/* Writes a text of any bytes, escaped, in `width` columns: cut with an ellipsis, or padded where align is 'l' or 'r'.
 * 'n': not padded. */
void pen_cell(struct pen *pen, const char *text, size_t width, char align);
/* Writes a text without padding, at most 1 KiB of it. */
void pen_print(struct pen *pen, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, two blanks behind what is there; on a new line where it does not fit. */
void pen_piece(struct pen *pen, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
