/* The parts of a log's line: times, addresses, JSON fields, statuses, user agents; and the chart of the rows. */
#include "address.h"
#include "crawlers.h"
#include "json_line.h"
#include "log_format.h"
#include "plot.h"
#include "status_set.h"
#include "test.h"
#include "timestamp.h"
#include "visitor.h"

#define MAY_17 INT64_C(1431857103000) /* 2015-05-17T10:05:03Z */

static void reads_times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_ms;
    } times[] = {
        {"17/May/2015:12:05:03 +0200", MAY_17},
        {"2015-05-17T10:05:03Z", MAY_17},
        {"2015-05-17t10:05:03z", MAY_17},
        {"2015-05-17 10:05:03", MAY_17},
        {"2015-05-17T12:05:03+02:00", MAY_17},
        {"2015-05-17T02:35:03-0730", MAY_17},
        {"2015-05-17T10:05:03.25Z", MAY_17 + 250},
        {"2015-05-17T10:05:03,2509999+00:00", MAY_17 + 250},
        {"1431857103", MAY_17},
        {"1431857103.25", MAY_17 + 250},
        {"1431857103250", MAY_17 + 250},
        {"1431857103250000", MAY_17 + 250},
        {"1431857103250000000", MAY_17 + 250},
        {"0", 0},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        int64_t unix_ms;
        if (!timestamp_any(text_of(times[i].text), &unix_ms) || unix_ms != times[i].unix_ms)
            fail_msg("%s is %lld", times[i].text, (long long)unix_ms);
    }
}

static void refuses_what_is_no_time(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "-",
                                        ".",
                                        "1.2.3",
                                        "-1",
                                        "1e9",
                                        "12345678901234567890123456789012",
                                        "2015-05-17",
                                        "2015-05-17T10:05",
                                        "2015-05-17T10:05:03.Z",
                                        "2015-05-17T10:05:03+2",
                                        "2015-05-17T10:05:03+24:00",
                                        "2015-02-30T10:05:03Z",
                                        "2015-05-17T10:05:03Zx",
                                        "17/May/2015 10:05:03 +0200",
                                        "17/May/2015:10:05:03 UTC00",
                                        "x5-05-17T10:05:03Z1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t unix_ms = 1;
        if (timestamp_any(text_of(texts[i]), &unix_ms) || unix_ms != 0) fail_msg("a time: %s", texts[i]);
    }
    int64_t unix_ms;
    assert_false(timestamp_number(1e300, &unix_ms));
    assert_false(timestamp_number(-1e300, &unix_ms));
}

static void writes_addresses_in_one_form(void **state) {
    (void)state;
    static const struct {
        const char *text, *canonical;
    } addresses[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"2001:DB8:0:0:0::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:65535", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"[::FFFF:c000:201]:80", "192.0.2.1"},
        {"::1", "::1"},
        {"fe80::1%eth0", "fe80::1%eth0"},
        {"192.0.2.256", ""},
        {"192.0.2", ""},
        {"192.0.2.1:", ""},
        {"192.0.2.1:123456", ""},
        {"192.0.2.1%x", ""},
        {"[2001:db8::1", ""},
        {"[2001:db8::1]x", ""},
        {"[]", ""},
        {"fe80::1%", ""},
        {"fe80::1%e/0", ""},
        {"host", ""},
        {"", ""},
        {"-", ""},
    };
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        char out[ADDRESS_BYTES];
        const struct text canonical = address_canonical(text_of(addresses[i].text), out);
        if (!text_equal(canonical, text_of(addresses[i].canonical)))
            fail_msg("%s is '%.*s'", addresses[i].text, (int)canonical.len, canonical.data);
    }
    assert_true(address_is_host_name(text_of("www-1.example_x.com")));
    assert_false(address_is_host_name(text_of("www:443")));
    assert_false(address_is_host_name(text_of("-")));
    assert_true(text_equal(address_list_item(text_of(" a , b,c "), false), text_of("a")));
    assert_true(text_equal(address_list_item(text_of(" a , b,c "), true), text_of("c")));
    assert_int_equal(address_list_item(text_of(" ,"), false).len, 0);
}

