/* `muster replay`: what a log must not be taken for, in which shapes it comes, and what is left out of it. */
#include "cli.h"
#include "support/tempdir.h"
#include "test.h"

#include <zlib.h>
#include <zstd.h>

#define REST  "[17/May/2015:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1"
#define GOOD  "203.0.113.9 - - " REST "\n"
#define START "2015-05-17T10:00:00Z"

/* The rows of `muster replay - --json ARGUMENT...`, which must end with `status`; an array for json_decref. */
static json_t *replayed(const char *input, int status, const char *const *more) {
    const char *argv[CLI_ARGUMENTS_MAX + 1] = {"replay", "-", "--json"};
    for (size_t i = 0; more[i] != NULL; i++) argv[3 + i] = more[i];
    struct process_result result = cli_run(input, argv);
    if (result.how.status != status) fail_msg("status %d for %s: %s", result.how.status, input, result.errors);
    json_t *rows = json_array();
    for (char *rest = result.output, *text; (text = strsep(&rest, "\n")) != NULL && rest != NULL;)
        json_array_append_new(rows, json_loads(text, 0, NULL));
    process_result_free(&result);
    return rows;
}
#define REPLAYED(input, status, ...) replayed(input, status, (const char *const[]){__VA_ARGS__, NULL})

static json_t *summary_of(const json_t *rows) {
    return json_array_get(rows, json_array_size(rows) - 1);
}

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

/* `bad` alone is an error; beside a good line it is skipped for this reason, and is the sample. */
static void expect_skipped(const char *bad, const char *reason, const char *const *more) {
    char log[1024];
    json_decref(replayed(bad, 1, more));
    (void)snprintf(log, sizeof log, "%s%s\n", "203.0.113.9 - ada " REST "\n", bad);
    json_t *rows = replayed(log, 0, more);
    const json_t *summary = summary_of(rows);
    const json_t *reasons = json_object_get(summary, "reasons"), *one = NULL;
    for (size_t i = 0; i < json_array_size(reasons); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(reasons, i), "reason")), reason) == 0)
            one = json_array_get(reasons, i);
    if (one == NULL) fail_msg("not skipped as %s: %s", reason, bad);
    EXPECT_KEYS(one, "reason lines first_line sample");
    assert_int_equal(number(summary, "users"), 1);
    if (strncmp(json_string_value(json_object_get(one, "sample")), bad, 60) != 0)
        fail_msg("the sample is %s", json_string_value(json_object_get(one, "sample")));
    json_decref(rows);
}
#define EXPECT_SKIPPED(bad, reason, ...) expect_skipped(bad, reason, (const char *const[]){__VA_ARGS__, NULL})

static void expect_users(const char *log, long long users, const char *format, const char *const *more) {
    json_t *rows = replayed(log, 0, more);
    const json_t *summary = summary_of(rows);
    if (number(summary, "users") != users || strcmp(json_string_value(json_object_get(summary, "format")), format) != 0)
        fail_msg("%lld users of format %s instead of %lld, %s: %s", number(summary, "users"),
                 json_string_value(json_object_get(summary, "format")), users, format, log);
    json_decref(rows);
}
#define EXPECT_USERS(log, users, format, ...) expect_users(log, users, format, (const char *const[]){__VA_ARGS__, NULL})

static void a_virtual_host_is_no_user(void **state) {
    (void)state;
    static const char log[] = "www.example.com:443 203.0.113.5 - - " REST "\nwww.example.com:443 203.0.113.6 - - " REST
                              "\nother.example.com:443 203.0.113.6 - - " REST "\n";
    EXPECT_USERS(log, 2, "vhost_combined", "--every", "1h");
    EXPECT_USERS(log, 2, "vhost_combined", "--format", "vhost_combined");
    EXPECT_USERS("www.example.com 203.0.113.5 - - " REST "\n", 1, "vhost_combined", "--every", "1h");
    EXPECT_SKIPPED("www.example.com:443 203.0.113.5 - - " REST, "virtual_host", "--format", "combined");
    EXPECT_SKIPPED("www.example.com 203.0.113.5 - - " REST, "virtual_host", "--format", "combined");
}

