#include "connection_counts.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { COUNT_BUCKETS = 1024 };

struct address_count {
    struct remote_key key;
    size_t connections;
    SLIST_ENTRY(address_count) chain;
};
SLIST_HEAD(address_bucket, address_count);

struct connection_counts {
    atomic_size_t all;
    pthread_mutex_t lock;
    struct address_bucket buckets[COUNT_BUCKETS];
};

struct connection_counts *connection_counts_new(void) {
    struct connection_counts *counts = calloc(1, sizeof *counts);
    if (counts != NULL) pthread_mutex_init(&counts->lock, NULL);
    return counts;
}

void connection_counts_free(struct connection_counts *counts) {
    if (counts == NULL) return;
    for (size_t i = 0; i < COUNT_BUCKETS; i++) {
        struct address_count *count;
        while ((count = SLIST_FIRST(&counts->buckets[i])) != NULL) {
            SLIST_REMOVE_HEAD(&counts->buckets[i], chain);
            free(count);
        }
    }
    pthread_mutex_destroy(&counts->lock);
    free(counts);
}

/* Not keyed: filling one bucket on purpose takes as many addresses as filling the door. */
static struct address_bucket *bucket_of_address(struct connection_counts *counts, const struct remote_key *key) {
    uint64_t word;
    memcpy(&word, key->bytes, sizeof word);
    return &counts->buckets[(word * UINT64_C(0x9E3779B97F4A7C15)) >> 54];
}

static struct address_count *find_count(struct address_bucket *bucket, const struct remote_key *key) {
    struct address_count *count;
    SLIST_FOREACH(count, bucket, chain)
    if (count->key.kind == key->kind && memcmp(count->key.bytes, key->bytes, sizeof key->bytes) == 0) break;
    return count;
}

static bool add_to_address(struct connection_counts *counts, const struct remote_key *key, size_t share) {
    pthread_mutex_lock(&counts->lock);
    struct address_bucket *bucket = bucket_of_address(counts, key);
    struct address_count *count = find_count(bucket, key);
    if (count == NULL && (count = calloc(1, sizeof *count)) != NULL) {
        count->key = *key;
        SLIST_INSERT_HEAD(bucket, count, chain);
    }
    bool is_added = count != NULL && count->connections < share;
    if (is_added) count->connections++;
    pthread_mutex_unlock(&counts->lock);
    return is_added;
}

static void remove_from_address(struct connection_counts *counts, const struct remote_key *key) {
    pthread_mutex_lock(&counts->lock);
    struct address_bucket *bucket = bucket_of_address(counts, key);
    struct address_count *count = find_count(bucket, key);
    assert(count != NULL && count->connections > 0);
    if (--count->connections == 0) {
        SLIST_REMOVE(bucket, count, address_count, chain);
        free(count);
    }
    pthread_mutex_unlock(&counts->lock);
}

enum count_verdict connection_counts_add(struct connection_counts *counts, const struct remote_key *key, size_t max,
                                         size_t share) {
    enum count_verdict verdict = COUNT_TAKEN;
    if (atomic_fetch_add(&counts->all, 1) >= max) verdict = COUNT_ALL_FULL;
    else if (key->kind != REMOTE_LOCAL && !add_to_address(counts, key, share)) verdict = COUNT_ADDRESS_FULL;
    if (verdict != COUNT_TAKEN) atomic_fetch_sub(&counts->all, 1);
    return verdict;
}

void connection_counts_remove(struct connection_counts *counts, const struct remote_key *key) {
    if (key->kind != REMOTE_LOCAL) remove_from_address(counts, key);
    atomic_fetch_sub(&counts->all, 1);
}
