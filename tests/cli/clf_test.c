/* Lines of access logs, good and bad. */
#include "clf.h"
#include "test.h"

#define MAY_17 INT64_C(1431857103000) /* 2015-05-17T10:05:03Z */

static bool parse(const char *line, struct access_line *out) {
    return clf_parse(text_of(line), false, out) == SKIP_NONE;
}

static void expect(const char *line, const char *host, const char *user, int64_t unix_ms) {
    struct access_line parsed;
    if (!parse(line, &parsed)) fail_msg("not parsed: %s", line);
    if (!text_equal(parsed.host, text_of(host)))
        fail_msg("host '%.*s' instead of '%s': %s", (int)parsed.host.len, parsed.host.data, host, line);
    if (!text_equal(parsed.user, text_of(user)))
        fail_msg("user '%.*s' instead of '%s': %s", (int)parsed.user.len, parsed.user.data, user, line);
    if (parsed.unix_ms != unix_ms) fail_msg("time %lld: %s", (long long)parsed.unix_ms, line);
}

static void parses_the_common_format(void **state) {
    (void)state;
    expect("1.2.3.4 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 2326", "1.2.3.4", "-", MAY_17);
    expect("h - ada [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 304 -", "h", "ada", MAY_17);
    expect("::1 ident ada [17/May/2015:10:05:03 +0000] \"-\" 408 -", "::1", "ada", MAY_17);
    expect("h - - [17/May/2015:10:05:03 +0000] \"\" - -", "h", "-", MAY_17);
}

static void parses_the_combined_format_and_more(void **state) {
    (void)state;
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1 \"http://x/\" \"Mozilla/5.0 (X)\"", "h", "-",
           MAY_17);
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"cut off", "h", "-", MAY_17);
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\" 0.013 upstream", "h", "-", MAY_17);
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1 ", "h", "-", MAY_17);
}

static void honours_the_offset(void **state) {
    (void)state;
    expect("h - - [17/May/2015:12:05:03 +0200] \"x\" 200 1", "h", "-", MAY_17);
    expect("h - - [17/May/2015:02:35:03 -0730] \"x\" 200 1", "h", "-", MAY_17);
    expect("h - - [18/May/2015:00:05:03 +1400] \"x\" 200 1", "h", "-", MAY_17);
    expect("h - - [31/Dec/1969:23:59:59 +0000] \"x\" 200 1", "h", "-", -1000);
}

static void finds_users_with_blanks_and_brackets(void **state) {
    (void)state;
    expect("h - ada lovelace [17/May/2015:10:05:03 +0000] \"x\" 200 1", "h", "ada lovelace", MAY_17);
    expect("h - [x] [y [17/May/2015:10:05:03 +0000] \"x\" 200 1", "h", "[x] [y", MAY_17);
    expect("h - -- [17/May/2015:10:05:03 +0000] \"x\" 200 1", "h", "--", MAY_17);
}

static void finds_the_end_of_a_request(void **state) {
    (void)state;
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET /\\\"a\\\" HTTP/1.1\" 200 1", "h", "-", MAY_17);
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET /\\\\\" 200 1", "h", "-", MAY_17);
    expect("h - - [17/May/2015:10:05:03 +0000] \"GET /\"a\" HTTP/1.1\" 200 1", "h", "-", MAY_17);
}

static void refuses_what_is_no_log_line(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        " ",
        "h",
        "h - -",
        "h - - [17/May/2015:10:05:03 +0000]",
        "h - - [17/May/2015:10:05:03 +0000] ",
        "h - - [17/May/2015:10:05:03 +0000] \"GET /\"",
        "h - - [17/May/2015:10:05:03 +0000] \"GET /\" 200",
        "h - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 ",
        "h - - [17/May/2015:10:05:03 +0000] \"GET /\" 2000 1",
        "h - - [17/May/2015:10:05:03 +0000] \"GET /\" x00 1",
        "h - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1x",
        "h - - [17/May/2015:10:05:03 +0000] \"GET / 200 1",
        "h - - [17/May/2015:10:05:03 +0000] GET / 200 1",
        "h - - [17/May/2015:10:05:03 +0000]\"GET /\" 200 1",
        "h - - 17/May/2015:10:05:03 +0000 \"GET /\" 200 1",
        "h - - [31/Feb/2015:10:05:03 +0000] \"GET /\" 200 1",
        "h - - [17/may/2015:10:05:03 +0000] \"GET /\" 200 1",
        "h - - [17/May/2015:25:05:03 +0000] \"GET /\" 200 1",
        "h - - [17/May/2015:10:05:03] \"GET /\" 200 1",
        "h - - [17/May/2015:10:05:03 +2400] \"GET /\" 200 1",
        "h - - [17/May/2015:10:05:03 +0060] \"GET /\" 200 1",
        "h - - [17/May/2015:10:05:03 00000] \"GET /\" 200 1",
        "h - - [7/May/2015:10:05:03 +0000] \"GET /\" 200 1",
        "h - - [17/May/15:10:05:03 +0000] \"GET /\" 200 1",
        "h -  [17/May/2015:10:05:03 +0000] \"GET /\" 200 1",
        " - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1",
        "h  - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct access_line parsed = {.unix_ms = 1};
        if (parse(lines[i], &parsed)) fail_msg("parsed: %s", lines[i]);
        if (parsed.unix_ms != 0 || parsed.host.len != 0) fail_msg("something is left behind of: %s", lines[i]);
    }
}