static void expect_json(enum user_field user, const char *line, enum skip skip, const char *name, int64_t unix_ms) {
    struct json_line *j = json_line_new(user, NULL, NULL);
    struct access_line out;
    const enum skip got = json_line_parse(j, text_of(line), &out);
    const struct text found = user == USER_HOST ? out.host : user == USER_AUTHENTICATED ? out.user : out.forwarded;
    if (got != skip || !text_equal(found, text_of(name)) || out.unix_ms != unix_ms)
        fail_msg("'%s', '%.*s', %lld: %s", skip_word(got), (int)found.len, found.data, (long long)out.unix_ms, line);
    json_line_free(j);
}

static void reads_json_of_known_servers(void **state) {
    (void)state;
    expect_json(USER_HOST, "{\"remote_addr\":\"h\",\"msec\":\"1431857103.000\"}", SKIP_NONE, "h", MAY_17);
    expect_json(USER_HOST, "{\"request\":{\"remote_ip\":\"h\"},\"ts\":1431857103}", SKIP_NONE, "h", MAY_17);
    expect_json(USER_HOST, "{\"ClientHost\":\"h\",\"time\":\"2015-05-17T10:05:03Z\"}", SKIP_NONE, "h", MAY_17);
    expect_json(USER_AUTHENTICATED, "{\"user_id\":\"ada\",\"ts\":1431857103}", SKIP_NONE, "ada", MAY_17);
    expect_json(USER_FORWARDED_LAST,
                "{\"request\":{\"headers\":{\"X-Forwarded-For\":[\"a\",\"b\"]}},\"ts\":1431857103}", SKIP_NONE, "b",
                MAY_17);
    expect_json(USER_FORWARDED_FIRST, "{\"request\":{},\"ts\":1431857103}", SKIP_NONE, "", MAY_17);
    expect_json(USER_HOST, "{\"downstream_remote_address\":\"h\",\"start_time\":\"2015-05-17T10:05:03.000Z\"}",
                SKIP_NONE, "h", MAY_17);
    expect_json(USER_HOST, "{\"ClientIP\":\"h\",\"EdgeStartTimestamp\":1431857103000000000}", SKIP_NONE, "h", MAY_17);
    /* `time` may be how long a request took. */
    expect_json(USER_HOST, "{\"remote_addr\":\"h\",\"time\":0.003,\"time_local\":\"17/May/2015:10:05:03 +0000\"}",
                SKIP_NONE, "h", MAY_17);
    expect_json(USER_HOST, "{\"remote_addr\":\"h\",\"time\":0.003}", SKIP_TIME_FIELD, "", 0);
    expect_json(USER_HOST, "{\"remote_addr\":\"h\"}", SKIP_TIME_FIELD, "", 0);
    expect_json(USER_HOST, "{\"msec\":\"1431857103.000\"}", SKIP_USER_FIELD, "", 0);
    expect_json(USER_HOST, "[1]", SKIP_JSON, "", 0);
    expect_json(USER_HOST, "{\"remote_addr\":\"h\",", SKIP_JSON, "", 0);
    expect_json(USER_HOST, "", SKIP_EMPTY, "", 0);
}

static void finds_paths(void **state) {
    (void)state;
    struct json_line *j = json_line_new(USER_HOST, "a.b.c", "t.x");
    struct access_line out;
    static const char *const lines[] = {"{\"a\":{\"b\":{\"c\":\"u\"}},\"t\":{\"x\":1431857103}}",
                                        "{\"a.b.c\":\"u\",\"t.x\":1431857103}",
                                        "{\"a.b\":{\"c\":\"u\"},\"t\":{\"x\":1431857103}}",
                                        "{\"a\":{\"b.c\":[\"u\",\"v\"]},\"t\":{\"x\":[1431857103]}}"};
    for (size_t i = 0; i < 4; i++) {
        if (json_line_parse(j, text_of(lines[i]), &out) != SKIP_NONE || !text_equal(out.host, text_of("u")) ||
            out.unix_ms != MAY_17)
            fail_msg("%s", lines[i]);
    }
    assert_int_equal(json_line_parse(j, text_of("{\"a\":\"u\",\"t\":{\"x\":1}}"), &out), SKIP_USER_FIELD);
    json_line_free(j);
}

