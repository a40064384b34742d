/* The table that is sorted by hash, against a plain sorted array. */
#include "core/index.h"

#include "common/random.h"
#include "support/heap.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ENTRIES_MAX = 60000 };

/* What should be in the table: by reference its hash; 0 where it is not in. */
struct expected {
    struct heap heap;
    struct allocator allocator;
    struct index index;
    struct random random;
    uint64_t hashes[ENTRIES_MAX + 1];
    uint32_t count;
};

static uint64_t hash_of(const void *context, uint32_t ref) {
    const struct expected *expected = context;
    return expected->hashes[ref];
}

static struct expected *expected_new(uint64_t seed) {
    struct expected *expected = calloc(1, sizeof *expected);
    expected->allocator = heap_counting(&expected->heap);
    expected->random = random_of(seed);
    return expected;
}

static void expected_free(struct expected *expected) {
    index_clear(&expected->index, &expected->allocator);
    if (expected->heap.blocks != 0 || expected->heap.bytes != 0) fail_msg("%zu blocks leaked", expected->heap.blocks);
    free(expected);
}

static bool insert(struct expected *expected, uint32_t ref, uint64_t hash) {
    expected->hashes[ref] = hash;
    bool is_in = index_insert(&expected->index, hash, ref, hash_of, expected, &expected->allocator);
    if (is_in) expected->count++;
    else expected->hashes[ref] = 0;
    return is_in;
}

static void remove_one(struct expected *expected, uint32_t ref) {
    index_remove(&expected->index, expected->hashes[ref], ref);
    expected->hashes[ref] = 0;
    expected->count--;
}

static bool is_found(const struct expected *expected, uint32_t ref) {
    uint64_t hash = expected->hashes[ref];
    const struct index_slot *slot = index_find(&expected->index, hash);
    for (; slot != NULL && slot->ref != 0 && slot->high == hash >> 32; slot++)
        if (slot->ref == ref) return true;
    return false;
}

/* Everything is found, and a walk comes by everything once, in the order of hashes. */
static void check(const struct expected *expected, const char *when) {
    if (expected->index.count != expected->count)
        fail_msg("%s: count %u, not %u", when, expected->index.count, expected->count);
    for (uint32_t ref = 1; ref <= ENTRIES_MAX; ref++)
        if (expected->hashes[ref] != 0 && !is_found(expected, ref)) fail_msg("%s: entry %u is not found", when, ref);
    struct index_walk walk = index_walk_from(&expected->index, 0);
    const struct index_slot *slot;
    size_t looked = 0;
    uint64_t last = 0;
    uint32_t walked = 0;
    for (; (slot = index_walk_next(&walk, &looked)) != NULL; walked++) {
        uint64_t hash = expected->hashes[slot->ref];
        if (hash == 0 || slot->high != hash >> 32) fail_msg("%s: entry %u should not be here", when, slot->ref);
        if (hash < last) fail_msg("%s: the walk is out of order at entry %u", when, slot->ref);
        last = hash;
    }
    if (walked != expected->count) fail_msg("%s: the walk came by %u of %u", when, walked, expected->count);
}

static uint64_t pick_hash(struct expected *expected) {
    uint64_t hash = random_next(&expected->random) | 1;
    if (random_chance(&expected->random, 1, 10)) hash &= UINT64_C(0xffff0000ffffffff); /* halves that collide */
    return hash;
}

static void random_insertions_and_removals_keep_the_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct expected *expected = expected_new(seed);
        /* Up, down and up again, with some of the other on the way, and time for moving or none. */
        for (uint32_t step = 0; step < 400000; step++) {
            uint32_t ref = 1 + (uint32_t)random_below(&expected->random, ENTRIES_MAX);
            bool grows = step % 200000 < 100000;
            if (expected->hashes[ref] == 0 && (grows || random_chance(&expected->random, 1, 10))) {
                if (!insert(expected, ref, pick_hash(expected))) fail_msg("an insertion failed");
            } else if (expected->hashes[ref] != 0 && (!grows || random_chance(&expected->random, 1, 10))) {
                remove_one(expected, ref);
                index_tidy(&expected->index, &expected->allocator);
            }
            if (step % 7 == 0) index_move(&expected->index, 1 + step % 5, &expected->allocator);
            if (step % 20011 == 0) check(expected, "on the way");
        }
        check(expected, "at the end");
        expected_free(expected);
    }
}

