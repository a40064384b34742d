/* Why no node answered: each cause is its own sentence. And what an address may be. */
#include "fake_node.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/tempdir.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void bad_addresses_are_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *address, *why;
    } cases[] = {
        {"127.0.0.1", "addresses[0]: \"127.0.0.1\": the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say"},
        {"tcp://127.0.0.1",
         "addresses[0]: \"tcp://127.0.0.1\": the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say"},
        {"tcp://[::1]", "addresses[0]: \"tcp://[::1]\": the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say"},
        {"localhost:", "addresses[0]: \"localhost:\": the port is missing after the colon"},
        {":7700", "addresses[0]: \":7700\": the host is missing before the port"},
        {"a:0", "addresses[0]: \"a:0\": the port must be a number from 1 to 65535"},
        {"a:65536", "addresses[0]: \"a:65536\": the port must be a number from 1 to 65535"},
        {"a:http", "addresses[0]: \"a:http\": the port must be a number from 1 to 65535"},
        {"::1", "addresses[0]: \"::1\": an IPv6 address stands in brackets before the port, [::1]:7700 say"},
        {"tcp://", "addresses[0]: \"tcp://\": it names no host; HOST:PORT is wanted, 127.0.0.1:7700 say"},
        {"ipc://", "addresses[0]: \"ipc://\": ipc:// wants the path of a socket"},
        {"tls+tcp://a", "addresses[0]: \"tls+tcp://a\": the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say"},
        {"ws://a:1", "addresses[0]: \"ws://a:1\": it must begin with tcp://, tls+tcp:// or ipc://"},
        {"/run/muster.sock", "addresses[0]: \"/run/muster.sock\": it must be HOST:PORT, tcp://HOST:PORT, "
                             "tls+tcp://HOST:PORT or ipc://PATH"},
        {"a:1, ,b", "addresses[0]: \"b\": the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say"},
        {"", "addresses[0]: \"\": it is empty"},
        {" , ", "addresses[0]: \" , \": it is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct muster_client *client;
        struct muster_error error;
        struct muster_options options = {.addresses = &cases[i].address, .address_count = 1};
        if (muster_open(&options, &client, &error) != MUSTER_INVALID_ARGUMENT)
            fail_msg("\"%s\" is taken", cases[i].address);
        assert_null(client);
        assert_string_equal(error.message, cases[i].why);
    }
}

static void too_many_addresses_are_refused(void **state) {
    (void)state;
    struct muster_client *client;
    struct muster_error error;
    const char *list = "a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1", *lists[] = {list, list};
    struct muster_options options = {.addresses = lists, .address_count = 2};
    assert_int_equal(muster_open(&options, &client, &error), MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "addresses: more than 16");
}

static enum muster_code touch(struct muster_client *client, struct muster_error *error) {
    return muster_touch(client, NULL, 0, &(struct muster_beat){.user = "ada"}, 1, NULL, error);
}

/* Opens a client of these addresses (NULL: none), touches, and closes it. */
static void must_touch(const char *address) {
    struct muster_client *client;
    struct muster_error error;
    struct muster_options options = {
        .addresses = &address, .address_count = address != NULL, .timeout_ms = PATIENCE_MS, .attempt_ms = 5000};
    if (muster_open(&options, &client, &error) != MUSTER_OK) fail_msg("%s: %s", address, error.message);
    if (touch(client, &error) != MUSTER_OK) fail_msg("%s: %s", address, error.message);
    muster_close(client);
}

static void an_address_may_be_host_and_port_or_a_list(void **state) {
    (void)state;
    char url[48], text[128];
    unsigned port = port_free(), other = port_free();
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
    struct fake_node *node = fake_node_start(url);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    must_touch(text);
    snprintf(text, sizeof text, "localhost:%u", port);
    must_touch(text);
    snprintf(text, sizeof text, "127.0.0.1:%u, %s", other, url);
    must_touch(text);
    assert_int_equal(setenv("MUSTER_TO", text, 1), 0);
    must_touch(NULL);
    assert_int_equal(unsetenv("MUSTER_TO"), 0);
    assert_int_equal(fake_node_requests(node), 4);
    fake_node_stop(node);
}

static void a_bad_address_of_the_environment_is_named(void **state) {
    (void)state;
    struct muster_client *client;
    struct muster_error error;
    assert_int_equal(setenv("MUSTER_TO", "10.0.0.1:7700,nonsense", 1), 0);
    assert_int_equal(muster_open(NULL, &client, &error), MUSTER_INVALID_ARGUMENT);
    assert_int_equal(unsetenv("MUSTER_TO"), 0);
    assert_string_equal(error.message,
                        "MUSTER_TO: \"nonsense\": the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say");
}

/* ---- causes ------------------------------------------------------------------------------------------------------ */

/* Touches with a short timeout, which must fail so. part: of the message; NULL: any. */
static void expect_failure(const char *address, enum muster_code code, const char *part) {
    struct muster_client *client;
    struct muster_error error;
    struct muster_options options = {.addresses = &address, .address_count = 1, .timeout_ms = 1000};
    if (muster_open(&options, &client, &error) != MUSTER_OK) fail_msg("%s: %s", address, error.message);
    assert_int_equal(touch(client, &error), code);
    muster_close(client);
    if (strstr(error.message, part) == NULL) fail_msg("\"%s\" is not in \"%s\"", part, error.message);
    if (strncmp(error.message, "node ", 5) != 0 || strstr(error.message, address) == NULL)
        fail_msg("the node is not named: %s", error.message);
    if (error.is_answer) fail_msg("no node said so: %s", error.message);
}

