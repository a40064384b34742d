#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DATE_BYTES = 32, EXIT_WAIT_MS = 100, MS_NS = 1000000 };

/* What could not be freed since the program ends: found here by those who look for leaks. */
struct left_over {
    struct left_over *next;
};

struct tls {
    struct left_over left_over;
    SSL_CTX *ctx;
    char *server_name; /* NULL: the host's */
};

/* One thread may write while another reads; OpenSSL does not allow it by itself. */
struct tls_connection {
    struct left_over left_over;
    pthread_mutex_t mutex; /* guards all below */
    SSL *ssl;
    int fd;
    int number; /* the errno of the socket's last failure; 0: none */
    bool has_shaken, wants_output;
    char host[URL_BYTES]; /* what the certificate must be of */
};

/* ---- the end of the program -------------------------------------------------------------------------------------- */

static atomic_bool program_ends;
static atomic_uint inside; /* threads that are in OpenSSL now */

/* Runs before what OpenSSL has registered, which was earlier. In a child of fork(2) a thread of the parent may count
 * for ever: so it does not wait long. */
static void leave_openssl(void) {
    const struct timespec step = {.tv_nsec = MS_NS};
    atomic_store(&program_ends, true);
    for (int i = 0; i < EXIT_WAIT_MS && atomic_load(&inside) > 0; i++) nanosleep(&step, NULL);
}

/* False: the program ends, and OpenSSL is not to be called. */
static bool enter_openssl(void) {
    atomic_fetch_add(&inside, 1);
    if (!atomic_load(&program_ends)) return true;
    atomic_fetch_sub(&inside, 1);
    return false;
}

static void exit_openssl(void) {
    atomic_fetch_sub(&inside, 1);
}

static void leave_over(struct left_over *left) {
    static _Atomic(struct left_over *) all;
    left->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &left->next, left)) continue;
}

/* ---- the socket, as OpenSSL sees it: without SIGPIPE ------------------------------------------------------------- */

