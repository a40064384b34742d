/* TLS below a stream: no thread, no waiting; the test turns the loops, sets their clock, and moves every byte. */
#include "support/random.h"
#include "tls_rig.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static struct tls_rig rig;

static void advance_ms(uint64_t ms) {
    for (; ms > 0; ms -= ms < 500 ? ms : 500) { /* in steps, so that nobody stands still */
        echo_clock.now_ms += ms < 500 ? ms : 500;
        echo_turn(&rig.echo, 1);
    }
}

static uint64_t ended(enum stream_end why) {
    return door_figures(rig.echo.door).ended[why];
}

static void expect_ended(enum stream_end why, uint64_t count, const char *what) {
    if (ended(why) != count)
        fail_msg("%s: %llu ended so, expected %llu", what, (unsigned long long)ended(why), (unsigned long long)count);
}

static void open_echo(unsigned loops, struct tls_context *context, const char *alpn) {
    echo_open_tls(&rig.echo, loops, context, alpn);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* ---- handshakes ---- */

static void requests_are_answered(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_echo(1, rig.context, NULL);
        struct guest guest = guest_welcome(
            &rig, 0, &(struct tls_client_options){.ca = rig.ca.path, .host = "localhost", .version = versions[i]});
        for (uint8_t j = 0; j < 20; j++) {
            guest_ask(&guest, 100 + j, j);
            guest_ask(&guest, 4, j);
            guest_expect_answer(&guest, 100 + j, j);
            guest_expect_answer(&guest, 4, j);
        }
        guest_leave(&guest);
        echo_close(&rig.echo);
    }
}

/* Every byte of ciphertext comes alone, in both directions. */
static void byte_by_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_echo(1, rig.context, NULL);
        struct guest guest = guest_arrive(&rig, 0, &(struct tls_client_options){.version = versions[i]});
        size_t handshake = 0;
        for (bool is_done = false; !is_done || tls_client_waiting(guest.client) > 0; handshake++) {
            is_done = tls_client_shake(guest.client);
            (void)tls_client_push(guest.client, 1);
            echo_turn(&rig.echo, 1);
            if (tls_client_pull(guest.client, 1) < 0 || handshake > 20000) fail_msg("no handshake");
        }
        if (!tls_client_write(guest.client, "\0SP\0\0\x30\0", 8)) fail_msg("no greeting");
        guest_ask(&guest, 50, 1);
        guest_ask(&guest, 50, 2);
        while (tls_client_waiting(guest.client) > 0) {
            (void)tls_client_push(guest.client, 1);
            echo_turn(&rig.echo, 1);
        }
        uint8_t greeting[8];
        for (long at = 0, got; at < 8; at += got) {
            if (tls_client_pull(guest.client, 1) < 0) fail_msg("the connection ended");
            if ((got = tls_client_read(guest.client, greeting + at, (size_t)(8 - at))) < 0) fail_msg("TLS failed");
        }
        while (!guest_take_answer(&guest, 50, 1))
            if (tls_client_pull(guest.client, 1) <= 0) fail_msg("no answer");
        guest_expect_answer(&guest, 50, 2);
        guest_leave(&guest);
        echo_close(&rig.echo);
    }
}

static void who_never_finishes_has_ten_seconds(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest silent = guest_arrive(&rig, 0, NULL), partial = guest_arrive(&rig, 0, NULL);
    struct guest shaken = guest_arrive(&rig, 0, NULL);
    (void)tls_client_shake(partial.client);
    (void)tls_client_push(partial.client, 100);
    if (!guest_shake(&shaken)) fail_msg("no handshake"); /* of TLS; never that of SP */
    advance_ms(DOOR_UNFINISHED_MS - 1000);
    (void)tls_client_push(partial.client, 1);
    advance_ms(999);
    expect_ended(STREAM_STRANGER, 0, "before the deadline");
    advance_ms(1);
    expect_ended(STREAM_STRANGER, 3, "after it");
    guest_leave(&silent);
    guest_leave(&partial);
    guest_leave(&shaken);
    echo_close(&rig.echo);
}

