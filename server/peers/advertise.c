#include "advertise.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>

/* The first address of the machine that is not its loopback's; IPv4 before IPv6, and no link-local one. */
static bool machine_address(char out[INET6_ADDRSTRLEN]) {
    struct ifaddrs *all = NULL;
    bool is_found = false;
    if (getifaddrs(&all) != 0) return false;
    for (int family = AF_INET; !is_found; family = AF_INET6) {
        for (const struct ifaddrs *at = all; at != NULL && !is_found; at = at->ifa_next) {
            if (at->ifa_addr == NULL || at->ifa_addr->sa_family != family) continue;
            if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
            const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr;
            const struct in_addr *v4 = &((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
            if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(v6)) continue;
            const void *address = family == AF_INET ? (const void *)v4 : (const void *)v6;
            is_found = inet_ntop(family, address, out, INET6_ADDRSTRLEN) != NULL;
        }
        if (family == AF_INET6) break;
    }
    freeifaddrs(all);
    return is_found;
}

const char *advertised_url(const char *url, const char *host, char out[URL_BYTES]) {
    char found[INET6_ADDRSTRLEN];
    if (host == NULL && url_is_wildcard(url) && machine_address(found)) host = found;
    return host != NULL && url_with_host(url, host, out) ? out : url;
}
