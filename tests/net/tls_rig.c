#include "tls_rig.h"
#include "net/sp/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { ROUNDS_MAX = 100000, HANDSHAKE_ROUNDS = 50 };

static struct tls_context *make_context(const struct tls_rig *rig, const char *client_ca) {
    const struct tls_files files = {rig->server.cert.path, rig->server.key.path, client_ca};
    struct error error;
    struct tls_context *context = tls_context_new(&files, &error);
    if (context == NULL) fail_msg("no context: %s", error.text);
    return context;
}

void tls_rig_make(struct tls_rig *rig) {
    *rig =
        (struct tls_rig){.dir = tempdir_make(), .authority = authority_new("ours"), .stranger = authority_new("other")};
    rig->ca = authority_write(rig->authority, &rig->dir, "ca.pem");
    rig->stranger_ca = authority_write(rig->stranger, &rig->dir, "stranger.pem");
    rig->server = certificate_make(rig->authority, &rig->dir, "server", &(struct certificate_wish){0});
    rig->client =
        certificate_make(rig->authority, &rig->dir, "client", &(struct certificate_wish){.is_of_client = true});
    rig->unknown_client =
        certificate_make(rig->stranger, &rig->dir, "unknown", &(struct certificate_wish){.is_of_client = true});
    rig->context = make_context(rig, NULL);
    rig->mutual = make_context(rig, rig->ca.path);
}

void tls_rig_free(struct tls_rig *rig) {
    tls_context_free(rig->context);
    tls_context_free(rig->mutual);
    authority_free(rig->authority);
    authority_free(rig->stranger);
    tempdir_remove(&rig->dir);
}

struct guest guest_arrive(struct tls_rig *rig, unsigned loop, const struct tls_client_options *options) {
    const struct tls_client_options usual = {.ca = rig->ca.path, .host = "localhost"};
    struct guest guest = {.echo = &rig->echo, .fd = echo_dial(&rig->echo, loop)};
    guest.client = tls_client_new(guest.fd, options != NULL ? options : &usual);
    return guest;
}

void guest_leave(struct guest *guest) {
    tls_client_free(guest->client);
    close(guest->fd);
    free(guest->kept);
    *guest = (struct guest){.fd = -1};
}

static void read_plain(struct guest *guest) {
    for (long got = 1; got > 0;) {
        if (guest->kept_capacity - guest->kept_len < 64 * 1024) {
            guest->kept_capacity = 2 * guest->kept_capacity + 64 * 1024;
            guest->kept = realloc(guest->kept, guest->kept_capacity);
            if (guest->kept == NULL) abort();
        }
        got = tls_client_read(guest->client, guest->kept + guest->kept_len, guest->kept_capacity - guest->kept_len);
        if (got > 0) guest->kept_len += (size_t)got;
    }
}

void guest_move(struct guest *guest) {
    (void)tls_client_push(guest->client, SIZE_MAX);
    echo_turn(guest->echo, 1);
    if (tls_client_pull(guest->client, SIZE_MAX) < 0) guest->is_gone = true;
}

bool guest_shake(struct guest *guest) {
    for (int i = 0; i < HANDSHAKE_ROUNDS; i++) {
        bool is_done = tls_client_shake(guest->client);
        guest_move(guest);
        if (is_done) return true;
        if (guest->is_gone && tls_client_waiting(guest->client) == 0) {
            (void)tls_client_shake(guest->client); /* an alert may have come before the end */
            return false;
        }
    }
    return false;
}

struct guest guest_welcome(struct tls_rig *rig, unsigned loop, const struct tls_client_options *options) {
    uint8_t greeting[SP_GREETING_BYTES];
    struct guest guest = guest_arrive(rig, loop, options);
    if (!guest_shake(&guest)) fail_msg("no handshake: %s", tls_client_failure(guest.client));
    sp_greeting_write(SP_REQ, greeting);
    if (!tls_client_write(guest.client, greeting, sizeof greeting)) fail_msg("no greeting is taken");
    for (int i = 0; i < HANDSHAKE_ROUNDS && guest.kept_len < sizeof greeting; i++) {
        guest_move(&guest);
        read_plain(&guest);
    }
    if (guest.kept_len != sizeof greeting) fail_msg("%zu bytes of a greeting", guest.kept_len);
    guest.kept_len = 0;
    return guest;
}

static uint8_t *make_request(size_t len, uint8_t seed, size_t *total) {
    uint8_t *bytes = malloc(SP_PREFIX_BYTES_MAX + len);
    if (bytes == NULL) abort();
    size_t prefix = sp_prefix_write(false, len, bytes);
    for (size_t i = 0; i < len; i++) bytes[prefix + i] = (uint8_t)(seed + i * 7);
    bytes[prefix] = 0x80;
    *total = prefix + len;
    return bytes;
}

void guest_ask(struct guest *guest, size_t len, uint8_t seed) {
    size_t total;
    uint8_t *bytes = make_request(len, seed, &total);
    if (!tls_client_write(guest->client, bytes, total)) fail_msg("a request is not taken");
    free(bytes);
}

bool guest_take_answer(struct guest *guest, size_t len, uint8_t seed) {
    size_t total;
    read_plain(guest);
    if (guest->kept_len < len) return false;
    uint8_t *bytes = make_request(len, seed, &total);
    bool is_there = guest->kept_len >= total;
    if (is_there && memcmp(guest->kept, bytes, total) != 0) fail_msg("an answer of %zu bytes is another", len);
    free(bytes);
    if (!is_there) return false;
    guest->kept_len -= total;
    memmove(guest->kept, guest->kept + total, guest->kept_len);
    return true;
}

void guest_expect_answer(struct guest *guest, size_t len, uint8_t seed) {
    for (int i = 0; i < ROUNDS_MAX && !guest->is_gone; i++) {
        if (guest_take_answer(guest, len, seed)) return;
        guest_move(guest);
    }
    if (!guest_take_answer(guest, len, seed)) fail_msg("no answer of %zu bytes", len);
}