static void what_is_no_tls_is_a_stranger(void **state) {
    (void)state;
    enum { NONSENSE_BYTES = 25 };
    static const char nonsense[][NONSENSE_BYTES + 16] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                                         "\0SP\0\0\x30\0\0 and much more of it",
                                                         "\x16\x03\x01\xff\xff garbage garbage garbage",
                                                         "\x16\x03\x01\0\x05\x01\xff\xff\xff\xff",
                                                         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                                         "\x80\x2e\x01\0\x02 an old hello"};
    open_echo(1, rig.context, NULL);
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        int fd = echo_dial(&rig.echo, 0);
        if (write(fd, nonsense[i], NONSENSE_BYTES) != NONSENSE_BYTES) fail_msg("not taken");
        echo_turn(&rig.echo, 3);
        if (ended(STREAM_STRANGER) != i) { /* a length that is not over yet is no error */
            expect_ended(STREAM_STRANGER, i + 1, nonsense[i]);
        } else {
            advance_ms(DOOR_UNFINISHED_MS);
            expect_ended(STREAM_STRANGER, i + 1, "unfinished nonsense");
        }
        close(fd);
    }
    struct random random = random_of(7);
    for (int i = 0; i < 200; i++) {
        int fd = echo_dial(&rig.echo, 0);
        uint8_t bytes[512];
        for (size_t j = 0; j < sizeof bytes; j++) bytes[j] = (uint8_t)random_below(&random, 256);
        bytes[0] = 0x16; /* mostly */
        bytes[1] = (uint8_t)(i % 4 == 0 ? bytes[1] : 3);
        if (write(fd, bytes, sizeof bytes) < 0) fail_msg("not taken");
        echo_turn(&rig.echo, 2);
        close(fd);
        echo_turn(&rig.echo, 2);
    }
    expect_ended(STREAM_STRANGER, sizeof nonsense / sizeof *nonsense + 200, "garbage");
    struct guest guest = guest_welcome(&rig, 0, NULL);
    guest_leave(&guest);
    echo_close(&rig.echo);
}

static void expect_refused(const struct tls_client_options *options, const char *why, const char *reason) {
    uint64_t before = ended(STREAM_STRANGER);
    struct guest guest = guest_arrive(&rig, 0, options);
    (void)guest_shake(&guest);
    for (int i = 0; i < 10 && tls_client_failure(guest.client)[0] == '\0'; i++) {
        char byte; /* with TLS 1.3 the client is done before its certificate is looked at */
        guest_move(&guest);
        (void)tls_client_read(guest.client, &byte, 1);
    }
    if (ended(STREAM_STRANGER) != before + 1) fail_msg("%s is let in", why);
    if (strstr(tls_client_failure(guest.client), reason) == NULL)
        fail_msg("%s is told '%s', expected '%s'", why, tls_client_failure(guest.client), reason);
    guest_leave(&guest);
}

/* A hello that announces 64 KiB is refused before memory is taken for it, also where its head comes byte by byte. */
static void a_long_hello_is_refused_by_its_length(void **state) {
    (void)state;
    static const uint8_t head[] = {0x16, 3, 1, 0x40, 0, 1, 1, 0, 0};
    open_echo(1, rig.context, NULL);
    for (uint64_t i = 0; i < 2; i++) {
        int fd = echo_dial(&rig.echo, 0);
        for (size_t at = 0, step = i == 0 ? sizeof head : 1; at < sizeof head; at += step) {
            expect_ended(STREAM_STRANGER, i, "before its length has come");
            if (write(fd, head + at, step) != (ssize_t)step) fail_msg("not taken");
            echo_turn(&rig.echo, 2);
        }
        expect_ended(STREAM_STRANGER, i + 1, "a long hello");
        close(fd);
    }
    echo_close(&rig.echo);
}

static void only_new_versions_are_spoken(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    expect_refused(&(struct tls_client_options){.version = TLS1_VERSION}, "TLS 1.0", "protocol version");
    expect_refused(&(struct tls_client_options){.version = TLS1_1_VERSION}, "TLS 1.1", "protocol version");
    echo_close(&rig.echo);
}

