/* The mirror's table: against a naive model, and with threads that read while it changes. */
#include "client/c/mirror_table.h"
#include "support/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { USERS = 600, STEPS = 200000, REMEMBER = 40 };

static const struct fingerprint_key key = {{7, 11}};

static struct fingerprint fingerprint_of_user(size_t user) {
    char name[32];
    return fingerprint_of(&key, name, (size_t)snprintf(name, sizeof name, "user-%zu", user));
}

/* ---- the fingerprint --------------------------------------------------------------------------------------------- */

/* Every byte and the length count, at every length that takes another path. */
static void a_fingerprint_depends_on_every_byte(void **state) {
    (void)state;
    char name[40] = {0};
    struct fingerprint seen[800];
    size_t count = 0;
    for (size_t len = 0; len < sizeof name; len++) {
        seen[count++] = fingerprint_of(&key, name, len);
        for (size_t i = 0; i < len && len < 37; i++) {
            name[i] ^= 1;
            seen[count++] = fingerprint_of(&key, name, len);
            name[i] ^= 1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (seen[i].low == seen[j].low || seen[i].high == seen[j].high) fail_msg("%zu and %zu are alike", i, j);
        }
    }
    struct fingerprint_key other = {{7, 12}};
    if (fingerprint_of(&other, "ada", 3).low == fingerprint_of(&key, "ada", 3).low) fail_msg("the key does not count");
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

struct model {
    enum muster_status status[USERS]; /* unspecified: not live */
    int64_t last_seen_ms[USERS];
    uint64_t left_at[USERS]; /* the step; 0: is not remembered */
    size_t live, remembered;
};

static void model_drop(struct model *model, size_t user, int64_t last_seen_ms, uint64_t step) {
    model->status[user] = MUSTER_STATUS_UNSPECIFIED;
    model->live--;
    model->last_seen_ms[user] = last_seen_ms;
    model->left_at[user] = step;
    if (++model->remembered <= REMEMBER) return;
    size_t oldest = user;
    for (size_t i = 0; i < USERS; i++) {
        if (model->left_at[i] != 0 && model->left_at[i] < model->left_at[oldest]) oldest = i;
    }
    model->left_at[oldest] = 0;
    model->last_seen_ms[oldest] = 0;
    model->remembered--;
}

static void model_put(struct model *model, size_t user, enum muster_status status, int64_t last_seen_ms) {
    model->live += model->status[user] == MUSTER_STATUS_UNSPECIFIED;
    if (model->left_at[user] != 0) {
        model->left_at[user] = 0;
        model->remembered--;
    }
    model->status[user] = status;
    model->last_seen_ms[user] = last_seen_ms;
}

static void compare(const struct mirror_table *table, const struct model *model, uint64_t seed, size_t step) {
    if (mirror_live(table) != model->live)
        fail_msg("seed %llu, step %zu: %zu live, not %zu", (unsigned long long)seed, step, mirror_live(table),
                 model->live);
    for (size_t i = 0; i < USERS; i++) {
        struct fingerprint fingerprint = fingerprint_of_user(i);
        enum muster_status status = mirror_status(table, fingerprint);
        int64_t seen_ms = mirror_last_seen(table, fingerprint);
        if (status != model->status[i] || seen_ms != model->last_seen_ms[i])
            fail_msg("seed %llu, step %zu: user %zu has status %d, last seen %lld, not %d and %lld",
                     (unsigned long long)seed, step, i, (int)status, (long long)seen_ms, (int)model->status[i],
                     (long long)model->last_seen_ms[i]);
    }
}

static void it_does_as_a_model(void **state) {
    (void)state;
    uint64_t seed = random_number_from_environment("MUSTER_SEED", random_fresh_seed());
    struct random random = random_of(seed);
    struct model *model = calloc(1, sizeof *model);
    struct mirror_table table;
    assert_true(mirror_table_init(&table, REMEMBER));
    for (size_t step = 1; step <= STEPS; step++) {
        /* Few at times and many at others, so that it both grows and has long runs. */
        size_t user = random_below(&random, step % 50000 < 25000 ? 30 : USERS);
        int64_t seen_ms = (int64_t)step;
        if (random_chance(&random, 1, 2)) {
            enum muster_status status = (enum muster_status)random_between(&random, 1, 3);
            assert_true(mirror_table_put(&table, fingerprint_of_user(user), status, seen_ms));
            model_put(model, user, status, seen_ms);
        } else {
            mirror_table_drop(&table, fingerprint_of_user(user), seen_ms);
            if (model->status[user] != MUSTER_STATUS_UNSPECIFIED) model_drop(model, user, seen_ms, step);
        }
        if (step % 500 == 0) compare(&table, model, seed, step);
    }
    mirror_table_free(&table);
    free(model);
}

/* ---- under readers ----------------------------------------------------------------------------------------------- */

/* Users from NEVER on are never live, the others join and leave. A user's last_seen is always its number plus a
 * multiple of STRIDE. */
enum { NEVER = 2400, ABSENT = 2500, READERS = 3, CHANGES = 2000000, STRIDE = 10000 };

struct trial {
    struct mirror_table table;
    struct fingerprint fingerprints[ABSENT];
    atomic_uint versions[ABSENT]; /* odd while it changes; bit 1: it is live */
    atomic_bool is_over;
    atomic_size_t ghosts, losses, mixtures;
};

/* A reader checks what it read only if the version was the same before and after. */
static void read_one(struct trial *trial, size_t user) {
    struct fingerprint fingerprint = trial->fingerprints[user];
    unsigned before = atomic_load(&trial->versions[user]);
    bool is_live = mirror_status(&trial->table, fingerprint) != MUSTER_STATUS_UNSPECIFIED;
    int64_t seen_ms = mirror_last_seen(&trial->table, fingerprint);
    bool is_sure = (before & 1) == 0 && atomic_load(&trial->versions[user]) == before;
    bool should_be = (before & 2) != 0;
    if (is_sure && is_live && !should_be) atomic_fetch_add(&trial->ghosts, 1);
    if (is_sure && should_be && (!is_live || seen_ms == 0)) atomic_fetch_add(&trial->losses, 1);
    if (seen_ms != 0 && (size_t)seen_ms % STRIDE != user) atomic_fetch_add(&trial->mixtures, 1);
}

static void *read_on(void *arg) {
    struct trial *trial = arg;
    struct random random = random_of((uint64_t)(uintptr_t)&random);
    while (!atomic_load_explicit(&trial->is_over, memory_order_relaxed)) read_one(trial, random_below(&random, ABSENT));
    return NULL;
}

static void change(struct trial *trial, size_t user, bool is_live, size_t round) {
    unsigned version = atomic_load(&trial->versions[user]);
    int64_t seen_ms = (int64_t)(round * STRIDE + user);
    atomic_store(&trial->versions[user], version + 1);
    if (!is_live) mirror_table_drop(&trial->table, trial->fingerprints[user], seen_ms);
    else if (!mirror_table_put(&trial->table, trial->fingerprints[user], 1 + round % 3, seen_ms)) fail_msg("memory");
    atomic_store(&trial->versions[user], ((version + 4) & ~3u) | (is_live ? 2 : 0));
}

static void readers_never_see_what_was_not_so(void **state) {
    (void)state;
    struct trial *trial = calloc(1, sizeof *trial);
    pthread_t readers[READERS];
    struct random random = random_of(random_number_from_environment("MUSTER_SEED", random_fresh_seed()));
    for (size_t i = 0; i < ABSENT; i++) trial->fingerprints[i] = fingerprint_of_user(i);
    assert_true(mirror_table_init(&trial->table, 1));
    for (size_t i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, read_on, trial), 0);
    for (size_t round = 1; round < CHANGES; round++) {
        /* The range widens, so that the table grows under the readers too. */
        size_t user = random_below(&random, 1 + (NEVER - 1) * round / CHANGES);
        change(trial, user, random_chance(&random, 1, 2), round);
    }
    atomic_store(&trial->is_over, true);
    for (size_t i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    size_t losses = atomic_load(&trial->losses), ghosts = atomic_load(&trial->ghosts);
    size_t mixtures = atomic_load(&trial->mixtures);
    mirror_table_free(&trial->table);
    free(trial);
    if (losses + ghosts + mixtures != 0)
        fail_msg("%zu losses, %zu ghosts, %zu times another's last activity", losses, ghosts, mixtures);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fingerprint_depends_on_every_byte),
        cmocka_unit_test(it_does_as_a_model),
        cmocka_unit_test(readers_never_see_what_was_not_so),
    };
    return cmocka_run_group_tests_name("client mirror table", tests, NULL, NULL);
}
