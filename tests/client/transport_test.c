/* The parts of the transport that are pure, each against a naive one: timers, pending requests, replies out of pieces,
 * lists of addresses. */
#include "client/c/pending.h"
#include "client/c/reply_reader.h"
#include "client/c/timers.h"
#include "common/endpoint.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

/* ---- timers ------------------------------------------------------------------------------------------------------ */

enum { TIMERS = 500, STEPS = 200000 };

static uint64_t least_due(const struct timer timers[TIMERS]) {
    uint64_t least_ms = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (timer_is_set(&timers[i]) && timers[i].due_ms < least_ms) least_ms = timers[i].due_ms;
    return least_ms;
}

static void timers_are_due_in_their_order(void **state) {
    (void)state;
    static struct timer all[TIMERS];
    struct timers timers = {0};
    uint64_t seed = random_fresh_seed();
    struct random random = random_of(seed);
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < TIMERS; i++) assert_true(timers_reserve(&timers));
    for (int step = 0; step < STEPS; step++) {
        struct timer *timer = &all[random_below(&random, TIMERS)];
        uint64_t now_ms = (uint64_t)step / 8;
        if (random_chance(&random, 3, 4)) timers_set(&timers, timer, now_ms + random_below(&random, 1000));
        else timers_clear(&timers, timer);
        if (step % 16 == 0 && timers_next_ms(&timers) != least_due(all))
            fail_msg("step %d: another is due first", step);
        uint64_t before_ms = 0;
        for (struct timer *due; (due = timers_take_due(&timers, now_ms)) != NULL; before_ms = due->due_ms)
            if (timer_is_set(due) || due->due_ms > now_ms || due->due_ms < before_ms)
                fail_msg("step %d: not due", step);
        if (timers_next_ms(&timers) <= now_ms) fail_msg("step %d: one that is due is left", step);
    }
    timers_free(&timers);
}

/* ---- pending requests -------------------------------------------------------------------------------------------- */

enum { SLOTS = 3000 };

static void count_drained(struct attempt *attempt, const void *arg) {
    (void)attempt;
    size_t *count = (size_t *)(uintptr_t)arg;
    (*count)++;
}

/* Attempts are only pointers to it. */
static void every_reply_meets_its_own_request(void **state) {
    (void)state;
    static uint32_t ids[SLOTS];
    static char attempts[SLOTS];
    struct pending pending = {.last_id = UINT32_C(0x7fffffff) - 50000}; /* ids begin anew on the way */
    struct random random = random_of(random_fresh_seed());
    size_t open = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t i = random_below(&random, SLOTS);
        if (ids[i] == 0) {
            ids[i] = pending_add(&pending, (struct attempt *)&attempts[i]);
            if (ids[i] == 0 || ids[i] > UINT32_C(0x7fffffff)) fail_msg("step %d: id %x", step, ids[i]);
            open++;
            continue;
        }
        uint32_t id = ids[i];
        ids[i] = 0;
        open--;
        if (pending_take(&pending, id) != (struct attempt *)&attempts[i]) fail_msg("step %d: another attempt", step);
        if (pending_take(&pending, id) != NULL) fail_msg("step %d: it is taken twice", step);
    }
    assert_int_equal(pending.count, open);
    size_t drained = 0;
    pending_drain(&pending, count_drained, &drained);
    assert_int_equal(drained, open);
    assert_int_equal(pending.count, 0);
    assert_null(pending_take(&pending, 1));
    pending_free(&pending);
}

/* ---- replies ----------------------------------------------------------------------------------------------------- */

enum { REPLIES = 400, STREAM_BYTES = 8 * 1024 * 1024 };

static size_t put_reply(uint8_t *out, bool is_ipc, uint32_t id, size_t len) {
    size_t header = sp_header_bytes(is_ipc);
    sp_put_header(out, is_ipc, id, len);
    for (size_t i = 0; i < len; i++) out[header + i] = (uint8_t)(id + i);
    return header + len;
}

static void expect_reply(uint32_t id, uint32_t wanted, struct text message, size_t len) {
    if (id != wanted || message.len != len)
        fail_msg("reply %u of %u bytes, not %u of %zu", id, message.len, wanted, len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)message.data[i] != (uint8_t)(id + i)) fail_msg("reply %u, byte %zu", id, i);
}

