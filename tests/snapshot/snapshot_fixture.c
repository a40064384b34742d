#include "snapshot_fixture.h"

#include "support/heap.h"

#include <inttypes.h>
#include <string.h>

enum { SCOPES = 5, USERS = 400, NAME_BYTES = MUSTER_ID_BYTES_MAX + 1 };

struct roll *fixture_roll(uint64_t origin, uint64_t members_max) {
    struct roll_config config = {.origin = origin,
                                 .retention_ms = FIXTURE_RETENTION_MS,
                                 .members_max = members_max == 0 ? 1000000 : members_max,
                                 .bytes_max = UINT64_C(1) << 30,
                                 .log_slots = 1 << 12,
                                 .allocator = heap_plain()};
    memset(config.hash_key, 7, sizeof config.hash_key);
    struct roll *roll = roll_new(&config);
    if (roll == NULL) fail_msg("no roll");
    return roll;
}

void fixture_touch(struct roll *roll, const char *scope, const char *user, const char *session, uint32_t ttl_ms,
                   uint64_t stamp, uint64_t now_ms) {
    struct beat beat = {.scope = text_of(scope),
                        .user = text_of(user),
                        .session = text_of(session),
                        .ttl_ms = ttl_ms,
                        .status = STATUS_ONLINE};
    struct touched touched;
    struct refusal why;
    if (roll_touch(roll, &beat, 1, stamp, now_ms, NULL, &touched, &why) != MUSTER_OK)
        fail_msg("a touch of %s is refused: %s", user, why.what);
}

/* ---- a roll with a past ---- */

struct past {
    char scope[NAME_BYTES], user[NAME_BYTES], session[NAME_BYTES], state[MUSTER_STATE_BYTES_MAX];
    struct change change;
};

/* A name for a number; some are as long as names may be. */
static struct text name_of(char *out, const char *kind, uint64_t number) {
    int len = snprintf(out, NAME_BYTES, "%s-%" PRIu64, kind, number);
    if (number % 7 == 3) {
        memset(out + len, 'x', (size_t)(MUSTER_ID_BYTES_MAX - len));
        len = MUSTER_ID_BYTES_MAX;
    }
    return (struct text){out, (uint32_t)len};
}

/* Makes it one of a register of the user. */
static void draw_register(struct change *change, struct random *random) {
    change->kind = (uint8_t)random_between(random, REGISTER_LEAVE, REGISTER_STATUS);
    change->session = register_session(change->kind);
    change->state.len = 0;
    if (change->kind == REGISTER_LEAVE) change->ttl_ms = 0;
    else if (random_chance(random, 1, 3)) change->ttl_ms = (uint32_t)MUSTER_STATUS_TTL_MAX_MS;
}

static void draw(struct past *past, struct random *random) {
    struct change *change = &past->change;
    *change = (struct change){.scope = name_of(past->scope, "scope", random_below(random, SCOPES)),
                              .user = name_of(past->user, "user", random_below(random, USERS)),
                              .ttl_ms = (uint32_t)random_between(random, 1000, 10 * FIXTURE_MINUTE_MS),
                              .status = (uint8_t)random_between(random, STATUS_AWAY, STATUS_BUSY)};
    if (random_chance(random, 1, 3)) change->session = name_of(past->session, "session", random_below(random, 8));
    if (random_chance(random, 1, 5)) {
        size_t len = random_chance(random, 1, 4) ? sizeof past->state : (size_t)random_between(random, 1, 40);
        random_letters(random, past->state, len);
        change->state = (struct text){past->state, (uint32_t)len};
    }
    if (random_chance(random, 1, 10)) {
        change->ttl_ms = 0;
        change->state.len = 0;
    }
    if (random_chance(random, 1, 8)) draw_register(change, random);
}

static void live_once(struct roll *roll, struct random *random, uint64_t stamp, uint64_t sequence, uint64_t now_ms) {
    struct past past;
    struct refusal why;
    struct touched touched;
    size_t applied;
    draw(&past, random);
    struct change *change = &past.change;
    if (random_chance(random, 1, 3)) { /* told by another node */
        change->origin = random_between(random, 100, 103);
        change->sequence = sequence;
        change->stamp = stamp;
        change->seen_ms = now_ms - random_below(random, FIXTURE_MINUTE_MS);
        if (roll_merge(roll, change, 1, now_ms, NULL, &applied, &why) != MUSTER_OK)
            fail_msg("not merged: %s", why.what);
        return;
    }
    struct beat beat = {.scope = change->scope,
                        .user = change->user,
                        .session = change->session,
                        .state = change->state,
                        .ttl_ms = change->ttl_ms,
                        .status = change->status,
                        .kind = change->kind};
    if (roll_touch(roll, &beat, 1, stamp, now_ms, NULL, &touched, &why) != MUSTER_OK)
        fail_msg("not touched: %s", why.what);
}

