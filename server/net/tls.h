/* What the TLS of a node's listeners needs: the certificate, its key, and the authorities whose clients may connect.
 *
 * A listener whose URL begins with tls+tcp:// speaks TLS 1.2 or 1.3, with forward secrecy and authenticated ciphers
 * alone; without compression or renegotiation. The stream layer does all of it: a protocol above sees plaintext. */
#ifndef MUSTER_NET_TLS_H
#define MUSTER_NET_TLS_H

#include "common/error.h"

#include <stdbool.h>

struct tls_context;

/* Paths of PEM files. */
struct tls_files {
    const char *cert;      /* --tls-cert: the certificate, then those between it and the root */
    const char *key;       /* --tls-key: its private key, not encrypted */
    const char *client_ca; /* --tls-client-ca: whose clients may connect. NULL: clients need no certificate */
};

/* Reads the files; the paths are borrowed. A certificate that is not valid at this time is logged, and used. NULL and
 * *error, which names the flag and the file: one cannot be read, is not what it should be, or the key is of another
 * certificate. */
struct tls_context *tls_context_new(const struct tls_files *files, struct error *error);
/* Reads the files again, for connections that come from now on; those that are open keep what they have. False and
 * *error: nothing has changed. Any thread. */
bool tls_context_reload(struct tls_context *context, struct error *error);
/* After the doors that use it are closed. `context` may be NULL. */
void tls_context_free(struct tls_context *context);

#endif
