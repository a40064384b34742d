/* `muster bench` against a real node: what it sends, and what it measures. */
#include "cli.h"
#include "support/server.h"
#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

static double number(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    if (!json_is_number(value)) fail_msg("'%s' is no number", key);
    return json_number_value(value);
}

static void expect_users(const char *scope, int64_t users) {
    json_t *rows = JSON(0, "counts", "--window", "1h", "--json", "--to", server.tcp, "-s", scope);
    const int64_t live = json_integer_value(json_object_get(json_array_get(rows, 0), "live"));
    if (live != users) fail_msg("%lld users are live in %s instead of %lld", (long long)live, scope, (long long)users);
    json_decref(rows);
}

static void touches_what_it_says(void **state) {
    (void)state;
    json_t *rows =
        JSON(0, "bench", "--connections", "3", "--in-flight", "4", "--batch", "50", "--requests", "240", "--users",
             "12000", "--order", "sequential", "--threads", "2", "--json", "--to", server.tcp, "-s", "seq");
    json_t *row = json_array_get(rows, 0);
    EXPECT_KEYS(row, "call to connections in_flight batch users threads closed_loop seconds requests items "
                     "requests_per_second items_per_second bytes_sent bytes_received latency_us");
    EXPECT_KEYS(json_object_get(row, "latency_us"), "p50 p90 p99 p99_9 max mean");
    assert_int_equal((int)number(row, "requests"), 240);
    assert_int_equal((int)number(row, "items"), 12000);
    assert_true(json_is_true(json_object_get(row, "closed_loop")));
    assert_true(number(row, "seconds") > 0 && number(row, "requests_per_second") > 0);
    json_decref(rows);
    expect_users("seq", 12000);
}

static void preloads_every_user(void **state) {
    (void)state;
    json_t *rows = JSON(0, "bench", "--call", "live", "--preload", "--users", "2345", "--batch", "10", "--requests",
                        "20", "--json", "--to", server.ipc, "-s", "pre");
    assert_int_equal((int)number(json_array_get(rows, 0), "items"), 200);
    json_decref(rows);
    expect_users("pre", 2345);
}

static void walks_whole_lists(void **state) {
    (void)state;
    json_t *rows = JSON(0, "bench", "--call", "list", "--preload", "--users", "5000", "--batch", "700", "--requests",
                        "100", "--json", "--to", server.tcp, "-s", "walk");
    const json_t *row = json_array_get(rows, 0);
    const double walks = number(row, "walks");
    assert_true(walks >= 1 && number(row, "items") >= walks * 5000);
    assert_true(number(json_object_get(row, "walk_us"), "max") > number(json_object_get(row, "latency_us"), "p50"));
    json_decref(rows);
}

static void counts_and_pings(void **state) {
    (void)state;
    static const char *const calls[] = {"counts", "ping"};
    for (size_t i = 0; i < 2; i++) {
        json_t *rows = JSON(0, "bench", "--call", calls[i], "--requests", "500", "--in-flight", "7", "--warmup", "20ms",
                            "--json", "--to", server.tcp);
        assert_int_equal((int)number(json_array_get(rows, 0), "requests"), 500);
        json_decref(rows);
    }
}

static void keeps_its_rate(void **state) {
    (void)state;
    json_t *rows = JSON(0, "bench", "--call", "ping", "--rate", "200", "--requests", "60", "--connections", "2",
                        "--json", "--to", server.tcp);
    const json_t *row = json_array_get(rows, 0);
    assert_true(json_is_false(json_object_get(row, "closed_loop")));
    /* The last of 60 requests is due after 59/200 s: a slow machine only makes it longer. */
    assert_true(number(row, "seconds") >= 0.295);
    assert_int_equal((int)number(row, "requests"), 60);
    json_decref(rows);
}

enum { SLOW_MS = 10, SLOW_REQUESTS = 60, ECHO_FRAME_BYTES = 8 + 4 + 36 };