static void a_refused_connection_is_named(void **state) {
    (void)state;
    char address[48], wanted[128];
    struct muster_client *client;
    struct muster_error error;
    snprintf(address, sizeof address, "127.0.0.1:%u", port_free());
    snprintf(wanted, sizeof wanted, "node %s: connection refused", address);
    expect_failure(address, MUSTER_UNAVAILABLE, wanted);
    const char *addresses[] = {address};
    struct muster_options options = {.addresses = addresses, .address_count = 1, .connect_ms = PATIENCE_MS};
    assert_int_equal(muster_open(&options, &client, &error), MUSTER_UNAVAILABLE);
    assert_string_equal(error.message, wanted);
    expect_failure("ipc:///nonexistent/muster", MUSTER_UNAVAILABLE, "no such file or directory");
}

static void a_name_that_does_not_resolve_is_named(void **state) {
    (void)state;
    /* A name server that cannot be reached may take longer than the call. */
    expect_failure("tcp://no-such-host.invalid:7700", MUSTER_UNAVAILABLE, "host name ");
    struct muster_client *client;
    struct muster_error error;
    const char *address = "no-such-host.invalid:7700";
    struct muster_options options = {.addresses = &address, .address_count = 1, .connect_ms = PATIENCE_MS};
    assert_int_equal(muster_open(&options, &client, &error), MUSTER_UNAVAILABLE);
    if (strstr(error.message, "node no-such-host.invalid:7700: host name does not resolve") == NULL)
        fail_msg("%s", error.message);
}

static void a_node_that_does_not_answer_is_named(void **state) {
    (void)state;
    char url[48];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port_free());
    struct fake_node *node = fake_node_start(url);
    fake_node_set_behaviour(node, FAKE_SILENT);
    expect_failure(url, MUSTER_DEADLINE_EXCEEDED, "no answer within 1 s");
    fake_node_stop(node);
}

/* A listener that sends what it was told to everybody, and closes or keeps the connection. */
struct stranger {
    int listener;
    const char *words;
    bool keeps;
    char address[48];
    pthread_t thread;
};

static void *stranger_thread(void *arg) {
    struct stranger *stranger = arg;
    int kept = -1;
    for (int fd; (fd = accept(stranger->listener, NULL, NULL)) >= 0;) {
        if (send(fd, stranger->words, strlen(stranger->words), MSG_NOSIGNAL) < 0 || !stranger->keeps) {
            shutdown(fd, SHUT_WR); /* no reset: what was sent arrives */
            char ignored[64];
            while (recv(fd, ignored, sizeof ignored, 0) > 0) continue;
            close(fd);
            continue;
        }
        if (kept >= 0) close(kept);
        kept = fd;
    }
    if (kept >= 0) close(kept);
    return NULL;
}

static void stranger_start(struct stranger *stranger) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    stranger->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(stranger->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(stranger->listener, 16), 0);
    assert_int_equal(getsockname(stranger->listener, (struct sockaddr *)&at, &len), 0);
    snprintf(stranger->address, sizeof stranger->address, "127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&stranger->thread, NULL, stranger_thread, stranger), 0);
}

static void stranger_stop(struct stranger *stranger) {
    shutdown(stranger->listener, SHUT_RDWR);
    pthread_join(stranger->thread, NULL);
    close(stranger->listener);
}

static void another_service_is_named(void **state) {
    (void)state;
    struct stranger http = {.words = "HTTP/1.1 400 Bad Request\r\n\r\n"}, mute = {.words = "", .keeps = true},
                    closing = {.words = ""};
    stranger_start(&http);
    stranger_start(&mute);
    stranger_start(&closing);
    expect_failure(http.address, MUSTER_UNAVAILABLE, "what answers there is not a node's port for clients");
    expect_failure(closing.address, MUSTER_UNAVAILABLE, "it closed the connection without a node's greeting");
    expect_failure(mute.address, MUSTER_UNAVAILABLE, "it is connected, and has sent no greeting");
    stranger_stop(&http);
    stranger_stop(&mute);
    stranger_stop(&closing);
}

static void a_connection_that_breaks_off_is_named(void **state) {
    (void)state;
    char url[48];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port_free());
    struct fake_node *node = fake_node_start(url);
    fake_node_set_behaviour(node, FAKE_OVERSIZED);
    expect_failure(url, MUSTER_UNAVAILABLE, "or one of more than 1048576 bytes");
    fake_node_stop(node);
}

/* ---- a machine with nothing but its loopback --------------------------------------------------------------------- */

/* In a network namespace of its own. false: not permitted here. */
static bool enter_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) != 0) return false;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool is_up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0) close(fd);
    return is_up;
}

enum { CHILD_SKIPPED = 77 };

static void addresses_are_found_where_there_is_only_a_loopback(void **state) {
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        if (!enter_loopback()) _exit(CHILD_SKIPPED);
        an_address_may_be_host_and_port_or_a_list(NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED) skip();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("no node is found: status %x", (unsigned)status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_found_where_there_is_only_a_loopback), /* first: it forks */
        cmocka_unit_test(bad_addresses_are_refused_with_the_reason),
        cmocka_unit_test(too_many_addresses_are_refused),
        cmocka_unit_test(an_address_may_be_host_and_port_or_a_list),
        cmocka_unit_test(a_bad_address_of_the_environment_is_named),
        cmocka_unit_test(a_refused_connection_is_named),
        cmocka_unit_test(a_name_that_does_not_resolve_is_named),
        cmocka_unit_test(a_node_that_does_not_answer_is_named),
        cmocka_unit_test(another_service_is_named),
        cmocka_unit_test(a_connection_that_breaks_off_is_named),
    };
    return cmocka_run_group_tests_name("client causes", tests, NULL, NULL);
}
