#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* SP over a stream: 0, 'S', 'P', version 0, the protocol REQ (0x30), two reserved bytes. */
static const unsigned char greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

struct endpoint {
    struct sockaddr_storage storage;
    socklen_t len;
};

static bool endpoint_of(const nng_sockaddr *address, struct endpoint *out) {
    memset(out, 0, sizeof *out);
    switch (address->s_family) {
    case NNG_AF_INET: {
        struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;
        in->sin_family = AF_INET;
        in->sin_port = address->s_in.sa_port;
        in->sin_addr.s_addr = address->s_in.sa_addr;
        out->len = sizeof *in;
        return true;
    }
    case NNG_AF_INET6: {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = address->s_in6.sa_port;
        memcpy(&in6->sin6_addr, address->s_in6.sa_addr, sizeof in6->sin6_addr);
        out->len = sizeof *in6;
        return true;
    }
    case NNG_AF_IPC: {
        struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
        size_t len = strnlen(address->s_ipc.sa_path, sizeof un->sun_path - 1);
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, address->s_ipc.sa_path, len);
        out->len = sizeof *un;
        return true;
    }
    default:
        return false;
    }
}

static uint16_t local_port(int fd) {
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0) return 0;
    if (storage.ss_family == AF_INET) return ((struct sockaddr_in *)&storage)->sin_port;
    if (storage.ss_family == AF_INET6) return ((struct sockaddr_in6 *)&storage)->sin6_port;
    return 0;
}

struct probe probe_none(void) {
    return (struct probe){.fd = -1};
}

bool probe_is_under_way(const struct probe *probe) {
    return probe->fd >= 0;
}

enum probe_step probe_start(struct probe *probe, const nng_sockaddr *address) {
    struct endpoint to;
    *probe = probe_none();
    if (!endpoint_of(address, &to)) return PROBE_TRY_LATER;
    int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return PROBE_TRY_LATER;
    if (connect(fd, (struct sockaddr *)&to.storage, to.len) != 0 && errno != EINPROGRESS) {
        bool is_busy = errno == EAGAIN; /* a Unix socket's queue is full */
        close(fd);
        return is_busy ? PROBE_TRY_LATER : PROBE_FAILED;
    }
    *probe = (struct probe){.fd = fd, .local_port = local_port(fd)};
    return PROBE_GOES_ON;
}

enum probe_step probe_step(struct probe *probe) {
    if (probe->has_greeted) return PROBE_GOES_ON;
    ssize_t sent = send(probe->fd, greeting, sizeof greeting, MSG_NOSIGNAL);
    if (sent == (ssize_t)sizeof greeting) probe->has_greeted = true;
    else if (sent >= 0 || (errno != EAGAIN && errno != ENOTCONN && errno != EINTR)) return PROBE_FAILED;
    return PROBE_GOES_ON;
}

void probe_end(struct probe *probe) {
    if (probe->fd >= 0) close(probe->fd);
    *probe = probe_none();
}
