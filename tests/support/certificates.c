#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAY_S = 24 * 60 * 60, RSA_BITS = 2048 };

struct authority {
    EVP_PKEY *key;
    X509 *cert;
};

static void expect(bool is_true, const char *what) {
    if (is_true) return;
    fprintf(stderr, "certificates: cannot make %s\n", what);
    abort();
}

static void extend(X509 *cert, X509 *issuer, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    expect(extension != NULL && X509_add_ext(cert, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static X509 *begin_certificate(const char *common, EVP_PKEY *key, long from_s, long until_s) {
    X509 *cert = X509_new();
    uint32_t serial = 0;
    expect(cert != NULL && RAND_bytes((unsigned char *)&serial, sizeof serial) == 1, common);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial);
    expect(X509_gmtime_adj(X509_getm_notBefore(cert), from_s) != NULL, common);
    expect(X509_gmtime_adj(X509_getm_notAfter(cert), until_s) != NULL, common);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1,
                               0);
    expect(X509_set_pubkey(cert, key) == 1, common);
    return cert;
}

struct authority *authority_new(const char *name) {
    struct authority *authority = calloc(1, sizeof *authority);
    expect(authority != NULL, name);
    authority->key = EVP_EC_gen("P-256");
    expect(authority->key != NULL, name);
    authority->cert = begin_certificate(name, authority->key, -DAY_S, 30 * DAY_S);
    X509_set_issuer_name(authority->cert, X509_get_subject_name(authority->cert));
    extend(authority->cert, authority->cert, NID_basic_constraints, "critical,CA:TRUE");
    extend(authority->cert, authority->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(authority->cert, authority->cert, NID_subject_key_identifier, "hash");
    expect(X509_sign(authority->cert, authority->key, EVP_sha256()) > 0, name);
    return authority;
}

void authority_free(struct authority *authority) {
    if (authority == NULL) return;
    X509_free(authority->cert);
    EVP_PKEY_free(authority->key);
    free(authority);
}

static void write_certificate(const char *path, X509 *cert) {
    FILE *file = fopen(path, "w");
    expect(file != NULL && PEM_write_X509(file, cert) == 1 && fclose(file) == 0, path);
}

struct tempdir authority_write(const struct authority *authority, const struct tempdir *dir, const char *file) {
    struct tempdir path = tempdir_path(dir, file);
    write_certificate(path.path, authority->cert);
    return path;
}

struct certificate certificate_make(const struct authority *authority, const struct tempdir *dir, const char *name,
                                    const struct certificate_wish *wish) {
    char file[64];
    struct certificate made;
    EVP_PKEY *key = wish->is_rsa ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    expect(key != NULL, name);
    X509 *cert = begin_certificate(wish->common != NULL ? wish->common : "test", key,
                                   wish->is_not_begun ? DAY_S : -10 * DAY_S, wish->is_expired ? -DAY_S : 10 * DAY_S);
    X509_set_issuer_name(cert, X509_get_subject_name(authority->cert));
    extend(cert, authority->cert, NID_subject_alt_name,
           wish->names != NULL ? wish->names : "DNS:localhost,IP:127.0.0.1,IP:::1");
    extend(cert, authority->cert, NID_ext_key_usage, wish->is_of_client ? "clientAuth" : "serverAuth");
    extend(cert, authority->cert, NID_authority_key_identifier, "keyid");
    expect(X509_sign(cert, authority->key, EVP_sha256()) > 0, name);
    snprintf(file, sizeof file, "%s.pem", name);
    made.cert = tempdir_path(dir, file);
    write_certificate(made.cert.path, cert);
    snprintf(file, sizeof file, "%s.key", name);
    made.key = tempdir_path(dir, file);
    FILE *key_file = fopen(made.key.path, "w");
    expect(key_file != NULL && PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
               fclose(key_file) == 0,
           name);
    X509_free(cert);
    EVP_PKEY_free(key);
    return made;
}
