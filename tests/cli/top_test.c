/* The model of `muster top`: samples and rates, the view and its keys, and its layout on screens of any size. */
#include "escape.h"
#include "support/random.h"
#include "test.h"
#include "top_figures.h"
#include "top_sample.h"
#include "top_screen_text.h"
#include "top_view.h"

#include <locale.h>

/* ---- helpers ---- */

struct scope {
    const char *name;
    uint64_t live, joined, left;
};

static void add(struct sample *sample, const struct scope *scopes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct muster_scope scope = {scopes[i].name, scopes[i].live};
        const struct muster_scope_counts counts = {.scope = scopes[i].name,
                                                   .live = scopes[i].live,
                                                   .online = scopes[i].live,
                                                   .sessions = scopes[i].live + 1,
                                                   .joined_total = scopes[i].joined,
                                                   .left_total = scopes[i].left};
        const struct muster_counts answer = {&counts, 1};
        sample_add_scope(sample, &scope);
        sample_set_counts(sample, i, &answer);
    }
}

static void add_nodes(struct sample *sample, const char *self, size_t others) {
    struct muster_node *items = calloc(others + 1, sizeof *items);
    char(*names)[32] = calloc(others + 1, sizeof *names);
    for (size_t i = 0; i <= others; i++) {
        (void)snprintf(names[i], sizeof names[i], "node-%zu", i);
        items[i] = (struct muster_node){.name = i == 0 ? self : names[i],
                                        .region = "",
                                        .version = "1",
                                        .address = "",
                                        .trouble = "",
                                        .state = MUSTER_NODE_ALIVE,
                                        .is_self = i == 0,
                                        .lag = i};
    }
    if (others > 0) items[others].state = MUSTER_NODE_SUSPECT;
    const struct muster_nodes nodes = {items, others + 1};
    sample_add_nodes(sample, &nodes);
    free(items);
    free(names);
}

#define SAMPLE(at_ms, before, ...)                                                                                     \
    sample_of(at_ms, before, (const struct scope[]){__VA_ARGS__},                                                      \
              sizeof((const struct scope[]){__VA_ARGS__}) / sizeof(struct scope))

static struct sample *sample_of(uint64_t at_ms, const struct sample *before, const struct scope *scopes, size_t count) {
    struct sample *sample = sample_new(at_ms);
    add(sample, scopes, count);
    add_nodes(sample, "self", 0);
    sample_finish(sample, before);
    return sample;
}

static void expect_order(int line, const struct view *view, const char *wanted) {
    char got[512] = "";
    for (size_t i = 0; i < view->order_count; i++) {
        if (i > 0) (void)strcat(got, " ");
        (void)strcat(got, view->sample->scopes[view->order[i]].name);
    }
    if (strcmp(got, wanted) != 0) fail_msg("line %d: the order is '%s' instead of '%s'", line, got, wanted);
}
#define EXPECT_ORDER(view, wanted) expect_order(__LINE__, view, wanted)

static const char *selected(const struct view *view) {
    return view->order_count == 0 ? "" : view->sample->scopes[view->order[view->at]].name;
}

static void press(struct view *view, const char *keys) {
    for (; *keys != '\0'; keys++) (void)view_press(view, (unsigned char)*keys);
}

static void expect_rate(int line, double got, double wanted) {
    if (got < wanted - 0.001 || got > wanted + 0.001) fail_msg("line %d: rate %f instead of %f", line, got, wanted);
}
#define EXPECT_RATE(got, wanted) expect_rate(__LINE__, got, wanted)

/* The text of a screen's lines, one below the other; fails where a line is wider than the screen. */
static char *text_of(const struct screen_text *screen) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 0; i < screen->height; i++) {
        if (text_width(screen->lines[i].text) > screen->width)
            fail_msg("line %zu of %zux%zu is too wide: '%s'", i, screen->width, screen->height, screen->lines[i].text);
        (void)fprintf(out, "%s\n", screen->lines[i].text);
    }
    (void)fclose(out);
    if (screen->has_cursor && (screen->cursor_row >= screen->height || screen->cursor_column >= screen->width))
        fail_msg("the cursor is off the screen: %zu, %zu", screen->cursor_row, screen->cursor_column);
    return text;
}

