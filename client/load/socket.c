#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *address, const char *why) {
    (void)fprintf(stderr, "muster: bench: cannot reach %s: %s\n", address, why);
    return -1;
}

bool bench_socket_is_ipc(const char *address) {
    return strncmp(address, "ipc://", 6) == 0;
}

static void set_timeout(int fd, uint32_t timeout_ms) {
    const struct timeval span = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &span, sizeof span);
}

static int connect_ipc(const char *address, uint32_t timeout_ms) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = address + strlen("ipc://");
    if (strlen(path) >= sizeof to.sun_path) return fail(address, "the path is too long");
    memcpy(to.sun_path, path, strlen(path));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(address, strerror(errno));
    set_timeout(fd, timeout_ms);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    (void)fail(address, strerror(errno));
    (void)close(fd);
    return -1;
}

/* Cuts HOST:PORT or [HOST]:PORT in two, in place. */
static bool split(char *text, char **host, char **port) {
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

static int connect_tcp(const char *address, uint32_t timeout_ms) {
    char text[300], *host, *port;
    struct addrinfo *found;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    (void)snprintf(text, sizeof text, "%s", address + strlen("tcp://"));
    if (!split(text, &host, &port)) return fail(address, "it must be tcp://HOST:PORT");
    const int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) return fail(address, gai_strerror(error));
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
    if (fd < 0) return fail(address, strerror(why));
    const int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

/* Each side says which protocol of nng's it speaks: 0x30 is REQ, 0x31 REP. */
static bool shake_hands(int fd) {
    static const char ours[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0}, wanted[] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    char theirs[sizeof wanted];
    if (send(fd, ours, sizeof ours, MSG_NOSIGNAL) != (ssize_t)sizeof ours) return false;
    if (recv(fd, theirs, sizeof theirs, MSG_WAITALL) != (ssize_t)sizeof theirs) return false;
    return memcmp(theirs, wanted, sizeof wanted) == 0;
}

int bench_socket_open(const char *address, uint32_t timeout_ms) {
    const bool is_ipc = bench_socket_is_ipc(address);
    if (!is_ipc && strncmp(address, "tcp://", 6) != 0) return fail(address, "bench speaks tcp:// and ipc:// only");
    const int fd = is_ipc ? connect_ipc(address, timeout_ms) : connect_tcp(address, timeout_ms);
    if (fd < 0) return -1;
    if (shake_hands(fd) && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) return fd;
    (void)fail(address, "it does not answer as a node does");
    (void)close(fd);
    return -1;
}
