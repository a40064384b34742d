/* TLS of a real musterd: its flags, SIGHUP under load, attacks, and what a connection costs. */
#include "support/certificates.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/tls_client.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static struct tempdir folder;
static struct authority *authority;
static struct tempdir ca;
static struct certificate own, client;

static struct server start_server(const char *flag, const char *value) {
    const char *flags[] = {
        "--rpc", "tls+tcp://127.0.0.1:0", "--tls-cert", own.cert.path, "--tls-key", own.key.path, flag, value, NULL};
    return server_start(flags);
}

/* ---- the command line ---- */

static void what_cannot_be_is_said(void **state) {
    (void)state;
    struct tempdir text = tempdir_write(&folder, "text", "no PEM", 6), missing = tempdir_path(&folder, "missing");
    const char *tls = "tls+tcp://127.0.0.1:0";
    struct {
        const char *flags[12];
        int status;
        const char *expected;
    } cases[] = {
        {{"--rpc", tls}, 2, "needs --tls-cert and --tls-key"},
        {{"--tls-cert", own.cert.path}, 2, "--tls-cert and --tls-key are given together"},
        {{"--tls-key", own.key.path}, 2, "--tls-cert and --tls-key are given together"},
        {{"--tls-client-ca", ca.path}, 2, "--tls-client-ca needs --tls-cert"},
        {{"--rpc", "tls+tcp://0.0.0.0:0", "--tls-cert", own.cert.path, "--tls-key", own.key.path},
         2,
         "can be reached from beyond this machine"},
        {{"--rpc", tls, "--tls-cert", missing.path, "--tls-key", own.key.path}, 1, "No such file"},
        {{"--rpc", tls, "--tls-cert", text.path, "--tls-key", own.key.path}, 1, "it holds no certificate in PEM"},
        {{"--rpc", tls, "--tls-cert", own.cert.path, "--tls-key", client.key.path}, 1, "not that of the certificate"},
        {{"--rpc", tls, "--tls-cert", own.cert.path, "--tls-key", own.key.path, "--tls-client-ca", text.path},
         1,
         "it holds no certificate in PEM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[20] = {server_program(), "--grpc", "none"};
        for (size_t j = 0; cases[i].flags[j] != NULL; j++) argv[3 + j] = cases[i].flags[j];
        struct process_result result = process_run(argv, NULL, NULL, PATIENCE_MS);
        if (result.timed_out || result.how.is_signal || result.how.status != cases[i].status)
            fail_msg("case %zu: status %d, expected %d:\n%s", i, result.how.status, cases[i].status, result.errors);
        if (strstr(result.errors, cases[i].expected) == NULL)
            fail_msg("case %zu: expected '%s' in:\n%s", i, cases[i].expected, result.errors);
        process_result_free(&result);
    }
}

static void await_log(struct server *server, const char *text) {
    if (!process_await_line(server->process, PROCESS_ERRORS, text, PATIENCE_MS, NULL))
        fail_msg("no '%s' in the log:\n%s", text, process_text(server->process, PROCESS_ERRORS, NULL));
}

static void certificates_of_other_times_are_warned_of(void **state) {
    (void)state;
    struct certificate usual = own;
    own = certificate_make(authority, &folder, "old", &(struct certificate_wish){.is_expired = true});
    struct server server = start_server(NULL, NULL);
    await_log(&server, "event=tls_certificate msg=\"the certificate of --tls-cert has expired\"");
    await_log(&server, "not_after=");
    server_end(&server);
    own = certificate_make(authority, &folder, "new", &(struct certificate_wish){.is_not_begun = true});
    server = start_server(NULL, NULL);
    await_log(&server, "is not valid yet");
    server_end(&server);
    own = usual;
}

/* ---- clients ---- */

static int dial(const char *url) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail_msg("%s: no connection", url);
    return fd;
}

