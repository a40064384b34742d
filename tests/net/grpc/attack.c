#include "attack.h"

#include "support/certificates.h"
#include "support/wait.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* ---- servers ---- */

/* The files are read at the start, and not needed afterwards. */
static struct server start_with_tls(const char *const flags[]) {
    struct tempdir dir = tempdir_make();
    struct authority *authority = authority_new("test");
    const struct certificate own =
        certificate_make(authority, &dir, "server", &(struct certificate_wish){.names = NULL});
    const char *all[SERVER_FLAGS_MAX + 1] = {"--tls-cert", own.cert.path, "--tls-key", own.key.path};
    for (size_t i = 0; flags != NULL && flags[i] != NULL && i + 4 < SERVER_FLAGS_MAX; i++) all[4 + i] = flags[i];
    struct server server = server_start(all);
    char address[SERVER_URL_BYTES];
    memcpy(address, server.grpc, sizeof address);
    snprintf(server.grpc, sizeof server.grpc, "tls:%.*s", SERVER_URL_BYTES - 8, address);
    authority_free(authority);
    tempdir_remove(&dir);
    return server;
}

struct server attack_server_start(const char *const flags[]) {
    struct server server = getenv("MUSTER_TEST_TLS") != NULL ? start_with_tls(flags) : server_start(flags);
    if (strchr(server.grpc, ':') == NULL) fail_msg("musterd has no gRPC door");
    return server;
}

/* ---- memory ---- */

static FILE *open_of_server(const struct server *server, const char *file, const char *mode) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process_pid(server->process), file);
    return fopen(path, mode);
}

/* The largest resident set since it was forgotten. */
static size_t peak_bytes(const struct server *server) {
    char line[256];
    unsigned long long kib = 0;
    FILE *status = open_of_server(server, "status", "r");
    if (status == NULL) fail_msg("the server is gone");
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %llu", &kib) == 1) break;
    fclose(status);
    if (kib == 0) fail_msg("no VmHWM");
    return (size_t)kib * 1024;
}

static void forget_peak(const struct server *server) {
    FILE *clear = open_of_server(server, "clear_refs", "w");
    if (clear == NULL) return; /* then the peak is that of all its life, which is no less */
    fputs("5", clear);
    fclose(clear);
}

/* ---- somebody else ---- */

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void ask(struct h2 *h2, const char *name, const char *when) {
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ATTACK_CALL}, 0);
    grpc_send(h2, id, (struct text){"", 0}, H2_END_STREAM);
    if (!h2_await_stream_end(h2, id, ATTACK_SERVED_MS))
        fail_msg("%s: somebody else is not answered %s (GOAWAY: %u, error %u '%s')", name, when, h2->goaways,
                 h2->goaway_error, h2->goaway_debug);
    struct grpc_result result = grpc_result(h2, id);
    if (result.code != 0) fail_msg("%s: somebody else gets status %d '%s' %s", name, result.code, result.message, when);
    h2_forget(h2, id);
}

void attack_ask_bystander(struct attack *attack) {
    uint64_t begun_us = now_us();
    ask(attack->bystander, attack->name, "meanwhile");
    if (attack->latency_count < ATTACK_LATENCIES_MAX)
        attack->latencies_us[attack->latency_count++] = (uint32_t)(now_us() - begun_us);
}

static int compare_latencies(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* ---- an attack ---- */

void attack_begin(struct attack *attack, struct server *server, const char *name) {
    *attack = (struct attack){.name = name, .server = server, .bystander = h2_open(server->grpc)};
    ask(attack->bystander, name, "before");
    forget_peak(server);
    attack->peak_bytes = peak_bytes(server);
}

void attack_end(struct attack *attack, size_t growth_bytes_max) {
    server_expect_running(attack->server, attack->name);
    attack_ask_bystander(attack);
    h2_close(attack->bystander);
    struct h2 *fresh = h2_open(attack->server->grpc);
    ask(fresh, attack->name, "on a new connection afterwards");
    h2_close(fresh);
    size_t peak = peak_bytes(attack->server), grown = peak > attack->peak_bytes ? peak - attack->peak_bytes : 0;
    qsort(attack->latencies_us, attack->latency_count, sizeof *attack->latencies_us, compare_latencies);
    print_message("%s: somebody else waited %u us (median of %zu), %u us at most; %zu KiB more memory\n", attack->name,
                  attack->latencies_us[attack->latency_count / 2], attack->latency_count,
                  attack->latencies_us[attack->latency_count - 1], grown / 1024);
    if (grown > growth_bytes_max)
        fail_msg("%s: the server grew by %zu bytes, at most %zu", attack->name, grown, growth_bytes_max);
}

static bool is_one_of(uint32_t error, const uint32_t errors[]) {
    for (; *errors != 0; errors++)
        if (*errors == error) return true;
    return false;
}

void attack_until_ended(struct attack *attack, attack_burst_fn *burst, unsigned rounds, const uint32_t errors[]) {
    struct h2 *h2 = h2_open(attack->server->grpc);
    unsigned round = 0;
    for (; round < rounds && h2->goaways == 0 && !h2->is_ended; round++) {
        h2_hold(h2);
        burst(h2, round);
        h2_release(h2);
        attack_ask_bystander(attack);
        h2_round_trip(h2, ATTACK_CLOSED_MS); /* so that no more streams are open than may be */
        h2_read_all(h2);
    }
    if (!h2_await_goaways(h2, 1, round < rounds ? ATTACK_CLOSED_MS : 2000))
        fail_msg("%s: %s after %u rounds without a GOAWAY", attack->name,
                 h2->is_ended ? "the connection ended" : "the connection goes on", round);
    if (!is_one_of(h2->goaway_error, errors))
        fail_msg("%s: GOAWAY with error %u '%s' in round %u, expected %u", attack->name, h2->goaway_error,
                 h2->goaway_debug, round, errors[0]);
    if (!h2_await_end(h2, ATTACK_CLOSED_MS)) fail_msg("%s: the connection is kept after GOAWAY", attack->name);
    h2_close(h2);
}

void attack_until_calmed(struct attack *attack, attack_burst_fn *burst, unsigned rounds) {
    attack_until_ended(attack, burst, rounds, (const uint32_t[]){NGHTTP2_ENHANCE_YOUR_CALM, 0});
}
