#include "url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool port_is_good(const char *text) {
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

bool url_host_is_loopback(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(host, "localhost") == 0) return true;
    if (inet_pton(AF_INET, host, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    return false;
}

bool url_split(const char *authority, char host[URL_BYTES], const char **port) {
    const char *colon = strrchr(authority, ':');
    if (colon == NULL) return false;
    size_t len = (size_t)(colon - authority);
    bool is_bracketed = len >= 2 && authority[0] == '[' && authority[len - 1] == ']';
    if (is_bracketed) authority++, len -= 2;
    if (len >= URL_BYTES) return false;
    memcpy(host, authority, len);
    host[len] = '\0';
    *port = colon + 1;
    return is_bracketed || strpbrk(host, ":[]/;?#@") == NULL;
}

static const char *after_prefix(const char *text, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

const char *url_authority(const char *url) {
    const char *authority = after_prefix(url, "tcp://");
    return authority != NULL ? authority : after_prefix(url, "tls+tcp://");
}

bool url_is_tls(const char *url) {
    return after_prefix(url, "tls+tcp://") != NULL;
}

static enum url_reach unreachable(struct error *error, const char *text) {
    (void)error_fail(error, MUSTER_INVALID_ARGUMENT, "%s", text);
    return REACH_NONE;
}

enum url_reach url_reach(const char *url, struct error *error) {
    char host[URL_BYTES];
    const char *port;
    if (strncmp(url, "ipc://", 6) == 0) {
        size_t len = strlen(url + 6);
        if (len > 0 && len < sizeof((struct sockaddr_un *)NULL)->sun_path) return REACH_LOOPBACK;
        return unreachable(error, "ipc:// wants a path of 1 to 107 bytes");
    }
    const char *authority = url_authority(url);
    if (authority == NULL) return unreachable(error, "it must begin with tcp://, tls+tcp:// or ipc://");
    if (strlen(url) >= URL_BYTES || !url_split(authority, host, &port) || !port_is_good(port))
        return unreachable(error, url_is_tls(url) ? "tls+tcp:// wants HOST:PORT, with a port of 0 to 65535"
                                                  : "tcp:// wants HOST:PORT, with a port of 0 to 65535");
    return url_host_is_loopback(host) ? REACH_LOOPBACK : REACH_BEYOND;
}

bool url_is_wildcard(const char *url) {
    char host[URL_BYTES];
    const char *port;
    struct in6_addr v6;
    if (strncmp(url, "tcp://", 6) != 0 || !url_split(url + 6, host, &port)) return false;
    if (host[0] == '\0' || strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0) return true;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
}

bool url_with_host(const char *url, const char *host, char out[URL_BYTES]) {
    char old[URL_BYTES];
    const char *port;
    if (strncmp(url, "tcp://", 6) != 0 || !url_split(url + 6, old, &port)) return false;
    bool is_v6 = strchr(host, ':') != NULL;
    int len = snprintf(out, URL_BYTES, is_v6 ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port);
    return len > 0 && len < URL_BYTES;
}