static void mutual_tls_reaches_beyond_this_machine(void **state) {
    (void)state;
    const char *flags[] = {"--rpc",      "tls+tcp://0.0.0.0:0", "--rpc",           "tls+tcp://127.0.0.1:0",
                           "--tls-cert", own.cert.path,         "--tls-key",       own.key.path,
                           "--grpc",     "127.0.0.1:0",         "--tls-client-ca", ca.path,
                           NULL};
    struct server server = server_start(flags);
    struct tls_client_options options = {.ca = ca.path, .host = "localhost"};
    char byte;
    int fd = dial(server.tls);
    struct tls_client *tls = tls_client_new(fd, &options);
    (void)tls_client_shake_within(tls, PATIENCE_MS);
    if (tls_client_read_within(tls, &byte, 1, PATIENCE_MS) != -1) fail_msg("a client without a certificate is let in");
    tls_client_free(tls);
    close(fd);
    await_log(&server, "event=tls_failed");
    await_log(&server, "reason=\"peer did not return a certificate\"");
    options.cert = client.cert.path, options.key = client.key.path;
    fd = dial(server.tls);
    tls = tls_client_new(fd, &options);
    if (!tls_client_shake_within(tls, PATIENCE_MS)) fail_msg("no handshake: %s", tls_client_failure(tls));
    if (tls_client_read_within(tls, &byte, 1, PATIENCE_MS) != 1) fail_msg("no greeting: %s", tls_client_failure(tls));
    tls_client_free(tls);
    close(fd);
    server_end(&server);
}

/* ---- SIGHUP ---- */

struct load {
    const char *url;
    atomic_bool is_over;
    atomic_uint answered, failed;
};

/* Asks over one connection that stays and one that is new each time. */
static void *run_load(void *context) {
    struct load *load = context;
    struct sp lasting = sp_open(load->url, PATIENCE_MS);
    while (!atomic_load(&load->is_over)) {
        struct sp fresh = sp_open(load->url, PATIENCE_MS);
        bool is_good = sp_is_answered(&lasting, PATIENCE_MS) && sp_is_answered(&fresh, PATIENCE_MS);
        atomic_fetch_add(is_good ? &load->answered : &load->failed, 1);
        sp_close(&fresh);
    }
    sp_close(&lasting);
    return NULL;
}

static bool has_answered_more(void *context) {
    struct load *load = context;
    return atomic_load(&load->answered) >= 5 || atomic_load(&load->failed) > 0;
}

static void expect_load_goes_on(struct load *load) {
    atomic_store(&load->answered, 0);
    if (!wait_until(has_answered_more, load, PATIENCE_MS) || atomic_load(&load->failed) > 0)
        fail_msg("requests failed around a SIGHUP");
}

static void expect_peer(const char *url, const char *name) {
    int fd = dial(url);
    struct tls_client *tls = tls_client_new(fd, &(struct tls_client_options){.ca = ca.path, .host = "localhost"});
    if (!tls_client_shake_within(tls, PATIENCE_MS)) fail_msg("no handshake: %s", tls_client_failure(tls));
    if (strcmp(tls_client_peer(tls), name) != 0)
        fail_msg("the certificate is of '%s', not %s", tls_client_peer(tls), name);
    tls_client_free(tls);
    close(fd);
}

static void a_certificate_is_changed_under_load(void **state) {
    (void)state;
    pthread_t threads[3];
    struct certificate usual = own;
    own = certificate_make(authority, &folder, "changing", &(struct certificate_wish){.common = "first"});
    struct server server = start_server(NULL, NULL);
    struct load load = {.url = server.tls};
    for (size_t i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, run_load, &load) != 0) fail_msg("no thread");
    expect_peer(server.tls, "first");
    expect_load_goes_on(&load);
    (void)certificate_make(authority, &folder, "changing",
                           &(struct certificate_wish){.common = "second", .is_rsa = true});
    process_signal(server.process, SIGHUP);
    await_log(&server, "event=reloaded msg=\"the certificate was read again");
    expect_peer(server.tls, "second");
    expect_load_goes_on(&load);
    (void)tempdir_write(&folder, "changing.pem", "nothing", 7);
    process_signal(server.process, SIGHUP);
    await_log(&server, "event=not_reloaded");
    expect_peer(server.tls, "second");
    expect_load_goes_on(&load);
    atomic_store(&load.is_over, true);
    for (size_t i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    server_end(&server);
    own = usual;
}