static bool would_block(int number) {
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

static int read_socket(BIO *bio, char *out, int size) {
    struct tls_connection *connection = BIO_get_data(bio);
    ssize_t got = recv(connection->fd, out, (size_t)size, 0);
    BIO_clear_retry_flags(bio);
    if (got < 0 && would_block(errno)) BIO_set_retry_read(bio);
    else if (got < 0) connection->number = errno;
    return (int)got;
}

static int write_socket(BIO *bio, const char *bytes, int size) {
    struct tls_connection *connection = BIO_get_data(bio);
    ssize_t put = send(connection->fd, bytes, (size_t)size, MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (put < 0 && would_block(errno)) BIO_set_retry_write(bio);
    else if (put < 0) connection->number = errno;
    return (int)put;
}

static long control_socket(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int create_socket_bio(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *socket_method; /* NULL: memory was short */

static void prepare_openssl(void) {
    if (OPENSSL_init_ssl(0, NULL) != 1) return; /* registers its own clean-up, unless the program has done that */
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "muster socket");
    if (method == NULL || atexit(leave_openssl) != 0) return;
    BIO_meth_set_read(method, read_socket);
    BIO_meth_set_write(method, write_socket);
    BIO_meth_set_ctrl(method, control_socket);
    BIO_meth_set_create(method, create_socket_bio);
    socket_method = method;
}

static bool openssl_is_ready(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex); /* no pthread_once: what failed for want of memory is tried again */
    if (socket_method == NULL) prepare_openssl();
    bool is_ready = socket_method != NULL;
    pthread_mutex_unlock(&mutex);
    return is_ready;
}

/* ---- what a client trusts and shows ------------------------------------------------------------------------------ */

static bool refuse_file(struct error *error, const char *field, const char *path, const char *why) {
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%s: %.160s: %s", field, path, why);
}

static int refuse_passphrase(char *out, int size, int is_written, void *unused) {
    (void)out, (void)size, (void)is_written, (void)unused;
    return -1;
}

static bool check_readable(const char *field, const char *path, struct error *error) {
    FILE *file = fopen(path, "re");
    if (file == NULL) return refuse_file(error, field, path, strerror(errno));
    fclose(file);
    return true;
}

static bool trust_files(SSL_CTX *ctx, const char *ca_file, struct error *error) {
    if (ca_file == NULL) {
        if (SSL_CTX_set_default_verify_paths(ctx) == 1) return true;
        return error_fail(error, MUSTER_UNAVAILABLE, "the system's certificate authorities cannot be read");
    }
    if (!check_readable("tls_ca_file", ca_file, error)) return false;
    if (SSL_CTX_load_verify_file(ctx, ca_file) == 1) return true;
    return refuse_file(error, "tls_ca_file", ca_file, "it holds no certificate in PEM");
}

static bool show_files(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct error *error) {
    if (cert_file == NULL && key_file == NULL) return true;
    if (cert_file == NULL || key_file == NULL)
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "tls_cert_file and tls_key_file are given together");
    if (!check_readable("tls_cert_file", cert_file, error) || !check_readable("tls_key_file", key_file, error))
        return false;
    SSL_CTX_set_default_passwd_cb(ctx, refuse_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return refuse_file(error, "tls_cert_file", cert_file, "it holds no certificate in PEM");
    ERR_clear_error();
    bool is_used = SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1;
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (is_used && SSL_CTX_check_private_key(ctx) == 1) return true;
    if (is_used || reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
        return refuse_file(error, "tls_key_file", key_file, "its key is not that of the certificate");
    return refuse_file(error, "tls_key_file", key_file, "it holds no private key in PEM without a passphrase");
}

static SSL_CTX *make_context(const struct tls_options *options, struct error *error) {
    (void)error_fail_memory(error);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && trust_files(ctx, options->ca_file, error) &&
        show_files(ctx, options->cert_file, options->key_file, error))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

struct tls *tls_new(const struct tls_options *options, struct error *error) {
    (void)error_fail_memory(error);
    if (!openssl_is_ready()) return NULL;
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) return NULL;
    if (options->server_name != NULL && (tls->server_name = strdup(options->server_name)) == NULL) goto fail;
    if (!enter_openssl()) {
        (void)error_fail(error, MUSTER_UNAVAILABLE, "the program ends");
        goto fail;
    }
    tls->ctx = make_context(options, error);
    ERR_clear_error();
    exit_openssl();
    if (tls->ctx != NULL) return tls;
fail:
    free(tls->server_name);
    free(tls);
    return NULL;
}

void tls_free(struct tls *tls) {
    if (tls == NULL) return;
    if (!enter_openssl()) {
        leave_over(&tls->left_over);
        return;
    }
    SSL_CTX_free(tls->ctx);
    exit_openssl();
    free(tls->server_name);
    free(tls);
}

/* ---- why it failed ----------------------------------------------------------------------------------------------- */

static void write_date(const ASN1_TIME *at, char out[DATE_BYTES]) {
    struct tm date = {0};
    if (ASN1_TIME_to_tm(at, &date) != 1 || strftime(out, DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &date) == 0) out[0] = '\0';
}

static void explain_dates(const struct tls_connection *connection, long verified, struct error *error) {
    const X509 *leaf = SSL_get0_peer_certificate(connection->ssl);
    char date[DATE_BYTES] = "";
    bool has_expired = verified == X509_V_ERR_CERT_HAS_EXPIRED;
    if (leaf != NULL) write_date(has_expired ? X509_get0_notAfter(leaf) : X509_get0_notBefore(leaf), date);
    (void)error_fail(error, MUSTER_UNAVAILABLE,
                     has_expired ? "its certificate, or that of its authority, has expired (the first one: %s)"
                                 : "its certificate, or that of its authority, is not valid yet (the first one: %s)",
                     date);
}

/* What is wrong with the node's certificate. */
static void explain_certificate(const struct tls_connection *connection, long verified, struct error *error) {
    switch (verified) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)error_fail(error, MUSTER_UNAVAILABLE, "its certificate is not for %.120s", connection->host);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        explain_dates(connection, verified, error);
        return;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        (void)error_fail(error, MUSTER_UNAVAILABLE, "the authority of its certificate is not one that is trusted here");
        return;
    default:
        (void)error_fail(error, MUSTER_UNAVAILABLE, "its certificate is refused: %s",
                         X509_verify_cert_error_string(verified));
    }
}

