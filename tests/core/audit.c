#include "audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- what a watcher sees of a user ------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, const void *data, size_t len) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* A digest of status, live sessions and their states; with_statuses: and of the status of each session. 0: not live. */
static uint64_t digest(const struct trial *trial, uint32_t scope, uint32_t user, bool with_statuses) {
    struct user_view view = model_view(trial->model, scope, user, trial->now_ms);
    if (!view.live) return 0;
    uint64_t sum = view.status;
    const struct model_user *found = model_user_at(trial->model, scope, user);
    for (size_t m = 0; m < found->count; m++) {
        const struct model_member *member = &found->members[m];
        if (!model_is_session(member) || !model_is_live(member, trial->now_ms)) continue;
        uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), &member->session, sizeof member->session);
        hash = mix(hash, member->state, member->state_len);
        if (with_statuses) hash = mix(hash, &member->status, 1);
        sum += hash | 1u << 8;
    }
    return sum | UINT64_C(1) << 63;
}

/* Sessions that ended by their TTL, of which nobody was told yet. */
static bool has_silent_end(const struct trial *trial, uint32_t scope, uint32_t user) {
    const struct model_user *found = model_user_at(trial->model, scope, user);
    for (size_t m = 0; m < found->count; m++)
        if (found->members[m].is_told_live && !model_is_live(&found->members[m], trial->now_ms)) return true;
    return false;
}

/* Each silent end may be told once. */
static bool tell_silent_end(const struct trial *trial, uint32_t scope, uint32_t user) {
    const struct model_user *found = model_user_at(trial->model, scope, user);
    for (size_t m = 0; m < found->count; m++) {
        if (!found->members[m].is_told_live || model_is_live(&found->members[m], trial->now_ms)) continue;
        found->members[m].is_told_live = false;
        return true;
    }
    return false;
}

/* ---- one effect ------------------------------------------------------------------------------------------------- */

static const char *kind_name(const struct effect *effect) {
    static const char *const names[] = {"joined", "left", "updated", "reset"};
    return effect->kind <= EFFECT_RESET ? names[effect->kind] : "?";
}

static uint32_t scope_of(struct trial *trial, const struct effect *effect) {
    int64_t scope = names_find(&trial->scopes, effect_scope(&trial->effects, effect));
    if (scope == NAMES_NONE) mismatch(trial, "effect %s of a scope from nowhere", kind_name(effect));
    return (uint32_t)scope;
}

static uint32_t user_of(struct trial *trial, const struct effect *effect) {
    int64_t user = names_find(&trial->users, effect_user(&trial->effects, effect));
    if (user == NAMES_NONE) mismatch(trial, "effect %s of a user from nowhere", kind_name(effect));
    return (uint32_t)user;
}

_Noreturn static void wrong(struct trial *trial, const struct effect *effect, uint32_t scope, uint32_t user,
                            const char *why) {
    trial_report_user(trial, scope, user);
    mismatch(trial, "effect %s (reason %d) of scope %u user %u: %s", kind_name(effect), effect->reason, scope, user,
             why);
    abort();
}

static void check_alternates(struct trial *trial, const struct effect *effect, uint32_t scope, uint32_t user) {
    struct told *told = trial_told(trial, scope, user);
    bool needs_live = effect->kind != EFFECT_JOINED;
    if (told->is_live != needs_live)
        wrong(trial, effect, scope, user, told->is_live ? "it was told to be live" : "it was not told to be live");
    if (effect->kind == EFFECT_JOINED && effect->reason != REASON_NONE) wrong(trial, effect, scope, user, "a reason");
}

static void note_told(struct trial *trial, const struct effect *effect, uint32_t scope, uint32_t user) {
    struct told *told = trial_told(trial, scope, user);
    struct flow *flow = &trial->flows[scope];
    /* Who was live at a reset was counted as having left when it was made. */
    if (effect->kind == EFFECT_JOINED || (effect->kind == EFFECT_UPDATED && told->is_reset)) flow->joined++;
    if (effect->kind == EFFECT_LEFT && !told->is_reset) flow->left++;
    told->is_live = effect->kind != EFFECT_LEFT;
    told->is_reset = false;
    told->view = digest(trial, scope, user, false);
}

/* What is told first of a user who was live at a reset. is_spared: a newer session of it is live; is_silent: or one was
 * whose TTL has passed, and of which it may have been told. */
