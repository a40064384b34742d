#include "replay.h"

#include "memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WINDOWS_DEFAULT  "5m,1h,24h"
#define EVERY_DEFAULT_MS (60 * 60 * 1000)
static char windows_default[] = WINDOWS_DEFAULT;

struct replay {
    struct command_input input;
    struct replay_plan plan;
    const char **files;
    size_t file_count;
    char title[128]; /* of the chart */
};

enum {
    OPTION_FORMAT = 1,
    OPTION_WINDOW,
    OPTION_EVERY,
    OPTION_TTL,
    OPTION_USER,
    OPTION_USER_FIELD,
    OPTION_TIME_FIELD,
    OPTION_EXCLUDE_STATUS,
    OPTION_BOTS,
    OPTION_PLOT,
    OPTION_SPEED
};

static const struct argp_option options[] = {
    {"format", OPTION_FORMAT, "FORMAT", 0,
     "Format of the log: common, combined, vhost_combined, json (one object a line), or auto: guessed from the first "
     "lines of each file (default); clf is combined",
     0},
    {"window", OPTION_WINDOW, "D,...", 0, "Windows to count (default: " WINDOWS_DEFAULT ")", 0},
    {"every", OPTION_EVERY, "D", 0, "Time between rows, aligned to UTC (default: 1h)", 0},
    {"ttl", OPTION_TTL, "D", 0,
     "How long a request keeps its user live, 1s to 24h (default: 90s; with --to the node's)", 0},
    {"user", OPTION_USER, "FIELD", 0,
     "Which field names the user: host, the remote host (default); auth, the authenticated user; xff or xff-first, the "
     "first address of X-Forwarded-For, which the client can make up; xff-last, its last one",
     0},
    {"user-field", OPTION_USER_FIELD, "PATH", 0,
     "The field of JSON lines that names the user, such as request.remote_ip (default: the known fields of nginx, "
     "Caddy, Traefik, Envoy and Cloudflare)",
     0},
    {"time-field", OPTION_TIME_FIELD, "PATH", 0,
     "The field of JSON lines with the time: seconds or milliseconds since 1970, or RFC 3339 (default: the known "
     "fields)",
     0},
    {"exclude-status", OPTION_EXCLUDE_STATUS, "S,...", 0, "Leave out answers with these statuses, such as 4xx,500", 0},
    {"bots", OPTION_BOTS, 0, 0,
     "Leave out crawlers, monitors, and fetchers of feeds and previews whose user agent is on a built-in list; those "
     "that pose as browsers stay",
     0},
    {"plot", OPTION_PLOT, "FILE", 0, "Also draw the rows as a chart into this SVG file", 0},
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

static error_t parse_span(int key, const char *argument, struct argp_state *state) {
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
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void set_user(struct replay *replay, const char *argument, struct argp_state *state) {
    static const struct {
        const char *name;
        enum user_field field;
    } fields[] = {
        {"host", USER_HOST},
        {"auth", USER_AUTHENTICATED},
        {"xff", USER_FORWARDED_FIRST},
        {"xff-first", USER_FORWARDED_FIRST},
        {"xff-last", USER_FORWARDED_LAST},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(argument, fields[i].name) != 0) continue;
        replay->plan.rule.visitor.user = fields[i].field;
        return;
    }
    argp_error(state, "--user: '%s' is none of host, auth, xff, xff-first, xff-last", argument);
}

/* What decides which lines count, and as whom. */
static error_t parse_rule(int key, char *argument, struct argp_state *state) {
    struct replay *replay = state->input;
    struct visits_rule *rule = &replay->plan.rule;
    const char *wrong;
    switch (key) {
    case OPTION_FORMAT:
        if (!log_format_named(argument, &rule->format))
            argp_error(state, "--format: '%s' is none of auto, common, combined, vhost_combined, json", argument);
        return 0;
    case OPTION_USER:
        set_user(replay, argument, state);
        return 0;
    case OPTION_USER_FIELD:
        rule->user_path = argument;
        return 0;
    case OPTION_TIME_FIELD:
        rule->time_path = argument;
        return 0;
    case OPTION_EXCLUDE_STATUS:
        wrong = status_set_add(&rule->visitor.excluded, argument);
        if (wrong != NULL) argp_error(state, "--exclude-status: '%s' is not a status such as 404 or 4xx", wrong);
        replay->plan.has_exclusions = true;
        return 0;
    case OPTION_BOTS:
        rule->visitor.leaves_out_bots = replay->plan.has_exclusions = true;
        return 0;
    default:
        return parse_span(key, argument, state);
    }
}

static void add_file(struct replay *replay, const char *file) {
    replay->files = memory_grow((void *)replay->files, replay->file_count + 1, sizeof *replay->files);
    replay->files[replay->file_count++] = file;
}

static error_t parse_replay(int key, char *argument, struct argp_state *state) {
    struct replay *replay = state->input;
    switch (key) {
    case OPTION_WINDOW:
        set_windows(replay, argument, state);
        return 0;
    case OPTION_SPEED:
        set_speed(replay, argument, state);
        return 0;
    case OPTION_PLOT:
        replay->plan.plot = argument;
        return 0;
    case ARGP_KEY_ARG:
        add_file(replay, argument);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no log file was given; `-' stands for standard input");
        return 0;
    default:
        return parse_rule(key, argument, state);
    }
}

/* Checks options that depend on each other. */
static void complete_rule(struct visits_rule *rule) {
    const bool has_path = rule->user_path != NULL || rule->time_path != NULL;
    if (has_path && rule->format == FORMAT_AUTO) rule->format = FORMAT_JSON;
    if (has_path && rule->format != FORMAT_JSON)
        command_usage(&command_replay, "--user-field and --time-field are for --format json");
    rule->visitor.is_any_text = rule->user_path != NULL;
}

static void complete_replay(struct replay *replay) {
    struct replay_plan *plan = &replay->plan;
    const bool has_node = replay->input.globals->address_count > 0;
    const char *piece;
    complete_rule(&plan->rule);
    if (plan->windows.count == 0) (void)windows_add(&plan->windows, windows_default, &piece);
    for (size_t i = 0; i < plan->windows.count && !has_node; i++)
        if (plan->windows.span_ms[i] > MUSTER_RETENTION_MAX_MS)
            command_usage(&command_replay, "--window: '%s' is more than 30d", plan->windows.written[i]);
    if (plan->every_ms == 0) plan->every_ms = EVERY_DEFAULT_MS;
    if (plan->speed > 0 && !has_node)
        command_usage(&command_replay, "--speed is for a replay against a node: give --to");
    if (plan->speed <= 0 && has_node) plan->speed = 1;
    const char *slash = strrchr(replay->files[0], '/');
    (void)snprintf(replay->title, sizeof replay->title, "Users of %s%s", slash == NULL ? replay->files[0] : slash + 1,
                   replay->file_count > 1 ? " and other logs" : "");
    plan->title = replay->title;
}

static FILE *open_log(const char *file) {
    struct stat status;
    FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    if (in == NULL) {
        (void)fprintf(stderr, "muster: replay: cannot open '%s': %s\n", file, strerror(errno));
        return NULL;
    }
    if (fstat(fileno(in), &status) != 0 || !S_ISDIR(status.st_mode)) return in;
    (void)fprintf(stderr, "muster: replay: cannot read '%s': %s\n", file, strerror(EISDIR));
    if (in != stdin) (void)fclose(in);
    return NULL;
}

static int read_log(const struct replay *replay, const char *file, struct visits *visits) {
    struct error error;
    FILE *in = open_log(file);
    if (in == NULL) return STATUS_USAGE;
    const bool is_read = visits_read(visits, &replay->plan.rule, in, &error);
    if (in != stdin) (void)fclose(in);
    if (is_read) return STATUS_DONE;
    (void)fprintf(stderr, "muster: replay: cannot read '%s': %s\n", file, error.text);
    return STATUS_FAILED;
}

/* Warns of options that had no effect. */
static void check_effects(const struct replay *replay, const struct visits *visits) {
    if (replay->plan.rule.visitor.leaves_out_bots && !visits->has_agents && visits->count > 0)
        (void)fprintf(stderr, "muster: replay: --bots left out nobody: the log has no user agents\n");
}

static int fail_without_visits(const struct replay *replay, const struct visits *visits) {
    const char *more = replay->file_count > 1 ? " and the other logs" : "";
    const char *why = visits->lines == 0 ? "no lines" : "no line names a user; the summary says why";
    (void)fflush(stdout);
    (void)fprintf(stderr, "muster: replay: nothing to replay in '%s'%s: %s\n", replay->files[0], more, why);
    return STATUS_FAILED;
}

static int replay_visits(const struct replay *replay, const struct visits *visits) {
    const struct replay_plan *plan = &replay->plan;
    struct replay_target target = {0};
    if (visits->count > 0) {
        const bool has_node = plan->globals->address_count > 0;
        const int status = has_node ? replay_node_open(plan, visits, &target) : replay_roll_open(plan, visits, &target);
        if (status != STATUS_DONE) return status;
    }
    const int status = replay_run(plan, visits, &target);
    if (target.close != NULL) target.close(target.context);
    check_effects(replay, visits);
    return status == STATUS_DONE && visits->count == 0 ? fail_without_visits(replay, visits) : status;
}

static int run_replay(struct globals *globals, int argc, char **argv) {
    struct replay replay = {.input = {globals}, .plan = {.globals = globals}};
    command_parse(
        &command_replay, options, parse_replay,
        "Logs may be compressed by gzip or zstd. Lines are sorted by their time and applied to an embedded roll that "
        "runs on the log's clock. Each row counts the users live, and seen within each window, at that time. Lines "
        "that are not understood, or name nobody, are skipped, and the summary says why. With --to the requests are "
        "sent to a node in real time instead, and each row shows the node's counts.",
        argc, argv, &replay);
    complete_replay(&replay);
    struct visits *visits = visits_new();
    int status = STATUS_DONE;
    for (size_t i = 0; i < replay.file_count && status == STATUS_DONE; i++)
        status = read_log(&replay, replay.files[i], visits);
    visits_sort(visits);
    if (status == STATUS_DONE) status = replay_visits(&replay, visits);
    visits_free(visits);
    free((void *)replay.files);
    return status;
}

const struct command command_replay = {"replay", "FILE...|-", "Compute from a web server's access log who was active",
                                       run_replay};
