/* The TLS of one connection. Internal to server/net. Functions are called on the thread of the stream's loop unless
 * their comment says otherwise. */
#ifndef MUSTER_NET_TLS_STREAM_H
#define MUSTER_NET_TLS_STREAM_H

#include "tls.h"

#include "common/text.h"

#include <openssl/ssl.h>
#include <stdint.h>

struct stream;
struct loop;

/* A connection of a server with the certificate of now. NULL: memory is short. Any thread. */
SSL *tls_context_connection(struct tls_context *context);

/* Sets what the connections of a context ask of their streams. Any thread. */
void tls_stream_prepare(SSL_CTX *ctx);

/* Receives, decrypts, and passes on what there is; shakes hands before, and then opens the stream for its protocol. */
void tls_receive(struct stream *stream);
/* Encrypts, and hands the ciphertext to the socket. The handshake is complete. */
void tls_send(struct stream *stream, struct text bytes);
/* Whether the handshake is not complete yet; false without TLS. */
bool tls_is_shaking(const struct stream *stream);
/* The bytes of the record that is being received, and the `waiting` ones in the socket, came before the loop stood
 * still. */
void tls_mark_stale(struct stream *stream, uint32_t waiting);
/* Tells the peer that nothing follows, where all that was sent before is with the system; does not wait. */
void tls_say_goodbye(struct stream *stream);
/* What is held of an unfinished record is counted no longer. */
void tls_drop_record(struct stream *stream);
/* Why TLS failed, static; NULL: it did not. */
const char *tls_failure(const struct stream *stream);
/* Frees what TLS holds of the connection, or of the loop. */
void tls_close(struct stream *stream);
void tls_free_room(struct loop *loop);

#endif
