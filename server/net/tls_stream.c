/* TLS below a stream. OpenSSL reads ciphertext from a buffer of the loop and writes ciphertext to another, by a BIO
 * that never waits.
 *
 * All that was received is decrypted at once, so that OpenSSL never holds plaintext, of which epoll would know nothing:
 * between two turns it has at most a part of one record. What the protocol does not take is kept as plaintext by the
 * stream, and what the socket does not take as ciphertext. */
#include "tls_stream.h"
#include "net_internal.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    TLS_PLAIN_BYTES_MAX = 16 * 1024,               /* of one record */
    TLS_RECORD_BYTES = TLS_PLAIN_BYTES_MAX + 1024, /* what OpenSSL holds for one that has not come completely */
    TLS_OUT_BYTES = LOOP_BUFFER_BYTES + 8 * 1024,  /* a full buffer of the loop is one system call */
    TLS_HELLO_BYTES_MAX = 16 * 1024,               /* of a ClientHello; OpenSSL takes memory for what is announced */
    TLS_HEAD_BYTES = 9,                            /* a record's header, and that of the handshake message in it */
    TLS_NUISANCES_MAX = 32,                        /* records without data, in addition to one for each… */
    TLS_NUISANCE_SHIFT = 20,                       /* …MiB of plaintext */
};

struct tls_stream {
    SSL *ssl;
    const char *failure; /* why TLS failed; static. NULL: it did not */
    bool has_shaken;
    bool is_over;                           /* the peer has closed its side */
    bool is_counted;                        /* TLS_RECORD_BYTES are taken from the loops */
    bool is_record_stale;                   /* the record of which a part has come began before the loop stood still */
    uint8_t head[TLS_HEAD_BYTES], head_len; /* the first bytes of the connection */
    uint32_t nuisances;
    uint32_t plain; /* bytes since the last nuisance was forgiven */
};

/* What the connections of a loop share. */
struct tls_room {
    const struct stream *reader; /* whose ciphertext is in `in`; NULL: nobody's */
    size_t in_at, in_len, out_len;
    uint8_t in[LOOP_BUFFER_BYTES], out[TLS_OUT_BYTES];
};

/* ---- between OpenSSL and the loop's buffers ---- */

static void hand_out(struct stream *stream) {
    struct tls_room *room = stream->loop->tls_room;
    const struct text bytes = {(const char *)room->out, (uint32_t)room->out_len};
    room->out_len = 0;
    if (bytes.len > 0 && stream->why == STREAM_OPEN) output_put(stream, bytes);
}

static int read_ciphertext(BIO *bio, char *out, int size) {
    struct stream *stream = BIO_get_data(bio);
    struct tls_room *room = stream->loop->tls_room;
    BIO_clear_retry_flags(bio);
    if (stream->tls->nuisances > TLS_NUISANCES_MAX) return -1;
    size_t left = room->reader == stream ? room->in_len - room->in_at : 0;
    size_t some = left < (size_t)size ? left : (size_t)size;
    if (some == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, room->in + room->in_at, some);
    room->in_at += some;
    stream->stale_wire -= stream->stale_wire < some ? stream->stale_wire : (uint32_t)some;
    return (int)some;
}

static int write_ciphertext(BIO *bio, const char *bytes, int size) {
    struct stream *stream = BIO_get_data(bio);
    struct tls_room *room = stream->loop->tls_room;
    BIO_clear_retry_flags(bio);
    for (size_t at = 0, some; at < (size_t)size; at += some) {
        if (room->out_len == sizeof room->out) hand_out(stream);
        some = sizeof room->out - room->out_len;
        if (some > (size_t)size - at) some = (size_t)size - at;
        memcpy(room->out + room->out_len, bytes + at, some);
        room->out_len += some;
    }
    return size;
}