static const struct poll_status no_news = {.now_ms = 2000, .stale_after_ms = 4000};

static char *draw_with(struct view *view, const struct poll_status *polled, size_t width, size_t height) {
    struct screen_text *screen = screen_text_new(view, polled, width, height);
    char *text = text_of(screen);
    screen_text_free(screen);
    return text;
}

static char *draw(struct view *view, size_t width, size_t height) {
    return draw_with(view, &no_news, width, height);
}

static void expect_text(int line, char *text, const char *wanted) {
    if (strcmp(text, wanted) != 0) fail_msg("line %d: got\n%s\ninstead of\n%s", line, text, wanted);
    free(text);
}
#define EXPECT_PAGE(text, wanted) expect_text(__LINE__, text, wanted)

static void expect_part(int line, char *text, const char *wanted) {
    if (strstr(text, wanted) == NULL) fail_msg("line %d: no '%s' in\n%s", line, wanted, text);
    free(text);
}
#define EXPECT_PART(text, wanted) expect_part(__LINE__, text, wanted)

/* ---- samples ---- */

static void finds_rates_between_two_samples(void **state) {
    (void)state;
    struct sample *first = SAMPLE(1000, NULL, {"b", 5, 100, 50}, {"a", 1, 7, 6});
    EXPECT_RATE(sample_find(first, "a")->joins, RATE_UNKNOWN);
    struct sample *second = SAMPLE(3000, first, {"a", 1, 7, 6}, {"b", 8, 110, 53}, {"c", 2, 4, 2});
    EXPECT_RATE(sample_find(second, "b")->joins, 5);
    EXPECT_RATE(sample_find(second, "b")->leaves, 1.5);
    EXPECT_RATE(sample_find(second, "a")->joins, 0);
    EXPECT_RATE(sample_find(second, "c")->joins, 2); /* it is new: its total falls into these 2 s */
    EXPECT_RATE(sample_totals(second).joins, 7);
    assert_int_equal(sample_totals(second).live, 11);
    assert_null(sample_find(second, "d"));
    sample_free(first);
    sample_free(second);
}

static void knows_no_rate_where_totals_begin_again(void **state) {
    (void)state;
    struct sample *first = SAMPLE(1000, NULL, {"a", 1, 100, 50}, {"b", 1, 10, 5});
    struct sample *second = SAMPLE(2000, first, {"a", 1, 1, 0}, {"b", 1, 11, 4});
    EXPECT_RATE(sample_find(second, "a")->joins, RATE_UNKNOWN);
    EXPECT_RATE(sample_find(second, "b")->leaves, RATE_UNKNOWN);
    struct sample *elsewhere = sample_new(3000);
    add(elsewhere, (const struct scope[]){{"a", 1, 1000, 50}}, 1);
    add_nodes(elsewhere, "another", 0);
    sample_finish(elsewhere, second);
    EXPECT_RATE(sample_find(elsewhere, "a")->joins, RATE_UNKNOWN);
    EXPECT_RATE(sample_totals(elsewhere).joins, RATE_UNKNOWN);
    sample_free(first);
    sample_free(second);
    sample_free(elsewhere);
}

static void takes_so_many_scopes_and_each_once(void **state) {
    (void)state;
    struct sample *sample = sample_new(1000), *next = sample_new(2000);
    char name[32];
    for (int i = 0; i < SAMPLE_SCOPES_MAX + 5; i++) {
        (void)snprintf(name, sizeof name, "scope-%d", i / 2);
        const struct muster_scope scope = {name, 1};
        sample_add_scope(sample, &scope);
    }
    assert_int_equal(sample->scope_count, SAMPLE_SCOPES_MAX);
    assert_true(sample->has_more_scopes);
    sample_finish(sample, NULL);
    assert_int_equal(sample->scope_count, SAMPLE_SCOPES_MAX / 2);
    /* A scope that was not listed may have existed before. */
    add(next, (const struct scope[]){{"other", 1, 1000, 50}}, 1);
    sample_finish(next, sample);
    EXPECT_RATE(sample_find(next, "other")->joins, RATE_UNKNOWN);
    sample_free(sample);
    sample_free(next);
}

