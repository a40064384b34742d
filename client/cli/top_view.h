/* What `muster top` shows of a sample: which scopes, in which order, which one is selected; and what keys do to that.
 * Pure. One thread. Memory that is short ends the program. */
#ifndef MUSTER_CLI_TOP_VIEW_H
#define MUSTER_CLI_TOP_VIEW_H

#include "top_sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIEW_FILTER_BYTES_MAX = 128 };

enum view_sort { VIEW_BY_NAME, VIEW_BY_LIVE, VIEW_BY_JOINS, VIEW_BY_LEAVES };

/* Keys: code points, and these behind the last one. */
enum view_key {
    KEY_OF_ENTER = '\n',
    KEY_OF_ESCAPE = 0x1b,
    KEY_OF_BACKSPACE = 0x7f,
    KEY_OF_UP = 0x110000,
    KEY_OF_DOWN,
    KEY_OF_PAGE_UP,
    KEY_OF_PAGE_DOWN,
    KEY_OF_HOME,
    KEY_OF_END,
};

/* Read by whoever lays it out; changed by the functions below alone. */
struct view {
    const struct sample *sample; /* NULL: there is none yet; not the view's */
    enum view_sort sort;
    bool is_reversed; /* names from the last, numbers from the least */
    char filter[VIEW_FILTER_BYTES_MAX + 1];
    bool is_editing; /* keys go to the filter */

    size_t *order; /* the scopes that pass the filter, as indices into the sample's, in the order to show */
    size_t order_count;
    char *selected; /* a scope's name; NULL: the first row, whichever scope that is */
    size_t at;      /* its row */
    size_t first;   /* the first row that is shown */
    size_t rows;    /* how many are shown at most */

    char *detail;      /* the scope shown in detail; NULL: the list is shown */
    size_t user_first; /* the first of its users that is shown */
};

enum view_result { VIEW_UNCHANGED, VIEW_CHANGED, VIEW_QUITS };

/* The list, by live users. */
struct view *view_new(void);
/* `view` may be NULL. */
void view_free(struct view *view);

/* Shows a finished sample, which outlives the view or the next call. The same scope stays selected. */
void view_show(struct view *view, const struct sample *sample);
/* Says how many rows of scopes, or of users in detail, have room: what is selected scrolls into sight. */
void view_fit(struct view *view, size_t rows);
/* Does what a key asks for. Keys that mean nothing change nothing. */
enum view_result view_press(struct view *view, uint32_t key);

#endif
