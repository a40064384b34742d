#include "config_cluster.h"
#include "common/url.h"
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_GOSSIP = 512,
    KEY_SYNC,
    KEY_PEER,
    KEY_ADVERTISE,
    KEY_REGION,
    KEY_FLUSH,
    KEY_JOIN_TIMEOUT,
    KEY_KEY_FILE,
};

enum { FLUSH_MIN_MS = 1, FLUSH_MAX_MS = 1000, FLUSH_DEFAULT_MS = 10 };
enum { JOIN_TIMEOUT_MIN_MS = 100, JOIN_TIMEOUT_MAX_MS = 10 * 60 * 1000, JOIN_TIMEOUT_DEFAULT_MS = 10 * 1000 };

static const struct argp_option known[] = {
    {NULL, 0, NULL, 0, "One of a cluster, where any of --peer, --gossip, --sync and --cluster-key-file is given:", 1},
    {"peer", KEY_PEER, "HOST[:PORT]", 0,
     "Join the node that syncs there (port 7704), or with dns:NAME:PORT all that NAME names, which is looked up every "
     "10s; may be given again, the rest is learnt",
     1},
    {"cluster-key-file", KEY_KEY_FILE, "PATH", 0,
     "The keyring of the cluster, from `muster keygen cluster PATH`; without one peers are on this machine alone. "
     "SIGHUP reads it again",
     1},
    {"gossip", KEY_GOSSIP, "URL", 0, "Publish changes to peers on tcp://HOST:PORT (default tcp://127.0.0.1:7701)", 1},
    {"sync", KEY_SYNC, "URL", 0, "Answer peers that missed some on tcp://HOST:PORT (default tcp://127.0.0.1:7704)", 1},
    {"advertise", KEY_ADVERTISE, "HOST", 0,
     "The host by which peers reach this node (default: of --gossip and --sync; the first address of the machine where "
     "they listen on all)",
     1},
    {"region", KEY_REGION, "NAME", 0, "Where this node is, for people", 1},
    {"flush", KEY_FLUSH, "DURATION", 0, "The least time between two flushes to the peers, 1ms to 1s (default 10ms)", 1},
    {"join-timeout", KEY_JOIN_TIMEOUT, "DURATION", 0,
     "How long a start waits to be in sync with a peer before it answers reads, 100ms to 10m (default 10s)", 1},
    {0},
};

static const char *read_url(struct argp_state *state, const char *name, const char *url) {
    struct error error;
    if (strncmp(url, "tcp://", 6) != 0) argp_error(state, "--%s: '%s' must begin with tcp://", name, url);
    if (url_reach(url, &error) == REACH_NONE)
        argp_error(state, "--%s: cannot listen on '%s': %s", name, url, error.text);
    return url;
}

static void read_peer(struct argp_state *state, const char *text, struct cluster_options *options) {
    struct error error;
    if (options->seed_count == SEEDS_MAX) argp_error(state, "--peer: more than %d of them", SEEDS_MAX);
    if (!seed_read(text, &options->seeds[options->seed_count++], &error))
        argp_error(state, "--peer: '%s' is no peer: %s", text, error.text);
}

static const char *read_label(struct argp_state *state, const char *name, const char *text, size_t bytes_max) {
    size_t len = strlen(text);
    if (len == 0 || len > bytes_max) argp_error(state, "--%s: %zu bytes, 1 to %zu", name, len, bytes_max);
    return text;
}

static error_t read_option(int key, char *value, struct argp_state *state) {
    struct cluster_options *options = state->input;
    switch (key) {
    case KEY_PEER:
        read_peer(state, value, options);
        break;
    case KEY_KEY_FILE:
        options->key_file = value;
        break;
    case KEY_GOSSIP:
        options->gossip_url = read_url(state, "gossip", value);
        break;
    case KEY_SYNC:
        options->sync_url = read_url(state, "sync", value);
        break;
    case KEY_ADVERTISE:
        options->advertised_host = read_label(state, "advertise", value, SEED_HOST_BYTES - 1);
        return 0;
    case KEY_REGION:
        options->region = read_label(state, "region", value, REPLICA_NAME_BYTES_MAX);
        return 0;
    case KEY_FLUSH:
        options_span(state, "flush", value, FLUSH_MIN_MS, FLUSH_MAX_MS, &options->flush_ms);
        return 0;
    case KEY_JOIN_TIMEOUT:
        options_span(state, "join-timeout", value, JOIN_TIMEOUT_MIN_MS, JOIN_TIMEOUT_MAX_MS, &options->join_timeout_ms);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    options->is_wanted = true;
    return 0;
}

const struct argp cluster_options_parser = {.options = known, .parser = read_option};

struct cluster_options cluster_options_default(void) {
    return (struct cluster_options){.gossip_url = "tcp://127.0.0.1:7701",
                                    .sync_url = "tcp://127.0.0.1:7704",
                                    .region = "",
                                    .flush_ms = FLUSH_DEFAULT_MS,
                                    .join_timeout_ms = JOIN_TIMEOUT_DEFAULT_MS};
}

/* Without a key anybody who reaches a peer's door is a peer. */
static void demand_key(const char *program, const char *flag, const char *value) {
    fprintf(
        stderr,
        "%s: %s %s is beyond this machine, and without a key anybody there could join the cluster and read it. Make "
        "a keyring with `muster keygen cluster PATH` and give it to every node with --cluster-key-file PATH.\n",
        program, flag, value);
    exit(argp_err_exit_status);
}

static void demand_reach(const char *program, const char *peer, const char *flag, const char *url) {
    fprintf(
        stderr,
        "%s: --peer %s is beyond this machine, and could not reach this node at %s %s, which is this machine alone. "
        "Listen on an address of the machine, or on tcp://0.0.0.0:PORT.\n",
        program, peer, flag, url);
    exit(argp_err_exit_status);
}

void cluster_options_check(const struct cluster_options *options, const char *program) {
    struct error error;
    bool has_key = options->key_file != NULL;
    bool gossips_beyond = url_reach(options->gossip_url, &error) == REACH_BEYOND;
    bool syncs_beyond = url_reach(options->sync_url, &error) == REACH_BEYOND;
    if (gossips_beyond && !has_key) demand_key(program, "--gossip", options->gossip_url);
    if (syncs_beyond && !has_key) demand_key(program, "--sync", options->sync_url);
    for (size_t i = 0; i < options->seed_count; i++) {
        const char *host = options->seeds[i].host;
        if (url_host_is_loopback(host)) continue;
        if (!has_key) demand_key(program, "--peer", host);
        if (!gossips_beyond) demand_reach(program, host, "--gossip", options->gossip_url);
        if (!syncs_beyond) demand_reach(program, host, "--sync", options->sync_url);
    }
}
