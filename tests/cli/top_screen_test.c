/* `muster top` and the colours of `muster watch` on real terminals: tmux draws them, takes the keys, and returns what
 * it shows. */
#include "cli.h"
#include "support/port.h"
#include "support/server.h"
#include "support/tempdir.h"
#include "support/wait.h"
#include "test.h"

#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

enum { SOON_MS = 20000, TMUX_ARGUMENTS_MAX = 24, SKIPPED = 77 };

static struct server server;
static struct tempdir dir;
static unsigned
    terminals; /* opened so far: each has a tmux server of its own, since the one before may still be exiting */

/* ---- tmux: a server for each terminal ---- */

static struct process_result tmux(const char *const arguments[]) {
    char name[32];
    (void)snprintf(name, sizeof name, "tmux-%u", terminals);
    struct tempdir socket = tempdir_path(&dir, name);
    const char *argv[TMUX_ARGUMENTS_MAX + 7] = {"tmux", "-u", "-f", "/dev/null", "-S", socket.path};
    for (size_t i = 0; i < TMUX_ARGUMENTS_MAX && arguments[i] != NULL; i++) argv[i + 6] = arguments[i];
    return process_run(argv, NULL, NULL, CLI_PATIENCE_MS);
}

static void tmux_expect(const char *const arguments[]) {
    struct process_result result = tmux(arguments);
    if (result.how.status != 0) fail_msg("tmux %s: %s", arguments[0], result.errors);
    process_result_free(&result);
}
#define TMUX(...) tmux_expect((const char *const[]){__VA_ARGS__, NULL})

static char *captured(bool with_colours) {
    struct process_result result = tmux((const char *const[]){"capture-pane", "-p", with_colours ? "-e" : NULL, NULL});
    char *text = strdup(result.how.status == 0 ? result.output : "");
    process_result_free(&result);
    return text;
}

struct wanted {
    const char *text;
    bool must_be_there, with_colours;
};

static bool is_as_wanted(void *context) {
    const struct wanted *wanted = context;
    char *text = captured(wanted->with_colours);
    const bool is_there = strstr(text, wanted->text) != NULL;
    free(text);
    return is_there == wanted->must_be_there;
}

static void await(int line, struct wanted wanted) {
    if (wait_until(is_as_wanted, &wanted, SOON_MS)) return;
    fail_msg("line %d: '%s' is %s:\n%s", line, wanted.text, wanted.must_be_there ? "not there" : "there still",
             captured(wanted.with_colours));
}
#define SHOWS(text)       await(__LINE__, (struct wanted){text, true, false})
#define SHOWS_CODES(text) await(__LINE__, (struct wanted){text, true, true})
#define SHOWS_NO(text)    await(__LINE__, (struct wanted){text, false, false})

static void type(const char *keys) {
    TMUX("send-keys", "-l", keys);
}

static void press(const char *key) {
    TMUX("send-keys", key);
}

/* A terminal of this size with a shell that runs `line`, then prints its exit status and stays open, so that the screen
 * can be read. */
