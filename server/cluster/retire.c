#include "retire.h"

#include <stdlib.h>

enum {
    RETIRE_LOOK_MS = 1000,
    /* So many registers at a time, each of which is told to every peer; though one origin at least. */
    RETIRE_REGISTERS_MAX = 16384,
};

void retire_begin(struct replica *replica, uint64_t now_ms) {
    size_t least = replica->config.crowded_origins;
    if (least == 0) least = ROLL_ORIGINS_MAX / 2;
    replica->crowded_at = least + replica_random(replica) % (least / 2 + 1);
    replica->retire_at_ms = now_ms + RETIRE_LOOK_MS;
}

static int fewest_registers_first(const void *a, const void *b) {
    const struct origin_view *x = a, *y = b;
    if (x->registers != y->registers) return x->registers < y->registers ? -1 : 1;
    return x->origin < y->origin ? -1 : x->origin > y->origin;
}

static int ascending(const void *a, const void *b) {
    const struct known *x = a, *y = b;
    return x->origin < y->origin ? -1 : x->origin > y->origin;
}

/* Takes the origins that are gone to the front; returns how many they are. */
static size_t keep_gone(const struct replica *replica, struct origin_view *origins, size_t count) {
    size_t gone = 0;
    for (size_t i = 0; i < count; i++)
        if (!replica_has_origin(replica, origins[i].origin)) origins[gone++] = origins[i];
    return gone;
}

bool retire_choose(struct replica *replica, uint64_t now_ms) {
    struct origin_view origins[ROLL_ORIGINS_MAX];
    replica->retired_count = 0;
    if (now_ms < replica->retire_at_ms) return false;
    replica->retire_at_ms = now_ms + RETIRE_LOOK_MS;
    size_t count = roll_origins(replica->config.roll, origins), left = count;
    if (count <= replica->crowded_at) return false;
    size_t gone = keep_gone(replica, origins, count);
    qsort(origins, gone, sizeof origins[0], fewest_registers_first);
    uint64_t registers = 0;
    for (size_t i = 0; i < gone && left > replica->crowded_at / 2; i++, left--) {
        registers += origins[i].registers;
        if (i > 0 && registers > RETIRE_REGISTERS_MAX) break;
        replica->retired[replica->retired_count++] = (struct known){.origin = origins[i].origin};
    }
    qsort(replica->retired, replica->retired_count, sizeof replica->retired[0], ascending);
    return replica->retired_count > 0;
}

bool retire_includes(const struct replica *replica, uint64_t origin) {
    const struct known key = {.origin = origin};
    return replica->retired_count > 0 &&
           bsearch(&key, replica->retired, replica->retired_count, sizeof replica->retired[0], ascending) != NULL;
}
