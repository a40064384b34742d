/* The keepalive's wheel, without a network and without a clock. */
#include "client/c/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { TTL_MS = 60000, TURN_MS = TTL_MS / 3, BATCH = SESSIONS_BATCH_MAX };

static struct muster_beat beats[BATCH];
static bool refreshes[BATCH];
static struct muster_departure departures[BATCH];

static void add_many(struct sessions *sessions, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char user[32];
        snprintf(user, sizeof user, "u%zu", i);
        if (sessions_add(sessions, "s", user, "", MUSTER_STATUS_ONLINE, NULL, 0) == NULL) fail_msg("memory is short");
    }
}

/* Sends all that is due, and counts the requests and beats. */
static size_t tell_due(struct sessions *sessions, size_t *requests) {
    size_t told = 0, n;
    while ((n = sessions_take(sessions, BATCH, beats, refreshes)) != 0) {
        sessions_sent(sessions);
        told += n;
        (*requests)++;
    }
    return told;
}

static void every_session_is_due_once_a_turn(void **state) {
    (void)state;
    static const size_t counts[] = {1, 10, 200, 5000, 100000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct sessions sessions;
        sessions_init(&sessions, TTL_MS, (unsigned)i * 7, 0);
        add_many(&sessions, counts[i]);
        size_t requests = 0;
        if (tell_due(&sessions, &requests) != counts[i]) fail_msg("not all were due at first");
        size_t told = 0, most = 0;
        requests = 0;
        for (uint64_t now_ms = 1; now_ms <= 10 * TURN_MS + 100; now_ms += 100) {
            sessions_turn(&sessions, now_ms);
            size_t n = tell_due(&sessions, &requests);
            told += n;
            if (n > most) most = n;
        }
        /* A turn is a third of the TTL, less what its division into slots leaves over. */
        if (told < 10 * counts[i] || told > 11 * counts[i]) fail_msg("%zu beats of %zu in ten turns", told, counts[i]);
        size_t share = counts[i] / 10 + SESSIONS_SHARE_MIN * 2;
        if (most > share) fail_msg("%zu of %zu fell due together", most, counts[i]);
        size_t requests_max = 11 * (SESSIONS_SLOTS + 2 + counts[i] / BATCH * 2);
        if (counts[i] <= SESSIONS_SHARE_MIN) requests_max = 11;
        if (requests > requests_max) fail_msg("%zu requests for %zu sessions in ten turns", requests, counts[i]);
        sessions_free(&sessions);
    }
}

static void no_session_waits_longer_than_a_turn(void **state) {
    (void)state;
    struct sessions sessions;
    sessions_init(&sessions, TTL_MS, 3, 0);
    size_t requests = 0, added = 0;
    uint64_t *last_ms = calloc(2000, sizeof *last_ms);
    for (uint64_t now_ms = 0; now_ms < 5 * TURN_MS; now_ms += 50) {
        if (added < 2000) {
            char user[32];
            snprintf(user, sizeof user, "%zu", added++);
            sessions_add(&sessions, "s", user, "", MUSTER_STATUS_ONLINE, NULL, 0);
            last_ms[added - 1] = now_ms;
        }
        sessions_turn(&sessions, now_ms);
        for (size_t n; (n = sessions_take(&sessions, BATCH, beats, refreshes)) != 0; sessions_sent(&sessions)) {
            for (size_t i = 0; i < n; i++) {
                size_t user = strtoul(beats[i].user, NULL, 10);
                if (now_ms - last_ms[user] > TURN_MS + 50)
                    fail_msg("user %zu waited %u ms", user, (unsigned)(now_ms - last_ms[user]));
                last_ms[user] = now_ms;
            }
            requests++;
        }
    }
    free(last_ms);
    sessions_free(&sessions);
}

