#include "known_users.h"

#include <stdlib.h>

enum { KNOWN_USERS_CAPACITY_MIN = 16 };

void known_users_free(struct known_users *users) {
    for (size_t i = 0; i < users->capacity; i++) free(users->slots[i].known);
    free(users->slots);
    *users = (struct known_users){0};
}

/* The slot of this fingerprint, or the free one where it would be. There is a free one. */
static size_t known_users_seek(const struct known_users *users, struct fingerprint fingerprint) {
    size_t mask = users->capacity - 1, at = fingerprint.low & mask;
    for (; users->slots[at].known != NULL; at = (at + 1) & mask) {
        const struct known_users_slot *slot = &users->slots[at];
        if (slot->hash == fingerprint.low && slot->known->fingerprint.high == fingerprint.high) break;
    }
    return at;
}

struct known_user *known_users_find(const struct known_users *users, struct fingerprint fingerprint) {
    if (users->count == 0) return NULL;
    return users->slots[known_users_seek(users, fingerprint)].known;
}

/* Keeps a third of the slots free. */
static bool known_users_reserve(struct known_users *users) {
    if (3 * (users->count + 1) <= 2 * users->capacity) return true;
    struct known_users grown = {.capacity = users->capacity == 0 ? KNOWN_USERS_CAPACITY_MIN : 2 * users->capacity};
    if ((grown.slots = calloc(grown.capacity, sizeof *grown.slots)) == NULL) return false;
    for (size_t i = 0; i < users->capacity; i++) {
        struct known_user *known = users->slots[i].known;
        if (known != NULL) grown.slots[known_users_seek(&grown, known->fingerprint)] = users->slots[i];
    }
    grown.count = users->count;
    free(users->slots);
    *users = grown;
    return true;
}

struct known_user *known_users_add(struct known_users *users, struct fingerprint fingerprint, const char *name) {
    size_t bytes = strlen(name) + 1;
    if (!known_users_reserve(users)) return NULL;
    struct known_user *known = malloc(sizeof *known + bytes);
    if (known == NULL) return NULL;
    *known = (struct known_user){.fingerprint = fingerprint};
    memcpy(known->name, name, bytes);
    users->slots[known_users_seek(users, fingerprint)] = (struct known_users_slot){fingerprint.low, known};
    users->count++;
    return known;
}

/* Entries behind the gap move back into it, so that no search ends too early and no marker is needed. */
struct known_user *known_users_take(struct known_users *users, struct fingerprint fingerprint) {
    size_t mask = users->capacity - 1, gap = known_users_seek(users, fingerprint);
    struct known_user *known = users->slots[gap].known;
    for (size_t at = (gap + 1) & mask; users->slots[at].known != NULL; at = (at + 1) & mask) {
        size_t from_home = (at - users->slots[at].hash) & mask;
        if (from_home < ((at - gap) & mask)) continue;
        users->slots[gap] = users->slots[at];
        gap = at;
    }
    users->slots[gap] = (struct known_users_slot){0};
    users->count--;
    return known;
}
