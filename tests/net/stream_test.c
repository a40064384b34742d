/* Streams: caps, deadlines, turns, and a loop that stands still. No thread, no waiting: the test turns the loops and
 * sets their clock. */
#include "echo.h"
#include "net/sp/frame.h"
#include "support/sp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WHOLE = 1 << 30, REQUEST_BYTES = 8 + 4, ANSWER_MS = 5000 };

static void advance_ms(struct echo *echo, uint64_t ms) {
    for (; ms > 0; ms -= ms < 500 ? ms : 500) { /* in steps, so that nobody stands still */
        echo_clock.now_ms += ms < 500 ? ms : 500;
        echo_turn(echo, 1);
    }
}

static uint64_t ended(const struct echo *echo, enum stream_end why) {
    return door_figures(echo->door).ended[why];
}

static void expect_ended(struct echo *echo, int fd, enum stream_end why, uint64_t count, const char *what) {
    char ignored[4096];
    long n;
    if (ended(echo, why) != count) fail_msg("%s: %llu ended so", what, (unsigned long long)ended(echo, why));
    while ((n = echo_read(fd, ignored, sizeof ignored)) > 0) continue;
    if (count > 0 && n == 0) fail_msg("%s: the connection is open", what);
}

static void expect_open(const struct echo *echo, enum stream_end why, const char *who) {
    if (ended(echo, why) != 0) fail_msg("%s was cut off", who);
}

/* ---- deadlines ---- */

static void a_message_has_ten_seconds(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 1);
    int fd = echo_connect(&echo, 0, true);
    for (int i = 0; i < 3; i++) { /* one that ends in time, and begins the next with its last bytes */
        echo_send(fd, 4, WHOLE);
        echo_send(fd, 100, 50);
        advance_ms(&echo, DOOR_UNFINISHED_MS - 1000);
        uint8_t rest[100] = {0};
        if (write(fd, rest, 8 + 100 - 50) != 8 + 100 - 50) fail_msg("the rest is not taken");
        echo_turn(&echo, 1);
    }
    if (echo.answered != 6) fail_msg("%llu of 6 are answered", (unsigned long long)echo.answered);
    advance_ms(&echo, 2 * DOOR_UNFINISHED_MS); /* nothing is unfinished */
    echo_send(fd, 100, 50);
    echo_turn(&echo, 1);
    advance_ms(&echo, DOOR_UNFINISHED_MS - 500);
    if (write(fd, "more", 4) != 4) fail_msg("more is not taken"); /* a byte now and then is no excuse */
    echo_turn(&echo, 1);
    expect_ended(&echo, fd, STREAM_UNFINISHED, 0, "before its deadline");
    advance_ms(&echo, 500);
    expect_ended(&echo, fd, STREAM_UNFINISHED, 1, "after its deadline");
    close(fd);
    echo_close(&echo);
}

static void a_handshake_has_ten_seconds(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 1);
    int silent = echo_connect(&echo, 0, false), partial = echo_connect(&echo, 0, false);
    if (write(partial, "\0SP\0", 4) != 4) fail_msg("not taken");
    advance_ms(&echo, DOOR_UNFINISHED_MS - 1);
    expect_ended(&echo, silent, STREAM_STRANGER, 0, "before its deadline");
    advance_ms(&echo, 1);
    expect_ended(&echo, silent, STREAM_STRANGER, 2, "a silent one");
    expect_ended(&echo, partial, STREAM_STRANGER, 2, "a partial one");
    close(silent);
    close(partial);
    echo_close(&echo);
}

static void who_never_asks_has_half_a_minute(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 1);
    int idle = echo_connect(&echo, 0, true), asked = echo_connect(&echo, 0, true);
    echo_send(asked, 4, WHOLE);
    advance_ms(&echo, DOOR_IDLE_MS - 1);
    expect_ended(&echo, idle, STREAM_IDLE, 0, "before its time is over");
    advance_ms(&echo, 1);
    expect_ended(&echo, idle, STREAM_IDLE, 1, "after its time");
    advance_ms(&echo, 10 * DOOR_IDLE_MS);
    echo_send(asked, 4, WHOLE);
    echo_turn(&echo, 1);
    if (echo.answered != 2) fail_msg("who asked once is not answered later");
    int crowd = echo_connect(&echo, 0, true);
    atomic_store(&echo.door->crowded_until_ms, echo_clock.now_ms + 10000); /* somebody was refused */
    advance_ms(&echo, DOOR_IDLE_CROWDED_MS);
    expect_ended(&echo, crowd, STREAM_IDLE, 2, "who never asks while others are refused");
    close(idle);
    close(asked);
    close(crowd);
    echo_close(&echo);
}

