#include "command.h"
#include "rows.h"

#include <stdio.h>

static error_t parse_version(int key, char *argument, struct argp_state *state) {
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    argp_error(state, "unexpected argument '%s'", argument);
    return 0;
}

static int run_version(struct globals *globals, int argc, char **argv) {
    struct command_input input = {globals};
    command_parse(&command_version, NULL, parse_version, NULL, argc, argv, &input);
    if (globals->is_json) json_print(json_pack("{s:s}", "version", muster_version()));
    else (void)printf("muster %s\n", muster_version());
    return STATUS_DONE;
}

const struct command command_version = {"version", "", "Show the version", run_version};
