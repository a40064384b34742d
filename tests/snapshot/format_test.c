/* The format of a snapshot and what it promises, without a file. */
#include "snapshot_fixture.h"

#include <inttypes.h>
#include <string.h>

static struct snapshot_reader reader;

static struct snapshot_moment moment_after(const struct snapshot_moment *then, uint64_t span_ms) {
    struct snapshot_moment now = *then;
    now.now_ms += span_ms;
    now.wall_ms += span_ms;
    return now;
}

/* ---- all of it comes back ------------------------------------------------------------------------------------------
 */

struct dump {
    struct change *items;
    size_t count;
};

static int order_of_changes(const void *left, const void *right) {
    const struct change *a = left, *b = right;
    if (a->stamp != b->stamp) return a->stamp < b->stamp ? -1 : 1;
    return 0;
}

/* Every register of a roll, by stamp, with texts that hold as long as the roll is not changed. A walk may tell of a
 * reset more than once. */
static struct dump dump_of(const struct roll *roll) {
    struct roll_stats stats;
    roll_stats(roll, &stats);
    size_t room = stats.members + stats.scopes * 100 + SNAPSHOT_BLOCK_CHANGES_MAX, count = 0;
    struct dump dump = {calloc(room, sizeof *dump.items), 0};
    struct walk_cursor cursor = {0};
    for (bool is_done = false; !is_done;) {
        if (room - count < SNAPSHOT_BLOCK_CHANGES_MAX) fail_msg("a walk tells of more than there is");
        count += roll_walk(roll, &cursor, NULL, 0, SNAPSHOT_BLOCK_CHANGES_MAX, 1000, &is_done, dump.items + count);
    }
    qsort(dump.items, count, sizeof *dump.items, order_of_changes);
    for (size_t i = 0; i < count; i++) {
        bool is_again = i > 0 && dump.items[i].is_reset && dump.items[i].stamp == dump.items[dump.count - 1].stamp;
        if (!is_again) dump.items[dump.count++] = dump.items[i];
    }
    return dump;
}

static void expect_same(const struct change *had, const struct change *has, uint64_t shift_ms, uint64_t seed) {
    bool is_same = had->origin == has->origin && had->sequence == has->sequence && had->stamp == has->stamp &&
                   had->is_reset == has->is_reset && had->seen_ms + shift_ms == has->seen_ms &&
                   text_equal(had->scope, has->scope) && text_equal(had->user, has->user) &&
                   text_equal(had->session, has->session) && text_equal(had->state, has->state) &&
                   had->kind == has->kind && had->ttl_ms == has->ttl_ms &&
                   (had->ttl_ms == 0 || had->status == has->status);
    if (!is_same)
        fail_msg("seed %" PRIu64 ": stamp %" PRIu64 " of %.*s/%.*s came back otherwise: seen %" PRIu64 " (want %" PRIu64
                 "), ttl %u (want %u), state of %u bytes (want %u)",
                 seed, had->stamp, (int)had->scope.len, had->scope.data, (int)had->user.len, had->user.data,
                 has->seen_ms, had->seen_ms + shift_ms, has->ttl_ms, had->ttl_ms, has->state.len, had->state.len);
}

/* The roll is loaded at an instant that is `shift_ms` later on its clock than it should be, with nothing elapsed. */
static void keep_and_compare(uint64_t seed) {
    struct random random = random_of(seed);
    uint64_t now_ms = FIXTURE_BASE_MS;
    struct roll *roll = fixture_roll(9, 0), *loaded = fixture_roll(10, 0);
    fixture_live_through(roll, &random, 3000, 1000, &now_ms);
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    struct snapshot_moment later = {.now_ms = now_ms + 5000, .wall_ms = FIXTURE_WALL_MS, .boot = {2}};
    struct hlc clock = hlc_start(later.wall_ms, later.now_ms);
    struct snapshot_merged merged = {0};
    enum snapshot_fault fault = fixture_load(bytes.data, bytes.len, &reader, loaded, &clock, &later, &merged);
    if (fault != SNAPSHOT_GOOD) fail_msg("seed %" PRIu64 ": %s", seed, snapshot_fault_text(fault));

    struct dump had = dump_of(roll), has = dump_of(loaded);
    if (had.count != has.count || merged.changes != had.count || merged.refused != 0)
        fail_msg("seed %" PRIu64 ": %zu of %zu registers, %" PRIu64 " merged", seed, has.count, had.count,
                 merged.changes);
    for (size_t i = 0; i < had.count; i++) expect_same(&had.items[i], &has.items[i], 5000, seed);
    if (roll_fingerprint(roll, now_ms) != roll_fingerprint(loaded, later.now_ms))
        fail_msg("seed %" PRIu64 ": the fingerprints differ", seed);
    free(had.items);
    free(has.items);
    free(bytes.data);
    roll_free(roll);
    roll_free(loaded);
}

