/* `muster watch` against real nodes: what it writes, and how it ends. */
#include "cli.h"
#include "muster/limits.h"
#include "support/port.h"
#include "support/server.h"
#include "support/tempdir.h"
#include "support/wait.h"
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCH_ARGUMENTS_MAX = 24, SOON_MS = 20000 };

static struct server server;

static int set_up(void **state) {
    (void)state;
    server = server_start(NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

/* ---- helpers ---- */

static struct process *watch_start(const char *const arguments[]) {
    const char *argv[WATCH_ARGUMENTS_MAX + 3] = {MUSTER_PATH, "watch"};
    for (size_t i = 0; i < WATCH_ARGUMENTS_MAX && arguments[i] != NULL; i++) argv[i + 2] = arguments[i];
    return process_start(argv, NULL);
}
#define WATCH(...) watch_start((const char *const[]){__VA_ARGS__, NULL})

static void await(int line, struct process *watch, enum process_stream stream, const char *needle) {
    if (process_await_line(watch, stream, needle, SOON_MS, NULL)) return;
    fail_msg("line %d: no line with '%s' in\n%s\nerrors: %s", line, needle, process_text(watch, PROCESS_OUTPUT, NULL),
             process_text(watch, PROCESS_ERRORS, NULL));
}
#define AWAIT(watch, needle)         await(__LINE__, watch, PROCESS_OUTPUT, needle)
#define AWAIT_ERROR(watch, needle)   await(__LINE__, watch, PROCESS_ERRORS, needle)
#define AWAIT_CHANGE(watch, c, user) AWAIT(watch, "{\"change\":\"" c "\",\"scope\":\"w\",\"user\":\"" user "\"")

/* Waits until it exits with this status. Returns all that it wrote, for free(3). */
static char *ended(int line, struct process *watch, int status) {
    struct process_exit how;
    if (!process_wait(watch, SOON_MS, &how)) fail_msg("line %d: the watch does not end", line);
    if (how.is_signal || how.status != status)
        fail_msg("line %d: the watch ended by %s %d: %s", line, how.is_signal ? "signal" : "status", how.status,
                 process_text(watch, PROCESS_ERRORS, NULL));
    char *text = process_text(watch, PROCESS_OUTPUT, NULL);
    process_free(watch);
    return text;
}
#define ENDED(watch, status) ended(__LINE__, watch, status)
#define INTERRUPTED(watch)   (process_signal(watch, SIGINT), ENDED(watch, 0))

/* Parses lines of JSON and frees the text. Returns an array, for json_decref. */
static json_t *parsed(char *text) {
    json_t *rows = json_array();
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        json_error_t error;
        json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (row == NULL) fail_msg("%s: %s", error.text, line);
        json_array_append_new(rows, row);
    }
    free(text);
    return rows;
}

static const char *string(const json_t *row, const char *key) {
    const char *value = json_string_value(json_object_get(row, key));
    return value == NULL ? "-" : value;
}

/* Fails unless the rows are these, in this order: "change user reason, ...". Releases the rows. */
static void expect_rows(int line, json_t *rows, const char *wanted) {
    char got[2048] = "";
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        const size_t len = strlen(got);
        (void)snprintf(got + len, sizeof got - len, "%s%s %s %s", i == 0 ? "" : ", ", string(row, "change"),
                       string(row, "user"), string(row, "reason"));
    }
    if (strcmp(got, wanted) != 0) fail_msg("line %d: rows\n%s\ninstead of\n%s", line, got, wanted);
    json_decref(rows);
}
#define EXPECT_ROWS(rows, wanted) expect_rows(__LINE__, rows, wanted)

#define SEND(...) EXPECT(0, NULL, "", __VA_ARGS__, "--to", server.tcp, "-s", "w")
#define START()   SEND("reset", "--yes")
#define TARGET    "--to", server.tcp, "-s", "w"

/* ---- rows ---- */

