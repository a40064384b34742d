#include "listener.h"
#include "common/url.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_EVERY_S = 15, KEEPALIVE_COUNT = 4 };

/* -1; *error has a sentence for what a listener meets, and the system's own for the rest. */
static int fail_to_listen(int number, struct error *error) {
    if (number == EADDRINUSE) (void)error_fail(error, MUSTER_UNAVAILABLE, "the address is in use");
    else if (number == EADDRNOTAVAIL)
        (void)error_fail(error, MUSTER_UNAVAILABLE, "the address is not one of this machine");
    else if (number == ENOENT || number == ENOTDIR)
        (void)error_fail(error, MUSTER_UNAVAILABLE, "there is no such folder");
    else if (number == EEXIST) (void)error_fail(error, MUSTER_UNAVAILABLE, "there is a file that is not a socket");
    else (void)error_fail_errno(error, number);
    return -1;
}

/* `path`: of a Unix socket, whose mode is set before anybody can connect; NULL: it is none. */
static int bind_and_listen(int fd, const struct sockaddr *address, socklen_t len, const char *path) {
    if (fd >= 0 && bind(fd, address, len) == 0 && (path == NULL || chmod(path, LISTENER_IPC_MODE) == 0) &&
        listen(fd, LISTENER_BACKLOG) == 0)
        return fd;
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return -1;
}

static int open_stream_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- ipc ---- */

/* Whether the file is a socket on which nobody listens: what a node that was killed leaves behind. */
static bool is_stale_socket(const struct sockaddr_un *address) {
    struct stat file;
    if (lstat(address->sun_path, &file) != 0) return false;
    if (!S_ISSOCK(file.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = open_stream_socket(AF_UNIX);
    if (fd < 0) return false;
    bool is_stale = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!is_stale) errno = EADDRINUSE;
    return is_stale;
}

static int listen_ipc(const char *path, struct error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return fail_to_listen(ENAMETOOLONG, error);
    strcpy(address.sun_path, path);
    int fd = bind_and_listen(open_stream_socket(AF_UNIX), (const struct sockaddr *)&address, sizeof address, path);
    if (fd < 0 && errno == EADDRINUSE && is_stale_socket(&address) && unlink(path) == 0)
        fd = bind_and_listen(open_stream_socket(AF_UNIX), (const struct sockaddr *)&address, sizeof address, path);
    return fd >= 0 ? fd : fail_to_listen(errno, error);
}

/* ---- tcp ---- */

static int listen_address(const struct addrinfo *at) {
    int on = 1, fd = open_stream_socket(at->ai_family);
    if (fd >= 0) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind_and_listen(fd, at->ai_addr, at->ai_addrlen, NULL);
}

static int listen_tcp(const char *authority, struct error *error) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char host[URL_BYTES];
    const char *port;
    int fd = -1;
    if (!url_split(authority, host, &port)) return fail_to_listen(EINVAL, error);
    const char *name = host[0] == '\0' || strcmp(host, "*") == 0 ? "0.0.0.0" : host;
    int failure = getaddrinfo(name, port, &hints, &found);
    if (failure != 0) {
        (void)error_fail(error, MUSTER_UNAVAILABLE, "the host has no address: %s", gai_strerror(failure));
        return -1;
    }
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) fd = listen_address(at);
    if (fd < 0) (void)fail_to_listen(errno, error);
    freeaddrinfo(found);
    return fd;
}

static void write_url(int fd, const char *url, char *out, size_t out_bytes) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    snprintf(out, out_bytes, "%s", url);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 || address.ss_family == AF_UNIX) return;
    unsigned port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                                        : ((struct sockaddr_in *)(void *)&address)->sin_port);
    snprintf(out, out_bytes, "%.*s:%u", (int)(strrchr(url, ':') - url), url, port);
}

int listener_open(const char *url, char *out, size_t out_bytes, struct error *error) {
    bool is_ipc = strncmp(url, "ipc://", 6) == 0;
    const char *authority = url_authority(url);
    if (strlen(url) >= out_bytes || (!is_ipc && authority == NULL)) return fail_to_listen(EINVAL, error);
    int fd = is_ipc ? listen_ipc(url + 6, error) : listen_tcp(authority, error);
    if (fd >= 0) write_url(fd, url, out, out_bytes);
    return fd;
}

void listener_close(int fd, const char *url) {
    if (fd < 0) return;
    if (strncmp(url, "ipc://", 6) == 0) (void)unlink(url + 6);
    close(fd);
}

void listener_tune(int fd, bool is_ipc) {
    int on = 1, idle_s = KEEPALIVE_IDLE_S, every_s = KEEPALIVE_EVERY_S, count = KEEPALIVE_COUNT;
    if (is_ipc) return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}