static void every_register_comes_back_as_it_was(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) keep_and_compare(seed);
}

static void an_empty_roll_comes_back_with_its_header(void **state) {
    (void)state;
    uint64_t now_ms = FIXTURE_BASE_MS;
    struct roll *roll = fixture_roll(9, 0);
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    enum snapshot_fault fault = fixture_load(bytes.data, bytes.len, &reader, NULL, NULL, NULL, NULL);
    const struct snapshot_header *read = &reader.header;
    if (fault != SNAPSHOT_GOOD || reader.changes_before != 0) fail_msg("%s", snapshot_fault_text(fault));
    if (read->cluster != 77 || read->origin != header.origin || read->stamp != 5000 ||
        memcmp(&read->begun, &header.begun, sizeof header.begun) != 0)
        fail_msg("the header came back otherwise");
    if (read->vector_count != 2 || memcmp(read->vector, header.vector, 2 * sizeof *header.vector) != 0)
        fail_msg("the vector came back otherwise");
    if (read->peer_count != 1 || !text_equal(read->peers[0], header.peers[0]))
        fail_msg("the peers came back otherwise");
    free(bytes.data);
    roll_free(roll);
}

/* ---- the roll goes on while it is walked ---------------------------------------------------------------------------
 */

enum { STEADY = 2000 };

/* Users come and go between any two slices, and the steady ones are touched again. */
static void bustle(struct roll *roll, uint64_t *now_ms, void *context) {
    uint64_t *stamp = context;
    char user[32];
    *now_ms += 10;
    for (int i = 0; i < 40; i++) {
        uint64_t number = ++*stamp;
        bool is_steady = number % 2 == 0;
        snprintf(user, sizeof user, is_steady ? "steady-%" PRIu64 : "late-%" PRIu64, number % STEADY);
        fixture_touch(roll, "room", user, "", number % 3 == 0 && !is_steady ? 0 : FIXTURE_MINUTE_MS, number, *now_ms);
    }
    roll_tick(roll, *now_ms, 100, NULL);
}

/* Whether the register was written while the walk went on. Where both rolls have the same beat, its age is the same. */
static bool is_as_old(const struct roll *roll, const struct roll *loaded, const char *user, uint64_t begun_ms) {
    struct change had, has;
    uint64_t hash = roll_hash(roll, text_of(user));
    if (!roll_find_handle(roll, text_of("room"), hash, 0, &had) ||
        !roll_find_handle(loaded, text_of("room"), hash, 0, &has))
        fail_msg("%s is not found", user);
    if (had.stamp != has.stamp) return false;
    if (had.seen_ms != has.seen_ms)
        fail_msg("%s: seen at %" PRIu64 ", expected %" PRIu64, user, has.seen_ms, had.seen_ms);
    return had.seen_ms > begun_ms;
}

