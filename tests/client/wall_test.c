/* The wall clock is set back while a program waits: nothing of the client goes by it. The program is the command line,
 * whose wall clock is shifted; its monotonic clock is not. */
#include "fake_node.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/server.h"
#include "support/wait.h"
#include "support/wall.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* After the above, which it wants. */
#include <cmocka.h>

/* An hour; deadlines are much less. */
enum { SET_BACK_MS = -60 * 60 * 1000, PATIENCE_MS = 30000 };

struct fixture {
    struct tempdir dir;
    struct wall wall;
    char url[48];
    struct process *node;
};

static void node_start(struct fixture *fixture) {
    const char *argv[] = {MUSTERD_PATH, "--grpc", "none", "--rpc", fixture->url, NULL};
    fixture->node = process_start(argv, NULL);
    if (!process_await_line(fixture->node, PROCESS_OUTPUT, "ready", PATIENCE_MS, NULL))
        fail_msg("musterd is not ready");
}

static void node_kill(struct fixture *fixture) {
    process_signal(fixture->node, SIGKILL);
    process_free(fixture->node);
    fixture->node = NULL;
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->dir = tempdir_make();
    wall_open(&fixture->wall, &fixture->dir, "wall", 0);
    snprintf(fixture->url, sizeof fixture->url, "tcp://127.0.0.1:%u", port_free());
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    process_free(fixture->node);
    tempdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static struct process *muster_start(struct fixture *fixture, const char *const argv[]) {
    return process_start(argv, &(struct process_options){.environment = fixture->wall.environment});
}

/* With the true wall clock. */
static void touch(struct fixture *fixture, const char *user) {
    const char *argv[] = {MUSTER_PATH, "touch", user, "--to", fixture->url, NULL};
    struct process_result result = process_run(argv, NULL, NULL, PATIENCE_MS);
    if (result.how.status != 0) fail_msg("touch %s: %s", user, result.errors);
    process_result_free(&result);
}

/* Takes the node's place, and hangs up on whoever dials, until it was dialled `wanted` times. false: it was not in
 * time.
 */
static bool await_dials(const struct fixture *fixture, int wanted) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, dials = 0;
    at.sin_port = htons((uint16_t)strtoul(strrchr(fixture->url, ':') + 1, NULL, 10));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 16), 0);
    struct pollfd polled = {listener, POLLIN, 0};
    while (dials < wanted && poll(&polled, 1, PATIENCE_MS) == 1) {
        close(accept(listener, NULL, NULL));
        dials++;
    }
    close(listener);
    return dials == wanted;
}

static void a_watch_reconnects_at_once_after_the_wall_clock_was_set_back(void **state) {
    struct fixture *fixture = *state;
    node_start(fixture);
    const char *argv[] = {MUSTER_PATH, "watch", "--to", fixture->url, NULL};
    struct process *watch = muster_start(fixture, argv);
    touch(fixture, "ada");
    if (!process_await_line(watch, PROCESS_OUTPUT, "ada", PATIENCE_MS, NULL)) fail_msg("ada is not shown");
    node_kill(fixture);
    if (!process_await_line(watch, PROCESS_ERRORS, fixture->url, PATIENCE_MS, NULL)) fail_msg("no trouble is shown");
    wall_step(&fixture->wall, SET_BACK_MS);
    if (!await_dials(fixture, 5)) fail_msg("the node is not dialled any more");
    node_start(fixture);
    uint64_t began_ms = wait_now_ms();
    touch(fixture, "bob");
    if (!process_await_line(watch, PROCESS_OUTPUT, "bob", PATIENCE_MS, NULL))
        fail_msg("after %d s the watch has not reconnected", PATIENCE_MS / 1000);
    printf("reconnected, and bob shown, after %llu ms\n", (unsigned long long)(wait_now_ms() - began_ms));
    process_signal(watch, SIGTERM);
    if (!process_wait(watch, PATIENCE_MS, NULL)) fail_msg("the watch does not end");
    process_free(watch);
}

static bool was_asked(void *node) {
    return fake_node_requests(node) != 0;
}

/* Also while a call waits for its answer, and while it backs off. */
static void a_call_times_out_although_the_wall_clock_was_set_back(void **state) {
    struct fixture *fixture = *state;
    for (int is_refusing = 0; is_refusing < 2; is_refusing++) {
        struct fake_node *node = fake_node_start(fixture->url);
        if (is_refusing) fake_node_set_code(node, MUSTER_UNAVAILABLE);
        else fake_node_set_behaviour(node, FAKE_SILENT);
        wall_step(&fixture->wall, 0);
        const char *argv[] = {MUSTER_PATH, "live", "ada", "--timeout", "2s", "--to", fixture->url, NULL};
        struct process *call = muster_start(fixture, argv);
        if (!wait_until(was_asked, node, PATIENCE_MS)) fail_msg("the node was not asked");
        wall_step(&fixture->wall, SET_BACK_MS);
        struct process_exit how;
        if (!process_wait(call, PATIENCE_MS, &how)) fail_msg("the call does not end");
        assert_int_equal(how.status, is_refusing ? 4 : 3);
        process_free(call);
        fake_node_stop(node);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_watch_reconnects_at_once_after_the_wall_clock_was_set_back),
        TEST(a_call_times_out_although_the_wall_clock_was_set_back),
    };
    return cmocka_run_group_tests_name("client wall", tests, NULL, NULL);
}