static void puts_nodes_in_trouble_first(void **state) {
    (void)state;
    struct sample *sample = sample_new(1000);
    add_nodes(sample, "self", 3);
    sample_finish(sample, NULL);
    assert_string_equal(sample->nodes[0].name, "self");
    assert_string_equal(sample->nodes[1].name, "node-3");
    assert_string_equal(sample->nodes[2].name, "node-1");
    sample_free(sample);
}

/* ---- the view ---- */

static void sorts(void **state) {
    (void)state;
    struct sample *first = SAMPLE(1000, NULL, {"a", 5, 0, 0}, {"b", 9, 0, 0}, {"c", 5, 0, 0}, {"d", 0, 0, 0});
    struct sample *second = SAMPLE(2000, first, {"a", 5, 1, 3}, {"b", 9, 2, 1}, {"c", 5, 3, 0}, {"d", 0, 0, 9});
    struct view *view = view_new();
    view_show(view, second);
    EXPECT_ORDER(view, "b a c d");
    press(view, "r");
    EXPECT_ORDER(view, "d a c b");
    press(view, "n");
    EXPECT_ORDER(view, "a b c d");
    press(view, "r");
    EXPECT_ORDER(view, "d c b a");
    press(view, "j");
    EXPECT_ORDER(view, "c b a d");
    press(view, "e");
    EXPECT_ORDER(view, "d a b c");
    press(view, "r");
    EXPECT_ORDER(view, "c b a d");
    view_free(view);
    sample_free(first);
    sample_free(second);
}

static void filters(void **state) {
    (void)state;
    struct sample *sample =
        SAMPLE(1000, NULL, {"Room:1", 5, 0, 0}, {"lobby", 9, 0, 0}, {"room:2", 4, 0, 0}, {"r\xc3\xa9union", 1, 0, 0});
    struct view *view = view_new();
    view_show(view, sample);
    press(view, "/room");
    EXPECT_ORDER(view, "Room:1 room:2");
    press(view, "q"); /* is typed into the filter */
    EXPECT_ORDER(view, "");
    assert_int_equal(view_press(view, KEY_OF_BACKSPACE), VIEW_CHANGED);
    EXPECT_ORDER(view, "Room:1 room:2");
    press(view, "\n");
    assert_false(view->is_editing);
    EXPECT_ORDER(view, "Room:1 room:2");
    assert_int_equal(view_press(view, KEY_OF_ESCAPE), VIEW_CHANGED);
    EXPECT_ORDER(view, "lobby Room:1 room:2 r\xc3\xa9union");
    press(view, "/");
    (void)view_press(view, 0xe9);
    assert_string_equal(view->filter, "\xc3\xa9");
    EXPECT_ORDER(view, "r\xc3\xa9union");
    (void)view_press(view, KEY_OF_BACKSPACE); /* removes both bytes */
    assert_string_equal(view->filter, "");
    for (int i = 0; i < 200; i++) (void)view_press(view, 0x1f600);
    assert_int_equal(strlen(view->filter), VIEW_FILTER_BYTES_MAX);
    assert_int_equal(view_press(view, 7), VIEW_UNCHANGED);
    press(view, "\n");
    view_free(view);
    sample_free(sample);
}

