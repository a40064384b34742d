/* `muster replay`: a real log against independently computed figures, small logs, and a node. */
#include "cli.h"
#include "replay_check.h"
#include "support/server.h"
#include "support/tempdir.h"
#include "test.h"

static const struct replay_spans combinations[] = {
    {"3600", "300,3600,86400", "60", "1h", "5m,1h,24h", "60s"},
    {"60", "1,60,61,3540,3600", "1", "1m", "1s,1m,61s,59m,1h", "1s"},
    {"7", "30,600", "13", "7s", "30s,10m", "13s"},
    {"900", "86399,86400,86401", "3600", "15m", "86399s,1d,86401s", "1h"},
    {"86400", "604800,2592000", "86400", "1d", "7d,30d", "24h"},
};

static void agrees_with_sqlite_on_the_real_log(void **state) {
    static const char *const none[] = {NULL};
    (void)state;
    for (size_t i = 0; i < sizeof combinations / sizeof combinations[0]; i++)
        replay_check(LOG_PATH, &combinations[i], none, none);
}

static void knows_the_real_log(void **state) {
    (void)state;
    json_t *rows = JSON(0, "replay", LOG_PATH, "--json");
    char *last = json_dumps(json_array_get(rows, json_array_size(rows) - 1), JSON_COMPACT);
    assert_string_equal(last, "{\"lines\":10000,\"skipped\":0,\"users\":1753,\"from\":\"2015-05-17T10:05:00Z\",\"to\":"
                              "\"2015-05-20T21:05:59Z\",\"format\":\"combined\",\"guessed\":true}");
    EXPECT_KEYS(json_array_get(rows, 0), "at live windows");
    EXPECT_KEYS(json_object_get(json_array_get(rows, 0), "windows"), "5m 1h 24h");
    assert_int_equal(json_array_size(rows), 85);
    free(last);
    json_decref(rows);
}

#define AT(time, user) "host - " user " [17/May/2015:" time "] \"GET / HTTP/1.1\" 200 1\n"

static void shows_what_was_true_at_each_instant(void **state) {
    (void)state;
    /* Out of order, in two zones, and on a boundary: the last event falls on a full minute. */
    static const char log[] =
        AT("10:01:00 +0000", "bob") AT("12:00:00 +0200", "ada") AT("10:02:00 +0000", "ada") AT("10:01:00 +0000", "cyd");
    EXPECT_WITH(log, 0,
                "{\"at\":\"2015-05-17T10:01:00Z\",\"live\":3,\"windows\":{\"1m\":3,\"59s\":2}}\n"
                "{\"at\":\"2015-05-17T10:02:00Z\",\"live\":3,\"windows\":{\"1m\":3,\"59s\":1}}\n"
                "{\"lines\":4,\"skipped\":0,\"users\":3,\"from\":\"2015-05-17T10:00:00Z\",\"to\":\"2015-05-17T10:02:"
                "00Z\",\"format\":\"common\",\"guessed\":true}\n",
                "", "replay", "-", "--user", "auth", "--every", "1m", "--window", "1m,59s", "--json");
    EXPECT_WITH(
        log, 0,
        "AT                    LIVE  1m\n"
        "2015-05-17T10:02:00Z     1   3\n"
        "\n4 lines, 0 skipped, 3 users, from 2015-05-17T10:00:00Z to 2015-05-17T10:02:00Z\nformat: common (guessed)\n",
        "", "replay", "-", "--user", "auth", "--every", "1h", "--window", "1m", "--ttl", "59s");
}

static void tells_of_one_event(void **state) {
    (void)state;
    EXPECT_WITH(AT("10:00:00 +0000", "-"), 0,
                "{\"at\":\"2015-05-17T10:00:00Z\",\"live\":1,\"windows\":{\"5m\":1,\"1h\":1,\"24h\":1}}\n"
                "{\"lines\":1,\"skipped\":0,\"users\":1,\"from\":\"2015-05-17T10:00:00Z\",\"to\":\"2015-05-17T10:00:"
                "00Z\",\"format\":\"common\",\"guessed\":true}\n",
                "", "replay", "-", "--json");
}

