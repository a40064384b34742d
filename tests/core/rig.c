#include "rig.h"

#include "support/heap.h"

#include <stdlib.h>

struct roll_config rig_config(void) {
    return (struct roll_config){
        .hash_key = "0123456789abcde",
        .retention_ms = RIG_RETENTION_MS,
        .members_max = 1000000,
        .bytes_max = UINT64_C(1) << 32,
        .log_slots = 1 << 16,
        .allocator = heap_plain(),
    };
}

struct rig *rig_new_with(const struct roll_config *config) {
    struct rig *rig = calloc(1, sizeof *rig);
    if (rig == NULL) fail_msg("no memory");
    rig->roll = roll_new(config);
    if (rig->roll == NULL) fail_msg("roll_new failed");
    rig->now_ms = UINT64_C(1) << 40;
    rig->stamp = 1000;
    rig->effects = (struct effects){
        .items = rig->items, .capacity = RIG_EFFECTS, .names = rig->names, .names_capacity = RIG_NAMES_BYTES};
    return rig;
}

struct rig *rig_new(void) {
    struct roll_config config = rig_config();
    return rig_new_with(&config);
}

void rig_free(struct rig *rig) {
    roll_free(rig->roll);
    free(rig);
}

struct beat rig_a_beat(const char *scope, const char *user, const char *session, uint32_t ttl_ms) {
    return (struct beat){.scope = text_of(scope),
                         .user = text_of(user),
                         .session = text_of(session),
                         .ttl_ms = ttl_ms,
                         .status = STATUS_ONLINE};
}

enum muster_code rig_batch(struct rig *rig, const struct beat *beats, size_t n) {
    effects_clear(&rig->effects);
    return rig_batch_after(rig, beats, n);
}

enum muster_code rig_batch_after(struct rig *rig, const struct beat *beats, size_t n) {
    return roll_touch(rig->roll, beats, n, ++rig->stamp, rig->now_ms, &rig->effects, &rig->touched, &rig->why);
}

enum muster_code rig_beat(struct rig *rig, struct beat beat) {
    return rig_batch(rig, &beat, 1);
}

void rig_touch(struct rig *rig, const char *scope, const char *user, const char *session, uint32_t ttl_ms) {
    enum muster_code code = rig_beat(rig, rig_a_beat(scope, user, session, ttl_ms));
    if (code != MUSTER_OK) fail_msg("a touch of %s/%s/%s: code %d, %s", scope, user, session, code, rig->why.what);
}

void rig_leave(struct rig *rig, const char *scope, const char *user, const char *session) {
    rig_touch(rig, scope, user, session, 0);
}

uint64_t rig_reset(struct rig *rig, const char *scope) {
    return rig_reset_at(rig, scope, ++rig->stamp);
}

uint64_t rig_reset_at(struct rig *rig, const char *scope, uint64_t stamp) {
    uint64_t forgotten = 0;
    effects_clear(&rig->effects);
    enum muster_code code =
        roll_reset(rig->roll, text_of(scope), stamp, rig->now_ms, &rig->effects, &forgotten, &rig->why);
    if (code != MUSTER_OK) fail_msg("a reset of %s: code %d", scope, code);
    return forgotten;
}

void rig_tick(struct rig *rig) {
    effects_clear(&rig->effects);
    while (roll_tick(rig->roll, rig->now_ms, 1000, &rig->effects)) {
    }
}

struct user_view rig_view(const struct rig *rig, const char *scope, const char *user) {
    struct user_view view;
    struct text name = text_of(user);
    roll_live(rig->roll, text_of(scope), &name, 1, rig->now_ms, &view);
    return view;
}

bool rig_is_live(const struct rig *rig, const char *scope, const char *user) {
    return rig_view(rig, scope, user).live;
}

struct window_count rig_window(const struct rig *rig, const char *scope, uint64_t window_ms) {
    struct scope_counts counts;
    struct window_count window;
    roll_counts(rig->roll, text_of(scope), &window_ms, 1, rig->now_ms, &counts, &window);
    return window;
}

struct scope_counts rig_counts(const struct rig *rig, const char *scope) {
    struct scope_counts counts;
    roll_counts(rig->roll, text_of(scope), NULL, 0, rig->now_ms, &counts, NULL);
    return counts;
}

struct roll_stats rig_stats(const struct rig *rig) {
    struct roll_stats stats;
    roll_stats(rig->roll, &stats);
    return stats;
}

struct session_view rig_session(const struct rig *rig, const char *scope, const char *user) {
    struct session_view views[MUSTER_SESSIONS_MAX];
    size_t count = roll_sessions(rig->roll, text_of(scope), text_of(user), rig->now_ms, views);
    if (count != 1) fail_msg("%s/%s has %zu live sessions", scope, user, count);
    return views[0];
}

size_t rig_told(const struct rig *rig, enum effect_kind kind, enum effect_reason reason, const char *user) {
    size_t told = 0;
    for (size_t i = 0; i < rig->effects.count; i++) {
        const struct effect *effect = &rig->items[i];
        if (effect->kind != kind || effect->reason != reason) continue;
        told += kind == EFFECT_RESET || text_equal(effect_user(&rig->effects, effect), text_of(user));
    }
    return told;
}
