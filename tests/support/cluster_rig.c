#include "cluster_rig.h"
#include "muster/codes.h"
#include "port.h"
#include "seal/keyring.h"
#include "server.h"
#include "sp.h"
#include "wait.h"

#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static const char scope[] = "room";
enum { BATCH = 5000, ARGV_MAX = 48, TEXT_BYTES = 640 };

/* ---- nodes ---- */

static struct tempdir write_key(const struct tempdir *dir) {
    char text[KEYRING_FILE_BYTES_MAX];
    if (sodium_init() < 0) fail_msg("no libsodium");
    size_t len = keyring_generate(text, sizeof text);
    struct tempdir path = tempdir_write(dir, "cluster.key", text, len);
    if (len == 0 || chmod(path.path, 0600) != 0) fail_msg("no key file");
    return path;
}

void rig_open(struct rig *rig, size_t count, const char *const flags[]) {
    *rig = (struct rig){.dir = tempdir_make(), .count = count};
    rig->key_file = write_key(&rig->dir);
    for (size_t i = 0; flags != NULL && flags[i] != NULL && i + 1 < RIG_FLAGS_MAX; i++) rig->flags[i] = flags[i];
    for (size_t i = 0; i < count; i++) {
        struct rig_node *node = &rig->nodes[i];
        char socket_name[32];
        snprintf(node->name, sizeof node->name, "n%zu", i + 1);
        snprintf(node->host, sizeof node->host, "127.0.0.1");
        snprintf(socket_name, sizeof socket_name, "%s.sock", node->name);
        struct tempdir socket = tempdir_path(&rig->dir, socket_name);
        snprintf(node->rpc, sizeof node->rpc, "ipc://%s", socket.path);
        node->gossip_port = port_free();
        node->sync_port = port_free();
        node->key_file = rig->key_file;
        node->answerer = sp_answerer(node->rpc);
        node->answerer.name = node->name;
    }
}

/* A command line under construction. */
struct command {
    const char *argv[ARGV_MAX];
    size_t count;
    char texts[RIG_NODES_MAX + 2][TEXT_BYTES];
    size_t text_count;
};

static void put(struct command *command, const char *word) {
    if (command->count + 1 == ARGV_MAX) fail_msg("too many flags");
    command->argv[command->count++] = word;
}

static void put_address(struct command *command, const char *flag, const char *format, const char *host,
                        unsigned port) {
    char *text = command->texts[command->text_count++];
    int len = snprintf(text, TEXT_BYTES, "%s%s:%u", format, host, port);
    if (len >= TEXT_BYTES) fail_msg("an address that is too long");
    put(command, flag);
    put(command, text);
}

void rig_start(struct rig *rig, size_t i) {
    struct rig_node *node = &rig->nodes[i];
    struct command command = {.count = 0};
    if (node->netns[0] != '\0') {
        const char *const enter[] = {"ip", "netns", "exec", node->netns};
        for (size_t j = 0; j < 4; j++) put(&command, enter[j]);
    }
    const char *const words[] = {server_program(),   "--rpc", node->rpc, "--name", node->name, "--cluster-key-file",
                                 node->key_file.path};
    for (size_t j = 0; j < sizeof words / sizeof words[0]; j++) put(&command, words[j]);
    put_address(&command, "--gossip", "tcp://", node->host, node->gossip_port);
    put_address(&command, "--sync", "tcp://", node->host, node->sync_port);
    for (size_t j = 0; j < rig->count; j++)
        if (j != i) put_address(&command, "--peer", "", rig->nodes[j].host, rig->nodes[j].sync_port);
    if (command.count + SERVER_DEFAULTS_MAX + 1 > ARGV_MAX) fail_msg("too many flags");
    server_add_defaults(command.argv, &command.count);
    for (size_t j = 0; rig->flags[j] != NULL; j++) put(&command, rig->flags[j]);
    if (node->process != NULL) process_free(node->process);
    node->process = process_start(command.argv, &(struct process_options){.environment = node->environment});
    if (!process_await_line(node->process, PROCESS_OUTPUT, "ready", SOON_MS, NULL))
        fail_msg("%s does not become ready:\n%s", node->name, rig_log(rig, i));
}

