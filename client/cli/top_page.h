/* A view of `muster top` as lines of text for a screen of so many columns and rows. Pure but for wcwidth(3), which asks
 * the locale set by the program. One thread. Memory that is short ends the program. */
#ifndef MUSTER_CLI_TOP_PAGE_H
#define MUSTER_CLI_TOP_PAGE_H

#include "top_view.h"

enum page_style {
    PAGE_PLAIN,
    PAGE_TITLE,
    PAGE_HEADER,
    PAGE_SELECTED,
    PAGE_WARNING, /* something to look at: a node that is silent */
    PAGE_TROUBLE, /* no node answers */
    PAGE_HELP,
};

struct page_line {
    enum page_style style;
    char *text; /* printable UTF-8, at most as wide as the page, no blanks at its end */
};

struct page {
    size_t width, height;
    struct page_line *lines; /* height of them */
    bool has_cursor;         /* a text is being typed: */
    size_t cursor_row, cursor_column;
};

/* What is said besides the view. */
struct page_news {
    uint64_t now_ms;         /* monotonic */
    uint64_t stale_after_ms; /* a sample that is older is said to be old */
    const char *trouble;     /* why the last questions failed; NULL: they did not */
};

/* Lays out. Tells the view how many rows there is room for. width and height: any, 0 too. */
struct page *page_new(struct view *view, const struct page_news *news, size_t width, size_t height);
/* `page` may be NULL. */
void page_free(struct page *page);

#endif
