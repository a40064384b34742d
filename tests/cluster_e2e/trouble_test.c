/* Fault 16: a peer at a wrong address said nothing, for ever. */
#include "seal/keyring.h"
#include "support/cluster_rig.h"
#include "support/namespaces.h"
#include "support/port.h"
#include "support/server.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* The row of an address as node `i` sees it; reply_free frees the reply. NULL: there is none. */
static const Muster__V1__Node *row_of(struct rig *rig, size_t i, const char *address, Muster__V1__Reply **reply) {
    struct request_builder builder;
    builder_nodes(&builder);
    *reply = ask(&rig->nodes[i].answerer, &builder);
    for (size_t j = 0; j < (*reply)->nodes->n_nodes; j++)
        if (bytes_are((*reply)->nodes->nodes[j]->address, address)) return (*reply)->nodes->nodes[j];
    return NULL;
}

struct wanted {
    struct rig *rig;
    const char *address, *trouble; /* empty: there is to be none */
    char said[256];
};

static bool trouble_is_said(void *context) {
    struct wanted *wanted = context;
    Muster__V1__Reply *reply;
    const Muster__V1__Node *row = row_of(wanted->rig, 0, wanted->address, &reply);
    wanted->said[0] = '\0';
    if (row != NULL)
        snprintf(wanted->said, sizeof wanted->said, "%.*s", (int)row->trouble.len, (const char *)row->trouble.data);
    bool is_said = row != NULL && (wanted->trouble[0] == '\0' ? wanted->said[0] == '\0'
                                                              : strstr(wanted->said, wanted->trouble) != NULL);
    reply_free(reply);
    return is_said;
}

static void expect_trouble(struct rig *rig, const char *address, const char *trouble) {
    struct wanted wanted = {rig, address, trouble, ""};
    if (!wait_until(trouble_is_said, &wanted, 2 * SOON_MS))
        fail_msg("%s: '%s', expected '%s':\n%s", address, wanted.said, trouble, rig_log(rig, 0));
}

static void sync_url(char out[64], unsigned port) {
    snprintf(out, 64, "tcp://127.0.0.1:%u", port);
}

/* Node 0 gets wrong addresses besides; node 1 is right, and has the ports that are meant. */
static void a_wrong_address_is_named(void **state) {
    (void)state;
    struct rig rig;
    struct server server = server_start(NULL);
    char gossip[64], nobody[64], calls[64];
    rig_open(&rig, 2, NULL);
    sync_url(gossip, rig.nodes[1].gossip_port);
    sync_url(nobody, port_free());
    snprintf(calls, sizeof calls, "%.60s", server.tcp);
    const char *const peers[] = {gossip, nobody, calls};
    for (size_t i = 0; i < 3; i++) {
        rig.flags[2 * i] = "--peer";
        rig.flags[2 * i + 1] = peers[i] + strlen("tcp://");
    }
    rig_start(&rig, 0);
    rig.flags[0] = NULL;
    rig_start(&rig, 1);
    expect_trouble(&rig, gossip, "a gossip port (PUB), not a sync port (REP)");
    expect_trouble(&rig, nobody, "connection refused");
    expect_trouble(&rig, calls, "a port for calls (--rpc), not a sync port");
    rig_await_log(&rig, 0, "event=peer_trouble", SOON_MS);
    rig_expect_state(&rig, 0, 1, MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE, SOON_MS);
    char right[64];
    sync_url(right, rig.nodes[1].sync_port);
    expect_trouble(&rig, right, "");
    rig_close(&rig);
    server_end(&server);
}

/* The port for sync requests is open, and the one for frames is not: a firewall, or a wrong --advertise. */
static void a_gossip_address_without_frames_is_named(void **state) {
    (void)state;
    struct rig rig;
    char address[64];
    rig_open(&rig, 2, NULL);
    sync_url(address, rig.nodes[1].sync_port);
    rig.flags[0] = "--advertise";
    rig.flags[1] = "127.0.0.2"; /* its ports are open at 127.0.0.1 alone */
    rig_start(&rig, 1);
    rig.flags[0] = NULL;
    rig_start(&rig, 0);
    expect_trouble(&rig, address, ": connection refused");
    rig_await_log(&rig, 0, "nothing comes from a peer's gossip address", SOON_MS);
    rig_kill(&rig, 1);
    rig_start(&rig, 1);
    expect_trouble(&rig, address, "");
    rig_close(&rig);
}