static void keeps_the_scope_that_is_selected(void **state) {
    (void)state;
    struct sample *first = SAMPLE(1000, NULL, {"a", 3, 0, 0}, {"b", 2, 0, 0}, {"c", 1, 0, 0});
    struct sample *second = SAMPLE(2000, first, {"a", 3, 0, 0}, {"b", 2, 0, 0}, {"c", 1, 0, 0}, {"d", 9, 0, 0});
    struct sample *third = SAMPLE(3000, first, {"a", 3, 0, 0}, {"d", 9, 0, 0});
    struct view *view = view_new();
    view_fit(view, 2);
    view_show(view, first);
    assert_string_equal(selected(view), "a");
    view_show(view, second); /* no scope was selected: the first row stays selected */
    assert_string_equal(selected(view), "d");
    (void)view_press(view, KEY_OF_END);
    (void)view_press(view, KEY_OF_UP);
    assert_string_equal(selected(view), "b");
    view_show(view, first);
    assert_string_equal(selected(view), "b");
    view_show(view, second);
    assert_string_equal(selected(view), "b");
    if (view->at < view->first || view->at >= view->first + 2) fail_msg("what is selected is out of sight");
    view_show(view, third);
    assert_string_equal(selected(view), "a");
    assert_int_equal(view->first, 0);
    (void)view_press(view, KEY_OF_HOME);
    view_show(view, first);
    assert_string_equal(selected(view), "a");
    (void)view_press(view, KEY_OF_PAGE_DOWN);
    assert_string_equal(selected(view), "c");
    (void)view_press(view, KEY_OF_PAGE_UP);
    assert_string_equal(selected(view), "a");
    view_free(view);
    sample_free(first);
    sample_free(second);
    sample_free(third);
}

static void opens_one_scope_and_goes_back(void **state) {
    (void)state;
    struct sample *sample = SAMPLE(1000, NULL, {"a", 3, 0, 0}, {"b", 2, 0, 0});
    struct view *view = view_new();
    assert_int_equal(view_press(view, KEY_OF_ENTER), VIEW_UNCHANGED); /* there is none */
    view_show(view, sample);
    (void)view_press(view, KEY_OF_DOWN);
    press(view, "\r");
    assert_string_equal(view->detail, "b");
    assert_int_equal(view_press(view, 'n'), VIEW_UNCHANGED);
    assert_int_equal(view_press(view, KEY_OF_END), VIEW_CHANGED);
    assert_int_equal(view_press(view, KEY_OF_ESCAPE), VIEW_CHANGED);
    assert_null(view->detail);
    assert_string_equal(selected(view), "b");
    press(view, "\n");
    assert_int_equal(view_press(view, 'q'), VIEW_QUITS);
    view_free(view);
    view = view_new();
    assert_int_equal(view_press(view, 'q'), VIEW_QUITS);
    view_free(view);
    sample_free(sample);
}

/* ---- screens ---- */

static struct view *two_rooms(struct sample **first, struct sample **second) {
    struct view *view = view_new();
    *first = SAMPLE(1000, NULL, {"room:1", 5, 0, 0}, {"room:2", 1234567, 0, 0});
    *second = SAMPLE(2000, *first, {"room:1", 5, 3, 1}, {"room:2", 1234567, 0, 250});
    view_show(view, *second);
    return view;
}

static void lays_out_80_by_24(void **state) {
    (void)state;
    struct sample *first, *second;
    struct view *view = two_rooms(&first, &second);
    EXPECT_PAGE(draw(view, 80, 24), "muster top  live 1234572  scopes 2  joins/s 3.0  leaves/s 251\n"
                                    "NODE                           STATE          LAG     DELAY    MEMBERS    SILENT\n"
                                    "self (self)                    alive            0       0ms          0         -\n"
                                    "\n"
                                    "SCOPE                                     LIVE↓    JOINS/S   LEAVES/S   SESSIONS\n"
                                    "room:2                                  1234567        0.0        250    1234568\n"
                                    "room:1                                        5        3.0        1.0          6\n"
                                    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
                                    "q quit  / filter  Enter detail  sort: n name l live j joins e leaves r reverse\n");
    press(view, "nr");
    EXPECT_PART(draw(view, 80, 24), "SCOPE↓");
    press(view, "r");
    EXPECT_PART(draw(view, 80, 24), "SCOPE↑");
    view_free(view);
    sample_free(first);
    sample_free(second);
}

