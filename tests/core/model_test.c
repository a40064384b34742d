/* Random histories on the roll and on a naive model of it, comparing every answer.
 *
 *   MUSTER_SEED         only this seed (default: a few fixed ones, and one that differs from run to run)
 *   MUSTER_WORLD        only this world
 *   MUSTER_MODEL_STEPS  steps, in percent of what is usual */
#include "audit.h"
#include "compare.h"
#include "trial.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)
#define NO_CAP    UINT64_C(1000000)
#define NO_BYTES  (UINT64_C(1) << 40)

enum { FIXED_SEEDS = 2, TTL_TINY_MS = 10, TICK_BUDGET_MANY = 100000, LOG_SLOTS_FOR_CAPS = 1 << 18 };

/* ---- random choices --------------------------------------------------------------------------------------------- */

static uint32_t pick_user(struct trial *trial) {
    uint64_t users = trial->world->users;
    if (trial->world->grows) {
        users = 1 + users * trial->step / (trial->world->steps + 1);
        if (random_chance(&trial->random, 1, 2))
            return (uint32_t)(users - 1 - random_below(&trial->random, 1 + users / 100));
    }
    /* Some come again and again. */
    if (random_chance(&trial->random, 1, 3)) users = 1 + users / 16;
    return (uint32_t)random_below(&trial->random, users);
}

static uint32_t pick_session(struct trial *trial) {
    uint32_t sessions = trial->world->sessions;
    if (sessions <= MUSTER_SESSIONS_MAX && random_chance(&trial->random, 1, 2)) return 0;
    return (uint32_t)random_below(&trial->random, sessions);
}

static uint32_t pick_ttl_ms(struct trial *trial) {
    static const uint32_t common[] = {MUSTER_TTL_MIN_MS, 5000, MUSTER_TTL_DEFAULT_MS, 10 * 60000};
    uint64_t choice = random_below(&trial->random, 100);
    if (choice < 18) return 0;
    if (choice < 25) return (uint32_t)random_between(&trial->random, 1, TTL_TINY_MS);
    if (choice < 70) return common[random_below(&trial->random, sizeof common / sizeof *common)];
    if (choice < 95) return (uint32_t)random_between(&trial->random, MUSTER_TTL_MIN_MS, 120000);
    if (choice < 98) return (uint32_t)random_between(&trial->random, 1, MUSTER_TTL_MAX_MS);
    return MUSTER_TTL_MAX_MS;
}

static struct text pick_state(struct trial *trial) {
    uint32_t most = trial->world->state_bytes_max;
    if (most == 0 || random_chance(&trial->random, 2, 3)) return (struct text){NULL, 0};
    uint32_t len = (uint32_t)random_between(&trial->random, 1, random_chance(&trial->random, 3, 4) ? 24 : most);
    if (len > most) len = most;
    return (struct text){trial->states + random_below(&trial->random, MUSTER_STATE_BYTES_MAX * 63), len};
}

static void pick_beat(struct trial *trial, struct model_beat *beat) {
    *beat = (struct model_beat){
        .scope = (uint32_t)random_below(&trial->random, trial->world->scopes),
        .user = pick_user(trial),
        .session = pick_session(trial),
        .ttl_ms = pick_ttl_ms(trial),
        .status = (uint8_t)random_between(&trial->random, STATUS_AWAY, STATUS_BUSY),
    };
    if (beat->ttl_ms != 0) beat->state = pick_state(trial);
}

/* A beat that says what the member's last one said, of beat i of a batch. false: none was met. */
static bool pick_refresh(struct trial *trial, size_t i) {
    struct model_beat *beat = &trial->batch[i];
    for (int tries = 0; tries < 8; tries++) {
        pick_beat(trial, beat);
        const struct model_user *user = model_user_at(trial->model, beat->scope, beat->user);
        if (user->count == 0) continue;
        const struct model_member *known = &user->members[random_below(&trial->random, user->count)];
        if (!model_is_session(known) || !model_is_live(known, trial->now_ms)) continue;
        beat->session = known->session;
        char *state = trial->known_states + i * trial->world->state_bytes_max;
        memcpy(state, known->state_len > 0 ? known->state : "", known->state_len);
        beat->ttl_ms = known->ttl_ms;
        beat->status = known->status;
        beat->state = (struct text){state, known->state_len};
        beat->is_refresh = random_chance(&trial->random, 1, 2);
        if (beat->is_refresh) beat->state.len = 0;
        return true;
    }
    return false;
}

