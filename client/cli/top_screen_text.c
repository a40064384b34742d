#include "top_screen_text.h"

#include "common/duration.h"
#include "datetime.h"
#include "memory.h"
#include "top_figures.h"
#include "top_layout.h"
#include "values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column of a table: shown on screens of at least screen_min columns. */
struct column {
    const char *title;
    size_t width;
    char align;
    size_t screen_min;
};

enum { GAP = 2, CELL_BYTES = 64, COLUMNS_MAX = 8 };

/* The width of the first column: what the other columns that are shown leave. */
static size_t first_width(const struct text_layout *layout, const struct column *columns, size_t count) {
    size_t others = 0;
    for (size_t i = 1; i < count; i++)
        if (layout->width >= columns[i].screen_min) others += GAP + columns[i].width;
    return layout->width > others ? layout->width - others : 0;
}

/* Writes one line of a table. cells[0] is untrusted text, the others come from this program. */
static void put_row(struct text_layout *layout, enum screen_style style, const struct column *columns, size_t count,
                    const char *const *cells) {
    layout_begin_line(layout, style);
    layout_cell(layout, cells[0], first_width(layout, columns, count), columns[0].align);
    for (size_t i = 1; i < count; i++) {
        if (layout->width < columns[i].screen_min) continue;
        layout_cell(layout, "", GAP, 'l');
        layout_cell(layout, cells[i], columns[i].width, columns[i].align);
    }
}

static void put_titles(struct text_layout *layout, const struct column *columns, size_t count, const char *arrow,
                       size_t at) {
    char marked[CELL_BYTES];
    const char *cells[COLUMNS_MAX];
    for (size_t i = 0; i < count; i++) cells[i] = columns[i].title;
    if (at < count) {
        (void)snprintf(marked, sizeof marked, "%s%s", columns[at].title, arrow);
        cells[at] = marked;
    }
    put_row(layout, STYLE_HEADER, columns, count, cells);
}

/* ---- nodes ---- */

static const struct column node_columns[] = {
    {"NODE", 0, 'l', 0},     {"STATE", 8, 'l', 20},  {"LAG", 8, 'r', 32},     {"DELAY", 8, 'r', 44},
    {"MEMBERS", 9, 'r', 56}, {"SILENT", 8, 'r', 68}, {"REGION", 12, 'l', 96}, {"ADDRESS", 28, 'l', 128},
};
enum { NODE_COLUMNS = sizeof node_columns / sizeof node_columns[0] };

static void node_row(struct text_layout *layout, const struct sample_node *node) {
    char name[2 * MUSTER_ID_BYTES_MAX], lag[FIGURE_BYTES], delay[FIGURE_BYTES], members[FIGURE_BYTES],
        silent[FIGURE_BYTES];
    (void)snprintf(name, sizeof name, "%s%s", *node->name == '\0' ? "-" : node->name, node->is_self ? " (self)" : "");
    const char *const cells[] = {name,
                                 value_node_state_name(node->state),
                                 figure_count(node->lag, lag),
                                 figure_span(node->delay_ms, delay),
                                 figure_count(node->members, members),
                                 node->is_self ? "-" : figure_span(node->silent_ms, silent),
                                 *node->region == '\0' ? "-" : node->region,
                                 *node->address == '\0' ? "-" : node->address};
    const bool is_fine = node->state == MUSTER_NODE_ALIVE || node->state == MUSTER_NODE_LEFT;
    put_row(layout, is_fine ? STYLE_PLAIN : STYLE_WARNING, node_columns, NODE_COLUMNS, cells);
}

/* Writes at most `room` lines, including the titles and a line that says how many nodes are left out. */
static void put_nodes(struct text_layout *layout, const struct sample *sample, size_t room) {
    const size_t shown = sample->node_count <= room - 1 ? sample->node_count : room - 2;
    put_titles(layout, node_columns, NODE_COLUMNS, "", NODE_COLUMNS);
    for (size_t i = 0; i < shown; i++) node_row(layout, &sample->nodes[i]);
    if (shown == sample->node_count) return;
    layout_begin_line(layout, STYLE_PLAIN);
    layout_print(layout, "and %zu more nodes", sample->node_count - shown);
}

