#include "config_check.h"
#include "common/url.h"

#include <stddef.h>

static bool is_beyond(const char *url) {
    struct error ignored;
    return url_reach(url, &ignored) == REACH_BEYOND;
}

static bool check_tls(const struct config *config, struct error *error) {
    if ((config->tls_cert_file == NULL) != (config->tls_key_file == NULL))
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "--tls-cert and --tls-key are given together");
    if (config->tls_cert_file != NULL) return true;
    if (config->tls_client_ca_file != NULL)
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "--tls-client-ca needs --tls-cert and --tls-key");
    for (size_t i = 0; i < config->rpc.count; i++)
        if (url_is_tls(config->rpc.items[i]))
            return error_fail(error, MUSTER_INVALID_ARGUMENT, "--rpc %.200s needs --tls-cert and --tls-key",
                              config->rpc.items[i]);
    return true;
}

/* Nobody from another machine may send requests without having shown a certificate. */
static bool check_strangers(const struct config *config, const char *flag, const char *url, const char *where,
                            struct error *error) {
    bool is_authenticated = url_is_tls(url) && config->tls_client_ca_file != NULL;
    if (config->is_insecure || is_authenticated || !is_beyond(url)) return true;
    return error_fail(
        error, MUSTER_INVALID_ARGUMENT,
        "%s %.200s can be reached from beyond this machine, and nobody who asks is authenticated. Listen "
        "on 127.0.0.1, ask clients for certificates (TLS with --tls-client-ca), or give --insecure if the "
        "network itself keeps strangers out.",
        flag, where);
}

static bool check_doors(const struct config *config, struct error *error) {
    for (size_t i = 0; i < config->rpc.count; i++)
        if (!check_strangers(config, "--rpc", config->rpc.items[i], config->rpc.items[i], error)) return false;
    const char *grpc = url_authority(config->grpc_url); /* as it was given */
    return grpc == NULL || check_strangers(config, "--grpc", config->grpc_url, grpc, error);
}

/* Without a key, whoever reaches a port for peers is a peer. */
static bool check_key(const struct config *config, const char *flag, const char *where, struct error *error) {
    if (config->cluster_key_file != NULL) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT,
                      "%s %.200s is beyond this machine, and without a key anybody there could join the cluster and "
                      "read it. Make a keyring with `muster keygen cluster PATH` and give it to every node with "
                      "--cluster-key-file PATH.",
                      flag, where);
}

static bool check_listener_reach(const char *peer, const char *flag, const char *url, struct error *error) {
    if (is_beyond(url)) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT,
                      "--peer %.120s is beyond this machine, and could not reach this node at %s %.120s, which is this "
                      "machine alone. Listen on an address of the machine, or on tcp://0.0.0.0:PORT.",
                      peer, flag, url);
}

bool config_check(const struct config *config, struct error *error) {
    if (!check_tls(config, error) || !check_doors(config, error)) return false;
    if (is_beyond(config->gossip_url) && !check_key(config, "--gossip", config->gossip_url, error)) return false;
    if (is_beyond(config->sync_url) && !check_key(config, "--sync", config->sync_url, error)) return false;
    for (size_t i = 0; i < config->seeds.count; i++) {
        const char *host = config->seeds.items[i].host;
        if (url_host_is_loopback(host)) continue;
        if (!check_key(config, "--peer", host, error) ||
            !check_listener_reach(host, "--gossip", config->gossip_url, error) ||
            !check_listener_reach(host, "--sync", config->sync_url, error))
            return false;
    }
    return true;
}