static void replies_come_whole_out_of_any_pieces(void **state) {
    (void)state;
    uint8_t *stream = malloc(STREAM_BYTES);
    static size_t lens[REPLIES];
    uint64_t seed = random_fresh_seed();
    struct random random = random_of(seed);
    printf("seed %llu\n", (unsigned long long)seed);
    for (int is_ipc = 0; is_ipc < 2; is_ipc++) {
        size_t end = 0;
        uint32_t put = 0, got = 0, id;
        for (; put < REPLIES; put++) {
            lens[put] = put % 100 == 50 ? MUSTER_MESSAGE_BYTES_MAX : (size_t)random_below(&random, 2000);
            end += put_reply(stream + end, is_ipc, put, lens[put]);
        }
        struct reply_reader reader = {.is_ipc = is_ipc};
        for (size_t at = 0, size; at < end;) {
            uint8_t *room = reply_reader_room(&reader, &size);
            size_t piece = 1 + (size_t)random_below(&random, 60000);
            if (piece > size) piece = size;
            if (piece > end - at) piece = end - at;
            memcpy(room, stream + at, piece);
            reply_reader_took(&reader, piece);
            at += piece;
            struct text message;
            for (; reply_reader_next(&reader, &id, &message) == SP_MESSAGE; got++)
                expect_reply(id, got, message, lens[got]);
        }
        assert_int_equal(got, REPLIES);
        reply_reader_free(&reader);
    }
    free(stream);
}

/* The length is known as soon as the header is; no byte of the message has come. */
static void a_reply_that_is_too_long_takes_no_memory(void **state) {
    (void)state;
    static const uint64_t sizes[] = {SP_ID_BYTES + MUSTER_MESSAGE_BYTES_MAX + 1, UINT64_MAX, UINT64_C(1) << 40, 3, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct reply_reader reader = {0};
        struct text message;
        size_t size;
        uint32_t id;
        uint8_t *room = reply_reader_room(&reader, &size);
        put_be64(room, sizes[i]);
        put_be32(room + SP_LENGTH_BYTES, SP_ID_FLAG | 7);
        reply_reader_took(&reader, SP_LENGTH_BYTES + SP_ID_BYTES);
        assert_int_equal(reply_reader_next(&reader, &id, &message), SP_MALFORMED);
        assert_true(reader.capacity <= REPLY_READER_BYTES_MIN);
        reply_reader_free(&reader);
    }
}

/* ---- lists of addresses ------------------------------------------------------------------------------------------ */

static void lists_are_taken_apart(void **state) {
    (void)state;
    static const char *const wanted[] = {"a:1", "tcp://b:2", "ipc:///c d"};
    struct text list = text_of(" ,a:1,, tcp://b:2 ,ipc:///c d,"), address;
    size_t count = 0;
    for (; endpoint_next(&list, &address); count++)
        if (count >= 3 || !text_equal(address, text_of(wanted[count])))
            fail_msg("%.*s", (int)address.len, address.data);
    assert_int_equal(count, 3);
}

static void addresses_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *address, *host, *port, *path;
        bool is_tls;
    } cases[] = {
        {"tls+tcp://node-1.example:7700", "node-1.example", "7700", "", true},
        {"tls+tcp://[::1]:1", "::1", "1", "", true},
        {"tcp://127.0.0.1:7700", "127.0.0.1", "7700", "", false},
        {"node-1.example:1", "node-1.example", "1", "", false},
        {"[::1]:65535", "::1", "65535", "", false},
        {"tcp://[fe80::1%eth0]:7700", "fe80::1%eth0", "7700", "", false},
        {"ipc:///run/muster:1", "", "", "/run/muster:1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct endpoint endpoint;
        struct error error;
        if (!endpoint_parse(&endpoint, text_of(cases[i].address), &error))
            fail_msg("%s: %s", cases[i].address, error.text);
        assert_string_equal(endpoint.address, cases[i].address);
        assert_string_equal(endpoint.host, cases[i].host);
        assert_string_equal(endpoint.port, cases[i].port);
        assert_string_equal(endpoint.path, cases[i].path);
        assert_int_equal(endpoint.is_tls, cases[i].is_tls);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_are_due_in_their_order),
        cmocka_unit_test(every_reply_meets_its_own_request),
        cmocka_unit_test(replies_come_whole_out_of_any_pieces),
        cmocka_unit_test(a_reply_that_is_too_long_takes_no_memory),
        cmocka_unit_test(lists_are_taken_apart),
        cmocka_unit_test(addresses_are_taken_apart),
    };
    return cmocka_run_group_tests_name("client transport", tests, NULL, NULL);
}
