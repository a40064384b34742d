#include "vector.h"

/* Where an origin is, or would be. */
static size_t place_of(const struct vector *vector, uint64_t origin) {
    size_t low = 0, high = vector->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vector->entries[middle].origin < origin) low = middle + 1;
        else high = middle;
    }
    return low;
}

static struct vector_entry *entry_find(struct vector *vector, uint64_t origin) {
    size_t i = place_of(vector, origin);
    return i < vector->count && vector->entries[i].origin == origin ? &vector->entries[i] : NULL;
}

uint64_t vector_sequence(const struct vector *vector, uint64_t origin) {
    size_t i = place_of(vector, origin);
    return i < vector->count && vector->entries[i].origin == origin ? vector->entries[i].sequence : 0;
}

static void entry_drop(struct vector *vector, size_t i) {
    memmove(&vector->entries[i], &vector->entries[i + 1], (vector->count - i - 1) * sizeof vector->entries[0]);
    vector->count--;
}

/* Whether entry a is one to let go of rather than b, which may be NULL. */
static bool goes_first(const struct vector_entry *a, const struct vector_entry *b) {
    if (b == NULL) return true;
    if (a->idle_since_ms != 0 && b->idle_since_ms != 0) return a->idle_since_ms < b->idle_since_ms;
    if (a->idle_since_ms != 0 || b->idle_since_ms != 0) return a->idle_since_ms != 0;
    return a->registers < b->registers;
}

static bool make_room(struct vector *vector) {
    if (vector->count < ROLL_ORIGINS_MAX) return true;
    const struct vector_entry *first = NULL;
    for (size_t i = 0; i < vector->count; i++) {
        const struct vector_entry *entry = &vector->entries[i];
        if (!entry->is_present && goes_first(entry, first)) first = entry;
    }
    if (first == NULL) return false;
    entry_drop(vector, (size_t)(first - vector->entries));
    return true;
}

static struct vector_entry *entry_obtain(struct vector *vector, uint64_t origin) {
    struct vector_entry *entry = entry_find(vector, origin);
    if (entry != NULL || !make_room(vector)) return entry;
    size_t i = place_of(vector, origin);
    memmove(&vector->entries[i + 1], &vector->entries[i], (vector->count - i) * sizeof vector->entries[0]);
    vector->count++;
    vector->entries[i] = (struct vector_entry){.origin = origin, .changed = vector->version + 1};
    return &vector->entries[i];
}

bool vector_raise(struct vector *vector, uint64_t origin, uint64_t sequence) {
    if (sequence == 0) return true;
    struct vector_entry *entry = entry_obtain(vector, origin);
    if (entry == NULL) return false;
    if (sequence <= entry->sequence) return true;
    entry->sequence = sequence;
    entry->idle_since_ms = 0;
    entry->changed = vector->version + 1;
    return true;
}

void vector_note_unconfirmed(struct vector *vector, uint64_t origin, uint64_t sequence) {
    if (sequence <= vector_sequence(vector, origin)) return;
    struct vector_entry *entry = entry_obtain(vector, origin);
    if (entry != NULL && sequence > entry->unconfirmed) entry->unconfirmed = sequence;
}

bool vector_entry_is_unconfirmed(const struct vector_entry *entry) {
    return entry->unconfirmed > entry->sequence;
}

bool vector_has_unconfirmed(const struct vector *vector) {
    for (size_t i = 0; i < vector->count; i++)
        if (vector_entry_is_unconfirmed(&vector->entries[i])) return true;
    return false;
}

size_t vector_list(const struct vector *vector, bool is_offer, uint64_t since, struct known *out, size_t limit) {
    size_t count = 0;
    for (size_t i = 0; i < vector->count && count < limit; i++) {
        const struct vector_entry *entry = &vector->entries[i];
        bool is_listed = entry->sequence > 0 && entry->changed > since && !(is_offer && entry->idle_since_ms != 0);
        if (is_listed) out[count++] = (struct known){entry->origin, entry->sequence};
    }
    return count;
}

uint64_t vector_next_version(struct vector *vector) {
    return ++vector->version;
}

void vector_age(struct vector *vector, const struct roll *roll, uint64_t now_ms, uint64_t forget_ms, size_t crowded,
                bool (*is_present)(const void *context, uint64_t origin), const void *context) {
    if (vector->count > crowded) forget_ms = VECTOR_CROWDED_IDLE_MS;
    size_t kept = 0;
    for (size_t i = 0; i < vector->count; i++) {
        struct vector_entry entry = vector->entries[i];
        entry.is_present = is_present(context, entry.origin);
        entry.registers = roll_origin_registers(roll, entry.origin);
        bool is_used = entry.is_present || entry.registers > 0;
        if (is_used && entry.idle_since_ms != 0) entry.changed = vector->version + 1; /* it is offered again */
        if (is_used) entry.idle_since_ms = 0;
        else if (entry.idle_since_ms == 0) entry.idle_since_ms = now_ms;
        else if (now_ms - entry.idle_since_ms > forget_ms) continue;
        vector->entries[kept++] = entry;
    }
    vector->count = kept;
}