static void a_shorter_ttl_turns_the_wheel_faster(void **state) {
    (void)state;
    struct sessions sessions;
    size_t requests = 0;
    sessions_init(&sessions, MUSTER_TTL_MAX_MS, 0, 0);
    add_many(&sessions, 100);
    sessions_take(&sessions, BATCH, beats, refreshes);
    sessions_set_ttl(&sessions, MUSTER_TTL_MIN_MS, 0);
    sessions_sent(&sessions);
    size_t told = 0;
    for (uint64_t now_ms = 1; now_ms <= MUSTER_TTL_MIN_MS / 3; now_ms++) {
        sessions_turn(&sessions, now_ms);
        told += tell_due(&sessions, &requests);
    }
    if (told < 100) fail_msg("only %zu of 100 fell due within a third of the TTL", told);
    sessions_free(&sessions);
}

static void a_batch_that_failed_goes_first(void **state) {
    (void)state;
    struct sessions sessions;
    sessions_init(&sessions, TTL_MS, 0, 0);
    add_many(&sessions, 5);
    assert_int_equal(sessions_take(&sessions, 3, beats, refreshes), 3);
    sessions_put_back(&sessions);
    assert_int_equal(sessions_take(&sessions, 1, beats, refreshes), 1);
    assert_string_equal(beats[0].user, "u0");
    sessions_sent(&sessions);
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 4);
    assert_string_equal(beats[3].user, "u4");
    sessions_sent(&sessions);
    sessions_all_due(&sessions, 0);
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 5);
    sessions_free(&sessions);
}

static void what_is_removed_leaves(void **state) {
    (void)state;
    struct sessions sessions;
    uint32_t linger_ms = 0;
    sessions_init(&sessions, TTL_MS, 0, 0);
    add_many(&sessions, 4);
    sessions_remove(&sessions, sessions_find(&sessions, "s", "u3", ""), 0); /* before it was told */
    assert_int_equal(sessions_leaving(&sessions, BATCH, departures, &linger_ms), 1);
    sessions_left(&sessions, 1);
    assert_false(sessions_has_leaving(&sessions));
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 3);
    sessions_remove(&sessions, sessions_find(&sessions, "s", "u0", ""), 0); /* while it is being told */
    sessions_sent(&sessions);
    sessions_remove(&sessions, sessions_find(&sessions, "s", "u1", ""), 500);
    assert_null(sessions_find(&sessions, "s", "u1", ""));
    assert_int_equal(sessions.count, 1);
    assert_int_equal(sessions_leaving(&sessions, BATCH, departures, &linger_ms), 1);
    assert_string_equal(departures[0].user, "u0");
    assert_int_equal(linger_ms, 0);
    sessions_left(&sessions, 1);
    assert_int_equal(sessions_leaving(&sessions, BATCH, departures, &linger_ms), 1);
    assert_int_equal(linger_ms, 500);
    sessions_remove_all(&sessions);
    sessions_left(&sessions, 1);
    assert_int_equal(sessions_leaving(&sessions, BATCH, departures, &linger_ms), 1);
    assert_string_equal(departures[0].user, "u2");
    sessions_free(&sessions);
}

static void what_is_updated_while_it_is_told_is_told_again(void **state) {
    (void)state;
    struct sessions sessions;
    sessions_init(&sessions, TTL_MS, 0, 0);
    add_many(&sessions, 2);
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 2);
    struct session *session = sessions_find(&sessions, "s", "u1", "");
    assert_true(sessions_update(&sessions, session, MUSTER_STATUS_BUSY, "typing", 6));
    sessions_sent(&sessions);
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 1);
    assert_string_equal(beats[0].user, "u1");
    assert_int_equal(beats[0].status, MUSTER_STATUS_BUSY);
    assert_memory_equal(beats[0].state, "typing", 6);
    sessions_free(&sessions);
}

static void a_batch_fits_a_message(void **state) {
    (void)state;
    struct sessions sessions;
    char blob[MUSTER_STATE_BYTES_MAX] = {0};
    sessions_init(&sessions, TTL_MS, 0, 0);
    add_many(&sessions, BATCH);
    for (size_t i = 0; i < BATCH; i++) {
        char user[32];
        snprintf(user, sizeof user, "u%zu", i);
        sessions_update(&sessions, sessions_find(&sessions, "s", user, ""), MUSTER_STATUS_AWAY, blob, sizeof blob);
    }
    size_t n = sessions_take(&sessions, BATCH, beats, refreshes);
    if (n * sizeof blob > MUSTER_MESSAGE_BYTES_MAX / 2) fail_msg("%zu sessions of 1 KiB in a batch", n);
    sessions_free(&sessions);
}

