#include "service_peers.h"
#include "net/sp/sync_door.h"
#include "node/cluster.h"
#include "peers/advertise.h"
#include "peers/gossip.h"
#include "peers/probes.h"
#include "sys/clock.h"
#include "sys/key_file.h"
#include "sys/log.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct service_peers {
    const struct config *config;
    struct keyring *keyring; /* NULL: without a key */
    struct node *node;
    struct gossip *gossip;
    struct sync_door *sync;
    struct seeds *seeds;
    struct probes *probes;
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

struct service_peers *service_peers_new(const struct config *config, struct error *error) {
    (void)error_fail_memory(error);
    struct service_peers *peers = calloc(1, sizeof *peers);
    if (peers == NULL) return NULL;
    peers->config = config;
    if (config->cluster_key_file == NULL) return peers;
    peers->keyring = read_keyring(config->cluster_key_file, error);
    if (peers->keyring != NULL) return peers;
    free(peers);
    return NULL;
}

void service_peers_identify(const struct service_peers *peers, struct node_config *node) {
    /* No secret: without a key all peers are on this machine, and only need to agree. */
    static const uint8_t shared[sizeof node->hash_key] = "muster: no key.";
    if (peers->keyring != NULL) keyring_hash_key(peers->keyring, node->hash_key);
    else memcpy(node->hash_key, shared, sizeof shared);
    do randombytes_buf(&node->origin, sizeof node->origin);
    while (node->origin == 0);
}

static bool join_cluster(struct service_peers *peers) {
    const struct config *config = peers->config;
    const char *host = config->advertised_host;
    char gossip[URL_BYTES], sync[URL_BYTES];
    const struct node_cluster_config joined = {
        .region = text_of(config->region != NULL ? config->region : ""),
        .gossip_address = text_of(advertised_url(service_peers_gossip_url(peers), host, gossip)),
        .sync_address = text_of(advertised_url(service_peers_sync_url(peers), host, sync)),
        .flush_ms = config->flush_ms,
        .join_timeout_ms = config->join_timeout_ms,
        .expects_peers = config->seeds.count > 0,
        .keyring = peers->keyring};
    return node_join(peers->node, &joined, clock_now());
}

bool service_peers_start(struct service_peers *peers, struct node *node, struct loops *loops, size_t connections_max,
                         struct error *error) {
    const struct config *config = peers->config;
    peers->node = node;
    peers->gossip = gossip_open(loops, config->gossip_url, connections_max, error);
    if (peers->gossip == NULL) return false;
    peers->sync = sync_door_open(loops, node, config->sync_url, connections_max, error);
    if (peers->sync == NULL) return false;
    (void)error_fail_memory(error);
    if (!join_cluster(peers) || !gossip_start(peers->gossip, node)) return false;
    peers->seeds = seeds_start(node, config->seeds.items, config->seeds.count);
    peers->probes = probes_start(node);
    return peers->seeds != NULL && peers->probes != NULL;
}

const char *service_peers_gossip_url(const struct service_peers *peers) {
    return gossip_url(peers->gossip);
}

const char *service_peers_sync_url(const struct service_peers *peers) {
    return sync_door_url(peers->sync);
}

void service_peers_reload(struct service_peers *peers) {
    struct error error;
    const char *path = peers->config->cluster_key_file;
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
    node_set_keyring(peers->node, keyring);
    keyring_free(peers->keyring);
    peers->keyring = keyring;
    log_line(LEVEL_INFO, "reloaded", "the keyring was read again", {"path", path, 0});
}

void service_peers_leave(struct service_peers *peers) {
    gossip_leave(peers->gossip);
}

bool service_peers_free(struct service_peers *peers) {
    if (peers == NULL) return true;
    if (!seeds_stop(peers->seeds) || !probes_stop(peers->probes)) return false;
    sync_door_close(peers->sync);
    gossip_close(peers->gossip);
    keyring_free(peers->keyring);
    free(peers);
    return true;
}
