/* A client's connection that speaks HTTP/2 frame by frame (RFC 9113), so that a test can also speak it wrong.
 *
 * What is written goes out as it is. What comes is read frame by frame, and kept for each stream. Unless a test says
 * otherwise, the reader does what a client must: it acknowledges SETTINGS and PING, and returns the window of DATA.
 * One thread at a time. */
#ifndef MUSTER_TESTS_SUPPORT_H2_H
#define MUSTER_TESTS_SUPPORT_H2_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum h2_type {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION
};
enum { H2_END_STREAM = 0x1, H2_ACK = 0x1, H2_END_HEADERS = 0x4, H2_PADDED = 0x8, H2_HAS_PRIORITY = 0x20 };
enum {
    H2_HEADER_BYTES = 9,
    H2_FRAME_BYTES = 16384,
    H2_WINDOW = 65535,
    H2_SETTING_COUNT = 8,
    H2_DEBUG_BYTES = 128,
    H2_BUCKETS = 1024
};
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
enum { H2_PREFACE_BYTES = sizeof H2_PREFACE - 1 };

struct h2_field {
    const char *name, *value;
};
struct h2_fields {
    struct h2_field *items; /* owned */
    size_t count;
};

/* What came on one stream. */
struct h2_stream {
    struct h2_stream *next; /* of its bucket */
    uint32_t id;
    struct h2_fields headers, trailers; /* where the response is trailers alone, they are the headers */
    uint8_t *body;
    size_t body_len, body_capacity;
    bool has_headers, has_ended, is_reset; /* has_ended: by END_STREAM or a reset */
    uint32_t reset_error;
    int64_t window;         /* what may be sent */
    int64_t receive_window; /* what the server may still send; its DATA beyond it ends the test */
};

struct tls_client;

struct h2 {
    int fd;                      /* -1: not connected */
    struct tls_client *tls;      /* NULL: in the clear */
    void (*turn)(void *context); /* NULL: waiting is poll. Else it lets the other side work: deadlines are counted in
                                  * turns that brought nothing */
    void *turn_context;
    bool keeps_settings, keeps_pings, keeps_windows; /* not acknowledged, not returned */
    bool never_reads;                                /* not even to be able to write on */
    bool is_held;                                    /* what is written is kept until h2_release */

    /* what the server said */
    bool is_ended;  /* it closed the connection, or the network did */
    bool was_reset; /* not in order: what was under way may be lost */
    bool has_settings;
    uint32_t settings[H2_SETTING_COUNT]; /* by id; the defaults of the RFC at first */
    unsigned settings_acks, pongs, pings, goaways, resets;
    uint32_t goaway_last, goaway_error;
    char goaway_debug[H2_DEBUG_BYTES];
    int64_t window;         /* of the connection: what may be sent */
    int64_t receive_window; /* as of a stream */
    int64_t initial_window; /* the last that h2_write_settings said of streams */

    uint32_t next_stream;
    struct h2_stream *streams[H2_BUCKETS];
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    uint8_t *in, *held;
    size_t in_at, in_len, in_capacity, held_len, held_capacity;
    uint8_t *block; /* a header block that CONTINUATION goes on with */
    size_t block_len;
    bool block_ends_stream;
};

/* Connects to the port at the end of `url` on 127.0.0.1 without a word; "tls:HOST:PORT": and shakes hands, trusting
 * everybody. fd is -1 if that fails. h2_close frees it. */
struct h2 *h2_connect(const char *url);
/* The same of a socket that is connected: it is made non-blocking, and owned. `turn` may be NULL. */
struct h2 *h2_of(int fd, void (*turn)(void *context), void *context);
/* `h2` may be NULL. */
void h2_close(struct h2 *h2);
void h2_reset(struct h2 *h2); /* closes with a TCP reset */

/* Preface and an empty SETTINGS, and waits for the server's. Ends the test if they do not come. */
void h2_greet(struct h2 *h2);
/* The same, of a new connection. Ends the test. */
struct h2 *h2_open(const char *url);

/* ---- writing; false: the server is gone, or takes nothing for 20 s ---- */

bool h2_write(struct h2 *h2, const void *bytes, size_t len);
bool h2_write_header(struct h2 *h2, size_t len, uint8_t type, uint8_t flags, uint32_t stream);
bool h2_write_frame(struct h2 *h2, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len);
bool h2_write_settings(struct h2 *h2, const nghttp2_settings_entry *entries, size_t count);
bool h2_write_reset(struct h2 *h2, uint32_t stream, uint32_t error);
bool h2_write_window(struct h2 *h2, uint32_t stream, uint32_t increment);
bool h2_write_ping(struct h2 *h2, uint64_t opaque);
/* A HEADERS frame, and CONTINUATIONs where it is larger than a frame, encoded by nghttp2's deflater. */
bool h2_write_headers(struct h2 *h2, uint8_t flags, uint32_t stream, const struct h2_field *fields, size_t count);
/* From now on what is written is collected. h2_take_held returns it, to be freed by the caller; h2_release sends it. */
void h2_hold(struct h2 *h2);
uint8_t *h2_take_held(struct h2 *h2, size_t *len);
bool h2_release(struct h2 *h2);
/* The next id of a client's stream. */
uint32_t h2_new_stream(struct h2 *h2);

/* ---- reading ---- */

struct h2_frame {
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload; /* with its padding; valid until anything is read or written */
    size_t len;
};
enum h2_read { H2_READ, H2_NOTHING, H2_ENDED };
/* The next frame, after it had its effect on the fields above; `frame` may be NULL. H2_NOTHING: none came in time. Ends
 * the test where a frame breaks the RFC: header blocks that do not decode, more DATA than the window, a frame that is
 * too large. */
enum h2_read h2_read(struct h2 *h2, struct h2_frame *frame, uint64_t timeout_ms);
/* Reads until the fact holds; false: the connection ended before, or timeout_ms passed. */
bool h2_await(struct h2 *h2, bool (*fact)(const struct h2 *h2, const void *context), const void *context,
              uint64_t timeout_ms);
/* Reads until the server closes the connection; false: it did not within timeout_ms. */
bool h2_await_end(struct h2 *h2, uint64_t timeout_ms);
bool h2_await_stream_end(struct h2 *h2, uint32_t stream, uint64_t timeout_ms);
bool h2_await_headers(struct h2 *h2, uint32_t stream, uint64_t timeout_ms);
bool h2_await_goaways(struct h2 *h2, unsigned count, uint64_t timeout_ms);
/* Sends a PING and reads until it is answered: then all that was sent before was read. */
bool h2_round_trip(struct h2 *h2, uint64_t timeout_ms);
/* Reads what is there. */
void h2_read_all(struct h2 *h2);

/* What came on the stream so far; never NULL. */
struct h2_stream *h2_stream(struct h2 *h2, uint32_t id);
/* Frees what is kept of it. */
void h2_forget(struct h2 *h2, uint32_t id);
/* The first value of that name; NULL: there is none. */
const char *h2_value(const struct h2_fields *fields, const char *name);

#endif
