/* `muster replay` on the logs of real servers (tests/cli/data), each held against figures from another path. */
#include "cli.h"
#include "replay_check.h"
#include "test.h"

struct server_log {
    const char *file, *format, *script_format; /* what muster guesses, and what the script is told */
    bool has_agents, has_login, has_forwarded;
};

static const struct server_log logs[] = {
    {"apache-common.log.gz", "common", "combined", false, true, false},
    {"apache-vhost.log.gz", "vhost_combined", "vhost_combined", true, true, false},
    {"nginx-main.log.gz", "combined", "combined", true, true, true},
    {"nginx-json.log.gz", "json", "json", true, true, true},
    {"caddy.json.gz", "json", "json", true, true, true},
    {"lighttpd.log.gz", "combined", "combined", true, false, false},
    {"haproxy-clf.log.gz", "combined", "combined", false, false, false},
    {"h2o.log.gz", "combined", "combined", true, false, false},
    {"gunicorn.log.gz", "combined", "combined", true, false, false},
    {"mini-httpd.log.gz", "combined", "combined", true, false, false},
};

static const struct replay_spans spans[] = {
    {"1", "1,10,30", "5", "1s", "1s,10s,30s", "5s"},
    {"7", "20,3600", "90", "7s", "20s,1h", "90s"},
};

#define CHECK(log, spans, theirs, ...) replay_check(log, spans, theirs, (const char *const[]){__VA_ARGS__, NULL})
#define THEIRS(...)                    ((const char *const[]){"--format", format, __VA_ARGS__, NULL})

static void check_log(const struct server_log *log) {
    const struct replay_spans *of = &spans[0];
    const char *format = log->script_format;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", LOGS_PATH, log->file);
    CHECK(path, &spans[1], THEIRS("--user", "host"), "--user", "host");
    CHECK(path, of, THEIRS("--user", "host"), "--user", "host");
    CHECK(path, of, THEIRS("--exclude-status", "4..|500"), "--exclude-status", "4xx,500");
    if (log->has_agents) CHECK(path, of, THEIRS("--exclude-agent", "Googlebot|bingbot"), "--bots");
    if (log->has_login) CHECK(path, of, THEIRS("--user", "auth"), "--user", "auth");
    if (log->has_forwarded) CHECK(path, of, THEIRS("--user", "xff-first"), "--user", "xff");
    if (log->has_forwarded) CHECK(path, of, THEIRS("--user", "xff-last"), "--user", "xff-last");
}

static void the_logs_of_ten_servers_agree(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) check_log(&logs[i]);
}

static void the_formats_are_guessed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", LOGS_PATH, logs[i].file);
        json_t *rows = JSON(0, "replay", path, "--json");
        const json_t *summary = json_array_get(rows, json_array_size(rows) - 1);
        const char *format = json_string_value(json_object_get(summary, "format"));
        if (strcmp(format, logs[i].format) != 0) fail_msg("%s: %s", logs[i].file, format);
        assert_true(json_is_true(json_object_get(summary, "guessed")));
        json_decref(rows);
    }
}

static void the_real_log_agrees_without_some_statuses(void **state) {
    (void)state;
    static const struct replay_spans hours = {"3600", "300,3600,86400", "90", "1h", "5m,1h,24h", "90s"};
    const char *format = "combined";
    CHECK(LOG_PATH, &hours, THEIRS("--exclude-status", "4..|301|302"), "--exclude-status", "4xx,301,302");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logs_of_ten_servers_agree),
        cmocka_unit_test(the_formats_are_guessed),
        cmocka_unit_test(the_real_log_agrees_without_some_statuses),
    };
    return cmocka_run_group_tests_name("cli.replay_logs", tests, NULL, NULL);
}
