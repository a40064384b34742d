#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_prefix(const char *string, const char *prefix) {
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

static bool refuse(struct error *error, const char *why) {
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%s", why);
}

static bool parse_ipc(struct endpoint *endpoint, const char *path, struct error *error) {
    size_t len = strlen(path);
    if (len == 0) return refuse(error, "ipc:// wants the path of a socket");
    if (len >= sizeof endpoint->path) return refuse(error, "the path of a socket has at most 107 bytes");
    endpoint->is_ipc = true;
    memcpy(endpoint->path, path, len + 1);
    return true;
}

static bool port_is_good(const char *port) {
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits >= ENDPOINT_PORT_BYTES || port[digits] != '\0') return false;
    int number = atoi(port);
    return number >= 1 && number <= 65535;
}

static bool parse_tcp(struct endpoint *endpoint, const char *authority, struct error *error) {
    const char *port;
    struct in6_addr v6;
    if (authority[0] == '\0') return refuse(error, "it names no host; HOST:PORT is wanted, 127.0.0.1:7700 say");
    if (inet_pton(AF_INET6, authority, &v6) == 1)
        return refuse(error, "an IPv6 address stands in brackets before the port, [::1]:7700 say");
    const char *colon = strrchr(authority, ':'), *bracket = strrchr(authority, ']');
    if (colon == NULL || (bracket != NULL && bracket > colon))
        return refuse(error, "the port is missing; HOST:PORT is wanted, 127.0.0.1:7700 say");
    if (colon[1] == '\0') return refuse(error, "the port is missing after the colon");
    if (!url_split(authority, endpoint->host, &port)) return refuse(error, "it is not HOST:PORT");
    if (endpoint->host[0] == '\0') return refuse(error, "the host is missing before the port");
    if (!port_is_good(port)) return refuse(error, "the port must be a number from 1 to 65535");
    memcpy(endpoint->port, port, strlen(port) + 1);
    return true;
}

static bool parse_other(const char *address, struct error *error) {
    if (strstr(address, "://") != NULL) return refuse(error, "it must begin with tcp://, tls+tcp:// or ipc://");
    return refuse(error, "it must be HOST:PORT, tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc://PATH");
}

bool endpoint_parse(struct endpoint *endpoint, struct text address, struct error *error) {
    *endpoint = (struct endpoint){0};
    if (address.len >= sizeof endpoint->address) return refuse(error, "it is too long");
    if (address.len != 0) memcpy(endpoint->address, address.data, address.len);
    const char *text = endpoint->address;
    if (text[0] == '\0') return refuse(error, "it is empty");
    if (has_prefix(text, "ipc://")) return parse_ipc(endpoint, text + strlen("ipc://"), error);
    endpoint->is_tls = url_is_tls(text);
    if (endpoint->is_tls) return parse_tcp(endpoint, url_authority(text), error);
    if (has_prefix(text, "tcp://")) return parse_tcp(endpoint, text + strlen("tcp://"), error);
    if (strchr(text, '/') != NULL) return parse_other(text, error);
    return parse_tcp(endpoint, text, error);
}

bool endpoint_next(struct text *list, struct text *address) {
    while (list->len != 0) {
        const char *comma = memchr(list->data, ',', list->len);
        uint32_t len = comma == NULL ? list->len : (uint32_t)(comma - list->data);
        *address = (struct text){list->data, len};
        uint32_t used = comma == NULL ? len : len + 1;
        *list = (struct text){list->data + used, list->len - used};
        while (address->len != 0 && address->data[0] == ' ') address->data++, address->len--;
        while (address->len != 0 && address->data[address->len - 1] == ' ') address->len--;
        if (address->len != 0) return true;
    }
    return false;
}