static size_t pick_batch(struct trial *trial) {
    size_t n = 1 + random_below(&trial->random, random_chance(&trial->random, 1, 3) ? 3 : trial->world->batch_max);
    if (n > trial->world->batch_max) n = trial->world->batch_max;
    /* Batches that begin with refreshes, or have nothing else. */
    size_t refreshes = random_chance(&trial->random, 1, 2) ? random_below(&trial->random, 2 * n) : 0;
    for (size_t i = 0; i < n; i++) {
        if (i < refreshes && pick_refresh(trial, i)) continue;
        pick_beat(trial, &trial->batch[i]);
        /* The same member more than once. */
        if (i > 0 && random_chance(&trial->random, 1, 20)) {
            const struct model_beat *again = &trial->batch[random_below(&trial->random, i)];
            trial->batch[i].scope = again->scope;
            trial->batch[i].user = again->user;
            trial->batch[i].session = again->session;
        }
        /* The same again as it was: a refresh. */
        struct model_member *known =
            model_find(trial->model, trial->batch[i].scope, trial->batch[i].user, trial->batch[i].session);
        if (known != NULL && known->ttl_ms != 0 && random_chance(&trial->random, 1, 3)) {
            trial->batch[i].ttl_ms = known->ttl_ms;
            trial->batch[i].status = known->status;
        }
        /* Of any session, also one that is not live, or that nobody knows. */
        trial->batch[i].is_refresh = trial->batch[i].ttl_ms != 0 && random_chance(&trial->random, 1, 6);
        if (trial->batch[i].is_refresh) trial->batch[i].state.len = 0;
    }
    return n;
}

static void write_beats(struct trial *trial, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct model_beat *from = &trial->batch[i];
        struct text scope = trial->scopes.items[from->scope], user = trial->users.items[from->user];
        if (from->session == MODEL_LEAVE) trial->beats[i] = beat_of_leave(scope, user);
        if (from->session == MODEL_STATUS)
            trial->beats[i] = beat_of_status(scope, user, (enum status)from->status, from->ttl_ms);
        if (from->session >= MODEL_LEAVE) continue;
        trial->beats[i] = (struct beat){
            .scope = scope,
            .user = user,
            .session = trial->sessions.items[from->session],
            .state = from->state,
            .ttl_ms = from->ttl_ms,
            .status = from->is_refresh ? STATUS_NONE : from->status,
            .is_refresh = from->is_refresh,
        };
    }
}

static struct effects *fresh_effects(struct trial *trial) {
    effects_clear(&trial->effects);
    return &trial->effects;
}

/* ---- who made room ---------------------------------------------------------------------------------------------- */

static uint64_t ended_ms(const struct model_member *member) {
    return member->seen_ms + member->ttl_ms;
}

/* By a beat that is no refresh: these save nobody from making room. */
static bool is_named(const struct trial *trial, size_t n, uint32_t scope, uint32_t user, uint32_t session) {
    for (size_t i = 0; i < n; i++)
        if (trial->batch[i].scope == scope && trial->batch[i].user == user && trial->batch[i].session == session &&
            !trial->batch[i].is_refresh)
            return true;
    return false;
}

/* Marks in the model every member that the roll still has. */
static void mark_found(struct trial *trial) {
    for (uint32_t s = 0; s < trial->world->scopes; s++)
        for (uint32_t u = 0; u < trial->world->users; u++) {
            struct model_user *user = model_user_at(trial->model, s, u);
            for (size_t m = 0; m < user->count; m++) user->members[m].is_found = false;
        }
    enum { CHANGES = 256 };
    static struct change changes[CHANGES];
    uint64_t at = 0;
    while (at != trial->model->sequence) {
        bool is_complete = false;
        size_t count = roll_changes(trial->roll, &at, CHANGES, &is_complete, changes);
        if (!is_complete) mismatch(trial, "the log must reach back to the start here");
        for (size_t i = 0; i < count; i++) {
            if (changes[i].is_reset) continue;
            int64_t scope = names_find(&trial->scopes, changes[i].scope),
                    user = names_find(&trial->users, changes[i].user),
                    session = names_find(&trial->sessions, changes[i].session);
            if (scope == NAMES_NONE || user == NAMES_NONE || session == NAMES_NONE) mismatch(trial, "a strange change");
            struct model_member *member = model_find(trial->model, (uint32_t)scope, (uint32_t)user, (uint32_t)session);
            if (member == NULL || member->sequence != changes[i].sequence)
                mismatch(trial, "roll_changes: scope %d user %d session %d at %" PRIu64, (int)scope, (int)user,
                         (int)session, changes[i].sequence);
            member->is_found = true;
        }
    }
}

/* The earliest end of a lease among those of a user, or of all (scope UINT32_MAX), who could have made room and did
 * not. */
static uint64_t longest_gone_left(const struct trial *trial, size_t n, uint32_t scope, uint32_t user) {
    uint64_t longest_ms = UINT64_MAX;
    for (uint32_t s = 0; s < trial->world->scopes; s++)
        for (uint32_t u = 0; u < trial->world->users; u++) {
            if (scope != UINT32_MAX && (s != scope || u != user)) continue;
            const struct model_user *candidate = model_user_at(trial->model, s, u);
            for (size_t m = 0; m < candidate->count; m++) {
                const struct model_member *member = &candidate->members[m];
                if (!member->is_found || model_is_live(member, trial->now_ms)) continue;
                if (!model_is_known(trial->model, member, trial->now_ms)) continue;
                if (is_named(trial, n, s, u, member->session)) continue;
                if (ended_ms(member) < longest_ms) longest_ms = ended_ms(member);
            }
        }
    return longest_ms;
}

