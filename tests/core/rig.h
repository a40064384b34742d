/* A roll for readable tests: texts are C strings, time stands still until the test moves it. */
#ifndef MUSTER_TESTS_RIG_H
#define MUSTER_TESTS_RIG_H

#include "core/roll.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#define RIG_RETENTION_MS UINT64_C(3600000)

enum { RIG_EFFECTS = 4096, RIG_NAMES_BYTES = RIG_EFFECTS * 32 };

struct rig {
    struct roll *roll;
    uint64_t now_ms, stamp;
    struct effect items[RIG_EFFECTS];
    char names[RIG_NAMES_BYTES];
    struct effects effects; /* of the last call that changed something */
    struct touched touched;
    struct refusal why;
};

/* The configuration that rig_new uses: an hour of retention, no cap that a test meets. */
struct roll_config rig_config(void);
/* Fails the test if there is none. rig_free frees it. */
struct rig *rig_new(void);
struct rig *rig_new_with(const struct roll_config *config);
void rig_free(struct rig *rig);

/* One beat, online and without state; fails the test if it is refused. */
void rig_touch(struct rig *rig, const char *scope, const char *user, const char *session, uint32_t ttl_ms);
void rig_leave(struct rig *rig, const char *scope, const char *user, const char *session);
/* A beat with everything; answers the code. */
enum muster_code rig_beat(struct rig *rig, struct beat beat);
enum muster_code rig_batch(struct rig *rig, const struct beat *beats, size_t n);
/* The same, with the effects after those of the calls before. */
enum muster_code rig_batch_after(struct rig *rig, const struct beat *beats, size_t n);
/* A beat to fill such a batch. */
struct beat rig_a_beat(const char *scope, const char *user, const char *session, uint32_t ttl_ms);
uint64_t rig_reset(struct rig *rig, const char *scope);
/* One that is ordered after the beats up to `stamp`, and before all others. */
uint64_t rig_reset_at(struct rig *rig, const char *scope, uint64_t stamp);
/* Ticks until nothing is due. Effects of all ticks are kept, as far as there is room. */
void rig_tick(struct rig *rig);

struct user_view rig_view(const struct rig *rig, const char *scope, const char *user);
bool rig_is_live(const struct rig *rig, const char *scope, const char *user);
/* How many users were seen in a window. */
struct window_count rig_window(const struct rig *rig, const char *scope, uint64_t window_ms);
struct scope_counts rig_counts(const struct rig *rig, const char *scope);
struct roll_stats rig_stats(const struct rig *rig);
/* The only live session of a user; fails the test if there are none or more. */
struct session_view rig_session(const struct rig *rig, const char *scope, const char *user);

/* How many effects of a kind the last call made for a user. */
size_t rig_told(const struct rig *rig, enum effect_kind kind, enum effect_reason reason, const char *user);

#endif
