/* TLS of connections to nodes, tls+tcp://, by OpenSSL: the layer of a byte_stream.
 *
 * OpenSSL may be the program's, too. The library initialises it as any use of it does, sets nothing that is shared, and
 * cleans nothing up; once the program ends by exit(), nothing of OpenSSL is called any more, since what it shares is
 * freed then while threads of the library go on. */
#ifndef MUSTER_CLIENT_TLS_H
#define MUSTER_CLIENT_TLS_H

#include "common/byte_stream.h"

#include <stdbool.h>

/* Whom a client trusts, and what it shows: shared by all its connections. Not changed once it is made. */
struct tls;

struct tls_options {
    const char *ca_file;     /* PEM; NULL: the system's authorities */
    const char *cert_file;   /* PEM, with those between it and its root; NULL: none */
    const char *key_file;    /* of cert_file */
    const char *server_name; /* that the node's certificate must have; NULL: the host of the address */
};

/* Reads the files. NULL and *error: INVALID_ARGUMENT, with the name of the field and the path, or memory is short. */
struct tls *tls_new(const struct tls_options *options, struct error *error);
/* Once its connections are closed. `tls` may be NULL. */
void tls_free(struct tls *tls);

/* Puts TLS between the stream, which is connected to `host`, and its socket. The handshake is byte_stream_shake. False
 * and *error: memory is short. */
bool tls_begin(struct tls *tls, struct byte_stream *stream, const char *host, struct error *error);

#endif
