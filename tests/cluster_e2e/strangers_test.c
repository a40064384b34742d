/* Real nodes and those who are none: a wrong key, recorded frames, garbage, and keys that change. */
#include "cluster/replica.h"
#include "seal/keyring.h"
#include "support/cluster_rig.h"
#include "support/port.h"
#include "support/sp.h"
#include "support/wait.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { LONG_MS = 600000, TEXT_BYTES = 4096 };

static struct tempdir write_key(struct rig *rig, const char *name, const char *text) {
    struct tempdir path = tempdir_write(&rig->dir, name, text, strlen(text));
    if (chmod(path.path, 0600) != 0) fail_msg("no key file");
    return path;
}

/* ---- who may start, and with what ---- */

static void expect_refusal(const char *const argv[], const char *says) {
    struct process_result result = process_run(argv, NULL, NULL, SOON_MS);
    if (result.timed_out || result.how.is_signal || result.how.status == 0 || strstr(result.errors, says) == NULL)
        fail_msg("%s %s: status %d, '%s', expected '%s'", argv[1], argv[2], result.how.status, result.errors, says);
    process_result_free(&result);
}

static void without_a_key_peers_are_on_this_machine(void **state) {
    (void)state;
    const char *const rpc = "tcp://127.0.0.1:0";
    const char *const peer[] = {MUSTERD_PATH, "--peer", "10.1.2.3", "--rpc", rpc, NULL};
    const char *const dns[] = {MUSTERD_PATH, "--peer", "dns:muster.example:7704", "--rpc", rpc, NULL};
    const char *const gossip[] = {MUSTERD_PATH, "--gossip", "tcp://0.0.0.0:0", "--rpc", rpc, NULL};
    const char *const sync[] = {MUSTERD_PATH, "--sync", "tcp://*:0", "--rpc", rpc, NULL};
    const char *const odd[] = {MUSTERD_PATH, "--peer", "a:b:c", "--rpc", rpc, NULL};
    expect_refusal(peer, "without a key anybody there could join");
    expect_refusal(dns, "without a key anybody there could join");
    expect_refusal(gossip, "without a key anybody there could join");
    expect_refusal(sync, "without a key anybody there could join");
    expect_refusal(odd, "is no peer");
}

static void a_bad_key_file_is_refused(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 1, NULL);
    struct tempdir bad = write_key(&rig, "bad.key", "primary 12\n");
    const char *const of_no_key[] = {MUSTERD_PATH,        "--grpc", "none", "--cluster-key-file", bad.path, "--rpc",
                                     "tcp://127.0.0.1:0", NULL};
    expect_refusal(of_no_key, "line 1");
    const char *const open[] = {MUSTERD_PATH,        "--grpc", "none", "--cluster-key-file", rig.key_file.path, "--rpc",
                                "tcp://127.0.0.1:0", NULL};
    if (chmod(rig.key_file.path, 0644) != 0) fail_msg("no mode");
    expect_refusal(open, rig.key_file.path);
    rig_close(&rig);
}

static void a_wrong_key_tells_nothing(void **state) {
    (void)state;
    const char *const flags[] = {"--join-timeout", "1s", NULL};
    struct rig rig;
    char text[KEYRING_FILE_BYTES_MAX];
    rig_open(&rig, 3, flags);
    if (keyring_generate(text, sizeof text) == 0) fail_msg("no key");
    rig.nodes[2].key_file = write_key(&rig, "other.key", text);
    for (size_t i = 0; i < 3; i++) rig_start(&rig, i);
    for (size_t i = 0; i < 3; i++) rig_await_joined(&rig, i);
    rig_touch(&rig, 0, "ada", LONG_MS);
    rig_touch(&rig, 2, "eve", LONG_MS);
    rig_expect_live(&rig, 1, "ada", 5000);
    rig_await_log(&rig, 0, "event=dropped", SOON_MS);
    rig_await_log(&rig, 2, "event=dropped", SOON_MS);
    if (is_live(&rig.nodes[2].answerer, "room", "ada")) fail_msg("a node with another key knows ada");
    for (size_t i = 0; i < 2; i++)
        if (is_live(&rig.nodes[i].answerer, "room", "eve"))
            fail_msg("%s takes eve from another key", rig.nodes[i].name);
    rig_close(&rig);
}