static void clients_show_certificates(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int version = versions[i];
        struct tls_client_options options = {.ca = rig.ca.path, .host = "localhost", .version = version};
        open_echo(1, rig.mutual, NULL);
        expect_refused(&options, "a client without a certificate",
                       version == TLS1_3_VERSION ? "certificate required" : "handshake failure");
        options.cert = rig.unknown_client.cert.path, options.key = rig.unknown_client.key.path;
        expect_refused(&options, "a client of another authority", "unknown ca");
        options.cert = rig.server.cert.path, options.key = rig.server.key.path;
        expect_refused(&options, "a server's certificate", "unsupported certificate");
        options.cert = rig.client.cert.path, options.key = rig.client.key.path;
        struct guest guest = guest_welcome(&rig, 0, &options);
        guest_ask(&guest, 4, 9);
        guest_expect_answer(&guest, 4, 9);
        guest_leave(&guest);
        echo_close(&rig.echo);
    }
}

static void a_door_may_demand_a_protocol(void **state) {
    (void)state;
    open_echo(1, rig.context, "h2");
    expect_refused(&(struct tls_client_options){.alpn = NULL}, "a client without ALPN", "no application protocol");
    expect_refused(&(struct tls_client_options){.alpn = "http/1.1"}, "another protocol", "no application protocol");
    expect_refused(&(struct tls_client_options){.alpn = "h"}, "a prefix", "no application protocol");
    struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.alpn = "h2"});
    if (strcmp(tls_client_alpn(guest.client), "h2") != 0) fail_msg("h2 is not chosen");
    guest_leave(&guest);
    echo_close(&rig.echo);
    open_echo(1, rig.context, NULL); /* a door that demands none says none */
    guest = guest_welcome(&rig, 0, &(struct tls_client_options){.alpn = "h2"});
    if (strcmp(tls_client_alpn(guest.client), "") != 0) fail_msg("a protocol is chosen");
    guest_leave(&guest);
    echo_close(&rig.echo);
}

/* ---- handshakes and others ---- */

/* Those that wait for a step of their handshake get it in the order in which their bytes came; who is served is served
 * in each turn. */
static void handshakes_do_not_keep_others_waiting(void **state) {
    (void)state;
    enum { CROWD = 5 * LOOP_HANDSHAKES };
    static struct guest crowd[CROWD];
    open_echo(1, rig.context, NULL);
    struct guest served = guest_welcome(&rig, 0, NULL);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = guest_arrive(&rig, 0, NULL);
        (void)tls_client_shake(crowd[i].client);
        (void)tls_client_push(crowd[i].client, SIZE_MAX);
    }
    for (size_t turn = 1; turn <= CROWD / LOOP_HANDSHAKES; turn++) {
        guest_ask(&served, 4, (uint8_t)turn);
        guest_move(&served);
        if (!guest_take_answer(&served, 4, (uint8_t)turn)) fail_msg("who is served waits for handshakes");
        size_t answered = 0;
        for (size_t i = 0; i < CROWD; i++) {
            char byte;
            answered += recv(crowd[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
        }
        if (answered != turn * LOOP_HANDSHAKES) fail_msg("%zu steps after %zu turns", answered, turn);
    }
    for (size_t i = 0; i < CROWD; i++)
        if (!guest_shake(&crowd[i])) fail_msg("a handshake got lost");
    for (size_t i = 0; i < CROWD; i++) guest_leave(&crowd[i]);
    guest_leave(&served);
    echo_close(&rig.echo);
}

static void a_connection_that_ends_in_the_queue_is_gone(void **state) {
    (void)state;
    enum { CROWD = 3 * LOOP_HANDSHAKES };
    struct guest crowd[CROWD];
    open_echo(1, rig.context, NULL);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = guest_arrive(&rig, 0, NULL);
        (void)tls_client_shake(crowd[i].client);
        (void)tls_client_push(crowd[i].client, SIZE_MAX);
    }
    echo_turn(&rig.echo, 1);
    echo_clock.now_ms += 500;
    atomic_store(&rig.echo.door->crowded_until_ms, echo_clock.now_ms + 10000);
    advance_ms(DOOR_IDLE_CROWDED_MS); /* all of them are too late, those in the queue, too */
    expect_ended(STREAM_STRANGER, CROWD, "the late ones");
    for (size_t i = 0; i < CROWD; i++) guest_leave(&crowd[i]);
    echo_close(&rig.echo);
}

/* ---- records that carry nothing ---- */

