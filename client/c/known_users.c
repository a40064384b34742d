#include "known_users.h"

#include <stdlib.h>

enum { ROSTER_CAPACITY_MIN = 16 };

void roster_free(struct roster *roster) {
    for (size_t i = 0; i < roster->capacity; i++) free(roster->slots[i].known);
    free(roster->slots);
    *roster = (struct roster){0};
}

/* The slot of this fingerprint, or the free one where it would be. There is a free one. */
static size_t roster_seek(const struct roster *roster, struct fingerprint fingerprint) {
    size_t mask = roster->capacity - 1, at = fingerprint.low & mask;
    for (; roster->slots[at].known != NULL; at = (at + 1) & mask) {
        const struct roster_slot *slot = &roster->slots[at];
        if (slot->hash == fingerprint.low && slot->known->fingerprint.high == fingerprint.high) break;
    }
    return at;
}

struct known *roster_find(const struct roster *roster, struct fingerprint fingerprint) {
    if (roster->count == 0) return NULL;
    return roster->slots[roster_seek(roster, fingerprint)].known;
}

/* Keeps a third of the slots free. */
static bool roster_reserve(struct roster *roster) {
    if (3 * (roster->count + 1) <= 2 * roster->capacity) return true;
    struct roster grown = {.capacity = roster->capacity == 0 ? ROSTER_CAPACITY_MIN : 2 * roster->capacity};
    if ((grown.slots = calloc(grown.capacity, sizeof *grown.slots)) == NULL) return false;
    for (size_t i = 0; i < roster->capacity; i++) {
        struct known *known = roster->slots[i].known;
        if (known != NULL) grown.slots[roster_seek(&grown, known->fingerprint)] = roster->slots[i];
    }
    grown.count = roster->count;
    free(roster->slots);
    *roster = grown;
    return true;
}

struct known *roster_add(struct roster *roster, struct fingerprint fingerprint, const char *name) {
    size_t bytes = strlen(name) + 1;
    if (!roster_reserve(roster)) return NULL;
    struct known *known = malloc(sizeof *known + bytes);
    if (known == NULL) return NULL;
    *known = (struct known){.fingerprint = fingerprint};
    memcpy(known->name, name, bytes);
    roster->slots[roster_seek(roster, fingerprint)] = (struct roster_slot){fingerprint.low, known};
    roster->count++;
    return known;
}

/* What follows moves back over the gap, so that no search ends before its name: nothing is left to mark it. */
struct known *roster_take(struct roster *roster, struct fingerprint fingerprint) {
    size_t mask = roster->capacity - 1, gap = roster_seek(roster, fingerprint);
    struct known *known = roster->slots[gap].known;
    for (size_t at = (gap + 1) & mask; roster->slots[at].known != NULL; at = (at + 1) & mask) {
        size_t from_home = (at - roster->slots[at].hash) & mask;
        if (from_home < ((at - gap) & mask)) continue;
        roster->slots[gap] = roster->slots[at];
        gap = at;
    }
    roster->slots[gap] = (struct roster_slot){0};
    roster->count--;
    return known;
}
