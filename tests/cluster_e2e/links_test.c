/* Real nodes in network namespaces, whose links are cut, deaf or bad. */
#include "support/namespaces.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { LONG_MS = 600000, NODES = 3 };

struct links {
    struct namespaces namespaces;
    struct rig rig;
};

static void open_links(struct links *links, const char *const flags[]) {
    if (!namespaces_open(&links->namespaces, NODES)) {
        print_message("SKIPPED: this system does not let us make network namespaces\n");
        skip();
    }
    rig_open(&links->rig, NODES, flags);
    namespaces_hold(&links->namespaces, &links->rig);
    rig_start_all(&links->rig);
}

static void close_links(struct links *links) {
    rig_close(&links->rig);
    namespaces_close(&links->namespaces);
    links->namespaces.count = 0;
}

/* Namespaces outlive a test that failed: the next one, and the end, take them away. */
static struct links links;
static int clean(void **state) {
    (void)state;
    for (size_t i = 0; i < links.rig.count; i++)
        if (links.rig.nodes[i].process != NULL && process_is_running(links.rig.nodes[i].process))
            rig_kill(&links.rig, i);
    if (links.namespaces.count > 0) namespaces_close(&links.namespaces);
    links = (struct links){.namespaces = {.count = 0}};
    return 0;
}

static void expect_agreement(uint64_t live, uint64_t timeout_ms, const char *after) {
    uint64_t start_ms = wait_now_ms();
    for (size_t i = 0; i < NODES; i++) rig_expect_count(&links.rig, i, live, timeout_ms);
    print_message("all agree %llu ms after %s\n", (unsigned long long)(wait_now_ms() - start_ms), after);
}

static void spend(uint64_t ms) {
    uint64_t until_ms = wait_now_ms() + ms;
    while (wait_now_ms() < until_ms) rig_touch(&links.rig, 0, "clock", LONG_MS);
}

/* Both sides go on; what one side knew ends at its TTL on both; what was told comes together after the cut. */
static void a_cut_heals(void **state) {
    enum { TTL_MS = 2000, CUT_MS = 12000, EACH = 1000 };
    (void)state;
    const char *asked = getenv("MUSTER_CUT_MS"); /* minutes by hand: TCP's own back-off grows with the cut */
    uint64_t cut_ms = asked != NULL ? strtoull(asked, NULL, 10) : CUT_MS;
    open_links(&links, NULL);
    rig_touch(&links.rig, 2, "brief", TTL_MS);
    for (size_t i = 0; i < NODES; i++) rig_expect_live(&links.rig, i, "brief", 1000);
    namespaces_cut(&links.namespaces, 2);
    rig_touch_many(&links.rig, 0, "a", EACH, LONG_MS);
    rig_touch_many(&links.rig, 2, "c", EACH, LONG_MS);
    rig_expect_live(&links.rig, 1, "a999", 2000);
    for (size_t i = 0; i < NODES; i++) rig_expect_gone(&links.rig, i, "brief", TTL_MS + 1000);
    spend(cut_ms);
    if (is_live(&links.rig.nodes[1].answerer, "room", "c0")) fail_msg("the cut is none");
    rig_expect_state(&links.rig, 0, 2, MUSTER__V1__NODE_STATE__NODE_STATE_DOWN, 5000);
    namespaces_heal(&links.namespaces, 2);
    expect_agreement(2 * EACH + 1, 3000, "the cut healed");
    rig_expect_state(&links.rig, 0, 2, MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE, 5000);
    rig_expect_state(&links.rig, 2, 0, MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE, 5000);
    close_links(&links);
}

/* What a deaf node is told reaches nobody reliably; once it hears, all agree. */
static void one_way_loss_heals(void **state) {
    enum { DEAF_MS = 6000, EACH = 1000, TTL_MS = 2000 };
    (void)state;
    open_links(&links, NULL);
    namespaces_deafen(&links.namespaces, 1);
    rig_touch_many(&links.rig, 0, "a", EACH, LONG_MS);
    rig_touch_many(&links.rig, 1, "b", EACH, LONG_MS);
    rig_touch(&links.rig, 1, "brief", TTL_MS);
    rig_expect_live(&links.rig, 2, "a999", 2000);
    spend(DEAF_MS);
    if (is_live(&links.rig.nodes[1].answerer, "room", "a0")) fail_msg("it is not deaf");
    for (size_t i = 0; i < NODES; i++)
        if (is_live(&links.rig.nodes[i].answerer, "room", "brief")) fail_msg("a ghost at %s", links.rig.nodes[i].name);
    namespaces_heal(&links.namespaces, 1);
    expect_agreement(2 * EACH + 1, 3000, "the loss ended");
    close_links(&links);
}

/* 100 ms and one packet in twenty, to every node. */
static void a_bad_link_is_only_slow(void **state) {
    enum { EACH = 2000 };
    (void)state;
    open_links(&links, NULL);
    bool has_netem = true;
    for (size_t i = 0; i < NODES && has_netem; i++) has_netem = namespaces_worsen(&links.namespaces, i);
    if (!has_netem) {
        print_message("SKIPPED: this kernel has no netem, so no delay and no loss\n");
        close_links(&links);
        skip();
    }
    for (size_t i = 0; i < NODES; i++) {
        char stem[4] = {(char)('a' + (int)i), '-', '\0'};
        rig_touch_many(&links.rig, i, stem, EACH, LONG_MS);
    }
    expect_agreement(NODES * EACH, 10000, "the last touch");
    close_links(&links);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_cut_heals, clean),
        cmocka_unit_test_teardown(one_way_loss_heals, clean),
        cmocka_unit_test_teardown(a_bad_link_is_only_slow, clean),
    };
    return cmocka_run_group_tests_name("cluster end to end: links", tests, NULL, NULL);
}
