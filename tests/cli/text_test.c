/* Text of people and for people: escaping, widths, tables, lines, values. */
#include "common/utf8.h"
#include "escape.h"
#include "lines.h"
#include "table.h"
#include "test.h"
#include "user_names.h"
#include "values.h"

#include <locale.h>

static void expect_escaped(const char *data, size_t len, const char *wanted) {
    char *out = malloc(len * ESCAPE_GROWTH + 1);
    if (text_escape(data, len, out) != strlen(wanted) || strcmp(out, wanted) != 0)
        fail_msg("'%s' instead of '%s'", out, wanted);
    free(out);
}
#define ESCAPED(literal, wanted) expect_escaped(literal, sizeof(literal) - 1, wanted)

static void escapes_what_a_terminal_would_obey(void **state) {
    (void)state;
    ESCAPED("plain \\ text", "plain \\ text");
    ESCAPED("a\nb\tc\rd", "a\\nb\\tc\\rd");
    ESCAPED("\x1b[31m\x7f\0", "\\u001b[31m\\u007f\\u0000");
    ESCAPED("\xc2\x9b", "\\u009b");
    ESCAPED("\xe2\x80\xae", "\\u202e");
    ESCAPED("\xe2\x81\xa6\xe2\x80\xa8", "\\u2066\\u2028");
    ESCAPED("\xff\xc3", "\\xff\\xc3");
    ESCAPED("日本 é 🙂", "日本 é 🙂");
}

static void knows_utf8(void **state) {
    (void)state;
    static const char *const good[] = {
        "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
                                      "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "\xc2",         "\xe2\x82",         "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!utf8_valid(good[i], strlen(good[i]))) fail_msg("good text %zu is refused", i);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (utf8_valid(bad[i], strlen(bad[i]))) fail_msg("bad text %zu is taken", i);
}

static void measures_columns(void **state) {
    (void)state;
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("é"), 1);
    assert_int_equal(text_width("e\xcc\x81"), 1);
    assert_int_equal(text_width("日本"), 4);
}

static char *print_table(void (*fill)(struct table *)) {
    static const struct table_column columns[] = {{"NAME", 'l'}, {"N", 'r'}, {"END", 'l'}};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    struct table *table = table_new(out, columns, 3);
    fill(table);
    table_finish(table);
    (void)fclose(out);
    return text;
}

static void fill_some(struct table *table) {
    table_string(table, "日本"), table_number(table, 5), table_string(table, "");
    table_text(table, "a\nb", 3), table_number(table, 12345), table_string(table, "x");
}

static void fill_many(struct table *table) {
    for (int i = 0; i <= TABLE_BLOCK_ROWS; i++)
        table_string(table, "a"), table_number(table, 1), table_string(table, "z");
    table_string(table, "longer than any"), table_number(table, 1), table_string(table, "z");
}

static void fill_nothing(struct table *table) {
    (void)table;
}

static void aligns_tables(void **state) {
    (void)state;
    char *text = print_table(fill_some);
    assert_string_equal(text, "NAME      N  END\n日本      5\na\\nb  12345  x\n");
    free(text);
    text = print_table(fill_nothing);
    assert_string_equal(text, "NAME  N  END\n");
    free(text);
}

static void streams_long_tables(void **state) {
    (void)state;
    char *text = print_table(fill_many);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) lines++;
    assert_int_equal(lines, TABLE_BLOCK_ROWS + 3);
    assert_non_null(strstr(text, "\na                1  z\nlonger than any  1  z\n"));
    free(text);
}

static size_t read_file(void *context, char *to, size_t room) {
    return fread(to, 1, room, context);
}