static bool receive(int fd, void *data, size_t len) {
    return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

/* An echo server of one connection that takes SLOW_MS for each request, in order. */
static void *serve_slowly(void *listener) {
    static const char hello[] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    const struct timespec work = {0, SLOW_MS * 1000000L};
    char frame[ECHO_FRAME_BYTES];
    const int fd = accept(*(int *)listener, NULL, NULL);
    if (fd >= 0 && receive(fd, frame, sizeof hello) && send(fd, hello, sizeof hello, 0) == sizeof hello) {
        while (receive(fd, frame, sizeof frame)) {
            (void)nanosleep(&work, NULL);
            if (send(fd, frame, sizeof frame, MSG_NOSIGNAL) != sizeof frame) break;
        }
    }
    if (fd >= 0) (void)close(fd);
    return NULL;
}

static int listen_anywhere(char *url, size_t len) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &address_len) != 0)
        fail_msg("cannot listen");
    (void)snprintf(url, len, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

/* Requests are due each millisecond at a server that takes ten for each: the last of 60 waits for more than half a
 * second, the median for half of that. A generator that starts a request's clock only when it sends it would see ten
 * milliseconds throughout. A slow machine only makes the waits longer. */
static void does_not_omit_what_waits(void **state) {
    (void)state;
    char url[64];
    int listener = listen_anywhere(url, sizeof url);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve_slowly, &listener), 0);
    json_t *rows = JSON(0, "bench", "--call", "echo", "--rate", "1000", "--requests", "60", "--json", "--to", url);
    const json_t *latency = json_object_get(json_array_get(rows, 0), "latency_us");
    const double p50_ms = number(latency, "p50") / 1000, max_ms = number(latency, "max") / 1000;
    if (p50_ms < (SLOW_REQUESTS / 2 - 2) * (SLOW_MS - 1)) fail_msg("p50 is %g ms", p50_ms);
    if (max_ms < (SLOW_REQUESTS - 2) * (SLOW_MS - 1)) fail_msg("max is %g ms", max_ms);
    json_decref(rows);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(listener);
}

static void ends_when_the_node_does(void **state) {
    (void)state;
    struct server other = server_start(NULL);
    const char *const argv[] = {MUSTER_PATH, "bench", "--duration", "1h", "--to", other.tcp, "-s", "end", NULL};
    struct process *bench = process_start(argv, NULL);
    json_t *rows = NULL;
    for (int64_t live = 0; live == 0;) { /* until its first users are live */
        json_decref(rows);
        rows = JSON(0, "counts", "--json", "--to", other.tcp, "-s", "end");
        live = json_integer_value(json_object_get(json_array_get(rows, 0), "live"));
    }
    json_decref(rows);
    server_end(&other);
    struct process_exit how;
    assert_true(process_wait(bench, CLI_PATIENCE_MS, &how));
    assert_int_equal(how.status, 3);
    process_free(bench);
}

static void refuses_what_is_no_node(void **state) {
    (void)state;
    EXPECT(3, "", "tcp:// and ipc:// only", "bench", "--to", "ws://127.0.0.1:1");
    EXPECT(3, "", "must be tcp://HOST:PORT or HOST:PORT", "bench", "--to", "tcp://127.0.0.1");
    EXPECT(0, NULL, "", "bench", "--requests", "10", "--to", server.tcp + strlen("tcp://"));
    EXPECT(3, "", "not a node", "bench", "--call", "echo", "--to", server.tcp);
    EXPECT(2, "", "cannot both", "bench", "--requests", "1", "--duration", "1s", "--to", server.tcp);
    EXPECT(2, "", "more than 65536", "bench", "--connections", "10000", "--in-flight", "10", "--to", server.tcp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(touches_what_it_says),    cmocka_unit_test(preloads_every_user),
        cmocka_unit_test(walks_whole_lists),       cmocka_unit_test(counts_and_pings),
        cmocka_unit_test(keeps_its_rate),          cmocka_unit_test(does_not_omit_what_waits),
        cmocka_unit_test(ends_when_the_node_does), cmocka_unit_test(refuses_what_is_no_node),
    };
    return cmocka_run_group_tests_name("cli.bench", tests, set_up, tear_down);
}
