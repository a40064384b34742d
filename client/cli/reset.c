#include "command.h"
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>

struct reset {
    struct command_input input;
    bool is_confirmed;
};

enum { OPTION_YES = 1 };

static const struct argp_option options[] = {
    {"yes", OPTION_YES, 0, 0, "Confirm: remove all users of the scope", 0},
    {0},
};

static error_t parse_reset(int key, char *argument, struct argp_state *state) {
    struct reset *reset = state->input;
    switch (key) {
    case OPTION_YES:
        reset->is_confirmed = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run_reset(struct globals *globals, int argc, char **argv) {
    struct reset reset = {.input = {globals}};
    command_parse(&command_reset, options, parse_reset, "This cannot be undone, so --yes is required.", argc, argv,
                  &reset);
    if (!reset.is_confirmed)
        command_usage(&command_reset, "this removes all users of scope '%s': add --yes to confirm",
                      globals->scope == NULL ? MUSTER_SCOPE_DEFAULT : globals->scope);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    struct muster_forgotten forgotten;
    struct muster_error error;
    if (muster_reset(client, globals->scope, &forgotten, &error) != MUSTER_OK) status = command_report(&error, NULL);
    else if (globals->is_json) json_print(json_pack("{s:I}", "forgotten", (json_int_t)forgotten.forgotten));
    else (void)printf("forgot %" PRIu64 "\n", forgotten.forgotten);
    muster_close(client);
    return status;
}

const struct command command_reset = {"reset", "--yes", "Remove all users of a scope, on every node", run_reset};
