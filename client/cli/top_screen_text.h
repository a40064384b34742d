/* A view of `muster top` as lines of text for a screen of so many columns and rows. Pure but for wcwidth(3), which asks
 * the locale set by the program. One thread. Memory that is short ends the program. */
#ifndef MUSTER_CLI_TOP_SCREEN_TEXT_H
#define MUSTER_CLI_TOP_SCREEN_TEXT_H

#include "top_view.h"

enum screen_style {
    STYLE_PLAIN,
    STYLE_TITLE,
    STYLE_HEADER,
    STYLE_SELECTED,
    STYLE_WARNING, /* something to look at: a node that is silent */
    STYLE_TROUBLE, /* no node answers */
    STYLE_HELP,
};

struct screen_line {
    enum screen_style style;
    char *text; /* printable UTF-8, at most as wide as the screen, no blanks at its end */
};

struct screen_text {
    size_t width, height;
    struct screen_line *lines; /* height of them */
    bool has_cursor;           /* a text is being typed: */
    size_t cursor_row, cursor_column;
};

/* What is said besides the view. */
struct poll_status {
    uint64_t now_ms;         /* monotonic */
    uint64_t stale_after_ms; /* a sample that is older is said to be old */
    const char *trouble;     /* why the last questions failed; NULL: they did not */
};

/* Lays out. Tells the view how many rows there is room for. width and height: any, 0 too. */
struct screen_text *screen_text_new(struct view *view, const struct poll_status *polled, size_t width, size_t height);
/* `screen` may be NULL. */
void screen_text_free(struct screen_text *screen);

#endif