static void lays_out_small_screens(void **state) {
    (void)state;
    struct sample *first, *second;
    struct view *view = two_rooms(&first, &second);
    EXPECT_PAGE(draw(view, 40, 10), "muster top  live 1234572  scopes 2  joi…\n"
                                    "NODE                  STATE          LAG\n"
                                    "self (self)           alive            0\n"
                                    "SCOPE                   LIVE↓    JOINS/S\n"
                                    "room:2                1234567        0.0\n"
                                    "room:1                      5        3.0\n"
                                    "\n\n\n"
                                    "q quit  / filter  Enter detail  sort: n…\n");
    EXPECT_PAGE(draw(view, 20, 5), "muster top  live 12…\n"
                                   "SCOPE          LIVE↓\n"
                                   "room:2       1234567\n"
                                   "room:1             5\n"
                                   "\n");
    EXPECT_PAGE(draw(view, 10, 2), "muster top\nroom:2\n");
    EXPECT_PAGE(draw(view, 1, 1), "…\n");
    EXPECT_PAGE(draw(view, 0, 1), "\n");
    EXPECT_PAGE(draw(view, 1, 0), "");
    view_free(view);
    sample_free(first);
    sample_free(second);
}

static void lays_out_large_screens(void **state) {
    (void)state;
    struct sample *first, *second;
    struct view *view = two_rooms(&first, &second);
    EXPECT_PART(draw(view, 200, 60), "REGION");
    EXPECT_PART(draw(view, 200, 60), "SESSIONS     ONLINE       AWAY       BUSY\n");
    view_free(view);
    sample_free(first);
    sample_free(second);
}

static void cuts_names_by_what_a_terminal_shows(void **state) {
    (void)state;
    /* Wide characters take two columns, combining ones none, and control characters are escaped. */
    struct sample *sample = SAMPLE(1000, NULL, {"日本語日本語日本語日本語", 3, 0, 0}, {"e\xcc\x81t\xc3\xa9", 2, 0, 0},
                                   {"\x1b[31mred\n", 1, 0, 0});
    struct view *view = view_new();
    view_show(view, sample);
    EXPECT_PAGE(draw(view, 20, 6), "muster top  live 6 …\n"
                                   "SCOPE          LIVE↓\n"
                                   "日本語日…          3\n"
                                   "e\xcc\x81t\xc3\xa9                2\n"
                                   "\\u001b[3…          1\n"
                                   "\n");
    view_free(view);
    sample_free(sample);
}

static void leaves_out_nodes_that_have_no_room(void **state) {
    (void)state;
    struct sample *sample = sample_new(1000);
    struct view *view = view_new();
    add_nodes(sample, "self", 99);
    sample_finish(sample, NULL);
    view_show(view, sample);
    EXPECT_PART(draw(view, 80, 24), "and 96 more nodes");
    EXPECT_PART(draw(view, 80, 10), "and 100 more nodes");
    EXPECT_PART(draw(view, 80, 9), "SCOPE");
    view_free(view);
    sample_free(sample);
}

static void says_what_is_wrong(void **state) {
    (void)state;
    struct sample *sample = SAMPLE(1000, NULL, {"a", 1, 0, 0});
    struct view *view = view_new();
    const struct poll_status refused = {2000, 4000, "no node answers: refused"}, slow = {9000, 4000, NULL},
                             both = {9000, 4000, "no node answers: refused"};
    EXPECT_PART(draw(view, 80, 24), "\nwaiting for the first answer\n");
    EXPECT_PART(draw_with(view, &refused, 80, 24), "\nno node answers: refused\n");
    view_show(view, sample);
    EXPECT_PART(draw_with(view, &slow, 80, 24), "\n8 s old: waiting for an answer\n");
    EXPECT_PART(draw_with(view, &both, 80, 3), "\n8 s old: no node answers: refused\n");
    EXPECT_PAGE(draw_with(view, &refused, 80, 2),
                "no node answers: refused\n"
                "a                                             1          -          -          2\n");
    EXPECT_PAGE(draw_with(view, &refused, 80, 1), "no node answers: refused\n");
    view_free(view);
    sample_free(sample);
    sample = SAMPLE(1000, NULL, {"a", 1, 0, 0});
    view = view_new();
    sample->has_more_scopes = true;
    view_show(view, sample);
    EXPECT_PART(draw(view, 80, 24), "\nthe first 10000 scopes of more\n");
    EXPECT_PART(draw(view, 80, 24), "scopes 1+");
    press(view, "/x");
    EXPECT_PART(draw(view, 80, 24), "\n/x\n");
    press(view, "\n");
    EXPECT_PART(draw(view, 80, 24), "0 of 1 scopes have 'x'  the first 10000 scopes of more");
    view_free(view);
    sample_free(sample);
}

