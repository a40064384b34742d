/* The table of methods, against the contract and against what is refused when. */
#include "muster/limits.h"
#include "node/cluster.h"
#include "node/figures.h"
#include "node/standstill.h"
#include "node/tick.h"
#include "rpc/method.h"
#include "rpc/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

struct fixture {
    struct node *node;
    struct rpc *rpc;
    struct worker *worker;
    struct instant now;
};

static struct fixture fixture_of(uint64_t origin) {
    const struct node_config config = {.name = text_of("n1"),
                                       .version = text_of("1"),
                                       .origin = origin,
                                       .hash_key = "sixteen bytes..",
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = 1000,
                                       .bytes_max = 1 << 30};
    struct fixture fixture = {.now = {UINT64_C(1) << 40, UINT64_C(1700000000000)}};
    fixture.node = node_new(&config, fixture.now);
    fixture.rpc = fixture.node == NULL ? NULL : rpc_new(fixture.node, 0);
    fixture.worker = worker_new();
    if (fixture.rpc == NULL || fixture.worker == NULL) fail_msg("no node");
    return fixture;
}

static void fixture_close(struct fixture *fixture) {
    worker_free(fixture->worker);
    rpc_free(fixture->rpc);
    node_free(fixture->node);
}

/* A request that is valid where an empty one is not. */
static struct request request_of(enum method method) {
    struct request request = {.method = method};
    if (method == METHOD_TOUCH)
        request.body = (struct text){"\x1a\x05\x12\x03"
                                     "ada",
                                     7};
    if (method == METHOD_LEAVE)
        request.body = (struct text){"\x12\x05\x12\x03"
                                     "ada",
                                     7};
    if (method == METHOD_SET_STATUS)
        request.body = (struct text){"\x12\x03"
                                     "ada\x18\x03",
                                     7};
    if (method == METHOD_WHERE)
        request.body = (struct text){"\x0a\x03"
                                     "ada",
                                     5};
    if (method == METHOD_LIVE)
        request.body = (struct text){"\x12\x03"
                                     "ada",
                                     5};
    return request;
}

static struct response answered(struct fixture *fixture, const struct request *request) {
    struct response response;
    if (!rpc_answer(fixture->rpc, fixture->worker, request, fixture->now, NULL, &response))
        fail_msg("method %d is parked without a waiter", request->method);
    return response;
}

static void expect_answer(struct fixture *fixture, const struct request *request, int code, const char *message) {
    struct response response = answered(fixture, request);
    char text[RESPONSE_MESSAGE_BYTES_MAX + 1];
    snprintf(text, sizeof text, "%.*s", (int)response.message.len, response.message.data);
    if ((int)response.code != code || strstr(text, message) == NULL)
        fail_msg("method %d: code %d '%s', not %d '%s'", request->method, response.code, text, code, message);
}

static bool is_method(const char *name, size_t len) {
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        const char *known = method_entry((enum method)method)->name;
        if (strlen(known) == len && memcmp(known, name, len) == 0) return true;
    }
    return false;
}

/* Every `rpc Name(` of the contract is in the table, and nothing else. */
static void the_table_has_the_methods_of_the_contract(void **state) {
    (void)state;
    char line[256];
    int found = 0;
    FILE *contract = fopen(CONTRACT_PATH, "r");
    if (contract == NULL) fail_msg("no %s", CONTRACT_PATH);
    while (fgets(line, sizeof line, contract) != NULL) {
        static const char rpc[] = "  rpc ";
        if (strncmp(line, rpc, sizeof rpc - 1) != 0) continue;
        const char *name = line + sizeof rpc - 1;
        if (!is_method(name, strcspn(name, "("))) fail_msg("not in the table: %s", line);
        found++;
    }
    fclose(contract);
    assert_int_equal(found, METHODS - METHOD_TOUCH);
    assert_null(method_entry(METHOD_NONE)->name);
    assert_null(method_entry(METHOD_UNKNOWN)->name);
}

static void every_method_is_answered(void **state) {
    (void)state;
    struct fixture fixture = fixture_of(0);
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        const struct request request = request_of((enum method)method);
        expect_answer(&fixture, &request, MUSTER_OK, "");
    }
    expect_answer(&fixture, &(struct request){.method = METHOD_NONE}, MUSTER_INVALID_ARGUMENT, "request: none");
    expect_answer(&fixture, &(struct request){.method = METHOD_UNKNOWN}, MUSTER_UNIMPLEMENTED, "does not know");
    fixture_close(&fixture);
}

/* What a node does not know yet it does not deny, and what nobody would learn of it does not take; Nodes is answered.
 */
static void reads_and_writes_are_refused_while_the_node_joins(void **state) {
    (void)state;
    struct fixture fixture = fixture_of(7);
    const struct node_cluster_config cluster = {.gossip_address = text_of("tcp://127.0.0.1:1"),
                                                .sync_address = text_of("tcp://127.0.0.1:2"),
                                                .flush_ms = 10,
                                                .join_timeout_ms = 10000,
                                                .expects_peers = true};
    assert_true(node_join(fixture.node, &cluster, fixture.now));
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        const struct request request = request_of((enum method)method);
        const struct method_entry *entry = method_entry((enum method)method);
        assert_int_equal(entry->needs_ready, entry->permission == PERMISSION_READ);
        const char *why = entry->needs_ready ? "joining: " : entry->writes ? "starting: " : "";
        expect_answer(&fixture, &request, why[0] != '\0' ? MUSTER_UNAVAILABLE : MUSTER_OK, why);
    }
    fixture_close(&fixture);
}