static void check_after_reset(struct trial *trial, const struct effect *effect, uint32_t scope, uint32_t user,
                              bool is_spared, bool is_silent) {
    bool is_left = effect->kind == EFFECT_LEFT && effect->reason == REASON_RESET;
    if (!is_left && effect->kind != EFFECT_UPDATED) wrong(trial, effect, scope, user, "a reset was not told of first");
    if (is_left && is_spared) wrong(trial, effect, scope, user, "the reset spares it");
    if (!is_left && !is_spared && !is_silent) wrong(trial, effect, scope, user, "the reset does not spare it");
}

/* An effect that the passing of time makes, in a tick or beside a batch that does not name the user. */
static void check_passive(struct trial *trial, const struct effect *effect, uint32_t scope, uint32_t user) {
    struct told *told = trial_told(trial, scope, user);
    bool is_live = model_view(trial->model, scope, user, trial->now_ms).live;
    check_alternates(trial, effect, scope, user);
    if (told->is_reset) {
        check_after_reset(trial, effect, scope, user, is_live, has_silent_end(trial, scope, user));
        note_told(trial, effect, scope, user);
        return;
    }
    if (effect->kind == EFFECT_JOINED) wrong(trial, effect, scope, user, "nobody touched it");
    if (effect->kind == EFFECT_LEFT && (effect->reason != REASON_EXPIRED || is_live))
        wrong(trial, effect, scope, user, "its TTL has not passed, or that is not the reason");
    if (effect->kind == EFFECT_UPDATED && told->view == digest(trial, scope, user, false) &&
        !tell_silent_end(trial, scope, user))
        wrong(trial, effect, scope, user, "nothing changed");
    if (effect->kind == EFFECT_LEFT)
        while (tell_silent_end(trial, scope, user)) {
        }
    note_told(trial, effect, scope, user);
}

/* The roll's own sums agree with what was told. */
static void check_flows(struct trial *trial) {
    for (uint32_t s = 0; s < trial->world->scopes; s++) {
        struct flow *flow = &trial->flows[s];
        struct scope_counts counts;
        roll_counts(trial->roll, trial->scopes.items[s], NULL, 0, trial->now_ms, &counts, NULL);
        /* A scope that was forgotten begins anew. */
        if (counts.joined == 0 && counts.left == 0 && flow->joined == flow->left) *flow = (struct flow){0};
        if (counts.joined == flow->joined && counts.left == flow->left && counts.joined - counts.left == counts.live)
            continue;
        mismatch(trial, "scope %u: %llu joined and %llu left, %llu live; the effects tell of %llu and %llu", s,
                 (unsigned long long)counts.joined, (unsigned long long)counts.left, (unsigned long long)counts.live,
                 (unsigned long long)flow->joined, (unsigned long long)flow->left);
    }
}

static void check_sizes(struct trial *trial, size_t most) {
    if (trial->effects.dropped != 0 || trial->effects.count > most)
        mismatch(trial, "%zu effects and %zu dropped, at most %zu", trial->effects.count, trial->effects.dropped, most);
}

/* ---- touch ------------------------------------------------------------------------------------------------------ */

/* The first beat of a batch for a user; n: none. */
static size_t first_beat(const struct trial *trial, size_t n, uint32_t scope, uint32_t user) {
    size_t i = 0;
    while (i < n && (trial->batch[i].scope != scope || trial->batch[i].user != user)) i++;
    return i;
}

static size_t count_beats(const struct trial *trial, size_t n, uint32_t scope, uint32_t user) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += trial->batch[i].scope == scope && trial->batch[i].user == user;
    return count;
}

void audit_before_touch(struct trial *trial, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t scope = trial->batch[i].scope, user = trial->batch[i].user;
        trial->before[i] = (struct before){
            .is_live = model_view(trial->model, scope, user, trial->now_ms).live,
            .has_silent = has_silent_end(trial, scope, user),
            .strict = digest(trial, scope, user, false),
            .loose = digest(trial, scope, user, true),
        };
    }
}

/* What the effects of a batch say. */
struct tally {
    uint32_t joined, left;
};

static void check_active(struct trial *trial, const struct effect *effect, uint32_t scope, uint32_t user, size_t n,
                         struct tally *told) {
    struct told *user_told = trial_told(trial, scope, user);
    const struct before *before = &trial->before[first_beat(trial, n, scope, user)];
    check_alternates(trial, effect, scope, user);
    if (user_told->is_reset) {
        check_after_reset(trial, effect, scope, user, before->is_live, before->has_silent);
        note_told(trial, effect, scope, user);
        return;
    }
    if (effect->kind == EFFECT_JOINED) told->joined++;
    if (effect->kind == EFFECT_LEFT && effect->reason == REASON_LEFT) told->left++;
    if (effect->kind == EFFECT_LEFT && effect->reason != REASON_LEFT &&
        (effect->reason != REASON_EXPIRED || before->is_live || !before->has_silent))
        wrong(trial, effect, scope, user, "the reason");
    if (effect->kind == EFFECT_UPDATED && before->loose == digest(trial, scope, user, true) && !before->has_silent &&
        user_told->view == digest(trial, scope, user, false) && count_beats(trial, n, scope, user) == 1)
        wrong(trial, effect, scope, user, "nothing changed");
    note_told(trial, effect, scope, user);
    user_told->mark = trial->mark;
}

