/* Certificates for tests, made with OpenSSL: an authority, and what it signs. Each call ends the test program if it
 * cannot do what it says. */
#ifndef MUSTER_TESTS_SUPPORT_CERTIFICATES_H
#define MUSTER_TESTS_SUPPORT_CERTIFICATES_H

#include "tempdir.h"

#include <stdbool.h>

struct authority;

struct authority *authority_new(const char *name);
void authority_free(struct authority *authority); /* may be NULL */
/* Writes its own certificate into the folder: what others trust. */
struct tempdir authority_write(const struct authority *authority, const struct tempdir *dir, const char *file);

/* What a certificate is to say. Zero is the default of each field. */
struct certificate_wish {
    const char *names;  /* subjectAltName, "DNS:a.example,IP:10.0.0.1"; NULL: localhost, 127.0.0.1 and ::1 */
    bool is_of_client;  /* for clients; else for servers */
    bool is_expired;    /* since yesterday */
    bool is_not_begun;  /* valid from tomorrow on */
    bool is_rsa;        /* RSA with 2048 bits; else P-256 */
    const char *common; /* the common name; NULL: "test" */
};

struct certificate {
    struct tempdir cert, key; /* the paths of PEM files */
};
/* Makes a key and a certificate, and writes them as NAME.pem and NAME.key. */
struct certificate certificate_make(const struct authority *authority, const struct tempdir *dir, const char *name,
                                    const struct certificate_wish *wish);

#endif