/* A peer of another key is named, and one that is down; both are fine again once they answer. */
static void trouble_is_over_once_a_peer_answers(void **state) {
    (void)state;
    const char *const flags[] = {"--join-timeout", "1s", NULL};
    struct rig rig;
    char text[KEYRING_FILE_BYTES_MAX], address[64];
    rig_open(&rig, 2, flags);
    if (keyring_generate(text, sizeof text) == 0) fail_msg("no key");
    struct tempdir right = rig.nodes[1].key_file, other = tempdir_write(&rig.dir, "other.key", text, strlen(text));
    if (chmod(other.path, 0600) != 0) fail_msg("no key file");
    sync_url(address, rig.nodes[1].sync_port);
    rig.nodes[1].key_file = other;
    for (size_t i = 0; i < 2; i++) rig_start(&rig, i);
    expect_trouble(&rig, address, "its cluster key is another one");
    rig_kill(&rig, 1);
    expect_trouble(&rig, address, "connection refused");
    rig.nodes[1].key_file = right;
    rig_start(&rig, 1);
    expect_trouble(&rig, address, "");
    rig_close(&rig);
}

/* libnng, which dialled peers before, resolves with AI_ADDRCONFIG: it never reached 127.0.0.1 from a machine whose
 * other addresses are all IPv6. */
static void nodes_meet_on_the_loopback_where_all_else_is_ipv6(void **state) {
    (void)state;
    struct namespaces namespaces;
    struct rig rig;
    if (!namespaces_open_loopback(&namespaces, 2)) {
        print_message("SKIPPED: this system does not let us make network namespaces\n");
        skip();
    }
    rig_open(&rig, 2, NULL);
    namespaces_hold(&namespaces, &rig);
    rig_start_all(&rig);
    rig_touch(&rig, 0, "alice", 60000);
    rig_expect_live(&rig, 1, "alice", SOON_MS);
    rig_close(&rig);
    namespaces_close(&namespaces);
}

static size_t count_lines(struct rig *rig, const char *first, const char *second) {
    size_t count = 0;
    for (char *line = strtok((char *)(uintptr_t)rig_log(rig, 0), "\n"); line != NULL; line = strtok(NULL, "\n"))
        count += strstr(line, first) != NULL && strstr(line, second) != NULL;
    return count;
}

struct restarts {
    struct rig *rig;
    size_t count;
};

static bool restarts_are_logged(void *context) {
    const struct restarts *restarts = context;
    return count_lines(restarts->rig, "event=peer_restarted", "peer=n2") >= restarts->count;
}

/* Fault 30: each restart of a peer was logged as a peer that is alive, as if it had been found. */
static void a_restart_is_logged_as_one(void **state) {
    (void)state;
    enum { RESTARTS = 3 };
    struct rig rig;
    rig_open(&rig, 2, NULL);
    rig_start_all(&rig);
    rig_await_log(&rig, 0, "state=alive", SOON_MS);
    for (int i = 1; i <= RESTARTS; i++) {
        rig_kill(&rig, 1);
        rig_start(&rig, 1);
        struct restarts wanted = {&rig, (size_t)i};
        if (!wait_until(restarts_are_logged, &wanted, SOON_MS)) fail_msg("restart %d: %s", i, rig_log(&rig, 0));
    }
    if (count_lines(&rig, "event=peer_restarted", "peer=n2") != RESTARTS) fail_msg("a restart is logged twice");
    if (count_lines(&rig, "event=peer_state", "state=alive") != 1)
        fail_msg("a restart is logged as a peer that is alive");
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_address_is_named),
        cmocka_unit_test(a_gossip_address_without_frames_is_named),
        cmocka_unit_test(trouble_is_over_once_a_peer_answers),
        cmocka_unit_test(a_restart_is_logged_as_one),
        cmocka_unit_test(nodes_meet_on_the_loopback_where_all_else_is_ipv6),
    };
    return cmocka_run_group_tests_name("cluster end to end: trouble", tests, NULL, NULL);
}
