/* The settings of a node. config_option.h says what each may be, command_line.h reads them. */
#ifndef MUSTER_CONFIG_H
#define MUSTER_CONFIG_H

#include "common/url.h"
#include "peers/seeds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_NAME_BYTES_MAX = 63, CONFIG_RPC_URLS_MAX = 16, CONFIG_THREADS_MAX = 64 };

/* A span is in milliseconds, a size in bytes; a text that is not set is NULL. Texts live as long as argv. */
struct config {
    struct config_urls {
        const char *items[CONFIG_RPC_URLS_MAX];
        size_t count; /* at least 1 */
    } rpc;
    char grpc_url[URL_BYTES]; /* tcp://HOST:PORT, or tls+tcp:// where there is a certificate; empty: there is
                               * no door for gRPC */
    const char *name;         /* of the node, for people; never NULL */
    uint64_t ttl_ms, retention_ms, tick_ms, max_stall_ms;
    uint64_t members_max, bytes_max, watches_max;
    uint64_t connections_max;
    uint64_t connections_per_address_max; /* 0 where it is not set: a part of connections_max */
    uint64_t threads;                     /* 0 where it is not set: as many as suit the machine */
    unsigned log_format, log_level;       /* enum log_format, enum log_level */
    bool is_insecure;
    const char *tls_cert_file, *tls_key_file; /* both, or neither */
    const char *tls_client_ca_file;           /* NULL: clients need no certificate */
    const char *data_dir;                     /* where snapshots are; NULL: none are written */

    bool has_peers; /* an option was given that asks for peers; the rest is of no use where none was */
    struct config_seeds {
        struct seed items[SEEDS_MAX];
        size_t count;
    } seeds;
    const char *cluster_key_file;
    const char *gossip_url, *sync_url;
    const char *advertised_host; /* NULL: as it is listened on, or found out */
    const char *region;          /* NULL: none */
    uint64_t flush_ms, join_timeout_ms;

    char host_name[CONFIG_NAME_BYTES_MAX + 1]; /* `name`, where none is given */
};

#endif
