#include "user_names.h"

#include "common/siphash.h"
#include "memory.h"

#include <sodium.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 1024, NAMES_FIRST = 1024 };

struct user_names {
    uint8_t key[16];
    struct text *names;
    uint32_t count, capacity;
    uint32_t *slots; /* number of a name + 1; 0: free. Linear probing, at most half full */
    uint64_t mask;
};

struct user_names *user_names_new(void) {
    struct user_names *n = memory_new(sizeof *n);
    randombytes_buf(n->key, sizeof n->key);
    n->capacity = NAMES_FIRST;
    n->names = memory_grow(NULL, n->capacity, sizeof *n->names);
    n->mask = SLOTS_FIRST - 1;
    n->slots = memory_new(SLOTS_FIRST * sizeof *n->slots);
    return n;
}

void user_names_free(struct user_names *n) {
    if (n == NULL) return;
    for (uint32_t i = 0; i < n->count; i++) free((void *)(uintptr_t)n->names[i].data);
    free(n->names);
    free(n->slots);
    free(n);
}

/* The slot of the name, or the free slot where it belongs. */
static uint64_t slot_of(const struct user_names *n, struct text name) {
    uint64_t at = siphash(n->key, 1, 3, name.data, name.len) & n->mask;
    while (n->slots[at] != 0 && !text_equal(n->names[n->slots[at] - 1], name)) at = (at + 1) & n->mask;
    return at;
}

static void grow_slots(struct user_names *n) {
    free(n->slots);
    n->mask = n->mask * 2 + 1;
    n->slots = memory_new((n->mask + 1) * sizeof *n->slots);
    for (uint32_t i = 0; i < n->count; i++) n->slots[slot_of(n, n->names[i])] = i + 1;
}

uint32_t user_names_number(struct user_names *n, struct text name) {
    uint64_t at = slot_of(n, name);
    if (n->slots[at] != 0) return n->slots[at] - 1;
    if (n->count == n->capacity) {
        n->capacity *= 2;
        n->names = memory_grow(n->names, n->capacity, sizeof *n->names);
    }
    n->names[n->count] = (struct text){memory_text(name.data, name.len), name.len};
    n->slots[at] = ++n->count;
    if (n->count > n->mask / 2) grow_slots(n);
    return n->count - 1;
}

struct text user_names_text(const struct user_names *names, uint32_t number) {
    return names->names[number];
}

uint32_t user_names_count(const struct user_names *names) {
    return names->count;
}