static void shows_who_is_present_then_each_change(void **state) {
    (void)state;
    START();
    SEND("touch", "ada", "--status", "away");
    struct process *watch = WATCH(TARGET, "--json", "--count", "5");
    AWAIT_CHANGE(watch, "present", "ada");
    SEND("touch", "ada", "--status", "busy");
    AWAIT_CHANGE(watch, "updated", "ada");
    SEND("touch", "bob", "--ttl", "1s");
    AWAIT_CHANGE(watch, "joined", "bob");
    AWAIT(watch, "expired");
    SEND("leave", "ada");
    AWAIT_CHANGE(watch, "left", "ada");
    SEND("touch", "cyd");
    EXPECT_ROWS(parsed(ENDED(watch, 0)),
                "present ada -, updated ada -, joined bob -, left bob expired, left ada left, joined cyd -");
    watch = WATCH(TARGET, "--json", "--count", "1");
    AWAIT_CHANGE(watch, "present", "cyd");
    START();
    EXPECT_ROWS(parsed(ENDED(watch, 0)), "present cyd -, left cyd reset");
}

static void writes_the_keys_of_each_row(void **state) {
    (void)state;
    START();
    SEND("touch", "ada", "--status", "away", "--session", "tab", "--state", "x");
    struct process *watch = WATCH(TARGET, "--json", "--count", "2");
    struct process *other = WATCH(TARGET, "--json", "--count", "2", "--sessions");
    AWAIT_CHANGE(watch, "present", "ada");
    AWAIT_CHANGE(other, "present", "ada");
    SEND("touch", "ada", "--session", "phone");
    AWAIT_CHANGE(watch, "updated", "ada");
    AWAIT_CHANGE(other, "updated", "ada");
    SEND("leave", "ada", "--all-sessions");
    json_t *rows = parsed(ENDED(watch, 0)), *with_sessions = parsed(ENDED(other, 0));
    EXPECT_KEYS(json_array_get(rows, 0), "change scope user status last_seen_ms sessions");
    EXPECT_KEYS(json_array_get(rows, 1), "change scope user status last_seen_ms sessions");
    EXPECT_KEYS(json_array_get(rows, 2), "change scope user last_seen_ms reason");
    EXPECT_KEYS(json_array_get(with_sessions, 0), "change scope user status last_seen_ms sessions session_list");
    EXPECT_KEYS(json_array_get(with_sessions, 2), "change scope user last_seen_ms reason");
    const json_t *list = json_object_get(json_array_get(with_sessions, 0), "session_list");
    EXPECT_KEYS(json_array_get(list, 0), "session status last_seen_ms ttl_ms state");
    assert_string_equal(string(json_array_get(list, 0), "state"), "x");
    assert_int_equal(json_array_size(json_object_get(json_array_get(with_sessions, 1), "session_list")), 2);
    assert_string_equal(string(json_array_get(rows, 0), "status"), "away");
    json_decref(rows);
    json_decref(with_sessions);
}

static void shows_named_users_alone(void **state) {
    (void)state;
    START();
    SEND("touch", "ada", "bob", "cyd");
    struct process *watch = WATCH(TARGET, "--json", "--count", "2", "--user", "bob", "--user", "dan");
    AWAIT_CHANGE(watch, "present", "bob");
    SEND("leave", "ada");
    SEND("touch", "dan");
    AWAIT_CHANGE(watch, "joined", "dan");
    SEND("leave", "cyd");
    SEND("leave", "bob");
    EXPECT_ROWS(parsed(ENDED(watch, 0)), "present bob -, joined dan -, left bob left");
}

static void shows_totals_alone(void **state) {
    (void)state;
    START();
    SEND("touch", "ada", "bob", "--status", "away");
    struct process *watch = WATCH(TARGET, "--json", "--count", "2", "--totals");
    AWAIT(watch, "{\"scope\":\"w\",\"live\":2,\"online\":0,\"away\":2,\"busy\":0,\"sessions\":2}");
    SEND("touch", "cyd");
    AWAIT(watch, "{\"scope\":\"w\",\"live\":3,\"online\":1,\"away\":2,\"busy\":0,\"sessions\":3}");
    SEND("touch", "cyd"); /* changes nothing that is shown */
    SEND("leave", "ada");
    json_t *rows = parsed(ENDED(watch, 0));
    assert_int_equal(json_array_size(rows), 3);
    json_decref(rows);
    watch = WATCH(TARGET, "--totals");
    AWAIT(watch, "  LIVE  ONLINE  AWAY  BUSY  SESSIONS");
    AWAIT(watch, "     2       1     1     0         2");
    free(INTERRUPTED(watch));
}