/* What OpenSSL says, or the node by an alert. */
static void explain_reason(struct error *error) {
    static const struct {
        int reason;
        const char *text;
    } known[] = {
        {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "it wants a certificate, and this client has none"},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
         "it refused the TLS handshake: perhaps it wants a certificate, and this client has none"},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "it does not know the authority of this client's certificate"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "it says that this client's certificate has expired"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "it does not take this client's certificate"},
        {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "it says that this client's certificate is not for clients"},
        {SSL_R_WRONG_VERSION_NUMBER, "what answers there does not speak TLS"},
        {SSL_R_UNEXPECTED_MESSAGE, "what answers there does not speak TLS as it should"},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "it speaks none of TLS 1.2 and 1.3"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "it speaks none of TLS 1.2 and 1.3"},
    };
    unsigned long number = ERR_peek_last_error();
    for (size_t i = 0; ERR_GET_LIB(number) == ERR_LIB_SSL && i < sizeof known / sizeof *known; i++) {
        if (ERR_GET_REASON(number) != known[i].reason) continue;
        (void)error_fail(error, MUSTER_UNAVAILABLE, "%s", known[i].text);
        return;
    }
    const char *text = ERR_reason_error_string(number);
    if (ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE) (void)error_fail_memory(error);
    else (void)error_fail(error, MUSTER_UNAVAILABLE, "TLS failed: %s", text != NULL ? text : "no reason is known");
}

static enum byte_stream_status fail_connection(struct tls_connection *connection, struct error *error) {
    long verified = SSL_get_verify_result(connection->ssl);
    if (verified != X509_V_OK) explain_certificate(connection, verified, error);
    else if (connection->number != 0) byte_stream_say_errno(error, connection->number);
    else explain_reason(error);
    return BYTE_STREAM_FAILED;
}

/* ---- a connection: each holds the mutex -------------------------------------------------------------------------- */

/* What a call of OpenSSL that did not succeed means. */
static enum byte_stream_status tls_result(struct tls_connection *connection, int result, struct error *error) {
    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_WRITE:
        connection->wants_output = true;
        return BYTE_STREAM_WAITS;
    case SSL_ERROR_WANT_READ:
        return BYTE_STREAM_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        return BYTE_STREAM_ENDED;
    case SSL_ERROR_SYSCALL:
        if (connection->number == 0 && ERR_peek_last_error() == 0) return BYTE_STREAM_ENDED;
        break;
    case SSL_ERROR_SSL:
        if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return BYTE_STREAM_ENDED;
        break;
    }
    return fail_connection(connection, error);
}

static bool tls_enter(struct tls_connection *connection, struct error *error) {
    if (!enter_openssl()) return error_fail(error, MUSTER_UNAVAILABLE, "the program ends");
    pthread_mutex_lock(&connection->mutex);
    ERR_clear_error();
    connection->wants_output = false;
    return true;
}

static void tls_exit(struct tls_connection *connection) {
    ERR_clear_error();
    pthread_mutex_unlock(&connection->mutex);
    exit_openssl();
}

static enum byte_stream_status tls_shake(void *state, struct error *error) {
    struct tls_connection *connection = state;
    if (!tls_enter(connection, error)) return BYTE_STREAM_FAILED;
    int result = SSL_do_handshake(connection->ssl);
    connection->has_shaken = result == 1;
    enum byte_stream_status status = result == 1 ? BYTE_STREAM_DONE : tls_result(connection, result, error);
    tls_exit(connection);
    if (status != BYTE_STREAM_ENDED) return status;
    (void)error_fail(error, MUSTER_UNAVAILABLE, "it closed the connection during the TLS handshake");
    return BYTE_STREAM_FAILED;
}

