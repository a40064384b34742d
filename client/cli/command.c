#include "command.h"

#include "common/duration.h"
#include "memory.h"
#include "values.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_TO = 0x100, OPTION_TOKEN, OPTION_JSON, OPTION_TIMEOUT, OPTION_TLS_CA, OPTION_TLS_CERT, OPTION_TLS_KEY };

static const struct argp_option global_options[] = {
    {0, 0, 0, 0, "Global options, before or after the command:", 100},
    {"to", OPTION_TO, "URL", 0,
     "Address of a node, tcp://HOST:PORT, HOST:PORT, tls+tcp://HOST:PORT or ipc://PATH, or several with commas "
     "between; may be repeated: if "
     "one node does not answer, the next is tried "
     "(default: $MUSTER_TO, else " MUSTER_ADDRESS_DEFAULT ")",
     100},
    {"token", OPTION_TOKEN, "TOKEN", 0, "Access token (default: $MUSTER_TOKEN)", 100},
    {"scope", 's', "SCOPE", 0, "Scope of the users (default: " MUSTER_SCOPE_DEFAULT ")", 100},
    {"json", OPTION_JSON, 0, 0, "Print one JSON object per line instead of a table", 100},
    {"timeout", OPTION_TIMEOUT, "D", 0, "Time limit of a call (default: 5s)", 100},
    {"tls-ca", OPTION_TLS_CA, "FILE", 0,
     "The authorities of nodes' certificates, for tls+tcp:// (default: $MUSTER_TLS_CA, else the system's)", 100},
    {"tls-cert", OPTION_TLS_CERT, "FILE", 0,
     "Certificate for nodes that ask clients for one (default: $MUSTER_TLS_CERT, else none)", 100},
    {"tls-key", OPTION_TLS_KEY, "FILE", 0, "Its private key (default: $MUSTER_TLS_KEY)", 100},
    {0, 'h', 0, OPTION_HIDDEN, "The same as --help", 100},
    {0},
};

/* Appends the addresses of a list, with commas between, to `out`, which has room for MUSTER_ADDRESSES_MAX. They last as
 * long as the program; the library says what is wrong with one. False: there are too many. */
static bool split_addresses(const char *list, const char *out[], size_t *count) {
    static char *copies[MUSTER_ADDRESSES_MAX + 1]; /* of --to, each of which has an address, and of MUSTER_TO */
    static size_t copy_count;
    if (*count == MUSTER_ADDRESSES_MAX) return false;
    assert(copy_count < sizeof copies / sizeof copies[0]);
    char *piece = copies[copy_count++] = memory_text(list, strlen(list));
    for (;;) {
        const size_t len = strcspn(piece, ",");
        const bool is_last = piece[len] == '\0';
        if (*count == MUSTER_ADDRESSES_MAX) return false;
        piece[len] = '\0';
        out[(*count)++] = piece;
        if (is_last) return true;
        piece += len + 1;
    }
}

static void add_addresses(struct globals *globals, const char *list, struct argp_state *state) {
    if (split_addresses(list, globals->addresses, &globals->address_count)) return;
    argp_error(state, "at most %d addresses can be given", (int)MUSTER_ADDRESSES_MAX);
}