/* How many sessions of a user may have been gone during a batch of n. */
static size_t gone_with_victims(const struct trial *trial, size_t n, uint32_t scope, uint32_t user) {
    const struct model_user *asked = model_user_at(trial->model, scope, user);
    size_t gone = 0;
    for (size_t m = 0; m < asked->count; m++)
        gone += model_is_known(trial->model, &asked->members[m], trial->now_ms) &&
                !model_is_live(&asked->members[m], trial->now_ms);
    for (size_t i = 0; i < n && n > ROLL_SESSIONS_A_PIECE; i++)
        gone += trial->batch[i].scope == scope && trial->batch[i].user == user;
    return gone;
}

/* Who made room: the registers of the model that the roll no longer has. Each must have been gone, and among the
 * longest gone: of its user, where that has too many that are gone, else of all. */
struct victims {
    uint64_t of_all, of_users;
};

static void check_victim(struct trial *trial, size_t n, uint32_t scope, uint32_t user,
                         const struct model_member *victim, uint64_t longest_left_ms, bool is_of_user) {
    bool is_forbidden = !is_of_user && is_named(trial, n, scope, user, victim->session);
    uint64_t left_ms = is_of_user ? longest_gone_left(trial, n, scope, user) : longest_left_ms;
    uint64_t slack_ms = is_of_user ? 0 : trial_bucket_ms(trial);
    if (!model_is_live(victim, trial->now_ms) && !is_forbidden &&
        (left_ms == UINT64_MAX || ended_ms(victim) <= left_ms + slack_ms))
        return;
    trial_report_user(trial, scope, user);
    mismatch(trial,
             "scope %u user %u session %u made room: named %d, gone at %" PRIu64 ", one gone at %" PRIu64 " did not",
             scope, user, victim->session, is_forbidden, ended_ms(victim), left_ms);
}

static void remove_victims_of(struct trial *trial, size_t n, uint32_t scope, uint32_t user, uint64_t longest_left_ms,
                              struct victims *victims) {
    struct model_user *asked = model_user_at(trial->model, scope, user);
    uint64_t seen_before_ms = model_view(trial->model, scope, user, trial->now_ms).seen_ms;
    size_t gone = gone_with_victims(trial, n, scope, user), of_all = 0;
    bool has_too_many = gone > MUSTER_SESSIONS_MAX;
    for (size_t m = asked->count; m-- > 0;) {
        struct model_member *member = &asked->members[m];
        if (member->is_found) continue;
        if (model_is_known(trial->model, member, trial->now_ms)) {
            check_victim(trial, n, scope, user, member, longest_left_ms, has_too_many);
            if (member->seen_ms > trial->made_room_ms) trial->made_room_ms = member->seen_ms;
            if (has_too_many) victims->of_users++;
            else of_all++;
        }
        model_remove(asked, member);
    }
    victims->of_all += of_all;
    uint64_t seen_ms = model_view(trial->model, scope, user, trial->now_ms).seen_ms;
    if (of_all > 0 && seen_ms < seen_before_ms && seen_before_ms > trial->evicted_ms[scope])
        trial->evicted_ms[scope] = seen_before_ms;
}

static void follow_victims(struct trial *trial, size_t n) {
    struct victims victims = {0};
    mark_found(trial);
    uint64_t longest_left_ms = longest_gone_left(trial, n, UINT32_MAX, 0);
    for (uint32_t s = 0; s < trial->world->scopes; s++)
        for (uint32_t u = 0; u < trial->world->users; u++) remove_victims_of(trial, n, s, u, longest_left_ms, &victims);
    struct roll_stats stats;
    roll_stats(trial->roll, &stats);
    /* Those whom a reset has voided go by users, who may have more members than room was wanted for. */
    bool is_full = stats.members == trial->world->members_max || trial->world->bytes_max < NO_BYTES || trial->was_reset;
    if (victims.of_all > 0 && !is_full)
        mismatch(trial, "%" PRIu64 " made room, though the roll is not full", victims.of_all);
}

/* ---- operations ------------------------------------------------------------------------------------------------- */

static bool is_refusal_right(const struct trial *trial, const struct refusal *why,
                             const struct model_refusals *expected, size_t n) {
    if (why->index >= n) return false;
    if (strcmp(why->what, "members") == 0)
        return (expected->members_may || trial->was_reset) && why->limit == trial->world->members_max;
    if (strcmp(why->what, "bytes") == 0)
        return trial->world->bytes_max < NO_BYTES && why->limit == trial->world->bytes_max;
    return false;
}

