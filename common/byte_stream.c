#include "byte_stream.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* In the words of the system, but as a part of a sentence. */
void byte_stream_say_errno(struct error *error, int number) {
    bool is_short = number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS;
    (void)error_fail(error, is_short ? MUSTER_RESOURCE_EXHAUSTED : MUSTER_UNAVAILABLE, "%s", strerror(number));
    error->text[0] = (char)tolower((unsigned char)error->text[0]);
}

static enum byte_stream_status byte_stream_fail(struct byte_stream *stream, struct error *error, int number) {
    stream->failure = number;
    byte_stream_say_errno(error, number);
    return BYTE_STREAM_FAILED;
}

static bool would_block(int number) {
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

bool byte_stream_open(struct byte_stream *stream, const struct target *target, struct error *error) {
    int family = target->address.ss_family, on = 1;
    stream->layer = NULL;
    stream->layer_state = NULL;
    stream->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (stream->fd < 0) {
        (void)byte_stream_fail(stream, error, errno);
        return false;
    }
    if (family != AF_UNIX) (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int rv = connect(stream->fd, (const struct sockaddr *)&target->address, target->len);
    /* A Unix socket whose queue of connections is full says EAGAIN, and nothing reports when it has room. */
    if (rv == 0 || errno == EINPROGRESS || errno == EINTR) return true;
    (void)byte_stream_fail(stream, error, errno);
    byte_stream_close(stream);
    return false;
}

enum byte_stream_status byte_stream_establish(struct byte_stream *stream, struct error *error) {
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0) failure = errno;
    return failure == 0 ? BYTE_STREAM_DONE : byte_stream_fail(stream, error, failure);
}

void byte_stream_add_layer(struct byte_stream *stream, const struct byte_layer *layer, void *state) {
    stream->layer = layer;
    stream->layer_state = state;
}

enum byte_stream_status byte_stream_shake(struct byte_stream *stream, struct error *error) {
    return stream->layer != NULL ? stream->layer->shake(stream->layer_state, error) : BYTE_STREAM_DONE;
}

short byte_stream_wants_to_shake(const struct byte_stream *stream) {
    return stream->layer != NULL ? stream->layer->wants(stream->layer_state) : POLLIN;
}

bool byte_stream_holds_input(struct byte_stream *stream) {
    return stream->layer != NULL && stream->layer->holds_input(stream->layer_state);
}

short byte_stream_wants(bool is_established, bool has_output) {
    return (short)((is_established ? POLLIN : 0) | (!is_established || has_output ? POLLOUT : 0));
}

enum byte_stream_status byte_stream_read(struct byte_stream *stream, uint8_t *data, size_t size, size_t *len,
                                         struct error *error) {
    if (stream->layer != NULL) return stream->layer->read(stream->layer_state, data, size, len, error);
    ssize_t got = recv(stream->fd, data, size, 0);
    *len = got > 0 ? (size_t)got : 0;
    if (got > 0) return BYTE_STREAM_DONE;
    if (got == 0) return BYTE_STREAM_ENDED;
    return would_block(errno) ? BYTE_STREAM_WAITS : byte_stream_fail(stream, error, errno);
}

enum byte_stream_status byte_stream_write(struct byte_stream *stream, const uint8_t *data, size_t size, size_t *len,
                                          struct error *error) {
    if (stream->layer != NULL) return stream->layer->write(stream->layer_state, data, size, len, error);
    ssize_t put = send(stream->fd, data, size, MSG_NOSIGNAL);
    *len = put > 0 ? (size_t)put : 0;
    if (put >= 0) return BYTE_STREAM_DONE;
    return would_block(errno) ? BYTE_STREAM_WAITS : byte_stream_fail(stream, error, errno);
}

void byte_stream_close(struct byte_stream *stream) {
    if (stream->layer != NULL) stream->layer->close(stream->layer_state);
    byte_stream_abandon(stream);
}

void byte_stream_abandon(struct byte_stream *stream) {
    stream->layer = NULL;
    int fd = stream->fd;
    stream->fd = -1; /* first: a fork in between loses the descriptor, and closes no other one by its number */
    if (fd >= 0) close(fd);
}
