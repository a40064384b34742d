/* Who a watch's program was told is here, and with what: a table by fingerprint, one thread at a time. */
#ifndef MUSTER_CLIENT_ROSTER_H
#define MUSTER_CLIENT_ROSTER_H

#include "fingerprint.h"
#include "muster/muster.h"

struct known {
    struct fingerprint fingerprint;
    int64_t last_seen_ms;
    uint64_t sessions; /* a digest of their names, statuses and states, in any order; 0 where they were not asked for */
    uint32_t session_count;
    uint32_t round; /* of the snapshot that it was last told in, or after */
    enum muster_status status;
    char name[];
};

struct roster_slot {
    uint64_t hash;
    struct known *known; /* NULL: free */
};

/* Zero-initialised is empty. */
struct roster {
    struct roster_slot *slots; /* open addressing, linear probing; a power of two of them */
    size_t capacity, count;
};

void roster_free(struct roster *roster);
struct known *roster_find(const struct roster *roster, struct fingerprint fingerprint);
/* Adds a name that is not there. NULL: memory is short. All but name and fingerprint is 0. */
struct known *roster_add(struct roster *roster, struct fingerprint fingerprint, const char *name);
/* Takes one out that is there: the caller's to free. */
struct known *roster_take(struct roster *roster, struct fingerprint fingerprint);

#endif
