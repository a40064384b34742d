#include "pipe_address.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

void peer_name(nng_pipe pipe, char out[PEER_BYTES]) {
    nng_sockaddr address;
    uint64_t pid;
    char host[INET6_ADDRSTRLEN];
    snprintf(out, PEER_BYTES, "unknown");
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0) return;
    if (address.s_family == NNG_AF_INET) {
        inet_ntop(AF_INET, &address.s_in.sa_addr, host, sizeof host);
        snprintf(out, PEER_BYTES, "%s:%u", host, ntohs(address.s_in.sa_port));
    } else if (address.s_family == NNG_AF_INET6) {
        inet_ntop(AF_INET6, address.s_in6.sa_addr, host, sizeof host);
        snprintf(out, PEER_BYTES, "[%s]:%u", host, ntohs(address.s_in6.sa_port));
    } else if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0) {
        snprintf(out, PEER_BYTES, "pid:%" PRIu64, pid);
    }
}

bool peer_is_probe(nng_pipe pipe, uint16_t port) {
    nng_sockaddr address;
    uint64_t pid;
    if (port == 0 || nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0) return false;
    if (address.s_family == NNG_AF_INET) return address.s_in.sa_port == port;
    if (address.s_family == NNG_AF_INET6) return address.s_in6.sa_port == port;
    return nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0 && pid == (uint64_t)getpid();
}
