#include "index.h"

#include <assert.h>
#include <string.h>

enum {
    INDEX_CAPACITY_MIN = 8,
    INDEX_MOVE_EACH_INSERT = 8, /* a table grows by half, so 3 would do: moving is over long before the next growth */
    INDEX_LOAD_PERCENT_MAX = 85,
    /* The pages of a large table are fetched by another thread, a few milliseconds each. The old table takes so many
     * percent more until the first of them is written to. */
    INDEX_REST_PERCENT = 2,
    INDEX_REST_CAPACITY_MIN = 1 << 18,
};

static uint32_t table_tail(uint32_t capacity) {
    /* Room behind the last home, for entries that are displaced from theirs. The probability of a run at 85 % load
     * falls by e with every 80 slots of its length; a table whose tail is too short all the same is rebuilt. */
    if (capacity <= 64) return capacity;
    uint32_t tail = 64 + capacity / 32;
    return tail < 2048 ? tail : 2048;
}

static bool table_new(struct index_table *table, uint32_t capacity, const struct allocator *allocator) {
    uint32_t total = capacity + table_tail(capacity) + 1;
    struct index_slot *slots = allocator->allocate(allocator->context, total * sizeof *slots);
    if (slots == NULL) return false;
    *table = (struct index_table){slots, capacity, total};
    return true;
}

static void table_clear(struct index_table *table, const struct allocator *allocator) {
    allocator->release(allocator->context, table->slots, table->total * sizeof *table->slots);
    *table = (struct index_table){0};
}

/* Inserts an entry in order and shifts the following ones by a slot. false if that would fill the last slot. */
static bool table_insert(struct index_table *table, uint64_t hash, uint32_t ref, index_hash_fn *hash_of,
                         const void *context) {
    uint32_t high = (uint32_t)(hash >> 32);
    struct index_slot *slot = &table->slots[index_home(table, high)];
    while (slot->ref != 0 && (slot->high < high || (slot->high == high && hash_of(context, slot->ref) < hash))) slot++;
    struct index_slot *empty = slot;
    while (empty->ref != 0) empty++;
    if (empty == &table->slots[table->total - 1]) return false;
    memmove(slot + 1, slot, (size_t)(empty - slot) * sizeof *slot);
    *slot = (struct index_slot){high, ref};
    return true;
}

/* Closes the gap: entries that are behind their home move up by one. */
static void table_remove(struct index_table *table, struct index_slot *slot) {
    struct index_slot *end = slot + 1;
    while (end->ref != 0 && &table->slots[index_home(table, end->high)] != end) end++;
    memmove(slot, slot + 1, (size_t)(end - slot - 1) * sizeof *slot);
    end[-1] = (struct index_slot){0};
}

/* Appends to a table that holds only smaller hashes, in the order in which they come. */
static bool table_append(struct index_table *table, struct index_slot entry) {
    struct index_slot *slot = &table->slots[index_home(table, entry.high)];
    while (slot->ref != 0) slot++;
    if (slot == &table->slots[table->total - 1]) return false;
    *slot = entry;
    return true;
}

/* Every entry has moved: the old table is released. */
static void index_finish_move(struct index *index, const struct allocator *allocator) {
    table_clear(&index->old, allocator);
    index->frontier = 0;
    index->old_at = 0;
    index->rest = 0;
}

/* Moves the next run of equal hashes, so that the frontier never splits one. false if `now` has no room for it. */
static bool index_move_run(struct index *index, uint32_t *moved) {
    struct index_slot *slot = &index->old.slots[index->old_at];
    struct index_slot *end = slot + 1;
    while (end->ref != 0 && end->high == slot->high) end++;
    for (struct index_slot *at = slot; at < end; at++)
        if (!table_append(&index->now, *at)) {
            /* Take back what was moved of this run: it is the last that `now` holds. */
            for (struct index_slot *back = slot; back < at; back++) {
                struct index_slot *in = &index->now.slots[index_home(&index->now, back->high)];
                while (in->ref != back->ref) in++;
                *in = (struct index_slot){0};
            }
            return false;
        }
    *moved += (uint32_t)(end - slot);
    index->old_at += (uint32_t)(end - slot);
    index->frontier = (uint64_t)slot->high + 1;
    return true;
}

/* Makes a table of `capacity` and moves all entries at once, from both tables. For small tables, and for the case that
 * the tail overflows. */