/* Without a terminal there are no escape codes, and names are escaped. */
static void writes_a_table_for_people(void **state) {
    (void)state;
    START();
    SEND("touch", "ada", "\x1b[31mred\n", "--status", "busy");
    struct process *watch = WATCH(TARGET, "--count", "2");
    AWAIT(watch, "  CHANGE   USER");
    AWAIT(watch, "Z  present  ada              busy           1");
    AWAIT(watch, "Z  present  \\u001b[31mred\\n  busy           1");
    SEND("leave", "ada");
    AWAIT(watch, "Z  left     ada              -              0  left");
    SEND("touch", "bob", "--session", "tab", "--state", "a\x1b");
    char *text = ENDED(watch, 0);
    if (strchr(text, '\x1b') != NULL) fail_msg("an escape code in a pipe: %s", text);
    free(text);
    watch = WATCH(TARGET, "--sessions", "--user", "bob", "--count", "1");
    AWAIT(watch, "  CHANGE   USER  SESSION  STATUS  REASON  STATE");
    AWAIT(watch, "Z  present  bob   tab      online          a\\u001b");
    SEND("leave", "bob", "--session", "tab");
    AWAIT(watch, "Z  left     bob   -        -       left");
    free(ENDED(watch, 0));
    watch = WATCH("--to", server.tcp, "-s", "nobody was here");
    AWAIT(watch, "TIME  CHANGE  USER  STATUS  SESSIONS  REASON"); /* before the first visitor */
    free(INTERRUPTED(watch));
}

static void makes_nobody_present(void **state) {
    (void)state;
    START();
    struct process *watch = WATCH(TARGET, "--user", "ada", "--interval", "50ms");
    AWAIT(watch, "CHANGE");
    EXPECT(1, NULL, "", "live", "ada", TARGET);
    EXPECT(0, "", "", "list", "--json", TARGET);
    free(INTERRUPTED(watch));
}

/* ---- how it ends ---- */

static void ends_when_interrupted(void **state) {
    (void)state;
    START();
    SEND("touch", "ada");
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct process *watch = WATCH(TARGET, "--json");
        AWAIT_CHANGE(watch, "present", "ada");
        process_signal(watch, signals[i]);
        EXPECT_ROWS(parsed(ENDED(watch, 0)), "present ada -");
    }
}

/* A reader may close the pipe: that is noticed without another change. */
static void ends_quietly_when_nobody_reads(void **state) {
    (void)state;
    START();
    SEND("touch", "ada");
    const char *const argv[] = {
        "sh",        "-c",       "{ \"$0\" watch --to \"$1\" -s w --json; echo status $? >&2; } | head -n 1",
        MUSTER_PATH, server.tcp, NULL};
    struct process_result result = process_run(argv, NULL, NULL, CLI_PATIENCE_MS);
    assert_false(result.timed_out);
    if (strcmp(result.errors, "status 0\n") != 0) fail_msg("it says: %s", result.errors);
    assert_non_null(strstr(result.output, "\"present\""));
    process_result_free(&result);
    const char *const full[] = {"sh",        "-c",       "exec \"$0\" watch --to \"$1\" -s w >/dev/full",
                                MUSTER_PATH, server.tcp, NULL};
    result = process_run(full, NULL, NULL, CLI_PATIENCE_MS);
    assert_int_equal(result.how.status, 1);
    assert_non_null(strstr(result.errors, "cannot write"));
    process_result_free(&result);
}

/* Whether nothing more can be written to the pipe. */
static bool is_full(void *context) {
    struct pollfd writer = {*(int *)context, POLLOUT, 0};
    return poll(&writer, 1, 0) == 0;
}