/* A refused call leaves everybody as it was; expiries may be noticed and told. */
static void check_refused(struct trial *trial, size_t n, const struct roll_stats *before, const struct refusal *why,
                          const struct model_refusals *expected, const struct touched *touched) {
    if (why->what == NULL || !is_refusal_right(trial, why, expected, n))
        mismatch(trial, "refused for %s at %zu of %zu, limit %" PRIu64 "; the model: members %d",
                 why->what == NULL ? "nothing" : why->what, why->index, n, why->limit, expected->members_may);
    struct roll_stats after;
    roll_stats(trial->roll, &after);
    /* What a reset has voided may be freed along the way. */
    bool is_same = after.members == before->members || (trial->was_reset && after.members < before->members);
    if (!is_same || after.evicted != before->evicted || after.sequence != before->sequence ||
        after.forgotten != before->forgotten)
        mismatch(trial, "a refused batch has changed something");
    audit_touch(trial, 0, touched);
    for (size_t i = 0; i < n && random_chance(&trial->random, 1, 4); i++) {
        compare_live(trial, trial->batch[i].scope, trial->batch[i].user, 1);
        compare_sessions(trial, trial->batch[i].scope, trial->batch[i].user);
    }
}

static void check_outcomes(struct trial *trial, size_t n, const struct touched *got, const struct touched *expected) {
    if (got->joined != expected->joined || got->left != expected->left || got->displaced != expected->displaced ||
        got->unknown != expected->unknown)
        mismatch(trial, "%u joined, %u left, %u displaced and %u unknown; not %u, %u, %u and %u", got->joined,
                 got->left, got->displaced, got->unknown, expected->joined, expected->left, expected->displaced,
                 expected->unknown);
    for (size_t i = 0; i < n; i++) {
        const struct beat_outcome *roll = &trial->outcomes[i], *model = &trial->outcomes_in_model[i];
        if (roll->joined != model->joined || roll->is_unknown != model->is_unknown ||
            roll->displaced != model->displaced)
            mismatch(trial, "beat %zu of %zu: joined %d, unknown %d, displaced %u; not %d, %d and %u", i, n,
                     roll->joined, roll->is_unknown, roll->displaced, model->joined, model->is_unknown,
                     model->displaced);
    }
}

static void touch_batch(struct trial *trial, size_t n) {
    trial->doing = "touching";
    write_beats(trial, n);
    trial->stamp += random_between(&trial->random, 1, 100);
    struct model_refusals expected = {0};
    if (trial->world->is_capped) expected = model_refuses(trial->model, trial->batch, n, trial->now_ms);
    audit_before_touch(trial, n);
    struct roll_stats before, after;
    roll_stats(trial->roll, &before);
    struct touched touched = {0};
    struct refusal why = {0};
    enum muster_code code = roll_touch_each(trial->roll, trial->beats, n, trial->stamp, trial->now_ms,
                                            fresh_effects(trial), &touched, trial->outcomes, &why);
    if (code == MUSTER_RESOURCE_EXHAUSTED) {
        check_refused(trial, n, &before, &why, &expected, &(struct touched){0});
        return;
    }
    if (code != MUSTER_OK) mismatch(trial, "roll_touch: code %d", code);
    if (expected.members_must) mismatch(trial, "a batch of %zu was taken, and there is no room for its members", n);
    struct touched in_model =
        model_touch(trial->model, trial->batch, n, trial->stamp, trial->now_ms, trial->outcomes_in_model);
    check_outcomes(trial, n, &touched, &in_model);
    audit_touch(trial, n, &touched);
    roll_stats(trial->roll, &after);
    if (after.sequence != before.sequence + n + in_model.displaced - in_model.unknown)
        mismatch(trial, "%zu beats, %u displaced and %u unknown, %" PRIu64 " sequences", n, in_model.displaced,
                 in_model.unknown, after.sequence - before.sequence);
    if (after.displaced != before.displaced + in_model.displaced) mismatch(trial, "displaced in the figures");
    if (trial->world->is_capped) follow_victims(trial, n);
    else if (after.evicted != before.evicted) mismatch(trial, "somebody made room, though there is room");
}

static void step_touch(struct trial *trial) {
    touch_batch(trial, pick_batch(trial));
}

/* Everything that a user has leaves. */
static void step_leave_all(struct trial *trial) {
    trial->doing = "leaving";
    uint32_t scope = (uint32_t)random_below(&trial->random, trial->world->scopes), user = pick_user(trial);
    struct session_view views[MUSTER_SESSIONS_MAX];
    size_t count =
        roll_sessions(trial->roll, trial->scopes.items[scope], trial->users.items[user], trial->now_ms, views);
    if (count > trial->world->batch_max) return;
    for (size_t i = 0; i < count; i++) {
        int64_t session = names_find(&trial->sessions, views[i].session);
        if (session == NAMES_NONE) mismatch(trial, "roll_sessions: a session from nowhere");
        trial->batch[i] = (struct model_beat){.scope = scope, .user = user, .session = (uint32_t)session};
    }
    if (count == 0) return;
    touch_batch(trial, count);
    if (model_view(trial->model, scope, user, trial->now_ms).live) mismatch(trial, "user %u did not leave", user);
}