static void a_syslog_prefix_is_no_user(void **state) {
    (void)state;
    EXPECT_SKIPPED("Nov 28 10:00:05 web1 nginx: 203.0.113.1 - - " REST, "syslog_prefix", "--every", "1h");
    EXPECT_SKIPPED("Nov  8 10:00:05 web1 nginx: 203.0.113.1 - - " REST, "syslog_prefix", "--every", "1h");
    EXPECT_SKIPPED("<190>Nov 28 10:00:05 web1 nginx: 203.0.113.1 - - " REST, "syslog_prefix", "--every", "1h");
    EXPECT_SKIPPED("2026-11-28T10:00:05+00:00 web1 nginx: 203.0.113.1 - - " REST, "syslog_prefix", "--every", "1h");
}

static void a_list_of_addresses_is_no_user(void **state) {
    (void)state;
    EXPECT_SKIPPED("203.0.113.5, 198.51.100.2 - - " REST, "address_list", "--every", "1h");
    EXPECT_SKIPPED("203.0.113.5,198.51.100.2 - - " REST, "address_list", "--every", "1h");
    EXPECT_SKIPPED("203.0.113.5, 198.51.100.2 - - " REST, "address_list", "--format", "vhost_combined", "--format",
                   "combined");
}

static void a_quoted_line_is_no_user(void **state) {
    (void)state;
    EXPECT_SKIPPED("\"203.0.113.5 - - " REST "\"", "quoted", "--every", "1h");
}

static void a_missing_host_is_nobody(void **state) {
    (void)state;
    EXPECT_SKIPPED("- - - " REST, "no_host", "--every", "1h");
    EXPECT_SKIPPED("\"\" - - " REST, "quoted", "--every", "1h");
    EXPECT_SKIPPED("unix: - - " REST, "bad_host", "--every", "1h");
}

static void who_is_not_logged_in_is_nobody(void **state) {
    (void)state;
    EXPECT_SKIPPED("203.0.113.5 - \"\" " REST, "nobody", "--user", "auth");
    EXPECT_SKIPPED("203.0.113.5 - - " REST, "nobody", "--user", "auth");
    EXPECT_SKIPPED("203.0.113.5 - bob [17/May/2015:10:00:00 +0000] \"GET / HTTP/1.1\" 401 1", "login_failed", "--user",
                   "auth");
    EXPECT_SKIPPED("203.0.113.5 - bob [17/May/2015:10:00:00 +0000] \"GET / HTTP/1.1\" 403 1", "login_failed", "--user",
                   "auth");
}

static void one_address_is_one_user_however_it_is_written(void **state) {
    (void)state;
    static const char log[] = "2001:DB8:0:0::1 - - " REST "\n2001:db8::1 - - " REST "\n[2001:db8::1] - - " REST
                              "\n[2001:db8:0::1]:443 - - " REST "\n192.0.2.1 - - " REST "\n::ffff:192.0.2.1 - - " REST
                              "\n192.0.2.1:8080 - - " REST "\n";
    EXPECT_USERS(log, 2, "common", "--every", "1h");
}

static void a_byte_order_mark_is_skipped(void **state) {
    (void)state;
    json_t *rows = REPLAYED("\xef\xbb\xbf" GOOD GOOD, 0, "--every", "1h");
    assert_int_equal(number(summary_of(rows), "skipped"), 0);
    assert_int_equal(number(summary_of(rows), "users"), 1);
    json_decref(rows);
}

