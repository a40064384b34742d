/* A client of TLS that is moved byte by byte: plaintext goes in and comes out on one side, ciphertext on the other, and
 * the test decides what travels when. Over a socket that is open; nothing blocks. */
#ifndef MUSTER_TESTS_SUPPORT_TLS_CLIENT_H
#define MUSTER_TESTS_SUPPORT_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_client;

/* Zero is the default of each field. */
struct tls_client_options {
    const char *ca;         /* whom it trusts; NULL: everybody */
    const char *cert, *key; /* its own; NULL: none */
    const char *alpn;       /* the one protocol that it offers; NULL: no ALPN */
    const char *host;       /* the name that it asks for and checks; NULL: none */
    int version;            /* TLS1_2_VERSION, say: that one alone; 0: 1.2 and 1.3 */
};

/* Over a descriptor, which the caller closes. Ends the test program if the options cannot be used. */
struct tls_client *tls_client_new(int fd, const struct tls_client_options *options);
void tls_client_free(struct tls_client *client); /* may be NULL */

/* One step of the handshake. Whether it is complete. */
bool tls_client_shake(struct tls_client *client);
/* Encrypts plaintext; it travels with tls_client_push. False: the handshake is not complete, or TLS failed. */
bool tls_client_write(struct tls_client *client, const void *bytes, size_t len);
/* Decrypts what has been pulled: how many bytes there are, at most `len`; 0: none yet. -1: the peer said that nothing
 * follows, or TLS failed: tls_client_failure. */
long tls_client_read(struct tls_client *client, void *bytes, size_t len);
/* As the options of KeyUpdate, renegotiation and close_notify are sent. */
bool tls_client_update_key(struct tls_client *client);
bool tls_client_renegotiate(struct tls_client *client);
void tls_client_say_goodbye(struct tls_client *client);

/* Ciphertext that waits to be pushed. */
size_t tls_client_waiting(const struct tls_client *client);
/* Sends at most `most` bytes of it. How many the socket took. */
size_t tls_client_push(struct tls_client *client, size_t most);
/* Receives at most `most` bytes of ciphertext, decrypts nothing. How many there were; -1: the connection ended. */
long tls_client_pull(struct tls_client *client, size_t most);

/* Why TLS failed, in OpenSSL's words; "": it did not. */
const char *tls_client_failure(const struct tls_client *client);
/* Whether the peer said that nothing follows. */
bool tls_client_is_over(const struct tls_client *client);
/* The common name of the peer's certificate, "" without one. */
const char *tls_client_peer(struct tls_client *client);
const char *tls_client_alpn(const struct tls_client *client);

/* ---- waiting: for sockets on which another process or thread answers ---- */

/* Shakes hands within timeout_ms. */
bool tls_client_shake_within(struct tls_client *client, uint64_t timeout_ms);
/* All of it is encrypted and sent within timeout_ms. */
bool tls_client_write_all(struct tls_client *client, const void *bytes, size_t len, uint64_t timeout_ms);
/* At least a byte, at most `len`, within timeout_ms; 0: the time is over; -1: the end, or TLS failed. */
long tls_client_read_within(struct tls_client *client, void *bytes, size_t len, uint64_t timeout_ms);

#endif