/* ---- scopes ---- */

static const struct column scope_columns[] = {
    {"SCOPE", 0, 'l', 0},     {"LIVE", 9, 'r', 16},   {"JOINS/S", 9, 'r', 38}, {"LEAVES/S", 9, 'r', 50},
    {"SESSIONS", 9, 'r', 70}, {"ONLINE", 9, 'r', 92}, {"AWAY", 9, 'r', 104},   {"BUSY", 9, 'r', 116},
};
enum { SCOPE_COLUMNS = sizeof scope_columns / sizeof scope_columns[0] };

static void scope_row(struct text_layout *layout, const struct sample_scope *scope, bool is_selected) {
    char live[FIGURE_BYTES], joins[FIGURE_BYTES], leaves[FIGURE_BYTES], sessions[FIGURE_BYTES], online[FIGURE_BYTES],
        away[FIGURE_BYTES], busy[FIGURE_BYTES];
    const char *const cells[] = {scope->name,
                                 figure_count(scope->live, live),
                                 figure_rate(scope->joins, joins),
                                 figure_rate(scope->leaves, leaves),
                                 figure_count(scope->sessions, sessions),
                                 figure_count(scope->online, online),
                                 figure_count(scope->away, away),
                                 figure_count(scope->busy, busy)};
    put_row(layout, is_selected ? STYLE_SELECTED : STYLE_PLAIN, scope_columns, SCOPE_COLUMNS, cells);
}

static void put_scopes(struct text_layout *layout, struct view *view, size_t room, bool has_titles) {
    static const size_t columns[] = {[VIEW_BY_NAME] = 0, [VIEW_BY_LIVE] = 1, [VIEW_BY_JOINS] = 2, [VIEW_BY_LEAVES] = 3};
    const bool is_ascending = (view->sort == VIEW_BY_NAME) != view->is_reversed;
    if (has_titles) put_titles(layout, scope_columns, SCOPE_COLUMNS, is_ascending ? "↑" : "↓", columns[view->sort]);
    view_fit(view, room);
    for (size_t i = view->first; i < view->order_count && i - view->first < room; i++)
        scope_row(layout, &view->sample->scopes[view->order[i]], i == view->at);
}

/* ---- the lines around ---- */

static bool say_trouble(struct text_layout *layout, const struct view *view, const struct poll_status *polled) {
    const uint64_t age_ms = view->sample == NULL ? 0 : polled->now_ms - view->sample->at_ms;
    const bool is_old = view->sample != NULL && age_ms > polled->stale_after_ms;
    if (polled->trouble == NULL && !is_old) return false;
    layout_begin_line(layout, STYLE_TROUBLE);
    if (is_old) layout_print(layout, "%" PRIu64 " s old: ", age_ms / 1000);
    layout_print(layout, "%s", polled->trouble == NULL ? "waiting for an answer" : polled->trouble);
    return true;
}

static void put_title(struct text_layout *layout, const struct view *view) {
    char live[FIGURE_BYTES], joins[FIGURE_BYTES], leaves[FIGURE_BYTES];
    layout_begin_line(layout, STYLE_TITLE);
    layout_print(layout, "muster top");
    if (view->sample == NULL) return;
    const struct sample_scope all = sample_totals(view->sample);
    layout_print(layout, "  live %s", figure_count(all.live, live));
    layout_print(layout, "  scopes %zu%s", view->sample->scope_count, view->sample->has_more_scopes ? "+" : "");
    layout_print(layout, "  joins/s %s", figure_rate(all.joins, joins));
    layout_print(layout, "  leaves/s %s", figure_rate(all.leaves, leaves));
}

static void edited_filter(struct text_layout *layout, const struct view *view, struct screen_text *screen) {
    layout_begin_line(layout, STYLE_PLAIN);
    layout_print(layout, "/%s", view->filter);
    screen->has_cursor = true;
    screen->cursor_row = layout->count - 1;
    screen->cursor_column = layout->column < layout->width ? layout->column : layout->width - 1;
}