/* The first node of a cluster: it waits for nobody, not even for its first tick. */
static void a_node_that_expects_no_peers_refuses_nothing(void **state) {
    (void)state;
    struct fixture fixture = fixture_of(7);
    const struct node_cluster_config cluster = {.gossip_address = text_of("tcp://127.0.0.1:1"),
                                                .sync_address = text_of("tcp://127.0.0.1:2"),
                                                .flush_ms = 10,
                                                .join_timeout_ms = 10000};
    assert_true(node_join(fixture.node, &cluster, fixture.now));
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        const struct request request = request_of((enum method)method);
        expect_answer(&fixture, &request, MUSTER_OK, "");
    }
    fixture_close(&fixture);
}

static void writes_of_before_a_standstill_are_refused(void **state) {
    (void)state;
    struct fixture fixture = fixture_of(0);
    struct node_figures figures;
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        struct request request = request_of((enum method)method);
        bool is_write =
            method == METHOD_TOUCH || method == METHOD_LEAVE || method == METHOD_RESET || method == METHOD_SET_STATUS;
        request.stalled_ms = 3000;
        expect_answer(&fixture, &request, is_write ? MUSTER_UNAVAILABLE : MUSTER_OK,
                      is_write ? "the node stood still for 3000 ms; send it again" : "");
    }
    node_figures(fixture.node, &figures);
    assert_int_equal(figures.members, 0);
    fixture_close(&fixture);
}

/* Nobody is denied for what the node slept through: a node alone waits for its clients. */
static void reads_are_refused_after_a_standstill_in_which_leases_ended(void **state) {
    enum { STILL_MS = 5000, STALL_MS = 1000, TICK_MS = 100 };
    (void)state;
    struct fixture fixture = fixture_of(0);
    struct request touch = request_of(METHOD_TOUCH), live = request_of(METHOD_LIVE);
    touch.body = (struct text){"\x10\xe8\x07\x1a\x05\x12\x03" /* a TTL of 1000 ms */
                               "ada",
                               10};
    node_expect_ticks(fixture.node, STALL_MS, fixture.now);
    expect_answer(&fixture, &touch, MUSTER_OK, "");
    fixture.now.now_ms += STALL_MS; /* as late as a tick may be */
    expect_answer(&fixture, &live, MUSTER_OK, "");
    fixture.now.now_ms += STILL_MS;
    expect_answer(&fixture, &live, MUSTER_UNAVAILABLE, "joining: the process stood still");
    expect_answer(&fixture, &touch, MUSTER_OK, "");
    uint64_t until_ms = fixture.now.now_ms + STANDSTILL_GRACE_MS;
    while (fixture.now.now_ms + TICK_MS < until_ms) {
        fixture.now.now_ms += TICK_MS;
        node_tick(fixture.node, fixture.now);
        expect_answer(&fixture, &live, MUSTER_UNAVAILABLE, "joining");
    }
    fixture.now.now_ms += TICK_MS;
    node_tick(fixture.node, fixture.now);
    expect_answer(&fixture, &live, MUSTER_OK, "");
    fixture.now.now_ms += STILL_MS; /* nobody is live any more: nobody can be denied */
    expect_answer(&fixture, &live, MUSTER_OK, "");
    fixture_close(&fixture);
}

static void what_is_too_long_is_refused_by_every_method(void **state) {
    (void)state;
    struct fixture fixture = fixture_of(0);
    char *bytes = calloc(1, MUSTER_MESSAGE_BYTES_MAX + 1);
    for (int method = METHOD_TOUCH; method < METHODS; method++) {
        struct request request = request_of((enum method)method);
        request.token = (struct text){bytes, MUSTER_TOKEN_BYTES_MAX};
        expect_answer(&fixture, &request, MUSTER_OK, "");
        request.token.len++;
        expect_answer(&fixture, &request, MUSTER_INVALID_ARGUMENT, "token: 4097 bytes, at most 4096");
        request.body = (struct text){bytes, MUSTER_MESSAGE_BYTES_MAX + 1};
        expect_answer(&fixture, &request, MUSTER_INVALID_ARGUMENT, "message: 1048577 bytes, at most 1048576");
        request = (struct request){.method = (enum method)method, .body = {"\xff", 1}};
        expect_answer(&fixture, &request, MUSTER_INVALID_ARGUMENT, "message: is no muster.v1.");
    }
    free(bytes);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_the_methods_of_the_contract),
        cmocka_unit_test(every_method_is_answered),
        cmocka_unit_test(reads_and_writes_are_refused_while_the_node_joins),
        cmocka_unit_test(a_node_that_expects_no_peers_refuses_nothing),
        cmocka_unit_test(writes_of_before_a_standstill_are_refused),
        cmocka_unit_test(reads_are_refused_after_a_standstill_in_which_leases_ended),
        cmocka_unit_test(what_is_too_long_is_refused_by_every_method),
    };
    return cmocka_run_group_tests_name("rpc method", tests, NULL, NULL);
}
