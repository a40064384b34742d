#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { ZONE_BYTES_MAX = 32 };

static bool is_port(struct text text) {
    if (text.len == 0 || text.len > 5) return false;
    for (uint32_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    return true;
}

static struct text behind(struct text text, uint32_t at) {
    return (struct text){text.data + at, text.len - at};
}

/* `[ADDRESS]` and `[ADDRESS]:PORT` become ADDRESS, `192.0.2.1:80` becomes `192.0.2.1`. */
static struct text without_port(struct text text) {
    static const struct text none = {NULL, 0};
    const char *found = text.len > 0 && text.data[0] == '[' ? memchr(text.data, ']', text.len) : NULL;
    if (found != NULL) {
        const uint32_t close = (uint32_t)(found - text.data);
        const struct text rest = behind(text, close + 1);
        if (rest.len > 0 && (rest.data[0] != ':' || !is_port(behind(rest, 1)))) return none;
        return (struct text){text.data + 1, close - 1};
    }
    const char *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    if (colon == NULL) return text;
    const uint32_t at = (uint32_t)(colon - text.data);
    return is_port(behind(text, at + 1)) && memchr(text.data, '.', at) != NULL ? (struct text){text.data, at} : text;
}

static bool is_mapped(const struct in6_addr *address) {
    static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->s6_addr, prefix, sizeof prefix) == 0;
}

/* The zone of an IPv6 address, with its percent sign; empty: there is none. False: it is no zone. */
static bool split_zone(struct text *text, struct text *zone) {
    const char *percent = memchr(text->data, '%', text->len);
    *zone = (struct text){NULL, 0};
    if (percent == NULL) return true;
    const uint32_t at = (uint32_t)(percent - text->data);
    *zone = behind(*text, at);
    text->len = at;
    return zone->len > 1 && zone->len <= ZONE_BYTES_MAX && address_is_host_name(behind(*zone, 1));
}

struct text address_canonical(struct text text, char out[ADDRESS_BYTES]) {
    static const struct text none = {NULL, 0};
    struct text plain = without_port(text), zone;
    char copy[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;
    if (plain.len == 0 || !split_zone(&plain, &zone) || plain.len >= sizeof copy) return none;
    memcpy(copy, plain.data, plain.len);
    copy[plain.len] = '\0';
    if (strlen(copy) != plain.len) return none;
    if (zone.len == 0 && inet_pton(AF_INET, copy, &four) == 1) {
        (void)inet_ntop(AF_INET, &four, out, ADDRESS_BYTES);
        return text_of(out);
    }
    if (inet_pton(AF_INET6, copy, &six) != 1) return none;
    if (is_mapped(&six)) (void)inet_ntop(AF_INET, &six.s6_addr[12], out, ADDRESS_BYTES);
    else (void)inet_ntop(AF_INET6, &six, out, ADDRESS_BYTES);
    const size_t len = strlen(out);
    (void)snprintf(out + len, ADDRESS_BYTES - len, "%.*s", (int)zone.len, zone.len == 0 ? "" : zone.data);
    return text_of(out);
}

bool address_is_host_name(struct text text) {
    if (text.len == 0) return false;
    for (uint32_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        const bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && (i == 0 || (c != '.' && c != '-' && c != '_'))) return false;
    }
    return true;
}

struct text address_list_item(struct text list, bool is_last) {
    uint32_t from = 0, to = 0;
    if (is_last) {
        for (from = to = list.len; from > 0 && list.data[from - 1] != ',';) from--;
    } else {
        while (to < list.len && list.data[to] != ',') to++;
    }
    while (from < to && list.data[from] == ' ') from++;
    while (from < to && list.data[to - 1] == ' ') to--;
    return to == from ? (struct text){NULL, 0} : (struct text){list.data + from, to - from};
}