static void put_status(struct text_layout *layout, const struct view *view, const struct poll_status *polled,
                       struct screen_text *screen) {
    if (view->is_editing) {
        edited_filter(layout, view, screen);
        return;
    }
    if (say_trouble(layout, view, polled)) return;
    layout_begin_line(layout, STYLE_PLAIN);
    if (view->sample == NULL) {
        layout_print(layout, "waiting for the first answer");
        return;
    }
    if (*view->filter != '\0') {
        layout_print(layout, "%zu of %zu scopes have '", view->order_count, view->sample->scope_count);
        layout_cell(layout, view->filter, strlen(view->filter) * 6, 'n');
        layout_print(layout, "'  ");
    }
    if (view->sample->has_more_scopes) layout_print(layout, "the first %d scopes of more", (int)SAMPLE_SCOPES_MAX);
    else if (view->sample->scope_count == 0) layout_print(layout, "nobody is here");
}

static void put_help(struct text_layout *layout, const struct view *view) {
    static const char all[] = "q quit  / filter  Enter detail  sort: n name l live j joins e leaves r reverse";
    layout_begin_line(layout, STYLE_HELP);
    if (view->detail != NULL) layout_print(layout, "q quit  Esc back  Up Down scroll");
    else if (view->is_editing) layout_print(layout, "Enter keep the filter  Esc drop it");
    else
        layout_print(layout, "%s",
                     layout->width < sizeof all - 1 ? "q quit  / filter  Enter detail  sort: n l j e r" : all);
}

/* ---- the list ---- */

/* How many lines each part of the list gets: the smaller the screen, the fewer parts. */
struct plan {
    size_t nodes, blank, scopes;
    bool has_title, has_titles, has_status, has_help;
};

static struct plan plan_rows(size_t height, size_t node_count) {
    struct plan p = {
        .has_title = height >= 2, .has_titles = height >= 4, .has_status = height >= 3, .has_help = height >= 7};
    size_t left = height - p.has_title - p.has_titles - p.has_status - p.has_help;
    if (height >= 10 && node_count > 0) {
        const size_t most = left / 3 < 2 ? 2 : left / 3;
        p.nodes = node_count + 1 < most ? node_count + 1 : most;
        p.blank = height >= 14 ? 1 : 0;
    }
    p.scopes = left - p.nodes - p.blank;
    return p;
}

static void put_list(struct text_layout *layout, struct view *view, const struct poll_status *polled,
                     struct screen_text *screen) {
    const struct plan p = plan_rows(screen->height, view->sample == NULL ? 0 : view->sample->node_count);
    /* Without a status line, trouble replaces the title. */
    const bool is_trouble_told = !p.has_status && say_trouble(layout, view, polled);
    if (p.has_title && !is_trouble_told) put_title(layout, view);
    if (p.nodes > 0) put_nodes(layout, view->sample, p.nodes);
    if (p.blank > 0) layout_begin_line(layout, STYLE_PLAIN);
    put_scopes(layout, view, p.scopes, p.has_titles);
    layout_skip_to(layout, screen->height - p.has_status - p.has_help);
    if (p.has_status) put_status(layout, view, polled, screen);
    if (p.has_help) put_help(layout, view);
}

/* ---- one scope in detail ---- */

static const struct column user_columns[] = {
    {"LATEST SEEN", 0, 'l', 0}, {"STATUS", 8, 'l', 24}, {"TIME", 20, 'l', 48}, {"SESSIONS", 9, 'r', 64}};
enum { USER_COLUMNS = sizeof user_columns / sizeof user_columns[0] };

static void user_row(struct text_layout *layout, const struct sample_user *user) {
    char time[DATETIME_TEXT_BYTES], sessions[FIGURE_BYTES];
    datetime_format(user->last_seen_ms - user->last_seen_ms % 1000, time);
    const char *const cells[] = {user->name, value_status_name(user->status), time,
                                 figure_count(user->sessions, sessions)};
    put_row(layout, STYLE_PLAIN, user_columns, USER_COLUMNS, cells);
}

