/* Real nodes whose wall clocks are stepped while they run. */
#include "support/cluster_rig.h"
#include "support/wait.h"
#include "support/wall.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { HOUR_MS = 3600 * 1000, LONG_MS = 600000, CLOSE_MS = 60000, AGAIN_MS = 8000 };

/* Node 1 has a clock of its own; node 0 has this machine's. */
struct clocks {
    struct rig rig;
    struct wall wall;
};

static void open_clocks(struct clocks *clocks) {
    rig_open(&clocks->rig, 2, NULL);
    wall_open(&clocks->wall, &clocks->rig.dir, "wall", 0);
    clocks->rig.nodes[1].environment = clocks->wall.environment;
    rig_start_all(&clocks->rig);
}

/* How far node `of` is ahead of node `i`, as node `i` says. */
static int64_t clock_ahead_ms(struct rig *rig, size_t i, size_t of) {
    struct request_builder builder;
    builder_nodes(&builder);
    Muster__V1__Reply *reply = ask(&rig->nodes[i].answerer, &builder);
    int64_t ahead_ms = INT64_MIN;
    for (size_t j = 0; j < reply->nodes->n_nodes; j++)
        if (bytes_are(reply->nodes->nodes[j]->name, rig->nodes[of].name)) ahead_ms = reply->nodes->nodes[j]->clock_ms;
    reply_free(reply);
    return ahead_ms;
}

struct expected {
    struct rig *rig;
    size_t i, of;
    int64_t ahead_ms;
};

static bool clock_is_ahead(void *context) {
    const struct expected *expected = context;
    int64_t ahead_ms = clock_ahead_ms(expected->rig, expected->i, expected->of);
    return ahead_ms > expected->ahead_ms - CLOSE_MS && ahead_ms < expected->ahead_ms + CLOSE_MS;
}

static void expect_clock_ahead(struct rig *rig, size_t i, size_t of, int64_t ahead_ms) {
    struct expected expected = {rig, i, of, ahead_ms};
    if (!wait_until(clock_is_ahead, &expected, SOON_MS))
        fail_msg("%s sees the clock of %s %lld ms ahead, not %lld", rig->nodes[i].name, rig->nodes[of].name,
                 (long long)clock_ahead_ms(rig, i, of), (long long)ahead_ms);
}

/* Fault 4: the clock that a node told of was the one of its start. */
static void a_stepped_clock_shows_on_every_node(void **state) {
    static const int64_t steps_ms[] = {0, HOUR_MS, -HOUR_MS, 0};
    (void)state;
    static struct clocks clocks;
    open_clocks(&clocks);
    for (size_t i = 0; i < sizeof steps_ms / sizeof steps_ms[0]; i++) {
        wall_step(&clocks.wall, steps_ms[i]);
        expect_clock_ahead(&clocks.rig, 0, 1, steps_ms[i]);
        expect_clock_ahead(&clocks.rig, 1, 0, -steps_ms[i]);
    }
    rig_touch(&clocks.rig, 1, "ada", LONG_MS);
    rig_expect_live(&clocks.rig, 0, "ada", SOON_MS);
    rig_close(&clocks.rig);
}

/* Fault 3: libnng's timers use the wall clock. Set back by an hour, it did not dial a peer again for an hour. */
static void a_peer_is_heard_again_though_the_clock_was_set_back(void **state) {
    enum { DOWN = MUSTER__V1__NODE_STATE__NODE_STATE_DOWN, ALIVE = MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE };
    (void)state;
    static struct clocks clocks;
    open_clocks(&clocks);
    for (int64_t hours = 1; hours <= 2; hours++) {
        const char *user = hours == 1 ? "ada" : "bob";
        rig_kill(&clocks.rig, 0);
        if (hours == 2) wall_step(&clocks.wall, -hours * HOUR_MS);
        rig_expect_state(&clocks.rig, 1, 0, DOWN, SOON_MS); /* its dialers wait to dial again */
        if (hours == 1) wall_step(&clocks.wall, -hours * HOUR_MS);
        rig_start(&clocks.rig, 0);
        rig_await_joined(&clocks.rig, 0);
        uint64_t start_ms = wait_now_ms();
        rig_expect_state(&clocks.rig, 1, 0, ALIVE, AGAIN_MS);
        rig_touch(&clocks.rig, 0, user, LONG_MS);
        rig_expect_live(&clocks.rig, 1, user, AGAIN_MS);
        print_message("heard again after %llu ms\n", (unsigned long long)(wait_now_ms() - start_ms));
    }
    rig_close(&clocks.rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stepped_clock_shows_on_every_node),
        cmocka_unit_test(a_peer_is_heard_again_though_the_clock_was_set_back),
    };
    return cmocka_run_group_tests_name("cluster end to end: clocks", tests, NULL, NULL);
}
