#include "muster/limits.h"
#include "node_internal.h"
#include "page_allocator.h"

#include <sched.h>
#include <sodium.h>
#include <stdlib.h>

/* Places of the change log of a node without peers: nothing reads it. */
enum { NODE_LOG_SLOTS = 1 << 10 };
/* Units of upkeep in one hold of the lock: well under a millisecond, also where each of them is told to watches. */
enum { NODE_TICK_SLICE = 250 };
/* How often a breath looks whether somebody else had the lock. */
enum { NODE_BREATH_YIELDS = 256 };

static struct node_observer nobody;

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
                               .allocator = heap_allocator()};
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
    node->observer = &nobody;
    node->hlc = hlc_start(now.wall_ms, now.now_ms);
    node->now_ms = now.now_ms;
    node->origin = config->origin;
    node->name = config->name;
    node->version = config->version;
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

void node_observe(struct node *node, struct node_observer *observer) {
    node_lock(node, (struct instant){0});
    node->observer = observer != NULL ? observer : &nobody;
    node_unlock(node);
}

uint64_t node_lock(struct node *node, struct instant now) {
    atomic_fetch_add_explicit(&node->waiting, 1, memory_order_relaxed);
    pthread_mutex_lock(&node->lock);
    atomic_fetch_sub_explicit(&node->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&node->turns, 1, memory_order_relaxed);
    if (now.now_ms > node->now_ms) node->now_ms = now.now_ms;
    return node->now_ms;
}

static void take_effects(struct node *node) {
    const struct node_observer *observer = node->observer;
    if (observer->effects != NULL) observer->take_effects(observer->context, node->roll);
}

void node_unlock(struct node *node) {
    take_effects(node);
    const struct node_observer *observer = node->observer;
    void (*wake)(void *) = observer->wake;
    void *context = observer->wake_context;
    bool is_wanted = wake != NULL && observer->effects != NULL && observer->wants_wake(observer->context);
    pthread_mutex_unlock(&node->lock);
    if (is_wanted) wake(context);
}

/* A mutex that is let go and taken again at once mostly stays with the same thread: wait until another had its turn. */
uint64_t node_breathe(struct node *node, struct instant now) {
    unsigned turns = atomic_load_explicit(&node->turns, memory_order_relaxed);
    node_unlock(node);
    for (int i = 0; i < NODE_BREATH_YIELDS; i++) {
        if (atomic_load_explicit(&node->waiting, memory_order_relaxed) == 0) break;
        if (atomic_load_explicit(&node->turns, memory_order_relaxed) != turns) break;
        sched_yield();
    }
    return node_lock(node, now);
}

/* Ticks until nothing is due, and keeps the lock. */
static uint64_t catch_up(struct node *node, struct instant now, size_t *work) {
    uint64_t now_ms = node_lock(node, now);
    for (*work = NODE_TICK_SLICE; roll_tick(node->roll, now_ms, NODE_TICK_SLICE, node_effects(node));
         *work += NODE_TICK_SLICE)
        now_ms = node_breathe(node, now);
    take_effects(node);
    return now_ms;
}

uint64_t node_catch_up(struct node *node, struct instant now) {
    size_t work;
    return catch_up(node, now, &work);
}

size_t node_tick(struct node *node, struct instant now) {
    size_t work;
    uint64_t now_ms = catch_up(node, now, &work);
    if (node->observer->effects != NULL) node->observer->tidy(node->observer->context, now_ms);
    node_unlock(node);
    return work;
}

void node_figures(struct node *node, struct node_figures *out) {
    struct roll_stats stats;
    node_lock(node, (struct instant){0});
    roll_stats(node->roll, &stats);
    node_unlock(node);
    *out = (struct node_figures){stats.members, stats.members_live, stats.scopes, stats.bytes};
}
