#include "replay.h"

#include "datetime.h"
#include "progress.h"
#include "rows.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Limits the output when a line has a wrong date, far from all others. */
enum { ROWS_MAX = 10000000 };

struct output {
    const struct replay_plan *plan;
    struct table *table; /* NULL: JSON */
    bool is_watched;     /* rows are printed at once */
};

static struct output output_start(const struct replay_plan *plan) {
    struct output output = {.plan = plan, .is_watched = isatty(STDOUT_FILENO) == 1 || plan->speed > 0};
    struct table_column columns[2 + MUSTER_WINDOWS_MAX] = {{"AT", 'l'}, {"LIVE", 'r'}};
    for (size_t i = 0; i < plan->windows.count; i++)
        columns[2 + i] = (struct table_column){plan->windows.written[i], 'r'};
    if (!plan->globals->is_json) output.table = table_new(stdout, columns, 2 + plan->windows.count);
    return output;
}

static void print_replay_row(const struct output *output, int64_t unix_ms, const struct replay_row *row) {
    const struct windows *windows = &output->plan->windows;
    char at[DATETIME_TEXT_BYTES];
    datetime_format(unix_ms, at);
    if (output->table != NULL) {
        table_string(output->table, at);
        table_number(output->table, row->live);
        for (size_t i = 0; i < windows->count; i++) table_number(output->table, row->windows[i]);
        if (output->is_watched) table_flush(output->table);
    } else {
        json_t *by_window = json_object();
        for (size_t i = 0; i < windows->count; i++)
            json_object_set_new(by_window, windows->written[i], json_integer((json_int_t)row->windows[i]));
        json_print(json_pack("{s:s, s:I, s:o}", "at", at, "live", (json_int_t)row->live, "windows", by_window));
    }
    if (output->is_watched) (void)fflush(stdout);
}

static void print_summary(const struct output *output, const struct visits *visits) {
    const uint64_t skipped = visits->malformed + visits->nameless;
    char from[DATETIME_TEXT_BYTES] = "", to[DATETIME_TEXT_BYTES] = "";
    if (visits->count > 0) datetime_format(visits->items[0].unix_s * 1000, from);
    if (visits->count > 0) datetime_format(visits->items[visits->count - 1].unix_s * 1000, to);
    if (output->table != NULL) {
        (void)printf("\n%" PRIu64 " lines, %" PRIu64 " skipped, %zu users", visits->lines, skipped, visits->users);
        (void)printf(visits->count > 0 ? ", from %s to %s\n" : "\n", from, to);
        return;
    }
    json_t *summary = json_pack("{s:I, s:I, s:I}", "lines", (json_int_t)visits->lines, "skipped", (json_int_t)skipped,
                                "users", (json_int_t)visits->users);
    if (visits->count > 0) json_object_set_new(summary, "from", json_string(from));
    if (visits->count > 0) json_object_set_new(summary, "to", json_string(to));
    json_print(summary);
}

/* The first multiple of every_ms in UTC after an instant. */
static int64_t next_full(int64_t unix_ms, int64_t every_ms) {
    const int64_t since = unix_ms % every_ms;
    return unix_ms - since + (since < 0 ? 0 : every_ms);
}

static int row_at(const struct output *output, const struct replay_target *target, int64_t unix_ms) {
    struct replay_row row = {0};
    const int status = target->look(target->context, unix_ms, &row);
    if (status == STATUS_DONE) print_replay_row(output, unix_ms, &row);
    return status;
}

static int run_visits(const struct output *output, const struct visits *visits, const struct replay_target *target) {
    const int64_t every_ms = (int64_t)output->plan->every_ms;
    int64_t row_ms = next_full(visits->items[0].unix_s * 1000, every_ms);
    int64_t at_ms = 0;
    int status = STATUS_DONE;
    for (size_t from = 0, to; from < visits->count && status == STATUS_DONE; from = to) {
        at_ms = visits->items[from].unix_s * 1000;
        for (; row_ms < at_ms && status == STATUS_DONE; row_ms += every_ms) status = row_at(output, target, row_ms);
        for (to = from; to < visits->count && visits->items[to].unix_s == visits->items[from].unix_s;) to++;
        if (status == STATUS_DONE)
            status = target->visit(target->context, visits, &visits->items[from], to - from, at_ms);
    }
    return status == STATUS_DONE ? row_at(output, target, at_ms) : status;
}

static bool has_too_many_rows(const struct replay_plan *plan, const struct visits *visits) {
    const uint64_t span_s = (uint64_t)(visits->items[visits->count - 1].unix_s - visits->items[0].unix_s);
    const uint64_t rows = span_s * 1000 / plan->every_ms;
    if (rows < ROWS_MAX) return false;
    (void)fprintf(stderr,
                  "muster: replay: the log's times span %" PRIu64 " s, which makes %" PRIu64
                  " rows: more than %d; choose a longer --every\n",
                  span_s, rows, (int)ROWS_MAX);
    return true;
}

static void report_skipped(const struct visits *visits) {
    if (visits->malformed > 0)
        (void)fprintf(stderr,
                      "muster: replay: skipped %" PRIu64 " lines that do not parse; the first is line %" PRIu64 "\n",
                      visits->malformed, visits->first_malformed);
    if (visits->nameless > 0)
        (void)fprintf(stderr, "muster: replay: skipped %" PRIu64 " lines without an authenticated user\n",
                      visits->nameless);
}

int replay_run(const struct replay_plan *plan, const struct visits *visits, const struct replay_target *target) {
    if (visits->count > 0 && has_too_many_rows(plan, visits)) return STATUS_USAGE;
    const struct output output = output_start(plan);
    const int status = visits->count > 0 ? run_visits(&output, visits, target) : STATUS_DONE;
    if (status == STATUS_DONE) table_finish(output.table);
    else table_break_off(output.table);
    if (status == STATUS_DONE) print_summary(&output, visits);
    report_skipped(visits);
    return status;
}