/* A batch that ends with a leave of all sessions of a user, which spares those of the batch, or with a status. */
static void step_register(struct trial *trial) {
    size_t n = random_chance(&trial->random, 1, 2) ? 1 : pick_batch(trial);
    struct model_beat *last = &trial->batch[n - 1];
    pick_beat(trial, last);
    last->state.len = 0;
    if (n > 1 && random_chance(&trial->random, 1, 2)) {
        last->scope = trial->batch[0].scope;
        last->user = trial->batch[0].user;
    }
    last->session = random_chance(&trial->random, 1, 2) ? MODEL_LEAVE : MODEL_STATUS;
    if (last->session == MODEL_LEAVE) last->ttl_ms = 0;
    else if (random_chance(&trial->random, 1, 4)) last->ttl_ms = (uint32_t)MUSTER_STATUS_TTL_MAX_MS;
    touch_batch(trial, n);
}

static bool tick(struct trial *trial, size_t budget) {
    trial->doing = "ticking";
    bool more = roll_tick(trial->roll, trial->now_ms, budget, fresh_effects(trial));
    audit_tick(trial, budget, more);
    if (more) return true;
    trial->ticked_ms = trial->now_ms;
    trial->was_reset = trial->has_survivors = false;
    /* The memory of those who are forgotten comes back with their bucket. */
    model_purge(trial->model, trial->now_ms, 2 * trial_bucket_ms(trial));
    return false;
}

static void step_tick(struct trial *trial) {
    static const size_t budgets[] = {1, 2, 7, 50, 1000, TICK_BUDGET_MANY};
    size_t budget = budgets[random_below(&trial->random, sizeof budgets / sizeof *budgets)];
    bool is_long_ago = trial->now_ms - trial->ticked_ms > HOUR_MS;
    if ((trial->world->users > 1000 || is_long_ago) && budget < 1000) budget = 1000;
    bool to_the_end = random_chance(&trial->random, 2, 3);
    uint64_t ticks = 0;
    while (tick(trial, budget) && to_the_end)
        if (++ticks > UINT64_C(1000000)) mismatch(trial, "roll_tick never ends");
}

/* To the very end of a lease or of a memory, or a millisecond past it. */
static uint64_t pick_boundary_ms(struct trial *trial) {
    const struct model_user *user =
        model_user_at(trial->model, (uint32_t)random_below(&trial->random, trial->world->scopes), pick_user(trial));
    if (user->count == 0) return trial->now_ms;
    const struct model_member *member = &user->members[random_below(&trial->random, user->count)];
    uint64_t boundary_ms = ended_ms(member) + random_below(&trial->random, 2);
    if (random_chance(&trial->random, trial->world->jumps, 1000)) boundary_ms += trial->world->retention_ms;
    return boundary_ms;
}

static void step_time(struct trial *trial) {
    uint64_t choice = random_below(&trial->random, 100), target_ms = trial->now_ms;
    if (random_chance(&trial->random, trial->world->jumps, 1000)) {
        static const uint64_t leaps_ms[] = {MUSTER_TTL_MAX_MS, MUSTER_TTL_MAX_MS + 1, 2 * DAY_MS, 40 * DAY_MS,
                                            400 * DAY_MS};
        uint64_t most_ms = 2 * DAY_MS + 1000 * trial->world->retention_ms;
        uint64_t leap_ms = choice < 40   ? random_below(&trial->random, trial->world->retention_ms)
                           : choice < 60 ? trial->world->retention_ms
                                         : leaps_ms[random_below(&trial->random, sizeof leaps_ms / sizeof *leaps_ms)];
        target_ms += leap_ms < most_ms ? leap_ms : most_ms;
    } else if (choice < 30) target_ms += random_between(&trial->random, 1, 10);
    else if (choice < 60) target_ms += random_between(&trial->random, 1, 1000);
    else if (choice < 85) target_ms = pick_boundary_ms(trial);
    else if (choice < 97) target_ms += random_between(&trial->random, 1, 10000);
    else target_ms += random_between(&trial->random, 1, 3 * MINUTE_MS);
    if (target_ms > trial->now_ms) trial->now_ms = target_ms;
    /* Who is longest gone is known as far as the ticks keep up. */
    if (trial->world->is_capped && trial->now_ms - trial->ticked_ms >= trial_bucket_ms(trial))
        while (tick(trial, TICK_BUDGET_MANY)) continue;
}