static void nothing_parsed_is_an_error(void **state) {
    (void)state;
    EXPECT_WITH("", 1, NULL, "nothing to replay in '-': no lines", "replay", "-");
    EXPECT_WITH("", 1, "{\"lines\":0,\"skipped\":0,\"users\":0}\n", "no lines", "replay", "-", "--json");
    EXPECT_WITH("nonsense\n", 1,
                "\n1 lines, 1 skipped, 0 users\nformat: unknown\n"
                "skipped 1: host, ident, user and [time] are not found\n  line 1: nonsense\n",
                "no line names a user", "replay", "-");
    EXPECT_WITH(GOOD, 1, NULL, "no line names a user", "replay", "-", "--exclude-status", "2xx");
}

static void a_sample_is_escaped(void **state) {
    (void)state;
    struct process_result result = CLI(GOOD "\x1b[2Jclear\xff\n", "replay", "-");
    if (strstr(result.output, "\n  line 2: \\u001b[2Jclear\\xff\n") == NULL) fail_msg("the sample: %s", result.output);
    process_result_free(&result);
    json_t *rows = REPLAYED(GOOD "\x1b[2Jclear\xff\n", 0, "--every", "1h");
    const json_t *reason = json_array_get(json_object_get(summary_of(rows), "reasons"), 0);
    assert_string_equal(json_string_value(json_object_get(reason, "sample")), "\\u001b[2Jclear\\xff");
    assert_int_equal(number(reason, "first_line"), 2);
    json_decref(rows);
}

/* One line of 1970 made 498,854 rows. */
static void rows_of_zeros_are_one_row(void **state) {
    (void)state;
    static const char log[] = "a - - [01/Jan/1970:00:00:00 +0000] \"-\" 200 1\n" GOOD;
    EXPECT_WITH(log, 0,
                "AT                    LIVE  1h\n"
                "1970-01-01T01:00:00Z     0   1\n"
                "1970-01-01T02:00:00Z  nobody until 2015-05-17T09:00:00Z: 397736 rows of zeros\n" START "     1   1\n"
                "\n2 lines, 0 skipped, 2 users, from 1970-01-01T00:00:00Z to " START "\nformat: common (guessed)\n",
                "", "replay", "-", "--window", "1h");
    json_t *rows = REPLAYED(log, 0, "--window", "1h");
    assert_int_equal(json_array_size(rows), 4);
    const json_t *zeros = json_array_get(rows, 1);
    EXPECT_KEYS(zeros, "at live windows until rows");
    assert_string_equal(json_string_value(json_object_get(zeros, "at")), "1970-01-01T02:00:00Z");
    assert_string_equal(json_string_value(json_object_get(zeros, "until")), "2015-05-17T09:00:00Z");
    assert_int_equal(number(zeros, "rows"), 397736);
    json_decref(rows);
    /* A single row of zeros stays a row. */
    EXPECT_WITH("a - - [01/Jan/1970:00:00:00 +0000] \"-\" 200 1\nb - - [01/Jan/1970:02:00:00 +0000] \"-\" 200 1\n", 0,
                "AT                    LIVE  5m\n"
                "1970-01-01T01:00:00Z     0   0\n"
                "1970-01-01T02:00:00Z     1   1\n"
                "\n2 lines, 0 skipped, 2 users, from 1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z\n"
                "format: common (guessed)\n",
                "", "replay", "-", "--window", "5m");
}

