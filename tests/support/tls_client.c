#include "tls_client.h"
#include "wait.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PIECE_BYTES = 64 * 1024, TEXT_BYTES = 256 };

struct tls_client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* of the SSL */
    bool is_over;
    char failure[TEXT_BYTES], peer[TEXT_BYTES], alpn[TEXT_BYTES];
};

static void expect(bool is_true, const char *what) {
    if (is_true) return;
    fprintf(stderr, "tls_client: %s: %s\n", what, ERR_reason_error_string(ERR_peek_last_error()));
    abort();
}

static void use_options(struct tls_client *client, const struct tls_client_options *options) {
    unsigned char alpn[TEXT_BYTES];
    SSL_CTX *ctx = client->ctx;
    SSL_CTX_set_security_level(ctx, options->version != 0 && options->version < TLS1_2_VERSION ? 0 : 1);
    SSL_CTX_set_min_proto_version(ctx, options->version != 0 ? options->version : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, options->version);
    if (options->ca != NULL) {
        expect(SSL_CTX_load_verify_file(ctx, options->ca) == 1, options->ca);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    if (options->cert != NULL) {
        expect(SSL_CTX_use_certificate_chain_file(ctx, options->cert) == 1, options->cert);
        expect(SSL_CTX_use_PrivateKey_file(ctx, options->key, SSL_FILETYPE_PEM) == 1, options->key);
    }
    if (options->alpn == NULL) return;
    alpn[0] = (unsigned char)strlen(options->alpn);
    memcpy(alpn + 1, options->alpn, alpn[0]);
    expect(SSL_CTX_set_alpn_protos(ctx, alpn, alpn[0] + 1u) == 0, options->alpn);
}

struct tls_client *tls_client_new(int fd, const struct tls_client_options *options) {
    struct tls_client *client = calloc(1, sizeof *client);
    if (client == NULL) abort();
    client->fd = fd;
    client->ctx = SSL_CTX_new(TLS_client_method());
    expect(client->ctx != NULL, "a context");
    use_options(client, options);
    client->ssl = SSL_new(client->ctx);
    client->in = BIO_new(BIO_s_mem());
    client->out = BIO_new(BIO_s_mem());
    expect(client->ssl != NULL && client->in != NULL && client->out != NULL, "a connection");
    BIO_set_mem_eof_return(client->in, -1);
    SSL_set_bio(client->ssl, client->in, client->out);
    SSL_set_connect_state(client->ssl);
    if (options->host != NULL) {
        SSL_ctrl(client->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)options->host);
        SSL_set1_host(client->ssl, options->host);
    }
    return client;
}

void tls_client_free(struct tls_client *client) {
    if (client == NULL) return;
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    free(client);
}