static void step_reset(struct trial *trial) {
    trial->doing = "resetting";
    uint32_t scope = (uint32_t)random_below(&trial->random, trial->world->scopes);
    struct model_scope *in_model = &trial->model->scopes[scope];
    uint64_t stamp = ++trial->stamp;
    /* One that was ordered before the latest beats, as from another node. */
    if (random_chance(&trial->random, 1, 4)) stamp -= random_below(&trial->random, 500);
    bool was_known = model_is_scope_known(trial->model, scope, trial->now_ms);
    uint64_t forgotten = 0;
    struct refusal why = {0};
    enum muster_code code = roll_reset(trial->roll, trial->scopes.items[scope], stamp, trial->now_ms,
                                       fresh_effects(trial), &forgotten, &why);
    if (code != MUSTER_OK) mismatch(trial, "roll_reset: code %d", code);
    bool is_newer = stamp > in_model->reset_stamp;
    struct model_forgotten expected = model_reset(trial->model, scope, stamp, trial->now_ms);
    /* Survivors of a reset count again when the ticks have come to them. */
    if (trial->has_survivors) expected.whole = 0;
    if (forgotten < expected.whole || forgotten > expected.any)
        mismatch(trial, "roll_reset: %" PRIu64 " forgotten, not %" PRIu64 " to %" PRIu64, forgotten, expected.whole,
                 expected.any);
    trial->was_reset = true;
    trial->evicted_ms[scope] = 0;
    audit_reset(trial, scope, was_known && is_newer);
    struct roll_stats stats;
    roll_stats(trial->roll, &stats);
    uint64_t taken = stats.sequence - trial->model->sequence;
    if (taken > 1 || (taken == 0 && is_newer && was_known))
        mismatch(trial, "a reset took %" PRIu64 " sequences", taken);
    trial->model->sequence += taken;
    if (is_newer) in_model->reset_stamp = stamp;
    if (taken == 1) in_model->reset_sequence = stats.sequence;
    if (taken == 1) in_model->reset_ms = trial->now_ms;
}

/* ---- walks with changes between their steps --------------------------------------------------------------------- */

static void disturb(struct trial *trial) {
    uint64_t choice = random_below(&trial->random, 10);
    if (choice < 5) step_touch(trial);
    else if (choice < 7) step_tick(trial);
    else if (choice < 9) step_time(trial);
}

/* Who is live throughout a walk comes exactly once. */
static void step_walk(struct trial *trial) {
    uint32_t users = trial->world->users, scope = (uint32_t)random_below(&trial->random, trial->world->scopes);
    size_t least = users <= 300 ? 1 : users / 20, limit = random_between(&trial->random, least, least + users / 8);
    if (PLACES_MAY_COLLIDE && limit < users) limit = users;
    bool *throughout = malloc(users * sizeof *throughout);
    uint32_t *seen = calloc(users, sizeof *seen);
    for (uint32_t u = 0; u < users; u++) throughout[u] = true;
    struct page page = {.more = true};
    for (bool is_first = true; page.more; is_first = false) {
        uint64_t after = page.next;
        if (!is_first) disturb(trial);
        trial->doing = "walking";
        page = compare_page(trial, scope, STATUS_MASK_ALL, is_first ? NULL : &after, limit);
        for (size_t i = 0; i < page.count; i++) seen[names_find(&trial->users, trial->views[i].user)]++;
        for (uint32_t u = 0; u < users; u++) throughout[u] &= model_view(trial->model, scope, u, trial->now_ms).live;
    }
    for (uint32_t u = 0; u < users; u++)
        if (seen[u] > 1 || (throughout[u] && seen[u] == 0))
            mismatch(trial, "a walk by %zu: user %u, live throughout %d, came %u times", limit, u, throughout[u],
                     seen[u]);
    free(throughout);
    free(seen);
}

/* Whether a search that finds a user is sure to show it. Where users share a hash, it is told by its first session,
 * and that one may go: as the user's other sessions do, or in the wake of a reset. */
static bool is_sure_to_show(const struct trial *trial, uint32_t scope, uint32_t user) {
    return !PLACES_MAY_COLLIDE || (model_user_at(trial->model, scope, user)->count == 1 && !trial->was_reset);
}

/* Who is live and untouched throughout a search, and is not among its best, is older than all of them. */
static void step_search(struct trial *trial) {
    uint32_t users = trial->world->users, scope = (uint32_t)random_below(&trial->random, trial->world->scopes);
    size_t k = random_between(&trial->random, 1, 20);
    struct user_view *before = malloc(users * sizeof *before);
    bool *is_found = calloc(users, sizeof *is_found), *is_steady = malloc(users * sizeof *is_steady);
    for (uint32_t u = 0; u < users; u++) {
        before[u] = model_view(trial->model, scope, u, trial->now_ms);
        is_steady[u] = before[u].live && is_sure_to_show(trial, scope, u);
    }
    struct recent best[20];
    struct recent_search search = {0};
    while (!roll_recent(trial->roll, trial->scopes.items[scope], STATUS_MASK_ALL, k, trial->now_ms, 1 + users / 4,
                        &search, best)) {
        disturb(trial);
        for (uint32_t u = 0; u < users; u++) {
            struct user_view now = model_view(trial->model, scope, u, trial->now_ms);
            is_steady[u] &= now.live && now.seen_ms == before[u].seen_ms && is_sure_to_show(trial, scope, u);
        }
    }
    trial->doing = "searching";
    uint64_t least_ms = search.count == k ? best[k - 1].seen_ms : 0;
    for (size_t i = 0; i < search.count; i++) {
        struct user_view view;
        if (i > 0 && best[i].seen_ms > best[i - 1].seen_ms) mismatch(trial, "roll_recent: out of order");
        if (!roll_recent_view(trial->roll, trial->scopes.items[scope], &best[i], trial->now_ms, &view)) continue;
        int64_t user = names_find(&trial->users, view.user);
        /* A record that another user of the same hash has taken is that user's now. */
        if (user != NAMES_NONE && is_found[user] && PLACES_MAY_COLLIDE) continue;
        if (user == NAMES_NONE || is_found[user]) mismatch(trial, "roll_recent: user %d", (int)user);
        if (!compare_view(trial, scope, (uint32_t)user, &view)) mismatch(trial, "roll_recent_view: user %d", (int)user);
        is_found[user] = true;
    }
    for (uint32_t u = 0; u < users; u++)
        if (is_steady[u] && !is_found[u] && before[u].seen_ms > least_ms)
            mismatch(trial, "roll_recent: user %u is newer than what was found", u);
    free(before);
    free(is_found);
    free(is_steady);
}