static bool index_rebuild(struct index *index, uint32_t capacity, const struct allocator *allocator) {
    /* Hashes are spread evenly, so a table that is not full has room. Entries that have none in a table of 64 times
     * their number were not given hashes.
     */
    for (uint64_t most = (uint64_t)index->count * 64 + 1024; capacity <= most; capacity += capacity / 2) {
        struct index_table fresh;
        if (!table_new(&fresh, capacity, allocator)) return false;
        struct index_walk walk = index_walk_from(index, 0);
        const struct index_slot *slot;
        size_t looked = 0;
        bool fits = true;
        while (fits && (slot = index_walk_next(&walk, &looked)) != NULL) fits = table_append(&fresh, *slot);
        if (!fits) {
            table_clear(&fresh, allocator);
            continue;
        }
        if (index->old.slots != NULL) index_finish_move(index, allocator);
        table_clear(&index->now, allocator);
        index->now = fresh;
        return true;
    }
    return false;
}

/* The least hash whose home is behind a slot. */
static uint64_t index_home_end(const struct index_table *table, uint32_t slot) {
    return ((((uint64_t)slot + 1) << 32) + table->capacity - 1) / table->capacity;
}

bool index_move(struct index *index, uint32_t entries, const struct allocator *allocator) {
    if (index->old.slots == NULL) return false;
    if (index->rest > 0) {
        index->rest -= entries < index->rest ? entries : index->rest;
        return true;
    }
    uint32_t moved = 0, looked = 0;
    while (moved < entries && looked < 4 * entries) {
        if (index->old_at == index->old.total) {
            index_finish_move(index, allocator);
            return false;
        }
        if (index->old.slots[index->old_at].ref == 0) {
            /* Every entry whose home is up to here has moved, and none may be inserted into the old table there any
             * more. */
            index->frontier = index_home_end(&index->old, index->old_at);
            index->old_at++;
            looked++;
        } else if (!index_move_run(index, &moved)) {
            /* No room behind the last home. Without memory for a larger table both go on as they are. */
            index_rebuild(index, index->now.capacity, allocator);
            return false;
        }
    }
    return true;
}

enum { INDEX_REBUILD_MAX = 256 }; /* a table of at most so many entries is rebuilt at once: under a microsecond */

/* Begins to move to a table of `capacity`. */
static bool index_resize(struct index *index, uint32_t capacity, const struct allocator *allocator) {
    if (index->count <= INDEX_REBUILD_MAX) return index_rebuild(index, capacity, allocator);
    struct index_table fresh;
    if (!table_new(&fresh, capacity, allocator)) return false;
    index->old = index->now;
    index->now = fresh;
    index->frontier = 0;
    index->old_at = 0;
    index->rest = 0;
    if (capacity >= INDEX_REST_CAPACITY_MIN)
        index->rest = (uint32_t)((uint64_t)index->old.capacity * INDEX_REST_PERCENT / 100 * INDEX_MOVE_EACH_INSERT);
    return true;
}

static uint32_t capacity_for(uint32_t count) {
    uint64_t capacity = (uint64_t)count * 100 / INDEX_LOAD_PERCENT_MAX + 1;
    return capacity < INDEX_CAPACITY_MIN ? INDEX_CAPACITY_MIN : (uint32_t)capacity;
}

static bool index_is_full(const struct index *index) {
    return (uint64_t)(index->count + 1) * 100 > (uint64_t)index->now.capacity * INDEX_LOAD_PERCENT_MAX;
}

bool index_insert(struct index *index, uint64_t hash, uint32_t ref, index_hash_fn *hash_of, const void *context,
                  const struct allocator *allocator) {
    index_move(index, INDEX_MOVE_EACH_INSERT, allocator);
    if (index->now.slots == NULL || (index->old.slots == NULL && index_is_full(index))) {
        uint32_t capacity = capacity_for(index->count + index->count / 2);
        if (!index_resize(index, capacity, allocator)) return false;
    }
    struct index_table *table = index->old.slots != NULL && hash >> 32 >= index->frontier ? &index->old : &index->now;
    /* The tail is full. A larger table spreads the entries that crowd there; if one is not enough, a still larger one.
     */
    uint32_t capacity = capacity_for(index->count + index->count / 2);
    for (; !table_insert(table, hash, ref, hash_of, context); capacity += capacity / 2) {
        if (!index_rebuild(index, capacity, allocator)) return false;
        table = &index->now;
    }
    index->count++;
    return true;
}

