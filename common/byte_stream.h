/* A stream of bytes to one target, over a non-blocking socket. The one place that knows how the bytes of a connection
 * that is dialled travel: what encrypts them, TLS say, goes in here.
 *
 * One thread opens, establishes, reads and closes a stream. Another may write at the same time. */
#ifndef MUSTER_COMMON_BYTE_STREAM_H
#define MUSTER_COMMON_BYTE_STREAM_H

#include "common/error.h"
#include "lookup.h"

#include <stdint.h>

struct byte_stream {
    int fd;      /* -1: closed */
    int failure; /* the errno of what failed last */
};

enum byte_stream_status {
    BYTE_STREAM_DONE,   /* it is established; or some bytes were read or written */
    BYTE_STREAM_WAITS,  /* again, when byte_stream_wants says that it can go on */
    BYTE_STREAM_ENDED,  /* the other side has closed it */
    BYTE_STREAM_FAILED, /* *error says why */
};

/* Begins to connect. false: *error says why it cannot; the stream is closed. */
bool byte_stream_open(struct byte_stream *stream, const struct target *target, struct error *error);
/* Goes on with establishing it. */
enum byte_stream_status byte_stream_establish(struct byte_stream *stream, struct error *error);
/* The events of poll(2) that it waits for. */
short byte_stream_wants(bool is_established, bool has_output);
/* Reads up to `size` bytes; *len is how many. */
enum byte_stream_status byte_stream_read(struct byte_stream *stream, uint8_t *data, size_t size, size_t *len,
                                         struct error *error);
/* Writes up to `size` bytes; *len is how many. Never raises SIGPIPE. */
enum byte_stream_status byte_stream_write(struct byte_stream *stream, const uint8_t *data, size_t size, size_t *len,
                                          struct error *error);
/* Closes this process's end of it; a process that shares it after a fork keeps its own. */
void byte_stream_close(struct byte_stream *stream);

#endif
