/* The users who a watch's program was told are present, with what it was told of them: a hash table by fingerprint, for
 * one thread at a time. */
#ifndef MUSTER_CLIENT_KNOWN_USERS_H
#define MUSTER_CLIENT_KNOWN_USERS_H

#include "fingerprint.h"
#include "muster/muster.h"

struct known_user {
    struct fingerprint fingerprint;
    int64_t last_seen_ms;
    uint64_t sessions; /* a digest of their names, statuses and states, in any order; 0 where they were not asked for */
    uint32_t session_count;
    uint32_t round; /* the last snapshot in which, or after which, it was seen */
    enum muster_status status;
    char name[];
};

struct known_users_slot {
    uint64_t hash;
    struct known_user *known; /* NULL: free */
};

/* Zero-initialised is empty. */
struct known_users {
    struct known_users_slot *slots; /* open addressing, linear probing; a power of two of them */
    size_t capacity, count;
};

void known_users_free(struct known_users *users);
struct known_user *known_users_find(const struct known_users *users, struct fingerprint fingerprint);
/* Adds a name that is not there. NULL: memory is short. All but name and fingerprint is 0. */
struct known_user *known_users_add(struct known_users *users, struct fingerprint fingerprint, const char *name);
/* Removes a user who is there; the caller frees it. */
struct known_user *known_users_take(struct known_users *users, struct fingerprint fingerprint);

#endif