static void set_detail(struct sample *sample, const char *scope, size_t user_count) {
    static const struct muster_window windows[] = {{60000, 4, false}, {86400000, 9, true}};
    static char names[SAMPLE_USERS_MAX + 20][32];
    struct muster_user users[SAMPLE_USERS_MAX + 20];
    for (size_t i = 0; i < user_count; i++) {
        (void)snprintf(names[i], sizeof names[i], "user-%zu", i);
        users[i] = (struct muster_user){names[i], true, MUSTER_STATUS_AWAY, 2, INT64_C(1431860400123), NULL};
    }
    const struct muster_scope_counts counts = {
        .scope = scope, .live = 3, .away = 3, .sessions = 6, .joined_total = 9, .windows = windows, .window_count = 2};
    const struct muster_users answer = {users, user_count, ""};
    sample_set_detail(sample, &counts, &answer);
}

static void lays_out_one_scope(void **state) {
    (void)state;
    struct sample *first = SAMPLE(1000, NULL, {"room:1", 3, 1, 0}), *second = sample_new(2000);
    struct view *view = view_new();
    view_show(view, first);
    press(view, "\n");
    EXPECT_PART(draw(view, 80, 24), "scope room:1\n\n");
    EXPECT_PART(draw(view, 80, 24), "\nwaiting for the first answer\n");
    add(second, (const struct scope[]){{"room:1", 3, 9, 0}}, 1);
    add_nodes(second, "self", 0);
    set_detail(second, "room:1", 30);
    sample_finish(second, first);
    view_show(view, second);
    char *text = draw(view, 80, 10);
    EXPECT_PAGE(text, "scope room:1\n"
                      "live 3  online 0  away 3  busy 0  sessions 6  joins/s 8.0  leaves/s 0.0\n"
                      "seen within 1m: 4  1d: 9+\n"
                      "LATEST SEEN                            STATUS    TIME                   SESSIONS\n"
                      "user-0                                 away      2015-05-17T11:00:00Z          2\n"
                      "user-1                                 away      2015-05-17T11:00:00Z          2\n"
                      "user-2                                 away      2015-05-17T11:00:00Z          2\n"
                      "user-3                                 away      2015-05-17T11:00:00Z          2\n"
                      "\n"
                      "q quit  Esc back  Up Down scroll\n");
    (void)view_press(view, KEY_OF_END);
    EXPECT_PART(draw(view, 80, 10), "user-29 ");
    (void)view_press(view, KEY_OF_PAGE_UP);
    EXPECT_PART(draw(view, 80, 10), "user-25 ");
    EXPECT_PART(draw(view, 30, 12), "busy 0  sessions 6\n");
    (void)view_press(view, KEY_OF_ESCAPE);
    EXPECT_PART(draw(view, 80, 10), "SCOPE");
    view_free(view);
    sample_free(first);
    sample_free(second);
}

static void keeps_figures_narrow(void **state) {
    (void)state;
    char out[FIGURE_BYTES];
    assert_string_equal(figure_count(9999999, out), "9999999");
    assert_string_equal(figure_count(10000000, out), "10.0M");
    assert_string_equal(figure_count(UINT64_C(12345678901), out), "12.3G");
    assert_string_equal(figure_count(UINT64_MAX, out), "18.4E");
    assert_string_equal(figure_rate(RATE_UNKNOWN, out), "-");
    assert_string_equal(figure_rate(0.04, out), "0.0");
    assert_string_equal(figure_rate(99.9, out), "99.9");
    assert_string_equal(figure_rate(99.96, out), "100");
    assert_string_equal(figure_rate(1e300, out), ">1E");
    assert_string_equal(figure_span(9999, out), "9999ms");
    assert_string_equal(figure_span(10000, out), "10s");
    assert_string_equal(figure_span(3600 * 1000, out), "60m");
    assert_string_equal(figure_span(UINT64_MAX, out), ">99999d");
    for (uint64_t n = 1; n != 0; n <<= 1)
        if (strlen(figure_count(n - 1, out)) > 9 || strlen(figure_span(n - 1, out)) > 9)
            fail_msg("%s is too wide", out);
}

