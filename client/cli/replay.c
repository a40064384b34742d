#include "replay.h"

#include "memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOWS_DEFAULT  "5m,1h,24h"
#define EVERY_DEFAULT_MS (60 * 60 * 1000)
static char windows_default[] = WINDOWS_DEFAULT;

struct replay {
    struct command_input input;
    struct replay_plan plan;
    enum visits_who who;
    const char *file;
};

enum { OPTION_FORMAT = 1, OPTION_WINDOW, OPTION_EVERY, OPTION_TTL, OPTION_USER, OPTION_SPEED };

static const struct argp_option options[] = {
    {"format", OPTION_FORMAT, "FORMAT", 0, "Format of the log; clf: the common and the combined log format (default)",
     0},
    {"window", OPTION_WINDOW, "D,...", 0, "Windows to count (default: " WINDOWS_DEFAULT ")", 0},
    {"every", OPTION_EVERY, "D", 0, "Time between rows, aligned to UTC (default: 1h)", 0},
    {"ttl", OPTION_TTL, "D", 0,
     "How long a request keeps its user live, 1s to 24h (default: 60s; with --to the node's)", 0},
    {"user", OPTION_USER, "FIELD", 0,
     "Which field names the user: host, the remote host (default); auth, the authenticated user", 0},
    {"speed", OPTION_SPEED, "N", 0, "With --to: replay at N times the speed of the log (default: 1)", 0},
    {0},
};

static void set_windows(struct replay *replay, char *list, struct argp_state *state) {
    const char *piece;
    const enum windows_result result = windows_add(&replay->plan.windows, list, &piece);
    if (result == WINDOWS_MALFORMED) argp_error(state, "--window: '%s' is not a duration such as 5m, 1h or 24h", piece);
    if (result == WINDOWS_TOO_MANY) argp_error(state, "--window: at most %d windows", (int)MUSTER_WINDOWS_MAX);
}

static void set_speed(struct replay *replay, const char *argument, struct argp_state *state) {
    char *end;
    replay->plan.speed = strtod(argument, &end);
    if (end == argument || *end != '\0' || !isfinite(replay->plan.speed) || replay->plan.speed <= 0)
        argp_error(state, "--speed: '%s' is not a number above 0", argument);
}

static error_t parse_value(int key, char *argument, struct argp_state *state) {
    struct replay *replay = state->input;
    uint64_t span_ms;
    switch (key) {
    case OPTION_EVERY:
        if (!value_span(argument, 1, MUSTER_RETENTION_MAX_MS, &replay->plan.every_ms))
            argp_error(state, "--every: '%s' is not a duration such as 5m or 1h", argument);
        return 0;
    case OPTION_TTL:
        if (!value_span(argument, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS, &span_ms))
            argp_error(state, "--ttl: '%s' is not a duration from 1s to 24h", argument);
        replay->plan.ttl_ms = (uint32_t)span_ms;
        return 0;
    case OPTION_USER:
        if (strcmp(argument, "host") != 0 && strcmp(argument, "auth") != 0)
            argp_error(state, "--user: '%s' is none of host, auth", argument);
        replay->who = strcmp(argument, "auth") == 0 ? VISITS_AUTHENTICATED : VISITS_HOST;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_replay(int key, char *argument, struct argp_state *state) {
    struct replay *replay = state->input;
    switch (key) {
    case OPTION_FORMAT:
        if (strcmp(argument, "clf") != 0) argp_error(state, "--format: '%s' is unknown; there is clf", argument);
        return 0;
    case OPTION_WINDOW:
        set_windows(replay, argument, state);
        return 0;
    case OPTION_SPEED:
        set_speed(replay, argument, state);
        return 0;
    case ARGP_KEY_ARG:
        if (replay->file != NULL) argp_error(state, "unexpected argument '%s'", argument);
        replay->file = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no log file was given `-' stands for standard input");
        return 0;
    default:
        return parse_value(key, argument, state);
    }
}

/* Checks options that depend on each other. */
static void complete_replay(struct replay *replay) {
    struct replay_plan *plan = &replay->plan;
    const bool has_node = replay->input.globals->address_count > 0;
    const char *piece;
    if (plan->windows.count == 0) (void)windows_add(&plan->windows, windows_default, &piece);
    for (size_t i = 0; i < plan->windows.count && !has_node; i++)
        if (plan->windows.span_ms[i] > MUSTER_RETENTION_MAX_MS)
            command_usage(&command_replay, "--window: '%s' is more than 30d", plan->windows.written[i]);
    if (plan->every_ms == 0) plan->every_ms = EVERY_DEFAULT_MS;
    if (plan->speed > 0 && !has_node)
        command_usage(&command_replay, "--speed is for a replay against a node: give --to");
    if (plan->speed <= 0 && has_node) plan->speed = 1;
}

static int read_log(const struct replay *replay, struct visits *visits) {
    const bool is_input = strcmp(replay->file, "-") == 0;
    FILE *in = is_input ? stdin : fopen(replay->file, "re");
    if (in == NULL) {
        (void)fprintf(stderr, "muster: replay: cannot open '%s': %s\n", replay->file, strerror(errno));
        return STATUS_USAGE;
    }
    const bool is_read = visits_read(in, replay->who, visits);
    const int why = errno;
    if (!is_input) (void)fclose(in);
    if (is_read) return STATUS_DONE;
    (void)fprintf(stderr, "muster: replay: cannot read '%s': %s\n", replay->file, strerror(why));
    return why == EISDIR ? STATUS_USAGE : STATUS_FAILED;
}

static int replay_visits(const struct replay_plan *plan, const struct visits *visits) {
    struct replay_target target = {0};
    if (visits->count > 0) {
        const bool has_node = plan->globals->address_count > 0;
        const int status = has_node ? replay_node_open(plan, visits, &target) : replay_roll_open(plan, visits, &target);
        if (status != STATUS_DONE) return status;
    }
    const int status = replay_run(plan, visits, &target);
    if (target.close != NULL) target.close(target.context);
    return status;
}

static int run_replay(struct globals *globals, int argc, char **argv) {
    struct replay replay = {.input = {globals}, .plan = {.globals = globals}};
    command_parse(
        &command_replay, options, parse_replay,
        "Lines are sorted by their time and applied to an embedded roll that runs on the log's clock. Each row counts "
        "the users live, and seen within each window, at that time. With --to the requests are sent to a node in real "
        "time instead, and each row shows the node's counts.",
        argc, argv, &replay);
    complete_replay(&replay);
    struct visits visits;
    int status = read_log(&replay, &visits);
    if (status != STATUS_DONE) return status;
    status = replay_visits(&replay.plan, &visits);
    visits_free(&visits);
    return status;
}

const struct command command_replay = {"replay", "FILE|-", "Compute from a web server's access log who was active",
                                       run_replay};
