/* What a scope takes, and scopes whose users are few, then many, then few again. */
#include "rig.h"

#include "support/heap.h"
#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEW_MAX = 7,   /* users that a scope has without a crowd: server/core/scope_record.h */
    FEW_AGAIN = 4, /* to which a crowd shrinks before it is few again */
    TTL_MS = 60000,
};

/* ---- an allocator that counts what the C library takes ----------------------------------------------------------- */

struct counted {
    struct allocator heap;
    uint64_t bytes;
};

/* A small piece has 8 bytes of the library's before it, and the sum is a multiple of 16. */
static uint64_t taken_by(size_t bytes) {
    return bytes < 4096 ? (bytes + 8 + 15) / 16 * 16 : bytes + 16;
}

static void *counted_allocate(void *context, size_t bytes) {
    struct counted *counted = context;
    void *memory = counted->heap.allocate(counted->heap.context, bytes);
    if (memory != NULL) counted->bytes += taken_by(bytes);
    return memory;
}

static void counted_release(void *context, void *memory, size_t bytes) {
    struct counted *counted = context;
    if (memory != NULL) counted->bytes -= taken_by(bytes);
    counted->heap.release(counted->heap.context, memory, bytes);
}

static struct rig *rig_counted(struct counted *counted) {
    *counted = (struct counted){.heap = heap_plain()};
    struct roll_config config = rig_config();
    config.members_max = MUSTER_MEMBERS_DEFAULT;
    config.allocator = (struct allocator){counted_allocate, counted_release, counted};
    return rig_new_with(&config);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

enum { SCOPES = 1000000, BATCH = 1000, BYTES_MAX = 160, NAME_BYTES = 40 };

/* Scopes first..first + BATCH - 1, of one user each. */
static void touch_scopes(struct rig *rig, uint32_t first, int name_bytes) {
    static char scopes[BATCH][MUSTER_ID_BYTES_MAX + 1], users[BATCH][24];
    struct beat beats[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        snprintf(scopes[i], sizeof scopes[i], "%0*u", name_bytes, first + i);
        snprintf(users[i], sizeof users[i], "user-%u", first + i);
        beats[i] = rig_a_beat(scopes[i], users[i], "", TTL_MS);
    }
    if (rig_batch(rig, beats, BATCH) != MUSTER_OK) fail_msg("refused: %s", rig->why.what);
}

/* At each size from half of it on, whatever the load of the directory is then. */
static void a_scope_of_one_user_takes_at_most_160_bytes(void **state) {
    (void)state;
    struct counted counted;
    struct rig *rig = rig_counted(&counted);
    uint64_t empty = counted.bytes;
    double most = 0, sum = 0;
    uint32_t looked = 0;
    for (uint32_t at = 0; at < SCOPES; at += BATCH) {
        touch_scopes(rig, at, NAME_BYTES);
        if (at % (10 * BATCH) == 0) rig_tick(rig);
        if (at + BATCH < SCOPES / 2) continue;
        double each = (double)(counted.bytes - empty) / (at + BATCH);
        if (each > most) most = each;
        sum += each;
        looked++;
    }
    rig_tick(rig);
    double each = (double)(counted.bytes - empty) / SCOPES;
    print_message("a scope of one user: %.1f bytes, on the way there %.1f, and %.1f at most\n", each, sum / looked,
                  most);
    if (each > BYTES_MAX) fail_msg("%.1f bytes", each);
    if (sum / looked > BYTES_MAX) fail_msg("%.1f bytes on average", sum / looked);
    /* What is told and what counts against --max-bytes is what is taken, to within a quarter. */
    double told = (double)rig_stats(rig).bytes / SCOPES;
    if (told < each || told > each * 1.25) fail_msg("roll_stats tells %.1f bytes, not %.1f", told, each);
    rig_free(rig);
    if (counted.bytes != 0) fail_msg("%" PRIu64 " bytes leaked", counted.bytes);
}

static void a_long_name_takes_its_length_more(void **state) {
    (void)state;
    struct counted counted;
    struct rig *rig = rig_counted(&counted);
    enum { MANY = 100 * BATCH };
    for (uint32_t at = 0; at < MANY; at += BATCH) touch_scopes(rig, at, NAME_BYTES);
    uint64_t inlined = counted.bytes, told = rig_stats(rig).scope_bytes;
    rig_free(rig);
    rig = rig_counted(&counted);
    for (uint32_t at = 0; at < MANY; at += BATCH) touch_scopes(rig, at, MUSTER_ID_BYTES_MAX);
    uint64_t more = taken_by(MUSTER_ID_BYTES_MAX);
    if (counted.bytes - inlined != MANY * more) fail_msg("%" PRIu64 " bytes more", (counted.bytes - inlined) / MANY);
    if (rig_stats(rig).scope_bytes - told != MANY * more) fail_msg("and roll_stats does not tell of them");
    rig_free(rig);
}

/* How roll_stats counts scopes of each size, beside what they take. */
static void what_scopes_of_any_size_take_is_told(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, FEW_MAX, FEW_MAX + 1, 20, 60, 200};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct counted counted;
        struct rig *rig = rig_counted(&counted);
        uint64_t empty = counted.bytes;
        uint32_t members = 200000 / sizes[s] * sizes[s];
        for (uint32_t i = 0; i < members; i++) {
            char scope[16], user[16];
            snprintf(scope, sizeof scope, "s%u", i / sizes[s]);
            snprintf(user, sizeof user, "u%u", i);
            rig_touch(rig, scope, user, "", TTL_MS);
        }
        double taken = (double)(counted.bytes - empty), told = (double)rig_stats(rig).bytes;
        print_message("scopes of %u users: %.0f bytes each, told %.0f\n", sizes[s], taken / (members / sizes[s]),
                      told / (members / sizes[s]));
        if (told < 0.85 * taken || told > 1.25 * taken)
            fail_msg("scopes of %u users take %.0f bytes, told are %.0f", sizes[s], taken, told);
        rig_free(rig);
    }
}