bool index_fill(struct index *index, const struct index_slot *slots, uint32_t count,
                const struct allocator *allocator) {
    assert(index->now.slots == NULL && count > 0);
    uint32_t before = count - 1;
    bool fits = false;
    for (uint32_t capacity = capacity_for(before + before / 2); !fits; capacity += capacity / 2) {
        if (!table_new(&index->now, capacity, allocator)) return false;
        fits = true;
        for (uint32_t i = 0; i < count && fits; i++) fits = table_append(&index->now, slots[i]);
        if (!fits) table_clear(&index->now, allocator);
    }
    index->count = count;
    return true;
}

static struct index_slot *index_slot_of(struct index *index, uint64_t hash, uint32_t ref) {
    const struct index_slot *found = index_find(index, hash);
    assert(found != NULL);
    struct index_table *table = hash >> 32 >= index->frontier && index->old.slots != NULL ? &index->old : &index->now;
    struct index_slot *slot = &table->slots[found - table->slots];
    while (slot->ref != ref) slot++;
    assert(slot->high == hash >> 32);
    return slot;
}

void index_replace(struct index *index, uint64_t hash, uint32_t was, uint32_t ref) {
    index_slot_of(index, hash, was)->ref = ref;
}

void index_remove(struct index *index, uint64_t hash, uint32_t ref) {
    struct index_slot *slot = index_slot_of(index, hash, ref);
    bool in_old = index->old.slots != NULL && hash >> 32 >= index->frontier;
    table_remove(in_old ? &index->old : &index->now, slot);
    assert(index->count > 0);
    index->count--;
}

void index_tidy(struct index *index, const struct allocator *allocator) {
    if (index->old.slots != NULL || index->now.capacity <= 64) return;
    if ((uint64_t)index->count * 6 > index->now.capacity) return;
    index_resize(index, capacity_for(index->count + index->count / 2), allocator);
}

void index_clear(struct index *index, const struct allocator *allocator) {
    table_clear(&index->now, allocator);
    table_clear(&index->old, allocator);
    *index = (struct index){0};
}

static void walk_enter(struct index_walk *walk, const struct index_table *table, uint32_t high) {
    if (table->slots == NULL) {
        walk->at = walk->end = walk->last_home = NULL;
        return;
    }
    walk->at = &table->slots[index_home(table, high)];
    walk->end = &table->slots[table->total];
    walk->last_home = walk->until > UINT32_MAX ? walk->end : &table->slots[index_home(table, (uint32_t)walk->until)];
    while (walk->at->ref != 0 && walk->at->high < high) walk->at++;
}

struct index_walk index_walk_range(const struct index *index, uint32_t high, uint64_t until) {
    struct index_walk walk = {.index = index, .until = until};
    walk.in_old = index->old.slots != NULL && high >= index->frontier;
    walk_enter(&walk, walk.in_old ? &index->old : &index->now, high);
    return walk;
}

struct index_walk index_walk_slots(const struct index_slot *slots, uint32_t count, uint32_t high, uint64_t until) {
    /* As though it were in an old table, behind which nothing comes. */
    struct index_walk walk = {.at = slots, .end = slots + count, .until = until, .in_old = true};
    walk.last_home = walk.end;
    while (walk.at < walk.end && walk.at->high < high) walk.at++;
    return walk;
}

struct index_walk index_walk_from(const struct index *index, uint32_t high) {
    return index_walk_range(index, high, UINT64_C(1) << 32);
}

/* The next entry of the table that the walk is in. */
static const struct index_slot *walk_next(struct index_walk *walk, size_t *looked) {
    for (; walk->at < walk->end; walk->at++) {
        ++*looked;
        if (walk->at->ref != 0) return walk->at->high < walk->until ? walk->at++ : NULL;
        if (walk->at >= walk->last_home) return NULL;
    }
    return NULL;
}

const struct index_slot *index_walk_next(struct index_walk *walk, size_t *looked) {
    for (;;) {
        const struct index_slot *slot = walk_next(walk, looked);
        if (slot != NULL) return slot;
        if (walk->in_old || walk->index->old.slots == NULL || walk->index->frontier >= walk->until) return NULL;
        walk->in_old = true;
        walk_enter(walk, &walk->index->old, (uint32_t)walk->index->frontier);
    }
}
