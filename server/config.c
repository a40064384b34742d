#include "config.h"
#include "common/duration.h"
#include "common/url.h"
#include "muster/limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };
enum {
    KEY_RPC = 256,
    KEY_NAME,
    KEY_TTL,
    KEY_RETENTION,
    KEY_TICK,
    KEY_MEMBERS,
    KEY_BYTES,
    KEY_CONNECTIONS,
    KEY_WATCHES,
    KEY_LOG_FORMAT,
    KEY_LOG_LEVEL,
    KEY_INSECURE,
    KEY_DATA_DIR,
};

static const char default_url[] = "tcp://127.0.0.1:7700";

static const struct argp_option known[] = {
    {"rpc", KEY_RPC, "URL", 0,
     "Listen for requests on tcp://HOST:PORT or ipc://PATH; may be given again "
     "(default tcp://127.0.0.1:7700)",
     0},
    {"name", KEY_NAME, "NAME", 0, "What this node calls itself in logs (default: the host's name)", 0},
    {"ttl", KEY_TTL, "DURATION", 0, "How long a beat that names no TTL keeps a session live, 1s to 24h (default 60s)",
     0},
    {"retention", KEY_RETENTION, "DURATION", 0, "How long users who are gone are remembered, 1s to 30d (default 24h)",
     0},
    {"tick", KEY_TICK, "DURATION", 0, "How often leases are looked after, 10ms to 1s (default 100ms)", 0},
    {"max-members", KEY_MEMBERS, "N", 0, "Sessions that are kept, at most (default 20000000)", 0},
    {"max-bytes", KEY_BYTES, "SIZE", 0, "Memory for them, at most, as 512MiB or 4GiB (default 4GiB)", 0},
    {"max-connections", KEY_CONNECTIONS, "N", 0, "Connections, at most (default 10000)", 0},
    {"max-watches", KEY_WATCHES, "N", 0, "Watches that wait for a change, at most, 1 to 1000000 (default 100000)", 0},
    {"data-dir", KEY_DATA_DIR, "DIR", 0,
     "Remember who is here from one start to the next: write a snapshot into this directory every minute and on the "
     "way "
     "out, and begin with it (default: none)",
     0},
    {"log-format", KEY_LOG_FORMAT, "FORMAT", 0, "logfmt or json, on standard error (default logfmt)", 0},
    {"log-level", KEY_LOG_LEVEL, "LEVEL", 0, "debug, info, warn or error: the least that is logged (default info)", 0},
    {"insecure", KEY_INSECURE, NULL, 0, "Let anybody in who can reach the node, also from beyond this machine", 0},
    {0},
};

void options_span(struct argp_state *state, const char *name, const char *text, uint64_t least, uint64_t most,
                  uint64_t *out) {
    char least_text[DURATION_BYTES], most_text[DURATION_BYTES];
    if (!duration_parse(text, out))
        argp_error(state, "--%s: '%s' is no duration; write 500ms, 60s, 5m, 24h or 7d", name, text);
    if (*out < least || *out > most)
        argp_error(state, "--%s: %s is out of range, %s to %s", name, text, duration_format(least, least_text),
                   duration_format(most, most_text));
}

/* A whole number, scaled by a unit of `units` where one follows. */
static bool parse_number(const char *text, bool has_units, uint64_t *out) {
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    uint64_t number = 0;
    *out = 0;
    if (*text < '0' || *text > '9') return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (number > (UINT64_MAX - digit) / 10) return false;
        number = number * 10 + digit;
    }
    for (size_t i = 0; i < (has_units ? sizeof units / sizeof units[0] : 1); i++) {
        if (strcmp(text, units[i].name) != 0) continue;
        if (number > UINT64_MAX >> units[i].shift) return false;
        *out = number << units[i].shift;
        return true;
    }
    return false;
}

static void read_number(struct argp_state *state, const char *name, const char *text, uint64_t least, uint64_t most,
                        uint64_t *out) {
    if (!parse_number(text, false, out)) argp_error(state, "--%s: '%s' is no whole number", name, text);
    if (*out < least || *out > most)
        argp_error(state, "--%s: %s is out of range, %" PRIu64 " to %" PRIu64, name, text, least, most);
}

static void read_size(struct argp_state *state, const char *text, uint64_t *out) {
    const uint64_t least = 64 * 1024;
    if (!parse_number(text, true, out))
        argp_error(state, "--max-bytes: '%s' is no size; write 512MiB, 4GiB or a number of bytes", text);
    if (*out < least) argp_error(state, "--max-bytes: %s is out of range, at least 64KiB", text);
}

static size_t read_choice(struct argp_state *state, const char *name, const char *text, const char *const *choices) {
    for (size_t i = 0; choices[i] != NULL; i++)
        if (strcmp(text, choices[i]) == 0) return i;
    argp_error(state, "--%s: '%s' is none of its values; see --help", name, text);
    return 0;
}