/* ---- output that is not read ---- */

static void unread_output_has_five_seconds(void **state) {
    (void)state;
    struct echo echo;
    static uint8_t bytes[2 * STREAM_PROGRESS_BYTES];
    echo_open(&echo, 1);
    int slow = echo_connect(&echo, 0, true), never = echo_connect(&echo, 0, true);
    echo_fill(&echo, slow, 200000);
    echo_fill(&echo, never, 200000);
    uint64_t answered = echo.answered;
    echo_turn(&echo, 10);
    if (echo.answered != answered) fail_msg("a connection is read although its output is blocked");
    for (int i = 0; i < 2; i++) {
        advance_ms(&echo, DOOR_UNREAD_MS - 1000);
        if (i == 0) expect_ended(&echo, never, STREAM_UNREAD, 0, "before its deadline");
        for (size_t taken = 0; taken < sizeof bytes; echo_turn(&echo, 1)) { /* quick enough */
            long n = echo_read(slow, bytes, sizeof bytes - taken);
            if (n < 0) fail_msg("who reads slowly is cut off");
            taken += (size_t)n;
        }
    }
    advance_ms(&echo, DOOR_UNREAD_MS);
    expect_ended(&echo, never, STREAM_UNREAD, 2, "who does not read");
    close(slow);
    close(never);
    echo_close(&echo);
}

/* A connection whose output is blocked is not read: that its message does not go on is not its fault. */
static void a_message_is_not_late_while_nothing_is_read(void **state) {
    (void)state;
    enum { LARGE = 240000, PART = 50, PORTION = STREAM_PROGRESS_BYTES + 16384 };
    struct echo echo;
    uint8_t *bytes = calloc(1, LARGE + 2 * SP_PREFIX_BYTES_MAX + 2 * PART);
    if (bytes == NULL) abort();
    size_t len = sp_prefix_write(false, LARGE, bytes) + LARGE;
    bytes[len - LARGE] = 0x80;
    size_t next = len, head = sp_prefix_write(false, 2 * PART, bytes + next);
    bytes[next + head] = 0x80;
    len += head + PART;
    echo_open(&echo, 1);
    int fd = echo_connect(&echo, 0, true);
    for (size_t sent = 0; sent < len; echo_turn(&echo, 1)) {
        ssize_t some = write(fd, bytes + sent, len - sent);
        if (some > 0) sent += (size_t)some;
    }
    for (size_t taken = 0; taken < LARGE;) {
        advance_ms(&echo, DOOR_UNREAD_MS - 500);
        for (size_t portion = 0; portion < PORTION && taken < LARGE; echo_turn(&echo, 1)) {
            long n = echo_read(fd, bytes, PORTION - portion);
            if (n < 0) fail_msg("cut off after %zu bytes", taken);
            portion += (size_t)n;
            taken += (size_t)n;
        }
    }
    expect_open(&echo, STREAM_UNFINISHED, "who could not be read");
    advance_ms(&echo, 2 * DOOR_UNFINISHED_MS);
    expect_ended(&echo, fd, STREAM_UNFINISHED, 1, "who can be read again");
    close(fd);
    free(bytes);
    echo_close(&echo);
}

static void short_memory_ends_those_who_do_not_read(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 1);
    int never = echo_connect(&echo, 0, true);
    echo_fill(&echo, never, 200000);
    if (!loops_take_bytes(echo.loops, LOOPS_BYTES_MAX / 8 * 7)) fail_msg("no memory is left");
    advance_ms(&echo, DOOR_UNREAD_SHORT_MS);
    expect_ended(&echo, never, STREAM_UNREAD, 1, "who does not read while memory is short");
    loops_give_bytes(echo.loops, LOOPS_BYTES_MAX / 8 * 7);
    if (atomic_load(&echo.loops->bytes) != 0) fail_msg("memory is counted that nobody has");
    close(never);
    echo_close(&echo);
}

