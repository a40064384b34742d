/* A link to a peer, over one end of a socket pair: whatever comes on the other. */
#include "common/byteorder.h"
#include "common/monotonic.h"
#include "peers/link.h"
#include "support/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { MESSAGE_MAX = 100000, SOON_MS = 10000 };

static const char greeting[] = "\0SP\0\0\x20\0"; /* of PUB, and the NUL of the string */

/* The messages that came, one after another, with a '|' behind each. */
struct fixture {
    struct link *link;
    int other; /* the peer's end */
    char *came;
    size_t len, count;
};

static void take_message(void *context, struct text message) {
    struct fixture *fixture = context;
    fixture->came = realloc(fixture->came, fixture->len + message.len + 2);
    assert_non_null(fixture->came);
    memcpy(fixture->came + fixture->len, message.data, message.len);
    fixture->len += message.len;
    memcpy(fixture->came + fixture->len++, "|", 2);
    fixture->count++;
}

static const struct link_kind kind = {
    .own = SP_SUB, .other = SP_PUB, .message_bytes_max = MESSAGE_MAX, .message = take_message};

static void fixture_open(struct fixture *fixture, bool is_ipc) {
    int ends[2];
    *fixture = (struct fixture){.link = link_new(&kind, fixture)};
    assert_non_null(fixture->link);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fixture->other = ends[1];
    link_adopt(fixture->link, ends[0], is_ipc, monotonic_us());
}

static void fixture_close(struct fixture *fixture) {
    link_free(fixture->link);
    if (fixture->other >= 0) close(fixture->other);
    free(fixture->came);
}

/* Lets the link do all that it can without waiting. */
static void turn(struct fixture *fixture) {
    for (;;) {
        struct pollfd polled = link_polled(fixture->link);
        if (polled.fd < 0 || poll(&polled, 1, 0) <= 0) return;
        link_ready(fixture->link, polled.revents, monotonic_us());
    }
}

static void put(struct fixture *fixture, const void *data, size_t len) {
    for (size_t at = 0; at < len;) {
        ssize_t put = send(fixture->other, (const char *)data + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put > 0) at += (size_t)put;
        turn(fixture);
    }
}

static void put_length(struct fixture *fixture, uint64_t len) {
    uint8_t bytes[8];
    put_be64(bytes, len);
    put(fixture, bytes, sizeof bytes);
}

static void expect_came(const struct fixture *fixture, const char *came) {
    assert_string_equal(fixture->came == NULL ? "" : fixture->came, came);
}

static void expect_end(const struct fixture *fixture, const char *why) {
    assert_int_equal(link_state(fixture->link), LINK_DOWN);
    if (strstr(link_why(fixture->link)->text, why) == NULL)
        fail_msg("'%s', expected '%s'", link_why(fixture->link)->text, why);
    assert_int_equal(link_polled(fixture->link).fd, -1);
    assert_false(link_was_refused(fixture->link));
}

static const char two[] = "\0\0\0\0\0\0\0\5hello\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2yo";
static const char two_of_ipc[] = "\1\0\0\0\0\0\0\0\5hello\1\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2yo";

static void messages_come_in_any_pieces(void **state) {
    (void)state;
    for (size_t piece = 1; piece < sizeof two + sizeof greeting; piece++) {
        for (int is_ipc = 0; is_ipc < 2; is_ipc++) {
            struct fixture fixture;
            char all[sizeof greeting + sizeof two_of_ipc];
            size_t len = is_ipc ? sizeof two_of_ipc - 1 : sizeof two - 1;
            memcpy(all, greeting, sizeof greeting);
            memcpy(all + sizeof greeting, is_ipc ? two_of_ipc : two, len);
            len += sizeof greeting;
            fixture_open(&fixture, is_ipc != 0);
            for (size_t at = 0; at < len; at += piece) put(&fixture, all + at, piece < len - at ? piece : len - at);
            assert_int_equal(link_state(fixture.link), LINK_UP);
            expect_came(&fixture, "hello||yo|");
            fixture_close(&fixture);
        }
    }
}

static void the_longest_message_is_taken_and_none_longer(void **state) {
    (void)state;
    struct fixture fixture;
    char *long_one = calloc(1, MESSAGE_MAX);
    assert_non_null(long_one);
    fixture_open(&fixture, false);
    put(&fixture, greeting, sizeof greeting);
    put_length(&fixture, MESSAGE_MAX);
    put(&fixture, long_one, MESSAGE_MAX);
    assert_int_equal(fixture.count, 1);
    assert_int_equal(fixture.len, MESSAGE_MAX + 1);
    put_length(&fixture, MESSAGE_MAX + 1);
    expect_end(&fixture, "too long");
    fixture_close(&fixture);
    free(long_one);

    const uint64_t lengths[] = {UINT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 7, UINT64_C(1) << 32};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        fixture_open(&fixture, false);
        put(&fixture, greeting, sizeof greeting);
        put_length(&fixture, lengths[i]);
        expect_end(&fixture, "too long");
        fixture_close(&fixture);
    }
}

static void another_greeting_ends_it(void **state) {
    (void)state;
    static const char *const others[] = {"\0SP\0\0\x31\0", "HTTP/1.1", "\0SP\0\0\x20\1", "\0SP\1\0\x20\0"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct fixture fixture;
        fixture_open(&fixture, false);
        assert_int_equal(send(fixture.other, others[i], SP_GREETING_BYTES, MSG_NOSIGNAL), SP_GREETING_BYTES);
        turn(&fixture);
        expect_end(&fixture, "not a peer's port");
        fixture_close(&fixture);
    }
}