static void terminal(const char *width, const char *height, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void terminal(const char *width, const char *height, const char *format, ...) {
    char line[2048], script[4096];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    (void)snprintf(script, sizeof script,
                   "cd '%s' && stty -g >before; %s; echo ended=$?; stty -g >part; mv part after; exec cat", dir.path,
                   line);
    terminals++;
    TMUX("new-session", "-d", "-x", width, "-y", height, script);
}

static bool has_file(void *context) {
    return access(context, F_OK) == 0;
}

/* The terminal is restored: its modes, and its normal screen. */
static void expect_ended(int line, const char *status) {
    struct tempdir before = tempdir_path(&dir, "before"), after = tempdir_path(&dir, "after");
    await(line, (struct wanted){status, true, false});
    if (!wait_until(has_file, after.path, SOON_MS)) fail_msg("line %d: no end", line);
    char *was = tempdir_read(before.path, NULL), *is = tempdir_read(after.path, NULL), *shown = captured(false);
    if (was == NULL || is == NULL || strcmp(was, is) != 0) fail_msg("line %d: modes\n%s\nwere\n%s", line, is, was);
    if (strstr(shown, "SCOPE") != NULL) fail_msg("line %d: the screen is not restored:\n%s", line, shown);
    free(was);
    free(is);
    free(shown);
    (void)unlink(after.path);
    TMUX("kill-session");
}
#define ENDED(status) expect_ended(__LINE__, "ended=" status)

/* ---- the tests ---- */

static int set_up(void **state) {
    (void)state;
    server = server_start(NULL);
    dir = tempdir_make();
    static const struct {
        const char *scope, *users;
    } rooms[] = {{"room:1", "ada\nbob\ncyd\n"}, {"room:2", "ada\n"}, {"lobby", "dan\neve\n"}, {"caf\xc3\xa9", "fay\n"}};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        EXPECT_WITH(rooms[i].users, 0, NULL, "", "touch", "-", "--to", server.tcp, "-s", rooms[i].scope, "--ttl", "1h");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    struct process_result result = tmux((const char *const[]){"kill-server", NULL});
    process_result_free(&result);
    server_end(&server);
    tempdir_remove(&dir);
    return 0;
}

/* A failed test leaves its terminal open. */
static int end_terminals(void **state) {
    (void)state;
    process_signal(server.process, SIGCONT); /* it may have been stopped */
    struct process_result result = tmux((const char *const[]){"kill-server", NULL});
    process_result_free(&result);
    struct tempdir after = tempdir_path(&dir, "after");
    (void)unlink(after.path);
    return 0;
}

static void start(const char *width, const char *height) {
    terminal(width, height, "'%s' top --interval 200ms --to '%s'", MUSTER_PATH, server.tcp);
}

static void shows_scopes_and_nodes(void **state) {
    (void)state;
    start("80", "24");
    SHOWS("muster top  live 7  scopes 4");
    SHOWS("(self)");
    SHOWS("room:1                                        3        0.0        0.0          3\n");
    SHOWS("caf\xc3\xa9   ");
    EXPECT(0, NULL, "", "touch", "x1", "x2", "x3", "x4", "--to", server.tcp, "-s", "room:1");
    SHOWS("room:1                                        7 ");
    EXPECT(0, NULL, "", "leave", "x1", "x2", "x3", "x4", "--to", server.tcp, "-s", "room:1");
    SHOWS("room:1                                        3 ");
    type("q");
    ENDED("0");
}

static bool is_rate(const char *text, const char *title) {
    const char *at = strstr(text, title);
    return at != NULL && strncmp(at + strlen(title), "0.0", 3) != 0 && at[strlen(title)] != '-';
}

/* A rate covers one interval: users join and leave until one shows that. */
static bool has_rates(void *context) {
    (void)context;
    EXPECT(0, NULL, "", "touch", "yan", "--to", server.tcp, "-s", "lobby");
    EXPECT(0, NULL, "", "leave", "yan", "--to", server.tcp, "-s", "lobby");
    char *text = captured(false);
    const bool has = is_rate(text, "joins/s ") && is_rate(text, "leaves/s ");
    free(text);
    return has;
}

static void shows_rates(void **state) {
    (void)state;
    terminal("80", "24", "'%s' top --interval 2s --to '%s'", MUSTER_PATH, server.tcp);
    SHOWS("joins/s 0.0");
    if (!wait_until(has_rates, NULL, SOON_MS)) fail_msg("no rates:\n%s", captured(false));
    SHOWS("joins/s 0.0  leaves/s 0.0");
    type("q");
    ENDED("0");
}

static void sorts_and_filters(void **state) {
    (void)state;
    start("80", "24");
    SHOWS("LIVE\xe2\x86\x93");
    type("n");
    SHOWS("SCOPE\xe2\x86\x91");
    type("r");
    SHOWS("SCOPE\xe2\x86\x93");
    type("/ROOM");
    SHOWS("/ROOM\n");
    SHOWS_NO("lobby");
    SHOWS("room:2");
    press("BSpace");
    SHOWS("/ROO\n");
    press("Enter");
    SHOWS("2 of 4 scopes have 'ROO'");
    press("Escape");
    SHOWS("lobby");
    type("/\xc3\xa9");
    SHOWS("/\xc3\xa9\n");
    SHOWS_NO("lobby");
    press("Enter");
    type("q");
    ENDED("0");
}

static void shows_one_scope_in_detail(void **state) {
    (void)state;
    start("80", "24");
    SHOWS("room:2");
    type("n");
    press("End");
    press("Enter");
    SHOWS("scope room:2");
    SHOWS("live 1  online 1  away 0  busy 0  sessions 1");
    SHOWS("seen within 1m: ");
    SHOWS("ada      ");
    EXPECT(0, NULL, "", "touch", "zoe", "--status", "busy", "--to", server.tcp, "-s", "room:2");
    SHOWS("zoe                                    busy ");
    EXPECT(0, NULL, "", "leave", "zoe", "--to", server.tcp, "-s", "room:2");
    SHOWS_NO("zoe");
    press("Escape");
    SHOWS("muster top");
    press("C-c");
    ENDED("0");
}

static void fits_any_size(void **state) {
    (void)state;
    static const char *const sizes[][2] = {{"132", "43"}, {"40", "10"},  {"20", "5"}, {"2", "2"},
                                           {"1", "1"},    {"200", "60"}, {"79", "8"}, {"80", "24"}};
    start("132", "43");
    SHOWS("ADDRESS");
    SHOWS("BUSY");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        TMUX("resize-window", "-x", sizes[i][0], "-y", sizes[i][1]);
        /* Keys work at every size. */
        press("Down");
        press("Enter");
        press("Escape");
        press("Home");
        if (atoi(sizes[i][0]) >= 20) SHOWS("muster top");
    }
    SHOWS("sort: n name l live j joins e leaves r reverse");
    char *text = captured(false);
    /* Nothing of the larger screens remains. */
    if (strstr(text, "ADDRESS") != NULL || strstr(text, "BUSY") != NULL) fail_msg("garbage:\n%s", text);
    free(text);
    type("q");
    ENDED("0");
    start("40", "10");
    SHOWS("SCOPE                   LIVE");
    type("q");
    ENDED("0");
}