/* ---- input that is not finished ---- */

static void half_sent_messages_count_against_the_cap(void **state) {
    (void)state;
    enum { CONNECTIONS = 60, CHUNK = 100 * 1024, CHUNKS = 20 };
    struct echo echo;
    int fds[CONNECTIONS];
    static uint8_t chunk[CHUNK];
    echo_open(&echo, 1);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = echo_connect(&echo, 0, true);
        echo_send(fds[i], ECHO_PAYLOAD_MAX, 8); /* announced; nothing of it has come */
        echo_turn(&echo, 1);
    }
    size_t announced = atomic_load(&echo.loops->bytes);
    if (announced > CONNECTIONS * 1024) fail_msg("%zu bytes are held for what was only announced", announced);
    for (int round = 0; round < CHUNKS; round++)
        for (int i = 0; i < CONNECTIONS; i++) {
            for (size_t at = 0; at < CHUNK;) {
                ssize_t n = send(fds[i], chunk + at, CHUNK - at, MSG_NOSIGNAL);
                echo_turn(&echo, 1);
                if (n <= 0 && ended(&echo, STREAM_UNFINISHED) > 0) break;
                if (n > 0) at += (size_t)n;
            }
            if (atomic_load(&echo.loops->bytes) > LOOPS_BYTES_MAX)
                fail_msg("%zu bytes are held", atomic_load(&echo.loops->bytes));
        }
    if (ended(&echo, STREAM_UNFINISHED) == 0) fail_msg("120 MiB of half-sent messages are held");
    for (int i = 0; i < CONNECTIONS; i++) close(fds[i]);
    echo_turn(&echo, 2);
    if (atomic_load(&echo.loops->bytes) != 0) fail_msg("memory is counted that nobody has");
    echo_close(&echo);
}

/* ---- turns ---- */

static void who_pipelines_does_not_keep_others_waiting(void **state) {
    (void)state;
    enum { REQUESTS = 1000 };
    struct echo echo;
    char answer[64];
    static char answers[REQUESTS * REQUEST_BYTES];
    echo_open(&echo, 1);
    int greedy = echo_connect(&echo, 0, true), modest = echo_connect(&echo, 0, true);
    static const uint8_t request[REQUEST_BYTES] = {0, 0, 0, 0, 0, 0, 0, 4, 0x80};
    static uint8_t requests[REQUESTS][REQUEST_BYTES];
    for (int i = 0; i < REQUESTS; i++) memcpy(requests[i], request, sizeof request);
    if (write(greedy, requests, sizeof requests) != sizeof requests) fail_msg("not taken");
    echo_send(modest, 4, WHOLE);
    echo_turn(&echo, 1);
    if (echo_read(modest, answer, sizeof answer) != REQUEST_BYTES) fail_msg("who asks once waits for who pipelines");
    if (echo.answered > LOOP_TURN_ANSWERS + 1) fail_msg("%llu in one turn", (unsigned long long)echo.answered);
    size_t read_len = 0;
    for (int i = 0; i < 20; i++) {
        long n = echo_read(greedy, answers + read_len, sizeof answers - read_len);
        if (n > 0) read_len += (size_t)n;
        echo_turn(&echo, 1);
    }
    if (echo.answered != REQUESTS + 1) fail_msg("%llu are answered in the end", (unsigned long long)echo.answered);
    close(greedy);
    close(modest);
    echo_close(&echo);
}

/* ---- standing still ---- */

