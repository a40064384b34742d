#include "mirror_table.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { SLOTS_MIN = 64, CACHE_LINE_BYTES = 64, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Zeroed memory; large pieces on huge pages where the system has them, which saves a TLB miss a look-up. */
static void *pages_new(size_t bytes) {
    bool is_huge = bytes >= HUGE_PAGE_BYTES;
    void *data = aligned_alloc(is_huge ? HUGE_PAGE_BYTES : CACHE_LINE_BYTES, bytes);
    if (data == NULL) return NULL;
    if (is_huge) madvise(data, bytes, MADV_HUGEPAGE);
    return memset(data, 0, bytes);
}

/* capacity: a power of two, at least SLOTS_MIN. */
static struct mirror_slots *slots_new(size_t capacity) {
    struct mirror_slots *slots = calloc(1, sizeof *slots);
    if (slots == NULL) return NULL;
    slots->mask = capacity - 1;
    slots->words = pages_new(capacity * sizeof *slots->words);
    slots->sides = pages_new(capacity * sizeof *slots->sides);
    if (slots->words != NULL && slots->sides != NULL) return slots;
    free(slots->words);
    free(slots->sides);
    free(slots);
    return NULL;
}

bool mirror_table_init(struct mirror_table *table, size_t remember_max) {
    *table = (struct mirror_table){.remember_max = remember_max < UINT32_MAX - 1 ? remember_max : UINT32_MAX - 1};
    struct mirror_slots *slots = slots_new(SLOTS_MIN);
    atomic_init(&table->slots, slots);
    return slots != NULL;
}

void mirror_table_free(struct mirror_table *table) {
    struct mirror_slots *slots = atomic_load(&table->slots), *older;
    for (; slots != NULL; slots = older) {
        older = slots->older;
        free(slots->words);
        free(slots->sides);
        free(slots);
    }
    free(table->departed);
}

/* ---- slots: the writer ------------------------------------------------------------------------------------------- */

static struct mirror_slots *slots_of(const struct mirror_table *table) {
    return atomic_load_explicit(&table->slots, memory_order_relaxed);
}

static void set_word(struct mirror_slots *slots, size_t at, uint64_t word) {
    atomic_store_explicit(&slots->words[at], word, memory_order_release);
}

static uint64_t get_word(const struct mirror_slots *slots, size_t at) {
    return atomic_load_explicit(&slots->words[at], memory_order_relaxed);
}

static void set_seen(struct mirror_slots *slots, size_t at, int64_t last_seen_ms) {
    atomic_store_explicit(&slots->sides[at].last_seen_ms, last_seen_ms, memory_order_release);
}

/* The word is stored last: a reader that finds it finds the rest. */
static void slot_copy(struct mirror_slots *to, size_t to_at, const struct mirror_slots *from, size_t from_at) {
    const struct mirror_side *side = &from->sides[from_at];
    to->sides[to_at].home = side->home;
    to->sides[to_at].departed = side->departed;
    set_seen(to, to_at, atomic_load_explicit(&side->last_seen_ms, memory_order_relaxed));
    set_word(to, to_at, get_word(from, from_at));
}

static bool table_grow(struct mirror_table *table) {
    struct mirror_slots *old = slots_of(table), *grown = slots_new(2 * (old->mask + 1));
    if (grown == NULL) return false;
    for (size_t i = 0; i <= old->mask; i++) {
        if (get_word(old, i) == 0) continue;
        size_t at = old->sides[i].home & grown->mask;
        while (get_word(grown, at) != 0) at = (at + 1) & grown->mask;
        slot_copy(grown, at, old, i);
    }
    grown->older = old;
    atomic_store_explicit(&table->slots, grown, memory_order_release);
    return true;
}

/* Grows the table where five eighths are in use; without memory for that, it is filled up to seven eighths. */
static bool table_reserve(struct mirror_table *table) {
    size_t capacity = slots_of(table)->mask + 1;
    if (table->used < capacity / 8 * 5) return true;
    if (capacity <= UINT32_MAX && table_grow(table)) return true;
    return table->used < capacity / 8 * 7;
}

static void slot_free(struct mirror_table *table, size_t gap) {
    struct mirror_slots *slots = slots_of(table);
    uint64_t moves = atomic_load_explicit(&slots->moves, memory_order_relaxed);
    atomic_store_explicit(&slots->moves, moves + 1, memory_order_relaxed); /* before what is released below */
    for (size_t at = (gap + 1) & slots->mask; get_word(slots, at) != 0; at = (at + 1) & slots->mask) {
        size_t from_home = (at - slots->sides[at].home) & slots->mask;
        if (from_home < ((at - gap) & slots->mask)) continue;
        slot_copy(slots, gap, slots, at);
        gap = at;
    }
    set_word(slots, gap, 0);
    atomic_store_explicit(&slots->moves, moves + 2, memory_order_release);
    table->used--;
}