static void touch_many(size_t count) {
    char *input = NULL;
    size_t len;
    FILE *out = open_memstream(&input, &len);
    for (size_t i = 0; i < count; i++) (void)fprintf(out, "user-with-a-name-of-some-length-%zu\n", i);
    (void)fclose(out);
    EXPECT_WITH(input, 0, NULL, "", "touch", "-", TARGET);
    free(input);
}

/* The reader has stopped, and there is more text than the pipe and the queue hold: a signal still ends the program. */
static void ends_although_its_reader_is_stuck(void **state) {
    (void)state;
    START();
    touch_many(20000);
    struct tempdir dir = tempdir_make(), fifo = tempdir_path(&dir, "fifo");
    assert_int_equal(mkfifo(fifo.path, 0600), 0);
    int reader = open(fifo.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int writer = open(fifo.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0 && writer >= 0);
    const char *const argv[] = {
        "sh", "-c", "exec \"$0\" watch --to \"$1\" -s w --json >\"$2\"", MUSTER_PATH, server.tcp, fifo.path, NULL};
    struct process *watch = process_start(argv, NULL);
    if (!wait_until(is_full, &writer, SOON_MS)) fail_msg("the pipe does not fill");
    process_signal(watch, SIGTERM);
    free(ENDED(watch, 0));
    (void)close(reader);
    (void)close(writer);
    tempdir_remove(&dir);
}

struct lines_wanted {
    struct process *process;
    size_t count;
};

static bool has_lines(void *context) {
    const struct lines_wanted *wanted = context;
    char *text = process_text(wanted->process, PROCESS_OUTPUT, NULL);
    size_t count = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) count++;
    free(text);
    return count >= wanted->count;
}

/* A snapshot of many pages: complete, and each user once. */
static void shows_a_large_scope_whole(void **state) {
    (void)state;
    enum { USERS = 25000 };
    START();
    touch_many(USERS);
    struct process *watch = WATCH(TARGET, "--json", "--count", "1");
    if (!wait_until(has_lines, &(struct lines_wanted){watch, USERS}, SOON_MS)) fail_msg("not all are present");
    SEND("touch", "last");
    json_t *rows = parsed(ENDED(watch, 0)), *users = json_object(), *row;
    size_t i;
    json_array_foreach(rows, i, row) json_object_set(users, string(row, "user"), row);
    if (json_array_size(rows) != json_object_size(users)) fail_msg("a user came twice");
    if (json_object_size(users) != USERS + 1) fail_msg("%zu users came", json_object_size(users));
    json_decref(rows);
    json_decref(users);
    START();
}

static void says_why_it_cannot_begin(void **state) {
    (void)state;
    char nobody[64], long_id[MUSTER_ID_BYTES_MAX + 2] = "";
    (void)snprintf(nobody, sizeof nobody, "tcp://127.0.0.1:%u", port_free());
    memset(long_id, 'x', MUSTER_ID_BYTES_MAX + 1);
    EXPECT(3, "", "no node answers", "watch", "--to", nobody);
    EXPECT(3, "", "no node answers", "watch", "--json", "--to", nobody);
    EXPECT(4, "", "scope", "watch", "--to", server.tcp, "-s", long_id);
    EXPECT(4, "", "user", "watch", "--to", server.tcp, "--user", long_id);
    EXPECT(4, "", "UTF-8", "watch", "--to", server.tcp, "--user", "\xff");
    EXPECT(2, "", "unexpected argument", "watch", "ada", "--to", server.tcp);
    EXPECT(2, "", "--count", "watch", "--count", "0", "--to", server.tcp);
    EXPECT(2, "", "--interval", "watch", "--interval", "61s", "--to", server.tcp);
    EXPECT(2, "", "--totals", "watch", "--totals", "--user", "ada", "--to", server.tcp);
    EXPECT(2, "", "--totals", "watch", "--totals", "--sessions", "--to", server.tcp);
    EXPECT(2, "", "terminal", "top", "--to", server.tcp);
    EXPECT(2, "", "--interval", "top", "--interval", "1ms", "--to", server.tcp);
    process_stand_still(server.process, CLI_PATIENCE_MS);
    EXPECT(3, "", "no node answers", "watch", "--timeout", "500ms", "--to", server.tcp);
    process_signal(server.process, SIGCONT);
}

