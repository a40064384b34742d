/* Memory by the page, as the roll takes it. */
#include "node/page_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void the_heap_gives_zeroed_memory(void **state) {
    (void)state;
    const struct allocator heap = page_allocator();
    const size_t sizes[] = {1, 100, 4095, 4096, 1 << 20, (4 << 20) - 1, 4 << 20, 9 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int round = 0; round < 2; round++) {
            unsigned char *memory = heap.allocate(heap.context, sizes[i]);
            assert_non_null(memory);
            if (sizes[i] >= 4096) assert_int_equal((uintptr_t)memory % 64, 0);
            for (size_t j = 0; j < sizes[i]; j++)
                if (memory[j] != 0) fail_msg("byte %zu of %zu is not zero", j, sizes[i]);
            memset(memory, 0xaa, sizes[i]);
            heap.release(heap.context, memory, sizes[i]);
        }
    }
    heap.release(heap.context, NULL, 100);
    heap.release(heap.context, NULL, 9 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_gives_zeroed_memory),
    };
    return cmocka_run_group_tests_name("page allocator", tests, NULL, NULL);
}
