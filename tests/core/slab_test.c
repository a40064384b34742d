/* The members' records. */
#include "core/slab.h"

#include "support/heap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { RECORDS = 1 << SLAB_BITS };

struct fixture {
    struct heap heap;
    struct allocator allocator;
    struct slab slab;
};

static void end(struct fixture *fixture) {
    slab_clear(&fixture->slab, &fixture->allocator);
    if (fixture->heap.blocks != 0) fail_msg("%zu blocks leaked", fixture->heap.blocks);
}

static void records_are_zeroed_and_never_move(void **state) {
    (void)state;
    struct fixture fixture = {.slab.chunk_bits = SLAB_BITS};
    fixture.allocator = heap_counting(&fixture.heap);
    uint32_t first = slab_take(&fixture.slab, &fixture.allocator);
    if (first == MEMBER_NONE) fail_msg("no record");
    struct member *at = slab_at(&fixture.slab, first);
    at->stamp = 77;
    for (uint32_t i = 1; i < 3 * RECORDS; i++) {
        uint32_t ref = slab_take(&fixture.slab, &fixture.allocator);
        const struct member *m = slab_at(&fixture.slab, ref);
        if (ref == MEMBER_NONE || m->stamp != 0) fail_msg("record %u", ref);
        slab_at(&fixture.slab, ref)->stamp = 1;
    }
    if (slab_at(&fixture.slab, first) != at || at->stamp != 77) fail_msg("a record moved");
    if (fixture.slab.count != 3 * RECORDS) fail_msg("count %u", fixture.slab.count);
    end(&fixture);
}

static void a_record_that_came_back_is_given_again(void **state) {
    (void)state;
    struct fixture fixture = {.slab.chunk_bits = SLAB_BITS};
    fixture.allocator = heap_counting(&fixture.heap);
    slab_take(&fixture.slab, &fixture.allocator);
    uint32_t ref = slab_take(&fixture.slab, &fixture.allocator);
    slab_at(&fixture.slab, ref)->stamp = 5;
    slab_give(&fixture.slab, ref);
    if (slab_take(&fixture.slab, &fixture.allocator) != ref) fail_msg("another record");
    if (slab_at(&fixture.slab, ref)->stamp != 0) fail_msg("not zeroed");
    end(&fixture);
}

static void without_memory_there_is_no_record(void **state) {
    (void)state;
    for (uint64_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct fixture fixture = {.heap = {.fail_at = fail_at}, .slab.chunk_bits = SLAB_BITS};
        fixture.allocator = heap_counting(&fixture.heap);
        if (slab_take(&fixture.slab, &fixture.allocator) != MEMBER_NONE) fail_msg("a record out of nothing");
        if (fixture.slab.count != 0) fail_msg("count %u", fixture.slab.count);
        if (slab_take(&fixture.slab, &fixture.allocator) == MEMBER_NONE) fail_msg("it does not try again");
        end(&fixture);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_zeroed_and_never_move),
        cmocka_unit_test(a_record_that_came_back_is_given_again),
        cmocka_unit_test(without_memory_there_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