/* ---- users who left: a list, so that one who comes back can be removed anywhere -----------------------------------
 */

/* 0: there is neither room nor memory for more. */
static uint32_t departed_new(struct mirror_table *table) {
    if (table->unused == 0) {
        size_t capacity = table->departed_capacity == 0 ? 64 : 2 * table->departed_capacity;
        if (capacity > table->remember_max) capacity = table->remember_max;
        if (capacity == table->departed_capacity) return 0;
        struct mirror_departed *grown = realloc(table->departed, capacity * sizeof *grown);
        if (grown == NULL) return 0;
        for (size_t i = table->departed_capacity; i < capacity; i++) {
            grown[i] = (struct mirror_departed){.older = table->unused};
            table->unused = (uint32_t)i + 1;
        }
        table->departed = grown;
        table->departed_capacity = capacity;
    }
    uint32_t number = table->unused;
    table->unused = table->departed[number - 1].older;
    return number;
}

static void departed_remove(struct mirror_table *table, uint32_t number) {
    struct mirror_departed *one = &table->departed[number - 1];
    if (one->newer != 0) table->departed[one->newer - 1].older = one->older;
    else table->newest = one->older;
    if (one->older != 0) table->departed[one->older - 1].newer = one->newer;
    else table->oldest = one->newer;
    one->older = table->unused;
    table->unused = number;
    table->departed_count--;
}

static void forget_oldest(struct mirror_table *table) {
    size_t at;
    uint64_t word;
    struct fingerprint fingerprint = table->departed[table->oldest - 1].fingerprint;
    departed_remove(table, table->oldest);
    if (mirror_seek(slots_of(table), fingerprint, &at, &word)) slot_free(table, at);
}

/* 0: there is no room to keep anybody. */
static uint32_t departed_add(struct mirror_table *table, struct fingerprint fingerprint) {
    uint32_t number = departed_new(table);
    if (number == 0 && table->departed_count != 0) {
        forget_oldest(table);
        number = departed_new(table);
    }
    if (number == 0) return 0;
    table->departed[number - 1] = (struct mirror_departed){.fingerprint = fingerprint, .older = table->newest};
    if (table->newest != 0) table->departed[table->newest - 1].newer = number;
    else table->oldest = number;
    table->newest = number;
    table->departed_count++;
    return number;
}

/* ---- users ------------------------------------------------------------------------------------------------------- */

static uint64_t word_of(struct fingerprint fingerprint, enum muster_status status) {
    return mirror_tag(fingerprint) << MIRROR_TAG_SHIFT | (uint64_t)status << 1 | 1;
}

bool mirror_table_put(struct mirror_table *table, struct fingerprint fingerprint, enum muster_status status,
                      int64_t last_seen_ms) {
    if (status == MUSTER_STATUS_UNSPECIFIED) status = MUSTER_STATUS_ONLINE;
    uint64_t word = word_of(fingerprint, status), was;
    size_t at;
    bool is_there = mirror_seek(slots_of(table), fingerprint, &at, &was);
    if (!is_there) {
        if (!table_reserve(table)) return false;
        mirror_seek(slots_of(table), fingerprint, &at, &was);
    }
    struct mirror_slots *slots = slots_of(table);
    struct mirror_side *side = &slots->sides[at];
    bool was_live = is_there && side->departed == 0;
    if (is_there && side->departed != 0) departed_remove(table, side->departed);
    table->used += !is_there;
    side->departed = 0;
    side->home = (uint32_t)fingerprint.low;
    set_seen(slots, at, last_seen_ms);
    set_word(slots, at, word);
    if (!was_live) atomic_fetch_add_explicit(&table->live, 1, memory_order_relaxed);
    return true;
}

void mirror_table_drop(struct mirror_table *table, struct fingerprint fingerprint, int64_t last_seen_ms) {
    size_t at;
    uint64_t word;
    struct mirror_slots *slots = slots_of(table);
    if (!mirror_seek(slots, fingerprint, &at, &word) || slots->sides[at].departed != 0) return;
    uint32_t number = departed_add(table, fingerprint);
    mirror_seek(slots, fingerprint, &at, &word); /* again: forgetting another one moved slots */
    atomic_fetch_sub_explicit(&table->live, 1, memory_order_relaxed);
    if (number == 0) {
        slot_free(table, at);
        return;
    }
    slots->sides[at].departed = number;
    set_seen(slots, at, last_seen_ms);
    set_word(slots, at, word_of(fingerprint, MUSTER_STATUS_UNSPECIFIED));
}
