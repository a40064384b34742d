/* The memory of one reply, and its cap. */
#include "reply/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void the_arena_keeps_its_cap(void **state) {
    (void)state;
    struct arena arena;
    struct text copy;
    assert_true(arena_open(&arena, 65536));
    char *first = arena_take(&arena, 100, 10);
    memset(first, 1, 1000);
    assert_non_null(arena_take(&arena, 1, 60000));
    assert_null(arena_take(&arena, 1, 60000));
    assert_true(arena.is_exhausted);
    assert_null(arena_take(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_take(&arena, 1, SIZE_MAX));
    assert_false(arena_copy(&arena, (struct text){first, 60000}, &copy));
    arena_reset(&arena, 4096);
    assert_false(arena.is_exhausted);
    assert_true(arena_copy(&arena, text_of("ada"), &copy));
    assert_true(text_equal(copy, text_of("ada")));
    for (int i = 0; i < 20; i++) assert_int_equal((uintptr_t)arena_take(&arena, 1, 3) % 16, 0);
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_arena_keeps_its_cap),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