/* ---- a key that changes while all run ---- */

static void give_key(struct rig *rig, const char *text) {
    write_key(rig, "cluster.key", text);
    for (size_t i = 0; i < rig->count; i++) process_signal(rig->nodes[i].process, SIGHUP);
}

static size_t count_lines(const char *text, const char *needle) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++) count++;
    return count;
}

struct reloads {
    struct rig *rig;
    size_t count;
};

static bool all_have_reloaded(void *context) {
    struct reloads *reloads = context;
    for (size_t i = 0; i < reloads->rig->count; i++)
        if (count_lines(rig_log(reloads->rig, i), "event=reloaded") < reloads->count) return false;
    return true;
}

/* After each step every node hears every other at once. */
static void expect_all_hear_all(struct rig *rig, size_t step) {
    struct reloads reloads = {rig, step};
    if (!wait_until(all_have_reloaded, &reloads, SOON_MS))
        fail_msg("a keyring is not read again:\n%s", rig_log(rig, 0));
    for (size_t i = 0; i < rig->count; i++) {
        char user[32];
        snprintf(user, sizeof user, "u%zu-%zu", step, i);
        rig_touch(rig, i, user, LONG_MS);
        for (size_t j = 0; j < rig->count; j++) rig_expect_live(rig, j, user, 1000);
    }
}

static void keys_rotate_without_a_gap(void **state) {
    (void)state;
    struct rig rig;
    char old[KEYRING_FILE_BYTES_MAX], fresh[KEYRING_FILE_BYTES_MAX], text[TEXT_BYTES];
    char old_key[65], fresh_key[65], places[65];
    rig_open(&rig, 3, NULL);
    char *of_rig = tempdir_read(rig.key_file.path, NULL);
    snprintf(old, sizeof old, "%s", of_rig);
    free(of_rig);
    const char *primary = strstr(old, "primary "), *of_places = strstr(old, "places ");
    if (keyring_generate(fresh, sizeof fresh) == 0 || primary == NULL || of_places == NULL) fail_msg("no keys");
    sscanf(primary, "primary %64s", old_key);
    sscanf(of_places, "places %64s", places);
    sscanf(strstr(fresh, "primary "), "primary %64s", fresh_key);
    rig_start_all(&rig);
    snprintf(text, sizeof text, "primary %s\nkey %s\nplaces %s\n", old_key, fresh_key, places);
    give_key(&rig, text);
    expect_all_hear_all(&rig, 1);
    snprintf(text, sizeof text, "key %s\nprimary %s\nplaces %s\n", old_key, fresh_key, places);
    give_key(&rig, text);
    expect_all_hear_all(&rig, 2);
    snprintf(text, sizeof text, "primary %s\nplaces %s\n", fresh_key, places);
    give_key(&rig, text);
    expect_all_hear_all(&rig, 3);
    for (size_t i = 0; i < 3; i++)
        if (strstr(rig_log(&rig, i), "event=dropped") != NULL)
            fail_msg("%s dropped messages meanwhile:\n%s", rig.nodes[i].name, rig_log(&rig, i));
    give_key(&rig, "primary nonsense\n");
    rig_await_log(&rig, 0, "event=not_reloaded", SOON_MS);
    rig_touch(&rig, 0, "still", LONG_MS);
    rig_expect_live(&rig, 2, "still", 1000);
    rig_close(&rig);
}

/* ---- recorded traffic ---- */

enum { RECORDED_MAX = 4096 };

/* What a subscriber without a key can have of a node's frames. */
struct recorder {
    nng_socket socket;
    nng_msg *frames[RECORDED_MAX];
    atomic_size_t count;
};

