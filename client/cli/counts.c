#include "command.h"
#include "memory.h"
#include "rows.h"
#include "table.h"
#include "values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    struct command_input input;
    struct windows windows;
    const char *scopes[MUSTER_COUNTS_SCOPES_MAX];
    size_t scope_count;
};

enum { OPTION_WINDOW = 1, OPTION_SCOPES };

static const struct argp_option options[] = {
    {"window", OPTION_WINDOW, "D,...", 0, "Also count the users seen within the last D, such as 5m,1h,24h", 0},
    {"scopes", OPTION_SCOPES, "A,...", 0, "Scopes to count (default: that of -s)", 0},
    {0},
};

static void add_scopes(struct counts *counts, char *names, struct argp_state *state) {
    for (char *name; (name = strsep(&names, ",")) != NULL;) {
        if (*name == '\0') argp_error(state, "--scopes: a name is empty");
        if (counts->scope_count == MUSTER_COUNTS_SCOPES_MAX)
            argp_error(state, "--scopes: at most %d can be asked for", (int)MUSTER_COUNTS_SCOPES_MAX);
        counts->scopes[counts->scope_count++] = name;
    }
}

static error_t parse_counts(int key, char *argument, struct argp_state *state) {
    struct counts *counts = state->input;
    const char *piece;
    switch (key) {
    case OPTION_WINDOW:
        switch (windows_add(&counts->windows, argument, &piece)) {
        case WINDOWS_OK:
            return 0;
        case WINDOWS_MALFORMED:
            argp_error(state, "--window: '%s' is not a duration such as 5m, 1h or 24h", piece);
            return 0;
        case WINDOWS_TOO_MANY:
            argp_error(state, "--window: at most %d windows", (int)MUSTER_WINDOWS_MAX);
            return 0;
        }
        return 0;
    case OPTION_SCOPES:
        add_scopes(counts, argument, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_counts_json(const struct muster_scope_counts *row, const struct windows *windows) {
    json_t *of_windows = json_object(), *incomplete = json_array();
    for (size_t i = 0; i < row->window_count && i < windows->count; i++) {
        json_object_set_new(of_windows, windows->written[i], json_integer((json_int_t)row->windows[i].users));
        if (row->windows[i].is_incomplete) json_array_append_new(incomplete, json_string(windows->written[i]));
    }
    json_t *object = json_object();
    json_object_set_new(object, "scope", json_text(row->scope, strlen(row->scope)));
    json_object_set_new(object, "live", json_integer((json_int_t)row->live));
    json_object_set_new(object, "online", json_integer((json_int_t)row->online));
    json_object_set_new(object, "away", json_integer((json_int_t)row->away));
    json_object_set_new(object, "busy", json_integer((json_int_t)row->busy));
    json_object_set_new(object, "sessions", json_integer((json_int_t)row->sessions));
    json_object_set_new(object, "windows", of_windows);
    if (json_array_size(incomplete) > 0) json_object_set(object, "incomplete", incomplete);
    json_decref(incomplete);
    json_print(object);
}

static void print_counts_row(struct table *table, const struct muster_scope_counts *row) {
    table_string(table, row->scope);
    table_number(table, row->live);
    table_number(table, row->online);
    table_number(table, row->away);
    table_number(table, row->busy);
    table_number(table, row->sessions);
    for (size_t i = 0; i < row->window_count; i++) {
        char text[32]; /* "12+": a lower bound, since a full node discarded users */
        (void)snprintf(text, sizeof text, "%" PRIu64 "%s", row->windows[i].users,
                       row->windows[i].is_incomplete ? "+" : "");
        table_string(table, text);
    }
}

static void print_table(const struct muster_counts *answer, const struct windows *windows) {
    struct table_column columns[6 + MUSTER_WINDOWS_MAX] = {{"SCOPE", 'l'}, {"LIVE", 'r'}, {"ONLINE", 'r'},
                                                           {"AWAY", 'r'},  {"BUSY", 'r'}, {"SESSIONS", 'r'}};
    for (size_t i = 0; i < windows->count; i++) columns[6 + i] = (struct table_column){windows->written[i], 'r'};
    struct table *table = table_new(stdout, columns, 6 + windows->count);
    for (size_t i = 0; i < answer->count; i++) print_counts_row(table, &answer->items[i]);
    table_finish(table);
}

static void print_counts(const struct muster_counts *answer, const struct counts *counts) {
    if (!counts->input.globals->is_json) {
        print_table(answer, &counts->windows);
        return;
    }
    for (size_t i = 0; i < answer->count; i++) print_counts_json(&answer->items[i], &counts->windows);
}

static int count_all(struct muster_client *client, const struct counts *counts) {
    const struct windows *windows = &counts->windows;
    const bool has_scope = counts->input.globals->scope != NULL;
    const char *const *scopes = counts->scope_count > 0 ? counts->scopes : &counts->input.globals->scope;
    const size_t scope_count = counts->scope_count > 0 ? counts->scope_count : has_scope ? 1 : 0;
    struct muster_counts *answer = NULL;
    struct muster_error error;
    int status = STATUS_DONE;
    if (muster_counts(client, scopes, scope_count, windows->span_ms, windows->count, &answer, &error) == MUSTER_OK)
        print_counts(answer, counts);
    else status = command_report(&error, NULL);
    muster_counts_free(answer);
    return status;
}

static int run_counts(struct globals *globals, int argc, char **argv) {
    struct counts *counts = memory_new(sizeof *counts);
    counts->input.globals = globals;
    command_parse(&command_counts, options, parse_counts,
                  "A window counts the distinct users seen within that time, live or not. A figure with a + is a lower "
                  "bound: a full node discarded users seen in that window.",
                  argc, argv, counts);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status == STATUS_DONE) {
        status = count_all(client, counts);
        muster_close(client);
    }
    free(counts);
    return status;
}

const struct command command_counts = {"counts", "", "Count users: live, by status, and seen within windows",
                                       run_counts};
