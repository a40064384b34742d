#include "remote_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static void remote_name_local(int fd, char out[REMOTE_NAME_BYTES]) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        snprintf(out, REMOTE_NAME_BYTES, "pid:%d", (int)peer.pid);
}

static void remote_name(int fd, const struct sockaddr_storage *address, char out[REMOTE_NAME_BYTES]) {
    char host[INET6_ADDRSTRLEN];
    snprintf(out, REMOTE_NAME_BYTES, "unknown");
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, REMOTE_NAME_BYTES, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(out, REMOTE_NAME_BYTES, "[%s]:%u", host, ntohs(in->sin6_port));
    } else if (address->ss_family == AF_UNIX) {
        remote_name_local(fd, out);
    }
}

static struct remote_key remote_key_of(const struct sockaddr_storage *address) {
    struct remote_key key = {.kind = REMOTE_LOCAL};
    if (address->ss_family == AF_INET) {
        key.kind = REMOTE_V4;
        memcpy(key.bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct in6_addr *in = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        key.kind = IN6_IS_ADDR_V4MAPPED(in) ? REMOTE_V4 : REMOTE_V6;
        if (key.kind == REMOTE_V4) memcpy(key.bytes, in->s6_addr + 12, 4);
        else memcpy(key.bytes, in->s6_addr, 8);
        if (IN6_IS_ADDR_LOOPBACK(in)) key.bytes[7] = 1; /* ::/64 holds more than the loopback */
    }
    return key;
}

bool remote_is_loopback(const struct remote_key *key) {
    static const uint8_t loopback[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    if (key->kind == REMOTE_V4) return key->bytes[0] == 127;
    return key->kind == REMOTE_V6 && memcmp(key->bytes, loopback, sizeof loopback) == 0;
}

struct remote remote_of(int fd, const struct sockaddr_storage *address) {
    struct remote remote = {.key = remote_key_of(address)};
    remote_name(fd, address, remote.name);
    return remote;
}