static void key_updates_are_bounded(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = TLS1_3_VERSION});
    for (uint8_t i = 0; i < 20; i++) { /* now and then is fine */
        if (!tls_client_update_key(guest.client)) fail_msg("no update");
        guest_ask(&guest, 4, i);
        guest_expect_answer(&guest, 4, i);
    }
    for (int i = 0; i < 3000; i++)
        if (!tls_client_update_key(guest.client)) fail_msg("no update");
    for (int i = 0; i < 10; i++) guest_move(&guest);
    expect_ended(STREAM_BROKEN, 1, "who updates keys all the time");
    guest_leave(&guest);
    guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = TLS1_3_VERSION});
    for (uint8_t i = 0; i < 50; i++) { /* each is earned by data */
        if (!tls_client_update_key(guest.client)) fail_msg("no update");
        guest_ask(&guest, 1100 * 1024, i);
        guest_expect_answer(&guest, 1100 * 1024, i);
    }
    expect_ended(STREAM_BROKEN, 1, "who updates keys once a MiB");
    guest_leave(&guest);
    echo_close(&rig.echo);
}

static void nobody_renegotiates(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = TLS1_2_VERSION});
    for (int i = 0; i < 200 && !guest.is_gone; i++) {
        char byte;
        (void)tls_client_renegotiate(guest.client);
        guest_move(&guest);
        (void)tls_client_read(guest.client, &byte, 1);
    }
    if (ended(STREAM_BROKEN) + ended(STREAM_GONE) != 1) fail_msg("a client that renegotiates stays");
    guest_leave(&guest);
    echo_close(&rig.echo);
}

/* ---- output ---- */

static void slow_readers_get_all(void **state) {
    (void)state;
    enum { BIG = 1500 * 1024, REQUESTS = 4 };
    for (size_t i = 0; i < 2; i++) {
        open_echo(1, rig.context, NULL);
        struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = versions[i]});
        for (uint8_t j = 0; j < REQUESTS; j++) guest_ask(&guest, BIG + j, j);
        size_t idle = 0;
        while (idle < 20) { /* without reading: as much as the server takes */
            idle = tls_client_push(guest.client, SIZE_MAX) > 0 ? 0 : idle + 1;
            echo_turn(&rig.echo, 1);
        }
        if (tls_client_waiting(guest.client) == 0) fail_msg("all was taken although nothing is read");
        for (uint8_t j = 0; j < REQUESTS; j++) {
            for (size_t turns = 0; !guest_take_answer(&guest, BIG + j, j); turns++) {
                (void)tls_client_push(guest.client, SIZE_MAX);
                echo_turn(&rig.echo, 1);
                if (tls_client_pull(guest.client, 1000 + 977 * (turns % 5)) < 0) fail_msg("it was cut off");
            }
        }
        size_t bytes = atomic_load(&rig.echo.loops->bytes);
        if (bytes != 0) fail_msg("%zu bytes are still held", bytes);
        guest_leave(&guest);
        echo_close(&rig.echo);
    }
}

static void unread_output_has_five_seconds(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest guest = guest_welcome(&rig, 0, NULL);
    guest_ask(&guest, 1 << 20, 1);
    for (int i = 0; i < 300; i++) {
        (void)tls_client_push(guest.client, SIZE_MAX);
        echo_turn(&rig.echo, 1);
    }
    advance_ms(DOOR_UNREAD_MS - 500);
    expect_ended(STREAM_UNREAD, 0, "before the deadline");
    advance_ms(500);
    expect_ended(STREAM_UNREAD, 1, "after it");
    guest_leave(&guest);
    echo_close(&rig.echo);
}

/* All answers of a turn are one record, not one each. */
static void a_turn_is_one_record(void **state) {
    (void)state;
    enum { REQUESTS = 50 };
    open_echo(1, rig.context, NULL);
    struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = TLS1_3_VERSION});
    for (uint8_t i = 0; i < REQUESTS; i++) guest_ask(&guest, 16, i);
    (void)tls_client_push(guest.client, SIZE_MAX);
    echo_turn(&rig.echo, 1);
    long ciphertext = tls_client_pull(guest.client, SIZE_MAX);
    if (ciphertext <= 0 || ciphertext > REQUESTS * (8 + 16) + 100)
        fail_msg("%ld bytes of ciphertext for %d answers of 24 bytes", ciphertext, REQUESTS);
    for (uint8_t i = 0; i < REQUESTS; i++) guest_expect_answer(&guest, 16, i);
    guest_leave(&guest);
    echo_close(&rig.echo);
}

