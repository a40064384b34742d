/* Every call and every refusal, asked of a real musterd over tcp, tls+tcp and ipc. */
#include "support/call_suite.h"
#include "support/certificates.h"
#include "support/server.h"
#include "support/sp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

static struct server tcp_server, ipc_server, tls_server;
static struct tempdir folder;

#define SUITE(name)                                                                                                    \
    static void tcp_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        const struct answerer answerer = sp_answerer(tcp_server.tcp);                                                  \
        suite_##name(&answerer);                                                                                       \
    }                                                                                                                  \
    static void tls_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        const struct answerer answerer = sp_answerer(tls_server.tls);                                                  \
        suite_##name(&answerer);                                                                                       \
    }                                                                                                                  \
    static void ipc_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        const struct answerer answerer = sp_answerer(ipc_server.ipc);                                                  \
        suite_##name(&answerer);                                                                                       \
    }
#define EACH(X)                                                                                                        \
    X(touch)                                                                                                           \
    X(displaced)                                                                                                       \
    X(refresh)                                                                                                         \
    X(leave)                                                                                                           \
    X(leave_unknown)                                                                                                   \
    X(set_status)                                                                                                      \
    X(linger)                                                                                                          \
    X(live)                                                                                                            \
    X(list_pages)                                                                                                      \
    X(list_filters)                                                                                                    \
    X(list_recent) X(counts) X(scopes) X(where) X(reset) X(refusals) X(token_refusals) X(message_refusals) X(reply_cap)
EACH(SUITE)

static int start(void **state) {
    (void)state;
    folder = tempdir_make();
    struct authority *authority = authority_new("ours");
    struct certificate own = certificate_make(authority, &folder, "server", &(struct certificate_wish){0});
    authority_free(authority);
    tls_server = server_start((const char *[]){"--rpc", "tls+tcp://127.0.0.1:0", "--tls-cert", own.cert.path,
                                               "--tls-key", own.key.path, "--grpc", "none", NULL});
    tcp_server = server_start(NULL);
    ipc_server = server_start(NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_end(&tcp_server);
    server_end(&ipc_server);
    server_end(&tls_server);
    tempdir_remove(&folder);
    return 0;
}

int main(void) {
#define TESTS(name) cmocka_unit_test(tcp_##name), cmocka_unit_test(tls_##name), cmocka_unit_test(ipc_##name),
    const struct CMUnitTest tests[] = {EACH(TESTS)};
    return cmocka_run_group_tests_name("rpc end to end: calls", tests, start, stop);
}