/* ---- few, many, few ---------------------------------------------------------------------------------------------- */

static bool is_crowd(const struct rig *rig) {
    struct roll_stats stats = rig_stats(rig);
    return stats.scope_bytes > stats.scopes * (ROLL_SCOPE_BYTES + 64); /* 64: an array of few */
}

static void join(struct rig *rig, uint32_t user, uint32_t ttl_ms) {
    char name[16];
    snprintf(name, sizeof name, "u%u", user);
    rig_touch(rig, "page", name, "", ttl_ms);
}

static void expect_counts(const struct rig *rig, uint64_t live, uint64_t joined, const char *when) {
    struct scope_counts counts = rig_counts(rig, "page");
    if (counts.live != live || counts.sessions != live || counts.by_status[STATUS_ONLINE] != live)
        fail_msg("%s: %" PRIu64 " live, %" PRIu64 " sessions, %" PRIu64 " online, not %" PRIu64, when, counts.live,
                 counts.sessions, counts.by_status[STATUS_ONLINE], live);
    if (counts.joined != joined || counts.left != joined - live)
        fail_msg("%s: %" PRIu64 " joined and %" PRIu64 " left", when, counts.joined, counts.left);
}

static void a_scope_is_few_again_when_most_are_forgotten(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    for (uint32_t i = 0; i < FEW_MAX; i++) join(rig, i, i < FEW_AGAIN ? MUSTER_TTL_MAX_MS : TTL_MS);
    if (is_crowd(rig)) fail_msg("%d users are a crowd", FEW_MAX);
    expect_counts(rig, FEW_MAX, FEW_MAX, "few");
    join(rig, FEW_MAX, TTL_MS);
    if (!is_crowd(rig)) fail_msg("%d users are no crowd", FEW_MAX + 1);
    expect_counts(rig, FEW_MAX + 1, FEW_MAX + 1, "many");
    rig->now_ms += RIG_RETENTION_MS + 2 * TTL_MS;
    rig_tick(rig);
    rig->now_ms += RIG_RETENTION_MS / 1000;
    rig_tick(rig);
    expect_counts(rig, FEW_AGAIN, FEW_MAX + 1, "few again");
    if (is_crowd(rig)) fail_msg("%d users are a crowd still", FEW_AGAIN);
    rig->now_ms += MUSTER_TTL_MAX_MS + RIG_RETENTION_MS;
    rig_tick(rig);
    rig->now_ms += RIG_RETENTION_MS / 1000;
    rig_tick(rig);
    struct roll_stats stats = rig_stats(rig);
    if (stats.scopes != 0 || stats.bytes != 0) fail_msg("%" PRIu64 " bytes are left", stats.bytes);
    rig_free(rig);
}