static void reads_lines(void **state) {
    (void)state;
    static const char data[] = "one\n\ntwo\r\nwith\0nul\nlast";
    FILE *in = fmemopen((void *)(uintptr_t)data, sizeof data - 1, "r");
    struct lines *lines = lines_new(read_file, in);
    static const struct {
        const char *data;
        uint32_t len;
    } wanted[] = {{"one", 3}, {"", 0}, {"two", 3}, {"with\0nul", 8}, {"last", 4}};
    struct line line;
    for (uint64_t i = 0; i < 5; i++) {
        assert_true(lines_next(lines, &line));
        assert_true(line.number == i + 1 && !line.is_cut);
        if (!text_equal(line.text, (struct text){wanted[i].data, wanted[i].len})) fail_msg("line %d", (int)i + 1);
    }
    assert_false(lines_next(lines, &line));
    lines_free(lines);
    (void)fclose(in);
}

static void cuts_lines_that_are_too_long(void **state) {
    (void)state;
    const size_t len = 3 * LINE_BYTES_MAX;
    char *data = malloc(len + 4);
    memset(data, 'x', len);
    memcpy(data + len, "\nok\n", 4);
    FILE *in = fmemopen(data, len + 4, "r");
    struct lines *lines = lines_new(read_file, in);
    struct line line;
    assert_true(lines_next(lines, &line) && line.is_cut && line.text.len == LINE_BYTES_MAX);
    assert_true(lines_next(lines, &line) && !line.is_cut && text_equal(line.text, text_of("ok")));
    assert_false(lines_next(lines, &line));
    lines_free(lines);
    (void)fclose(in);
    free(data);
}

static void numbers_names(void **state) {
    (void)state;
    enum { NAMES = 5000 };
    struct user_names *names = user_names_new();
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < NAMES; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "name %u", i);
            if (user_names_number(names, text_of(name)) != i) fail_msg("%s has another number", name);
        }
    }
    assert_int_equal(user_names_count(names), NAMES);
    assert_string_equal(user_names_text(names, 4321).data, "name 4321");
    user_names_free(names);
}

static void reads_values(void **state) {
    (void)state;
    uint64_t value;
    enum muster_status status;
    assert_true(value_span("90s", 1000, 90000, &value) && value == 90000);
    assert_false(value_span("91s", 1000, 90000, &value));
    assert_false(value_span("90", 1, UINT64_MAX, &value));
    assert_false(value_span("", 0, UINT64_MAX, &value));
    assert_true(value_number("18446744073709551615", 0, UINT64_MAX, &value) && value == UINT64_MAX);
    assert_false(value_number("18446744073709551616", 0, UINT64_MAX, &value));
    assert_false(value_number("-1", 0, UINT64_MAX, &value));
    assert_false(value_number("1 ", 0, UINT64_MAX, &value));
    assert_true(value_status("busy", &status) && status == MUSTER_STATUS_BUSY);
    assert_false(value_status("", &status));
    assert_string_equal(value_status_name(MUSTER_STATUS_AWAY), "away");
}

static void reads_windows(void **state) {
    (void)state;
    char good[] = "5m,60m", more[] = "1d", hole[] = "1h,,2h", zero[] = "0s",
         many[] = "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s";
    struct windows windows = {0};
    const char *piece;
    assert_int_equal(windows_add(&windows, good, &piece), WINDOWS_OK);
    assert_int_equal(windows_add(&windows, more, &piece), WINDOWS_OK);
    assert_int_equal(windows.count, 3);
    assert_string_equal(windows.written[1], "60m");
    assert_int_equal(windows.span_ms[2], 86400000);
    assert_int_equal(windows_add(&windows, hole, &piece), WINDOWS_MALFORMED);
    assert_string_equal(piece, "");
    assert_int_equal(windows_add(&windows, zero, &piece), WINDOWS_MALFORMED);
    assert_int_equal(windows_add(&windows, many, &piece), WINDOWS_TOO_MANY);
}

int main(void) {
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_a_terminal_would_obey),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(measures_columns),
        cmocka_unit_test(aligns_tables),
        cmocka_unit_test(streams_long_tables),
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(cuts_lines_that_are_too_long),
        cmocka_unit_test(numbers_names),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(reads_windows),
    };
    return cmocka_run_group_tests_name("cli.text", tests, NULL, NULL);
}
