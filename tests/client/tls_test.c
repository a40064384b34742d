/* libmuster over TLS, to real nodes: what is trusted, what is said of what is not, forks, exits, and short memory. */
#include "muster/muster.h"
#include "support/certificates.h"
#include "support/server.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, TIMEOUT_MS = 400, LATE_MS = 100, CHILD_SECONDS = 30, FAILURES_MAX = 20000 };

static struct tempdir folder;
static struct authority *authority, *stranger;
static struct tempdir ca, stranger_ca;
static struct certificate own, client_certificate, unknown_client;
static struct server server, mutual;

/* ---- memory that runs out ---------------------------------------------------------------------------------------- */

static atomic_bool is_counting;
static atomic_int allocations, failing; /* failing: the number of the one that fails; 0: none */

static bool fails(void) {
    if (!atomic_load(&is_counting)) return false;
    return atomic_fetch_add(&allocations, 1) + 1 == atomic_load(&failing);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *string);

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *string) {
    return fails() ? NULL : __real_strdup(string);
}

/* OpenSSL's. */
static void *ssl_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return fails() ? NULL : __real_malloc(size);
}

static void *ssl_realloc(void *memory, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return fails() ? NULL : realloc(memory, size);
}

static void ssl_free(void *memory, const char *file, int line) {
    (void)file, (void)line;
    free(memory);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* The same port under another name. */
static const char *with_host(const char *url, const char *host) {
    static char out[4][128];
    static unsigned next;
    char *made = out[next++ % 4];
    snprintf(made, sizeof out[0], "tls+tcp://%s%s", host, strrchr(url, ':'));
    return made;
}

static struct muster_options options_for(const char *const *address) {
    return (struct muster_options){.addresses = address,
                                   .address_count = 1,
                                   .timeout_ms = PATIENCE_MS,
                                   .connect_ms = PATIENCE_MS,
                                   .tls_ca_file = ca.path};
}

static enum muster_code touch(struct muster_client *client, struct muster_error *error) {
    return muster_touch(client, "room", 0, &(struct muster_beat){.user = "ada"}, 1, NULL, error);
}

static void must_touch(const struct muster_options *options) {
    struct muster_client *client;
    struct muster_error error;
    if (muster_open(options, &client, &error) != MUSTER_OK) fail_msg("%s: %s", options->addresses[0], error.message);
    if (touch(client, &error) != MUSTER_OK) fail_msg("%s: %s", options->addresses[0], error.message);
    muster_close(client);
}

/* muster_open fails with these words. */
static void must_refuse(const struct muster_options *options, enum muster_code expected, const char *words) {
    struct muster_client *client;
    struct muster_error error;
    enum muster_code code = muster_open(options, &client, &error);
    if (code != expected || strstr(error.message, words) == NULL)
        fail_msg("%s: %s: '%s', expected %s: '%s'", options->addresses[0], muster_strerror(code), error.message,
                 muster_strerror(expected), words);
    assert_null(client);
}

static void a_node_that_is_trusted_is_used(void **state) {
    (void)state;
    const char *by_name = with_host(server.tls, "localhost"), *by_address = with_host(server.tls, "127.0.0.1");
    struct muster_options options = options_for(&by_name);
    must_touch(&options);
    options = options_for(&by_address);
    must_touch(&options);
    assert_int_equal(setenv("MUSTER_TLS_CA", ca.path, 1), 0);
    options.tls_ca_file = NULL;
    must_touch(&options);
    assert_int_equal(unsetenv("MUSTER_TLS_CA"), 0);
}

static void what_is_wrong_with_a_certificate_is_said(void **state) {
    (void)state;
    const char *by_name = with_host(server.tls, "localhost");
    struct muster_options options = options_for(&by_name);
    options.tls_ca_file = stranger_ca.path;
    must_refuse(&options, MUSTER_UNAVAILABLE, "the authority of its certificate is not one that is trusted here");
    options.tls_ca_file = NULL;
    must_refuse(&options, MUSTER_UNAVAILABLE, "the authority of its certificate is not one that is trusted here");
    options = options_for(&by_name);
    options.tls_server_name = "other.example";
    must_refuse(&options, MUSTER_UNAVAILABLE, "its certificate is not for other.example");
    options.tls_server_name = "10.0.0.1";
    must_refuse(&options, MUSTER_UNAVAILABLE, "its certificate is not for 10.0.0.1");
}

static struct server start_server(const struct certificate *certificate, const char *flag, const char *value) {
    return server_start((const char *[]){"--rpc", "tls+tcp://127.0.0.1:0", "--tls-cert", certificate->cert.path,
                                         "--tls-key", certificate->key.path, "--grpc", "none", flag, value, NULL});
}

static void other_times_and_other_hosts(void **state) {
    (void)state;
    static const struct {
        struct certificate_wish wish;
        const char *words;
    } cases[] = {
        {{.is_expired = true}, "has expired"},
        {{.is_not_begun = true}, "is not valid yet"},
        {{.names = "DNS:node.example"}, "its certificate is not for 127.0.0.1"},
        {{.is_of_client = true}, "its certificate is refused"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct certificate certificate = certificate_make(authority, &folder, "odd", &cases[i].wish);
        struct server odd = start_server(&certificate, NULL, NULL);
        const char *address = odd.tls;
        struct muster_options options = options_for(&address);
        must_refuse(&options, MUSTER_UNAVAILABLE, cases[i].words);
        if (cases[i].wish.names != NULL) {
            options.tls_server_name = "node.example";
            must_touch(&options);
        }
        server_end(&odd);
    }
}

static void a_client_shows_its_certificate(void **state) {
    (void)state;
    const char *address = mutual.tls;
    struct muster_options options = options_for(&address);
    must_refuse(&options, MUSTER_UNAVAILABLE, "it wants a certificate, and this client has none");
    options.tls_cert_file = unknown_client.cert.path, options.tls_key_file = unknown_client.key.path;
    must_refuse(&options, MUSTER_UNAVAILABLE, "it does not know the authority of this client's certificate");
    options.tls_cert_file = client_certificate.cert.path, options.tls_key_file = client_certificate.key.path;
    must_touch(&options);
}

static void files_that_cannot_be_used_are_named(void **state) {
    (void)state;
    struct tempdir text = tempdir_write(&folder, "text", "no PEM", 6), missing = tempdir_path(&folder, "missing");
    const char *address = server.tls, *cert = client_certificate.cert.path, *key = client_certificate.key.path;
    const struct {
        const char *ca, *cert, *key, *field, *words;
    } cases[] = {
        {missing.path, NULL, NULL, "tls_ca_file", "No such file"},
        {text.path, NULL, NULL, "tls_ca_file", "no certificate in PEM"},
        {ca.path, missing.path, key, "tls_cert_file", "No such file"},
        {ca.path, text.path, key, "tls_cert_file", "no certificate in PEM"},
        {ca.path, cert, missing.path, "tls_key_file", "No such file"},
        {ca.path, cert, text.path, "tls_key_file", "no private key in PEM"},
        {ca.path, cert, own.key.path, "tls_key_file", "not that of the certificate"},
        {ca.path, cert, NULL, "tls_key_file", "are given together"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct muster_options options = options_for(&address);
        options.tls_ca_file = cases[i].ca;
        options.tls_cert_file = cases[i].cert;
        options.tls_key_file = cases[i].key;
        must_refuse(&options, MUSTER_INVALID_ARGUMENT, cases[i].field);
        must_refuse(&options, MUSTER_INVALID_ARGUMENT, cases[i].words);
    }
}

/* ---- what is no node --------------------------------------------------------------------------------------------- */

static int listen_somewhere(char address[64]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        fail_msg("no listener");
    snprintf(address, 64, "tls+tcp://127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

static void what_does_not_speak_tls_is_told_apart(void **state) {
    (void)state;
    char stalled[64];
    const char *plain = with_host(server.tcp, "127.0.0.1"), *address = stalled;
    struct muster_options options = options_for(&plain);
    must_refuse(&options, MUSTER_UNAVAILABLE, "what answers there does not speak TLS");
    int fd = listen_somewhere(stalled);
    options = options_for(&address);
    must_refuse(&options, MUSTER_UNAVAILABLE, "it is connected, and does not finish the TLS handshake");
    close(fd);
}

/* A node whose port is in the clear is not spoken to with TLS, and the other way round. */
static void tls_is_not_spoken_where_it_is_not_asked_for(void **state) {
    (void)state;
    char address[64];
    const char *list = address;
    snprintf(address, sizeof address, "tcp://127.0.0.1%s", strrchr(server.tls, ':'));
    struct muster_options options = options_for(&list);
    must_refuse(&options, MUSTER_UNAVAILABLE, "node tcp://");
}

/* ---- traffic ----------------------------------------------------------------------------------------------------- */

struct hammer {
    struct muster_client *client;
    atomic_bool is_over;
    atomic_uint done, failed;
};

static void *run_hammer(void *context) {
    struct hammer *hammer = context;
    while (!atomic_load(&hammer->is_over)) {
        bool is_good = touch(hammer->client, NULL) == MUSTER_OK;
        atomic_fetch_add(is_good ? &hammer->done : &hammer->failed, 1);
    }
    return NULL;
}

static bool has_done_many(void *context) {
    struct hammer *hammer = context;
    return atomic_load(&hammer->done) >= 500;
}

/* Several threads write while the client's own reads, in messages from small to many records. */
static void threads_share_a_connection(void **state) {
    (void)state;
    enum { THREADS = 3, USERS = 5000 };
    static struct muster_beat beats[USERS];
    static char names[USERS][64];
    const char *address = server.tls;
    struct muster_options options = options_for(&address);
    struct hammer hammer = {0};
    struct muster_error error;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < USERS; i++) {
        snprintf(names[i], sizeof names[i], "user-with-a-long-name-so-that-it-takes-some-bytes-%zu", i);
        beats[i] = (struct muster_beat){.user = names[i]};
    }
    if (muster_open(&options, &hammer.client, &error) != MUSTER_OK) fail_msg("%s", error.message);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run_hammer, &hammer) != 0) fail_msg("no thread");
    for (int i = 0; i < 10; i++) {
        struct muster_users *users = NULL;
        struct muster_query query = {.scope = "crowd", .page_size = USERS};
        if (muster_touch(hammer.client, "crowd", 0, beats, USERS, NULL, &error) != MUSTER_OK)
            fail_msg("%s", error.message);
        if (muster_list(hammer.client, &query, &users, &error) != MUSTER_OK) fail_msg("%s", error.message);
        if (users->count != USERS) fail_msg("%zu of %d users are listed", users->count, USERS);
        muster_users_free(users);
    }
    if (!wait_until(has_done_many, &hammer, PATIENCE_MS)) fail_msg("%u are done", atomic_load(&hammer.done));
    atomic_store(&hammer.is_over, true);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    if (atomic_load(&hammer.failed) > 0) fail_msg("%u calls failed", atomic_load(&hammer.failed));
    muster_close(hammer.client);
}

/* ---- forks ------------------------------------------------------------------------------------------------------- */

#if !defined(__SANITIZE_THREAD__)
static void fork_and_use(struct muster_client *inherited, bool closes) {
    int status;
    pid_t child = fork();
    if (child < 0) fail_msg("no child");
    if (child == 0) {
        const char *address = server.tls;
        struct muster_options options = options_for(&address);
        struct muster_client *client;
        alarm(CHILD_SECONDS);
        if (touch(inherited, NULL) != MUSTER_FAILED_PRECONDITION) _exit(2);
        if (closes) muster_close(inherited);
        if (muster_open(&options, &client, NULL) != MUSTER_OK || touch(client, NULL) != MUSTER_OK) _exit(3);
        muster_close(client);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status %x", (unsigned)status);
}

static void a_child_disturbs_no_connection_of_its_parent(void **state) {
    (void)state;
    const char *address = server.tls;
    struct muster_options options = options_for(&address);
    struct hammer hammer = {0};
    pthread_t thread;
    if (muster_open(&options, &hammer.client, NULL) != MUSTER_OK) fail_msg("no client");
    for (int i = 0; i < 4; i++) { /* a child that closes what it inherited, and one that leaves it */
        fork_and_use(hammer.client, i % 2 == 0);
        if (touch(hammer.client, NULL) != MUSTER_OK) fail_msg("the parent's connection is disturbed");
    }
#if !defined(__SANITIZE_ADDRESS__) /* whose allocator is not to be forked while threads use it */
    if (pthread_create(&thread, NULL, run_hammer, &hammer) != 0) fail_msg("no thread");
    for (int i = 0; i < 10; i++) fork_and_use(hammer.client, i % 2 == 0);
    atomic_store(&hammer.is_over, true);
    pthread_join(thread, NULL);
#else
    (void)thread;
#endif
    if (atomic_load(&hammer.failed) > 0) fail_msg("%u calls of the parent failed", atomic_load(&hammer.failed));
    muster_close(hammer.client);
}
#endif

/* ---- exits: this program again, as another process --------------------------------------------------------------- */

static struct muster_client *left_open;

static void close_late(void) {
    muster_close(left_open);
}

static struct hammer exiting;

static bool is_served_still(void *before) {
    return atomic_load(&exiting.done) >= *(unsigned *)before + 50;
}

/* After OpenSSL has cleaned up: threads still call, and no call may get through. */
static void end_late(void) {
    unsigned before = atomic_load(&exiting.done);
    if (wait_until(is_served_still, &before, LATE_MS)) _exit(8);
}

/* `how`: "threads": ends while threads of the program and of the library use OpenSSL; "late": closes the client after
 * OpenSSL has cleaned up; "own": has used OpenSSL itself before. */
static int run_exiting(const char *how, const char *address, const char *ca_path) {
    pthread_t thread;
    struct muster_options options = {
        .addresses = &address, .address_count = 1, .connect_ms = PATIENCE_MS, .tls_ca_file = ca_path};
    if (atexit(strcmp(how, "late") == 0 ? close_late : end_late) != 0) return 3;
    if (strcmp(how, "own") == 0) SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
    if (muster_open(&options, &exiting.client, NULL) != MUSTER_OK) return 4;
    left_open = exiting.client;
    if (touch(exiting.client, NULL) != MUSTER_OK) return 5;
    for (int i = 0; i < 3 && strcmp(how, "late") != 0; i++)
        if (pthread_create(&thread, NULL, run_hammer, &exiting) != 0) return 6;
    if (strcmp(how, "late") != 0 && !wait_until(has_done_many, &exiting, PATIENCE_MS)) return 7;
    return 0;
}

static const char *program;

static void a_program_may_end_as_it_likes(void **state) {
    (void)state;
    static const char *const ways[] = {"threads", "late", "own"};
    for (int i = 0; i < 12; i++) {
        const char *argv[] = {program, "exiting", ways[i % 3], server.tls, ca.path, NULL};
        /* What OpenSSL shares is cleaned up before what this program leaves to it could be. */
        const char *environment[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};
        const struct process_options options = {.environment = environment};
        struct process_result result = process_run(argv, &options, NULL, PATIENCE_MS);
        if (result.timed_out || result.how.is_signal || result.how.status != 0)
            fail_msg("%s: %s %d\n%s", ways[i % 3], result.how.is_signal ? "signal" : "status", result.how.status,
                     result.errors);
        process_result_free(&result);
    }
}

/* ---- short memory ------------------------------------------------------------------------------------------------ */

static void expect_code(const char *what, enum muster_code code, const struct muster_error *error) {
    if (code == MUSTER_OK || code == MUSTER_RESOURCE_EXHAUSTED || code == MUSTER_UNAVAILABLE ||
        code == MUSTER_DEADLINE_EXCEEDED)
        return;
    if (code == MUSTER_INVALID_ARGUMENT && strstr(error->message, "in PEM") != NULL) return; /* so OpenSSL says it */
    fail_msg("%s, with allocation %d failing: %s: %s", what, atomic_load(&failing), muster_strerror(code),
             error->message);
}

/* A client that connects, calls and closes, with one allocation failing in the library or in OpenSSL. */
static int run_scenario(int which) {
    const char *address = server.tls;
    struct muster_options options = options_for(&address);
    struct muster_client *client;
    struct muster_error error;
    options.timeout_ms = options.connect_ms = TIMEOUT_MS;
    atomic_store(&allocations, 0);
    atomic_store(&failing, which);
    atomic_store(&is_counting, true);
    enum muster_code code = muster_open(&options, &client, &error);
    expect_code("open", code, &error);
    if (code == MUSTER_OK) expect_code("touch", touch(client, &error), &error);
    muster_close(client);
    atomic_store(&is_counting, false);
    return atomic_load(&allocations);
}

static void one_allocation_that_fails_is_survived(void **state) {
    (void)state;
    int needed = run_scenario(0), which = 1;
    for (; which <= FAILURES_MAX; which += 1 + which / 200)
        if (run_scenario(which) < which) break;
    printf("%d allocations, failed up to %d\n", needed, which);
    if (needed < 100 || which > FAILURES_MAX) fail_msg("%d allocations, failed up to %d", needed, which);
    if (run_scenario(0) < 100) fail_msg("it does not recover");
}

static int set_up(void **state) {
    (void)state;
    folder = tempdir_make();
    authority = authority_new("ours");
    stranger = authority_new("other");
    ca = authority_write(authority, &folder, "ca.pem");
    stranger_ca = authority_write(stranger, &folder, "stranger.pem");
    own = certificate_make(authority, &folder, "server", &(struct certificate_wish){0});
    client_certificate =
        certificate_make(authority, &folder, "client", &(struct certificate_wish){.is_of_client = true});
    unknown_client = certificate_make(stranger, &folder, "unknown", &(struct certificate_wish){.is_of_client = true});
    server = start_server(&own, NULL, NULL);
    mutual = start_server(&own, "--tls-client-ca", ca.path);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    server_end(&server);
    server_end(&mutual);
    authority_free(authority);
    authority_free(stranger);
    tempdir_remove(&folder);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "exiting") == 0) return run_exiting(argv[2], argv[3], argv[4]);
    program = argv[0];
    if (CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) != 1) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_is_trusted_is_used),
        cmocka_unit_test(what_is_wrong_with_a_certificate_is_said),
        cmocka_unit_test(other_times_and_other_hosts),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
        cmocka_unit_test(what_does_not_speak_tls_is_told_apart),
        cmocka_unit_test(tls_is_not_spoken_where_it_is_not_asked_for),
        cmocka_unit_test(threads_share_a_connection),
#if !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(a_child_disturbs_no_connection_of_its_parent),
#endif
        cmocka_unit_test(a_program_may_end_as_it_likes),
        cmocka_unit_test(one_allocation_that_fails_is_survived),
    };
    return cmocka_run_group_tests_name("client: TLS", tests, set_up, tear_down);
}
