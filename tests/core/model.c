#include "model.h"

#include <stdlib.h>
#include <string.h>

static void *checked(void *memory) {
    if (memory == NULL) abort();
    return memory;
}

struct model *model_new(uint32_t scopes, uint32_t users, uint64_t retention_ms, uint64_t members_max) {
    struct model *model = checked(calloc(1, sizeof *model));
    model->scopes = checked(calloc(scopes, sizeof *model->scopes));
    for (uint32_t s = 0; s < scopes; s++) model->scopes[s].users = checked(calloc(users, sizeof(struct model_user)));
    model->scope_count = scopes;
    model->user_count = users;
    model->retention_ms = retention_ms;
    model->members_max = members_max;
    return model;
}

static void forget_user(struct model_user *user) {
    for (size_t m = 0; m < user->count; m++) free(user->members[m].state);
    free(user->members);
}

void model_free(struct model *model) {
    if (model == NULL) return;
    for (uint32_t s = 0; s < model->scope_count; s++) {
        for (uint32_t u = 0; u < model->user_count; u++) forget_user(&model->scopes[s].users[u]);
        free(model->scopes[s].users);
    }
    free(model->scopes);
    free(model);
}

/* ---- members and users ----------------------------------------------------------------------------------------- */

bool model_is_session(const struct model_member *member) {
    return member->session < MODEL_LEAVE;
}

bool model_is_live(const struct model_member *member, uint64_t now_ms) {
    return member->ttl_ms != 0 && now_ms - member->seen_ms <= member->ttl_ms;
}

bool model_is_known(const struct model *model, const struct model_member *member, uint64_t now_ms) {
    return now_ms <= member->seen_ms + member->ttl_ms + model->retention_ms;
}

struct model_user *model_user_at(const struct model *model, uint32_t scope, uint32_t user) {
    return &model->scopes[scope].users[user];
}

struct model_member *model_find(const struct model *model, uint32_t scope, uint32_t user, uint32_t session) {
    struct model_user *found = model_user_at(model, scope, user);
    for (size_t m = 0; m < found->count; m++)
        if (found->members[m].session == session) return &found->members[m];
    return NULL;
}

struct user_view model_view(const struct model *model, uint32_t scope, uint32_t user, uint64_t now_ms) {
    struct user_view view = {0};
    uint8_t set = STATUS_NONE;
    const struct model_user *asked = model_user_at(model, scope, user);
    for (size_t m = 0; m < asked->count; m++) {
        const struct model_member *member = &asked->members[m];
        if (!model_is_known(model, member, now_ms)) continue;
        if (member->session == MODEL_STATUS) {
            if (model_is_live(member, now_ms)) set = member->status;
            continue;
        }
        view.known = true;
        if (member->seen_ms > view.seen_ms) view.seen_ms = member->seen_ms;
        if (!model_is_live(member, now_ms)) continue;
        view.live = true;
        view.sessions++;
        if (member->status > view.status) view.status = member->status;
    }
    if (view.live && set != STATUS_NONE) view.status = set;
    return view;
}

uint64_t model_live_members(const struct model *model, uint64_t now_ms) {
    uint64_t live = 0;
    for (uint32_t s = 0; s < model->scope_count; s++)
        for (uint32_t u = 0; u < model->user_count; u++) live += model_view(model, s, u, now_ms).sessions;
    return live;
}

uint64_t model_known_members(const struct model *model, uint64_t now_ms) {
    uint64_t known = 0;
    for (uint32_t s = 0; s < model->scope_count; s++)
        for (uint32_t u = 0; u < model->user_count; u++) {
            const struct model_user *user = model_user_at(model, s, u);
            for (size_t m = 0; m < user->count; m++) known += model_is_known(model, &user->members[m], now_ms);
        }
    return known;
}

bool model_is_scope_known(const struct model *model, uint32_t scope, uint64_t now_ms) {
    for (uint32_t u = 0; u < model->user_count; u++)
        if (model_view(model, scope, u, now_ms).known) return true;
    return false;
}

/* ---- refusals --------------------------------------------------------------------------------------------------- */

static bool is_same_member(const struct model_beat *a, const struct model_beat *b) {
    return a->scope == b->scope && a->user == b->user && a->session == b->session;
}

/* Of those that may make the member. */
static bool is_first_of_member(const struct model_beat *beats, size_t at) {
    if (beats[at].is_refresh) return false;
    for (size_t i = 0; i < at; i++)
        if (!beats[i].is_refresh && is_same_member(&beats[i], &beats[at])) return false;
    return true;
}

