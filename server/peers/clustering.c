#include "clustering.h"
#include "common/url.h"
#include "gossip.h"
#include "net/sync_door.h"
#include "node/cluster.h"
#include "sys/clock.h"
#include "sys/key_file.h"
#include "sys/log.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct clustering {
    const struct cluster_options *options;
    struct keyring *keyring;
    struct node *node;
    struct gossip *gossip;
    struct rep_door *sync;
    struct seeds *seeds;
};

static struct keyring *read_keyring(const char *path, struct error *error) {
    char text[KEYRING_FILE_BYTES_MAX];
    size_t len;
    struct keyring *keyring = NULL;
    if (key_file_read(path, text, sizeof text, &len, error)) keyring = keyring_parse(text, len, error);
    sodium_memzero(text, sizeof text);
    if (keyring == NULL) (void)error_prefix(error, "%.100s", path);
    return keyring;
}

struct clustering *clustering_open(const struct cluster_options *options, struct error *error) {
    (void)error_fail_memory(error);
    if (sodium_init() < 0) return NULL;
    struct clustering *clustering = calloc(1, sizeof *clustering);
    if (clustering == NULL) return NULL;
    clustering->options = options;
    if (options->key_file == NULL) return clustering;
    clustering->keyring = read_keyring(options->key_file, error);
    if (clustering->keyring != NULL) return clustering;
    free(clustering);
    return NULL;
}

void clustering_identify(const struct clustering *clustering, struct node_config *config) {
    /* No secret: without a key all peers are on this machine, and only need to agree. */
    static const uint8_t shared[sizeof config->hash_key] = "muster: no key.";
    if (clustering->keyring != NULL) keyring_hash_key(clustering->keyring, config->hash_key);
    else memcpy(config->hash_key, shared, sizeof shared);
    do randombytes_buf(&config->origin, sizeof config->origin);
    while (config->origin == 0);
}

/* The first address of the machine that is not its loopback's; IPv4 before IPv6, and no link-local one. */
static bool find_address(char out[INET6_ADDRSTRLEN]) {
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

/* Where peers reach what listens at `url`. */
static const char *advertised(const struct cluster_options *options, const char *url, char out[URL_BYTES]) {
    char found[INET6_ADDRSTRLEN];
    const char *host = options->advertised_host;
    if (host == NULL && url_is_wildcard(url) && find_address(found)) host = found;
    return host != NULL && url_with_host(url, host, out) ? out : url;
}

static bool join(struct clustering *clustering) {
    const struct cluster_options *options = clustering->options;
    char gossip[URL_BYTES], sync[URL_BYTES];
    const struct node_cluster_config config = {
        .region = text_of(options->region),
        .gossip_address = text_of(advertised(options, clustering_gossip_url(clustering), gossip)),
        .sync_address = text_of(advertised(options, clustering_sync_url(clustering), sync)),
        .flush_ms = options->flush_ms,
        .join_timeout_ms = options->join_timeout_ms,
        .expects_peers = options->seed_count > 0,
        .keyring = clustering->keyring};
    return node_join(clustering->node, &config, clock_now());
}

bool clustering_start(struct clustering *clustering, struct node *node, end_unread_fn *end_unread,
                      struct error *error) {
    const struct cluster_options *options = clustering->options;
    const char *problem = "out of memory", *url = options->gossip_url;
    clustering->node = node;
    if ((clustering->gossip = gossip_open(url, &problem)) == NULL) goto fail_listen;
    url = options->sync_url;
    if ((clustering->sync = sync_door_open(node, url, end_unread, &problem)) == NULL) goto fail_listen;
    (void)error_fail_memory(error);
    if (!join(clustering) || !gossip_start(clustering->gossip, node)) return false;
    clustering->seeds = seeds_start(node, options->seeds, options->seed_count);
    return clustering->seeds != NULL;

fail_listen:
    (void)error_fail(error, MUSTER_UNAVAILABLE, "cannot listen on %.100s: %s", url, problem);
    return false;
}

const char *clustering_gossip_url(const struct clustering *clustering) {
    return gossip_url(clustering->gossip);
}

const char *clustering_sync_url(const struct clustering *clustering) {
    return rep_door_url(clustering->sync, 0);
}

void clustering_reload(struct clustering *clustering) {
    struct error error;
    const char *path = clustering->options->key_file;
    if (path == NULL) {
        log_line(LEVEL_INFO, "reloaded", "nothing to read again: there is no --cluster-key-file", {"keys", NULL, 0});
        return;
    }
    struct keyring *keyring = read_keyring(path, &error);
    if (keyring == NULL) {
        log_line(LEVEL_ERROR, "not_reloaded", "the keyring cannot be read; the old one stays in use",
                 {"result", error.text, 0});
        return;
    }
    node_set_keyring(clustering->node, keyring);
    keyring_free(clustering->keyring);
    clustering->keyring = keyring;
    log_line(LEVEL_INFO, "reloaded", "the keyring was read again", {"path", path, 0});
}

void clustering_leave(struct clustering *clustering) {
    gossip_leave(clustering->gossip);
}

bool clustering_close(struct clustering *clustering) {
    if (clustering == NULL) return true;
    if (!seeds_stop(clustering->seeds)) return false;
    rep_door_close(clustering->sync);
    gossip_close(clustering->gossip);
    keyring_free(clustering->keyring);
    free(clustering);
    return true;
}