static error_t parse_global(int key, char *argument, struct argp_state *state) {
    struct globals *globals = state->input;
    switch (key) {
    case OPTION_TO:
        add_addresses(globals, argument, state);
        return 0;
    case OPTION_TOKEN:
        globals->token = argument;
        return 0;
    case OPTION_TLS_CA:
        globals->tls_ca = argument;
        return 0;
    case OPTION_TLS_CERT:
        globals->tls_cert = argument;
        return 0;
    case OPTION_TLS_KEY:
        globals->tls_key = argument;
        return 0;
    case OPTION_JSON:
        globals->is_json = true;
        return 0;
    case OPTION_TIMEOUT:
        globals->timeout_ms = (uint32_t)command_span(state, "--timeout", argument, 1, MUSTER_TIMEOUT_MAX_MS);
        return 0;
    case 'h':
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    case 's':
        globals->scope = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp globals_argp = {.options = global_options, .parser = parse_global};

/* A command's parser with its own input: argp passes one pointer only. */
struct wrapped {
    argp_parser_t parser;
    void *input;
};

static error_t parse_wrapped(int key, char *argument, struct argp_state *state) {
    struct wrapped *wrapped = state->input;
    if (key == ARGP_KEY_INIT) state->child_inputs[0] = ((struct command_input *)wrapped->input)->globals;
    state->input = wrapped->input;
    const error_t error = wrapped->parser == NULL ? ARGP_ERR_UNKNOWN : wrapped->parser(key, argument, state);
    state->input = wrapped;
    return error;
}

void command_parse(const struct command *command, const struct argp_option *options, argp_parser_t parser,
                   const char *details, int argc, char **argv, void *input) {
    static const struct argp_child children[] = {{&globals_argp, 0, NULL, 0}, {0}};
    char doc[2048];
    (void)snprintf(doc, sizeof doc, "%s.%s%s", command->summary, details == NULL ? "" : "\v",
                   details == NULL ? "" : details);
    const struct argp argp = {options, parse_wrapped, command->arguments, doc, children, NULL, NULL};
    struct wrapped wrapped = {parser, input};
    if (argp_parse(&argp, argc, argv, 0, NULL, &wrapped) != 0) exit(STATUS_USAGE);
}

void command_usage(const struct command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "muster %s: ", command->name);
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\nTry `muster %s --help' for more information.\n", command->name);
    va_end(arguments);
    exit(STATUS_USAGE);
}

uint64_t command_span(const struct argp_state *state, const char *option, const char *text, uint64_t least_ms,
                      uint64_t most_ms) {
    uint64_t span_ms;
    char least[DURATION_BYTES], most[DURATION_BYTES];
    if (value_span(text, least_ms, most_ms, &span_ms)) return span_ms;
    if (value_span(text, 0, UINT64_MAX, &span_ms))
        argp_error(state, "%s: %s is out of range, %s to %s", option, text, duration_format(least_ms, least),
                   duration_format(most_ms, most));
    else argp_error(state, "%s: '%s' is not a duration such as 500ms, 60s or 1h30m", option, text);
    exit(STATUS_USAGE);
}

uint64_t command_number(const struct argp_state *state, const char *option, const char *text, uint64_t least,
                        uint64_t most) {
    uint64_t number;
    if (value_number(text, least, most, &number)) return number;
    if (most < UINT64_MAX)
        argp_error(state, "%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, option, text, least, most);
    else argp_error(state, "%s: '%s' is not a number from %" PRIu64, option, text, least);
    exit(STATUS_USAGE);
}

size_t command_addresses(const struct globals *globals, const char *const **out) {
    static const char *fallback[MUSTER_ADDRESSES_MAX];
    size_t count = 0;
    *out = globals->addresses;
    if (globals->address_count > 0) return globals->address_count;
    const char *list = getenv("MUSTER_TO");
    (void)split_addresses(list == NULL || *list == '\0' ? MUSTER_ADDRESS_DEFAULT : list, fallback, &count);
    *out = fallback;
    return count;
}

int command_connect_to(const struct globals *globals, const char *const *addresses, size_t count,
                       struct muster_client **client) {
    const struct muster_options options = {
        .addresses = addresses,
        .address_count = count,
        .token = globals->token != NULL ? globals->token : getenv("MUSTER_TOKEN"),
        .tls_ca_file = globals->tls_ca,
        .tls_cert_file = globals->tls_cert,
        .tls_key_file = globals->tls_key,
        .timeout_ms = globals->timeout_ms,
        .connect_ms = globals->timeout_ms == 0 ? MUSTER_TIMEOUT_DEFAULT_MS : globals->timeout_ms,
    };
    struct muster_error error;
    const enum muster_code code = muster_open(&options, client, &error);
    if (code == MUSTER_OK) return STATUS_DONE;
    const int status = command_report(&error, NULL);
    return code == MUSTER_INVALID_ARGUMENT ? STATUS_USAGE : status;
}

int command_connect(const struct globals *globals, struct muster_client **client) {
    /* Where none was given the library looks at MUSTER_TO, and its errors name that. */
    return command_connect_to(globals, globals->addresses, globals->address_count, client);
}

int command_report(const struct muster_error *error, const char *where) {
    const bool is_unreachable =
        !error->is_answer && (error->code == MUSTER_UNAVAILABLE || error->code == MUSTER_DEADLINE_EXCEEDED);
    (void)fprintf(stderr, "muster: %s%s%s: %s\n", where == NULL ? "" : where, where == NULL ? "" : ": ",
                  is_unreachable ? "no node answers" : muster_strerror(error->code), error->message);
    return is_unreachable ? STATUS_UNREACHABLE : STATUS_REFUSED;
}

int command_failed = STATUS_FAILED;

int command_flush(int status) {
    static bool is_told;
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    if (!is_told) (void)fprintf(stderr, "muster: cannot write standard output: %s\n", strerror(errno));
    is_told = true;
    return command_failed;
}
