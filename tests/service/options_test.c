/* The table of options: its defaults, what its rows take and refuse, and the manual that describes it. */
#include "command_line.h"
#include "config_option.h"
#include "muster/limits.h"
#include "sys/log.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static void read_line(struct config *config, char **argv) {
    int argc = 0;
    while (argv[argc] != NULL) argc++;
    command_line_read(config, argc, argv);
}

static void defaults_are_the_limits(void **state) {
    (void)state;
    struct config config;
    char *argv[] = {(char[]){"musterd"}, NULL};
    read_line(&config, argv);
    const struct {
        const char *what;
        uint64_t is, expected;
    } values[] = {
        {"ttl", config.ttl_ms, MUSTER_TTL_DEFAULT_MS},
        {"retention", config.retention_ms, MUSTER_RETENTION_DEFAULT_MS},
        {"tick", config.tick_ms, MUSTER_TICK_DEFAULT_MS},
        {"max-stall", config.max_stall_ms, 1000},
        {"max-members", config.members_max, MUSTER_MEMBERS_DEFAULT},
        {"max-bytes", config.bytes_max, MUSTER_ROLL_BYTES_DEFAULT},
        {"max-connections", config.connections_max, MUSTER_CONNECTIONS_DEFAULT},
        {"connections-per-address", config.connections_per_address_max, 0},
        {"max-watches", config.watches_max, MUSTER_WATCHES_DEFAULT},
        {"threads", config.threads, 0},
        {"flush", config.flush_ms, 10},
        {"join-timeout", config.join_timeout_ms, 10000},
        {"log-format", config.log_format, FORMAT_LOGFMT},
        {"log-level", config.log_level, LEVEL_INFO},
        {"urls of --rpc", config.rpc.count, 1},
        {"peers", config.seeds.count, 0},
        {"insecure", config.is_insecure, false},
        {"has_peers", config.has_peers, false},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i].is != values[i].expected)
            fail_msg("%s is %" PRIu64 ", expected %" PRIu64, values[i].what, values[i].is, values[i].expected);
    if (strcmp(config.rpc.items[0], "tcp://127.0.0.1:7700") != 0) fail_msg("--rpc is %s", config.rpc.items[0]);
    if (strcmp(config.grpc_url, "tcp://127.0.0.1:7702") != 0) fail_msg("--grpc is %s", config.grpc_url);
    if (config.name[0] == '\0') fail_msg("no name");
}

static void a_command_line_is_read(void **state) {
    (void)state;
    struct config config;
    char *argv[] = {(char[]){"musterd"},
                    (char[]){"--rpc=ipc:///a"},
                    (char[]){"--rpc=tcp://[::1]:7"},
                    (char[]){"--grpc=[::1]:7"},
                    (char[]){"--name=n1"},
                    (char[]){"--ttl=7s"},
                    (char[]){"--max-bytes=3MiB"},
                    (char[]){"--max-connections=7"},
                    (char[]){"--log-level=warn"},
                    (char[]){"--log-format=json"},
                    (char[]){"--peer=127.0.0.1"},
                    (char[]){"--peer=dns:localhost:9"},
                    (char[]){"--threads=4"},
                    NULL};
    read_line(&config, argv);
    if (strcmp(config.grpc_url, "tcp://[::1]:7") != 0) fail_msg("--grpc");
    if (config.rpc.count != 2 || strcmp(config.rpc.items[1], "tcp://[::1]:7") != 0) fail_msg("--rpc");
    if (strcmp(config.name, "n1") != 0 || config.ttl_ms != 7000 || config.bytes_max != 3 << 20) fail_msg("values");
    if (config.connections_max != 7 || config.connections_per_address_max != 0) fail_msg("connections");
    if (config.log_level != LEVEL_WARN || config.log_format != FORMAT_JSON || config.threads != 4) fail_msg("choices");
    if (config.seeds.count != 2 || !config.seeds.items[1].is_dns || !config.has_peers) fail_msg("--peer");
}

static const struct config_option *option_named(const char *name) {
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0) return &options[i];
    fail_msg("no option --%s", name);
    return NULL;
}