static void what_came_before_it_stood_still_is_stale(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 2);
    int fds[2] = {echo_connect(&echo, 0, true), echo_connect(&echo, 1, true)};
    for (int i = 0; i < 2; i++) {
        echo_send(fds[i], 4, WHOLE);
        echo_turn(&echo, 1);
    }
    if (echo.answered != 2 || echo.stale != 0) fail_msg("something is stale in a loop that runs");
    for (int i = 0; i < 2; i++) echo_send(fds[i], 100, 60);
    echo_turn(&echo, 1);
    for (int i = 0; i < 2; i++) { /* partly read before, partly in the socket meanwhile */
        uint8_t rest[100] = {0};
        if (write(fds[i], rest, 8 + 100 - 60) != 8 + 100 - 60) fail_msg("the rest is not taken");
        for (int j = 0; j < 3; j++) echo_send(fds[i], 4, WHOLE);
    }
    echo_clock.now_ms += 3000;
    echo_turn(&echo, 1);
    if (echo.answered != 10 || echo.stale != 8)
        fail_msg("%llu of %llu are stale, expected 8 of 10", (unsigned long long)echo.stale,
                 (unsigned long long)echo.answered);
    for (int i = 0; i < 2; i++) echo_send(fds[i], 4, WHOLE);
    echo_turn(&echo, 1);
    if (echo.answered != 12 || echo.stale != 8) fail_msg("what came afterwards is stale");
    for (int i = 0; i < 2; i++) close(fds[i]);
    echo_close(&echo);
}

/* A message that began before and ends afterwards is stale; the next one is not. */
static void what_began_before_it_stood_still_is_stale(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 1);
    int fd = echo_connect(&echo, 0, true);
    echo_send(fd, 100, 60);
    echo_turn(&echo, 1);
    echo_clock.now_ms += 3000;
    echo_turn(&echo, 1);
    uint8_t rest[100] = {0};
    if (write(fd, rest, 8 + 100 - 60) != 8 + 100 - 60) fail_msg("the rest is not taken");
    echo_send(fd, 4, WHOLE);
    echo_turn(&echo, 1);
    if (echo.answered != 2 || echo.stale != 1) fail_msg("%llu are stale, expected 1", (unsigned long long)echo.stale);
    close(fd);
    echo_close(&echo);
}

/* Its peers did what they could. */
static void a_loop_that_stood_still_blames_nobody(void **state) {
    (void)state;
    struct echo echo;
    echo_open(&echo, 1);
    int unread = echo_connect(&echo, 0, true), unfinished = echo_connect(&echo, 0, true);
    echo_fill(&echo, unread, 200000);
    echo_send(unfinished, 100, 60);
    echo_turn(&echo, 1);
    echo_clock.now_ms += 2 * DOOR_UNFINISHED_MS;
    echo_turn(&echo, 1);
    advance_ms(&echo, DOOR_UNREAD_MS - 1000);
    expect_open(&echo, STREAM_UNREAD, "whose output was blocked");
    expect_open(&echo, STREAM_UNFINISHED, "whose message was unfinished");
    advance_ms(&echo, DOOR_UNFINISHED_MS);
    if (ended(&echo, STREAM_UNREAD) != 1 || ended(&echo, STREAM_UNFINISHED) != 1) fail_msg("deadlines are gone");
    close(unread);
    close(unfinished);
    echo_close(&echo);
}

/* ---- draining ---- */

static bool is_ended(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK) == 0; /* and not a reset */
}

static bool drain_step(struct echo *echo, enum drain_step step) {
    bool is_busy = streams_drain(loops_at(echo->loops, 0), echo->door, step);
    echo_turn(echo, 1);
    return is_busy;
}

/* Who goes on sending gets the replies first, then the end of the connection. */
static void a_drained_connection_gets_all_its_replies(void **state) {
    (void)state;
    struct echo echo;
    char answers[2 * REQUEST_BYTES + 1];
    echo_open(&echo, 1);
    int polls = echo_connect(&echo, 0, true), idle = echo_connect(&echo, 0, true);
    door_refuse(echo.door);
    echo_send(polls, 4, WHOLE);
    echo_send(polls, 4, WHOLE);
    echo_turn(&echo, 1);
    if (echo.answered != 2 || echo.refused != 2) fail_msg("%llu of 2 are refused", (unsigned long long)echo.refused);
    if (drain_step(&echo, DRAIN_LOOK)) fail_msg("a door without anything to do is busy");
    if (!drain_step(&echo, DRAIN_CLOSE)) fail_msg("a connection that is being closed does not count");
    for (int i = 0; i < 3; i++) { /* it has not looked yet */
        echo_send(polls, 4, WHOLE);
        if (!drain_step(&echo, DRAIN_CLOSE)) fail_msg("its peer may not have read all");
    }
    if (echo.answered != 2) fail_msg("a connection that is being closed is answered");
    if (echo_read(polls, answers, sizeof answers) != 2 * REQUEST_BYTES) fail_msg("replies are lost");
    if (!is_ended(polls)) fail_msg("a refused connection is not closed");
    if (is_ended(idle)) fail_msg("a connection that asked nothing is closed");
    close(polls);
    echo_turn(&echo, 1);
    if (ended(&echo, STREAM_DONE) != 1 || drain_step(&echo, DRAIN_CLOSE)) fail_msg("it is kept once its peer is gone");
    drain_step(&echo, DRAIN_LAST);
    if (!is_ended(idle)) fail_msg("the last step leaves a connection open");
    advance_ms(&echo, DOOR_LINGER_MS); /* its peer never closes it */
    if (ended(&echo, STREAM_DONE) != 2 || drain_step(&echo, DRAIN_LAST)) fail_msg("it is kept for ever");
    close(idle);
    echo_close(&echo);
}