static void statuses_and_bots_are_left_out(void **state) {
    (void)state;
    static const char log[] = "a - - [17/May/2015:10:00:00 +0000] \"-\" 404 1 \"-\" \"Mozilla/5.0\"\n"
                              "b - - [17/May/2015:10:00:00 +0000] \"-\" 500 1 \"-\" \"Mozilla/5.0\"\n"
                              "c - - [17/May/2015:10:00:00 +0000] \"-\" 501 1 \"-\" \"Mozilla/5.0\"\n"
                              "d - - [17/May/2015:10:00:00 +0000] \"-\" 200 1 \"-\" \"Googlebot/2.1\"\n";
    EXPECT_USERS(log, 4, "combined", "--every", "1h");
    EXPECT_USERS(log, 2, "combined", "--exclude-status", "4xx,500");
    EXPECT_USERS(log, 3, "combined", "--bots");
    json_t *rows = REPLAYED(log, 0, "--exclude-status", "4xx,500", "--bots");
    const json_t *summary = summary_of(rows);
    EXPECT_KEYS(summary, "lines skipped users from to format guessed excluded reasons");
    assert_int_equal(number(summary, "excluded"), 3);
    assert_int_equal(number(summary, "skipped"), 0);
    json_decref(rows);
    EXPECT(2, "", "--exclude-status: 'x'", "replay", "-", "--exclude-status", "404,x");
    EXPECT_WITH(GOOD, 0, NULL, "--bots left out nobody: the log has no user agents", "replay", "-", "--bots");
}

static void forwarded_for_is_a_user(void **state) {
    (void)state;
    static const char log[] = "10.0.0.1 - - " REST " \"-\" \"x\" \"203.0.113.1, 198.51.100.1\"\n"
                              "10.0.0.1 - - " REST " \"-\" \"x\" \"203.0.113.2, 198.51.100.1\"\n"
                              "10.0.0.1 - - " REST " \"-\" \"x\" \"2001:DB8::1\"\n"
                              "10.0.0.1 - - " REST " \"-\" \"x\" \"unknown\"\n"
                              "10.0.0.1 - - " REST " \"-\" \"x\" \"-\"\n";
    EXPECT_USERS(log, 1, "combined", "--user", "host");
    EXPECT_USERS(log, 3, "combined", "--user", "xff");
    EXPECT_USERS(log, 3, "combined", "--user", "xff-first");
    EXPECT_USERS(log, 2, "combined", "--user", "xff-last");
}

static void json_fields_can_be_named(void **state) {
    (void)state;
    static const char log[] = "{\"when\":{\"at\":1431856800000},\"who\":{\"id\":7},\"remote_addr\":\"10.0.0.1\"}\n"
                              "{\"when\":{\"at\":\"2015-05-17T12:00:00.250+02:00\"},\"who\":{\"id\":\"ada\"}}\n"
                              "{\"when\":{\"at\":1431856800.5},\"who\":{\"id\":\"\"}}\n"
                              "{\"when\":{},\"who\":{\"id\":\"ada\"}}\n"
                              "{\"when\":{\"at\":1431856800.5}}\n";
    json_t *rows = REPLAYED(log, 0, "--user-field", "who.id", "--time-field", "when.at");
    const json_t *summary = summary_of(rows);
    assert_int_equal(number(summary, "users"), 2);
    assert_int_equal(number(summary, "skipped"), 3);
    assert_string_equal(json_string_value(json_object_get(summary, "from")), START);
    assert_string_equal(json_string_value(json_object_get(summary, "to")), "2015-05-17T10:00:00.250Z");
    json_decref(rows);
    EXPECT(2, "", "for --format json", "replay", "-", "--format", "clf", "--user-field", "x");
}

/* Writes `content`, packed by zlib as gzip does, behind what `to` holds. */
static void append_gzip(FILE *to, const char *content) {
    unsigned char packed[4096];
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)content, .avail_in = (unsigned)strlen(content)};
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    (void)fwrite(packed, 1, sizeof packed - z.avail_out, to);
    (void)deflateEnd(&z);
}

static void append_zstd(FILE *to, const char *content) {
    char packed[4096];
    const size_t len = ZSTD_compress(packed, sizeof packed, content, strlen(content), 3);
    assert_false(ZSTD_isError(len));
    (void)fwrite(packed, 1, len, to);
}

