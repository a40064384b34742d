/* The TLS of one connection. Internal to server/net. */
#ifndef MUSTER_NET_TLS_STREAM_H
#define MUSTER_NET_TLS_STREAM_H

#include "tls.h"

#include <openssl/ssl.h>

/* A connection of a server with the certificate of now. NULL: memory is short. Any thread. */
SSL *tls_context_connection(struct tls_context *context);

#endif