static void *record(void *context) {
    struct recorder *recorder = context;
    nng_msg *frame;
    while (nng_recvmsg(recorder->socket, &frame, 0) == 0) {
        size_t count = atomic_load(&recorder->count);
        if (count == RECORDED_MAX) {
            nng_msg_free(frame);
            continue;
        }
        recorder->frames[count] = frame;
        atomic_store(&recorder->count, count + 1);
    }
    return NULL;
}

static bool some_are_recorded(void *context) {
    struct recorder *recorder = context;
    return atomic_load(&recorder->count) >= 3;
}

static void replay(struct recorder *recorder, nng_socket socket) {
    for (size_t i = 0; i < atomic_load(&recorder->count); i++) {
        nng_msg *copy;
        if (nng_msg_dup(&copy, recorder->frames[i]) != 0 || nng_sendmsg(socket, copy, 0) != 0) fail_msg("no replay");
    }
}

/* A node is recorded, killed, and played again from its own port: who it said was live must not come back. */
static void recorded_frames_are_inert(void **state) {
    enum { TTL_MS = 1500 };
    (void)state;
    static struct recorder recorder;
    struct rig rig;
    nng_socket attacker;
    pthread_t thread;
    char url[64];
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", rig.nodes[1].gossip_port);
    if (nng_sub0_open(&recorder.socket) != 0 || nng_socket_set(recorder.socket, NNG_OPT_SUB_SUBSCRIBE, "", 0) != 0 ||
        nng_dial(recorder.socket, url, NULL, 0) != 0 || pthread_create(&thread, NULL, record, &recorder) != 0)
        fail_msg("no recorder");
    if (!wait_until(some_are_recorded, &recorder, SOON_MS)) fail_msg("nothing is published");
    rig_touch_many(&rig, 1, "ghost", 100, TTL_MS);
    rig_expect_live(&rig, 0, "ghost99", 1000);
    rig_expect_gone(&rig, 0, "ghost99", SOON_MS);
    rig_kill(&rig, 1);
    if (nng_pub0_open(&attacker) != 0 || nng_listen(attacker, url, NULL, 0) != 0) fail_msg("no attacker");
    uint64_t until_ms = wait_now_ms() + 5000;
    while (wait_now_ms() < until_ms) {
        replay(&recorder, attacker);
        for (size_t i = 0; i < 3; i += 2)
            if (is_live(&rig.nodes[i].answerer, "room", "ghost0") || is_live(&rig.nodes[i].answerer, "room", "ghost99"))
                fail_msg("a recorded beat is live again at %s", rig.nodes[i].name);
    }
    rig_await_log(&rig, 0, "replayed=", 1000);
    nng_close(attacker);
    rig_touch(&rig, 0, "ada", LONG_MS);
    rig_expect_live(&rig, 2, "ada", 2000);
    /* The next incarnation is heard, and frames of the one before are as inert as they were. */
    rig_start(&rig, 1);
    rig_await_joined(&rig, 1);
    rig_touch(&rig, 1, "again", LONG_MS);
    rig_expect_live(&rig, 0, "again", 5000);
    nng_close(recorder.socket);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < recorder.count; i++) nng_msg_free(recorder.frames[i]);
    rig_close(&rig);
}

/* ---- garbage ---- */

static struct sp greet(uint16_t port, unsigned char protocol) {
    unsigned char greeting[SP_HEADER_BYTES] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
    char url[64];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
    struct sp sp = sp_connect(url);
    if (sp.fd < 0) fail_msg("port %u: no connection", port);
    sp_write(&sp, greeting, sizeof greeting);
    return sp;
}

