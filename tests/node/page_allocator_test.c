/* Memory by the page, as the roll takes it. Built a second time with a kernel's advice that does not exist, as it is on
 * systems before Linux 5.14: see CMakeLists.txt. */
#include "node/page_allocator.h"
#include "node/page_region.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants some of the above first. */
#include "support/random.h"

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define IS_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_THREAD_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

enum { MIB = 1 << 20, REGION_BYTES = 512 * MIB };

static void *allocate(size_t bytes) {
    const struct allocator pages = page_allocator();
    return pages.allocate(pages.context, bytes);
}

static void release(void *memory, size_t bytes) {
    const struct allocator pages = page_allocator();
    pages.release(pages.context, memory, bytes);
}

static struct page_region_figures figures(void) {
    struct page_region_figures now;
    page_region_figures(&now);
    return now;
}

/* Waits until nothing of the region is on its way. */
static void wait_until_idle(void) {
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 20000; i++) {
        struct page_region_figures now = figures();
        if (now.leaving_bytes == 0 && now.waiting == 0) return;
        nanosleep(&pause, NULL);
    }
    fail_msg("%zu bytes are still leaving, %zu pieces wait", figures().leaving_bytes, figures().waiting);
}

static void expect_zeros(const unsigned char *memory, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (memory[i] != 0) fail_msg("byte %zu of %zu is not zero", i, bytes);
}

static void memory_is_zeroed_and_aligned(void **state) {
    (void)state;
    const size_t sizes[] = {1, 100, 4095, 4096, 1 << 20, 2 * MIB, (4 << 20) - 1, 4 << 20, (9 << 20) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int round = 0; round < 3; round++) {
            unsigned char *memory = allocate(sizes[i]);
            assert_non_null(memory);
            if (sizes[i] >= 4096) assert_int_equal((uintptr_t)memory % 64, 0);
            expect_zeros(memory, sizes[i]);
            memset(memory, 0xaa, sizes[i]);
            release(memory, sizes[i]);
            if (round == 1) wait_until_idle(); /* the third one has the first one's pages */
        }
    release(NULL, 100);
    release(NULL, 9 << 20);
}

struct held {
    unsigned char *memory;
    size_t bytes;
    unsigned char mark;
};

/* Every piece bears its own mark at both ends of each page unit. */
static void held_mark(const struct held *held) {
    for (size_t at = 0; at < held->bytes; at += MIB) held->memory[at] = held->mark;
    held->memory[held->bytes - 1] = held->mark;
}

static void held_check(const struct held *held) {
    for (size_t at = 0; at < held->bytes; at += MIB)
        if (held->memory[at] != held->mark) fail_msg("byte %zu of %zu was overwritten", at, held->bytes);
    if (held->memory[held->bytes - 1] != held->mark) fail_msg("the end of %zu was overwritten", held->bytes);
}

static void pieces_keep_apart(void **state) {
    (void)state;
    enum { PIECES = 40, STEPS = 2000 };
    struct held held[PIECES] = {{0}};
    struct random random = random_of(7);
    for (int step = 0; step < STEPS; step++) {
        struct held *piece = &held[random_below(&random, PIECES)];
        if (piece->memory != NULL) {
            held_check(piece);
            release(piece->memory, piece->bytes);
            piece->memory = NULL;
            continue;
        }
        piece->bytes = random_chance(&random, 1, 2) ? 2 * MIB : (size_t)random_between(&random, 1, 20 * MIB);
        piece->memory = allocate(piece->bytes);
        assert_non_null(piece->memory);
        if (piece->memory[0] != 0 || piece->memory[piece->bytes - 1] != 0) fail_msg("not zeroed, in step %d", step);
        piece->mark = (unsigned char)(1 + step % 255);
        held_mark(piece);
    }
    for (int i = 0; i < PIECES; i++)
        if (held[i].memory != NULL) held_check(&held[i]), release(held[i].memory, held[i].bytes);
    assert_int_equal(figures().taken_bytes, 0);
}

/* Pages of the region that the system has given. */
static size_t resident(const unsigned char *memory, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char *is_in = calloc(bytes / page, 1);
    if (mincore((void *)(uintptr_t)memory, bytes, is_in) != 0) fail_msg("mincore");
    for (size_t i = 0; i < bytes / page; i++) count += is_in[i] & 1;
    free(is_in);
    return count;
}

static void pages_come_ahead_and_go_back(void **state) {
    (void)state;
    if (figures().reserved_bytes == 0) skip(); /* this system counts what is reserved */
    wait_until_idle();
    unsigned char *memory = allocate(64 * MIB);
    wait_until_idle();
#ifndef PAGE_POPULATE_ADVICE
    for (int i = 0; i < 20000 && resident(memory, 64 * MIB) < 64 * MIB / 4096; i++) usleep(1000);
    if (resident(memory, 64 * MIB) < 64 * MIB / 4096) fail_msg("pages were not populated");
#endif
    memset(memory, 1, 64 * MIB);
    release(memory, 64 * MIB);
    wait_until_idle();
    if (resident(memory, 64 * MIB) != 0) fail_msg("%zu pages were kept", resident(memory, 64 * MIB));
}

