/* libnng's own TLS, which is not OpenSSL's, as the bindings of other languages have it: tls+tcp:// to a musterd. */
#include "support/certificates.h"
#include "support/server.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static struct tempdir folder, ca;
static struct certificate own, client;
static struct authority *authority;

static void expect(int failure, const char *what) {
    if (failure != 0) fail_msg("%s: %s", what, nng_strerror(failure));
}

/* Whether a request is answered. */
static void ask(const char *url, bool shows_certificate) {
    nng_socket socket;
    nng_dialer dialer;
    nng_tls_config *config;
    char address[256], *reply;
    size_t len;
    snprintf(address, sizeof address, "tls+tcp://localhost%s", strrchr(url, ':'));
    expect(nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT), "a configuration");
    expect(nng_tls_config_ca_file(config, ca.path), "the authority");
    expect(nng_tls_config_server_name(config, "localhost"), "the server's name");
    if (shows_certificate) {
        char *cert = tempdir_read(client.cert.path, NULL), *key = tempdir_read(client.key.path, NULL);
        expect(nng_tls_config_own_cert(config, cert, key, NULL), "the certificate");
        free(cert);
        free(key);
    }
    expect(nng_req0_open(&socket), "a socket");
    expect(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, PATIENCE_MS), "a time-out");
    expect(nng_dialer_create(&dialer, socket, address), address);
    expect(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config), "the configuration of TLS");
    expect(nng_dialer_start(dialer, 0), "dialling");
    for (int i = 0; i < 3; i++) {
        char request[] = "no Call";
        expect(nng_send(socket, request, sizeof request, 0), "a request");
        expect(nng_recv(socket, &reply, &len, NNG_FLAG_ALLOC), "a reply");
        nng_free(reply, len);
    }
    nng_close(socket);
    nng_tls_config_free(config);
}

static void nng_is_served(void **state) {
    (void)state;
    struct server server = server_start((const char *[]){"--rpc", "tls+tcp://127.0.0.1:0", "--tls-cert", own.cert.path,
                                                         "--tls-key", own.key.path, "--grpc", "none", NULL});
    ask(server.tls, false);
    server_end(&server);
}

static void nng_shows_its_certificate(void **state) {
    (void)state;
    struct server server =
        server_start((const char *[]){"--rpc", "tls+tcp://127.0.0.1:0", "--tls-cert", own.cert.path, "--tls-key",
                                      own.key.path, "--grpc", "none", "--tls-client-ca", ca.path, NULL});
    ask(server.tls, true);
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
        cmocka_unit_test(nng_is_served),
        cmocka_unit_test(nng_shows_its_certificate),
    };
    return cmocka_run_group_tests_name("net end to end: nng's TLS", tests, start, stop);
}