static void throw_garbage(uint16_t port, unsigned char protocol) {
    static const uint64_t lengths[] = {1, UINT64_C(1) << 30, UINT64_C(1) << 62, UINT64_C(0xFFFFFFFFFFFFFFDF),
                                       UINT64_MAX};
    unsigned char noise[4096];
    for (size_t round = 0; round < 20; round++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            for (size_t j = 0; j < sizeof noise; j++) noise[j] = (unsigned char)((j + round) * 2654435761u >> 24);
            struct sp sp = greet(port, protocol);
            sp_write_length(&sp, lengths[i]);
            sp_write(&sp, noise, sizeof noise);
            if (i % 2 == 0) sp_reset(&sp);
            else sp_close(&sp);
        }
    /* A request that is whole and says nothing. */
    for (size_t round = 0; round < 200; round++) {
        struct sp sp = greet(port, protocol);
        uint32_t id;
        sp_send(&sp, noise, 64 + round * 20, &id);
        sp_close(&sp);
    }
}

static void garbage_does_no_harm(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 2, NULL);
    rig_start_all(&rig);
    throw_garbage(rig.nodes[0].gossip_port, 0x21);
    throw_garbage(rig.nodes[0].sync_port, 0x30);
    rig_touch(&rig, 0, "ada", LONG_MS);
    rig_expect_live(&rig, 1, "ada", 5000);
    rig_touch(&rig, 1, "bob", LONG_MS);
    rig_expect_live(&rig, 0, "bob", 5000);
    rig_close(&rig);
}

/* A peer that is taken over by something that publishes garbage. */
static void garbage_from_a_peer_does_no_harm(void **state) {
    (void)state;
    struct rig rig;
    nng_socket attacker;
    char url[64];
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    rig_kill(&rig, 1);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", rig.nodes[1].gossip_port);
    if (nng_pub0_open(&attacker) != 0 || nng_listen(attacker, url, NULL, 0) != 0) fail_msg("no attacker");
    uint64_t until_ms = wait_now_ms() + 4000;
    while (wait_now_ms() < until_ms) {
        nng_msg *message;
        size_t len = (size_t)(wait_now_ms() % 3) * REPLICA_FRAME_BYTES_MAX / 2 + 100;
        if (nng_msg_alloc(&message, len) != 0) fail_msg("no message");
        memset(nng_msg_body(message), (int)(wait_now_ms() & 0xff), len);
        if (nng_sendmsg(attacker, message, 0) != 0) nng_msg_free(message);
        rig_expect_count(&rig, 0, 0, 1000);
    }
    rig_await_log(&rig, 0, "event=dropped", 3000);
    nng_close(attacker);
    rig_touch(&rig, 0, "ada", LONG_MS);
    rig_expect_live(&rig, 2, "ada", 2000);
    rig_close(&rig);
}

/* ---- a listener that dies ---- */

/* A listener of nng 1.5 ends at a connection that half-closes and resets while it shakes hands; those of the loops do
 * not. */
static void attack_listener(uint16_t port) {
    for (size_t i = 0; i < 200; i++) {
        char url[64];
        snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
        struct sp sp = sp_connect(url);
        if (sp.fd < 0) continue;
        shutdown(sp.fd, SHUT_WR);
        sp_reset(&sp);
    }
}

static void listeners_survive(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 3, NULL);
    rig_start(&rig, 0);
    rig_start(&rig, 1);
    rig_await_joined(&rig, 1);
    attack_listener(rig.nodes[0].gossip_port);
    attack_listener(rig.nodes[0].sync_port);
    rig_start(&rig, 2); /* must subscribe to the first, and sync */
    rig_await_joined(&rig, 2);
    rig_touch(&rig, 0, "ada", LONG_MS);
    rig_expect_live(&rig, 2, "ada", 10000);
    rig_expect_live(&rig, 1, "ada", 10000);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_key_peers_are_on_this_machine),
        cmocka_unit_test(a_bad_key_file_is_refused),
        cmocka_unit_test(a_wrong_key_tells_nothing),
        cmocka_unit_test(keys_rotate_without_a_gap),
        cmocka_unit_test(recorded_frames_are_inert),
        cmocka_unit_test(garbage_does_no_harm),
        cmocka_unit_test(garbage_from_a_peer_does_no_harm),
        cmocka_unit_test(listeners_survive),
    };
    return cmocka_run_group_tests_name("cluster end to end: strangers", tests, NULL, NULL);
}