/* How many mappings the process has: taking from the region adds none. */
static int mappings(void) {
    FILE *file = fopen("/proc/self/maps", "re");
    int lines = 0;
    for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
    fclose(file);
    return lines;
}

static void the_region_needs_no_mapping_for_a_piece(void **state) {
    (void)state;
    if (figures().reserved_bytes == 0) skip();
    enum { PIECES = 60 };
    void *pieces[PIECES];
    release(allocate(2 * MIB), 2 * MIB);
    int before = mappings();
    for (int i = 0; i < PIECES; i++) pieces[i] = allocate((size_t)(2 + i % 3) * MIB);
    if (mappings() != before) fail_msg("%d mappings, %d before", mappings(), before);
    for (int i = 0; i < PIECES; i++) release(pieces[i], (size_t)(2 + i % 3) * MIB);
}

/* More than the region has: such pieces have mappings of their own. */
static void pieces_beyond_the_region_are_mapped(void **state) {
    (void)state;
    size_t large = (size_t)REGION_BYTES + 3 * MIB;
    unsigned char *memory = allocate(large);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % (2 * MIB), 0);
    assert_int_equal(figures().taken_bytes, 0);
    memory[0] = memory[large - 1] = 1;
    release(memory, large);
    assert_null(allocate(SIZE_MAX));
    assert_null(allocate(SIZE_MAX - 4 * MIB));
}

static int exit_of(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child) fail_msg("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_forked_child_has_memory_of_its_own(void **state) {
    (void)state;
#ifdef IS_THREAD_SANITIZED
    skip(); /* it does not follow a child that starts a thread */
#endif
    unsigned char *before = allocate(8 * MIB);
    before[0] = 1;
    release(allocate(40 * MIB), 40 * MIB); /* something for the keeper to do */
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 200; i++) {
            unsigned char *memory = allocate(6 * MIB);
            if (memory == NULL || memory[0] != 0 || memory[6 * MIB - 1] != 0) _exit(1);
            memset(memory, 2, 6 * MIB);
            release(memory, 6 * MIB);
        }
        before[0] = 2;
        release(before, 8 * MIB);
        for (int i = 0; i < 20000 && figures().leaving_bytes > 0; i++) usleep(1000);
        _exit(figures().leaving_bytes == 0 && figures().taken_bytes == 0 ? 0 : 2);
    }
    assert_int_equal(exit_of(child), 0);
    assert_int_equal(before[0], 1);
    release(before, 8 * MIB);
}

/* A process that was given little address space: NULL in the end, and all of it again once it is given back. */
static int take_all_there_is(size_t least_bytes) {
    enum { PIECES = 1000 };
    static void *pieces[PIECES];
    for (int round = 0; round < 3; round++) {
        int count = 0;
        while (count < PIECES && (pieces[count] = allocate(2 * MIB)) != NULL) {
            ((char *)pieces[count])[5] = 1;
            count++;
        }
        if (count == PIECES || (size_t)count * 2 * MIB < least_bytes) {
            fprintf(stderr, "round %d: %d pieces\n", round, count);
            return 1;
        }
        while (count-- > 0) release(pieces[count], 2 * MIB);
        for (int i = 0; i < 20000 && figures().leaving_bytes > 0; i++) usleep(1000);
    }
    return 0;
}

static const char *program;

static void expect_little_space_is_used(int resource, const char *mib, const char *least_mib) {
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {(rlim_t)atoi(mib) * MIB, (rlim_t)atoi(mib) * MIB};
        if (setrlimit((__rlimit_resource_t)resource, &limit) != 0) _exit(3);
        execl(program, program, "little", least_mib, (char *)NULL);
        _exit(4);
    }
    assert_int_equal(exit_of(child), 0);
}

static void little_address_space_is_used_and_then_refused(void **state) {
    (void)state;
#ifdef IS_SANITIZED
    skip(); /* a sanitizer takes terabytes of it */
#endif
    expect_little_space_is_used(RLIMIT_AS, "100", "30"); /* too little for a region */
    expect_little_space_is_used(RLIMIT_AS, "400", "200");
    expect_little_space_is_used(RLIMIT_DATA, "400", "200");
}

int main(int argc, char **argv) {
    program = argv[0];
    if (argc == 3 && strcmp(argv[1], "little") == 0) {
        page_region_reserve(REGION_BYTES);
        return take_all_there_is((size_t)atoi(argv[2]) * MIB);
    }
    page_region_reserve(REGION_BYTES);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(pieces_keep_apart),
        cmocka_unit_test(pages_come_ahead_and_go_back),
        cmocka_unit_test(the_region_needs_no_mapping_for_a_piece),
        cmocka_unit_test(pieces_beyond_the_region_are_mapped),
        cmocka_unit_test(a_forked_child_has_memory_of_its_own),
        cmocka_unit_test(little_address_space_is_used_and_then_refused),
    };
    return cmocka_run_group_tests_name("page allocator", tests, NULL, NULL);
}
