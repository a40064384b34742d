/* When to look at a member again, against looking at all of them. */
#include "core/timers.h"

#include "muster/limits.h"
#include "support/heap.h"
#include "support/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MEMBERS = 3000, RETENTION_MS = 3600000 };

struct fixture {
    struct allocator allocator;
    struct slab slab;
    struct timers timers;
    struct random random;
    uint64_t now_ms;
    uint32_t refs[MEMBERS];
    bool is_leased[MEMBERS], is_tombstone[MEMBERS];
};

static struct fixture *fixture_new(uint64_t seed) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->allocator = heap_plain();
    fixture->random = random_of(seed);
    fixture->now_ms = (UINT64_C(1) << 40) + random_below(&fixture->random, UINT64_C(1) << 30);
    fixture->slab.chunk_bits = SLAB_BITS;
    timers_init(&fixture->timers, &fixture->slab, RETENTION_MS, fixture->now_ms);
    for (uint32_t i = 0; i < MEMBERS; i++) fixture->refs[i] = slab_take(&fixture->slab, &fixture->allocator);
    return fixture;
}

static void fixture_free(struct fixture *fixture) {
    slab_clear(&fixture->slab, &fixture->allocator);
    free(fixture);
}

static struct member *member(struct fixture *fixture, uint32_t i) {
    return slab_at(&fixture->slab, fixture->refs[i]);
}

static uint32_t index_of(const struct fixture *fixture, uint32_t ref) {
    return ref - fixture->refs[0]; /* they were taken one after the other */
}

static uint64_t end_ms(struct fixture *fixture, uint32_t i) {
    return member_lease_end_ms(member(fixture, i));
}

static void lease(struct fixture *fixture, uint32_t i, uint32_t ttl_ms) {
    struct member *m = member(fixture, i);
    bool is_earlier = fixture->is_leased[i] && fixture->now_ms + ttl_ms < member_lease_end_ms(m);
    if (is_earlier) timers_drop_lease(&fixture->timers, fixture->refs[i]);
    if (fixture->is_tombstone[i]) timers_drop_tombstone(&fixture->timers, fixture->refs[i]);
    m->seen_ms = fixture->now_ms;
    m->ttl_ms = ttl_ms;
    /* A lease that only gets longer stays where it is: that is the point of lazy timers. */
    if (!fixture->is_leased[i] || is_earlier) timers_lease(&fixture->timers, fixture->refs[i]);
    fixture->is_leased[i] = true;
    fixture->is_tombstone[i] = false;
}

static void bury(struct fixture *fixture, uint32_t i) {
    timers_add_tombstone(&fixture->timers, fixture->refs[i]);
    fixture->is_leased[i] = false;
    fixture->is_tombstone[i] = true;
}

/* Takes all that has ended, in steps of `step`, and checks that it has, and that nothing that has is left. */
static void take_ended(struct fixture *fixture, size_t step) {
    uint32_t ref;
    for (bool more = true; more;) {
        size_t budget = step;
        while ((ref = timers_next_ended(&fixture->timers, fixture->now_ms, &budget)) != MEMBER_NONE) {
            uint32_t i = index_of(fixture, ref);
            if (!fixture->is_leased[i] || end_ms(fixture, i) >= fixture->now_ms)
                fail_msg("member %u: the lease ends at %" PRIu64 ", and it is %" PRIu64, i, end_ms(fixture, i),
                         fixture->now_ms);
            timers_drop_lease(&fixture->timers, ref);
            bury(fixture, i);
        }
        more = budget == 0;
    }
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (fixture->is_leased[i] && end_ms(fixture, i) < fixture->now_ms)
            fail_msg("member %u: the lease ended at %" PRIu64 ", and it is %" PRIu64, i, end_ms(fixture, i),
                     fixture->now_ms);
}

static void take_forgotten(struct fixture *fixture, size_t step) {
    uint32_t ref;
    for (bool more = true; more;) {
        size_t budget = step;
        while ((ref = timers_next_forgettable(&fixture->timers, fixture->now_ms, &budget)) != MEMBER_NONE) {
            uint32_t i = index_of(fixture, ref);
            if (!fixture->is_tombstone[i] || end_ms(fixture, i) + RETENTION_MS >= fixture->now_ms)
                fail_msg("member %u is forgotten too early", i);
            timers_drop_tombstone(&fixture->timers, ref);
            fixture->is_tombstone[i] = false;
        }
        more = budget == 0;
    }
}

