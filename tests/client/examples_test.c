/* The example programs against a real node: what they print. */
#include "muster/muster.h"
#include "support/server.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 30000 };

static const char *page_viewers, *cursors, *badges;

struct fixture {
    struct server server;
    struct muster_client *client;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct muster_error error;
    fixture->server = server_start(NULL);
    const char *address = fixture->server.tcp;
    struct muster_options options = {.addresses = &address, .address_count = 1};
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_close(fixture->client);
    server_end(&fixture->server);
    free(fixture);
    return 0;
}

static struct process *start(const char *const argv[]) {
    return process_start(argv, &(struct process_options){.keep_input = true});
}

static void await_line(struct process *process, const char *line) {
    char *found;
    if (!process_await_line(process, PROCESS_OUTPUT, line, PATIENCE_MS, &found))
        fail_msg("\"%s\" was not printed, but:\n%s\n%s", line, process_text(process, PROCESS_OUTPUT, NULL),
                 process_text(process, PROCESS_ERRORS, NULL));
    if (strcmp(found, line) != 0) fail_msg("\"%s\" was printed, not \"%s\"", found, line);
    free(found);
}

/* Ends its input, waits for its end, and returns all it wrote, for the caller to free. */
static char *end(struct process *process) {
    struct process_exit how;
    process_close_input(process);
    if (!process_wait(process, PATIENCE_MS, &how)) fail_msg("it does not end");
    char *errors = process_text(process, PROCESS_ERRORS, NULL), *text = process_text(process, PROCESS_OUTPUT, NULL);
    if (how.is_signal || how.status != 0 || errors[0] != '\0') fail_msg("it ended with %d: %s", how.status, errors);
    free(errors);
    process_free(process);
    return text;
}

static void touch(struct fixture *fixture, const char *scope, const char *user) {
    struct muster_error error;
    struct muster_beat beat = {.user = user};
    if (muster_touch(fixture->client, scope, 0, &beat, 1, NULL, &error) != MUSTER_OK) fail_msg("%s", error.message);
}

static void leave(struct fixture *fixture, const char *scope, const char *user) {
    struct muster_error error;
    struct muster_departure departure = {.user = user};
    if (muster_leave(fixture->client, scope, &departure, 1, 0, 0, NULL, &error) != MUSTER_OK)
        fail_msg("%s", error.message);
}

static void viewers_of_a_page_are_counted(void **state) {
    struct fixture *fixture = *state;
    touch(fixture, "/news", "ada");
    const char *bob_argv[] = {page_viewers, fixture->server.tcp, "/news", "bob", NULL};
    const char *cyd_argv[] = {page_viewers, fixture->server.tcp, "/news", "cyd", NULL};
    struct process *bob = start(bob_argv);
    await_line(bob, "2 viewing"); /* ada and bob himself */
    struct process *cyd = start(cyd_argv);
    await_line(bob, "3 viewing");
    await_line(cyd, "3 viewing");
    free(end(cyd)); /* cyd leaves */
    leave(fixture, "/news", "ada");
    await_line(bob, "1 viewing");
    free(end(bob));
    struct muster_counts *counts = NULL;
    const char *scopes[] = {"/news"};
    assert_int_equal(muster_counts(fixture->client, scopes, 1, NULL, 0, &counts, NULL), MUSTER_OK);
    if (counts->items[0].live != 0) fail_msg("%d are still viewing", (int)counts->items[0].live);
    muster_counts_free(counts);
}

static size_t count_lines(const char *text, const char *beginning) {
    size_t count = 0;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        count += strncmp(line, beginning, strlen(beginning)) == 0;
    }
    return count;
}

/* Ada moves 60 times a second for three seconds; bob sees at most ten places a second, and the last one in any case. */
static void pointers_are_seen_ten_times_a_second(void **state) {
    struct fixture *fixture = *state;
    const char *bob_argv[] = {cursors, fixture->server.tcp, "board", "bob", "0", NULL};
    const char *ada_argv[] = {cursors, fixture->server.tcp, "board", "ada", "3", NULL};
    struct process *bob = start(bob_argv);
    await_line(bob, "moved 0 times");
    uint64_t began_ms = wait_now_ms();
    struct process *ada = start(ada_argv);
    await_line(ada, "moved 180 times");
    await_line(bob, "ada 180,360");
    uint64_t took_ms = wait_now_ms() - began_ms;
    char *seen = end(ada);
    if (count_lines(seen, "ada ") != 0) fail_msg("ada saw herself:\n%s", seen);
    free(seen);
    await_line(bob, "ada left");
    seen = end(bob);
    size_t places = count_lines(seen, "ada ") - 1;
    if (places > took_ms / 100 + 2) fail_msg("%zu places in %u ms", places, (unsigned)took_ms);
    if (places < 10) fail_msg("only %zu places:\n%s", places, seen);
    free(seen);
}

static void no_badge_is_refreshed_for_who_is_away(void **state) {
    struct fixture *fixture = *state;
    touch(fixture, "app", "ada");
    touch(fixture, "elsewhere", "bob");
    const char *argv[] = {badges, fixture->server.tcp, "app", NULL};
    struct process *process = start(argv);
    process_write(process, "ada\nbob\ncyd\nada\n", 16);
    await_line(process, "refreshed ada");
    touch(fixture, "app", "dee");
    /* The mirror hears of dee within a moment; until then dee is taken to be away. */
    char *text;
    for (uint64_t until_ms = wait_now_ms() + PATIENCE_MS;; free(text)) {
        process_write(process, "dee\n", 4);
        text = process_text(process, PROCESS_OUTPUT, NULL);
        if (strstr(text, "refreshed dee\n") != NULL) break;
        if (wait_now_ms() > until_ms) fail_msg("dee's badge is not refreshed:\n%s", text);
    }
    free(text);
    text = end(process);
    if (count_lines(text, "refreshed ada") != 2) fail_msg("ada's badge was not refreshed twice:\n%s", text);
    if (count_lines(text, "refreshed bob") + count_lines(text, "refreshed cyd") != 0)
        fail_msg("work was done for who is away:\n%s", text);
    if (strstr(text, " of them of users who are away\n") == NULL) fail_msg("no sum:\n%s", text);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s PAGE_VIEWERS CURSORS BADGES\n", argv[0]);
        return 2;
    }
    page_viewers = argv[1];
    cursors = argv[2];
    badges = argv[3];
    const struct CMUnitTest tests[] = {
        TEST(viewers_of_a_page_are_counted),
        TEST(pointers_are_seen_ten_times_a_second),
        TEST(no_badge_is_refreshed_for_who_is_away),
    };
    return cmocka_run_group_tests_name("client examples", tests, NULL, NULL);
}