/* ---- the end of a connection ---- */

static void who_has_closed_its_side_is_answered(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_echo(1, rig.context, NULL);
        struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = versions[i]});
        guest_ask(&guest, 70, 3);
        guest_ask(&guest, 70, 4);
        tls_client_say_goodbye(guest.client); /* close_notify in the same bytes, with TCP open */
        guest_expect_answer(&guest, 70, 3);
        guest_expect_answer(&guest, 70, 4);
        for (int j = 0; j < 5 && !guest.is_gone; j++) guest_move(&guest);
        char byte;
        if (tls_client_read(guest.client, &byte, 1) != -1 || !tls_client_is_over(guest.client))
            fail_msg("no close_notify answers one");
        expect_ended(STREAM_GONE, 1, "who said good-bye");
        guest_leave(&guest);
        echo_close(&rig.echo);
    }
}

static void a_drained_connection_gets_all_and_a_goodbye(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest guest = guest_welcome(&rig, 0, NULL), idle = guest_welcome(&rig, 0, NULL);
    struct guest shaking = guest_arrive(&rig, 0, NULL);
    (void)tls_client_shake(shaking.client);
    (void)tls_client_push(shaking.client, 60);
    echo_turn(&rig.echo, 2);
    door_refuse(rig.echo.door);
    guest_ask(&guest, 4, 1);
    guest_move(&guest);
    if (rig.echo.refused != 1) fail_msg("a request during a drain is not refused");
    (void)streams_drain(loops_at(rig.echo.loops, 0), rig.echo.door, DRAIN_CLOSE);
    guest_expect_answer(&guest, 4, 1);
    for (int i = 0; i < 3; i++) guest_move(&guest);
    char byte;
    if (tls_client_read(guest.client, &byte, 1) != -1 || !tls_client_is_over(guest.client)) fail_msg("no good-bye");
    if (!guest.is_gone) fail_msg("the connection is open");
    (void)streams_drain(loops_at(rig.echo.loops, 0), rig.echo.door, DRAIN_LAST);
    for (int i = 0; i < 3; i++) guest_move(&idle);
    if (tls_client_read(idle.client, &byte, 1) != -1 || !tls_client_is_over(idle.client))
        fail_msg("no good-bye to idlers");
    advance_ms(DOOR_LINGER_MS);
    if (streams_drain(loops_at(rig.echo.loops, 0), rig.echo.door, DRAIN_LAST)) fail_msg("the door stays busy");
    guest_leave(&guest);
    guest_leave(&idle);
    guest_leave(&shaking);
    echo_close(&rig.echo);
}

/* ---- records that are not finished ---- */

static void a_record_has_ten_seconds_and_is_counted(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest guest = guest_welcome(&rig, 0, NULL);
    guest_ask(&guest, 4, 1);
    guest_expect_answer(&guest, 4, 1); /* it is in no list of deadlines from now on */
    advance_ms(3 * DOOR_IDLE_MS);
    if (atomic_load(&rig.echo.loops->bytes) != 0) fail_msg("an idle connection holds what is counted");
    for (size_t cut = 1; cut < 30; cut++) { /* at each place of header, body and tag */
        guest_ask(&guest, 4, (uint8_t)cut);
        (void)tls_client_push(guest.client, cut);
        echo_turn(&rig.echo, 1);
        size_t bytes = atomic_load(&rig.echo.loops->bytes);
        if (bytes < 16 * 1024 || bytes > 20 * 1024) fail_msg("%zu bytes are counted after %zu of a record", bytes, cut);
        advance_ms(DOOR_UNFINISHED_MS - 500);
        guest_expect_answer(&guest, 4, (uint8_t)cut);
        if (atomic_load(&rig.echo.loops->bytes) != 0) fail_msg("a record that is complete is counted");
    }
    advance_ms(3 * DOOR_IDLE_MS);
    guest_ask(&guest, 4, 1);
    (void)tls_client_push(guest.client, 10);
    echo_turn(&rig.echo, 1);
    advance_ms(DOOR_UNFINISHED_MS - 500);
    (void)tls_client_push(guest.client, 1); /* a byte now and then is no excuse */
    echo_turn(&rig.echo, 1);
    expect_ended(STREAM_UNFINISHED, 0, "before the deadline");
    advance_ms(500);
    expect_ended(STREAM_UNFINISHED, 1, "after it");
    if (atomic_load(&rig.echo.loops->bytes) != 0) fail_msg("bytes of a connection that ended are counted");
    guest_leave(&guest);
    echo_close(&rig.echo);
}

