/* A connection that speaks nng's wire format byte by byte, so that a test can also speak it wrong.
 *
 * TCP: each side sends 00 'S' 'P' 00, its protocol, 00 00; then each message is a length of 8 bytes, big-endian, and
 * the payload. Unix sockets have a byte 01 before each length. A request begins with an id whose high bit is set. */
#ifndef MUSTER_TESTS_SUPPORT_SP_H
#define MUSTER_TESTS_SUPPORT_SP_H

#include "request_builder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp {
    int fd;                 /* -1: not connected */
    struct tls_client *tls; /* NULL: without TLS */
    bool is_ipc;
    uint32_t last_id;
};

enum { SP_HEADER_BYTES = 8 };
extern const unsigned char sp_greeting[SP_HEADER_BYTES]; /* of a client */

/* Connects to tcp://127.0.0.1:PORT, tls+tcp://127.0.0.1:PORT or ipc://PATH without a word of SP; trusts any
 * certificate. fd is -1 if that fails. */
struct sp sp_connect(const char *url);
/* The same from another address of the loopback, "127.0.0.2" say; over tcp. */
struct sp sp_connect_from(const char *url, const char *address);
/* The same, and shakes hands. fd is -1 if the server closes or does not answer within timeout_ms. */
struct sp sp_open(const char *url, uint64_t timeout_ms);
/* Shakes hands on a connection that is open; closes it if that fails. */
void sp_shake_hands(struct sp *sp, uint64_t timeout_ms);
void sp_close(struct sp *sp);
void sp_reset(struct sp *sp); /* closes with a reset */

bool sp_write(struct sp *sp, const void *bytes, size_t len); /* as it is; false if the server is gone */
/* Exactly so many bytes; false if the connection ended or timeout_ms passed. */
bool sp_read(struct sp *sp, void *bytes, size_t len, uint64_t timeout_ms);
bool sp_write_length(struct sp *sp, uint64_t len);
/* A whole request; *id is what its reply will carry. */
bool sp_send(struct sp *sp, const void *request, size_t len, uint32_t *id);
bool sp_send_built(struct sp *sp, struct request_builder *builder, uint32_t *id); /* frees the builder */

/* Several requests that are sent in one write. Zero is empty. */
struct sp_batch {
    uint8_t *bytes;
    size_t len, capacity;
};
void sp_batch_add(struct sp_batch *batch, struct sp *sp, struct request_builder *builder, uint32_t *id); /* frees it */
/* Sends and empties it; false if the server is gone. */
bool sp_batch_send(struct sp_batch *batch, struct sp *sp);
void sp_batch_free(struct sp_batch *batch);

/* The next reply, to be freed by the caller; NULL if the connection ended or timeout_ms passed. */
uint8_t *sp_receive(struct sp *sp, uint64_t timeout_ms, uint32_t *id, size_t *len);
/* Whether the server closes the connection within timeout_ms; reads what comes until then. */
bool sp_is_closed(struct sp *sp, uint64_t timeout_ms);

/* The same without reading anything. */
bool sp_is_hung_up(struct sp *sp, uint64_t timeout_ms);

/* An answerer over a connection that is made anew for each question; the url outlives it. */
struct answerer sp_answerer(const char *url);
/* Whether a new connection is answered within timeout_ms. */
bool sp_is_served(const char *url, uint64_t timeout_ms);
/* Whether this one is, which has shaken hands and awaits no other reply. false if it is not connected. */
bool sp_is_answered(struct sp *sp, uint64_t timeout_ms);

#endif