static void expect_visitor(enum user_field field, const struct access_line *line, enum skip skip, const char *name) {
    const struct visitor_rule rule = {.user = field};
    char buffer[ADDRESS_BYTES];
    struct text user;
    const enum skip got = visitor_of(&rule, line, buffer, &user);
    if (got != skip || !text_equal(user, text_of(name)))
        fail_msg("'%s', user '%.*s' instead of '%s', '%s'", skip_word(got), (int)user.len, user.data, skip_word(skip),
                 name);
}

static void who_is_not_logged_in_is_nobody(void **state) {
    (void)state;
    struct access_line line = {.user = text_of("ada"), .status = 200};
    expect_visitor(USER_AUTHENTICATED, &line, SKIP_NONE, "ada");
    line.status = 401;
    expect_visitor(USER_AUTHENTICATED, &line, SKIP_LOGIN, "");
    line.status = 403;
    expect_visitor(USER_AUTHENTICATED, &line, SKIP_LOGIN, "");
    line.status = 404;
    expect_visitor(USER_AUTHENTICATED, &line, SKIP_NONE, "ada");
    line.user = text_of("-");
    expect_visitor(USER_AUTHENTICATED, &line, SKIP_NOBODY, "");
    line.user = text_of("\"\"");
    expect_visitor(USER_AUTHENTICATED, &line, SKIP_NOBODY, "");
}

static void a_host_is_an_address_or_a_name(void **state) {
    (void)state;
    struct access_line line = {.host = text_of("[2001:DB8::1]:80")};
    expect_visitor(USER_HOST, &line, SKIP_NONE, "2001:db8::1");
    line.host = text_of("www.example.com");
    expect_visitor(USER_HOST, &line, SKIP_NONE, "www.example.com");
    line.host = text_of("www.example.com:443");
    expect_visitor(USER_HOST, &line, SKIP_HOST, "");
    line.host = text_of("-");
    expect_visitor(USER_HOST, &line, SKIP_NO_HOST, "");
    line.host = text_of("a123456789a123456789a123456789a123456789a123456789a123456789a123456789a123456789a123456789"
                        "a123456789a123456789a123456789a12345678");
    expect_visitor(USER_HOST, &line, SKIP_ID, "");
    line.forwarded = text_of("unknown, ::ffff:192.0.2.1");
    expect_visitor(USER_FORWARDED_FIRST, &line, SKIP_NOBODY, "");
    expect_visitor(USER_FORWARDED_LAST, &line, SKIP_NONE, "192.0.2.1");
}

static enum log_format guess(const char *first, const char *second) {
    const struct text lines[] = {text_of(first), text_of(second)};
    struct json_line *j = json_line_new(USER_HOST, NULL, NULL);
    const enum log_format format = log_format_guess(j, lines, 2);
    json_line_free(j);
    return format;
}

static void guesses_formats(void **state) {
    (void)state;
#define CLF "- - [17/May/2015:10:05:03 +0000] \"-\" 200 1"
    assert_int_equal(guess("h " CLF, "h " CLF), FORMAT_COMMON);
    assert_int_equal(guess("h " CLF " \"-\" \"-\"", "h " CLF), FORMAT_COMBINED);
    assert_int_equal(guess("w:80 h " CLF, "# comment"), FORMAT_VHOST_COMBINED);
    assert_int_equal(guess("# comment", "{\"remote_addr\":\"h\",\"msec\":1431857103}"), FORMAT_JSON);
    assert_int_equal(guess("# comment", ""), FORMAT_AUTO);
}