/* Room that few users make is remembered by their scope, and by the crowd that it becomes. */
static void what_made_room_is_remembered_across_the_border(void **state) {
    (void)state;
    struct roll_config config = rig_config();
    config.members_max = 3;
    struct rig *rig = rig_new_with(&config);
    for (uint32_t i = 0; i < 3; i++) join(rig, i, i == 0 ? 0 : TTL_MS);
    join(rig, 3, TTL_MS); /* user 0 makes room */
    if (!rig_window(rig, "page", 1000).incomplete) fail_msg("it is forgotten at once");
    rig_reset(rig, "other");
    if (!rig_window(rig, "page", 1000).incomplete) fail_msg("it is forgotten");
    rig_free(rig);
}

static void a_reset_of_few_users_is_told_and_swept(void **state) {
    (void)state;
    for (size_t users = 1; users <= FEW_MAX + 1; users++) {
        struct rig *rig = rig_new();
        for (uint32_t i = 0; i < users; i++) join(rig, i, TTL_MS);
        if (rig_reset(rig, "page") != users) fail_msg("%zu users: not all are forgotten", users);
        if (rig->effects.count != 1) fail_msg("%zu users: %zu effects at once", users, rig->effects.count);
        expect_counts(rig, 0, users, "reset");
        join(rig, 0, 2 * RIG_RETENTION_MS);
        expect_counts(rig, 1, users + 1, "one has come again");
        effects_clear(&rig->effects);
        size_t left = 0;
        while (roll_tick(rig->roll, rig->now_ms, 1, &rig->effects)) continue;
        for (size_t i = 0; i < rig->effects.count; i++) left += rig->effects.items[i].kind == EFFECT_LEFT;
        if (left != users - 1) fail_msg("%zu users: %zu of them left", users, left);
        expect_counts(rig, 1, users + 1, "swept");
        if (!is_crowd(rig)) fail_msg("the reset has no place");
        /* The user stays, the reset is forgotten. */
        for (int hours = 0; hours < 26; hours++) {
            rig->now_ms += RIG_RETENTION_MS;
            join(rig, 0, 2 * RIG_RETENTION_MS);
            rig_tick(rig);
        }
        if (is_crowd(rig)) fail_msg("the reset is not forgotten, or its place is not");
        expect_counts(rig, 1, users + 1, "the reset is forgotten");
        rig_free(rig);
    }
}

/* ---- walks while scopes cross the border ------------------------------------------------------------------------- */

enum { WALKED_SCOPES = 12, WALKED_USERS = 16, WALK_LIMIT = MUSTER_SESSIONS_MAX + 2 };

struct walked {
    struct rig *rig;
    struct random random;
    uint64_t crowds, came, went; /* crowds that there are, and how often one came and went between two steps */
};

/* An array of few takes far less. */
static uint64_t crowds_of(const struct rig *rig) {
    struct roll_stats stats = rig_stats(rig);
    return (stats.scope_bytes - stats.scopes * ROLL_SCOPE_BYTES) / 256;
}

