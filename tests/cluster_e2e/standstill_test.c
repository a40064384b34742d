/* A node that stood still for longer than the TTL, while its users beat at another one: nobody is told that anybody
 * left, and no read denies anybody. */
#include "muster/codes.h"
#include "support/cluster_rig.h"
#include "support/sp.h"
#include "support/wait.h"
#include "support/watcher.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { TTL_MS = 2000, STILL_MS = 2 * TTL_MS, BEAT_MS = 400, USERS = 2000, READS = 40, ANSWERED_MS = 20000 };
static const char scope[] = "room"; /* the rig's */
/* What the scenarios are about; the rig gives nodes with a sanitizer more. */
static const char *const flags[] = {"--max-stall", "1s", NULL};

/* ---- a watcher that speaks the wire itself ---- */

struct wire_watcher {
    struct sp sp;
    struct watcher watcher;
};

static void wire_watcher_open(struct wire_watcher *wire, const char *url) {
    *wire = (struct wire_watcher){.watcher = {.scope = scope}};
    wire->sp = sp_open(url, ANSWERED_MS);
    if (wire->sp.fd < 0) fail_msg("no connection");
}

static void wire_watcher_close(struct wire_watcher *wire) {
    sp_close(&wire->sp);
    watcher_close(&wire->watcher);
}

static void wire_watcher_send(struct wire_watcher *wire, uint32_t max_wait_ms) {
    struct request_builder builder;
    uint32_t id;
    wire->watcher.max_wait_ms = max_wait_ms;
    watcher_build(&wire->watcher, &builder);
    if (!sp_send_built(&wire->sp, &builder, &id)) fail_msg("the watcher is cut off");
}

/* Takes an answer; a node that joins sends the watcher elsewhere, which here means to come back. */
static void wire_watcher_receive(struct wire_watcher *wire) {
    uint32_t id;
    size_t len;
    uint8_t *bytes = sp_receive(&wire->sp, ANSWERED_MS, &id, &len);
    Muster__V1__Reply *reply = bytes == NULL ? NULL : muster__v1__reply__unpack(NULL, len, bytes);
    if (reply == NULL) fail_msg("the watcher has no answer");
    const char *fault = reply->code == 0 ? watcher_apply(&wire->watcher, reply->watch) : NULL;
    if (fault != NULL || (reply->code != 0 && reply->code != MUSTER_UNAVAILABLE))
        fail_msg("code %d: %s", reply->code, fault != NULL ? fault : "a watch is refused");
    if (reply->code != 0) wire->watcher.is_synced = false;
    reply_free(reply);
    free(bytes);
}

static bool wire_watcher_sees(void *context) {
    struct wire_watcher *wire = context;
    wire_watcher_send(wire, 0);
    wire_watcher_receive(wire);
    return wire->watcher.is_synced;
}

static void wire_watcher_catch_up(struct wire_watcher *wire) {
    wire->watcher.is_synced = false;
    if (!wait_until(wire_watcher_sees, wire, SOON_MS)) fail_msg("the watcher is not told all");
}

/* ---- reads that wait in the socket ---- */

static void send_reads(struct sp *sp, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct request_builder builder;
        uint32_t id;
        builder_counts(&builder);
        builder_scope(&builder, builder_bytes(scope));
        if (!sp_send_built(sp, &builder, &id)) fail_msg("the reader is cut off");
    }
}

/* Each is answered with all users, or refused; returns whether the last one was answered. */
static bool expect_all_or_nothing(struct sp *sp, size_t count, uint64_t live) {
    bool is_answered = false;
    for (size_t i = 0; i < count; i++) {
        uint32_t id;
        size_t len;
        uint8_t *bytes = sp_receive(sp, ANSWERED_MS, &id, &len);
        Muster__V1__Reply *reply = bytes == NULL ? NULL : muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL) fail_msg("read %zu has no answer", i);
        is_answered = reply->code == 0;
        if (is_answered && reply->counts->scopes[0]->live != live)
            fail_msg("read %zu says that %d are live, not %d", i, (int)reply->counts->scopes[0]->live, (int)live);
        if (!is_answered && reply->code != MUSTER_UNAVAILABLE) fail_msg("read %zu: code %d", i, reply->code);
        reply_free(reply);
        free(bytes);
    }
    return is_answered;
}

struct reader {
    struct sp *sp;
    uint64_t live;
};

static bool is_read(void *context) {
    struct reader *reader = context;
    send_reads(reader->sp, 1);
    return expect_all_or_nothing(reader->sp, 1, reader->live);
}

/* ---- beats ---- */

static bool has_passed(void *context) {
    return wait_now_ms() >= *(uint64_t *)context;
}

static void wait_for(uint64_t ms) {
    uint64_t until_ms = wait_now_ms() + ms;
    wait_until(has_passed, &until_ms, 10 * ms);
}

/* Keeps the users live at a node for so long: that the time passes is the scenario. */
static void keep_live(struct rig *rig, size_t node, uint64_t ms) {
    for (uint64_t end_ms = wait_now_ms() + ms; wait_now_ms() < end_ms; wait_for(BEAT_MS))
        rig_touch_many(rig, node, "u", USERS, TTL_MS);
}

static void expect_told_of_nobody(const struct watcher *watcher, const char *who) {
    if (watcher->left > 0 || watcher->joined > 0 || watcher->live != USERS)
        fail_msg("%s was told that %zu left and %zu joined, and knows %zu", who, watcher->left, watcher->joined,
                 watcher->live);
}

