#include "command.h"
#include "memory.h"
#include "output_queue.h"
#include "progress.h"
#include "signals.h"
#include "values.h"
#include "watch_rows.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct watch {
    struct command_input input;
    struct muster_watch_options options;
    const char *users[MUSTER_WATCH_USERS_MAX];
    uint64_t count_max; /* changes; UINT64_MAX: until interrupted */

    /* The fields below belong to the library's thread, except those that the mutex guards. */
    struct output_queue *queue;
    struct watch_rows *rows;
    uint64_t count;
    bool is_synced; /* the snapshot was written */
    struct muster_error
        reported; /* the failure that was reported last; its code is MUSTER_OK once a node answered again */
    bool has_counts;
    struct muster_scope_counts counts; /* the counts written last, without scope and windows */

    pthread_mutex_t mutex;
    bool has_answer;             /* a node has answered */
    bool is_refused;             /* a node refused the watch: this ends the command */
    struct muster_error trouble; /* the last failure before the first answer */
};

enum { OPTION_USER = 1, OPTION_SESSIONS, OPTION_TOTALS, OPTION_INTERVAL, OPTION_COUNT };

static const struct argp_option options[] = {
    {"user", OPTION_USER, "U", 0, "Watch only this user; may be repeated up to 1000 times (default: all users)", 0},
    {"sessions", OPTION_SESSIONS, 0, 0, "Also show each user's live sessions", 0},
    {"totals", OPTION_TOTALS, 0, 0, "Show only the counts of the scope, at first and at every change", 0},
    {"interval", OPTION_INTERVAL, "D", 0, "Minimum time between updates, up to 60s (default: none)", 0},
    {"count", OPTION_COUNT, "N", 0, "Exit after N changes; the users present at first do not count", 0},
    {0},
};

static void add_user(struct watch *watch, const char *user, struct argp_state *state) {
    if (watch->options.user_count == MUSTER_WATCH_USERS_MAX)
        argp_error(state, "--user: at most %d can be watched by name", (int)MUSTER_WATCH_USERS_MAX);
    watch->users[watch->options.user_count++] = user;
}