/* Each user of the batch has been told as it is now. */
static void check_batch_told(struct trial *trial, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t scope = trial->batch[i].scope, user = trial->batch[i].user;
        const struct told *told = trial_told(trial, scope, user);
        const struct before *before = &trial->before[first_beat(trial, n, scope, user)];
        bool is_live = model_view(trial->model, scope, user, trial->now_ms).live;
        if (told->is_live != is_live || told->is_reset) {
            trial_report_user(trial, scope, user);
            mismatch(trial, "scope %u user %u is live %d, and was told to be live %d%s", scope, user, is_live,
                     told->is_live, told->is_reset ? ", before a reset" : "");
        }
        if (before->is_live && is_live && before->strict != digest(trial, scope, user, false) &&
            told->mark != trial->mark) {
            trial_report_user(trial, scope, user);
            mismatch(trial, "scope %u user %u has changed, and nobody was told", scope, user);
        }
    }
}

void audit_touch(struct trial *trial, size_t n, const struct touched *touched) {
    struct tally told = {0};
    trial->mark++;
    check_sizes(trial, trial->effects.capacity);
    for (size_t i = 0; i < trial->effects.count; i++) {
        const struct effect *effect = &trial->effects.items[i];
        if (effect->kind == EFFECT_RESET) mismatch(trial, "a reset in a touch");
        uint32_t scope = scope_of(trial, effect), user = user_of(trial, effect);
        if (first_beat(trial, n, scope, user) == n) check_passive(trial, effect, scope, user);
        else check_active(trial, effect, scope, user, n, &told);
    }
    check_batch_told(trial, n);
    if (touched->joined != told.joined || touched->left != told.left)
        mismatch(trial, "%u joined and %u left, but the effects tell %u and %u", touched->joined, touched->left,
                 told.joined, told.left);
    check_flows(trial);
}

/* ---- tick and reset --------------------------------------------------------------------------------------------- */

/* Nothing is due any more, so everything has been told. */
static void check_all_told(struct trial *trial) {
    for (uint32_t s = 0; s < trial->world->scopes; s++)
        for (uint32_t u = 0; u < trial->world->users; u++) {
            struct told *told = trial_told(trial, s, u);
            uint64_t view = digest(trial, s, u, false);
            while (tell_silent_end(trial, s, u)) {
            }
            bool is_told = told->is_live == (view != 0) && (!told->is_live || told->view == view);
            if (is_told && !told->is_reset) continue;
            trial_report_user(trial, s, u);
            mismatch(trial, "scope %u user %u: the effects told live %d view %llx, it is %llx%s", s, u, told->is_live,
                     (unsigned long long)told->view, (unsigned long long)view,
                     told->is_reset ? "; a reset was not told" : "");
        }
}

void audit_tick(struct trial *trial, size_t budget, bool more) {
    check_sizes(trial, budget);
    for (size_t i = 0; i < trial->effects.count; i++) {
        const struct effect *effect = &trial->effects.items[i];
        if (effect->kind == EFFECT_RESET) mismatch(trial, "a reset in a tick");
        uint32_t scope = scope_of(trial, effect), user = user_of(trial, effect);
        check_passive(trial, effect, scope, user);
    }
    if (!more) check_all_told(trial);
    check_flows(trial);
}

void audit_reset(struct trial *trial, uint32_t scope, bool was_known) {
    check_sizes(trial, 1);
    if (was_known && trial->effects.count != 1) mismatch(trial, "a reset of scope %u without its effect", scope);
    if (trial->effects.count == 0) return;
    const struct effect *effect = &trial->effects.items[0];
    if (effect->kind != EFFECT_RESET || scope_of(trial, effect) != scope || effect->user_len != 0)
        mismatch(trial, "effect %s of another scope", kind_name(effect));
    for (uint32_t u = 0; u < trial->world->users; u++) {
        struct told *told = trial_told(trial, scope, u);
        trial->flows[scope].left += told->is_live && !told->is_reset;
        told->is_reset = told->is_live;
        /* Also who is spared and gone: it is counted among the tombstones again later. */
        trial->has_survivors |=
            model_view(trial->model, scope, u, trial->now_ms).known || has_silent_end(trial, scope, u);
    }
    check_flows(trial);
}
