#include "command_line.h"
#include "common/url.h"
#include "config_check.h"
#include "config_option.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, OPTIONS_MAX = 64, FIRST_KEY = 256 };

/* One reading of the command line. */
struct command_line {
    struct config *config;
    bool is_given[OPTIONS_MAX];
};

static error_t read_argument(int key, char *value, struct argp_state *state) {
    struct command_line *line = state->input;
    struct error error;
    size_t count;
    const struct config_option *options = config_options(&count);
    if (key == ARGP_KEY_ARG) argp_error(state, "'%s': musterd takes flags only", value);
    if (key < FIRST_KEY || key >= FIRST_KEY + (int)count) return ARGP_ERR_UNKNOWN;
    const struct config_option *option = &options[key - FIRST_KEY];
    if (!config_option_set(option, value, line->config, &error))
        argp_error(state, "--%s: %s", option->name, error.text);
    line->is_given[key - FIRST_KEY] = true;
    if (option->asks_for_peers) line->config->has_peers = true;
    return 0;
}

/* The table as argp wants it: static, since argp keeps pointers. */
static const struct argp_option *argp_table(void) {
    static struct argp_option table[OPTIONS_MAX + 3];
    static char help[OPTIONS_MAX][CONFIG_HELP_BYTES];
    static const char *const headings[] = {
        [GROUP_TLS] = "TLS, for tls+tcp:// and --grpc:",
        [GROUP_CLUSTER] =
            "A node of a cluster, where any of --peer, --cluster-key-file, --gossip and --sync is given:"};
    size_t count, at = 0;
    const struct config_option *options = config_options(&count);
    assert(count <= OPTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && options[i].group != options[i - 1].group)
            table[at++] = (struct argp_option){.doc = headings[options[i].group], .group = (int)options[i].group};
        table[at++] = (struct argp_option){.name = options[i].name,
                                           .key = FIRST_KEY + (int)i,
                                           .arg = options[i].argument,
                                           .doc = config_option_help(&options[i], help[i]),
                                           .group = (int)options[i].group};
    }
    return table;
}

static void set_defaults(struct command_line *line) {
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        struct error error;
        if (line->is_given[i] || options[i].initial == NULL) continue;
        if (!config_option_set(&options[i], options[i].initial, line->config, &error)) abort();
    }
}

/* A node that has a certificate speaks gRPC over TLS alone. */
static void use_tls_for_grpc(struct config *config) {
    char url[URL_BYTES + sizeof "tls+tcp://"];
    const char *authority = url_authority(config->grpc_url);
    if (config->tls_cert_file == NULL || authority == NULL) return;
    snprintf(url, sizeof url, "tls+tcp://%s", authority);
    assert(strlen(url) < sizeof config->grpc_url); /* the option left room for it */
    strcpy(config->grpc_url, url);
}

/* Defaults that are no constants. */
static void set_computed_defaults(struct config *config) {
    use_tls_for_grpc(config);
    if (config->name != NULL) return;
    config->name = config->host_name;
    if (gethostname(config->host_name, sizeof config->host_name - 1) != 0 || config->host_name[0] == '\0')
        strcpy(config->host_name, "node");
}

static bool is_parsing;

/* argp prints help and version and exits, whether or not that was written. */
static void check_output(void) {
    if (!is_parsing || (fflush(stdout) == 0 && !ferror(stdout))) return;
    fprintf(stderr, "musterd: cannot write standard output: %s\n", strerror(errno));
    _exit(EXIT_FAILURE);
}

void command_line_read(struct config *config, int argc, char **argv) {
    const struct argp parser = {
        .options = argp_table(),
        .parser = read_argument,
        .doc = "The Muster presence server: backends report who is here, any node answers who is.\v"
               "Durations are written 500ms, 60s, 1h30m, 7d. It prints one line with the word `ready` when it "
               "serves, logs to standard error, and on SIGTERM or SIGINT answers what has come in, tells its peers and "
               "exits.",
    };
    struct command_line line = {.config = config};
    struct error error;
    *config = (struct config){0};
    argp_program_version = "musterd " MUSTER_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    is_parsing = true;
    atexit(check_output);
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    is_parsing = false;
    set_defaults(&line);
    set_computed_defaults(config);
    if (config_check(config, &error)) return;
    fprintf(stderr, "%s: %s\n", argv[0], error.text);
    exit(EXIT_USAGE);
}