static void whoever_is_there_throughout_the_walk_is_in_it(void **state) {
    (void)state;
    uint64_t now_ms = FIXTURE_BASE_MS, stamp = 1;
    struct roll *roll = fixture_roll(9, 0), *loaded = fixture_roll(10, 0);
    char user[32];
    for (int i = 0; i < STEADY; i++) {
        snprintf(user, sizeof user, "steady-%d", i);
        fixture_touch(roll, "room", user, "", FIXTURE_MINUTE_MS, stamp, now_ms);
    }
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, bustle, &stamp);
    struct snapshot_moment later = moment_after(&header.begun, now_ms - header.begun.now_ms);
    struct hlc clock = hlc_start(later.wall_ms, later.now_ms);
    struct snapshot_merged merged = {0};
    enum snapshot_fault fault = fixture_load(bytes.data, bytes.len, &reader, loaded, &clock, &later, &merged);
    if (fault != SNAPSHOT_GOOD) fail_msg("%s", snapshot_fault_text(fault));
    size_t written_meanwhile = 0;
    for (int i = 0; i < STEADY; i++) {
        snprintf(user, sizeof user, "steady-%d", i);
        struct text name = text_of(user);
        written_meanwhile += is_as_old(roll, loaded, user, header.begun.now_ms);
        struct user_view view, was;
        roll_live(roll, text_of("room"), &name, 1, now_ms, &was);
        roll_live(loaded, text_of("room"), &name, 1, now_ms, &view);
        if (!view.live) fail_msg("%s is not live", user);
        if (view.seen_ms > was.seen_ms) fail_msg("%s looks fresher than it is", user);
    }
    if (written_meanwhile == 0) fail_msg("nobody was touched while the walk went on: the test tests nothing");
    free(bytes.data);
    roll_free(roll);
    roll_free(loaded);
}

/* ---- ages ----------------------------------------------------------------------------------------------------------
 */