static long control_bio(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int create_bio(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *stream_method;

static void make_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (method == NULL) return;
    BIO_meth_set_read(method, read_ciphertext);
    BIO_meth_set_write(method, write_ciphertext);
    BIO_meth_set_ctrl(method, control_bio);
    BIO_meth_set_create(method, create_bio);
    stream_method = method;
}

/* ---- what a client may do ---- */

static struct stream *stream_of(const SSL *ssl) {
    return BIO_get_data(SSL_get_rbio(ssl));
}

static const char no_protocol[] = "the client does not offer the protocol of this port by ALPN";

/* A client without ALPN is refused before it costs a signature. */
static int check_hello(SSL *ssl, int *alert, void *unused) {
    struct stream *stream = stream_of(ssl);
    const unsigned char *offered;
    size_t len;
    (void)unused;
    if (stream->door->alpn == NULL ||
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &offered, &len) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    stream->tls->failure = no_protocol;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                           unsigned int len, void *unused) {
    struct stream *stream = stream_of(ssl);
    const char *wanted = stream->door->alpn;
    (void)unused;
    if (wanted == NULL) return SSL_TLSEXT_ERR_NOACK;
    for (unsigned at = 0; at < len && offered[at] < len - at; at += 1u + offered[at]) {
        if (offered[at] != strlen(wanted) || memcmp(offered + at + 1, wanted, offered[at]) != 0) continue;
        *out = offered + at + 1;
        *out_len = offered[at];
        return SSL_TLSEXT_ERR_OK;
    }
    stream->tls->failure = no_protocol;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Counts the records after the handshake that carry no data: KeyUpdates cost much more than their bytes, and so do
 * attempts to renegotiate, which are refused one by one. */
static void count_record(int is_written, int version, int type, const void *bytes, size_t len, SSL *ssl,
                         void *stream_of_it) {
    struct stream *stream = stream_of_it;
    bool tells_type = type == SSL3_RT_INNER_CONTENT_TYPE || type == SSL3_RT_HEADER;
    (void)version;
    if (is_written || !tells_type || len == 0 || *(const uint8_t *)bytes == SSL3_RT_APPLICATION_DATA) return;
    if (SSL_is_init_finished(ssl)) stream->tls->nuisances++;
}

void tls_stream_prepare(SSL_CTX *ctx) {
    SSL_CTX_set_client_hello_cb(ctx, check_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
    SSL_CTX_set_msg_callback(ctx, count_record);
}

/* ---- opening and closing ---- */

/* A connection costs nothing here until its first bytes come. */
static bool begin_tls(struct stream *stream) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loop *loop = stream->loop;
    pthread_once(&once, make_method);
    if (loop->tls_room == NULL) loop->tls_room = calloc(1, sizeof *loop->tls_room);
    if (loop->tls_room == NULL || stream_method == NULL) return false;
    struct tls_stream *tls = calloc(1, sizeof *tls);
    BIO *bio = BIO_new(stream_method);
    SSL *ssl = tls_context_connection(stream->door->tls);
    if (tls == NULL || bio == NULL || ssl == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        free(tls);
        return false;
    }
    BIO_set_data(bio, stream);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_msg_callback_arg(ssl, stream);
    SSL_set_accept_state(ssl);
    tls->ssl = ssl;
    stream->tls = tls;
    return true;
}

void tls_drop_record(struct stream *stream) {
    struct tls_stream *tls = stream->tls;
    if (tls == NULL || !tls->is_counted) return;
    tls->is_counted = false;
    loops_give_bytes(stream->loop->loops, TLS_RECORD_BYTES);
}

void tls_say_goodbye(struct stream *stream) {
    struct tls_stream *tls = stream->tls;
    if (tls == NULL || !tls->has_shaken || tls->failure != NULL || stream->out_len > stream->out_at) return;
    struct tls_room *room = stream->loop->tls_room;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
    (void)!send(stream->source.fd, room->out, room->out_len, MSG_NOSIGNAL);
    room->out_len = 0;
}

void tls_close(struct stream *stream) {
    if (stream->tls == NULL) return;
    tls_drop_record(stream);
    SSL_free(stream->tls->ssl);
    free(stream->tls);
    stream->tls = NULL;
}

void tls_free_room(struct loop *loop) {
    free(loop->tls_room);
    loop->tls_room = NULL;
}

const char *tls_failure(const struct stream *stream) {
    return stream->tls != NULL ? stream->tls->failure : NULL;
}

bool tls_is_shaking(const struct stream *stream) {
    return stream->is_tls && (stream->tls == NULL || !stream->tls->has_shaken);
}

/* ---- input ---- */

static bool record_is_open(const SSL *ssl) {
    return SSL_has_pending(ssl) == 1 || strcmp(SSL_rstate_string(ssl), "RB") == 0;
}

static void fail_tls(struct stream *stream) {
    struct tls_stream *tls = stream->tls;
    unsigned long error = ERR_peek_last_error();
    long verified = SSL_get_verify_result(tls->ssl);
    if (tls->nuisances > TLS_NUISANCES_MAX) tls->failure = "too many records without data";
    else if (tls->failure == NULL && verified != X509_V_OK) tls->failure = X509_verify_cert_error_string(verified);
    else if (tls->failure == NULL) tls->failure = ERR_reason_error_string(error);
    if (tls->failure == NULL) tls->failure = "no reason is known";
    ERR_clear_error();
    stream_end(stream, tls->has_shaken ? STREAM_BROKEN : STREAM_STRANGER);
}

static void forgive_nuisances(struct tls_stream *tls, size_t plain) {
    tls->plain += (uint32_t)plain;
    uint32_t forgiven = tls->plain >> TLS_NUISANCE_SHIFT;
    tls->plain &= (1u << TLS_NUISANCE_SHIFT) - 1;
    tls->nuisances -= tls->nuisances < forgiven ? tls->nuisances : forgiven;
}

/* Decrypts all that came. Returns how many bytes there are at `out`, which has room for them. */
static size_t decrypt_received(struct stream *stream, uint8_t *out, size_t capacity) {
    struct tls_stream *tls = stream->tls;
    size_t len = 0;
    bool is_stale;
    int got;
    ERR_clear_error();
    do {
        assert(len < capacity);
        is_stale = tls->is_record_stale || stream->stale_wire > 0;
        got = SSL_read(tls->ssl, out + len, (int)(capacity - len));
        if (got <= 0) break;
        len += (size_t)got;
        if (is_stale) stream->stale += (uint32_t)got;
        tls->is_record_stale = false;
    } while (true);
    int why = SSL_get_error(tls->ssl, got);
    hand_out(stream); /* of the handshake, or why it failed */
    forgive_nuisances(tls, len);
    tls->is_record_stale = is_stale && record_is_open(tls->ssl);
    if (why == SSL_ERROR_ZERO_RETURN) {
        tls->is_over = true;
        (void)shutdown(stream->source.fd, SHUT_RD); /* the end is read in a later turn, after what is kept */
    } else if (why != SSL_ERROR_WANT_READ) {
        fail_tls(stream);
    }
    return len;
}

/* OpenSSL would take up to 128 KiB for a ClientHello as soon as its length has come. False: it is too long. */
static bool check_head(struct tls_stream *tls, const uint8_t *bytes, size_t len) {
    if (tls->head_len == TLS_HEAD_BYTES) return true;
    size_t missing = TLS_HEAD_BYTES - tls->head_len, some = len < missing ? len : missing;
    memcpy(tls->head + tls->head_len, bytes, some);
    tls->head_len += (uint8_t)some;
    if (tls->head_len < TLS_HEAD_BYTES || tls->head[0] != SSL3_RT_HANDSHAKE) return true;
    return ((uint32_t)tls->head[6] << 16 | (uint32_t)tls->head[7] << 8 | tls->head[8]) <= TLS_HELLO_BYTES_MAX;
}

static void open_shaken(struct stream *stream) {
    struct tls_stream *tls = stream->tls;
    if (tls->has_shaken || stream->why != STREAM_OPEN || !SSL_is_init_finished(tls->ssl)) return;
    tls->has_shaken = true;
    stream_opened(stream);
}

/* A record that has begun is an unfinished message, and its memory counts. */
static void settle_record(struct stream *stream) {
    struct tls_stream *tls = stream->tls;
    if (stream->why != STREAM_OPEN || stream->is_leaving || !tls->has_shaken) return;
    bool is_open = record_is_open(tls->ssl);
    if (!is_open) tls_drop_record(stream);
    else if (!tls->is_counted) {
        tls->is_counted =
            loops_take_bytes(stream->loop->loops, TLS_RECORD_BYTES) || streams_make_room(stream, TLS_RECORD_BYTES);
        if (!tls->is_counted) stream_end(stream, STREAM_MEMORY);
    }
    if (!stream->has_greeted) return;
    bool is_unfinished = is_open || stream->in_len > stream->in_at;
    if (is_open && stream->slow != SLOW_UNFINISHED) stream_move_to(stream, SLOW_UNFINISHED);
    else if (!is_unfinished && stream->slow == SLOW_UNFINISHED) stream_move_to(stream, stream_quiet_list(stream));
}

void tls_receive(struct stream *stream) {
    struct loop *loop = stream->loop;
    if (stream->tls == NULL && !begin_tls(stream)) {
        stream_end(stream, STREAM_MEMORY);
        return;
    }
    struct tls_room *room = loop->tls_room;
    uint8_t *out = loop->in + loop->in_used;
    size_t capacity = LOOP_BUFFER_BYTES - loop->in_used; /* for the rest of a record, and all that comes now */
    ssize_t received = recv(stream->source.fd, room->in, capacity - TLS_PLAIN_BYTES_MAX, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0 || stream->tls->is_over) {
        stream_end(stream, STREAM_GONE);
        return;
    }
    if (!check_head(stream->tls, room->in, (size_t)received)) {
        stream->tls->failure = "the ClientHello is too long";
        stream_end(stream, STREAM_STRANGER);
        return;
    }
    room->reader = stream;
    room->in_at = 0;
    room->in_len = (size_t)received;
    size_t len = decrypt_received(stream, out, capacity);
    room->reader = NULL;
    open_shaken(stream);
    if (len > 0 && stream->why == STREAM_OPEN) stream_take_received(stream, out, len);
    settle_record(stream);
}

void tls_mark_stale(struct stream *stream, uint32_t waiting) {
    stream->stale_wire = waiting;
    if (stream->tls != NULL) stream->tls->is_record_stale = record_is_open(stream->tls->ssl);
}

/* ---- output ---- */

void tls_send(struct stream *stream, struct text bytes) {
    for (size_t at = 0; at < bytes.len && stream->why == STREAM_OPEN;) {
        ERR_clear_error();
        int put = SSL_write(stream->tls->ssl, bytes.data + at, (int)(bytes.len - at));
        if (put <= 0) {
            fail_tls(stream);
            return;
        }
        at += (size_t)put;
    }
    hand_out(stream);
}