/* ---- standing still ---- */

/* At each cut of three requests in three records: those of which a byte had come are stale, and no others. */
static void what_came_before_a_standstill_is_stale(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_echo(1, rig.context, NULL);
        struct guest guest = guest_welcome(&rig, 0, &(struct tls_client_options){.version = versions[i]});
        guest_ask(&guest, 20, 0);
        size_t record = tls_client_waiting(guest.client);
        guest_expect_answer(&guest, 20, 0);
        for (size_t cut = 0; cut <= 3 * record; cut++) {
            for (size_t read_first = 0; read_first <= cut && read_first <= record + 6;
                 read_first += 1 + read_first / 4) {
                uint64_t before = rig.echo.stale;
                for (uint8_t j = 0; j < 3; j++) guest_ask(&guest, 20, j);
                (void)tls_client_push(guest.client, read_first);
                echo_turn(&rig.echo, 1); /* some of it is read in time */
                uint64_t in_time = read_first / record;
                (void)tls_client_push(guest.client, cut - read_first);
                echo_clock.now_ms += 3000;
                echo_turn(&rig.echo, 1);
                for (uint8_t j = 0; j < 3; j++) guest_expect_answer(&guest, 20, j);
                uint64_t expected = (cut + record - 1) / record - in_time;
                if (rig.echo.stale - before != expected)
                    fail_msg("%llu are stale, expected %llu: cut at %zu of 3 x %zu, %zu read before",
                             (unsigned long long)(rig.echo.stale - before), (unsigned long long)expected, cut, record,
                             read_first);
            }
        }
        guest_leave(&guest);
        echo_close(&rig.echo);
    }
}

/* ---- reading the files again ---- */

static void write_server(const char *common) {
    (void)certificate_make(rig.authority, &rig.dir, "again", &(struct certificate_wish){.common = common});
}

static void new_connections_get_the_new_certificate(void **state) {
    (void)state;
    write_server("first");
    struct tempdir cert = tempdir_path(&rig.dir, "again.pem"), key = tempdir_path(&rig.dir, "again.key");
    const struct tls_files files = {cert.path, key.path, NULL};
    struct error error;
    struct tls_context *context = tls_context_new(&files, &error);
    if (context == NULL) fail_msg("%s", error.text);
    open_echo(1, context, NULL);
    struct guest old = guest_welcome(&rig, 0, NULL);
    write_server("second");
    if (!tls_context_reload(context, &error)) fail_msg("%s", error.text);
    struct guest new = guest_welcome(&rig, 0, NULL);
    if (strcmp(tls_client_peer(old.client), "first") != 0) fail_msg("the first was '%s'", tls_client_peer(old.client));
    if (strcmp(tls_client_peer(new.client), "second") != 0) fail_msg("then came '%s'", tls_client_peer(new.client));
    (void)tempdir_write(&rig.dir, "again.key", "nothing", 7);
    if (tls_context_reload(context, &error)) fail_msg("a key that is none is taken");
    if (strstr(error.text, "--tls-key") == NULL || strstr(error.text, key.path) == NULL) fail_msg("'%s'", error.text);
    struct guest newer = guest_welcome(&rig, 0, NULL);
    if (strcmp(tls_client_peer(newer.client), "second") != 0) fail_msg("a bad file changed something");
    for (uint8_t i = 0; i < 3; i++) {
        guest_ask(&old, 10, i);
        guest_expect_answer(&old, 10, i);
    }
    guest_leave(&old);
    guest_leave(&new);
    guest_leave(&newer);
    echo_close(&rig.echo);
    tls_context_free(context);
}