/* An archive of two parts is one log, whatever it is called; without its last bytes it is an error that names it. */
static void expect_unpacked(void (*append)(FILE *to, const char *content), const char *truncated) {
    struct tempdir dir = tempdir_make();
    char *data = NULL;
    size_t len;
    FILE *out = open_memstream(&data, &len);
    append(out, "\xef\xbb\xbf" GOOD "203.0.113.10 - - " REST);
    append(out, "\n203.0.113.11 - - " REST "\n");
    (void)fclose(out);
    struct tempdir log = tempdir_write(&dir, "packed.log", data, len);
    json_t *rows = JSON(0, "replay", log.path, "--json");
    assert_int_equal(number(summary_of(rows), "lines"), 3);
    assert_int_equal(number(summary_of(rows), "users"), 3);
    json_decref(rows);
    log = tempdir_write(&dir, "cut.log", data, len - 3);
    EXPECT(1, "", truncated, "replay", log.path);
    EXPECT(1, "", "cut.log'", "replay", log.path);
    free(data);
    tempdir_remove(&dir);
}

static void gzip_is_read(void **state) {
    (void)state;
    expect_unpacked(append_gzip, "the gzip archive is truncated");
}

static void zstd_is_read(void **state) {
    (void)state;
    expect_unpacked(append_zstd, "the zstd archive is truncated");
}

static void several_logs_are_one(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    static const char json[] = "{\"remote_addr\":\"203.0.113.9\",\"msec\":\"1431856801.000\"}\n";
    struct tempdir newer = tempdir_write(&dir, "log", json, strlen(json));
    struct tempdir older = tempdir_write(&dir, "log.1", GOOD, strlen(GOOD));
    EXPECT(0,
           "{\"at\":\"2015-05-17T10:00:01Z\",\"live\":1,\"windows\":{\"1h\":1}}\n"
           "{\"lines\":2,\"skipped\":0,\"users\":1,\"from\":\"" START "\",\"to\":\"2015-05-17T10:00:01Z\","
           "\"format\":\"common, json\",\"guessed\":true}\n",
           "", "replay", newer.path, older.path, "--json", "--window", "1h");
    tempdir_remove(&dir);
}

static void draws_a_chart(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    struct tempdir log = tempdir_write(&dir, "<&>.log", GOOD GOOD, 2 * strlen(GOOD));
    struct tempdir chart = tempdir_path(&dir, "chart.svg");
    EXPECT(0, NULL, "", "replay", log.path, "--plot", chart.path);
    char *svg = tempdir_read(chart.path, NULL);
    static const char *const parts[] = {"<svg ",  "</svg>\n",   "Users of &lt;&amp;&gt;.log",
                                        ">live<", ">last 24h<", "time (UTC)"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(svg, parts[i]) == NULL) fail_msg("'%s' is missing in %s", parts[i], svg);
    free(svg);
    EXPECT(1, NULL, "--plot: cannot write '/nonexistent/x'", "replay", log.path, "--plot", "/nonexistent/x");
    tempdir_remove(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_virtual_host_is_no_user),
        cmocka_unit_test(a_syslog_prefix_is_no_user),
        cmocka_unit_test(a_list_of_addresses_is_no_user),
        cmocka_unit_test(a_quoted_line_is_no_user),
        cmocka_unit_test(a_missing_host_is_nobody),
        cmocka_unit_test(who_is_not_logged_in_is_nobody),
        cmocka_unit_test(one_address_is_one_user_however_it_is_written),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(nothing_parsed_is_an_error),
        cmocka_unit_test(a_sample_is_escaped),
        cmocka_unit_test(rows_of_zeros_are_one_row),
        cmocka_unit_test(statuses_and_bots_are_left_out),
        cmocka_unit_test(forwarded_for_is_a_user),
        cmocka_unit_test(json_fields_can_be_named),
        cmocka_unit_test(gzip_is_read),
        cmocka_unit_test(zstd_is_read),
        cmocka_unit_test(several_logs_are_one),
        cmocka_unit_test(draws_a_chart),
    };
    return cmocka_run_group_tests_name("cli.replay_input", tests, NULL, NULL);
}