static uint32_t pick_ttl_ms(struct fixture *fixture) {
    return (uint32_t)random_between(&fixture->random, 1, UINT64_C(1) << random_between(&fixture->random, 1, 26)) %
               MUSTER_TTL_MAX_MS +
           1;
}

static void leases_end_when_they_should(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct fixture *fixture = fixture_new(seed);
        for (int round = 0; round < 3000; round++) {
            for (int i = 0; i < 10; i++)
                lease(fixture, (uint32_t)random_below(&fixture->random, MEMBERS), pick_ttl_ms(fixture));
            uint64_t leap = UINT64_C(1) << random_below(&fixture->random, seed == 4 ? 33 : 24);
            fixture->now_ms += random_below(&fixture->random, leap);
            take_forgotten(fixture, 1 + (size_t)random_below(&fixture->random, 50));
            take_ended(fixture, 1 + (size_t)random_below(&fixture->random, 50));
        }
        fixture_free(fixture);
    }
}

static void a_lease_ends_a_millisecond_past_its_end(void **state) {
    (void)state;
    static const uint32_t ttls_ms[] = {1, 4095, 4096, 4097, 60000, 16777215, 16777216, 16777217, MUSTER_TTL_MAX_MS};
    struct fixture *fixture = fixture_new(9);
    for (size_t i = 0; i < sizeof ttls_ms / sizeof *ttls_ms; i++) {
        lease(fixture, 0, ttls_ms[i]);
        size_t budget = 1000;
        fixture->now_ms += ttls_ms[i];
        if (timers_next_ended(&fixture->timers, fixture->now_ms, &budget) != MEMBER_NONE)
            fail_msg("a lease of %u ms ended at its end", ttls_ms[i]);
        fixture->now_ms++;
        if (timers_next_ended(&fixture->timers, fixture->now_ms, &budget) != fixture->refs[0])
            fail_msg("a lease of %u ms did not end", ttls_ms[i]);
        timers_drop_lease(&fixture->timers, fixture->refs[0]);
        fixture->is_leased[0] = false;
    }
    fixture_free(fixture);
}

static void a_beaten_member_costs_few_events(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(10);
    size_t used = 0;
    for (int second = 0; second < 3600; second++) {
        lease(fixture, 0, MUSTER_TTL_DEFAULT_MS);
        fixture->now_ms += 1000;
        size_t budget = 1000;
        if (timers_next_ended(&fixture->timers, fixture->now_ms, &budget) != MEMBER_NONE) fail_msg("it ended");
        used += 1000 - budget;
    }
    if (used > 4 * 3600 / 60) fail_msg("%zu events in an hour, with a TTL of a minute", used);
    fixture_free(fixture);
}

static void the_oldest_tombstones_come_first_to_within_a_bucket(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(11);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct member *m = member(fixture, i);
        m->seen_ms = fixture->now_ms - random_below(&fixture->random, RETENTION_MS);
        m->ttl_ms = 0;
        bury(fixture, i);
    }
    uint64_t last_ms = 0;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        uint32_t ref = timers_oldest_tombstone(&fixture->timers);
        if (ref == MEMBER_NONE) fail_msg("only %u", i);
        uint64_t ended_ms = end_ms(fixture, index_of(fixture, ref));
        if (ended_ms + RETENTION_MS / 4096 + 2 < last_ms)
            fail_msg("ended at %" PRIu64 " after %" PRIu64, ended_ms, last_ms);
        if (ended_ms > last_ms) last_ms = ended_ms;
        timers_drop_tombstone(&fixture->timers, ref);
    }
    if (timers_oldest_tombstone(&fixture->timers) != MEMBER_NONE) fail_msg("one more");
    fixture_free(fixture);
}

static void tombstones_end_within_a_bucket_of_the_retention(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new(12);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct member *m = member(fixture, i);
        m->seen_ms = fixture->now_ms;
        m->ttl_ms = 0;
        bury(fixture, i);
        fixture->now_ms += 1000;
        take_forgotten(fixture, 10);
        for (uint32_t j = 0; j <= i; j++)
            if (fixture->is_tombstone[j] &&
                end_ms(fixture, j) + RETENTION_MS + 2 * (RETENTION_MS / 4096 + 2) < fixture->now_ms)
                fail_msg("member %u is kept for too long", j);
    }
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leases_end_when_they_should),
        cmocka_unit_test(a_lease_ends_a_millisecond_past_its_end),
        cmocka_unit_test(a_beaten_member_costs_few_events),
        cmocka_unit_test(the_oldest_tombstones_come_first_to_within_a_bucket),
        cmocka_unit_test(tombstones_end_within_a_bucket_of_the_retention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