/* Users come to a third of the scopes, and are gone a second later, and forgotten after another one. */
static void change_a_few(struct walked *walked, uint32_t calls) {
    for (uint32_t i = 0; i < calls; i++) {
        char scope[16], user[16];
        uint64_t third = walked->rig->now_ms / 1000 % 3;
        snprintf(scope, sizeof scope, "s%u", (unsigned)(third + 3 * random_below(&walked->random, WALKED_SCOPES / 3)));
        snprintf(user, sizeof user, "u%u", (unsigned)random_below(&walked->random, WALKED_USERS));
        rig_touch(walked->rig, scope, user, "", MUSTER_TTL_MIN_MS);
        if (random_chance(&walked->random, 1, 4000)) rig_reset(walked->rig, scope);
    }
    walked->rig->now_ms += MUSTER_RETENTION_MIN_MS / 40;
    while (roll_tick(walked->rig->roll, walked->rig->now_ms, 1 + random_below(&walked->random, 50), NULL)) continue;
    uint64_t crowds = crowds_of(walked->rig);
    walked->came += crowds > walked->crowds;
    walked->went += crowds < walked->crowds;
    walked->crowds = crowds;
}

static void copy_of(struct rig *to, const struct rig *from, struct walked *meanwhile) {
    struct walk_cursor cursor = {0};
    struct change changes[WALK_LIMIT];
    struct refusal why;
    size_t applied;
    bool is_done = false;
    while (!is_done) {
        size_t n = roll_walk(from->roll, &cursor, NULL, 0, WALK_LIMIT, 5, &is_done, changes);
        if (roll_merge(to->roll, changes, n, from->now_ms, NULL, &applied, &why) != MUSTER_OK) fail_msg("not merged");
        if (meanwhile != NULL) change_a_few(meanwhile, 2);
    }
}

static struct rig *rig_walked(uint64_t origin) {
    struct roll_config config = rig_config();
    config.retention_ms = MUSTER_RETENTION_MIN_MS;
    config.origin = origin;
    return rig_new_with(&config);
}

/* Nothing that is there throughout a walk is missed, though scopes become crowds and few again between its steps. */
static void a_register_walk_misses_nothing_at_the_border(void **state) {
    (void)state;
    uint64_t came = 0, went = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct walked walked = {.rig = rig_walked(1), .random = random_of(seed)};
        for (int i = 0; i < 20; i++) change_a_few(&walked, 10);
        struct rig *to = rig_walked(9), *then = rig_walked(8);
        copy_of(then, walked.rig, NULL); /* as it was when the walk began */
        walked.came = walked.went = 0;
        copy_of(to, walked.rig, &walked);
        uint64_t now_ms = walked.rig->now_ms, before = roll_fingerprint(to->roll, now_ms);
        then->now_ms = to->now_ms = now_ms;
        copy_of(to, then, NULL);
        if (roll_fingerprint(to->roll, now_ms) != before) fail_msg("seed %" PRIu64 ": something was missed", seed);
        came += walked.came;
        went += walked.went;
        rig_free(walked.rig);
        rig_free(to);
        rig_free(then);
    }
    print_message("between steps of walks, %" PRIu64 " crowds came and %" PRIu64 " went\n", came, went);
    if (came < 100 || went < 100) fail_msg("the border is hardly crossed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_of_one_user_takes_at_most_160_bytes),
        cmocka_unit_test(a_long_name_takes_its_length_more),
        cmocka_unit_test(what_scopes_of_any_size_take_is_told),
        cmocka_unit_test(a_scope_is_few_again_when_most_are_forgotten),
        cmocka_unit_test(what_made_room_is_remembered_across_the_border),
        cmocka_unit_test(a_reset_of_few_users_is_told_and_swept),
        cmocka_unit_test(a_register_walk_misses_nothing_at_the_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