static void nobody_is_told_to_have_left_while_a_node_stood_still(void **state) {
    (void)state;
    struct rig rig;
    struct wire_watcher wire;
    rig_open(&rig, 3, flags);
    rig_start_all(&rig);
    rig_touch_many(&rig, 0, "u", USERS, TTL_MS);
    rig_expect_count(&rig, 1, USERS, SOON_MS);
    wire_watcher_open(&wire, rig.nodes[1].rpc);
    wire_watcher_catch_up(&wire);
    struct sp sp = sp_open(rig.nodes[1].rpc, ANSWERED_MS);
    struct reader reader = {&sp, USERS};
    wire_watcher_send(&wire, 60000); /* waits at the node */

    rig_touch_many(&rig, 0, "u", USERS, TTL_MS);
    process_stand_still(rig.nodes[1].process, SOON_MS);
    send_reads(&sp, READS); /* are in its socket when it goes on */
    keep_live(&rig, 0, STILL_MS);
    rig_touch_many(&rig, 0, "u", USERS, 10 * TTL_MS);
    process_signal(rig.nodes[1].process, SIGCONT);

    expect_all_or_nothing(&sp, READS, USERS);
    if (!wait_until(is_read, &reader, SOON_MS)) fail_msg("it answers no reads any more:\n%s", rig_log(&rig, 1));
    rig_touch(&rig, 0, "one-more", 10 * TTL_MS); /* whoever waits is told of this one */
    wire_watcher_receive(&wire);
    wire_watcher_catch_up(&wire);
    rig_expect_count(&rig, 1, USERS + 1, SOON_MS);
    wire_watcher_catch_up(&wire);
    if (watcher_find(&wire.watcher, "one-more") == NULL) fail_msg("the watcher misses who came");
    size_t joined = wire.watcher.joined; /* it may be among those that were present */
    if (wire.watcher.left > 0 || joined > 1 || wire.watcher.live != USERS + 1)
        fail_msg("the watcher was told that %zu left and %zu joined, and knows %zu", wire.watcher.left, joined,
                 wire.watcher.live);
    rig_await_log(&rig, 1, "stood_still", SOON_MS);
    sp_close(&sp);
    wire_watcher_close(&wire);
    rig_close(&rig);
}

/* There is nobody to ask but the clients: they get the time to send their beats again. Who does not is gone. */
static void a_lone_node_waits_for_beats_after_it_stood_still(void **state) {
    (void)state;
    struct rig rig;
    struct wire_watcher wire;
    rig_open(&rig, 1, flags);
    rig_start_all(&rig);
    rig_touch_many(&rig, 0, "u", USERS, TTL_MS);
    rig_touch(&rig, 0, "crashed", TTL_MS);
    wire_watcher_open(&wire, rig.nodes[0].rpc);
    wire_watcher_catch_up(&wire);
    struct sp sp = sp_open(rig.nodes[0].rpc, ANSWERED_MS);
    struct reader reader = {&sp, USERS};
    process_stand_still(rig.nodes[0].process, SOON_MS);
    send_reads(&sp, READS);
    wait_for(STILL_MS);
    process_signal(rig.nodes[0].process, SIGCONT);
    rig_touch_many(&rig, 0, "u", USERS, 10 * TTL_MS);
    expect_all_or_nothing(&sp, READS, USERS);
    if (!wait_until(is_read, &reader, SOON_MS)) fail_msg("it answers no reads any more:\n%s", rig_log(&rig, 0));
    wire_watcher_catch_up(&wire);
    expect_told_of_nobody(&wire.watcher, "the watcher");
    if (wire.watcher.resyncs != 1) fail_msg("%u resyncs", wire.watcher.resyncs);
    sp_close(&sp);
    wire_watcher_close(&wire);
    rig_close(&rig);
}

/* A standstill in which no lease ended costs no read. */
static void a_short_standstill_of_a_lone_node_costs_nothing(void **state) {
    enum { SHORT_MS = 1500 };
    (void)state;
    struct rig rig;
    struct wire_watcher wire;
    rig_open(&rig, 1, flags);
    rig_start_all(&rig);
    rig_touch_many(&rig, 0, "u", USERS, 60000);
    wire_watcher_open(&wire, rig.nodes[0].rpc);
    wire_watcher_catch_up(&wire);
    struct sp sp = sp_open(rig.nodes[0].rpc, ANSWERED_MS);
    process_stand_still(rig.nodes[0].process, SOON_MS);
    send_reads(&sp, READS);
    wait_for(SHORT_MS);
    process_signal(rig.nodes[0].process, SIGCONT);
    if (!expect_all_or_nothing(&sp, READS, USERS)) fail_msg("it refuses reads:\n%s", rig_log(&rig, 0));
    wire_watcher_catch_up(&wire);
    expect_told_of_nobody(&wire.watcher, "the watcher");
    if (wire.watcher.resyncs > 0) fail_msg("%u resyncs", wire.watcher.resyncs);
    sp_close(&sp);
    wire_watcher_close(&wire);
    rig_close(&rig);
}

/* main [TEST]: this one alone. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_told_to_have_left_while_a_node_stood_still),
        cmocka_unit_test(a_lone_node_waits_for_beats_after_it_stood_still),
        cmocka_unit_test(a_short_standstill_of_a_lone_node_costs_nothing),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("cluster end to end: standing still", tests, NULL, NULL);
}
