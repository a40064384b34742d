/* Origins that are gone give up their place. */
#include "cluster_fixture.h"

#include <stdio.h>

enum { GONE = 40, CROWDED = 8, TTL_MS = 3600000 };

static struct cluster_fixture *crowded(void) {
    struct cluster_fixture *fixture = fixture_new(3);
    fixture->crowded_origins = CROWDED;
    for (unsigned i = 0; i < 3; i++) fixture_start(fixture, i);
    fixture_run(fixture, 3000);
    return fixture;
}

/* Node 2 lives and dies, with a user for each of its lives. */
static void live_and_die(struct cluster_fixture *fixture, unsigned lives) {
    char user[16];
    for (unsigned i = 0; i < lives; i++) {
        fixture_stop(fixture, 2);
        fixture_start(fixture, 2);
        fixture_run(fixture, 2000);
        snprintf(user, sizeof user, "u%u", i);
        fixture_touch(fixture, 2, "room", user, TTL_MS);
        fixture_run(fixture, 100);
    }
}

static size_t origins_of(const struct cluster_fixture *fixture, unsigned node) {
    static struct origin_view origins[ROLL_ORIGINS_MAX];
    return roll_origins(fixture->nodes[node].roll, origins);
}

static void require_users(const struct cluster_fixture *fixture, unsigned lives) {
    char user[16];
    for (unsigned node = 0; node < 3; node++)
        for (unsigned i = 0; i < lives; i++) {
            snprintf(user, sizeof user, "u%u", i);
            if (!fixture_is_live(fixture, node, "room", user)) fail_msg("node %u has lost %s", node, user);
        }
}

static void origins_that_are_gone_give_up_their_place(void **state) {
    (void)state;
    struct cluster_fixture *fixture = crowded();
    live_and_die(fixture, GONE);
    fixture_run(fixture, 15000);
    fixture_agree(fixture);
    require_users(fixture, GONE);
    for (unsigned node = 0; node < 3; node++)
        if (origins_of(fixture, node) > CROWDED + CROWDED / 2)
            fail_msg("node %u has registers of %zu origins", node, origins_of(fixture, node));
    /* Most of it by one node, for all. */
    uint64_t adopted = 0;
    for (unsigned node = 0; node < 3; node++) adopted += fixture_stats(fixture, node).adopted;
    if (adopted == 0 || adopted > 4 * GONE) fail_msg("%d registers were adopted", (int)adopted);
    fixture_free(fixture);
}

static void a_cluster_that_is_not_crowded_adopts_nothing(void **state) {
    (void)state;
    struct cluster_fixture *fixture = crowded();
    live_and_die(fixture, CROWDED - 2);
    fixture_run(fixture, 15000);
    require_users(fixture, CROWDED - 2);
    for (unsigned node = 0; node < 2; node++)
        if (fixture_stats(fixture, node).adopted > 0) fail_msg("node %u adopts", node);
    fixture_free(fixture);
}

/* A node that is cut off is no origin that is gone for good: what it does after the cut counts. */
static void a_node_that_was_taken_for_gone_goes_on(void **state) {
    (void)state;
    struct cluster_fixture *fixture = crowded();
    fixture_touch(fixture, 2, "room", "ada", TTL_MS);
    fixture_touch(fixture, 2, "room", "bob", TTL_MS);
    fixture_run(fixture, 2000);
    for (unsigned other = 0; other < 2; other++) fixture_cut(fixture, 2, other, true);
    fixture_run(fixture, 12000);
    for (unsigned i = 0; i < GONE; i++) { /* it is among those that are retired, with few registers */
        fixture_stop(fixture, 1);
        fixture_start(fixture, 1);
        fixture_cut(fixture, 2, 1, true);
        fixture_run(fixture, 2000);
        fixture_touch(fixture, 1, "room", (char[]){'c', (char)('A' + i), 0}, TTL_MS);
        fixture_run(fixture, 100);
    }
    fixture_touch(fixture, 2, "room", "ada", TTL_MS);
    fixture_touch(fixture, 2, "room", "bob", 0);
    for (unsigned other = 0; other < 2; other++) fixture_cut(fixture, 2, other, false);
    fixture_run(fixture, 8000);
    fixture_agree(fixture);
    for (unsigned node = 0; node < 3; node++)
        if (!fixture_is_live(fixture, node, "room", "ada") || fixture_is_live(fixture, node, "room", "bob"))
            fail_msg("node %u does not know what node 2 did", node);
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_that_are_gone_give_up_their_place),
        cmocka_unit_test(a_cluster_that_is_not_crowded_adopts_nothing),
        cmocka_unit_test(a_node_that_was_taken_for_gone_goes_on),
    };
    return cmocka_run_group_tests_name("cluster.retire", tests, NULL, NULL);
}