/* Both ends of every range are taken, and what is beyond them refused. */
static void ranges_hold(void **state) {
    (void)state;
    static struct config config;
    size_t count, checked = 0;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        if (option->kind != OPTION_DURATION && option->kind != OPTION_NUMBER) continue;
        const char *unit = option->kind == OPTION_DURATION ? "ms" : "";
        const uint64_t values[] = {option->least, option->most, option->least - 1, option->most + 1};
        for (size_t j = 0; j < 4; j++) {
            char text[64];
            struct error error = {0};
            snprintf(text, sizeof text, "%" PRIu64 "%s", values[j], unit);
            if (config_option_set(option, text, &config, &error) != (j < 2)) fail_msg("--%s %s", option->name, text);
            if (j >= 2 && strstr(error.text, "out of range") == NULL) fail_msg("--%s: %s", option->name, error.text);
            checked++;
        }
    }
    if (checked < 40) fail_msg("only %zu values were checked", checked);
}

static void lists_are_capped(void **state) {
    (void)state;
    static struct config config;
    struct error error;
    for (int i = 0; i < CONFIG_RPC_URLS_MAX; i++)
        if (!config_option_set(option_named("rpc"), "ipc:///a", &config, &error)) fail_msg("--rpc %d", i);
    if (config_option_set(option_named("rpc"), "ipc:///a", &config, &error)) fail_msg("one --rpc too many");
    for (int i = 0; i < SEEDS_MAX; i++)
        if (!config_option_set(option_named("peer"), "127.0.0.1", &config, &error)) fail_msg("--peer %d", i);
    if (config_option_set(option_named("peer"), "127.0.0.1", &config, &error)) fail_msg("one --peer too many");
}

static char *read_manual(void) {
    FILE *file = fopen(MANUAL_PATH, "r");
    if (file == NULL) fail_msg("no %s", MANUAL_PATH);
    char *text = calloc(1, 1 << 17);
    if (text == NULL || fread(text, 1, (1 << 17) - 1, file) == 0) fail_msg("nothing in %s", MANUAL_PATH);
    fclose(file);
    return text;
}

/* A word as the manual's source has it: "-" is "\-". */
static void as_roff(const char *text, char *out, size_t capacity) {
    size_t len = 0;
    for (; *text != '\0' && len + 3 < capacity; text++) {
        if (*text == '-') out[len++] = '\\';
        out[len++] = *text;
    }
    out[len] = '\0';
}

/* The entry of an option: from its heading to the next one's. NULL: it has none. */
static char *entry_of(const char *manual, const char *name) {
    char word[64], heads[2][96];
    as_roff(name, word, sizeof word);
    snprintf(heads[0], sizeof heads[0], "\n.TP\n.BI \\-\\-%s \" ", word);
    snprintf(heads[1], sizeof heads[1], "\n.TP\n.B \\-\\-%s\n", word);
    for (int i = 0; i < 2; i++) {
        const char *at = strstr(manual, heads[i]);
        if (at == NULL) continue;
        const char *end = strstr(at + 1, "\n.TP\n");
        return end == NULL ? strdup(at) : strndup(at, (size_t)(end - at));
    }
    return NULL;
}

static void the_manual_describes_every_option(void **state) {
    (void)state;
    size_t count;
    const struct config_option *options = config_options(&count);
    char *manual = read_manual();
    for (size_t i = 0; i < count; i++) {
        char initial[96];
        char *entry = entry_of(manual, options[i].name);
        if (entry == NULL) fail_msg("musterd.8 has no entry for --%s", options[i].name);
        as_roff(options[i].initial != NULL ? options[i].initial : "", initial, sizeof initial);
        if (strstr(entry, initial) == NULL)
            fail_msg("musterd.8 does not say that --%s is %s where it is not given", options[i].name, initial);
        free(entry);
    }
    free(manual);
}

static void the_manual_describes_no_other_option(void **state) {
    (void)state;
    char *manual = read_manual();
    const char *options = strstr(manual, ".SH OPTIONS"), *end = strstr(manual, ".SH EXIT STATUS");
    if (options == NULL || end == NULL) fail_msg("musterd.8 has other sections than expected");
    for (const char *at = strstr(options, "\\-\\-"); at != NULL && at < end; at = strstr(at, "\\-\\-")) {
        char name[64];
        size_t len = 0;
        for (at += 4; (*at >= 'a' && *at <= 'z') || strncmp(at, "\\-", 2) == 0; at++) {
            if (*at == '\\') at++;
            if (len + 1 < sizeof name) name[len++] = *at;
        }
        name[len] = '\0';
        if (strcmp(name, "help") != 0 && strcmp(name, "version") != 0) (void)option_named(name);
    }
    free(manual);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_limits),
        cmocka_unit_test(a_command_line_is_read),
        cmocka_unit_test(ranges_hold),
        cmocka_unit_test(lists_are_capped),
        cmocka_unit_test(the_manual_describes_every_option),
        cmocka_unit_test(the_manual_describes_no_other_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
