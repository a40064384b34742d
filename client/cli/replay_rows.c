#include "replay_rows.h"

#include "datetime.h"
#include "memory.h"
#include "plot.h"
#include "rows.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay_rows {
    const struct replay_plan *plan;
    struct table *table; /* NULL: JSON */
    struct plot *plot;   /* NULL: none */
    bool is_watched;     /* rows are printed at once */
    bool is_exact;
    int64_t zeros_ms; /* time of the first row of zeros that was not printed yet */
    uint64_t zeros;   /* how many */
};

static struct table *table_of(const struct replay_plan *plan) {
    struct table_column columns[2 + MUSTER_WINDOWS_MAX] = {{"AT", 'l'}, {"LIVE", 'r'}};
    for (size_t i = 0; i < plan->windows.count; i++)
        columns[2 + i] = (struct table_column){plan->windows.written[i], 'r'};
    return plan->globals->is_json ? NULL : table_new(stdout, columns, 2 + plan->windows.count);
}

static struct plot *plot_of(const struct replay_plan *plan, int64_t from_ms, int64_t to_ms) {
    const char *names[PLOT_SERIES_MAX] = {"live"};
    char last[MUSTER_WINDOWS_MAX][32];
    if (plan->plot == NULL) return NULL;
    for (size_t i = 0; i < plan->windows.count; i++) {
        (void)snprintf(last[i], sizeof last[i], "last %s", plan->windows.written[i]);
        names[1 + i] = last[i];
    }
    return plot_new(plan->title, names, 1 + plan->windows.count, from_ms, to_ms);
}

struct replay_rows *replay_rows_new(const struct replay_plan *plan, int64_t from_ms, int64_t to_ms, bool is_exact) {
    struct replay_rows *r = memory_new(sizeof *r);
    r->plan = plan;
    r->table = table_of(plan);
    r->plot = plot_of(plan, from_ms, to_ms);
    r->is_watched = isatty(STDOUT_FILENO) == 1 || plan->speed > 0;
    r->is_exact = is_exact;
    return r;
}

static void plot_row(struct replay_rows *r, int64_t unix_ms, const struct replay_row *row) {
    uint64_t values[PLOT_SERIES_MAX] = {row->live};
    if (r->plot == NULL) return;
    memcpy(values + 1, row->windows, r->plan->windows.count * sizeof values[0]);
    plot_add(r->plot, unix_ms, values);
}

/* until: the time of the last row of several rows of zeros; NULL: a single row. */
static void print_json_row(const struct replay_rows *r, const char *at, const struct replay_row *row,
                           const char *until) {
    const struct windows *windows = &r->plan->windows;
    json_t *by_window = json_object();
    for (size_t i = 0; i < windows->count; i++)
        json_object_set_new(by_window, windows->written[i], json_integer((json_int_t)row->windows[i]));
    json_t *object = json_pack("{s:s, s:I, s:o}", "at", at, "live", (json_int_t)row->live, "windows", by_window);
    if (until != NULL) json_object_set_new(object, "until", json_string(until));
    if (until != NULL) json_object_set_new(object, "rows", json_integer((json_int_t)r->zeros));
    json_print(object);
}

static void print_row(const struct replay_rows *r, int64_t unix_ms, const struct replay_row *row) {
    char at[DATETIME_TEXT_BYTES];
    datetime_format(unix_ms, at);
    if (r->table != NULL) {
        table_string(r->table, at);
        table_number(r->table, row->live);
        for (size_t i = 0; i < r->plan->windows.count; i++) table_number(r->table, row->windows[i]);
        if (r->is_watched) table_flush(r->table);
    } else {
        print_json_row(r, at, row, NULL);
    }
    if (r->is_watched) (void)fflush(stdout);
}

static void print_zeros(const struct replay_rows *r) {
    static const struct replay_row zero = {0};
    char at[DATETIME_TEXT_BYTES], until[DATETIME_TEXT_BYTES], note[96];
    datetime_format(r->zeros_ms, at);
    datetime_format(r->zeros_ms + (int64_t)((r->zeros - 1) * r->plan->every_ms), until);
    if (r->table == NULL) {
        print_json_row(r, at, &zero, until);
        return;
    }
    (void)snprintf(note, sizeof note, "%s  nobody until %s: %" PRIu64 " rows of zeros", at, until, r->zeros);
    table_note(r->table, note);
}

static void finish_zeros(struct replay_rows *r) {
    static const struct replay_row zero = {0};
    if (r->zeros == 1) print_row(r, r->zeros_ms, &zero);
    if (r->zeros > 1) print_zeros(r);
    r->zeros = 0;
}

static bool is_zero(const struct replay_rows *r, const struct replay_row *row) {
    uint64_t all = row->live;
    for (size_t i = 0; i < r->plan->windows.count; i++) all |= row->windows[i];
    return all == 0;
}

void replay_rows_add_zeros(struct replay_rows *r, int64_t unix_ms, uint64_t count) {
    static const struct replay_row zero = {0};
    if (count == 0) return;
    if (r->zeros == 0) r->zeros_ms = unix_ms;
    r->zeros += count;
    plot_row(r, unix_ms, &zero);
    plot_row(r, unix_ms + (int64_t)((count - 1) * r->plan->every_ms), &zero);
}

void replay_rows_add(struct replay_rows *r, int64_t unix_ms, const struct replay_row *row) {
    if (r->is_exact && is_zero(r, row)) {
        replay_rows_add_zeros(r, unix_ms, 1);
        return;
    }
    finish_zeros(r);
    plot_row(r, unix_ms, row);
    print_row(r, unix_ms, row);
}

static int write_plot(const struct replay_rows *r) {
    FILE *out = fopen(r->plan->plot, "we");
    bool is_written = out != NULL;
    if (out != NULL) {
        plot_write(r->plot, out);
        is_written = ferror(out) == 0;
        is_written = fclose(out) == 0 && is_written;
    }
    if (is_written) return STATUS_DONE;
    (void)fprintf(stderr, "muster: replay: --plot: cannot write '%s': %s\n", r->plan->plot, strerror(errno));
    return STATUS_FAILED;
}

int replay_rows_finish(struct replay_rows *r, int status) {
    finish_zeros(r);
    if (status == STATUS_DONE) table_finish(r->table);
    else table_break_off(r->table);
    if (status == STATUS_DONE && r->plot != NULL) status = write_plot(r);
    plot_free(r->plot);
    free(r);
    return status;
}