/* Every table size on the way up and down is checked while it is being moved. */
static void small_tables_are_right_at_every_size(void **state) {
    (void)state;
    struct expected *expected = expected_new(5);
    for (uint32_t ref = 1; ref <= 1200; ref++) {
        insert(expected, ref, pick_hash(expected));
        if (ref % 13 == 0) check(expected, "growing");
    }
    for (uint32_t ref = 1; ref <= 1200; ref++) {
        remove_one(expected, ref);
        index_tidy(&expected->index, &expected->allocator);
        if (ref % 13 == 0) check(expected, "shrinking");
        if (ref % 3 == 0) index_move(&expected->index, 1, &expected->allocator);
    }
    expected_free(expected);
}

static void insertions_between_the_steps_of_a_move_are_kept(void **state) {
    (void)state;
    /* A table that was large and is nearly empty is shrunk: it has long runs of empty slots, which a step passes. */
    struct expected *expected = expected_new(6);
    for (uint32_t ref = 1; ref <= 20000; ref++) insert(expected, ref, pick_hash(expected));
    while (index_move(&expected->index, 1000, &expected->allocator)) continue;
    for (uint32_t ref = 301; ref <= 20000; ref++) remove_one(expected, ref);
    index_tidy(&expected->index, &expected->allocator);
    for (uint32_t ref = 301; index_move(&expected->index, 1, &expected->allocator); ref++)
        insert(expected, ref, pick_hash(expected));
    check(expected, "after the move");
    expected_free(expected);
}

static void equal_hashes_stand_side_by_side(void **state) {
    (void)state;
    struct expected *expected = expected_new(7);
    for (uint32_t ref = 1; ref <= 600; ref++) insert(expected, ref, (uint64_t)(1 + ref % 6) << 61 | (ref % 2 + 1));
    check(expected, "with all entries");
    for (uint32_t ref = 1; ref <= 600; ref += 2) remove_one(expected, ref);
    check(expected, "with half of them");
    expected_free(expected);
}

static void a_reference_is_replaced_in_its_place(void **state) {
    (void)state;
    struct expected *expected = expected_new(8);
    for (uint32_t ref = 1; ref <= 100; ref++) insert(expected, ref, pick_hash(expected));
    expected->hashes[1000] = expected->hashes[50];
    index_replace(&expected->index, expected->hashes[50], 50, 1000);
    expected->hashes[50] = 0;
    check(expected, "after it");
    expected_free(expected);
}

static void without_memory_an_insertion_fails_and_changes_nothing(void **state) {
    (void)state;
    struct expected *expected = expected_new(9);
    uint32_t failed = 0;
    for (uint32_t ref = 1; ref <= 5000; ref++) {
        uint64_t hash = pick_hash(expected);
        expected->heap.fail_at = 1;
        expected->heap.fails_after = true;
        if (!insert(expected, ref, hash)) {
            failed++;
            if (ref < 300 || failed == 1) check(expected, "after a failure");
            expected->heap.fail_at = 0;
            if (!insert(expected, ref, hash)) fail_msg("it fails with memory, too");
        }
    }
    check(expected, "at the end");
    if (failed < 5) fail_msg("only %u failures", failed);
    expected_free(expected);
}

/* As users of a scope are kept while they are few, and when they are too many for that. */
static void a_sorted_array_is_walked_and_becomes_a_table(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= 7; count++) {
        struct expected *expected = expected_new(11 + count);
        struct index_slot slots[7];
        for (uint32_t i = 0; i < count; i++) {
            expected->hashes[i + 1] = (uint64_t)(i / 2 + 1) << 61 | (i + 1); /* each upper half twice */
            slots[i] = (struct index_slot){(uint32_t)(expected->hashes[i + 1] >> 32), i + 1};
        }
        for (uint32_t from = 0; from <= count; from++) {
            uint32_t high = from < count ? slots[from].high : UINT32_MAX;
            struct index_walk walk = index_walk_slots(slots, count, high, UINT64_C(1) << 32);
            size_t looked = 0;
            const struct index_slot *slot;
            for (uint32_t i = from < count ? from & ~1u : count; i < count; i++)
                if ((slot = index_walk_next(&walk, &looked)) == NULL || slot->ref != i + 1) fail_msg("walk %u", from);
            if (index_walk_next(&walk, &looked) != NULL) fail_msg("walk %u does not end", from);
            walk = index_walk_slots(slots, count, 0, high);
            for (uint32_t i = 0; i < count && slots[i].high < high; i++)
                if (index_walk_next(&walk, &looked) != &slots[i]) fail_msg("walk to %u", from);
            if (index_walk_next(&walk, &looked) != NULL) fail_msg("a walk to %u does not end there", from);
        }
        if (!index_fill(&expected->index, slots, count, &expected->allocator)) fail_msg("%u slots have no room", count);
        expected->count = count;
        check(expected, "filled from an array");
        expected_free(expected);
    }
}