static bool is_known_now(const struct model *model, const struct model_beat *beat, uint64_t now_ms) {
    const struct model_member *member = model_find(model, beat->scope, beat->user, beat->session);
    return member != NULL && model_is_known(model, member, now_ms);
}

static bool is_live_now(const struct model *model, const struct model_beat *beat, uint64_t now_ms) {
    const struct model_member *member = model_find(model, beat->scope, beat->user, beat->session);
    return member != NULL && model_is_live(member, now_ms);
}

/* How many sessions the user of beats[n - 1] has after the first n beats, live and gone. */
static uint32_t sum_sessions(const struct model *model, const struct model_beat *beats, size_t n, uint64_t now_ms) {
    const struct model_beat *asked = &beats[n - 1];
    const struct model_user *user = model_user_at(model, asked->scope, asked->user);
    uint32_t known = 0;
    for (size_t m = 0; m < user->count; m++) known += model_is_known(model, &user->members[m], now_ms);
    for (size_t i = 0; i < n; i++) {
        if (beats[i].scope != asked->scope || beats[i].user != asked->user || !is_first_of_member(beats, i)) continue;
        known += !is_known_now(model, &beats[i], now_ms);
    }
    return known;
}

/* Members whose TTL has passed, which nobody has been told yet: they may not make room before the next tick. */
static uint64_t silent_members(const struct model *model, uint64_t now_ms) {
    uint64_t silent = 0;
    for (uint32_t s = 0; s < model->scope_count; s++)
        for (uint32_t u = 0; u < model->user_count; u++) {
            const struct model_user *user = model_user_at(model, s, u);
            for (size_t m = 0; m < user->count; m++)
                silent += user->members[m].is_told_live && !model_is_live(&user->members[m], now_ms);
        }
    return silent;
}

