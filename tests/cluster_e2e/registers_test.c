/* Registers of users on real nodes: leaves of all sessions that overtake touches, and statuses. */
#include "support/cluster_rig.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { USERS = 40 };

static const char *user_name(char out[16], unsigned i) {
    snprintf(out, 16, "u%u", i);
    return out;
}

static void leave_all(struct rig *rig, size_t node, const char *user, uint64_t stamp) {
    struct request_builder builder;
    builder_leave(&builder, "room");
    builder_departure(&builder, user, "")->all_sessions = true;
    builder.leave.stamp = stamp;
    reply_free(ask(&rig->nodes[node].answerer, &builder));
}

/* The first node publishes after a flush only, so that the second one is asked to end sessions of which it has not
 * heard: of users who are strange to it, and of users of whom it knows an older session. */
static void a_leave_of_all_sessions_overtakes_the_touch_that_it_ends(void **state) {
    static const char *const flags[] = {"--flush", "200ms", NULL};
    struct rig rig;
    char user[16];
    unsigned unheard = 0;
    (void)state;
    rig_open(&rig, 2, flags);
    rig_start_all(&rig);
    for (unsigned i = 0; i < USERS; i += 2) touch(&rig.nodes[0].answerer, "room", user_name(user, i), "old");
    for (unsigned i = 0; i < USERS; i += 2) rig_expect_live(&rig, 1, user_name(user, i), SOON_MS);
    for (unsigned i = 0; i < USERS; i++) {
        uint64_t stamp = touch(&rig.nodes[0].answerer, "room", user_name(user, i), "new");
        unheard += i % 2 != 0 && !is_live(&rig.nodes[1].answerer, "room", user);
        leave_all(&rig, 1, user, stamp);
    }
    /* All that both have acknowledged before is at the other one when these are. */
    rig_touch(&rig, 0, "first", 60000);
    rig_touch(&rig, 1, "second", 60000);
    rig_expect_live(&rig, 1, "first", SOON_MS);
    rig_expect_live(&rig, 0, "second", SOON_MS);
    for (unsigned i = 0; i < USERS; i++)
        for (size_t node = 0; node < 2; node++)
            if (is_live(&rig.nodes[node].answerer, "room", user_name(user, i)))
                fail_msg("%s is live at %s after the leave that carries the stamp of its touch", user,
                         rig.nodes[node].name);
    if (unheard == 0) fail_msg("no leave overtook its touch");
    print_message("%u of %d leaves overtook their touch\n", unheard, USERS / 2);
    touch(&rig.nodes[0].answerer, "room", "u1", "again");
    rig_expect_live(&rig, 1, "u1", SOON_MS);
    rig_close(&rig);
}

struct wanted {
    struct rig *rig;
    size_t node;
    Muster__V1__Status status;
};

static bool has_status(void *context) {
    struct wanted *wanted = context;
    struct request_builder builder;
    builder_live(&builder, "room");
    builder_user(&builder, builder_bytes("ada"));
    Muster__V1__Reply *reply = ask(&wanted->rig->nodes[wanted->node].answerer, &builder);
    bool is_it = reply->live->users[0]->status == wanted->status;
    reply_free(reply);
    return is_it;
}

static void expect_status(struct rig *rig, Muster__V1__Status status) {
    for (size_t node = 0; node < 2; node++) {
        struct wanted wanted = {rig, node, status};
        if (!wait_until(has_status, &wanted, SOON_MS))
            fail_msg("ada does not get the status %d at %s", (int)status, rig->nodes[node].name);
    }
}

static void set_status(struct rig *rig, size_t node, Muster__V1__Status status, uint32_t ttl_ms) {
    struct request_builder builder;
    builder_set_status(&builder, "room", "ada", (int)status);
    builder.set_status.ttl_ms = ttl_ms;
    reply_free(ask(&rig->nodes[node].answerer, &builder));
}

static void a_status_is_set_everywhere_and_outlives_a_restart(void **state) {
    struct rig rig;
    (void)state;
    rig_open(&rig, 2, NULL);
    rig_start_all(&rig);
    set_status(&rig, 0, MUSTER__V1__STATUS__STATUS_BUSY, 0);
    rig_touch(&rig, 1, "ada", 60000);
    expect_status(&rig, MUSTER__V1__STATUS__STATUS_BUSY);
    rig_kill(&rig, 0);
    rig_start(&rig, 0);
    rig_await_joined(&rig, 0);
    expect_status(&rig, MUSTER__V1__STATUS__STATUS_BUSY);
    set_status(&rig, 1, MUSTER__V1__STATUS__STATUS_AWAY, 1000);
    expect_status(&rig,
                  MUSTER__V1__STATUS__STATUS_ONLINE); /* it ends by itself, also where it took the place of BUSY */
    set_status(&rig, 0, MUSTER__V1__STATUS__STATUS_BUSY, 0);
    expect_status(&rig, MUSTER__V1__STATUS__STATUS_BUSY);
    set_status(&rig, 1, MUSTER__V1__STATUS__STATUS_UNSPECIFIED, 0);
    expect_status(&rig, MUSTER__V1__STATUS__STATUS_ONLINE);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leave_of_all_sessions_overtakes_the_touch_that_it_ends),
        cmocka_unit_test(a_status_is_set_everywhere_and_outlives_a_restart),
    };
    return cmocka_run_group_tests_name("cluster end to end: registers of users", tests, NULL, NULL);
}