/* Whether OpenSSL only waits for more. */
static bool note_result(struct tls_client *client, int result) {
    int why = SSL_get_error(client->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return true;
    if (why == SSL_ERROR_ZERO_RETURN) client->is_over = true;
    else if (client->failure[0] == '\0') {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(client->failure, sizeof client->failure, "%s", reason != NULL ? reason : "failed");
    }
    return false;
}

bool tls_client_shake(struct tls_client *client) {
    ERR_clear_error();
    int result = SSL_do_handshake(client->ssl);
    if (result == 1) return true;
    (void)note_result(client, result);
    return false;
}

bool tls_client_write(struct tls_client *client, const void *bytes, size_t len) {
    ERR_clear_error();
    int result = SSL_write(client->ssl, bytes, (int)len);
    if (result == (int)len) return true;
    (void)note_result(client, result);
    return false;
}

long tls_client_read(struct tls_client *client, void *bytes, size_t len) {
    ERR_clear_error();
    int result = SSL_read(client->ssl, bytes, (int)len);
    if (result > 0) return result;
    return note_result(client, result) ? 0 : -1;
}

bool tls_client_update_key(struct tls_client *client) {
    return SSL_key_update(client->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(client->ssl) == 1;
}

bool tls_client_renegotiate(struct tls_client *client) {
    ERR_clear_error();
    return SSL_renegotiate(client->ssl) == 1 && (SSL_do_handshake(client->ssl) == 1 || tls_client_waiting(client) > 0);
}

void tls_client_say_goodbye(struct tls_client *client) {
    ERR_clear_error();
    (void)SSL_shutdown(client->ssl);
}

size_t tls_client_waiting(const struct tls_client *client) {
    return BIO_ctrl_pending(client->out);
}

size_t tls_client_push(struct tls_client *client, size_t most) {
    char *bytes;
    size_t waiting = (size_t)BIO_get_mem_data(client->out, &bytes);
    if (waiting > most) waiting = most;
    if (waiting == 0) return 0;
    ssize_t sent = send(client->fd, bytes, waiting, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return 0;
    char *ignored = malloc((size_t)sent);
    if (ignored == NULL) abort();
    expect(BIO_read(client->out, ignored, (int)sent) == sent, "taking what was sent");
    free(ignored);
    return (size_t)sent;
}

long tls_client_pull(struct tls_client *client, size_t most) {
    char bytes[PIECE_BYTES];
    ssize_t received = recv(client->fd, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (received <= 0) return -1;
    expect(BIO_write(client->in, bytes, (int)received) == received, "keeping what was received");
    return received;
}

const char *tls_client_failure(const struct tls_client *client) {
    return client->failure;
}

bool tls_client_is_over(const struct tls_client *client) {
    return client->is_over;
}

const char *tls_client_peer(struct tls_client *client) {
    const X509 *peer = SSL_get0_peer_certificate(client->ssl);
    client->peer[0] = '\0';
    if (peer != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, client->peer, sizeof client->peer);
    return client->peer;
}

const char *tls_client_alpn(const struct tls_client *client) {
    const unsigned char *chosen;
    unsigned int len;
    SSL_get0_alpn_selected(client->ssl, &chosen, &len);
    snprintf((char *)(uintptr_t)client->alpn, sizeof client->alpn, "%.*s", (int)len, (const char *)chosen);
    return client->alpn;
}

/* ---- waiting ---- */

/* Pushes what there is and waits until something can be pulled. False: the connection ended or the time is over. */
static bool move_bytes(struct tls_client *client, bool wants_input, uint64_t until_ms) {
    uint64_t now_ms = wait_now_ms();
    (void)tls_client_push(client, SIZE_MAX);
    bool has_output = tls_client_waiting(client) > 0;
    struct pollfd poll_fd = {.fd = client->fd, .events = (short)(POLLIN | (has_output ? POLLOUT : 0))};
    if (!wants_input && !has_output) return true;
    if (now_ms >= until_ms || poll(&poll_fd, 1, (int)(until_ms - now_ms)) <= 0) return false;
    return (poll_fd.revents & POLLIN) == 0 || tls_client_pull(client, SIZE_MAX) >= 0;
}

bool tls_client_shake_within(struct tls_client *client, uint64_t timeout_ms) {
    uint64_t until_ms = wait_now_ms() + timeout_ms;
    while (!tls_client_shake(client)) {
        bool has_failed = client->failure[0] != '\0';
        (void)tls_client_push(client, SIZE_MAX); /* an alert, too */
        if (has_failed || !move_bytes(client, true, until_ms)) return false;
    }
    (void)tls_client_push(client, SIZE_MAX);
    return true;
}

bool tls_client_write_all(struct tls_client *client, const void *bytes, size_t len, uint64_t timeout_ms) {
    uint64_t until_ms = wait_now_ms() + timeout_ms;
    if (!tls_client_write(client, bytes, len)) return false;
    while (tls_client_waiting(client) > 0)
        if (!move_bytes(client, false, until_ms)) return false;
    return true;
}

long tls_client_read_within(struct tls_client *client, void *bytes, size_t len, uint64_t timeout_ms) {
    uint64_t until_ms = wait_now_ms() + timeout_ms;
    for (;;) {
        long got = tls_client_read(client, bytes, len);
        if (got != 0) return got;
        if (wait_now_ms() >= until_ms) return 0;
        if (!move_bytes(client, true, until_ms)) {
            got = tls_client_read(client, bytes, len);
            return got != 0 ? got : wait_now_ms() >= until_ms ? 0 : -1;
        }
    }
}