/* A client that was let in and closed cannot know what became of its request; one that is not let in can. */
static void a_door_that_refuses_serves_its_queue_and_listens_no_more(void **state) {
    (void)state;
    struct echo echo;
    uint8_t answer[SP_HEADER_BYTES];
    echo_open(&echo, 1);
    struct sp early = sp_connect(door_url(echo.door, 0)); /* in the kernel's queue: no loop has turned */
    door_refuse(echo.door);
    echo_turn(&echo, 2);
    if (!sp_write(&early, sp_greeting, sizeof sp_greeting)) fail_msg("a connection from before is closed");
    echo_turn(&echo, 1);
    if (!sp_read(&early, answer, sizeof answer, ANSWER_MS)) fail_msg("a connection from before is not served");
    echo_send(early.fd, 4, WHOLE);
    echo_turn(&echo, 1);
    if (echo.refused != 1) fail_msg("a request of a connection from before is not refused");
    struct sp late = sp_connect(door_url(echo.door, 0));
    if (late.fd >= 0) fail_msg("it still listens");
    sp_close(&early);
    echo_turn(&echo, 1);
    echo_close(&echo);
}

/* Who sends without a pause is read up to where it was when the last step began. */
static void who_never_pauses_does_not_keep_a_drain(void **state) {
    (void)state;
    enum { STEPS_MAX = 50 };
    struct echo echo;
    echo_open(&echo, 1);
    int fd = echo_connect(&echo, 0, true);
    door_refuse(echo.door);
    for (int i = 0; i < STEPS_MAX && !is_ended(fd); i++) {
        char ignored[4096];
        for (int j = 0; j < 3 && ended(&echo, STREAM_DONE) == 0; j++) echo_send(fd, 4, WHOLE);
        streams_drain(loops_at(echo.loops, 0), echo.door, DRAIN_LAST);
        for (int j = 0; j < 3 && ended(&echo, STREAM_DONE) == 0; j++) echo_send(fd, 4, WHOLE);
        echo_turn(&echo, 1);
        while (echo_read(fd, ignored, sizeof ignored) > 0) continue;
    }
    if (!is_ended(fd)) fail_msg("a connection that never pauses is read for ever");
    close(fd);
    echo_close(&echo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_ten_seconds),
        cmocka_unit_test(a_handshake_has_ten_seconds),
        cmocka_unit_test(who_never_asks_has_half_a_minute),
        cmocka_unit_test(unread_output_has_five_seconds),
        cmocka_unit_test(a_message_is_not_late_while_nothing_is_read),
        cmocka_unit_test(short_memory_ends_those_who_do_not_read),
        cmocka_unit_test(half_sent_messages_count_against_the_cap),
        cmocka_unit_test(who_pipelines_does_not_keep_others_waiting),
        cmocka_unit_test(what_came_before_it_stood_still_is_stale),
        cmocka_unit_test(what_began_before_it_stood_still_is_stale),
        cmocka_unit_test(a_loop_that_stood_still_blames_nobody),
        cmocka_unit_test(a_drained_connection_gets_all_its_replies),
        cmocka_unit_test(who_never_pauses_does_not_keep_a_drain),
        cmocka_unit_test(a_door_that_refuses_serves_its_queue_and_listens_no_more),
    };
    return cmocka_run_group_tests_name("net: streams", tests, NULL, NULL);
}