static void goes_on_while_the_node_is_away(void **state) {
    (void)state;
    struct server other = server_start(NULL);
    EXPECT(0, NULL, "", "touch", "ada", "--to", other.tcp, "-s", "away-room");
    terminal("80", "24", "'%s' top --interval 200ms --timeout 1s --to '%s'", MUSTER_PATH, other.tcp);
    SHOWS("away-room");
    process_stand_still(other.process, CLI_PATIENCE_MS);
    SHOWS(" s old: ");
    type("/nothing"); /* keys work while it waits */
    SHOWS("/nothing");
    SHOWS_NO("away-room");
    press("Escape");
    SHOWS("away-room");
    process_signal(other.process, SIGCONT);
    SHOWS_NO(" s old: ");
    process_signal(other.process, SIGKILL);
    assert_true(process_wait(other.process, SOON_MS, NULL));
    SHOWS("no node answers");
    SHOWS("away-room");
    server_start_again(&other, NULL);
    SHOWS_NO("no node answers");
    SHOWS("nobody is here");
    type("q");
    ENDED("0");
    server_end(&other);
}

/* The answer that it waits for takes longer than this test. */
static void quits_while_it_waits(void **state) {
    (void)state;
    /* The waiting thread is not joined, on purpose. */
    terminal("80", "24", "TSAN_OPTIONS=\"$TSAN_OPTIONS report_thread_leaks=0\" '%s' top --timeout 60s --to '%s'",
             MUSTER_PATH, server.tcp);
    SHOWS("lobby");
    process_stand_still(server.process, CLI_PATIENCE_MS);
    SHOWS(" s old: waiting for an answer");
    type("q");
    ENDED("0");
    process_signal(server.process, SIGCONT);
}

