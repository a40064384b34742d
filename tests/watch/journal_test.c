/* The journal of a scope against a plain list of all that it was told, with room, without, and without memory. */
#include "support/heap.h"
#include "support/random.h"
#include "watch/journal.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { USERS = 50, PLACES = 20, HISTORY_MAX = 1 << 18, STEPS = 30000, NAME_BYTES = 16 };

struct told {
    uint64_t version;
    unsigned user;
    uint8_t kind, reason;
};

struct trial {
    struct random random;
    struct heap heap;
    struct allocator allocator;
    struct journal journal;
    struct told *history; /* all, oldest first */
    size_t count;
    bool is_live[USERS];
    unsigned holds[USERS];
    uint64_t lost; /* nothing is known up to this version */
    uint64_t seed;
};

static struct text name_of(unsigned user, char out[NAME_BYTES]) {
    snprintf(out, NAME_BYTES, "user-%u", user);
    return (struct text){out, (uint32_t)strlen(out)};
}

/* Some users share their place. */
static uint64_t place_of_user(unsigned user) {
    return (user % PLACES + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void trial_open(struct trial *trial, uint64_t seed) {
    memset(trial, 0, sizeof *trial);
    trial->seed = seed;
    trial->random = random_of(seed);
    trial->allocator = heap_counting(&trial->heap);
    if ((trial->history = calloc(HISTORY_MAX, sizeof *trial->history)) == NULL) abort();
    trial->lost = 7;
    journal_open(&trial->journal, trial->lost, &trial->allocator);
}

static void trial_close(struct trial *trial) {
    char name[NAME_BYTES];
    trial->heap.fail_at = 0;
    for (unsigned user = 0; user < USERS; user++)
        for (; trial->holds[user] > 0; trial->holds[user]--)
            journal_let_go(&trial->journal, journal_find(&trial->journal, name_of(user, name), place_of_user(user)));
    journal_close(&trial->journal);
    if (trial->heap.blocks != 0) fail_msg("seed %" PRIu64 ": %zu blocks leaked", trial->seed, trial->heap.blocks);
    free(trial->history);
}

/* The last event of a user that the journal still has, or NULL. */
static const struct told *last_of(const struct trial *trial, unsigned user) {
    for (size_t i = trial->count; i > 0 && trial->history[i - 1].version >= trial->journal.first; i--)
        if (trial->history[i - 1].user == user && trial->history[i - 1].version > trial->lost)
            return &trial->history[i - 1];
    return NULL;
}

static void note(struct trial *trial) {
    char name[NAME_BYTES];
    unsigned user = (unsigned)random_below(&trial->random, USERS);
    uint8_t kind = EFFECT_JOINED, reason = REASON_NONE;
    if (trial->is_live[user]) kind = random_chance(&trial->random, 1, 2) ? EFFECT_UPDATED : EFFECT_LEFT;
    if (kind == EFFECT_LEFT) reason = (uint8_t)random_between(&trial->random, REASON_LEFT, REASON_RESET);
    const struct told *last = last_of(trial, user);
    bool is_part = kind == EFFECT_UPDATED && last != NULL && last->version > trial->journal.handed;
    uint64_t before = trial->journal.version;
    uint32_t found = journal_note(&trial->journal, name_of(user, name), place_of_user(user), kind, reason);
    trial->is_live[user] = kind != EFFECT_LEFT;
    if (trial->journal.version != before + (is_part ? 0 : 1)) fail_msg("seed %" PRIu64 ": versions", trial->seed);
    if (found == 0) { /* it could not say, and knows nothing of what was before either */
        trial->lost = trial->journal.version;
        if (journal_reaches(&trial->journal, before)) fail_msg("it reaches back over what it lost");
        return;
    }
    if (!is_part) trial->history[trial->count++] = (struct told){trial->journal.version, user, kind, reason};
}

static struct journal_change naive_change(const struct trial *trial, unsigned user, uint64_t after, uint64_t until) {
    struct journal_change change = {0};
    for (size_t i = trial->count; i > 0 && trial->history[i - 1].version > after; i--) {
        const struct told *told = &trial->history[i - 1];
        if (told->user != user || told->version > until) continue;
        if (change.at == 0) {
            change.at = told->version;
            change.is_live = told->kind != EFFECT_LEFT;
            change.reason = told->reason;
        }
        change.was_live = told->kind != EFFECT_JOINED;
    }
    return change;
}

static void check_user(struct trial *trial) {
    char name[NAME_BYTES];
    const struct journal *journal = &trial->journal;
    unsigned user = (unsigned)random_below(&trial->random, USERS);
    uint64_t after = random_between(&trial->random, journal->first - 1, journal->version);
    uint64_t until = random_between(&trial->random, after, journal->version);
    if (!journal_reaches(journal, after)) fail_msg("it does not reach back to its first event");
    struct journal_change expected = naive_change(trial, user, after, until), found = {0};
    uint32_t number = journal_find(journal, name_of(user, name), place_of_user(user));
    if ((number != 0) != (last_of(trial, user) != NULL || trial->holds[user] > 0))
        fail_msg("seed %" PRIu64 ": %s is%s in the journal", trial->seed, name, number != 0 ? "" : " not");
    if (number != 0) found = journal_change_of(journal, number, after, until);
    if (found.at != expected.at ||
        (found.at != 0 &&
         (found.was_live != expected.was_live || found.is_live != expected.is_live || found.reason != expected.reason)))
        fail_msg("seed %" PRIu64 ": %s in (%" PRIu64 ", %" PRIu64 "]: %" PRIu64 " %d %d %u, expected %" PRIu64
                 " %d %d %u",
                 trial->seed, name, after, until, found.at, found.was_live, found.is_live, found.reason, expected.at,
                 expected.was_live, expected.is_live, expected.reason);
}

static void hold_or_let_go(struct trial *trial) {
    char name[NAME_BYTES];
    unsigned user = (unsigned)random_below(&trial->random, USERS);
    struct text text = name_of(user, name);
    if (trial->holds[user] > 0 && random_chance(&trial->random, 2, 3)) {
        journal_let_go(&trial->journal, journal_find(&trial->journal, text, place_of_user(user)));
        trial->holds[user]--;
    } else if (journal_hold(&trial->journal, text, place_of_user(user)) != 0) {
        trial->holds[user]++;
    }
}

static void one_step(struct trial *trial) {
    struct journal *journal = &trial->journal;
    switch (random_below(&trial->random, 16)) {
    case 0:
        hold_or_let_go(trial);
        break;
    case 1:
        if (journal_events(journal) > 0) journal_forget_oldest(journal);
        break;
    case 2:
        journal->handed = random_between(&trial->random, journal->handed, journal->version);
        break;
    case 3:
        if (!random_chance(&trial->random, 1, 100)) break;
        journal_lose(journal);
        trial->lost = journal->version;
        if (journal_events(journal) != 0) fail_msg("it lost its events and has some");
        break;
    case 4:
    case 5:
    case 6:
        check_user(trial);
        break;
    default:
        note(trial);
        break;
    }
}

static void it_says_what_happened_between_two_versions(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct trial trial;
        trial_open(&trial, seed);
        for (int i = 0; i < STEPS; i++) one_step(&trial);
        trial_close(&trial);
    }
}

static void it_forgets_the_oldest_where_it_is_full(void **state) {
    (void)state;
    struct trial trial;
    trial_open(&trial, 1);
    for (int i = 0; i < JOURNAL_EVENTS_MAX + 40000; i++) {
        trial.journal.handed = trial.journal.version; /* so that each is an event of its own */
        note(&trial);
        if (i % 100 == 0 && i > JOURNAL_EVENTS_MAX) check_user(&trial);
    }
    if (journal_events(&trial.journal) != JOURNAL_EVENTS_MAX)
        fail_msg("%" PRIu64 " events, at most %d", journal_events(&trial.journal), JOURNAL_EVENTS_MAX);
    if (journal_reaches(&trial.journal, 7)) fail_msg("it reaches back to its beginning");
    trial_close(&trial);
}

/* Each of the first allocations fails in a run of its own; after that all is right again. */
static void it_tells_nobody_half_where_memory_is_short(void **state) {
    (void)state;
    for (uint64_t fail_at = 1; fail_at <= 300; fail_at++) {
        struct trial trial;
        trial_open(&trial, fail_at);
        trial.heap.fail_at = fail_at;
        for (int i = 0; i < 600; i++) one_step(&trial);
        trial_close(&trial);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_happened_between_two_versions),
        cmocka_unit_test(it_forgets_the_oldest_where_it_is_full),
        cmocka_unit_test(it_tells_nobody_half_where_memory_is_short),
    };
    return cmocka_run_group_tests_name("rpc journal", tests, NULL, NULL);
}
