#include "replay_rows.h"
#include "replay_summary.h"

#include <inttypes.h>
#include <stdio.h>

/* Limits the output of a very short --every. */
enum { ROWS_MAX = 10000000 };

/* The first multiple of every_ms in UTC after an instant. */
static int64_t next_full(int64_t unix_ms, int64_t every_ms) {
    const int64_t since = unix_ms % every_ms;
    return unix_ms - since + (since < 0 ? 0 : every_ms);
}

/* How many multiples of every_ms there are from row_ms, which is one, to before at_ms. */
static uint64_t rows_before(int64_t row_ms, int64_t at_ms, int64_t every_ms) {
    return row_ms >= at_ms ? 0 : (uint64_t)((at_ms - 1 - row_ms) / every_ms) + 1;
}

static int row_at(struct replay_rows *rows, const struct replay_target *target, int64_t unix_ms) {
    struct replay_row row = {0};
    const int status = target->look(target->context, unix_ms, &row);
    if (status == STATUS_DONE) replay_rows_add(rows, unix_ms, &row);
    return status;
}

static bool is_quiet(const struct replay_target *target, int64_t visit_ms, int64_t row_ms) {
    return row_ms > visit_ms && (uint64_t)(row_ms - visit_ms) > target->quiet_ms;
}

/* Adds the rows from *row_ms to before at_ms; the last visit was at visit_ms. */
static int rows_until(struct replay_rows *rows, const struct replay_target *target, int64_t every_ms, int64_t visit_ms,
                      int64_t at_ms, int64_t *row_ms) {
    int status = STATUS_DONE;
    for (; *row_ms < at_ms && status == STATUS_DONE; *row_ms += every_ms) {
        if (is_quiet(target, visit_ms, *row_ms)) {
            const uint64_t count = rows_before(*row_ms, at_ms, every_ms);
            replay_rows_add_zeros(rows, *row_ms, count);
            *row_ms += (int64_t)count * every_ms;
            return STATUS_DONE;
        }
        status = row_at(rows, target, *row_ms);
    }
    return status;
}

static int run_visits(const struct replay_plan *plan, struct replay_rows *rows, const struct visits *visits,
                      const struct replay_target *target) {
    const int64_t every_ms = (int64_t)plan->every_ms;
    int64_t at_ms = visits->items[0].unix_ms, row_ms = next_full(at_ms, every_ms);
    int status = STATUS_DONE;
    for (size_t from = 0, to; from < visits->count && status == STATUS_DONE; from = to) {
        const int64_t visit_ms = at_ms;
        at_ms = visits->items[from].unix_ms;
        status = rows_until(rows, target, every_ms, visit_ms, at_ms, &row_ms);
        for (to = from; to < visits->count && visits->items[to].unix_ms == at_ms;) to++;
        if (status == STATUS_DONE)
            status = target->visit(target->context, visits, &visits->items[from], to - from, at_ms);
    }
    return status == STATUS_DONE ? row_at(rows, target, at_ms) : status;
}

/* How many rows will be printed, those of zeros as one; at least ROWS_MAX if there are that many. */
static uint64_t count_rows(const struct replay_plan *plan, const struct visits *visits,
                           const struct replay_target *target) {
    const int64_t every_ms = (int64_t)plan->every_ms;
    uint64_t rows = 0;
    for (size_t i = 1; i < visits->count && rows < ROWS_MAX; i++) {
        const int64_t from_ms = visits->items[i - 1].unix_ms, row_ms = next_full(from_ms - 1, every_ms);
        const uint64_t before = rows_before(row_ms, visits->items[i].unix_ms, every_ms);
        const uint64_t busy = target->quiet_ms / plan->every_ms;
        rows += before > busy ? busy + 1 : before;
    }
    return rows;
}

static bool has_too_many_rows(const struct replay_plan *plan, const struct visits *visits,
                              const struct replay_target *target) {
    if (count_rows(plan, visits, target) < ROWS_MAX) return false;
    (void)fprintf(stderr,
                  "muster: replay: the log's times make more than %d rows at --every %" PRIu64
                  "ms; choose a longer --every\n",
                  (int)ROWS_MAX, plan->every_ms);
    return true;
}

int replay_run(const struct replay_plan *plan, const struct visits *visits, const struct replay_target *target) {
    int status = STATUS_DONE;
    if (visits->count > 0) {
        if (has_too_many_rows(plan, visits, target)) return STATUS_USAGE;
        const struct visit *last = &visits->items[visits->count - 1];
        const bool is_exact = target->quiet_ms != UINT64_MAX;
        struct replay_rows *rows = replay_rows_new(plan, visits->items[0].unix_ms, last->unix_ms, is_exact);
        status = replay_rows_finish(rows, run_visits(plan, rows, visits, target));
    }
    if (status == STATUS_DONE) replay_summary_print(plan, visits);
    return status;
}
