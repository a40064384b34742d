#include "address_counts.h"

#include <assert.h>
#include <pthread.h>
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

struct address_counts {
    pthread_mutex_t lock;
    struct address_bucket buckets[COUNT_BUCKETS];
};

struct address_counts *address_counts_new(void) {
    struct address_counts *counts = calloc(1, sizeof *counts);
    if (counts != NULL) pthread_mutex_init(&counts->lock, NULL);
    return counts;
}

void address_counts_free(struct address_counts *counts) {
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
static struct address_bucket *bucket_of_address(struct address_counts *counts, const struct remote_key *key) {
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

bool address_counts_add(struct address_counts *counts, const struct remote_key *key, size_t max) {
    pthread_mutex_lock(&counts->lock);
    struct address_bucket *bucket = bucket_of_address(counts, key);
    struct address_count *count = find_count(bucket, key);
    if (count == NULL && (count = calloc(1, sizeof *count)) != NULL) {
        count->key = *key;
        SLIST_INSERT_HEAD(bucket, count, chain);
    }
    bool is_added = count != NULL && count->connections < max;
    if (is_added) count->connections++;
    pthread_mutex_unlock(&counts->lock);
    return is_added;
}

void address_counts_remove(struct address_counts *counts, const struct remote_key *key) {
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
