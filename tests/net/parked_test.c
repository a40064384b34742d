/* Requests that wait for a change at the door for calls, in this process: who else is served, whose places are handed
 * back, what it costs where nobody reads, and how it ends. */
#include "house.h"
#include "muster/limits.h"
#include "support/parked_watch.h"
#include "support/sp.h"
#include "support/wait.h"
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* A sanitizer makes everything many times as slow. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { PARKED = 1000 };
#else
enum { PARKED = 10000 };
#endif
enum { SERVED_MS = 5000, TOLD_MS = 20000, WAIT_MS = MUSTER_WATCH_WAIT_MAX_MS };

static struct house house_of(void) {
    return house_open(&(const struct house_settings){0});
}

static uint64_t parked_in(const struct house *house) {
    return pump_parked(rpc_watches(house->rpc));
}

struct expected {
    const struct house *house;
    uint64_t watches;
};

static bool are_parked(void *context) {
    const struct expected *expected = context;
    return parked_in(expected->house) == expected->watches;
}

static void expect_parked(const struct house *house, uint64_t watches, const char *when) {
    struct expected expected = {house, watches};
    if (!wait_until(are_parked, &expected, TOLD_MS))
        fail_msg("%llu watches are parked %s, expected %llu", (unsigned long long)parked_in(house), when,
                 (unsigned long long)watches);
}

static struct sp connect_to(const struct house *house) {
    struct sp sp = sp_open(house->url, SERVED_MS);
    if (sp.fd < 0) fail_msg("no connection");
    return sp;
}

static void expect_told(struct sp *sp, size_t count, int code, const char *what) {
    size_t told = waiting_replies(sp, count, code, TOLD_MS);
    if (told != count) fail_msg("%s: %zu of %zu were told so", what, told, count);
}

static void many_wait_and_others_are_served(void **state) {
    (void)state;
    enum { CONNECTIONS = 4, EACH = PARKED / CONNECTIONS, ROUNDS = 3 };
    struct house house = house_of();
    struct sp sps[CONNECTIONS];
    const struct answerer answerer = sp_answerer(house.url);
    for (int i = 0; i < CONNECTIONS; i++) sps[i] = connect_to(&house);
    for (int round = 0; round < ROUNDS; round++) {
        struct waiting waiting = waiting_of(&answerer, "room", false, WAIT_MS);
        for (int i = 0; i < CONNECTIONS; i++) {
            waiting_send(&waiting, &sps[i], EACH);
            touch(&answerer, "elsewhere", "ada", "");
            if (!is_live(&answerer, "elsewhere", "ada")) fail_msg("a touch is lost");
        }
        expect_parked(&house, PARKED, "after as many were sent");
        for (int i = 0; i < 300; i++)
            if (!is_live(&answerer, "elsewhere", "ada")) fail_msg("a touch is lost");
        if (round % 2 == 0) touch(&answerer, "room", "bob", "");
        else leave(&answerer, "room", "bob", "");
        for (int i = 0; i < CONNECTIONS; i++) expect_told(&sps[i], EACH, 0, "a change");
        expect_parked(&house, 0, "after all were told");
        waiting_free(&waiting);
    }
    for (int i = 0; i < CONNECTIONS; i++) sp_close(&sps[i]);
    house_close(&house);
}

static void a_connection_that_goes_gives_its_places_back(void **state) {
    (void)state;
    struct house house = house_of();
    const struct answerer answerer = sp_answerer(house.url);
    struct waiting waiting = waiting_of(&answerer, "room", false, WAIT_MS);
    struct sp stays = connect_to(&house), goes = connect_to(&house);
    waiting_send(&waiting, &stays, 10);
    waiting_send(&waiting, &goes, 1000);
    expect_parked(&house, 1010, "on two connections");
    sp_close(&goes);
    expect_parked(&house, 10, "once one of them is gone");
    for (int i = 0; i < 400; i++) { /* while its requests are still read and parked */
        goes = connect_to(&house);
        waiting_send(&waiting, &goes, (size_t)i % 50);
        if (i % 2 == 0) sp_reset(&goes);
        else sp_close(&goes);
    }
    expect_parked(&house, 10, "after connections that came and went");
    touch(&answerer, "room", "ada", "");
    expect_told(&stays, 10, 0, "who stayed");
    sp_close(&stays);
    waiting_free(&waiting);
    house_close(&house);
}

static void past_the_cap_others_keep_their_places(void **state) {
    (void)state;
    enum { CAP = 100, MORE = 50, RESOURCE_EXHAUSTED = 8 };
    struct house house = house_open(&(const struct house_settings){.watches_max = CAP});
    const struct answerer answerer = sp_answerer(house.url);
    struct waiting waiting = waiting_of(&answerer, "room", false, WAIT_MS);
    struct sp first = connect_to(&house), second = connect_to(&house);
    waiting_send(&waiting, &first, CAP);
    expect_parked(&house, CAP, "which is the cap");
    waiting_send(&waiting, &second, MORE);
    expect_told(&second, MORE, RESOURCE_EXHAUSTED, "who came past the cap");
    expect_parked(&house, CAP, "after more were refused");
    touch(&answerer, "room", "ada", "");
    expect_told(&first, CAP, 0, "who were parked");
    sp_close(&first);
    sp_close(&second);
    waiting_free(&waiting);
    house_close(&house);
}