uint64_t rig_await_joined(struct rig *rig, size_t i) {
    unsigned long long took_ms = 0;
    char *line;
    if (!process_await_line(rig->nodes[i].process, PROCESS_ERRORS, "event=joined", SOON_MS, &line))
        fail_msg("%s does not join:\n%s", rig->nodes[i].name, rig_log(rig, i));
    const char *at = strstr(line, "took_ms=");
    if (at == NULL || sscanf(at, "took_ms=%llu", &took_ms) != 1) fail_msg("no took_ms: %s", line);
    free(line);
    return took_ms;
}

void rig_start_all(struct rig *rig) {
    for (size_t i = 0; i < rig->count; i++) rig_start(rig, i);
    for (size_t i = 0; i < rig->count; i++) rig_await_joined(rig, i);
    for (size_t i = 0; i < rig->count; i++)
        for (size_t j = 0; j < rig->count; j++)
            rig_expect_state(rig, i, j, MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE, SOON_MS);
}

void rig_kill(struct rig *rig, size_t i) {
    process_signal(rig->nodes[i].process, SIGKILL);
    if (!process_wait(rig->nodes[i].process, SOON_MS, NULL)) fail_msg("%s outlives SIGKILL", rig->nodes[i].name);
}

void rig_stop(struct rig *rig, size_t i) {
    struct process_exit how;
    process_signal(rig->nodes[i].process, SIGTERM);
    if (!process_wait(rig->nodes[i].process, SOON_MS, &how)) fail_msg("%s outlives SIGTERM", rig->nodes[i].name);
    if (how.is_signal || how.status != 0)
        fail_msg("%s ends by %s %d:\n%s", rig->nodes[i].name, how.is_signal ? "signal" : "status", how.status,
                 rig_log(rig, i));
}

void rig_close(struct rig *rig) {
    for (size_t i = 0; i < rig->count; i++) {
        struct rig_node *node = &rig->nodes[i];
        if (node->process == NULL) continue;
        if (process_is_running(node->process)) rig_stop(rig, i);
        process_free(node->process);
    }
    tempdir_remove(&rig->dir);
    free(rig->log);
    *rig = (struct rig){.count = 0};
}

const char *rig_log(struct rig *rig, size_t i) {
    free(rig->log);
    rig->log = process_text(rig->nodes[i].process, PROCESS_ERRORS, NULL);
    return rig->log;
}

void rig_await_log(struct rig *rig, size_t i, const char *needle, uint64_t timeout_ms) {
    if (!process_await_line(rig->nodes[i].process, PROCESS_ERRORS, needle, timeout_ms, NULL))
        fail_msg("%s does not log '%s' within %llu ms:\n%s", rig->nodes[i].name, needle, (unsigned long long)timeout_ms,
                 rig_log(rig, i));
}

/* ---- calls ---- */

/* A request, until a node no longer says that it starts or joins. */
struct patient_call {
    const struct rig_node *node;
    uint8_t *request;
    size_t len;
    Muster__V1__Reply *reply;
};

static bool call_is_answered(void *context) {
    struct patient_call *call = context;
    reply_free(call->reply);
    call->reply = ask_bytes(&call->node->answerer, call->request, call->len);
    return call->reply->code != MUSTER_UNAVAILABLE;
}

/* Frees the builder. */
static Muster__V1__Reply *ask_patiently(const struct rig_node *node, struct request_builder *builder) {
    struct patient_call call = {.node = node};
    call.request = builder_packed(builder, &call.len);
    wait_until(call_is_answered, &call, SOON_MS);
    free(call.request);
    if (call.reply->code != 0)
        fail_msg("%s: code %d: %.*s", node->name, call.reply->code, (int)call.reply->message.len,
                 (const char *)call.reply->message.data);
    return call.reply;
}

/* ---- telling ---- */

void rig_touch(struct rig *rig, size_t i, const char *user, uint32_t ttl_ms) {
    struct request_builder builder;
    builder_touch(&builder, scope);
    builder_beat(&builder, user, "");
    builder.touch.ttl_ms = ttl_ms;
    reply_free(ask_patiently(&rig->nodes[i], &builder));
}

