/* The histogram against sorted values. */
#include "load/histogram.h"
#include "support/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it needs. */
#include <cmocka.h>

#include <math.h>

enum { VALUES = 20000 };

static int compare(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Values over many powers of ten, as latencies are. */
static uint64_t *draw(struct random *random, struct histogram *into) {
    uint64_t *values = calloc(VALUES, sizeof *values);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = random_next(random) >> random_below(random, 64);
        histogram_record(into, values[i]);
    }
    qsort(values, VALUES, sizeof *values, compare);
    return values;
}

static void expect_near(uint64_t got, uint64_t wanted, double percent) {
    const double error = fabs((double)got - (double)wanted);
    if (error > (double)wanted / 256.0) /* an exact hit where values are small */
        fail_msg("p%g is %llu, should be %llu", percent, (unsigned long long)got, (unsigned long long)wanted);
}

static void is_within_its_error(void **state) {
    (void)state;
    struct random random = random_of(7);
    struct histogram *h = calloc(1, sizeof *h);
    uint64_t *values = draw(&random, h);
    static const double percents[] = {0, 0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 100};
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        const size_t rank = (size_t)ceil(VALUES * percents[i] / 100.0);
        expect_near(histogram_percentile(h, percents[i]), values[rank == 0 ? 0 : rank - 1], percents[i]);
    }
    assert_true(h->max == values[VALUES - 1] && h->min == values[0] && h->count == VALUES);
    assert_true(histogram_percentile(h, 100) <= h->max && histogram_percentile(h, 0) >= h->min);
    free(values);
    free(h);
}

/* Each value between the least and the greatest there are: its own bucket must be near it. */
static void keeps_every_magnitude(void **state) {
    (void)state;
    struct histogram *h = calloc(1, sizeof *h);
    for (int bit = 0; bit < 64; bit++) {
        for (int step = -1; step <= 1; step++) {
            const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)step;
            memset(h, 0, sizeof *h);
            histogram_record(h, 0);
            histogram_record(h, value);
            histogram_record(h, UINT64_MAX);
            expect_near(histogram_percentile(h, 50), value, 50);
        }
    }
    free(h);
}

static void merges_to_the_same(void **state) {
    (void)state;
    struct random random = random_of(8);
    struct histogram *all = calloc(1, sizeof *all), *odd = calloc(1, sizeof *odd), *even = calloc(1, sizeof *even);
    for (int i = 0; i < VALUES; i++) {
        const uint64_t value = random_below(&random, 1000000);
        histogram_record(all, value);
        histogram_record(i % 2 == 0 ? even : odd, value);
    }
    struct histogram *merged = calloc(1, sizeof *merged);
    histogram_merge(merged, odd);
    histogram_merge(merged, even);
    assert_memory_equal(merged->buckets, all->buckets, sizeof all->buckets);
    assert_true(merged->count == all->count && merged->max == all->max && merged->min == all->min);
    assert_true(fabs(histogram_mean(merged) - histogram_mean(all)) < 1e-6);
    free(all), free(odd), free(even), free(merged);
}

static void is_zero_where_it_is_empty(void **state) {
    (void)state;
    struct histogram *h = calloc(2, sizeof *h);
    assert_int_equal(histogram_percentile(h, 50), 0);
    assert_true(histogram_mean(h) == 0);
    histogram_merge(h, h + 1);
    assert_int_equal(h->count, 0);
    free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_within_its_error),
        cmocka_unit_test(keeps_every_magnitude),
        cmocka_unit_test(merges_to_the_same),
        cmocka_unit_test(is_zero_where_it_is_empty),
    };
    return cmocka_run_group_tests_name("load.histogram", tests, NULL, NULL);
}
