/* What answers at the address of a peer, in words. */
#include "peers/probe.h"
#include "support/port.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* A server of one connection. */
struct fake {
    int listener;
    char url[64];
    const char *greeting; /* sent first */
    size_t greeting_len;
    const char *answer; /* sent once the other side has sent `answers_after` bytes; NULL: nothing is */
    size_t answer_len, answers_after;
    bool closes; /* after the greeting; else when the other side does */
    pthread_t thread;
};

static void *serve(void *context) {
    const struct fake *fake = context;
    int fd = accept(fake->listener, NULL, NULL);
    char bytes[256];
    size_t have = 0;
    if (fd < 0) return NULL;
    if (fake->greeting_len > 0) (void)!send(fd, fake->greeting, fake->greeting_len, MSG_NOSIGNAL);
    bool has_answered = fake->answer == NULL;
    for (ssize_t got; !fake->closes && (got = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
        have += (size_t)got;
        if (has_answered || have < fake->answers_after) continue;
        has_answered = true;
        (void)!send(fd, fake->answer, fake->answer_len, MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static void fake_open(struct fake *fake) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fake->listener < 0 || bind(fake->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fake->listener, 1) != 0 || getsockname(fake->listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&fake->thread, NULL, serve, fake) != 0)
        fail_msg("no server");
    snprintf(fake->url, sizeof fake->url, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
}

static void fake_close(struct fake *fake) {
    pthread_join(fake->thread, NULL);
    close(fake->listener);
}

static void expect_trouble(const char *url, const char *expected) {
    char text[PROBE_TEXT_BYTES];
    probe_address(PROBE_SYNC, url, text);
    if (strstr(text, expected) == NULL) fail_msg("%s: '%s', expected '%s'", url, text, expected);
}

static void what_answers_is_named(void **state) {
    (void)state;
    static const char reply[] = "\0\0\0\0\0\0\0\4\x80\0\0\1";
    struct {
        struct fake fake;
        const char *expected;
    } rows[] = {
        {{.greeting = "\0SP\0\0\x20\0\0", .greeting_len = 8}, "a gossip port (PUB), not a sync port (REP)"},
        {{.greeting = "\0SP\0\0\x62\0\0", .greeting_len = 8}, "an SP port of protocol 0x62, not a sync port"},
        {{.greeting = "\0SP\0\0\x31\0\0", .greeting_len = 8, .answer = reply, .answer_len = 12, .answers_after = 20},
         "a port for calls (--rpc), not a sync port (--sync)"},
        {{.greeting = "\0SP\0\0\x31\0\0", .greeting_len = 8}, "its cluster key is another one"},
        {{.greeting = "220 mail ready\r\n", .greeting_len = 16}, "not an SP peer: it speaks another protocol"},
        {{.greeting = "\x15\3\1\0\2\2\x46", .greeting_len = 7, .closes = true}, "a TLS server"},
        {{.answer = "HTTP/1.1 400 Bad Request\r\n\r\n", .answer_len = 28, .answers_after = 12}, "an HTTP server"},
        {{.closes = true}, "closes the connection"},
        {{.closes = false}, "accepts connections and says nothing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_open(&rows[i].fake);
        expect_trouble(rows[i].fake.url, rows[i].expected);
        fake_close(&rows[i].fake);
    }
}

static void what_does_not_answer_is_named(void **state) {
    (void)state;
    char url[64];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port_free());
    expect_trouble(url, "connection refused");
    expect_trouble("tcp://no-such-name.invalid:7704", "the name does not resolve");
    expect_trouble("ipc:///tmp/socket", "not an address");
}

/* Of any bytes there is a description, and only a greeting of REP is none. */
static void first_bytes_are_described(void **state) {
    (void)state;
    static const uint8_t sync_port[] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    char text[PROBE_TEXT_BYTES];
    if (probe_describe(PROBE_SYNC, sync_port, sizeof sync_port, text) != NULL) fail_msg("a sync port: %s", text);
    if (probe_describe(PROBE_GOSSIP, sync_port, sizeof sync_port, text) == NULL || strstr(text, "not a gossip") == NULL)
        fail_msg("a sync port is taken for a gossip port");
    for (size_t len = 0; len < sizeof sync_port; len++)
        if (probe_describe(PROBE_SYNC, sync_port, len, text) == NULL) fail_msg("%zu bytes of a greeting are one", len);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_answers_is_named),
        cmocka_unit_test(what_does_not_answer_is_named),
        cmocka_unit_test(first_bytes_are_described),
    };
    return cmocka_run_group_tests_name("peers.probe", tests, NULL, NULL);
}