static void a_full_table_lies_about_nobody(void **state) {
    (void)state;
    struct expected *expected = expected_new(10);
    const struct index_slot *none = index_find(&expected->index, 123);
    if (none != NULL) fail_msg("found in a table that has no memory yet");
    /* All in the last homes, so that they run over the table's end. */
    for (uint32_t ref = 1; ref <= 500; ref++) insert(expected, ref, UINT64_MAX - ref * UINT64_C(0x100000001));
    check(expected, "with a long tail");
    expected_free(expected);
}

/* The processor's way of comparing 8 slots against the plain one, and both against what they should find. */
static void eight_slots_are_compared_at_once(void **state) {
    (void)state;
    struct random random = random_of(8);
    for (int round = 0; round < 20000; round++) {
        struct index_slot slots[9];
        uint32_t high = (uint32_t)random_next(&random);
        unsigned equal = (unsigned)random_below(&random, 256);
        for (unsigned i = 0; i < 9; i++) {
            /* Near misses: another bit of the half, or the same number where the reference stands. */
            uint32_t other = high ^ UINT32_C(1) << random_below(&random, 32);
            slots[i] = (struct index_slot){equal >> i & 1 ? high : other, high};
        }
        size_t at = random_below(&random, 2); /* aligned to 16 bytes, or not */
        unsigned right = at == 0 ? equal : equal >> 1;
        if (at == 1) slots[8].high = ~high;
        if (index_match(&slots[at], high) != right) fail_msg("%02x, not %02x", index_match(&slots[at], high), right);
        if (index_match_portable(&slots[at], high) != right) fail_msg("the plain way: not %02x", right);
    }
}

static uint64_t mixed_hash(const void *context, uint32_t ref) {
    (void)context;
    return splitmix64_mix(ref);
}

static void insert_mixed(struct expected *expected, uint32_t ref) {
    if (!index_insert(&expected->index, splitmix64_mix(ref), ref, mixed_hash, NULL, &expected->allocator))
        fail_msg("entry %u has no room", ref);
}

static bool is_untouched(const struct index_table *table) {
    for (uint32_t i = 0; i < table->total; i++)
        if (table->slots[i].high != 0 || table->slots[i].ref != 0) return false;
    return true;
}

/* Its pages are fetched meanwhile: the first entry that moves must not wait for them. */
static void a_large_table_is_not_written_to_at_once(void **state) {
    (void)state;
    struct expected *expected = expected_new(10);
    const struct index *index = &expected->index;
    uint32_t ref = 0, rested = 0;
    while (index->old.slots == NULL || index->now.capacity < 1u << 19) insert_mixed(expected, ++ref);
    uint32_t old_capacity = index->old.capacity;
    for (; index->frontier == 0 && rested < old_capacity; rested++) {
        if (rested % 1000 == 0 && !is_untouched(&index->now)) fail_msg("written to after %u insertions", rested);
        insert_mixed(expected, ++ref);
    }
    if (rested < old_capacity / 100) fail_msg("entries move after %u insertions", rested);
    if (rested > old_capacity / 20) fail_msg("entries move after %u insertions only", rested);
    while (index->old.slots != NULL) insert_mixed(expected, ++ref);
    if (index->count != ref) fail_msg("%u entries, not %u", index->count, ref);
    for (uint32_t each = 1; each <= ref; each++) {
        const struct index_slot *slot = index_find(index, splitmix64_mix(each));
        while (slot != NULL && slot->ref != 0 && slot->ref != each) slot++;
        if (slot == NULL || slot->ref == 0) fail_msg("entry %u is not found", each);
    }
    expected_free(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_insertions_and_removals_keep_the_order),
        cmocka_unit_test(small_tables_are_right_at_every_size),
        cmocka_unit_test(insertions_between_the_steps_of_a_move_are_kept),
        cmocka_unit_test(eight_slots_are_compared_at_once),
        cmocka_unit_test(equal_hashes_stand_side_by_side),
        cmocka_unit_test(a_reference_is_replaced_in_its_place),
        cmocka_unit_test(without_memory_an_insertion_fails_and_changes_nothing),
        cmocka_unit_test(a_sorted_array_is_walked_and_becomes_a_table),
        cmocka_unit_test(a_full_table_lies_about_nobody),
        cmocka_unit_test(a_large_table_is_not_written_to_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
