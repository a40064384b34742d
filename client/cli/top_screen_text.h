/* Lays out a view of `muster top` as lines of text for a screen of given size. Pure except for wcwidth(3), which
 * depends on the locale of the program. One thread. Ends the program if memory is short. */
#ifndef MUSTER_CLI_TOP_SCREEN_TEXT_H
#define MUSTER_CLI_TOP_SCREEN_TEXT_H

#include "top_view.h"

enum screen_style {
    STYLE_PLAIN,
    STYLE_TITLE,
    STYLE_HEADER,
    STYLE_SELECTED,
    STYLE_WARNING, /* needs attention: a silent node */
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
    bool has_cursor;           /* the filter is being edited, at: */
    size_t cursor_row, cursor_column;
};

/* The state of polling, which is shown beside the view. */
struct poll_status {
    uint64_t now_ms;         /* monotonic */
    uint64_t stale_after_ms; /* an older sample is marked as old */
    const char *trouble;     /* why the last poll failed; NULL: it did not */
};

/* Lays out the view, and calls view_fit with the number of rows that fit. width and height may be any, 0 included. */
struct screen_text *screen_text_new(struct view *view, const struct poll_status *polled, size_t width, size_t height);
/* `screen` may be NULL. */
void screen_text_free(struct screen_text *screen);

#endif