struct model_refusals model_refuses(const struct model *model, const struct model_beat *beats, size_t n,
                                    uint64_t now_ms) {
    struct model_refusals refusals = {0};
    uint64_t needed = 0, kept = model_live_members(model, now_ms), unnoticed = silent_members(model, now_ms);
    bool trades_sessions = false; /* a user's own tombstone may make room for its next session */
    for (size_t i = 0; i < n; i++) {
        trades_sessions |= sum_sessions(model, beats, i + 1, now_ms) > MUSTER_SESSIONS_MAX;
        if (!is_first_of_member(beats, i)) continue;
        bool is_known = is_known_now(model, &beats[i], now_ms);
        needed += !is_known;
        kept += is_known && !is_live_now(model, &beats[i], now_ms); /* gone, but named: it makes no room */
    }
    refusals.members_must = needed > 0 && needed + kept > model->members_max && !trades_sessions;
    refusals.members_may = needed > 0 && needed + kept + unnoticed > model->members_max;
    return refusals;
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

static struct model_member *add_member(struct model_user *user, uint32_t session) {
    if (user->count == user->capacity) {
        user->capacity = user->capacity == 0 ? 1 : 2 * user->capacity;
        user->members = checked(realloc(user->members, user->capacity * sizeof *user->members));
    }
    user->members[user->count] = (struct model_member){.session = session};
    return &user->members[user->count++];
}

static void apply(struct model *model, const struct model_beat *beat, uint64_t stamp, uint64_t now_ms) {
    struct model_member *member = model_find(model, beat->scope, beat->user, beat->session);
    if (member == NULL) member = add_member(model_user_at(model, beat->scope, beat->user), beat->session);
    free(member->state);
    member->state = NULL;
    if (beat->state.len != 0) {
        member->state = checked(malloc(beat->state.len));
        memcpy(member->state, beat->state.data, beat->state.len);
    }
    member->state_len = beat->state.len;
    member->status = beat->status;
    member->ttl_ms = beat->ttl_ms;
    member->is_told_live = model_is_session(member) && beat->ttl_ms != 0;
    member->ended_ms = 0;
    member->seen_ms = now_ms;
    member->stamp = stamp;
    member->sequence = ++model->sequence;
}

/* The session is still here. */
static void extend(struct model *model, struct model_member *member, uint32_t ttl_ms, uint64_t stamp, uint64_t now_ms) {
    member->ttl_ms = ttl_ms;
    member->seen_ms = now_ms;
    member->stamp = stamp;
    member->sequence = ++model->sequence;
}

static bool is_seen_before(const struct model_member *a, const struct model_member *b) {
    if (a->seen_ms != b->seen_ms) return a->seen_ms < b->seen_ms;
    return a->stamp != b->stamp ? a->stamp < b->stamp : a->sequence < b->sequence;
}

/* A session has become live: of those that are too many the ones seen the longest ago leave. How many. */
static uint16_t displace(struct model *model, const struct model_beat *newcomer, uint64_t stamp, uint64_t now_ms) {
    struct model_user *user = model_user_at(model, newcomer->scope, newcomer->user);
    uint16_t displaced = 0;
    for (; model_view(model, newcomer->scope, newcomer->user, now_ms).sessions > MODEL_SESSIONS_MAX; displaced++) {
        const struct model_member *found = NULL;
        for (size_t m = 0; m < user->count; m++) {
            const struct model_member *member = &user->members[m];
            if (member->session == newcomer->session || !model_is_session(member)) continue;
            if (!model_is_live(member, now_ms)) continue;
            if (found == NULL || is_seen_before(member, found)) found = member;
        }
        const struct model_beat leave = {
            .scope = newcomer->scope, .user = newcomer->user, .session = found->session, .status = found->status};
        apply(model, &leave, stamp, now_ms);
    }
    return displaced;
}

/* Every session of the user that was stamped before is gone. */
static void leave_all(struct model *model, const struct model_beat *beat, uint64_t stamp) {
    struct model_user *user = model_user_at(model, beat->scope, beat->user);
    for (size_t m = user->count; m-- > 0;)
        if (model_is_session(&user->members[m]) && user->members[m].stamp < stamp)
            model_remove(user, &user->members[m]);
}

static struct beat_outcome touch_one(struct model *model, const struct model_beat *beat, uint64_t stamp,
                                     uint64_t now_ms) {
    bool was_live = is_live_now(model, beat, now_ms);
    if (beat->is_refresh && !was_live) return (struct beat_outcome){.is_unknown = true};
    struct beat_outcome outcome = {.joined = !model_view(model, beat->scope, beat->user, now_ms).live};
    if (beat->is_refresh)
        extend(model, model_find(model, beat->scope, beat->user, beat->session), beat->ttl_ms, stamp, now_ms);
    else apply(model, beat, stamp, now_ms);
    if (beat->session == MODEL_LEAVE) leave_all(model, beat, stamp);
    outcome.joined &= model_view(model, beat->scope, beat->user, now_ms).live;
    if (!was_live && beat->ttl_ms != 0 && beat->session < MODEL_LEAVE)
        outcome.displaced = displace(model, beat, stamp, now_ms);
    return outcome;
}

struct touched model_touch(struct model *model, const struct model_beat *beats, size_t n, uint64_t stamp,
                           uint64_t now_ms, struct beat_outcome *each) {
    struct touched touched = {0};
    for (size_t i = 0; i < n; i++) {
        bool was_live = model_view(model, beats[i].scope, beats[i].user, now_ms).live;
        each[i] = touch_one(model, &beats[i], stamp, now_ms);
        bool is_live = model_view(model, beats[i].scope, beats[i].user, now_ms).live;
        touched.joined += each[i].joined;
        touched.left += was_live && !is_live;
        touched.displaced += each[i].displaced;
        touched.unknown += each[i].is_unknown;
    }
    return touched;
}

void model_remove(struct model_user *user, struct model_member *member) {
    free(member->state);
    *member = user->members[--user->count];
}

struct model_forgotten model_reset(struct model *model, uint32_t scope, uint64_t stamp, uint64_t now_ms) {
    struct model_forgotten forgotten = {0};
    for (uint32_t u = 0; u < model->user_count; u++) {
        struct model_user *user = model_user_at(model, scope, u);
        bool is_known = false;
        forgotten.any += user->count > 0;
        for (size_t m = user->count; m-- > 0;) {
            if (user->members[m].stamp > stamp) continue;
            is_known |= user->members[m].session != MODEL_STATUS && model_is_known(model, &user->members[m], now_ms);
            model_remove(user, &user->members[m]);
        }
        forgotten.whole += is_known && !model_view(model, scope, u, now_ms).known;
    }
    return forgotten;
}

static bool is_purgeable(const struct model *model, struct model_member *member, uint64_t now_ms, uint64_t slack_ms) {
    if (model_is_live(member, now_ms)) return false;
    if (member->ended_ms == 0) member->ended_ms = now_ms;
    return !model_is_known(model, member, now_ms - slack_ms) && member->ended_ms + slack_ms < now_ms;
}

void model_purge(struct model *model, uint64_t now_ms, uint64_t slack_ms) {
    for (uint32_t s = 0; s < model->scope_count; s++)
        for (uint32_t u = 0; u < model->user_count; u++) {
            struct model_user *user = model_user_at(model, s, u);
            for (size_t m = user->count; m-- > 0;)
                if (is_purgeable(model, &user->members[m], now_ms, slack_ms)) model_remove(user, &user->members[m]);
        }
}