/* Takes and tells one batch, all of one user; whether its beat was a refresh. */
static bool tell_one(struct sessions *sessions, const uint32_t *unknown, size_t unknown_count, uint64_t now_ms) {
    assert_int_equal(sessions_take(sessions, BATCH, beats, refreshes), 1);
    bool is_refresh = refreshes[0];
    assert_int_equal(beats[0].status, is_refresh ? MUSTER_STATUS_UNSPECIFIED : MUSTER_STATUS_BUSY);
    assert_int_equal(beats[0].state_len, is_refresh ? 0 : 6);
    sessions_told(sessions, unknown, unknown_count, now_ms);
    return is_refresh;
}

static void a_session_is_told_in_full_once(void **state) {
    (void)state;
    struct sessions sessions;
    const uint32_t first = 0;
    sessions_init(&sessions, TTL_MS, 0, 0);
    struct session *session = sessions_add(&sessions, "s", "ada", "", MUSTER_STATUS_BUSY, "typing", 6);
    assert_false(tell_one(&sessions, NULL, 0, 1000));
    sessions_all_due(&sessions, 1000);
    assert_true(tell_one(&sessions, NULL, 0, 2000));
    sessions_all_due(&sessions, 1000);
    assert_true(tell_one(&sessions, &first, 1, 3000)); /* the node does not know it */
    assert_true(sessions_has_due(&sessions));
    assert_false(tell_one(&sessions, NULL, 0, 4000));
    assert_false(sessions_has_due(&sessions));
    assert_true(sessions_update(&sessions, session, MUSTER_STATUS_BUSY, "idling", 6));
    assert_false(tell_one(&sessions, NULL, 0, 5000));
    sessions_all_due(&sessions, 4999); /* another node may not have heard of it */
    assert_false(tell_one(&sessions, NULL, 0, 6000));
    sessions_free(&sessions);
}

/* The indexes are those of the batch, also where sessions leave it while it is under way. */
static void unknown_ones_are_found_in_what_is_left_of_a_batch(void **state) {
    (void)state;
    struct sessions sessions;
    sessions_init(&sessions, TTL_MS, 0, 0);
    add_many(&sessions, 6);
    sessions_take(&sessions, BATCH, beats, refreshes);
    sessions_told(&sessions, NULL, 0, 1000);
    sessions_all_due(&sessions, 1000);
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 6);
    char gone[32], unknown_user[32];
    snprintf(gone, sizeof gone, "%s", beats[1].user);
    snprintf(unknown_user, sizeof unknown_user, "%s", beats[4].user);
    sessions_remove(&sessions, sessions_find(&sessions, "s", gone, ""), 0);
    const uint32_t unknown[] = {1, 4};
    sessions_told(&sessions, unknown, 2, 2000);
    assert_int_equal(sessions_take(&sessions, BATCH, beats, refreshes), 1);
    assert_string_equal(beats[0].user, unknown_user);
    assert_false(refreshes[0]);
    sessions_free(&sessions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_session_is_due_once_a_turn),
        cmocka_unit_test(no_session_waits_longer_than_a_turn),
        cmocka_unit_test(a_shorter_ttl_turns_the_wheel_faster),
        cmocka_unit_test(a_batch_that_failed_goes_first),
        cmocka_unit_test(what_is_removed_leaves),
        cmocka_unit_test(what_is_updated_while_it_is_told_is_told_again),
        cmocka_unit_test(a_batch_fits_a_message),
        cmocka_unit_test(a_session_is_told_in_full_once),
        cmocka_unit_test(unknown_ones_are_found_in_what_is_left_of_a_batch),
    };
    return cmocka_run_group_tests_name("client sessions", tests, NULL, NULL);
}