/* A sample of up to 40 scopes and 12 nodes, with or without a scope in detail. */
static struct sample *random_sample(struct random *random, uint64_t at_ms, const struct sample *before,
                                    const char *detail) {
    struct sample *sample = sample_new(at_ms);
    const size_t count = random_below(random, 40);
    for (size_t i = 0; i < count; i++) {
        char name[40] = "";
        (void)snprintf(name, sizeof name, "%s%d", random_chance(random, 1, 4) ? "日本\x1b" : "s",
                       (int)random_below(random, 60));
        const struct muster_scope scope = {name, random_next(random) >> random_below(random, 64)};
        sample_add_scope(sample, &scope);
    }
    if (random_chance(random, 3, 4)) add_nodes(sample, "self", random_below(random, 12));
    if (detail != NULL && random_chance(random, 3, 4)) set_detail(sample, detail, random_below(random, 210));
    sample_finish(sample, before);
    return sample;
}

static uint32_t random_key(struct random *random) {
    static const uint32_t keys[] = {'n', 'l', 'j', 'e', 'r', '/', 's', '1', 0xe9, 0x65e5, '\n', 0x1b, 0x7f};
    if (random_chance(random, 1, 2)) return (uint32_t)random_between(random, KEY_OF_UP, KEY_OF_END);
    return keys[random_below(random, sizeof keys / sizeof keys[0])];
}

/* Random samples, keys and screens: every line fits, the selection is visible, and nothing is out of bounds, which the
 * sanitizers check. */
static void holds_through_anything(void **state) {
    (void)state;
    const uint64_t seed = random_number_from_environment("MUSTER_SEED", random_fresh_seed());
    struct random random = random_of(seed);
    struct sample *shown = NULL;
    struct view *view = view_new();
    for (uint64_t step = 1; step <= 20000; step++) {
        if (random_chance(&random, 1, 5)) {
            struct sample *fresh = random_sample(&random, step, shown, view->detail);
            view_show(view, fresh);
            sample_free(shown);
            shown = fresh;
        }
        (void)view_press(view, random_key(&random));
        const struct poll_status polled = {step, 3, random_chance(&random, 1, 3) ? "trouble \x1b[31m" : NULL};
        struct screen_text *screen = screen_text_new(view, &polled, random_below(&random, 140),
                                                     random_below(&random, random_chance(&random, 1, 2) ? 8 : 50));
        char *text = text_of(screen);
        if (strchr(text, '\x1b') != NULL) fail_msg("seed %#llx: an escape sequence", (unsigned long long)seed);
        if (view->order_count > 0 && view->rows > 0 &&
            (view->at >= view->order_count || view->at < view->first || view->at - view->first >= view->rows))
            fail_msg("seed %#llx, step %llu: row %zu of %zu is out of sight: %zu rows from %zu",
                     (unsigned long long)seed, (unsigned long long)step, view->at, view->order_count, view->rows,
                     view->first);
        free(text);
        screen_text_free(screen);
    }
    view_free(view);
    sample_free(shown);
}

int main(void) {
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_rates_between_two_samples),
        cmocka_unit_test(knows_no_rate_where_totals_begin_again),
        cmocka_unit_test(takes_so_many_scopes_and_each_once),
        cmocka_unit_test(puts_nodes_in_trouble_first),
        cmocka_unit_test(sorts),
        cmocka_unit_test(filters),
        cmocka_unit_test(keeps_the_scope_that_is_selected),
        cmocka_unit_test(opens_one_scope_and_goes_back),
        cmocka_unit_test(lays_out_80_by_24),
        cmocka_unit_test(lays_out_small_screens),
        cmocka_unit_test(lays_out_large_screens),
        cmocka_unit_test(cuts_names_by_what_a_terminal_shows),
        cmocka_unit_test(leaves_out_nodes_that_have_no_room),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(lays_out_one_scope),
        cmocka_unit_test(keeps_figures_narrow),
        cmocka_unit_test(holds_through_anything),
    };
    return cmocka_run_group_tests_name("cli.top", tests, NULL, NULL);
}
