#include "probe.h"
#include "common/monotonic.h"
#include "common/url.h"
#include "net/sp/frame.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert((int)PROBE_GREETING_BYTES == (int)SP_GREETING_BYTES, "a greeting is read whole");

/* ---- what the first bytes say ---- */

static const char *say(char out[PROBE_TEXT_BYTES], const char *text) {
    (void)snprintf(out, PROBE_TEXT_BYTES, "%s", text);
    return out;
}

static const char *describe_protocol(enum probe_kind kind, uint16_t protocol, char out[PROBE_TEXT_BYTES]) {
    static const struct {
        uint16_t protocol;
        const char *name;
    } kinds[] = {[PROBE_SYNC] = {SP_REP, "a sync port (REP)"}, [PROBE_GOSSIP] = {SP_PUB, "a gossip port (PUB)"}};
    if (protocol == kinds[kind].protocol) return NULL;
    if (protocol == SP_PUB) (void)snprintf(out, PROBE_TEXT_BYTES, "a gossip port (PUB), not %s", kinds[kind].name);
    else if (protocol == SP_REP)
        (void)snprintf(out, PROBE_TEXT_BYTES, "a sync port or a port for calls (REP), not %s", kinds[kind].name);
    else (void)snprintf(out, PROBE_TEXT_BYTES, "an SP port of protocol 0x%02x, not %s", protocol, kinds[kind].name);
    return out;
}

const char *probe_describe(enum probe_kind kind, const uint8_t *bytes, size_t len, char out[PROBE_TEXT_BYTES]) {
    enum { TLS_ALERT = 0x15, TLS_MAJOR = 3 };
    uint16_t protocol;
    if (len == 0) return say(out, "not an SP peer: it accepts connections and says nothing");
    if (sp_greeting_protocol(bytes, len, &protocol)) return describe_protocol(kind, protocol, out);
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) return say(out, "not an SP peer: an HTTP server");
    if (len >= 2 && bytes[0] == TLS_ALERT && bytes[1] == TLS_MAJOR) return say(out, "not an SP peer: a TLS server");
    return say(out, "not an SP peer: it speaks another protocol");
}

/* ---- the connection ---- */

/* Waits for an event of the socket; false: it does not come in time. */
static bool await_event(int fd, short events, uint64_t until_ms) {
    struct pollfd item = {.fd = fd, .events = events};
    uint64_t now_ms = monotonic_ms();
    return now_ms < until_ms && poll(&item, 1, (int)(until_ms - now_ms)) > 0;
}

/* Reads until there are `len` bytes, the other side closes, or the time is over. Returns how many came; *is_closed: it
 * closed. */
static size_t read_bytes(int fd, uint8_t *bytes, size_t len, bool *is_closed) {
    uint64_t until_ms = monotonic_ms() + PROBE_ANSWER_MS;
    size_t have = 0;
    *is_closed = false;
    while (have < len && await_event(fd, POLLIN, until_ms)) {
        ssize_t got = recv(fd, bytes + have, len - have, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        *is_closed = got <= 0;
        if (*is_closed) break;
        have += (size_t)got;
    }
    return have;
}

static bool write_bytes(int fd, const void *bytes, size_t len) {
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len; /* a few bytes always fit */
}

/* 0, or an errno. */
static int connect_within(int fd, const struct addrinfo *at) {
    int error = 0;
    socklen_t len = sizeof error;
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    if (!await_event(fd, POLLOUT, monotonic_ms() + PROBE_CONNECT_MS)) return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* Connects to the first address that takes a connection. The descriptor, or -1 with *error: of the last one. */
static int connect_to_any(const struct addrinfo *found, int *error) {
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        *error = fd < 0 ? errno : connect_within(fd, at);
        if (*error == 0) return fd;
        if (fd >= 0) close(fd);
    }
    return -1;
}

static const char *describe_failure(int error, char out[PROBE_TEXT_BYTES]) {
    if (error == ECONNREFUSED) return say(out, "connection refused: nothing listens there");
    if (error == ETIMEDOUT) return say(out, "no answer to a connection: no such machine, or a firewall");
    (void)snprintf(out, PROBE_TEXT_BYTES, "no connection: %.100s", strerror(error));
    return out;
}

/* A server that waits for a line of text answers one; to a peer they are the half of a length. */
static size_t provoke(int fd, uint8_t bytes[PROBE_GREETING_BYTES], bool *is_closed) {
    static const char line_ends[] = "\r\n\r\n";
    if (!write_bytes(fd, line_ends, sizeof line_ends - 1)) return 0;
    return read_bytes(fd, bytes, PROBE_GREETING_BYTES, is_closed);
}

/* Calls and sync requests have the same protocol; a request without content is answered by a port for calls alone. */
static const char *describe_replier(int fd, char out[PROBE_TEXT_BYTES]) {
    static const uint8_t request[] = {0, 0, 0, 0, 0, 0, 0, 4, 0x80, 0, 0, 1};
    uint8_t reply;
    bool is_closed;
    if (!write_bytes(fd, request, sizeof request)) return say(out, "closes the connection");
    if (read_bytes(fd, &reply, 1, &is_closed) > 0)
        return say(out, "a port for calls (--rpc), not a sync port (--sync)");
    return say(out, "answers no sync request: its cluster key is another one, or one of the two has none");
}

static const char *describe_connection(enum probe_kind kind, int fd, char out[PROBE_TEXT_BYTES]) {
    uint8_t bytes[PROBE_GREETING_BYTES];
    bool is_closed;
    sp_greeting_write(kind == PROBE_SYNC ? SP_REQ : SP_SUB, bytes);
    (void)write_bytes(fd, bytes, sizeof bytes);
    size_t len = read_bytes(fd, bytes, sizeof bytes, &is_closed);
    if (len == 0 && !is_closed) len = provoke(fd, bytes, &is_closed);
    if (len == 0 && is_closed) return say(out, "not an SP peer: it closes the connection");
    if (probe_describe(kind, bytes, len, out) != NULL) return out;
    return kind == PROBE_SYNC ? describe_replier(fd, out) : say(out, "");
}

void probe_address(enum probe_kind kind, const char *url, char out[PROBE_TEXT_BYTES]) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[URL_BYTES];
    const char *port;
    int error = 0;
    if (strncmp(url, "tcp://", 6) != 0 || !url_split(url + 6, host, &port)) {
        (void)say(out, "not an address of the form tcp://HOST:PORT");
        return;
    }
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0) {
        (void)snprintf(out, PROBE_TEXT_BYTES, "the name does not resolve: %.80s", gai_strerror(failure));
        return;
    }
    int fd = connect_to_any(found, &error);
    freeaddrinfo(found);
    if (fd < 0) {
        (void)describe_failure(error, out);
        return;
    }
    (void)describe_connection(kind, fd, out);
    close(fd);
}