static void ends_by_a_signal(void **state) {
    (void)state;
    terminal("80", "24", "sh -c 'echo $$ >\"%s/pid\"; exec \"$0\" top --to \"$1\"' '%s' '%s'", dir.path, MUSTER_PATH,
             server.tcp);
    SHOWS("lobby");
    struct tempdir pid = tempdir_path(&dir, "pid");
    char *text = tempdir_read(pid.path, NULL);
    assert_int_equal(kill((pid_t)atoi(text), SIGTERM), 0);
    free(text);
    ENDED("0");
}

static void says_why_it_cannot_draw(void **state) {
    (void)state;
    char nobody[64];
    (void)snprintf(nobody, sizeof nobody, "tcp://127.0.0.1:%u", port_free());
    EXPECT(2, "", "terminal", "top", "--to", server.tcp);
    EXPECT(2, "", "--json", "top", "--json", "--to", server.tcp);
    /* ncurses leaks its first allocations. */
    terminal("80", "24", "ASAN_OPTIONS=detect_leaks=0 TERM=nonsense '%s' top --to '%s'", MUSTER_PATH, server.tcp);
    SHOWS("TERM is 'nonsense'");
    ENDED("2");
    terminal("80", "24", "'%s' top --to '%s'", MUSTER_PATH, nobody);
    SHOWS("no node answers");
    ENDED("3");
}

static void colours_changes_on_a_terminal(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "ada", "--to", server.tcp, "-s", "colours");
    terminal("100", "24", "'%s' watch -s colours --to '%s'", MUSTER_PATH, server.tcp);
    SHOWS("present  ada");
    EXPECT(0, NULL, "", "touch", "bob", "--to", server.tcp, "-s", "colours");
    SHOWS_CODES("\x1b[32m20");
    EXPECT(0, NULL, "", "leave", "bob", "--to", server.tcp, "-s", "colours");
    SHOWS_CODES("\x1b[31m20");
    press("C-c");
    ENDED("0");
    terminal("100", "24", "NO_COLOR=1 '%s' watch -s colours --to '%s'", MUSTER_PATH, server.tcp);
    SHOWS("present  ada");
    EXPECT(0, NULL, "", "touch", "bob", "--to", server.tcp, "-s", "colours");
    SHOWS("joined   bob");
    char *text = captured(true);
    if (strchr(text, '\x1b') != NULL) fail_msg("NO_COLOR, and colours: %s", text);
    free(text);
    press("C-c");
    ENDED("0");
}

static bool has_tmux(void) {
    const char *const argv[] = {"tmux", "-V", NULL};
    struct process_result result = process_run(argv, NULL, NULL, CLI_PATIENCE_MS);
    const bool has = result.how.status == 0 && !result.how.is_signal;
    process_result_free(&result);
    return has;
}

#define TEST(test) cmocka_unit_test_teardown(test, end_terminals)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(shows_scopes_and_nodes),        TEST(shows_rates),      TEST(sorts_and_filters),
        TEST(shows_one_scope_in_detail),     TEST(fits_any_size),    TEST(goes_on_while_the_node_is_away),
        TEST(quits_while_it_waits),          TEST(ends_by_a_signal), TEST(says_why_it_cannot_draw),
        TEST(colours_changes_on_a_terminal),
    };
    if (!has_tmux()) {
        (void)puts("SKIPPED: there is no tmux here; `muster top` is not tested on a terminal");
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("cli.top_screen", tests, set_up, tear_down);
}