static void bad_files_are_named(void **state) {
    (void)state;
    struct tempdir text = tempdir_write(&rig.dir, "text", "no PEM at all", 13);
    struct tempdir missing = tempdir_path(&rig.dir, "missing");
    const char *cert = rig.server.cert.path, *key = rig.server.key.path;
    const struct {
        struct tls_files files;
        const char *flag, *path, *reason;
    } cases[] = {
        {{missing.path, key, NULL}, "--tls-cert", missing.path, "No such file"},
        {{text.path, key, NULL}, "--tls-cert", text.path, "no certificate in PEM"},
        {{key, key, NULL}, "--tls-cert", key, "no certificate in PEM"},
        {{rig.dir.path, key, NULL}, "--tls-cert", rig.dir.path, "no regular file"},
        {{cert, missing.path, NULL}, "--tls-key", missing.path, "No such file"},
        {{cert, text.path, NULL}, "--tls-key", text.path, "no private key in PEM"},
        {{cert, rig.client.key.path, NULL}, "--tls-key", rig.client.key.path, "not that of the certificate"},
        {{cert, key, missing.path}, "--tls-client-ca", missing.path, "No such file"},
        {{cert, key, text.path}, "--tls-client-ca", text.path, "no certificate in PEM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        if (tls_context_new(&cases[i].files, &error) != NULL) fail_msg("case %zu is taken", i);
        if (strncmp(error.text, cases[i].flag, strlen(cases[i].flag)) != 0 ||
            strstr(error.text, cases[i].path) == NULL || strstr(error.text, cases[i].reason) == NULL)
            fail_msg("case %zu: '%s', expected %s, the path, and '%s'", i, error.text, cases[i].flag, cases[i].reason);
    }
}

/* ---- any cut ---- */

/* Several clients, requests of all sizes, ciphertext in pieces of all sizes both ways, updates of keys now and then. */
static void any_split_gives_the_same_answers(uint64_t seed) {
    enum { GUESTS = 4, REQUESTS = 60 };
    struct random random = random_of(seed);
    struct guest guests[GUESTS];
    size_t sizes[GUESTS][REQUESTS], asked[GUESTS] = {0}, answered[GUESTS] = {0};
    open_echo(2, rig.context, NULL);
    for (size_t i = 0; i < GUESTS; i++)
        guests[i] =
            guest_welcome(&rig, i % 2, &(struct tls_client_options){.version = versions[random_below(&random, 2)]});
    for (size_t left = (size_t)GUESTS * REQUESTS; left > 0;) {
        size_t i = random_below(&random, GUESTS);
        struct guest *guest = &guests[i];
        if (asked[i] < REQUESTS && random_below(&random, 4) == 0) {
            size_t len = 4 + random_below(&random, 1u << (3 + random_below(&random, 16)));
            sizes[i][asked[i]] = len;
            guest_ask(guest, len, (uint8_t)asked[i]++);
        }
        size_t cut = 1u << random_below(&random, 18);
        (void)tls_client_push(guest->client, 1 + random_below(&random, (uint32_t)cut));
        echo_turn(&rig.echo, 1);
        if (tls_client_pull(guest->client, 1 + random_below(&random, (uint32_t)cut)) < 0)
            fail_msg("seed %llu: a connection ended", (unsigned long long)seed);
        while (answered[i] < asked[i] && guest_take_answer(guest, sizes[i][answered[i]], (uint8_t)answered[i]))
            answered[i]++, left--;
    }
    if (atomic_load(&rig.echo.loops->bytes) > GUESTS * 20 * 1024)
        fail_msg("seed %llu: bytes are held", (unsigned long long)seed);
    for (size_t i = 0; i < GUESTS; i++) guest_leave(&guests[i]);
    echo_turn(&rig.echo, 2);
    if (atomic_load(&rig.echo.loops->bytes) != 0) fail_msg("seed %llu: bytes are lost", (unsigned long long)seed);
    echo_close(&rig.echo);
}

static void random_splits(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) any_split_gives_the_same_answers(seed);
}

/* ---- short memory ---- */

static bool is_counting;                   /* during turns of the loops: OpenSSL's allocations are the server's */
static unsigned long allocations, failing; /* failing: the number of the one that fails; 0: none */