static void counts_lines_that_do_not_parse(void **state) {
    (void)state;
    static const char log[] =
        "nonsense\n" AT("10:00:00 +0000", "-") "\n\xff - - [17/May/2015:10:00:00 +0000] \"x\" 200 1\n";
    struct process_result result = CLI(log, "replay", "-", "--json");
    static const char reasons[] = "\"reasons\":[{\"reason\":\"empty\",\"lines\":1,\"first_line\":3,\"sample\":\"\"},"
                                  "{\"reason\":\"no_fields\",\"lines\":1,\"first_line\":1,\"sample\":\"nonsense\"},"
                                  "{\"reason\":\"bad_host\",\"lines\":1,\"first_line\":4,";
    if (strstr(result.output, "\"lines\":4,\"skipped\":3,") == NULL || strstr(result.output, reasons) == NULL)
        fail_msg("the summary: %s", result.output);
    process_result_free(&result);
}

/* A line of a megabyte, NUL bytes, and a host that is not an id: each is one line that is skipped. */
static void survives_hostile_lines(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    char *data = NULL;
    size_t len;
    FILE *out = open_memstream(&data, &len);
    for (int i = 0; i < 1000000; i++) (void)fputc('[', out);
    (void)fputc('\n', out);
    (void)fwrite("a\0b - - [17/May/2015:10:00:00 +0000] \"x\" 200 1\n", 1, 47, out);
    for (int i = 0; i < 129; i++) (void)fputc('h', out);
    (void)fputs(" - - [17/May/2015:10:00:00 +0000] \"x\" 200 1\n", out);
    (void)fputs(AT("10:00:00 +0000", "-"), out);
    (void)fclose(out);
    struct tempdir log = tempdir_write(&dir, "log", data, len);
    struct process_result result = CLI(NULL, "replay", log.path, "--json");
    assert_non_null(strstr(result.output, "{\"lines\":4,\"skipped\":3,\"users\":1,"));
    process_result_free(&result);
    free(data);
    tempdir_remove(&dir);
}

static void refuses_what_cannot_be_replayed(void **state) {
    (void)state;
    EXPECT(2, "", "cannot open '/nonexistent'", "replay", "/nonexistent");
    EXPECT(2, "", "directory", "replay", "/");
    EXPECT(2, "", "--format: 'csv'", "replay", "-", "--format", "csv");
    EXPECT(2, "", "--user: 'cookie'", "replay", "-", "--user", "cookie");
    EXPECT(2, "", "--every: '0s'", "replay", "-", "--every", "0s");
    EXPECT(2, "", "--ttl: '25h'", "replay", "-", "--ttl", "25h");
    EXPECT(2, "", "'31d' is more than 30d", "replay", "-", "--window", "31d");
    EXPECT(2, "", "give --to", "replay", "-", "--speed", "2");
    EXPECT_WITH(AT("10:00:00 +0000", "-") "h - - [17/May/2025:10:00:00 +0000] \"x\" 200 1\n", 2, "", "longer --every",
                "replay", "-", "--every", "1ms");
}

static void replays_against_a_node(void **state) {
    (void)state;
    struct server server = server_start(NULL);
    json_t *rows = JSON(0, "replay", LOG_PATH, "--to", server.tcp, "-s", "log", "--speed", "10000000", "--every", "12h",
                        "--window", "24h", "--ttl", "1h", "--json");
    const json_t *last = json_array_get(rows, json_array_size(rows) - 2);
    assert_int_equal(json_array_size(rows), 9);
    assert_string_equal(json_string_value(json_object_get(last, "at")), "2015-05-20T21:05:59Z");
    assert_int_equal(json_integer_value(json_object_get(last, "live")), 1753);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(last, "windows"), "24h")), 1753);
    json_decref(rows);
    rows = JSON(0, "counts", "--json", "--to", server.tcp, "-s", "log");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "live")), 1753);
    json_decref(rows);
    EXPECT_WITH(AT("10:00:00 +0000", "-"), 4, NULL, "windows_ms", "replay", "-", "--to", server.tcp, "--window", "2d");
    server_end(&server);
    EXPECT_WITH(AT("10:00:00 +0000", "-"), 3, "", "no node answers", "replay", "-", "--to", server.tcp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_sqlite_on_the_real_log),  cmocka_unit_test(knows_the_real_log),
        cmocka_unit_test(shows_what_was_true_at_each_instant), cmocka_unit_test(tells_of_one_event),
        cmocka_unit_test(counts_lines_that_do_not_parse),      cmocka_unit_test(survives_hostile_lines),
        cmocka_unit_test(refuses_what_cannot_be_replayed),     cmocka_unit_test(replays_against_a_node),
    };
    return cmocka_run_group_tests_name("cli.replay", tests, NULL, NULL);
}
