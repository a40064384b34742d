#include "top_view.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

struct view *view_new(void) {
    struct view *view = memory_new(sizeof *view);
    view->sort = VIEW_BY_LIVE;
    return view;
}

void view_free(struct view *view) {
    if (view == NULL) return;
    free(view->order);
    free(view->selected);
    free(view->detail);
    free(view);
}

/* ---- order ---- */

/* Negative if `a` is more. An unknown rate is less than any known one. */
static int by_more(double a, double b) {
    return a > b ? -1 : a < b ? 1 : 0;
}

static int compare_rows(const void *a, const void *b, void *arg) {
    const struct view *view = arg;
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const struct sample_scope *x = &view->sample->scopes[i], *y = &view->sample->scopes[j];
    const int names = i < j ? -1 : i > j ? 1 : 0; /* the sample is sorted by name */
    int order = names;
    if (view->sort == VIEW_BY_LIVE) order = x->live > y->live ? -1 : x->live < y->live ? 1 : 0;
    if (view->sort == VIEW_BY_JOINS) order = by_more(x->joins, y->joins);
    if (view->sort == VIEW_BY_LEAVES) order = by_more(x->leaves, y->leaves);
    if (view->is_reversed) order = -order;
    return order != 0 ? order : names;
}

static const char *name_at(const struct view *view, size_t row) {
    return view->sample->scopes[view->order[row]].name;
}

/* Finds the row of the selected scope; if the scope is gone, keeps the row, or takes the last one. */
static void find_selected(struct view *view) {
    for (size_t row = 0; view->selected != NULL && row < view->order_count; row++) {
        if (strcmp(name_at(view, row), view->selected) != 0) continue;
        view->at = row;
        return;
    }
    if (view->selected == NULL) view->at = 0;
    if (view->at >= view->order_count) view->at = view->order_count == 0 ? 0 : view->order_count - 1;
}

/* Scrolls the minimum to show the selected row, and leaves no empty rows at the end while there are rows above. */
static void scroll_to_selected(struct view *view) {
    const size_t rows = view->rows == 0 ? 1 : view->rows;
    if (view->at < view->first) view->first = view->at;
    if (view->at - view->first >= rows) view->first = view->at - rows + 1;
    const size_t last = view->order_count > rows ? view->order_count - rows : 0;
    if (view->first > last) view->first = last;
}

/* Limits user_first in the same way. */
static void scroll_users(struct view *view) {
    const size_t count = view->sample == NULL ? 0 : view->sample->detail.user_count;
    const size_t last = count > view->rows ? count - view->rows : 0;
    if (view->user_first > last) view->user_first = last;
}

static void arrange_rows(struct view *view) {
    const size_t count = view->sample == NULL ? 0 : view->sample->scope_count;
    view->order = memory_grow(view->order, count, sizeof view->order[0]);
    view->order_count = 0;
    for (size_t i = 0; i < count; i++)
        if (strcasestr(view->sample->scopes[i].name, view->filter) != NULL) view->order[view->order_count++] = i;
    if (view->order_count > 1) qsort_r(view->order, view->order_count, sizeof view->order[0], compare_rows, view);
    find_selected(view);
    scroll_to_selected(view);
    scroll_users(view);
}

void view_show(struct view *view, const struct sample *sample) {
    view->sample = sample;
    arrange_rows(view);
}

void view_fit(struct view *view, size_t rows) {
    view->rows = rows;
    scroll_to_selected(view);
    scroll_users(view);
}

/* ---- keys ---- */

/* The row that `key` moves to from `from`; SIZE_MAX: the last one. */
static size_t moved_row(const struct view *view, uint32_t key, size_t from) {
    const size_t page = view->rows == 0 ? 1 : view->rows;
    switch (key) {
    case KEY_OF_UP:
        return from == 0 ? 0 : from - 1;
    case KEY_OF_DOWN:
        return from + 1;
    case KEY_OF_PAGE_UP:
        return from < page ? 0 : from - page;
    case KEY_OF_PAGE_DOWN:
        return from + page;
    case KEY_OF_HOME:
        return 0;
    default:
        return SIZE_MAX;
    }
}

