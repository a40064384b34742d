#include "seeds.h"
#include "node/cluster.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/periodic.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long a stop waits for a look-up. */
enum { STOP_MS = 200 };

struct seeds {
    struct node *node;
    struct seed items[SEEDS_MAX];
    size_t count;
    struct periodic *thread;
};

static bool is_port(const char *text) {
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) > 0 && atoi(text) <= UINT16_MAX;
}

/* The host of HOST, HOST:PORT, [V6] or [V6]:PORT; *rest: what follows it. */
static bool read_host(const char *text, char host[SEED_HOST_BYTES], const char **rest) {
    bool is_bracketed = *text == '[';
    if (is_bracketed) text++;
    size_t len = strcspn(text, is_bracketed ? "]" : ":");
    if (len == 0 || len >= SEED_HOST_BYTES || (is_bracketed && text[len] == '\0')) return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *rest = text + len + (is_bracketed ? 1 : 0);
    return is_bracketed || strpbrk(host, "[]/;?#@ ") == NULL;
}

bool seed_read(const char *text, struct seed *out, struct error *error) {
    const char *rest;
    *out = (struct seed){.is_dns = strncmp(text, "dns:", 4) == 0};
    bool has_host = read_host(out->is_dns ? text + 4 : text, out->host, &rest);
    if (has_host && *rest == '\0' && !out->is_dns) {
        snprintf(out->port, sizeof out->port, "%d", SEEDS_SYNC_PORT);
        return true;
    }
    if (has_host && *rest == ':' && is_port(rest + 1)) {
        snprintf(out->port, sizeof out->port, "%s", rest + 1);
        return true;
    }
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "write %s",
                      out->is_dns ? "dns:NAME:PORT" : "HOST, HOST:PORT, [V6]:PORT or dns:NAME:PORT");
}

static void add_seed(struct seeds *seeds, const char *host, const char *port) {
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
    bool is_v6 = strchr(host, ':') != NULL;
    int len = snprintf(address, sizeof address, is_v6 ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port);
    if (len < 0 || (size_t)len >= sizeof address) return;
    node_add_peer(seeds->node, text_of(address), clock_now());
}

/* Every address of a name. False: it has none now. */
static bool look_up(struct seeds *seeds, const struct seed *seed) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[NI_MAXHOST];
    int failure = getaddrinfo(seed->host, seed->port, &hints, &found);
    if (failure != 0) {
        log_line(LEVEL_WARN, "not_looked_up", "the name of peers has no address", {"name", seed->host, 0},
                 {"result", gai_strerror(failure), 0});
        return false;
    }
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
            add_seed(seeds, host, seed->port);
    freeaddrinfo(found);
    return true;
}

/* False: some have no address now. */
static bool add_all_seeds(struct seeds *seeds) {
    bool are_resolved = true;
    for (size_t i = 0; i < seeds->count; i++) {
        const struct seed *seed = &seeds->items[i];
        if (seed->is_dns) are_resolved &= look_up(seeds, seed);
        else add_seed(seeds, seed->host, seed->port);
    }
    return are_resolved;
}

static void add_seeds(void *context) {
    struct seeds *seeds = context;
    if (add_all_seeds(seeds)) node_seeds_resolved(seeds->node);
}

struct seeds *seeds_start(struct node *node, const struct seed *items, size_t count) {
    struct seeds *seeds = calloc(1, sizeof *seeds);
    if (seeds == NULL) return NULL;
    seeds->node = node;
    seeds->count = count < SEEDS_MAX ? count : SEEDS_MAX;
    memcpy(seeds->items, items, seeds->count * sizeof *items);
    if ((seeds->thread = periodic_start(add_seeds, seeds, 0, SEEDS_LOOK_UP_MS)) != NULL) return seeds;
    free(seeds);
    return NULL;
}

bool seeds_stop(struct seeds *seeds) {
    if (seeds == NULL) return true;
    if (!periodic_stop_within(seeds->thread, STOP_MS)) return false;
    free(seeds);
    return true;
}