static void time_that_passed_is_told_by_the_right_clock(void **state) {
    (void)state;
    const struct snapshot_moment then = {.now_ms = 1000000, .wall_ms = FIXTURE_WALL_MS, .boot = {1}};
    static const struct {
        const char *what;
        struct snapshot_moment now;
        uint64_t elapsed_ms;
    } cases[] = {
        {"the same run", {1005000, FIXTURE_WALL_MS + 5000, {1}}, 5000},
        {"the same run, the wall clock was put forward", {1005000, FIXTURE_WALL_MS + 3600000, {1}}, 5000},
        {"the same run, the wall clock was put back", {1005000, FIXTURE_WALL_MS - 3600000, {1}}, 5000},
        {"another run", {400, FIXTURE_WALL_MS + 90000, {2}}, 90000},
        {"another run, the wall clock was put back", {400, FIXTURE_WALL_MS - 1, {2}}, 0},
        {"the same run by its name, but an earlier time", {400, FIXTURE_WALL_MS + 70000, {1}}, 70000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t elapsed_ms = snapshot_elapsed_ms(&then, &cases[i].now);
        if (elapsed_ms != cases[i].elapsed_ms)
            fail_msg("%s: %" PRIu64 " ms, expected %" PRIu64, cases[i].what, elapsed_ms, cases[i].elapsed_ms);
    }
    const struct snapshot_moment unknown = {.now_ms = 1000000, .wall_ms = FIXTURE_WALL_MS};
    const struct snapshot_moment unknown_later = {.now_ms = 1005000, .wall_ms = FIXTURE_WALL_MS + 70000};
    if (snapshot_elapsed_ms(&unknown, &unknown_later) != 70000) fail_msg("a run without a name was taken for the same");
}

/* Whether ada, touched for a minute ten seconds before the snapshot, is live when it is loaded so much later. */
static bool is_live_after(uint64_t wall_shift_ms, bool is_back, uint64_t wait_ms) {
    uint64_t now_ms = FIXTURE_BASE_MS;
    struct roll *roll = fixture_roll(9, 0), *loaded = fixture_roll(10, 0);
    fixture_touch(roll, "room", "ada", "", FIXTURE_MINUTE_MS, 1, now_ms);
    now_ms += 10000;
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    struct snapshot_moment later = {.now_ms = FIXTURE_BASE_MS + 700,
                                    .wall_ms =
                                        is_back ? FIXTURE_WALL_MS - wall_shift_ms : FIXTURE_WALL_MS + wall_shift_ms,
                                    .boot = {2}};
    struct hlc clock = hlc_start(later.wall_ms, later.now_ms);
    struct snapshot_merged merged = {0};
    fixture_load(bytes.data, bytes.len, &reader, loaded, &clock, &later, &merged);
    struct text ada = text_of("ada");
    struct user_view view;
    roll_live(loaded, text_of("room"), &ada, 1, later.now_ms + wait_ms, &view);
    if (!view.known) fail_msg("ada is not even remembered");
    free(bytes.data);
    roll_free(roll);
    roll_free(loaded);
    return view.live;
}

static void a_lease_ends_when_it_would_have_ended(void **state) {
    (void)state;
    if (!is_live_after(50000, false, 0)) fail_msg("not live at exactly the TTL");
    if (is_live_after(50001, false, 0)) fail_msg("live past the TTL");
    if (!is_live_after(20000, false, 30000)) fail_msg("not live at exactly the TTL, after the load");
    if (is_live_after(20000, false, 30001)) fail_msg("live past the TTL, after the load");
}

static void a_wall_clock_that_was_put_back_makes_nobody_younger(void **state) {
    (void)state;
    if (!is_live_after(3600000, true, 50000)) fail_msg("not live at exactly what was left of the TTL");
    if (is_live_after(3600000, true, 50001)) fail_msg("younger than in the snapshot");
}

static void the_clock_goes_on_after_every_stamp_that_was_kept(void **state) {
    (void)state;
    uint64_t now_ms = FIXTURE_BASE_MS, ahead = (FIXTURE_WALL_MS + 3600000) << HLC_COUNTER_BITS;
    struct roll *roll = fixture_roll(9, 0), *loaded = fixture_roll(10, 0);
    fixture_touch(roll, "room", "ada", "", FIXTURE_MINUTE_MS, ahead, now_ms);
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    struct hlc clock = hlc_start(header.begun.wall_ms, now_ms);
    struct snapshot_merged merged = {0};
    fixture_load(bytes.data, bytes.len, &reader, loaded, &clock, &header.begun, &merged);
    uint64_t next = hlc_next(&clock, now_ms);
    if (next <= ahead) fail_msg("the next stamp, %" PRIu64 ", is not after %" PRIu64, next, ahead);
    free(bytes.data);
    roll_free(roll);
    roll_free(loaded);
}

/* Of a scope so large that it keeps a history, whose users were seen over all of the retention. */
static void windows_count_the_same_after_a_load(void **state) {
    (void)state;
    enum { USERS = 6000 };
    static const uint64_t windows_ms[] = {1000, 60000, 300000, 1799000, 1800000, FIXTURE_RETENTION_MS};
    enum { WINDOWS = sizeof windows_ms / sizeof windows_ms[0] };
    uint64_t now_ms = FIXTURE_BASE_MS;
    struct roll *roll = fixture_roll(9, 0), *loaded = fixture_roll(10, 0);
    char user[32];
    for (int i = 0; i < USERS; i++) {
        snprintf(user, sizeof user, "user-%d", i);
        fixture_touch(roll, "room", user, "", FIXTURE_MINUTE_MS, (uint64_t)i + 1, now_ms);
        now_ms += FIXTURE_RETENTION_MS / USERS;
        if (i % 100 == 0) roll_tick(roll, now_ms, 10000, NULL);
    }
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    struct snapshot_moment later = moment_after(&header.begun, 90000);
    struct hlc clock = hlc_start(later.wall_ms, later.now_ms);
    struct snapshot_merged merged = {0};
    fixture_load(bytes.data, bytes.len, &reader, loaded, &clock, &later, &merged);
    struct scope_counts counts;
    struct window_count was[WINDOWS], is[WINDOWS];
    for (int i = 0; i < 3; i++, later.now_ms += 61000) {
        while (roll_tick(roll, later.now_ms, 10000, NULL)) continue;
        while (roll_tick(loaded, later.now_ms, 10000, NULL)) continue;
        roll_counts(roll, text_of("room"), windows_ms, WINDOWS, later.now_ms, &counts, was);
        roll_counts(loaded, text_of("room"), windows_ms, WINDOWS, later.now_ms, &counts, is);
        for (size_t w = 0; w < WINDOWS; w++)
            if (was[w].users != is[w].users)
                fail_msg("round %d, %" PRIu64 " ms: %" PRIu64 " users, expected %" PRIu64, i, windows_ms[w],
                         is[w].users, was[w].users);
    }
    free(bytes.data);
    roll_free(roll);
    roll_free(loaded);
}

/* ---- what is wrong is seen -----------------------------------------------------------------------------------------
 */

static struct fixture_bytes small_snapshot(void) {
    uint64_t now_ms = FIXTURE_BASE_MS + 100;
    struct roll *roll = fixture_roll(9, 0);
    fixture_touch(roll, "room", "ada", "tab", FIXTURE_MINUTE_MS, 11, FIXTURE_BASE_MS);
    fixture_touch(roll, "room", "ben", "", FIXTURE_MINUTE_MS, 12, FIXTURE_BASE_MS + 50);
    fixture_touch(roll, "hall", "ada", "", 0, 13, now_ms);
    const struct beat beats[] = {beat_of_leave(text_of("hall"), text_of("eve")),
                                 beat_of_status(text_of("room"), text_of("ada"), STATUS_BUSY, 3 * FIXTURE_MINUTE_MS)};
    struct touched touched;
    struct refusal why;
    if (roll_touch(roll, beats, 2, 14, now_ms, NULL, &touched, &why) != MUSTER_OK) fail_msg("refused: %s", why.what);
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    roll_free(roll);
    return bytes;
}

static void expect_fault(const uint8_t *data, size_t len, enum snapshot_fault expected, const char *what) {
    enum snapshot_fault fault = fixture_load(data, len, &reader, NULL, NULL, NULL, NULL);
    if (fault != expected)
        fail_msg("%s: '%s', expected '%s'", what, snapshot_fault_text(fault), snapshot_fault_text(expected));
}

static void every_changed_bit_is_seen(void **state) {
    (void)state;
    struct fixture_bytes bytes = small_snapshot();
    expect_fault(bytes.data, bytes.len, SNAPSHOT_GOOD, "as it was written");
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (fixture_load(bytes.data, bytes.len, &reader, NULL, NULL, NULL, NULL) == SNAPSHOT_GOOD)
            fail_msg("bit %zu of byte %zu is not looked at", bit % 8, bit / 8);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(bytes.data);
}

static void every_missing_end_is_seen(void **state) {
    (void)state;
    struct fixture_bytes bytes = small_snapshot();
    for (size_t len = 0; len < bytes.len; len++)
        expect_fault(bytes.data, len, len < SNAPSHOT_HEAD_BYTES ? SNAPSHOT_FOREIGN : SNAPSHOT_TRUNCATED, "cut off");
    bytes.data = realloc(bytes.data, bytes.len + 1);
    bytes.data[bytes.len] = 0;
    expect_fault(bytes.data, bytes.len + 1, SNAPSHOT_DAMAGED, "a byte too many");
    free(bytes.data);
}

enum { BLOCKS_MAX = 16, REST = -1, LAST = -2 };

struct cut {
    struct fixture_bytes bytes;
    size_t begins[BLOCKS_MAX + 1], blocks;
};

/* A snapshot of a header, three slices at least and an end. */
static struct cut cut_into_blocks(void) {
    uint64_t now_ms = FIXTURE_BASE_MS;
    struct roll *roll = fixture_roll(9, 0);
    char user[32];
    for (int i = 0; i < 3 * SNAPSHOT_BLOCK_CHANGES_MAX; i++) {
        snprintf(user, sizeof user, "user-%d", i);
        fixture_touch(roll, "room", user, "", FIXTURE_MINUTE_MS, 1, now_ms);
    }
    struct snapshot_header header = fixture_header(now_ms);
    struct cut cut = {.bytes = fixture_take(roll, &header, &now_ms, NULL, NULL), .begins = {SNAPSHOT_HEAD_BYTES}};
    for (; cut.begins[cut.blocks] < cut.bytes.len; cut.blocks++) {
        if (cut.blocks == BLOCKS_MAX) fail_msg("more than %d blocks", BLOCKS_MAX);
        cut.begins[cut.blocks + 1] =
            cut.begins[cut.blocks] + snapshot_block_bytes(cut.bytes.data + cut.begins[cut.blocks]);
    }
    if (cut.blocks < 5) fail_msg("%zu blocks, expected 5 at least", cut.blocks);
    roll_free(roll);
    return cut;
}

/* Its blocks, put together otherwise: REST stands for all from the fourth on, LAST for the end alone. */
static void expect_damage(const struct cut *cut, const char *what, const int *order, size_t count) {
    uint8_t *other = malloc(2 * cut->bytes.len);
    size_t len = SNAPSHOT_HEAD_BYTES;
    memcpy(other, cut->bytes.data, len);
    for (size_t i = 0; i < count; i++) {
        size_t first = order[i] == REST ? 3 : order[i] == LAST ? cut->blocks - 1 : (size_t)order[i];
        size_t after = order[i] == REST ? cut->blocks : first + 1;
        memcpy(other + len, cut->bytes.data + cut->begins[first], cut->begins[after] - cut->begins[first]);
        len += cut->begins[after] - cut->begins[first];
    }
    expect_fault(other, len, SNAPSHOT_DAMAGED, what);
    free(other);
}

static void blocks_out_of_place_are_seen(void **state) {
    (void)state;
    static const struct {
        const char *what;
        int order[6];
        size_t count;
    } cases[] = {
        {"swapped", {0, 2, 1, REST}, 4}, {"doubled", {0, 1, 1, 2, REST}, 5},     {"missing", {0, 1, REST}, 3},
        {"no header", {1, 2, REST}, 3},  {"two headers", {0, 0, 1, 2, REST}, 5}, {"ended early", {0, 1, LAST}, 3},
    };
    struct cut cut = cut_into_blocks();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_damage(&cut, cases[i].what, cases[i].order, cases[i].count);
    free(cut.bytes.data);
}

static void what_is_no_snapshot_of_this_version_is_named(void **state) {
    (void)state;
    struct fixture_bytes bytes = small_snapshot();
    bytes.data[16] = SNAPSHOT_VERSION + 1;
    expect_fault(bytes.data, bytes.len, SNAPSHOT_NEWER, "the next version");
    bytes.data[16] = 0;
    expect_fault(bytes.data, bytes.len, SNAPSHOT_FOREIGN, "version 0");
    bytes.data[16] = SNAPSHOT_VERSION;
    bytes.data[0] = 'M';
    expect_fault(bytes.data, bytes.len, SNAPSHOT_FOREIGN, "another magic");
    free(bytes.data);
}

static void a_block_that_is_too_long_is_not_waited_for(void **state) {
    (void)state;
    static const uint8_t longest[] = {2, 0xff, 0xff, 0xff, 0xff};
    uint8_t most[] = {2, 0, 0, 0, 0};
    uint32_t payload = SNAPSHOT_BLOCK_BYTES_MAX - SNAPSHOT_PREFIX_BYTES - SNAPSHOT_SUM_BYTES;
    for (int i = 0; i < 4; i++) most[1 + i] = (uint8_t)(payload >> 8 * i);
    if (snapshot_block_bytes(longest) != 0) fail_msg("4 GiB are waited for");
    if (snapshot_block_bytes(most) != SNAPSHOT_BLOCK_BYTES_MAX) fail_msg("the longest block is refused");
    most[1]++;
    if (snapshot_block_bytes(most) != 0) fail_msg("a byte too many is waited for");
}

/* ---- a roll without room -------------------------------------------------------------------------------------------
 */

static void a_roll_that_is_full_takes_what_fits(void **state) {
    (void)state;
    uint64_t now_ms = FIXTURE_BASE_MS;
    struct roll *roll = fixture_roll(9, 0), *loaded = fixture_roll(10, 100);
    char user[32];
    for (int i = 0; i < 700; i++) {
        snprintf(user, sizeof user, "user-%d", i);
        fixture_touch(roll, "room", user, "", FIXTURE_MINUTE_MS, 1, now_ms);
    }
    struct snapshot_header header = fixture_header(now_ms);
    struct fixture_bytes bytes = fixture_take(roll, &header, &now_ms, NULL, NULL);
    struct hlc clock = hlc_start(header.begun.wall_ms, now_ms);
    struct snapshot_merged merged = {0};
    enum snapshot_fault fault = fixture_load(bytes.data, bytes.len, &reader, loaded, &clock, &header.begun, &merged);
    if (fault != SNAPSHOT_GOOD || merged.changes != 100 || merged.refused != 600)
        fail_msg("%s; %" PRIu64 " merged, %" PRIu64 " refused; expected 100 and 600", snapshot_fault_text(fault),
                 merged.changes, merged.refused);
    free(bytes.data);
    roll_free(roll);
    roll_free(loaded);
}

/* ---- the bytes themselves ------------------------------------------------------------------------------------------
 */

/* Snapshots outlive the program that wrote them: these bytes must be read by every later version. */
static void the_bytes_of_version_2_stay_as_they_are(void **state) {
    (void)state;
    static const char golden[] =
#include "golden2.inc"
        ;
    struct fixture_bytes bytes = small_snapshot();
    char *hex = calloc(bytes.len * 2 + 1, 1);
    for (size_t i = 0; i < bytes.len; i++) sprintf(hex + 2 * i, "%02x", bytes.data[i]);
    if (strcmp(hex, golden) != 0) fail_msg("the format changed; it is now\n%s\nand was\n%s", hex, golden);
    free(hex);
    free(bytes.data);
}

static void a_snapshot_of_version_1_is_read(void **state) {
    (void)state;
    static const char golden[] =
#include "golden1.inc"
        ;
    uint8_t bytes[sizeof golden / 2];
    for (size_t i = 0; i < sizeof bytes; i++) {
        unsigned byte;
        if (sscanf(golden + 2 * i, "%2x", &byte) != 1) fail_msg("byte %zu is no number", i);
        bytes[i] = (uint8_t)byte;
    }
    uint64_t now_ms = FIXTURE_BASE_MS + 100;
    struct roll *roll = fixture_roll(10, 0);
    struct snapshot_header header = fixture_header(now_ms);
    struct hlc clock = hlc_start(header.begun.wall_ms, now_ms);
    struct snapshot_merged merged = {0};
    enum snapshot_fault fault = fixture_load(bytes, sizeof bytes, &reader, roll, &clock, &header.begun, &merged);
    struct scope_counts counts;
    roll_counts(roll, text_of("room"), NULL, 0, now_ms, &counts, NULL);
    if (fault != SNAPSHOT_GOOD || merged.changes != 3 || counts.live != 2)
        fail_msg("%s; %" PRIu64 " merged, %" PRIu64 " live; expected 3 and 2", snapshot_fault_text(fault),
                 merged.changes, counts.live);
    roll_free(roll);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_register_comes_back_as_it_was),
        cmocka_unit_test(an_empty_roll_comes_back_with_its_header),
        cmocka_unit_test(whoever_is_there_throughout_the_walk_is_in_it),
        cmocka_unit_test(time_that_passed_is_told_by_the_right_clock),
        cmocka_unit_test(a_lease_ends_when_it_would_have_ended),
        cmocka_unit_test(a_wall_clock_that_was_put_back_makes_nobody_younger),
        cmocka_unit_test(the_clock_goes_on_after_every_stamp_that_was_kept),
        cmocka_unit_test(windows_count_the_same_after_a_load),
        cmocka_unit_test(every_changed_bit_is_seen),
        cmocka_unit_test(every_missing_end_is_seen),
        cmocka_unit_test(blocks_out_of_place_are_seen),
        cmocka_unit_test(what_is_no_snapshot_of_this_version_is_named),
        cmocka_unit_test(a_block_that_is_too_long_is_not_waited_for),
        cmocka_unit_test(a_roll_that_is_full_takes_what_fits),
        cmocka_unit_test(the_bytes_of_version_2_stay_as_they_are),
        cmocka_unit_test(a_snapshot_of_version_1_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
