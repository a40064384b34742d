/* A stream of bytes to one target, over a non-blocking socket. The one place that knows how the bytes of a connection
 * that is dialled travel: what encrypts them, TLS say, is a layer of it.
 *
 * One thread opens, establishes, reads and closes a stream. Another may write at the same time. */
#ifndef MUSTER_COMMON_BYTE_STREAM_H
#define MUSTER_COMMON_BYTE_STREAM_H

#include "common/error.h"
#include "lookup.h"

#include <stdint.h>

struct byte_stream {
    int fd;                         /* -1: closed */
    int failure;                    /* the errno of what failed last */
    const struct byte_layer *layer; /* NULL: none; the bytes travel as they are */
    void *layer_state;
};

enum byte_stream_status {
    BYTE_STREAM_DONE,   /* it is established; or some bytes were read or written */
    BYTE_STREAM_WAITS,  /* again, when byte_stream_wants says that it can go on */
    BYTE_STREAM_ENDED,  /* the other side has closed it */
    BYTE_STREAM_FAILED, /* *error says why */
};

/* What stands between a stream and its socket. Each function does what that of byte_stream with its name does. */
struct byte_layer {
    enum byte_stream_status (*shake)(void *state, struct error *error);
    enum byte_stream_status (*read)(void *state, uint8_t *data, size_t size, size_t *len, struct error *error);
    enum byte_stream_status (*write)(void *state, const uint8_t *data, size_t size, size_t *len, struct error *error);
    bool (*holds_input)(void *state);
    short (*wants)(void *state); /* while it shakes hands */
    void (*close)(void *state);  /* frees the state; the socket is open still */
};

/* Begins to connect. false: *error says why it cannot; the stream is closed. */
bool byte_stream_open(struct byte_stream *stream, const struct target *target, struct error *error);
/* Goes on with establishing it. */
enum byte_stream_status byte_stream_establish(struct byte_stream *stream, struct error *error);
/* Puts a layer into a stream that is established. The stream closes it. */
void byte_stream_add_layer(struct byte_stream *stream, const struct byte_layer *layer, void *state);
/* Goes on with the handshake of its layer. */
enum byte_stream_status byte_stream_shake(struct byte_stream *stream, struct error *error);
/* The events of poll(2) that it waits for: to be established, then; and for its handshake. */
short byte_stream_wants(bool is_established, bool has_output);
short byte_stream_wants_to_shake(const struct byte_stream *stream);
/* Whether there is input to be read that poll(2) does not see. */
bool byte_stream_holds_input(struct byte_stream *stream);
/* Reads up to `size` bytes; *len is how many. */
enum byte_stream_status byte_stream_read(struct byte_stream *stream, uint8_t *data, size_t size, size_t *len,
                                         struct error *error);
/* Writes up to `size` bytes; *len is how many. Never raises SIGPIPE. */
enum byte_stream_status byte_stream_write(struct byte_stream *stream, const uint8_t *data, size_t size, size_t *len,
                                          struct error *error);
/* Closes this process's end of it; a process that shares it after a fork keeps its own. */
void byte_stream_close(struct byte_stream *stream);
/* The same in a process that is the child of the one that opened it: the peer is told nothing, and the state of a
 * layer, which another thread may have been changing as it was copied, is left as it is. */
void byte_stream_abandon(struct byte_stream *stream);

/* Writes the code and the words for an errno of a connection. */
void byte_stream_say_errno(struct error *error, int number);

#endif