static void put_counts(struct text_layout *layout, const struct sample_detail *detail) {
    const struct sample_scope *scope = &detail->scope;
    char figures[7][FIGURE_BYTES], span[DURATION_BYTES];
    layout_begin_line(layout, STYLE_PLAIN);
    layout_item(layout, "live %s", figure_count(scope->live, figures[0]));
    layout_item(layout, "online %s", figure_count(scope->online, figures[1]));
    layout_item(layout, "away %s", figure_count(scope->away, figures[2]));
    layout_item(layout, "busy %s", figure_count(scope->busy, figures[3]));
    layout_item(layout, "sessions %s", figure_count(scope->sessions, figures[4]));
    layout_item(layout, "joins/s %s", figure_rate(scope->joins, figures[5]));
    layout_item(layout, "leaves/s %s", figure_rate(scope->leaves, figures[6]));
    if (detail->window_count > 0) layout_begin_line(layout, STYLE_PLAIN);
    for (size_t i = 0; i < detail->window_count; i++) {
        const struct muster_window *window = &detail->windows[i];
        layout_item(layout, "%s%s: %s%s", i == 0 ? "seen within " : "", duration_format(window->window_ms, span),
                    figure_count(window->users, figures[0]), window->is_incomplete ? "+" : "");
    }
}

static void put_users(struct text_layout *layout, struct view *view, size_t until) {
    const struct sample_detail *detail = &view->sample->detail;
    if (layout->count + 2 > until) return;
    if (layout->count + 6 <= until) layout_begin_line(layout, STYLE_PLAIN);
    put_titles(layout, user_columns, USER_COLUMNS, "", USER_COLUMNS);
    view_fit(view, until - layout->count);
    for (size_t i = view->user_first; i < detail->user_count && layout->count < until; i++)
        user_row(layout, &detail->users[i]);
}

static void put_detail(struct text_layout *layout, struct view *view, const struct poll_status *polled,
                       struct screen_text *screen) {
    const bool has_status = screen->height >= 3, has_help = screen->height >= 7;
    const size_t until = screen->height - has_status - has_help;
    const bool is_here =
        view->sample != NULL && view->sample->detail.has && strcmp(view->sample->detail.scope.name, view->detail) == 0;
    layout->limit = until;
    if (has_status || !say_trouble(layout, view, polled)) {
        layout_begin_line(layout, STYLE_TITLE);
        layout_print(layout, "scope ");
        layout_cell(layout, view->detail, layout->width, 'n');
    }
    if (is_here) {
        put_counts(layout, &view->sample->detail);
        put_users(layout, view, until);
    }
    layout->limit = screen->height;
    layout_skip_to(layout, until);
    if (has_status && !say_trouble(layout, view, polled)) {
        layout_begin_line(layout, STYLE_PLAIN);
        if (!is_here) layout_print(layout, "waiting for the first answer");
    }
    if (has_help) put_help(layout, view);
}

/* ---- all of it ---- */

/* Removes blanks at the end of a line; an unused line becomes an empty text. */
static void trim_line(struct screen_line *line) {
    if (line->text == NULL) line->text = memory_text("", 0);
    size_t len = strlen(line->text);
    while (len > 0 && line->text[len - 1] == ' ') line->text[--len] = '\0';
}

struct screen_text *screen_text_new(struct view *view, const struct poll_status *polled, size_t width, size_t height) {
    struct screen_text *screen = memory_new(sizeof *screen);
    screen->width = width;
    screen->height = height;
    screen->lines = memory_new(height * sizeof screen->lines[0]);
    struct text_layout layout = {.lines = screen->lines, .width = width, .limit = height};
    if (width > 0 && height > 0 && view->detail != NULL) put_detail(&layout, view, polled, screen);
    if (width > 0 && height > 0 && view->detail == NULL) put_list(&layout, view, polled, screen);
    for (size_t i = 0; i < height; i++) trim_line(&screen->lines[i]);
    return screen;
}

void screen_text_free(struct screen_text *screen) {
    if (screen == NULL) return;
    for (size_t i = 0; i < screen->height; i++) free(screen->lines[i].text);
    free(screen->lines);
    free(screen);
}