static error_t parse_watch(int key, char *argument, struct argp_state *state) {
    struct watch *watch = state->input;
    switch (key) {
    case OPTION_USER:
        add_user(watch, argument, state);
        return 0;
    case OPTION_SESSIONS:
        watch->options.with_sessions = true;
        return 0;
    case OPTION_TOTALS:
        watch->options.counts_only = true;
        return 0;
    case OPTION_INTERVAL:
        watch->options.min_interval_ms =
            (uint32_t)command_span(state, "--interval", argument, 1, MUSTER_WATCH_INTERVAL_MAX_MS);
        return 0;
    case OPTION_COUNT:
        watch->count_max = command_number(state, "--count", argument, 1, UINT64_MAX - 1);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'; users are watched with --user", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- callbacks, on the library's thread ---- */

static void note_answer(struct watch *watch) {
    (void)pthread_mutex_lock(&watch->mutex);
    watch->has_answer = true;
    (void)pthread_mutex_unlock(&watch->mutex);
    if (watch->reported.code != MUSTER_OK) (void)fputs("muster: a node answers again\n", stderr);
    watch->reported.code = MUSTER_OK;
}

/* Counts one change, and finishes the output after the last one. */
static void count_change(struct watch *watch) {
    if (++watch->count == watch->count_max) output_queue_finish(watch->queue);
}

static void write_row(struct watch *watch, enum watch_change change, const struct muster_user *user,
                      enum muster_left_reason reason) {
    note_answer(watch);
    if (watch->count >= watch->count_max) return;
    watch_rows_user(watch->rows, change, user, reason);
    if (!watch->is_synced) return;
    watch_rows_flush(watch->rows);
    count_change(watch);
}

static void on_joined(void *arg, const struct muster_user *user) {
    struct watch *watch = arg;
    write_row(watch, watch->is_synced ? WATCH_JOINED : WATCH_PRESENT, user, MUSTER_REASON_UNKNOWN);
}

static void on_left(void *arg, const struct muster_user *user, enum muster_left_reason reason) {
    write_row(arg, WATCH_LEFT, user, reason);
}

static void on_updated(void *arg, const struct muster_user *user) {
    write_row(arg, WATCH_UPDATED, user, MUSTER_REASON_UNKNOWN);
}

static void on_synced(void *arg) {
    struct watch *watch = arg;
    note_answer(watch);
    if (!watch->is_synced && !watch->options.counts_only) watch_rows_flush(watch->rows);
    watch->is_synced = true;
}

/* Ignores the totals of joins and leaves, which are not shown. */
static bool is_same(const struct muster_scope_counts *a, const struct muster_scope_counts *b) {
    return a->live == b->live && a->online == b->online && a->away == b->away && a->busy == b->busy &&
           a->sessions == b->sessions;
}

static void on_counts(void *arg, const struct muster_scope_counts *now) {
    struct watch *watch = arg;
    const bool is_first = !watch->has_counts;
    note_answer(watch);
    if (watch->count >= watch->count_max || (!is_first && is_same(now, &watch->counts))) return;
    watch->counts = *now;
    watch->has_counts = true;
    watch_rows_counts(watch->rows, now);
    watch_rows_flush(watch->rows);
    if (!is_first) count_change(watch);
}

/* Before the first answer a failure is left to the main thread. Later it is printed, unless it repeats the last one. */
static void on_trouble(void *arg, const struct muster_error *error) {
    struct watch *watch = arg;
    (void)pthread_mutex_lock(&watch->mutex);
    const bool has_answer = watch->has_answer;
    const bool is_refused = !has_answer && error->is_answer && error->code != MUSTER_UNAVAILABLE;
    if (!has_answer) watch->trouble = *error;
    if (is_refused) watch->is_refused = true;
    (void)pthread_mutex_unlock(&watch->mutex);
    if (is_refused) output_queue_finish(watch->queue);
    if (!has_answer || (error->code == watch->reported.code && error->is_answer == watch->reported.is_answer)) return;
    (void)command_report(error, NULL);
    watch->reported = *error;
}

/* ---- the main thread ---- */

/* Whether the output is a terminal with colours, and NO_COLOR is not set: https://no-color.org. */
static bool wants_colours(void) {
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return (none == NULL || *none == '\0') && terminal != NULL && strcmp(terminal, "dumb") != 0 &&
           isatty(STDOUT_FILENO) == 1;
}

/* STATUS_DONE if a node has answered; else the status of the last failure. */
static int start_status(struct watch *watch) {
    (void)pthread_mutex_lock(&watch->mutex);
    const bool is_fine = watch->has_answer && !watch->is_refused;
    struct muster_error error = watch->trouble;
    (void)pthread_mutex_unlock(&watch->mutex);
    if (is_fine) return STATUS_DONE;
    if (error.code == MUSTER_OK)
        error = (struct muster_error){.code = MUSTER_DEADLINE_EXCEEDED, .message = "no answer in time"};
    return command_report(&error, NULL);
}

/* The first answer must arrive within the timeout of a call. */
static int carry_output(struct watch *watch) {
    const uint32_t timeout_ms = watch->input.globals->timeout_ms;
    const uint64_t until_ms = clock_now_ms() + (timeout_ms == 0 ? MUSTER_TIMEOUT_DEFAULT_MS : timeout_ms);
    enum output_queue_end end = output_queue_run(watch->queue, until_ms);
    if (end == OUTPUT_TIMED_OUT || end == OUTPUT_FINISHED) {
        const int status = start_status(watch);
        if (status != STATUS_DONE) return status;
    }
    if (end == OUTPUT_TIMED_OUT) end = output_queue_run(watch->queue, UINT64_MAX);
    if (end != OUTPUT_FAILED) return STATUS_DONE;
    (void)fprintf(stderr, "muster: cannot write standard output: %s\n", strerror(errno));
    return STATUS_FAILED;
}

static int watch_scope(struct muster_client *client, struct watch *watch) {
    const struct globals *globals = watch->input.globals;
    const struct watch_form form = {.is_json = globals->is_json,
                                    .is_coloured = !globals->is_json && wants_colours(),
                                    .has_sessions = watch->options.with_sessions,
                                    .is_totals = watch->options.counts_only,
                                    .scope = globals->scope};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    watch->queue = output_queue_new(STDOUT_FILENO, signals_open(false));
    watch->rows = watch_rows_new(&form, watch->queue);
    struct muster_watch *opened;
    struct muster_error error;
    int status;
    if (muster_watch_open(client, &watch->options, &opened, &error) == MUSTER_OK) status = carry_output(watch);
    else status = command_report(&error, NULL);
    output_queue_finish(watch->queue);
    signals_let_go();
    muster_watch_close(opened);
    watch_rows_free(watch->rows);
    output_queue_free(watch->queue);
    return status;
}

static struct watch *watch_new(struct globals *globals) {
    struct watch *watch = memory_new(sizeof *watch);
    watch->input.globals = globals;
    watch->count_max = UINT64_MAX;
    watch->options.users = watch->users;
    watch->options.arg = watch;
    watch->options.callbacks = (struct muster_watch_callbacks){.synced = on_synced,
                                                               .joined = on_joined,
                                                               .left = on_left,
                                                               .updated = on_updated,
                                                               .counts = on_counts,
                                                               .trouble = on_trouble};
    (void)pthread_mutex_init(&watch->mutex, NULL);
    return watch;
}

static int run_watch(struct globals *globals, int argc, char **argv) {
    struct watch *watch = watch_new(globals);
    command_parse(&command_watch, options, parse_watch,
                  "Prints the users present, then every user who joins, leaves or changes, until it is interrupted. "
                  "Watching does not make anyone present.",
                  argc, argv, watch);
    watch->options.scope = globals->scope;
    if (watch->options.counts_only && (watch->options.user_count > 0 || watch->options.with_sessions))
        command_usage(&command_watch, "--totals shows neither users nor sessions");
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status == STATUS_DONE) {
        status = watch_scope(client, watch);
        muster_close(client);
    }
    (void)pthread_mutex_destroy(&watch->mutex);
    free(watch);
    return status;
}

const struct command command_watch = {"watch", "", "Show who is present, then every change", run_watch};