/* ---- a trial ---------------------------------------------------------------------------------------------------- */

static void step_read(struct trial *trial) {
    trial->doing = "reading";
    struct random *random = &trial->random;
    uint32_t scope = (uint32_t)random_below(random, trial->world->scopes), users = trial->world->users;
    uint64_t sequence = trial->model->sequence;
    switch (random_below(random, 7)) {
    case 0:
        compare_live(trial, scope, pick_user(trial), 1);
        break;
    case 1:
        compare_sessions(trial, scope, pick_user(trial));
        break;
    case 2:
        compare_list(trial, scope, 2u * (unsigned)random_below(random, 8),
                     random_between(random, 1 + users / 20, users));
        break;
    case 3:
        compare_recent(trial, scope, STATUS_MASK_ALL, random_between(random, 1, 20),
                       random_between(random, 1 + users / 50, 1000));
        break;
    case 4:
        compare_counts(trial, scope);
        break;
    case 5:
        compare_scopes(trial, random_between(random, 1, trial->world->scopes));
        break;
    default:
        compare_changes(trial, sequence - random_below(random, 1 + (sequence < 500 ? sequence : 500)),
                        random_between(random, 1, 50));
    }
}

static void step(struct trial *trial) {
    uint64_t choice = random_below(&trial->random, 1000);
    if (choice < 520) step_touch(trial);
    else if (choice < 530 || (choice < 545 && trial->world->is_capped)) step_leave_all(trial);
    else if (choice < 545) step_register(trial);
    else if (choice < 660) step_tick(trial);
    else if (choice < 830) step_time(trial);
    else if (choice < 970) step_read(trial);
    else if (choice < 985) step_walk(trial);
    else if (choice < 994) step_search(trial);
    else if (choice < 997) step_reset(trial);
}

static void run_trial(const struct world *world, uint64_t seed) {
    struct trial *trial = trial_new(world, seed);
    for (trial->step = 0; trial->step < world->steps; trial->step++) {
        step(trial);
        if (trial->step % world->compare_every == 0) compare_everything(trial);
    }
    /* Long after, nothing is left. */
    trial->now_ms += world->retention_ms + MUSTER_STATUS_TTL_MAX_MS + 2 * trial_bucket_ms(trial);
    while (tick(trial, TICK_BUDGET_MANY)) continue;
    trial->now_ms += 3 * trial_bucket_ms(trial);
    while (tick(trial, TICK_BUDGET_MANY)) continue;
    compare_everything(trial);
    struct roll_stats stats;
    roll_stats(trial->roll, &stats);
    if (stats.members != 0 || stats.members_live != 0) mismatch(trial, "members remain: %" PRIu64, stats.members);
    trial_free(trial);
}