/* Home deselects the scope: the first row is selected then, whichever scope it shows. */
static void move_selection(struct view *view, uint32_t key) {
    if (view->order_count == 0) return;
    const size_t to = moved_row(view, key, view->at);
    view->at = to < view->order_count ? to : view->order_count - 1;
    free(view->selected);
    view->selected = NULL;
    const char *name = name_at(view, view->at);
    if (key != KEY_OF_HOME) view->selected = memory_text(name, strlen(name));
    scroll_to_selected(view);
}

static enum view_result set_sort(struct view *view, enum view_sort sort) {
    view->sort = sort;
    view->is_reversed = false;
    arrange_rows(view);
    return VIEW_CHANGED;
}

static enum view_result set_filter(struct view *view, size_t len) {
    view->filter[len] = '\0';
    arrange_rows(view);
    return VIEW_CHANGED;
}

static enum view_result open_detail(struct view *view) {
    if (view->order_count == 0) return VIEW_UNCHANGED;
    const char *name = name_at(view, view->at);
    view->detail = memory_text(name, strlen(name));
    view->selected = memory_grow(view->selected, strlen(name) + 1, 1);
    memcpy(view->selected, name, strlen(name) + 1);
    view->user_first = 0;
    return VIEW_CHANGED;
}

/* Returns the number of bytes; 0: not a printable character. */
static size_t encode_utf8(uint32_t point, char out[4]) {
    if (point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0xd800 && point < 0xe000) || point >= KEY_OF_UP)
        return 0;
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    const size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; point >>= 6) out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((0xf00 >> length & 0xff) | point);
    return length;
}

static enum view_result press_in_filter(struct view *view, uint32_t key) {
    size_t len = strlen(view->filter);
    char bytes[4];
    if (key == KEY_OF_ENTER || key == KEY_OF_ESCAPE) {
        view->is_editing = false;
        return set_filter(view, key == KEY_OF_ENTER ? len : 0);
    }
    if (key == KEY_OF_BACKSPACE) {
        while (len > 0 && ((unsigned char)view->filter[len - 1] & 0xc0) == 0x80) len--;
        return set_filter(view, len == 0 ? 0 : len - 1);
    }
    if (key >= KEY_OF_UP && key <= KEY_OF_END) {
        move_selection(view, key);
        return VIEW_CHANGED;
    }
    const size_t more = encode_utf8(key, bytes);
    if (more == 0 || VIEW_FILTER_BYTES_MAX - len < more) return VIEW_UNCHANGED;
    memcpy(view->filter + len, bytes, more);
    return set_filter(view, len + more);
}

static enum view_result press_in_detail(struct view *view, uint32_t key) {
    if (key == 'q') return VIEW_QUITS;
    if (key == KEY_OF_ESCAPE || key == KEY_OF_BACKSPACE) {
        free(view->detail);
        view->detail = NULL;
        return VIEW_CHANGED;
    }
    if (key < KEY_OF_UP || key > KEY_OF_END) return VIEW_UNCHANGED;
    view->user_first = moved_row(view, key, view->user_first);
    scroll_users(view);
    return VIEW_CHANGED;
}

static enum view_result press_in_list(struct view *view, uint32_t key) {
    switch (key) {
    case 'q':
        return VIEW_QUITS;
    case 'n':
        return set_sort(view, VIEW_BY_NAME);
    case 'l':
        return set_sort(view, VIEW_BY_LIVE);
    case 'j':
        return set_sort(view, VIEW_BY_JOINS);
    case 'e':
        return set_sort(view, VIEW_BY_LEAVES);
    case 'r':
        view->is_reversed = !view->is_reversed;
        arrange_rows(view);
        return VIEW_CHANGED;
    case '/':
        view->is_editing = true;
        return VIEW_CHANGED;
    case KEY_OF_ESCAPE:
        return *view->filter == '\0' ? VIEW_UNCHANGED : set_filter(view, 0);
    case KEY_OF_ENTER:
        return open_detail(view);
    default:
        if (key < KEY_OF_UP || key > KEY_OF_END) return VIEW_UNCHANGED;
        move_selection(view, key);
        return VIEW_CHANGED;
    }
}

enum view_result view_press(struct view *view, uint32_t key) {
    if (key == '\r') key = KEY_OF_ENTER;
    if (key == '\b') key = KEY_OF_BACKSPACE;
    if (view->detail != NULL) return press_in_detail(view, key);
    return view->is_editing ? press_in_filter(view, key) : press_in_list(view, key);
}