/* As a client with many watches does that has found a node again. */
static void many_questions_at_once(void **state) {
    (void)state;
    enum { QUESTIONS = 1200, ROUNDS = 20, FRAME_BYTES = 12 };
    struct house house = house_of();
    struct sp sp = connect_to(&house);
    uint8_t questions[QUESTIONS][FRAME_BYTES] = {{0}};
    for (int i = 0; i < QUESTIONS; i++) { /* an empty call: its length, its id, and no more */
        questions[i][7] = 4;
        questions[i][8] = 0x80;
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t id;
        size_t len, answers = 0;
        if (!sp_write(&sp, questions, sizeof questions)) fail_msg("cut off after %d rounds", round);
        for (uint8_t *reply; answers < QUESTIONS && (reply = sp_receive(&sp, TOLD_MS, &id, &len)) != NULL; answers++)
            free(reply);
        if (answers != QUESTIONS) fail_msg("%zu of %d questions were answered", answers, QUESTIONS);
    }
    sp_close(&sp);
    house_close(&house);
}

/* ---- watchers that do not read ---- */

static size_t resident_bytes(void) {
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %zu", &pages) != 1) fail_msg("no statm");
    fclose(file);
    return pages * 4096;
}

/* Its answers take 100 KiB each and 200 MiB together. */
static void a_watcher_that_never_reads(void **state) {
    (void)state;
    enum { WATCHES = 2000, GROWTH_MAX = 64 << 20 };
    struct house house = house_open(&(const struct house_settings){.unread_ms = 1000});
    const struct answerer answerer = sp_answerer(house.url);
    struct sp greedy = connect_to(&house), reader = connect_to(&house);
    int small = 4096;
    setsockopt(greedy.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    waiting_stir(&answerer, 'a');
    struct waiting waiting = waiting_of(&answerer, "room", true, WAIT_MS);
    waiting_send(&waiting, &greedy, WATCHES);
    expect_parked(&house, WATCHES, "of one that will not read");
    size_t before = resident_bytes(), most = before;
    for (char fill = 'b'; fill < 'z'; fill++) {
        struct waiting next = waiting_of(&answerer, "room", true, WAIT_MS);
        waiting_send(&next, &reader, 1);
        waiting_free(&next);
        waiting_stir(&answerer, fill);
        expect_told(&reader, 1, 0, "a watcher that reads");
        if (resident_bytes() > most) most = resident_bytes();
    }
    expect_parked(&house, 0, "of one that is to be cut off");
    print_message("who never reads its %d watches cost %zu KiB\n", WATCHES, (most - before) / 1024);
    if (PARKED == 10000 && most - before > GROWTH_MAX) fail_msg("who never reads cost %zu bytes", most - before);
    sp_close(&greedy);
    sp_close(&reader);
    waiting_free(&waiting);
    house_close(&house);
}

/* ---- the end ---- */

static void a_drain_answers_who_waits(void **state) {
    (void)state;
    enum { UNAVAILABLE = 14, DRAIN_MS = 15000 };
    struct house house = house_of();
    const struct answerer answerer = sp_answerer(house.url);
    struct waiting waiting = waiting_of(&answerer, "room", false, WAIT_MS);
    struct sp sp = connect_to(&house);
    waiting_send(&waiting, &sp, 1000);
    expect_parked(&house, 1000, "before the drain");
    pump_stop(rpc_watches(house.rpc));
    expect_parked(&house, 0, "after the pump was stopped");
    if (!door_drain(house.door, DRAIN_MS)) fail_msg("the door does not drain");
    expect_parked(&house, 0, "after the drain");
    expect_told(&sp, 1000, UNAVAILABLE, "who waited");
    sp_close(&sp);
    waiting_free(&waiting);
    house_close(&house);
}

static void a_door_that_closes_with_requests_parked(void **state) {
    (void)state;
    struct house house = house_of();
    const struct answerer answerer = sp_answerer(house.url);
    struct waiting waiting = waiting_of(&answerer, "room", false, WAIT_MS);
    struct sp sp = connect_to(&house);
    waiting_send(&waiting, &sp, 1000);
    expect_parked(&house, 1000, "before the door closes");
    house_close(&house);
    sp_close(&sp);
    waiting_free(&waiting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_wait_and_others_are_served),
        cmocka_unit_test(a_connection_that_goes_gives_its_places_back),
        cmocka_unit_test(past_the_cap_others_keep_their_places),
        cmocka_unit_test(many_questions_at_once),
        cmocka_unit_test(a_watcher_that_never_reads),
        cmocka_unit_test(a_drain_answers_who_waits),
        cmocka_unit_test(a_door_that_closes_with_requests_parked),
    };
    return cmocka_run_group_tests_name("rpc parked", tests, NULL, NULL);
}