static void read_url(struct argp_state *state, const char *url, struct options *options) {
    struct error error;
    if (options->rpc_url_count == DOOR_URLS_MAX) argp_error(state, "--rpc: more than %d of them", DOOR_URLS_MAX);
    if (url_reach(url, &error) == REACH_NONE) argp_error(state, "--rpc: cannot listen on '%s': %s", url, error.text);
    options->rpc_urls[options->rpc_url_count++] = url;
}

static void read_name(struct argp_state *state, const char *name, struct options *options) {
    size_t len = strlen(name);
    if (len == 0 || len >= NODE_NAME_BYTES) argp_error(state, "--name: %zu bytes, 1 to %d", len, NODE_NAME_BYTES - 1);
    memcpy(options->name, name, len < NODE_NAME_BYTES ? len + 1 : 0);
}

static error_t read_option(int key, char *value, struct argp_state *state) {
    static const char *const formats[] = {"logfmt", "json", NULL};
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    struct options *options = state->input;
    uint64_t span;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->cluster;
        return 0;
    case KEY_RPC:
        read_url(state, value, options);
        return 0;
    case KEY_NAME:
        read_name(state, value, options);
        return 0;
    case KEY_TTL:
        options_span(state, "ttl", value, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS, &span);
        options->ttl_ms = (uint32_t)span;
        return 0;
    case KEY_RETENTION:
        options_span(state, "retention", value, MUSTER_RETENTION_MIN_MS, MUSTER_RETENTION_MAX_MS,
                     &options->retention_ms);
        return 0;
    case KEY_TICK:
        options_span(state, "tick", value, MUSTER_TICK_MIN_MS, MUSTER_TICK_MAX_MS, &span);
        options->tick_ms = (uint32_t)span;
        return 0;
    case KEY_MEMBERS:
        read_number(state, "max-members", value, 1, MUSTER_MEMBERS_MAX, &options->members_max);
        return 0;
    case KEY_BYTES:
        read_size(state, value, &options->bytes_max);
        return 0;
    case KEY_CONNECTIONS:
        read_number(state, "max-connections", value, 1, 1000000, &options->connections_max);
        return 0;
    case KEY_WATCHES:
        read_number(state, "max-watches", value, 1, MUSTER_WATCHES_MAX, &options->watches_max);
        return 0;
    case KEY_LOG_FORMAT:
        options->log_format = (enum log_format)read_choice(state, "log-format", value, formats);
        return 0;
    case KEY_LOG_LEVEL:
        options->log_level = (enum log_level)read_choice(state, "log-level", value, levels);
        return 0;
    case KEY_INSECURE:
        options->is_insecure = true;
        return 0;
    case KEY_DATA_DIR:
        if (*value == '\0') argp_error(state, "--data-dir: the name of a directory is missing");
        options->data_dir = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': musterd takes flags only", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Until nodes can tell who asks, nobody from elsewhere may. */
static void check_reach(const struct options *options, const char *program) {
    struct error error;
    for (size_t i = 0; i < options->rpc_url_count; i++) {
        if (url_reach(options->rpc_urls[i], &error) != REACH_BEYOND || options->is_insecure) continue;
        fprintf(stderr,
                "%s: --rpc %s can be reached from beyond this machine, and nobody who asks is authenticated. Listen on "
                "127.0.0.1, or give --insecure if the network itself keeps strangers out.\n",
                program, options->rpc_urls[i]);
        exit(EXIT_USAGE);
    }
}

struct options options_read(int argc, char **argv) {
    static const struct argp_child children[] = {{&cluster_options_parser, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .options = known,
        .parser = read_option,
        .children = children,
        .doc = "The Muster presence server: backends report who is here, any node answers who is.\v"
               "Durations are written 500ms, 60s, 5m, 24h, 7d. It prints one line with the word `ready` when it "
               "serves, logs to standard error, and on SIGTERM or SIGINT answers what has come in, tells its peers and "
               "exits.",
    };
    struct options options = {.ttl_ms = MUSTER_TTL_DEFAULT_MS,
                              .tick_ms = MUSTER_TICK_DEFAULT_MS,
                              .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                              .members_max = MUSTER_MEMBERS_DEFAULT,
                              .bytes_max = MUSTER_ROLL_BYTES_DEFAULT,
                              .connections_max = MUSTER_CONNECTIONS_DEFAULT,
                              .watches_max = MUSTER_WATCHES_DEFAULT,
                              .log_level = LEVEL_INFO,
                              .cluster = cluster_options_default()};
    argp_program_version = "musterd " MUSTER_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    if (gethostname(options.name, sizeof options.name - 1) != 0) strcpy(options.name, "node");
    argp_parse(&parser, argc, argv, 0, NULL, &options);
    if (options.rpc_url_count == 0) options.rpc_urls[options.rpc_url_count++] = default_url;
    check_reach(&options, argv[0]);
    cluster_options_check(&options.cluster, argv[0]);
    return options;
}