void rig_leave(struct rig *rig, size_t i, const char *user) {
    struct request_builder builder;
    builder_leave(&builder, scope);
    builder_departure(&builder, user, "");
    reply_free(ask(&rig->nodes[i].answerer, &builder));
}

void rig_touch_many(struct rig *rig, size_t i, const char *stem, size_t count, uint32_t ttl_ms) {
    for (size_t done = 0; done < count; done += BATCH) {
        struct request_builder builder;
        builder_touch(&builder, scope);
        builder.touch.ttl_ms = ttl_ms;
        for (size_t j = done; j < count && j < done + BATCH; j++)
            builder_beat(&builder, "", "")->user = builder_number(&builder, stem, j);
        reply_free(ask_patiently(&rig->nodes[i], &builder));
    }
}

/* ---- asking ---- */

/* What is waited for at a node. */
struct wish {
    struct rig *rig;
    size_t node, of;
    const char *user;
    bool live;
    uint64_t count, seen;
    int state;
};

static bool user_is(void *context) {
    struct wish *wish = context;
    struct request_builder builder;
    builder_live(&builder, scope);
    builder_user(&builder, builder_bytes(wish->user));
    Muster__V1__Reply *reply = ask_patiently(&wish->rig->nodes[wish->node], &builder);
    bool is_so = reply->live->users[0]->live == wish->live;
    reply_free(reply);
    return is_so;
}

static void expect_user(struct wish wish, uint64_t timeout_ms) {
    if (!wait_until(user_is, &wish, timeout_ms))
        fail_msg("%s is %s at %s after %llu ms:\n%s", wish.user, wish.live ? "not live" : "still live",
                 wish.rig->nodes[wish.node].name, (unsigned long long)timeout_ms, rig_log(wish.rig, wish.node));
}

void rig_expect_live(struct rig *rig, size_t i, const char *user, uint64_t timeout_ms) {
    expect_user((struct wish){.rig = rig, .node = i, .user = user, .live = true}, timeout_ms);
}

void rig_expect_gone(struct rig *rig, size_t i, const char *user, uint64_t timeout_ms) {
    expect_user((struct wish){.rig = rig, .node = i, .user = user, .live = false}, timeout_ms);
}

static bool count_is(void *context) {
    struct wish *wish = context;
    struct request_builder builder;
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes(scope));
    Muster__V1__Reply *reply = ask_patiently(&wish->rig->nodes[wish->node], &builder);
    wish->seen = reply->counts->scopes[0]->live;
    reply_free(reply);
    return wish->seen == wish->count;
}

void rig_expect_count(struct rig *rig, size_t i, uint64_t live, uint64_t timeout_ms) {
    struct wish wish = {.rig = rig, .node = i, .count = live};
    if (!wait_until(count_is, &wish, timeout_ms))
        fail_msg("%llu are live at %s after %llu ms, expected %llu:\n%s", (unsigned long long)wish.seen,
                 rig->nodes[i].name, (unsigned long long)timeout_ms, (unsigned long long)live, rig_log(rig, i));
}

int rig_state(struct rig *rig, size_t i, size_t of) {
    struct request_builder builder;
    int state = 0;
    builder_nodes(&builder);
    Muster__V1__Reply *reply = ask(&rig->nodes[i].answerer, &builder);
    for (size_t j = 0; j < reply->nodes->n_nodes; j++) {
        const Muster__V1__Node *node = reply->nodes->nodes[j];
        if (bytes_are(node->name, rig->nodes[of].name) && (int)node->state > 0 &&
            (state == 0 || (int)node->state < state))
            state = (int)node->state;
    }
    reply_free(reply);
    return state;
}

static bool state_is(void *context) {
    struct wish *wish = context;
    return rig_state(wish->rig, wish->node, wish->of) == wish->state;
}

void rig_expect_state(struct rig *rig, size_t i, size_t of, int state, uint64_t timeout_ms) {
    struct wish wish = {.rig = rig, .node = i, .of = of, .state = state};
    if (!wait_until(state_is, &wish, timeout_ms))
        fail_msg("%s is in state %d at %s, not %d:\n%s", rig->nodes[of].name, rig_state(rig, i, of), rig->nodes[i].name,
                 state, rig_log(rig, i));
}
