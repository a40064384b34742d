#include "sys/log.h"
#include "tls_stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of TLS 1.2; what HTTP/2 allows of it (RFC 9113, 9.2.2). TLS 1.3 has none that would have to be left out. */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* Of a client, with those between it and its root: OpenSSL takes memory for what is announced. */
enum { TLS_CERTIFICATES_BYTES_MAX = 32 * 1024 };

struct tls_context {
    struct tls_files files;
    pthread_mutex_t lock;
    SSL_CTX *current; /* behind the lock; connections hold references of their own */
};

/* ---- the files ---- */

/* Why OpenSSL failed last, for people; the queue is empty then. */
static const char *take_reason(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason != NULL ? reason : "unknown error";
}

static bool refuse_file(struct error *error, const char *flag, const char *path, const char *why) {
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%s %.200s: %s", flag, path, why);
}

/* NULL and *error: it cannot be read. */
static BIO *open_file(const char *flag, const char *path, struct error *error) {
    struct stat status;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)refuse_file(error, flag, path, strerror(errno));
        return NULL;
    }
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode)) {
        BIO *bio = BIO_new_fp(file, BIO_CLOSE);
        if (bio != NULL) return bio;
        (void)error_fail_memory(error);
    } else {
        (void)refuse_file(error, flag, path, "it is no regular file");
    }
    fclose(file);
    return NULL;
}

/* A key with a passphrase is refused, rather than asked for on the terminal. */
static int refuse_passphrase(char *out, int size, int is_written, void *was_asked) {
    (void)out, (void)size, (void)is_written;
    *(bool *)was_asked = true;
    return -1;
}

/* The certificates that follow the first one. */
static bool use_chain(SSL_CTX *ctx, BIO *file) {
    X509 *next;
    while ((next = PEM_read_bio_X509(file, NULL, refuse_passphrase, &(bool){false})) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, next) == 1) continue;
        X509_free(next);
        return false;
    }
    bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (is_end) ERR_clear_error();
    return is_end;
}

static bool use_certificate(SSL_CTX *ctx, const char *path, struct error *error) {
    BIO *file = open_file("--tls-cert", path, error);
    if (file == NULL) return false;
    X509 *leaf = PEM_read_bio_X509_AUX(file, NULL, refuse_passphrase, &(bool){false});
    bool is_used = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1 && use_chain(ctx, file);
    if (leaf == NULL) (void)refuse_file(error, "--tls-cert", path, "it holds no certificate in PEM");
    else if (!is_used) (void)refuse_file(error, "--tls-cert", path, take_reason());
    ERR_clear_error();
    X509_free(leaf);
    BIO_free(file);
    return is_used;
}

static bool use_key(SSL_CTX *ctx, const char *path, struct error *error) {
    BIO *file = open_file("--tls-key", path, error);
    bool is_encrypted = false;
    if (file == NULL) return false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, refuse_passphrase, &is_encrypted);
    bool is_used = false;
    if (is_encrypted)
        (void)refuse_file(error, "--tls-key", path, "its key is encrypted; store it without a passphrase");
    else if (key == NULL) (void)refuse_file(error, "--tls-key", path, "it holds no private key in PEM");
    else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1)
        (void)refuse_file(error, "--tls-key", path, "its key is not that of the certificate of --tls-cert");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1) (void)refuse_file(error, "--tls-key", path, take_reason());
    else is_used = true;
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(file);
    return is_used;
}

static bool use_client_ca(SSL_CTX *ctx, const char *path, struct error *error) {
    BIO *file = open_file("--tls-client-ca", path, error);
    if (file == NULL) return false;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509 *authority;
    size_t count = 0;
    bool is_good = true;
    while (is_good && (authority = PEM_read_bio_X509(file, NULL, refuse_passphrase, &(bool){false})) != NULL) {
        is_good = X509_STORE_add_cert(store, authority) == 1 && SSL_CTX_add_client_CA(ctx, authority) == 1;
        count += is_good;
        X509_free(authority);
    }
    if (is_good) is_good = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (count == 0) (void)refuse_file(error, "--tls-client-ca", path, "it holds no certificate in PEM");
    else if (!is_good) (void)refuse_file(error, "--tls-client-ca", path, take_reason());
    ERR_clear_error();
    BIO_free(file);
    if (count == 0 || !is_good) return false;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

static void write_date(const ASN1_TIME *at, char *out, size_t bytes) {
    struct tm date = {0};
    if (ASN1_TIME_to_tm(at, &date) != 1 || strftime(out, bytes, "%Y-%m-%dT%H:%M:%SZ", &date) == 0) out[0] = '\0';
}

/* Clients refuse such a certificate, but perhaps their clocks, or this one, are wrong. */
static void warn_of_dates(const SSL_CTX *ctx, const char *path) {
    const X509 *leaf = SSL_CTX_get0_certificate(ctx);
    char begins[32], ends[32];
    write_date(X509_get0_notBefore(leaf), begins, sizeof begins);
    write_date(X509_get0_notAfter(leaf), ends, sizeof ends);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        log_line(LEVEL_WARN, "tls_certificate", "the certificate of --tls-cert has expired", {"path", path, 0},
                 {"not_after", ends, 0});
    else if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        log_line(LEVEL_WARN, "tls_certificate", "the certificate of --tls-cert is not valid yet", {"path", path, 0},
                 {"not_before", begins, 0});
}

/* ---- contexts ---- */

/* What every door asks of TLS. */
static bool set_rules(SSL_CTX *ctx) {
    static const unsigned char name[] = "musterd";
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets, which cost the server no memory, remain */
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_max_cert_list(ctx, TLS_CERTIFICATES_BYTES_MAX);
    tls_stream_prepare(ctx);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(ctx, TLS_CIPHERS) == 1 &&
           SSL_CTX_set_session_id_context(ctx, name, sizeof name - 1) == 1;
}

static SSL_CTX *load_files(const struct tls_files *files, struct error *error) {
    (void)error_fail_memory(error);
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx != NULL && set_rules(ctx) && use_certificate(ctx, files->cert, error) && use_key(ctx, files->key, error) &&
        (files->client_ca == NULL || use_client_ca(ctx, files->client_ca, error))) {
        warn_of_dates(ctx, files->cert);
        return ctx;
    }
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

struct tls_context *tls_context_new(const struct tls_files *files, struct error *error) {
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        (void)error_fail_memory(error);
        return NULL;
    }
    context->files = *files;
    context->current = load_files(files, error);
    if (context->current != NULL && pthread_mutex_init(&context->lock, NULL) == 0) return context;
    SSL_CTX_free(context->current);
    free(context);
    return NULL;
}

bool tls_context_reload(struct tls_context *context, struct error *error) {
    SSL_CTX *fresh = load_files(&context->files, error), *old;
    if (fresh == NULL) return false;
    pthread_mutex_lock(&context->lock);
    old = context->current;
    context->current = fresh;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(old);
    return true;
}

SSL *tls_context_connection(struct tls_context *context) {
    pthread_mutex_lock(&context->lock);
    SSL_CTX *ctx = context->current;
    (void)SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&context->lock);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    return ssl;
}

void tls_context_free(struct tls_context *context) {
    if (context == NULL) return;
    SSL_CTX_free(context->current);
    pthread_mutex_destroy(&context->lock);
    free(context);
}