/* ---- many ---- */

/* Handshakes that are begun and left, over and over, while others are served. */
static void half_handshakes_keep_nobody_waiting(void **state) {
    (void)state;
    enum { ATTACKERS = 300 };
    static int fds[ATTACKERS];
    struct server server = start_server(NULL, NULL);
    struct sp served = sp_open(server.tls, PATIENCE_MS);
    for (size_t i = 0; i < ATTACKERS; i++) {
        fds[i] = dial(server.tls);
        struct tls_client *tls = tls_client_new(fds[i], &(struct tls_client_options){0});
        (void)tls_client_shake(tls);
        (void)tls_client_push(tls, i % 3 == 0 ? 50 : SIZE_MAX);
        tls_client_free(tls);
        if (i % 4 == 0) (void)!write(fds[i], "garbage garbage garbage", 23);
        if (i % 10 == 0 && !sp_is_answered(&served, PATIENCE_MS)) fail_msg("who is served waits");
    }
    if (!sp_is_served(server.tls, PATIENCE_MS)) fail_msg("nobody is let in");
    for (size_t i = 0; i < ATTACKERS; i++) close(fds[i]);
    if (!sp_is_answered(&served, PATIENCE_MS)) fail_msg("who is served is cut off");
    sp_close(&served);
    server_end(&server);
}

/* The resident memory of idle connections, the peer's certificate included. */
static void an_idle_connection_is_small(void **state) {
    (void)state;
    enum { FIRST = 100, CONNECTIONS = 1000, BYTES_MAX = 48 * 1024 };
    static struct tls_client *clients[FIRST + CONNECTIONS];
    static int fds[FIRST + CONNECTIONS];
    struct rlimit files = {4 * CONNECTIONS, 4 * CONNECTIONS}; /* an address gets a part of what musterd may open */
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) skip();
    struct server server = start_server("--tls-client-ca", ca.path);
    struct tls_client_options options = {.cert = client.cert.path, .key = client.key.path};
    size_t before = 0;
    for (size_t i = 0; i < FIRST + CONNECTIONS; i++) {
        char bytes[8];
        if (i == FIRST) before = process_resident_bytes(server.process);
        fds[i] = dial(server.tls);
        clients[i] = tls_client_new(fds[i], &options);
        if (!tls_client_shake_within(clients[i], PATIENCE_MS)) fail_msg("no handshake");
        if (!tls_client_write_all(clients[i], sp_greeting, sizeof sp_greeting, PATIENCE_MS) ||
            tls_client_read_within(clients[i], bytes, 8, PATIENCE_MS) != 8)
            fail_msg("connection %zu gets no greeting", i);
    }
    size_t each = (process_resident_bytes(server.process) - before) / CONNECTIONS;
    print_message("an idle connection with mutual TLS takes %zu bytes\n", each);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    if (each > BYTES_MAX) fail_msg("an idle connection takes %zu bytes", each);
#endif
    for (size_t i = 0; i < FIRST + CONNECTIONS; i++) {
        tls_client_free(clients[i]);
        close(fds[i]);
    }
    server_end(&server);
}

static int start(void **state) {
    (void)state;
    folder = tempdir_make();
    authority = authority_new("ours");
    ca = authority_write(authority, &folder, "ca.pem");
    own = certificate_make(authority, &folder, "server", &(struct certificate_wish){0});
    client = certificate_make(authority, &folder, "client", &(struct certificate_wish){.is_of_client = true});
    return 0;
}

static int stop(void **state) {
    (void)state;
    authority_free(authority);
    tempdir_remove(&folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_said),
        cmocka_unit_test(certificates_of_other_times_are_warned_of),
        cmocka_unit_test(mutual_tls_reaches_beyond_this_machine),
        cmocka_unit_test(a_certificate_is_changed_under_load),
        cmocka_unit_test(half_handshakes_keep_nobody_waiting),
        cmocka_unit_test(an_idle_connection_is_small),
    };
    return cmocka_run_group_tests_name("net end to end: TLS", tests, start, stop);
}