/* ---- trouble ---- */

static void goes_on_after_trouble(void **state) {
    (void)state;
    struct server other = server_start(NULL);
    EXPECT(0, NULL, "", "touch", "ada", "--to", other.tcp, "-s", "w");
    struct process *watch = WATCH("--to", other.tcp, "-s", "w", "--json", "--count", "2");
    AWAIT_CHANGE(watch, "present", "ada");
    process_signal(other.process, SIGKILL);
    assert_true(process_wait(other.process, SOON_MS, NULL));
    AWAIT_ERROR(watch, "muster: no node answers");
    server_start_again(&other, NULL);
    AWAIT_ERROR(watch, "a node answers again");
    AWAIT_CHANGE(watch, "left", "ada");
    EXPECT(0, NULL, "", "touch", "bob", "--to", other.tcp, "-s", "w");
    EXPECT_ROWS(parsed(ENDED(watch, 0)), "present ada -, left ada -, joined bob -");
    server_end(&other);
}

/* Two separate nodes: only the difference is shown. */
static void goes_to_another_node(void **state) {
    (void)state;
    struct server first = server_start(NULL), second = server_start(NULL);
    EXPECT(0, NULL, "", "touch", "ada", "bob", "--to", first.tcp, "-s", "w");
    EXPECT(0, NULL, "", "touch", "ada", "cyd", "--to", second.tcp, "-s", "w");
    struct process *watch = WATCH("--to", first.tcp, "--to", second.tcp, "-s", "w", "--json", "--count", "3");
    AWAIT_CHANGE(watch, "present", "ada");
    if (!wait_until(has_lines, &(struct lines_wanted){watch, 2}, SOON_MS)) fail_msg("not all are present");
    char *text = process_text(watch, PROCESS_OUTPUT, NULL);
    const bool is_at_first = strstr(text, "bob") != NULL; /* whichever node was reached first */
    free(text);
    struct server *here = is_at_first ? &first : &second, *there = is_at_first ? &second : &first;
    process_signal(here->process, SIGKILL);
    AWAIT(watch,
          is_at_first ? "\"joined\",\"scope\":\"w\",\"user\":\"cyd\"" : "\"joined\",\"scope\":\"w\",\"user\":\"bob\"");
    AWAIT(watch,
          is_at_first ? "\"left\",\"scope\":\"w\",\"user\":\"bob\"" : "\"left\",\"scope\":\"w\",\"user\":\"cyd\"");
    EXPECT(0, NULL, "", "leave", "ada", "--to", there->tcp, "-s", "w");
    text = ENDED(watch, 0);
    if (strstr(text, "\"joined\",\"scope\":\"w\",\"user\":\"ada\"") != NULL) fail_msg("ada joined twice: %s", text);
    assert_non_null(strstr(text, "\"reason\":\"left\""));
    free(text);
    server_start_again(here, NULL);
    server_end(&first);
    server_end(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_who_is_present_then_each_change),
        cmocka_unit_test(writes_the_keys_of_each_row),
        cmocka_unit_test(shows_named_users_alone),
        cmocka_unit_test(shows_totals_alone),
        cmocka_unit_test(writes_a_table_for_people),
        cmocka_unit_test(makes_nobody_present),
        cmocka_unit_test(ends_when_interrupted),
        cmocka_unit_test(ends_quietly_when_nobody_reads),
        cmocka_unit_test(ends_although_its_reader_is_stuck),
        cmocka_unit_test(shows_a_large_scope_whole),
        cmocka_unit_test(says_why_it_cannot_begin),
        cmocka_unit_test(goes_on_after_trouble),
        cmocka_unit_test(goes_to_another_node),
    };
    return cmocka_run_group_tests_name("cli.watch", tests, set_up, tear_down);
}