void fixture_live_through(struct roll *roll, struct random *random, size_t calls, uint64_t stamp, uint64_t *now_ms) {
    char name[NAME_BYTES];
    struct refusal why;
    uint64_t forgotten;
    for (size_t i = 0; i < calls; i++) {
        *now_ms += random_below(random, 30);
        live_once(roll, random, ++stamp, i + 1, *now_ms);
        if (random_chance(random, 1, 50)) roll_tick(roll, *now_ms, 1000, NULL);
        if (i != calls / 2) continue;
        if (roll_reset(roll, name_of(name, "scope", 1), ++stamp, *now_ms, NULL, &forgotten, &why) != MUSTER_OK)
            fail_msg("not reset: %s", why.what);
    }
    while (roll_tick(roll, *now_ms, 1000, NULL)) {
    }
}

/* ---- snapshots ---- */

struct snapshot_header fixture_header(uint64_t now_ms) {
    static const struct known vector[] = {{UINT64_C(0x1122334455667788), 300}, {101, 1}};
    static const struct text peers[] = {{"tcp://10.0.0.2:7704", 19}};
    return (struct snapshot_header){.begun = {.now_ms = now_ms, .wall_ms = FIXTURE_WALL_MS, .boot = {1}},
                                    .cluster = 77,
                                    .origin = UINT64_C(0x1122334455667788),
                                    .stamp = 5000,
                                    .vector = vector,
                                    .vector_count = 2,
                                    .peers = peers,
                                    .peer_count = 1};
}

static void append(struct fixture_bytes *bytes, const uint8_t *data, size_t len) {
    while (bytes->capacity - bytes->len < len) {
        bytes->capacity = bytes->capacity == 0 ? 65536 : bytes->capacity * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL) fail_msg("out of memory");
    }
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

struct fixture_bytes fixture_take(struct roll *roll, const struct snapshot_header *header, uint64_t *now_ms,
                                  fixture_meanwhile *meanwhile, void *context) {
    static uint8_t block[SNAPSHOT_HEAD_BYTES + SNAPSHOT_BLOCK_BYTES_MAX];
    static struct snapshot_writer writer;
    struct fixture_bytes bytes = {0};
    size_t len = snapshot_begin(&writer, header, block);
    append(&bytes, block, len);
    while (snapshot_next(&writer, roll, *now_ms, block, &len)) {
        if (meanwhile != NULL) meanwhile(roll, now_ms, context); /* before it is sealed: it holds no views */
        if (len == 0) continue;
        snapshot_seal(&writer, block, len);
        append(&bytes, block, len);
    }
    return bytes;
}

enum snapshot_fault fixture_load(const uint8_t *data, size_t len, struct snapshot_reader *reader, struct roll *roll,
                                 struct hlc *clock, const struct snapshot_moment *now, struct snapshot_merged *merged) {
    if (len < SNAPSHOT_HEAD_BYTES) return SNAPSHOT_FOREIGN;
    enum snapshot_fault fault = snapshot_open(reader, data);
    size_t at = SNAPSHOT_HEAD_BYTES;
    while (fault == SNAPSHOT_GOOD && !reader->is_ended) {
        if (len - at < SNAPSHOT_PREFIX_BYTES) return SNAPSHOT_TRUNCATED;
        size_t block = snapshot_block_bytes(data + at);
        if (block == 0) return SNAPSHOT_DAMAGED;
        if (len - at < block) return SNAPSHOT_TRUNCATED;
        fault = snapshot_read(reader, data + at, block);
        if (fault == SNAPSHOT_GOOD && roll != NULL) snapshot_merge(reader, roll, clock, now, merged);
        at += block;
    }
    return fault == SNAPSHOT_GOOD && at != len ? SNAPSHOT_DAMAGED : fault;
}