static const struct world worlds[] = {
    {.name = "small",
     .scopes = 3,
     .users = 40,
     .sessions = 4,
     .retention_ms = HOUR_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = 1 << 14,
     .batch_max = 50,
     .steps = 30000,
     .state_bytes_max = 1024,
     .compare_every = 23,
     .jumps = 8,
     .trials = 1},
    {.name = "short memory",
     .scopes = 2,
     .users = 30,
     .sessions = 3,
     .retention_ms = MUSTER_RETENTION_MIN_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = 16,
     .batch_max = 20,
     .steps = 20000,
     .state_bytes_max = 40,
     .compare_every = 23,
     .jumps = 20,
     .trials = 1},
    {.name = "long memory",
     .scopes = 5,
     .users = 60,
     .sessions = 2,
     .retention_ms = MUSTER_RETENTION_MAX_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = 1 << 10,
     .batch_max = 50,
     .steps = 15000,
     .state_bytes_max = 100,
     .compare_every = 29,
     .jumps = 5,
     .trials = 1},
    {.name = "few hashes",
     .scopes = 2,
     .users = 40,
     .sessions = 2,
     .retention_ms = DAY_MS,
     .members_max = 60,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 12,
     .steps = 3000,
     .state_bytes_max = 30,
     .compare_every = 19,
     .jumps = 4,
     .trials = 3,
     .is_capped = true},
    {.name = "one hash",
     .scopes = 2,
     .users = 4,
     .sessions = 2,
     .retention_ms = DAY_MS,
     .members_max = 1,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 3,
     .steps = 3000,
     .state_bytes_max = 30,
     .compare_every = 5,
     .jumps = 4,
     .trials = 1,
     .is_capped = true},
    {.name = "few bytes",
     .scopes = 2,
     .users = 400,
     .sessions = 2,
     .retention_ms = DAY_MS,
     .members_max = NO_CAP,
     .bytes_max = 64 * 1024,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 20,
     .steps = 3000,
     .state_bytes_max = 1024,
     .compare_every = 19,
     .jumps = 4,
     .trials = 1,
     .is_capped = true},
    {.name = "many sessions",
     .scopes = 1,
     .users = 3,
     .sessions = 90,
     .retention_ms = HOUR_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 40,
     .steps = 5000,
     .state_bytes_max = 30,
     .compare_every = 19,
     .jumps = 4,
     .trials = 1,
     .is_capped = true},
    {.name = "more sessions than a user may have, in one call",
     .scopes = 1,
     .users = 2,
     .sessions = 600,
     .retention_ms = HOUR_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 500,
     .steps = 300,
     .state_bytes_max = 30,
     .compare_every = 19,
     .jumps = 4,
     .trials = 1,
     .is_capped = true},
    {.name = "few users, then many, then few", /* a scope of seven and fewer is kept otherwise */
     .scopes = 12,
     .users = 11,
     .sessions = 2,
     .retention_ms = MUSTER_RETENTION_MIN_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = 1 << 10,
     .batch_max = 12,
     .steps = 20000,
     .state_bytes_max = 40,
     .compare_every = 23,
     .jumps = 12,
     .trials = 1},
    {.name = "few users who make room",
     .scopes = 6,
     .users = 10,
     .sessions = 2,
     .retention_ms = HOUR_MS,
     .members_max = 25,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 8,
     .steps = 3000,
     .state_bytes_max = 30,
     .compare_every = 7,
     .jumps = 6,
     .trials = 2,
     .is_capped = true},
    {.name = "a large scope",
     .scopes = 1,
     .users = 7000,
     .sessions = 2,
     .retention_ms = 2 * HOUR_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = 1 << 12,
     .batch_max = 400,
     .steps = 3000,
     .state_bytes_max = 20,
     .compare_every = 97,
     .jumps = 5,
     .trials = 1},
    {.name = "a large scope that loses its oldest",
     .scopes = 1,
     .users = 9000,
     .sessions = 1,
     .retention_ms = DAY_MS,
     .members_max = 6000,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 200,
     .steps = 500,
     .compare_every = 97,
     .jumps = 5,
     .trials = 1,
     .is_capped = true},
    {.name = "one session a user, and not room for all",
     .scopes = 2,
     .users = 300,
     .sessions = 1,
     .retention_ms = DAY_MS,
     .members_max = 350,
     .bytes_max = NO_BYTES,
     .log_slots = LOG_SLOTS_FOR_CAPS,
     .batch_max = 150,
     .steps = 3000,
     .state_bytes_max = 30,
     .compare_every = 97,
     .jumps = 1,
     .trials = 1,
     .is_capped = true},
    {.name = "growth",
     .scopes = 1,
     .users = 120000,
     .sessions = 1,
     .retention_ms = DAY_MS,
     .members_max = NO_CAP,
     .bytes_max = NO_BYTES,
     .log_slots = 1 << 12,
     .batch_max = 900,
     .steps = 900,
     .compare_every = 100,
     .trials = 1,
     .grows = true},
};

static void run_world(void **state) {
    const struct world *world = *state;
    struct world scaled = *world;
    scaled.steps = (uint32_t)(world->steps * random_number_from_environment("MUSTER_MODEL_STEPS", 100) / 100);
    uint64_t only = random_number_from_environment("MUSTER_SEED", 0);
    if (only != 0) {
        run_trial(&scaled, only);
        return;
    }
    for (uint64_t seed = 1; seed <= FIXED_SEEDS * world->trials; seed++) run_trial(&scaled, seed);
    uint64_t fresh = random_fresh_seed();
    print_message("%s: a fresh seed, %" PRIu64 "\n", world->name, fresh);
    run_trial(&scaled, fresh);
}

int main(void) {
    const char *only = getenv("MUSTER_WORLD");
    enum { WORLDS = sizeof worlds / sizeof *worlds };
    struct CMUnitTest tests[WORLDS];
    size_t count = 0;
    for (size_t i = 0; i < WORLDS; i++) {
        if (only != NULL && strcmp(only, worlds[i].name) != 0) continue;
        if (PLACES_MAY_COLLIDE && worlds[i].users > WEAK_USERS_MAX) continue;
        static struct world initial[WORLDS];
        initial[i] = worlds[i];
        tests[count++] =
            (struct CMUnitTest){.name = worlds[i].name, .test_func = run_world, .initial_state = &initial[i]};
    }
    return _cmocka_run_group_tests("model", tests, count, NULL, NULL);
}
