/* What `muster top` shows of a sample: which scopes, in which order, which one is selected; and how keys change it.
 * Pure. One thread. Ends the program if memory is short. */
#ifndef MUSTER_CLI_TOP_VIEW_H
#define MUSTER_CLI_TOP_VIEW_H

#include "top_sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIEW_FILTER_BYTES_MAX = 128 };

enum view_sort { VIEW_BY_NAME, VIEW_BY_LIVE, VIEW_BY_JOINS, VIEW_BY_LEAVES };

/* Keys are code points, and values above the last code point. */
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

/* Readable by the layout; changed only by the functions below. */
struct view {
    const struct sample *sample; /* borrowed; NULL: there is none yet */
    enum view_sort sort;
    bool is_reversed; /* names descending, numbers ascending */
    char filter[VIEW_FILTER_BYTES_MAX + 1];
    bool is_editing; /* keys go to the filter */

    size_t *order; /* the scopes that match the filter, as indices into the sample's, in the order shown */
    size_t order_count;
    char *selected; /* name of the selected scope; NULL: the first row, whichever scope it shows */
    size_t at;      /* row of the selected scope */
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

/* Shows a sample after sample_finish; it must live until the next call or view_free. The selected scope stays selected.
 */
void view_show(struct view *view, const struct sample *sample);
/* Sets how many rows of scopes, or of users in detail, fit the screen, and scrolls to the selection. */
void view_fit(struct view *view, size_t rows);
/* Handles a key. Unknown keys change nothing. */
enum view_result view_press(struct view *view, uint32_t key);

#endif