static void expect_reason(const char *line, bool has_virtual_host, enum skip reason) {
    struct access_line parsed;
    const enum skip skip = clf_parse(text_of(line), has_virtual_host, &parsed);
    if (skip != reason) fail_msg("'%s' instead of '%s': %s", skip_word(skip), skip_word(reason), line);
}

#define REST "[17/May/2015:10:05:03 +0000] \"GET /\" 200 1"

static void says_why_a_line_is_refused(void **state) {
    (void)state;
    expect_reason("", false, SKIP_EMPTY);
    expect_reason("\"h - - " REST "\"", false, SKIP_QUOTED);
    expect_reason("Nov 28 10:00:05 web1 nginx: h - - " REST, false, SKIP_SYSLOG);
    expect_reason("<13>1 2015-05-17T10:05:03Z h - - " REST, true, SKIP_SYSLOG);
    expect_reason("a, b - - " REST, false, SKIP_ADDRESS_LIST);
    expect_reason("a, b - - " REST, true, SKIP_ADDRESS_LIST);
    expect_reason("www:443 1.2.3.4 - - " REST, false, SKIP_VIRTUAL_HOST);
    expect_reason("www 1.2.3.4 - ada " REST, false, SKIP_VIRTUAL_HOST);
    expect_reason("www other - ada " REST, false, SKIP_FIELDS);
    expect_reason("h - - " REST, true, SKIP_TIME);
    expect_reason("h - - [17/May/2015 10:05:03] \"GET /\" 200 1", false, SKIP_TIME);
    expect_reason("{\"a\":1}", false, SKIP_FIELDS);
    expect_reason("h - - [17/May/2015:10:05:03 +0000] GET / 200 1", false, SKIP_REQUEST);
    expect_reason("www:443 1.2.3.4 - - " REST, true, SKIP_NONE);
    expect_reason("www 1.2.3.4 - ada lovelace " REST, true, SKIP_NONE);
    expect_reason("1.2.3.4 www:443 - " REST, false, SKIP_NONE); /* lighttpd's default */
}

static void expect_headers(const char *rest, int status, bool has_agent, const char *agent, const char *forwarded) {
    char line[512];
    struct access_line parsed;
    (void)snprintf(line, sizeof line, "h - - [17/May/2015:10:05:03 +0000] \"GET /\" %s", rest);
    if (!parse(line, &parsed)) fail_msg("not parsed: %s", line);
    if (parsed.status != status || parsed.has_agent != has_agent) fail_msg("status %d: %s", parsed.status, line);
    if (!text_equal(parsed.agent, text_of(agent)) || !text_equal(parsed.forwarded, text_of(forwarded)))
        fail_msg("agent '%.*s', forwarded '%.*s': %s", (int)parsed.agent.len, parsed.agent.data,
                 (int)parsed.forwarded.len, parsed.forwarded.data, line);
}

static void reads_what_follows_the_size(void **state) {
    (void)state;
    expect_headers("200 1", 200, false, "", "");
    expect_headers("404 - \"-\" \"agent\"", 404, true, "agent", "");
    expect_headers("- 1 \"\" \"\"", 0, true, "", "");
    expect_headers("200 1 \"-\" \"an\"odd\\\" one\" \"1.2.3.4, ::1\"", 200, true, "an\"odd\\\" one", "1.2.3.4, ::1");
    expect_headers("200 1 \"-\" \"a\" 0.013 \"1.2.3.4\" \"more\"", 200, true, "a", "1.2.3.4");
    expect_headers("200 1 \"-\" \"cut off", 200, false, "", "");
}

static void takes_bytes_of_any_kind(void **state) {
    (void)state;
    static const char with_nul[] = "h\0x - - [17/May/2015:10:05:03 +0000] \"G\0\xff\" 200 1";
    struct access_line parsed;
    assert_true(clf_parse((struct text){with_nul, sizeof with_nul - 1}, false, &parsed) == SKIP_NONE);
    assert_int_equal(parsed.host.len, 3);
}

/* Every beginning of a good line is parsed or refused without reading past its end, which the sanitizers watch. */
static void takes_every_beginning_of_a_line(void **state) {
    (void)state;
    static const char line[] = "h - ada [17/May/2015:10:05:03 +0000] \"GET /\" 200 123 \"-\" \"agent\"";
    const size_t whole = strstr(line, " 123") + 2 - line;
    for (size_t len = 0; len < sizeof line; len++) {
        char *copy = malloc(len + 1);
        struct access_line parsed;
        memcpy(copy, line, len);
        const bool is_parsed = clf_parse((struct text){copy, (uint32_t)len}, false, &parsed) == SKIP_NONE;
        free(copy);
        if (is_parsed != (len >= whole)) fail_msg("%zu bytes: %s", len, is_parsed ? "parsed" : "refused");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_the_common_format),   cmocka_unit_test(parses_the_combined_format_and_more),
        cmocka_unit_test(honours_the_offset),         cmocka_unit_test(finds_users_with_blanks_and_brackets),
        cmocka_unit_test(finds_the_end_of_a_request), cmocka_unit_test(refuses_what_is_no_log_line),
        cmocka_unit_test(says_why_a_line_is_refused), cmocka_unit_test(reads_what_follows_the_size),
        cmocka_unit_test(takes_bytes_of_any_kind),    cmocka_unit_test(takes_every_beginning_of_a_line),
    };
    return cmocka_run_group_tests_name("cli.clf", tests, NULL, NULL);
}