/* At whichever byte: what was whole before has come, and no more. */
static void an_end_in_the_middle_is_an_end(void **state) {
    (void)state;
    for (size_t len = 0; len < sizeof greeting + sizeof two - 1; len++) {
        struct fixture fixture;
        char all[sizeof greeting + sizeof two];
        memcpy(all, greeting, sizeof greeting);
        memcpy(all + sizeof greeting, two, sizeof two);
        fixture_open(&fixture, false);
        put(&fixture, all, len);
        assert_int_equal(link_state(fixture.link), len < sizeof greeting ? LINK_GREETING : LINK_UP);
        assert_int_equal(recv(fixture.other, all, SP_GREETING_BYTES, 0),
                         SP_GREETING_BYTES); /* unread, it were a reset */
        close(fixture.other);
        fixture.other = -1;
        turn(&fixture);
        expect_end(&fixture, "closed the connection");
        expect_came(&fixture, len < sizeof greeting + 13 ? "" : len < sizeof greeting + 21 ? "hello|" : "hello||");
        fixture_close(&fixture);
    }
}

static void silence_after_the_dial_ends_it(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, false);
    turn(&fixture);
    assert_int_equal(link_state(fixture.link), LINK_GREETING);
    link_step(fixture.link, link_due_us(fixture.link) - 1);
    assert_int_equal(link_state(fixture.link), LINK_GREETING);
    link_step(fixture.link, link_due_us(fixture.link));
    expect_end(&fixture, "no greeting");
    fixture_close(&fixture);
}

/* To a peer that reads late: nothing is lost, and what it never reads is refused in the end. */
static void what_is_sent_waits_for_the_peer(void **state) {
    (void)state;
    struct fixture fixture;
    char body[1000] = "", bytes[8 + 4 + sizeof body];
    size_t sent = 0;
    fixture_open(&fixture, false);
    put(&fixture, greeting, sizeof greeting);
    while (link_send(fixture.link, text_of("head"), (struct text){body, sizeof body}, monotonic_us())) sent++;
    assert_true(sent > LINK_OUTPUT_BYTES_MAX / sizeof bytes);
    assert_int_equal(recv(fixture.other, bytes, SP_GREETING_BYTES, 0), SP_GREETING_BYTES);
    assert_memory_equal(bytes, "\0SP\0\0\x21\0", SP_GREETING_BYTES);
    for (size_t i = 0; i < sent; i++) {
        for (size_t len = 0; len < sizeof bytes;) {
            ssize_t got = recv(fixture.other, bytes + len, sizeof bytes - len, MSG_DONTWAIT);
            if (got > 0) len += (size_t)got;
            else turn(&fixture);
        }
        assert_memory_equal(bytes,
                            "\0\0\0\0\0\0\3\xec"
                            "head",
                            12);
    }
    assert_int_equal(link_state(fixture.link), LINK_UP);
    fixture_close(&fixture);
}

static void await_down(struct link *link) {
    uint64_t until_us = monotonic_us() + SOON_MS * 1000;
    while (link_state(link) != LINK_DOWN && monotonic_us() < until_us) {
        struct pollfd polled = link_polled(link);
        if (poll(&polled, 1, 100) > 0) link_ready(link, polled.revents, monotonic_us());
        link_step(link, monotonic_us());
    }
    assert_int_equal(link_state(link), LINK_DOWN);
}

static void a_dial_that_fails_says_why(void **state) {
    (void)state;
    char url[64];
    struct link *link = link_new(&kind, NULL);
    assert_non_null(link);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port_free());
    for (uint64_t wait_ms = LINK_AGAIN_MIN_MS, i = 0; i < 5; i++, wait_ms *= 2) {
        uint64_t now_us = monotonic_us();
        link_dial(link, url, now_us);
        await_down(link);
        assert_true(link_was_refused(link));
        assert_int_equal(link_why(link)->code, MUSTER_UNAVAILABLE);
        if (wait_ms > LINK_AGAIN_MAX_MS) wait_ms = LINK_AGAIN_MAX_MS;
        assert_true(link_again_us(link) >= now_us + wait_ms * 1000);
    }
    link_dial(link, "ipc:///nonexistent/socket", monotonic_us());
    await_down(link);
    assert_true(link_was_refused(link));
    link_dial(link, "tcp://nonsense", monotonic_us());
    assert_int_equal(link_state(link), LINK_DOWN);
    assert_int_equal(link_why(link)->code, MUSTER_INVALID_ARGUMENT);
    link_dial(link, "tcp://no-such-name.invalid:7701", monotonic_us());
    await_down(link);
    assert_false(link_was_refused(link));
    assert_non_null(strstr(link_why(link)->text, "does not resolve"));
    link_free(link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_in_any_pieces),
        cmocka_unit_test(the_longest_message_is_taken_and_none_longer),
        cmocka_unit_test(another_greeting_ends_it),
        cmocka_unit_test(an_end_in_the_middle_is_an_end),
        cmocka_unit_test(silence_after_the_dial_ends_it),
        cmocka_unit_test(what_is_sent_waits_for_the_peer),
        cmocka_unit_test(a_dial_that_fails_says_why),
    };
    return cmocka_run_group_tests_name("peers.link", tests, NULL, NULL);
}
