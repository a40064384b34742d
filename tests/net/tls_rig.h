/* Clients of TLS at an echo door whose loops the test turns. */
#ifndef MUSTER_TESTS_NET_TLS_RIG_H
#define MUSTER_TESTS_NET_TLS_RIG_H

#include "echo.h"
#include "support/certificates.h"
#include "support/tls_client.h"

/* A folder with an authority, and certificates of it. */
struct tls_rig {
    struct tempdir dir;
    struct authority *authority, *stranger;
    struct tempdir ca, stranger_ca;
    struct certificate server, client, unknown_client; /* of the authority, the authority, the stranger */
    struct tls_context *context, *mutual;              /* without and with the authority as --tls-client-ca */
    struct echo echo;
};

/* A client; `kept` is plaintext that was read, all of it. */
struct guest {
    struct echo *echo;
    int fd;
    struct tls_client *client;
    uint8_t *kept;
    size_t kept_len, kept_capacity;
    bool is_gone; /* the connection ended */
};

void tls_rig_make(struct tls_rig *rig);
void tls_rig_free(struct tls_rig *rig);

/* Connects to a loop, without a byte. options may be NULL: it trusts the authority. */
struct guest guest_arrive(struct tls_rig *rig, unsigned loop, const struct tls_client_options *options);
void guest_leave(struct guest *guest);
/* Sends what there is, turns the loops once, and reads what comes. */
void guest_move(struct guest *guest);
/* Handshake; whether it succeeds. */
bool guest_shake(struct guest *guest);
/* Arrives, and shakes hands in TLS and SP. */
struct guest guest_welcome(struct tls_rig *rig, unsigned loop, const struct tls_client_options *options);
/* Encrypts a request of `len` bytes, header included, filled from `seed`, without sending it. */
void guest_ask(struct guest *guest, size_t len, uint8_t seed);
/* Whether the oldest bytes kept are the answer to such a request; takes them. */
bool guest_take_answer(struct guest *guest, size_t len, uint8_t seed);
/* The same, with turns until it is there. Ends the test if it does not come. */
void guest_expect_answer(struct guest *guest, size_t len, uint8_t seed);

#endif