static bool fails(void) {
    return is_counting && ++allocations == failing;
}

static void *ssl_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return fails() ? NULL : malloc(size);
}

static void *ssl_realloc(void *memory, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return fails() ? NULL : realloc(memory, size);
}

static void ssl_free(void *memory, const char *file, int line) {
    (void)file, (void)line;
    free(memory);
}

static void move_counted(struct guest *guest) {
    (void)tls_client_push(guest->client, SIZE_MAX);
    is_counting = true;
    echo_turn(&rig.echo, 1);
    is_counting = false;
    if (tls_client_pull(guest->client, SIZE_MAX) < 0) guest->is_gone = true;
}

/* A connection from its beginning to an answer and a good-bye. How many allocations the server made. */
static unsigned long serve_with_failure(unsigned long which) {
    struct guest guest = guest_arrive(&rig, 0, NULL);
    bool is_done = false, has_asked = false;
    allocations = 0;
    failing = which;
    for (int i = 0; i < 20 && !guest.is_gone; i++) {
        if (!is_done) is_done = tls_client_shake(guest.client);
        if (is_done && !has_asked && tls_client_write(guest.client, "\0SP\0\0\x30\0", 8)) {
            has_asked = true;
            guest_ask(&guest, 40000, 1);
            tls_client_say_goodbye(guest.client);
        }
        move_counted(&guest);
    }
    guest_leave(&guest);
    echo_turn(&rig.echo, 2);
    return allocations;
}

/* One allocation of OpenSSL after another fails: at most the connection ends, and others are served. */
static void short_memory_ends_one_connection(void **state) {
    (void)state;
    open_echo(1, rig.context, NULL);
    struct guest served = guest_welcome(&rig, 0, NULL);
    unsigned long needed = serve_with_failure(0), which = 1;
    for (; which <= 2 * needed; which += 1 + which / 200) {
        if (serve_with_failure(which) < which) break;
        guest_ask(&served, 30, (uint8_t)which);
        guest_expect_answer(&served, 30, (uint8_t)which);
    }
    print_message("%lu allocations, failed up to %lu\n", needed, which);
    if (needed < 100 || which > 2 * needed) fail_msg("%lu allocations, failed up to %lu", needed, which);
    guest_leave(&served);
    echo_turn(&rig.echo, 2);
    if (atomic_load(&rig.echo.loops->bytes) != 0) fail_msg("bytes are lost");
    if (atomic_load(&rig.echo.door->connections) != 0) fail_msg("connections are lost");
    echo_close(&rig.echo);
}

static int start(void **state) {
    (void)state;
    tls_rig_make(&rig);
    return 0;
}

static int stop(void **state) {
    (void)state;
    tls_rig_free(&rig);
    return 0;
}

int main(void) {
    if (CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) != 1) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(who_never_finishes_has_ten_seconds),
        cmocka_unit_test(what_is_no_tls_is_a_stranger),
        cmocka_unit_test(a_long_hello_is_refused_by_its_length),
        cmocka_unit_test(only_new_versions_are_spoken),
        cmocka_unit_test(clients_show_certificates),
        cmocka_unit_test(a_door_may_demand_a_protocol),
        cmocka_unit_test(handshakes_do_not_keep_others_waiting),
        cmocka_unit_test(a_connection_that_ends_in_the_queue_is_gone),
        cmocka_unit_test(key_updates_are_bounded),
        cmocka_unit_test(nobody_renegotiates),
        cmocka_unit_test(slow_readers_get_all),
        cmocka_unit_test(unread_output_has_five_seconds),
        cmocka_unit_test(a_turn_is_one_record),
        cmocka_unit_test(who_has_closed_its_side_is_answered),
        cmocka_unit_test(a_drained_connection_gets_all_and_a_goodbye),
        cmocka_unit_test(a_record_has_ten_seconds_and_is_counted),
        cmocka_unit_test(what_came_before_a_standstill_is_stale),
        cmocka_unit_test(new_connections_get_the_new_certificate),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(random_splits),
        cmocka_unit_test(short_memory_ends_one_connection),
    };
    return cmocka_run_group_tests_name("net: TLS", tests, start, stop);
}
