#include "socket.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { HELLO_BYTES_MAX = 16 };

static int refuse_address(struct error *error, const char *address, const char *why) {
    (void)error_fail(error, MUSTER_UNAVAILABLE, "cannot reach %s: %s", address, why);
    return -1;
}

bool load_socket_is_ipc(const char *address) {
    return strncmp(address, "ipc://", 6) == 0;
}

static void set_timeout(int fd, uint32_t timeout_ms) {
    const struct timeval span = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &span, sizeof span);
}

static int connect_ipc(const char *address, uint32_t timeout_ms, struct error *error) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = address + strlen("ipc://");
    if (strlen(path) >= sizeof to.sun_path) return refuse_address(error, address, "the path is too long");
    memcpy(to.sun_path, path, strlen(path));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return refuse_address(error, address, strerror(errno));
    set_timeout(fd, timeout_ms);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    (void)refuse_address(error, address, strerror(errno));
    (void)close(fd);
    return -1;
}

/* Splits HOST:PORT or [HOST]:PORT in place. */
static bool split_host_port(char *text, char **host, char **port) {
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') return false;
    *colon = '\0';
    *port = colon + 1;
    *host = text;
    if (text[0] != '[') return true;
    if (colon[-1] != ']') return false;
    colon[-1] = '\0';
    *host = text + 1;
    return true;
}

static int connect_tcp(const char *address, uint32_t timeout_ms, struct error *error) {
    char text[300], *host, *port;
    struct addrinfo *found;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (strncmp(address, "tls+tcp://", strlen("tls+tcp://")) == 0)
        return refuse_address(error, address, "the load generator speaks no TLS");
    const bool has_scheme = strncmp(address, "tcp://", strlen("tcp://")) == 0;
    (void)snprintf(text, sizeof text, "%s", address + (has_scheme ? strlen("tcp://") : 0));
    if (!split_host_port(text, &host, &port))
        return refuse_address(error, address, "it must be tcp://HOST:PORT or HOST:PORT");
    const int found_none = getaddrinfo(host, port, &hints, &found);
    if (found_none != 0) return refuse_address(error, address, gai_strerror(found_none));
    int fd = -1, why = 0;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0) set_timeout(fd, timeout_ms);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
        why = errno;
        if (fd >= 0) (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd < 0) return refuse_address(error, address, strerror(why));
    const int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

static bool shake_hands(const struct protocol *protocol, int fd) {
    uint8_t theirs[HELLO_BYTES_MAX];
    const size_t wanted = protocol->hello_bytes;
    if (wanted == 0) return true;
    if (send(fd, protocol->hello, wanted, MSG_NOSIGNAL) != (ssize_t)wanted) return false;
    if (protocol->hello_answer == NULL) return true;
    assert(wanted <= sizeof theirs);
    if (recv(fd, theirs, wanted, MSG_WAITALL) != (ssize_t)wanted) return false;
    return memcmp(theirs, protocol->hello_answer, wanted) == 0;
}

int load_socket_open(const struct protocol *protocol, const char *address, uint32_t timeout_ms, struct error *error) {
    const bool is_ipc = load_socket_is_ipc(address);
    if (!is_ipc && strstr(address, "://") != NULL && strncmp(address, "tcp://", 6) != 0)
        return refuse_address(error, address, "a load generator speaks tcp:// and ipc:// only");
    const int fd = is_ipc ? connect_ipc(address, timeout_ms, error) : connect_tcp(address, timeout_ms, error);
    if (fd < 0) return -1;
    if (shake_hands(protocol, fd)) return fd;
    (void)close(fd);
    return refuse_address(error, address, "it does not answer as a node does");
}