static void reads_sets_of_statuses(void **state) {
    (void)state;
    struct status_set set = {{false}};
    char list[] = "4xx,500,3XX", wrong[] = "200,40x";
    assert_null(status_set_add(&set, list));
    assert_true(set.has[400] && set.has[499] && set.has[500] && set.has[304]);
    assert_false(set.has[501] || set.has[200] || set.has[0]);
    assert_string_equal(status_set_add(&set, wrong), "40x");
    char more[] = "1000", less[] = "99", none[] = "";
    assert_non_null(status_set_add(&set, more));
    assert_non_null(status_set_add(&set, less));
    assert_non_null(status_set_add(&set, none));
}

static void knows_crawlers(void **state) {
    (void)state;
    static const char *const crawlers[] = {
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; GPTBot/1.0; +https://openai.com/gptbot)",
        "kube-probe/1.29",
        "SomeBot/1.0",
        "x-bot",
        "360Spider",
        "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
        "Tiny Tiny RSS/1.11 (http://tt-rss.org/)",
        "Mozilla/5.0 (compatible; AhrefsBot/5.0; +http://ahrefs.com/robot/)",
        "msnbot/2.0b (+http://search.msn.com/msnbot.htm)",
        "YisouSpider",
    };
    static const char *const people[] = {
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Mozilla/5.0 (Linux; Android 9; CUBOT ECHO) AppleWebKit/537.36 Chrome/124.0.0.0 Mobile Safari/537.36",
        "curl/8.5.0",
        "-",
        "",
        "b",
        "\xff\xff"};
    for (size_t i = 0; i < sizeof crawlers / sizeof crawlers[0]; i++)
        if (!crawlers_know(text_of(crawlers[i]))) fail_msg("not known: %s", crawlers[i]);
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
        if (crawlers_know(text_of(people[i]))) fail_msg("taken for a crawler: %s", people[i]);
}

static char *drawn(const char *title, int64_t to_ms, const uint64_t (*values)[2], size_t count) {
    static const char *const names[] = {"live", "<1h>"};
    struct plot *plot = plot_new(title, names, 2, 0, to_ms);
    char *svg = NULL;
    size_t len;
    FILE *out = open_memstream(&svg, &len);
    for (size_t i = 0; i < count; i++)
        plot_add(plot, count == 1 ? 0 : to_ms * (int64_t)i / (int64_t)(count - 1), values[i]);
    plot_write(plot, out);
    (void)fclose(out);
    plot_free(plot);
    return svg;
}

static void draws_series_within_the_chart(void **state) {
    (void)state;
    static const uint64_t few[][2] = {{0, 1}, {3, 5}, {1, 6}}, many[][2] = {{1, 10000}, {2, 20000}},
                          none[][2] = {{0, 0}};
    char *svg = drawn("a & b\x1b", 3600000, few, 3);
    /* Six users are at the top, none at the bottom, and the middle is in the middle. */
    if (strstr(svg, "points=\"64,340.0 362,190.0 660,290.0 \"") == NULL) fail_msg("live: %s", svg);
    if (strstr(svg, "points=\"64,290.0 362,90.0 660,40.0 \"") == NULL) fail_msg("windows: %s", svg);
    assert_non_null(strstr(svg, "a &amp; b\\u001b<"));
    assert_non_null(strstr(svg, "&lt;1h&gt;"));
    assert_null(strstr(svg, "logarithmic"));
    free(svg);
    svg = drawn("x", 86400000, many, 2);
    assert_non_null(strstr(svg, "users (logarithmic)"));
    free(svg);
    svg = drawn("x", 0, none, 1);
    assert_non_null(strstr(svg, "<circle "));
    assert_null(strstr(svg, "nan"));
    free(svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(writes_addresses_in_one_form),
        cmocka_unit_test(reads_json_of_known_servers),
        cmocka_unit_test(finds_paths),
        cmocka_unit_test(who_is_not_logged_in_is_nobody),
        cmocka_unit_test(a_host_is_an_address_or_a_name),
        cmocka_unit_test(guesses_formats),
        cmocka_unit_test(reads_sets_of_statuses),
        cmocka_unit_test(knows_crawlers),
        cmocka_unit_test(draws_series_within_the_chart),
    };
    return cmocka_run_group_tests_name("cli.log_parts", tests, NULL, NULL);
}
