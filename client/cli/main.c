/* muster: the command line of a Muster node. */
#include "command.h"

#include <argp.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_touch,  &command_leave, &command_live,   &command_list,  &command_counts,  &command_where,
    &command_scopes, &command_nodes, &command_status, &command_reset, &command_watch,   &command_top,
    &command_replay, &command_bench, &command_keygen, &command_ping,  &command_version,
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

struct line {
    struct globals globals;
    const struct command *command;
    int next;     /* index of the command's first argument */
    bool is_help; /* `muster help COMMAND` */
};

static const struct command *command_named(const char *name) {
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

/* How many letters are to be changed, added, left out or swapped with the next (Damerau, 1964; the restricted form). */
static unsigned typing_distance(const char *a, const char *b) {
    enum { LEN_MAX = 15 };
    unsigned rows[3][LEN_MAX + 1];
    const size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > LEN_MAX || b_len > LEN_MAX) return UINT_MAX;
    for (size_t i = 0; i <= a_len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *last = rows[(i + 2) % 3], *before_last = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            if (i == 0) {
                row[j] = (unsigned)j;
                continue;
            }
            row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < row[j]) row[j] = last[j] + 1;
            if (row[j - 1] + 1 < row[j]) row[j] = row[j - 1] + 1;
            const bool is_swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swapped && before_last[j - 2] + 1 < row[j]) row[j] = before_last[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

/* Ends the program. */
static void refuse_command(const struct argp_state *state, const char *name) {
    enum { DISTANCE_MAX = 2 };
    unsigned least = DISTANCE_MAX + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < COMMANDS; i++) {
        const unsigned distance = typing_distance(name, commands[i]->name);
        if (distance >= least) continue;
        least = distance;
        nearest = commands[i]->name;
    }
    if (nearest != NULL) argp_error(state, "unknown command '%s'; did you mean '%s'?", name, nearest);
    else argp_error(state, "unknown command '%s'", name);
}

static error_t parse_line(int key, char *argument, struct argp_state *state) {
    struct line *line = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &line->globals;
        return 0;
    case ARGP_KEY_ARG:
        line->is_help = line->command == NULL && strcmp(argument, "help") == 0;
        if (line->is_help && state->next == state->argc) argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        if (line->is_help) argument = state->argv[state->next++];
        line->command = command_named(argument);
        if (line->command == NULL) refuse_command(state, argument);
        line->next = state->next;
        state->next = state->argc; /* the rest belongs to the command */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no command was given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The commands, for `muster --help`. */
static char *list_of_commands(int key, const char *text, void *input) {
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) return (char *)(uintptr_t)text;
    char *list = NULL;
    size_t len;
    FILE *out = open_memstream(&list, &len);
    if (out == NULL) return NULL;
    (void)fputs("Commands:\n", out);
    for (size_t i = 0; i < COMMANDS; i++) (void)fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    (void)fputs("\n`muster COMMAND --help' describes a command. Durations (D) are written 500ms, 60s, 1h30m or 7d.\n"
                "Exit status: 0 success (`live': all users are live), 1 a user is not live (`live'), or a local "
                "failure, 2 usage, "
                "3 no node answered, 4 the node refused the call, 5 a local failure of `live'.",
                out);
    (void)fclose(out);
    return list;
}

/* Runs the command with its own argv; argv[0] is its name in messages. */
static int run_command(struct line *line, int argc, char **argv) {
    char name[32];
    (void)snprintf(name, sizeof name, "muster %s", line->command->name);
    if (line->command == &command_live) command_failed = STATUS_LIVE_FAILED;
    const int own_argc = argc - line->next + 1;
    char **own_argv = calloc((size_t)own_argc + 1, sizeof *own_argv);
    if (own_argv == NULL) return command_failed;
    own_argv[0] = name;
    if (line->is_help) return line->command->run(&line->globals, 2, (char *[]){name, (char[]){"--help"}, NULL});
    for (int i = 1; i < own_argc; i++) own_argv[i] = argv[line->next + i - 1];
    const int status = line->command->run(&line->globals, own_argc, own_argv);
    free(own_argv);
    return command_flush(status);
}

/* argp prints help and version and exits, whether or not that was written. */
static void check_output(void) {
    if (command_flush(STATUS_DONE) != STATUS_DONE) _exit(command_failed);
}

int main(int argc, char **argv) {
    static const struct argp_child children[] = {{&globals_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {NULL,
                                     parse_line,
                                     "COMMAND [ARGUMENT...]",
                                     "Command line of the presence service Muster.\v",
                                     children,
                                     list_of_commands,
                                     NULL};
    static char version[64];
    struct line line = {0};
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth: ids are UTF-8 whatever the terminal uses */
    (void)snprintf(version, sizeof version, "muster %s", muster_version());
    (void)setenv("ARGP_HELP_FMT", "no-dup-args-note", 0); /* suppresses a note that does not apply */
    (void)atexit(check_output);
    argp_program_version = version;
    argp_err_exit_status = STATUS_USAGE;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line) != 0) return STATUS_USAGE;
    return run_command(&line, argc, argv);
}