static enum byte_stream_status tls_read(void *state, uint8_t *data, size_t size, size_t *len, struct error *error) {
    struct tls_connection *connection = state;
    *len = 0;
    if (!tls_enter(connection, error)) return BYTE_STREAM_FAILED;
    int result = SSL_read_ex(connection->ssl, data, size, len);
    enum byte_stream_status status = result == 1 ? BYTE_STREAM_DONE : tls_result(connection, result, error);
    tls_exit(connection);
    return status;
}

static enum byte_stream_status tls_write(void *state, const uint8_t *data, size_t size, size_t *len,
                                         struct error *error) {
    struct tls_connection *connection = state;
    *len = 0;
    if (!tls_enter(connection, error)) return BYTE_STREAM_FAILED;
    int result = SSL_write_ex(connection->ssl, data, size, len);
    enum byte_stream_status status = result == 1 ? BYTE_STREAM_DONE : tls_result(connection, result, error);
    tls_exit(connection);
    return status;
}

static bool tls_holds_input(void *state) {
    struct tls_connection *connection = state;
    struct error ignored;
    if (!tls_enter(connection, &ignored)) return false;
    bool holds = SSL_pending(connection->ssl) > 0;
    tls_exit(connection);
    return holds;
}

static short tls_wants(void *state) {
    const struct tls_connection *connection = state;
    return connection->wants_output ? POLLOUT : POLLIN; /* the same thread shakes hands */
}

static void tls_close(void *state) {
    struct tls_connection *connection = state;
    struct error ignored;
    if (!tls_enter(connection, &ignored)) {
        leave_over(&connection->left_over);
        return;
    }
    if (connection->has_shaken) (void)SSL_shutdown(connection->ssl); /* as far as the socket takes it */
    SSL_free(connection->ssl);
    tls_exit(connection);
    pthread_mutex_destroy(&connection->mutex);
    free(connection);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* The name that the certificate must have; it is asked for where it is no address (RFC 6066, 3). */
static bool expect_host(SSL *ssl, const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* SSL_set_tlsext_host_name, whose cast drops `const`. */
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)host) == 1 &&
           SSL_set1_host(ssl, host) == 1;
}

static SSL *make_connection(const struct tls *tls, struct tls_connection *connection) {
    BIO *bio = BIO_new(socket_method);
    SSL *ssl = bio != NULL ? SSL_new(tls->ctx) : NULL;
    if (ssl == NULL) {
        BIO_free(bio);
        return NULL;
    }
    BIO_set_data(bio, connection);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    if (expect_host(ssl, connection->host)) return ssl;
    SSL_free(ssl);
    return NULL;
}

bool tls_begin(struct tls *tls, struct byte_stream *stream, const char *host, struct error *error) {
    static const struct byte_layer layer = {.shake = tls_shake,
                                            .read = tls_read,
                                            .write = tls_write,
                                            .holds_input = tls_holds_input,
                                            .wants = tls_wants,
                                            .close = tls_close};
    (void)error_fail_memory(error);
    struct tls_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return false;
    connection->fd = stream->fd;
    snprintf(connection->host, sizeof connection->host, "%s", tls->server_name != NULL ? tls->server_name : host);
    if (pthread_mutex_init(&connection->mutex, NULL) != 0) goto fail_connection;
    if (!enter_openssl()) goto fail_mutex;
    connection->ssl = make_connection(tls, connection);
    ERR_clear_error();
    exit_openssl();
    if (connection->ssl == NULL) goto fail_mutex;
    byte_stream_add_layer(stream, &layer, connection);
    return true;
fail_mutex:
    pthread_mutex_destroy(&connection->mutex);
fail_connection:
    free(connection);
    return false;
}
