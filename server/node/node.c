#include "node.h"
#include "codec.h"
#include "muster/limits.h"
#include "node_internal.h"
#include "page_allocator.h"
#include "page_region.h"

#include <sodium.h>
#include <stdlib.h>

/* Slots of the change log of a node without peers: nothing reads it. */
enum { NODE_LOG_SLOTS = 1 << 10 };

/* Address space, in parts of --max-bytes: tables have their old selves beside them while they grow, and leave gaps. */
#define NODE_REGION_SHARE UINT64_C(4)

struct node_observer node_nobody;

static bool settings_are_good(const struct node_config *config) {
    return config->ttl_ms >= MUSTER_TTL_MIN_MS && config->ttl_ms <= MUSTER_TTL_MAX_MS &&
           config->retention_ms >= MUSTER_RETENTION_MIN_MS && config->retention_ms <= MUSTER_RETENTION_MAX_MS;
}

static struct roll *make_roll(const struct node_config *config) {
    struct roll_config roll = {.origin = config->origin,
                               .retention_ms = config->retention_ms,
                               .members_max = config->members_max,
                               .bytes_max = config->bytes_max,
                               .log_slots = config->origin != 0 ? NODE_CLUSTER_LOG_SLOTS : NODE_LOG_SLOTS,
                               .allocator = page_allocator()};
    page_region_reserve(NODE_REGION_SHARE * config->bytes_max);
    memcpy(roll.hash_key, config->hash_key, sizeof roll.hash_key);
    return roll_new(&roll);
}

/* Holds are short, so that spinning for a moment beats sleeping. */
static bool make_lock(pthread_mutex_t *lock) {
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0) return false;
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    bool is_made = pthread_mutex_init(lock, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return is_made;
}

struct node *node_new(const struct node_config *config, struct instant now) {
    if (!settings_are_good(config) || sodium_init() < 0) return NULL;
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) return NULL;
    if (!make_lock(&node->lock)) goto fail_node;
    if ((node->roll = make_roll(config)) == NULL) goto fail_lock;
    node->observer = &node_nobody;
    node->hlc = hlc_start(now.wall_ms, now.now_ms);
    node->now_ms = now.now_ms;
    node->origin = config->origin;
    node->name = config->name;
    node->version = config->version;
    atomic_store(&node->takes_writes, true);
    atomic_store(&node->is_ready, true);
    node->ttl_ms = config->ttl_ms;
    node->retention_ms = config->retention_ms;
    memcpy(node->hash_key, config->hash_key, sizeof node->hash_key);
    return node;

fail_lock:
    pthread_mutex_destroy(&node->lock);
fail_node:
    free(node);
    return NULL;
}

void node_free(struct node *node) {
    if (node == NULL) return;
    replica_free(node->replica);
    codec_free(node->codec);
    free(node->recalled);
    roll_free(node->roll);
    pthread_mutex_destroy(&node->lock);
    free(node);
}
