/* A stream of bytes to one target, over a non-blocking socket. The one place of the library that knows how bytes
 * travel: what encrypts them, TLS say, goes in here.
 *
 * One thread opens, establishes, reads and closes a stream. Another may write at the same time. */
#ifndef MUSTER_CLIENT_STREAM_H
#define MUSTER_CLIENT_STREAM_H

#include "common/error.h"
#include "lookup.h"

#include <stdint.h>

struct stream {
    int fd; /* -1: closed */
};

enum stream_status {
    STREAM_DONE,   /* it is established; or some bytes were read or written */
    STREAM_WAITS,  /* again, when stream_wants says that it can go on */
    STREAM_ENDED,  /* the other side has closed it */
    STREAM_FAILED, /* *error says why */
};

/* Begins to connect. false: *error says why it cannot; the stream is closed. */
bool stream_open(struct stream *stream, const struct target *target, struct error *error);
/* Goes on with establishing it. */
enum stream_status stream_establish(struct stream *stream, struct error *error);
/* The events of poll(2) that it waits for. */
short stream_wants(bool is_established, bool has_output);
/* Reads up to `size` bytes; *len is how many. */
enum stream_status stream_read(struct stream *stream, uint8_t *data, size_t size, size_t *len, struct error *error);
/* Writes up to `size` bytes; *len is how many. Never raises SIGPIPE. */
enum stream_status stream_write(struct stream *stream, const uint8_t *data, size_t size, size_t *len,
                                struct error *error);
/* Closes this process's end of it; a process that shares it after a fork keeps its own. */
void stream_close(struct stream *stream);

#endif
