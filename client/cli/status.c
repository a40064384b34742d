#include "command.h"
#include "common/duration.h"
#include "rows.h"
#include "values.h"

#include <stdio.h>
#include <string.h>

struct status_command {
    struct command_input input;
    const char *user, *word;
    enum muster_status status; /* MUSTER_STATUS_UNSPECIFIED: auto */
    uint32_t ttl_ms;           /* 0: until it is cleared */
};

enum { OPTION_TTL = 1 };

static const struct argp_option options[] = {
    {"ttl", OPTION_TTL, "D", 0, "How long the status holds, 1s to 30d (default: until it is cleared, at most 30d)", 0},
    {0},
};

static void take_argument(struct status_command *command, char *argument, struct argp_state *state) {
    if (command->user == NULL) {
        command->user = argument;
        return;
    }
    if (command->word != NULL) argp_error(state, "unexpected argument '%s'", argument);
    command->word = argument;
    if (strcmp(argument, "auto") != 0 && !value_status(argument, &command->status))
        argp_error(state, "'%s' is none of online, away, busy, auto", argument);
}

static error_t parse_status(int key, char *argument, struct argp_state *state) {
    struct status_command *command = state->input;
    switch (key) {
    case OPTION_TTL:
        command->ttl_ms = (uint32_t)command_span(state, "--ttl", argument, MUSTER_TTL_MIN_MS, MUSTER_STATUS_TTL_MAX_MS);
        return 0;
    case ARGP_KEY_ARG:
        take_argument(command, argument, state);
        return 0;
    case ARGP_KEY_END:
        if (command->word == NULL) argp_error(state, "a user and a status are needed");
        if (command->status == MUSTER_STATUS_UNSPECIFIED && command->ttl_ms != 0)
            argp_error(state, "--ttl: 'auto' clears a status, now");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_status(const struct status_command *command, const struct muster_status_set *set) {
    char ttl[DURATION_BYTES];
    if (command->input.globals->is_json) {
        json_print(json_pack("{s:I}", "stamp", (json_int_t)set->stamp));
        return;
    }
    (void)printf("%s", command->status == MUSTER_STATUS_UNSPECIFIED ? "cleared" : command->word);
    if (command->ttl_ms != 0) (void)printf(" for %s", duration_format(command->ttl_ms, ttl));
    (void)printf("\n");
}

static int run_status(struct globals *globals, int argc, char **argv) {
    struct status_command command = {.input = {globals}};
    command_parse(&command_status, options, parse_status,
                  "The status stands above those of the user's sessions while the user is live, whatever they report; "
                  "`auto' clears it.",
                  argc, argv, &command);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    struct muster_status_set set;
    struct muster_error error;
    if (muster_set_status(client, globals->scope, command.user, command.status, command.ttl_ms, &set, &error) !=
        MUSTER_OK)
        status = command_report(&error, NULL);
    else print_status(&command, &set);
    muster_close(client);
    return status;
}

const struct command command_status = {"status", "USER online|away|busy|auto",
                                       "Set a status of a user that stands above those of the sessions", run_status};
