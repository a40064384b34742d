/* The scopes that are watched, and what changes in them. */
#include "node/cluster.h"
#include "watches_internal.h"

#include <assert.h>
#include <string.h>

enum { TIDY_SCOPES = 64 };

/* ---- scopes ------------------------------------------------------------------------------------------------------ */

static struct watched_scope *find_scope(const struct watches *watches, struct text name, uint64_t hash) {
    struct watched_scope *scope = watches->scopes[hash % SCOPE_BUCKETS];
    while (scope != NULL && !(scope->hash == hash && text_equal(watched_scope_name(scope), name)))
        scope = scope->next_in_bucket;
    return scope;
}

static void unlink_by_age(struct watches *watches, struct watched_scope *scope) {
    *(scope->newer != NULL ? &scope->newer->older : &watches->newest) = scope->older;
    *(scope->older != NULL ? &scope->older->newer : &watches->oldest) = scope->newer;
}

static void link_newest(struct watches *watches, struct watched_scope *scope) {
    scope->newer = NULL;
    scope->older = watches->newest;
    *(watches->newest != NULL ? &watches->newest->newer : &watches->oldest) = scope;
    watches->newest = scope;
}

static void close_journal(struct watches *watches, struct watched_scope *scope) {
    if (!scope->is_journaled) return;
    if (scope->journal.version > watches->highest) watches->highest = scope->journal.version;
    watches->journaled_events -= journal_events(&scope->journal);
    journal_close(&scope->journal);
    scope->is_journaled = false;
}

void watched_scope_unmark_user(struct watched_scope *scope) {
    uint32_t user = scope->dirty_users;
    struct journal_user *record = journal_user(&scope->journal, user);
    scope->dirty_users = record->next_dirty;
    record->is_dirty = false;
    journal_let_go(&scope->journal, user);
}

static void drop_dirty_scope(struct watches *watches, const struct watched_scope *scope) {
    struct watched_scope **link = &watches->dirty;
    for (; *link != scope; link = &(*link)->next_dirty) assert(*link != NULL);
    *link = scope->next_dirty;
}

void watched_scope_drop(struct watches *watches, struct watched_scope *scope) {
    struct watched_scope **link = &watches->scopes[scope->hash % SCOPE_BUCKETS];
    assert(scope->parked == 0 && watches->scope_count > 0);
    for (; *link != scope; link = &(*link)->next_in_bucket) assert(*link != NULL);
    *link = scope->next_in_bucket;
    if (scope->is_dirty) drop_dirty_scope(watches, scope);
    while (scope->dirty_users != 0) watched_scope_unmark_user(scope);
    unlink_by_age(watches, scope);
    close_journal(watches, scope);
    if (--watches->scope_count == 0) watches->observer.effects = NULL;
    watches->allocator.release(watches->allocator.context, scope, sizeof *scope + scope->name_len);
}

/* A new journal begins beyond the versions of all earlier ones: it takes no cursor of those for one of its own. */
static void open_journal(struct watches *watches, struct watched_scope *scope) {
    if (scope->is_journaled) return;
    journal_open(&scope->journal, ++watches->highest, &watches->allocator);
    scope->clean = scope->journal.version;
    scope->is_journaled = true;
}

static bool open_effects(struct watches *watches) {
    const struct allocator *a = &watches->allocator;
    struct effects *effects = &watches->effects;
    if (effects->items != NULL) return true;
    effects->items = a->allocate(a->context, WATCH_EFFECTS_MAX * sizeof *effects->items);
    effects->names = a->allocate(a->context, WATCH_EFFECT_NAMES_BYTES);
    if (effects->items != NULL && effects->names != NULL) {
        effects->capacity = WATCH_EFFECTS_MAX;
        effects->names_capacity = WATCH_EFFECT_NAMES_BYTES;
        return true;
    }
    a->release(a->context, effects->items, WATCH_EFFECTS_MAX * sizeof *effects->items);
    a->release(a->context, effects->names, WATCH_EFFECT_NAMES_BYTES);
    *effects = (struct effects){0};
    return false;
}

static struct watched_scope *make_scope(struct watches *watches, struct text name, uint64_t hash) {
    if (watches->scope_count >= watches->watches_max) {
        /* The scope of the oldest request makes room, unless a watch of it is parked. */
        if (watches->oldest == NULL || watches->oldest->parked > 0) return NULL;
        watched_scope_drop(watches, watches->oldest);
    }
    const struct allocator *a = &watches->allocator;
    struct watched_scope *scope = open_effects(watches) ? a->allocate(a->context, sizeof *scope + name.len) : NULL;
    if (scope == NULL) return NULL;
    scope->hash = hash;
    scope->name_len = (uint8_t)name.len;
    memcpy(scope->name, name.data, name.len);
    scope->next_in_bucket = watches->scopes[hash % SCOPE_BUCKETS];
    watches->scopes[hash % SCOPE_BUCKETS] = scope;
    watches->scope_count++;
    watches->observer.effects = &watches->effects;
    return scope;
}

struct watched_scope *watched_scope_obtain(struct watches *watches, const struct turn *turn, struct text name,
                                           bool is_journaled) {
    node_assert_held(watches->node);
    uint64_t hash = roll_hash(turn->roll, name);
    struct watched_scope *scope = find_scope(watches, name, hash);
    if (scope != NULL) unlink_by_age(watches, scope);
    else if ((scope = make_scope(watches, name, hash)) == NULL) return NULL;
    link_newest(watches, scope);
    scope->polled_ms = turn->now_ms;
    if (is_journaled) open_journal(watches, scope);
    return scope;
}

void watches_tidy(void *context, uint64_t now_ms) {
    struct watches *watches = context;
    for (int i = 0; i < TIDY_SCOPES && watches->oldest != NULL; i++) {
        struct watched_scope *scope = watches->oldest;
        if (scope->polled_ms + WATCH_KEEP_MS > now_ms) return;
        if (scope->parked == 0) {
            watched_scope_drop(watches, scope);
            continue;
        }
        /* A watch of it was parked all the time: that counts as a request made now. */
        unlink_by_age(watches, scope);
        link_newest(watches, scope);
        scope->polled_ms = now_ms;
    }
}

void watched_scope_hand_out(struct watched_scope *scope, uint64_t version) {
    if (scope->is_journaled && version > scope->journal.handed) scope->journal.handed = version;
}

/* ---- what changes ------------------------------------------------------------------------------------------------ */

static void mark_scope(struct watches *watches, struct watched_scope *scope) {
    if (scope->is_dirty || scope->parked == 0) return;
    scope->is_dirty = true;
    scope->next_dirty = watches->dirty;
    watches->dirty = scope;
}

static void mark_user(struct watched_scope *scope, uint32_t user) {
    struct journal_user *record = journal_user(&scope->journal, user);
    if (record->is_dirty || record->holders == NULL) return;
    record->is_dirty = true;
    record->holds++; /* as long as it is in the list */
    record->next_dirty = scope->dirty_users;
    scope->dirty_users = user;
}

/* The journal has lost its events: watches of named users have to look again as well. */
static void mark_all_users(struct watched_scope *scope) {
    for (uint32_t user = 1; user < scope->journal.fresh_user; user++)
        if (journal_user(&scope->journal, user)->holders != NULL) mark_user(scope, user);
}

/* What changed is not known: every watch of the scope has to look again. */
static void lose_changes(struct watches *watches, struct watched_scope *scope) {
    if (scope->is_journaled) {
        watches->journaled_events -= journal_events(&scope->journal);
        journal_lose(&scope->journal);
        mark_all_users(scope);
    }
    mark_scope(watches, scope);
}

static void note_effect(struct watches *watches, const struct roll *roll, struct watched_scope *scope,
                        const struct effect *effect) {
    struct journal *journal = &scope->journal;
    struct text name = effect_user(&watches->effects, effect);
    if (watches->journaled_events >= WATCH_EVENTS_MAX) {
        if (journal_events(journal) == 0) {
            lose_changes(watches, scope);
            return;
        }
        journal_forget_oldest(journal);
        watches->journaled_events--;
    }
    uint64_t events = journal_events(journal);
    uint32_t user = journal_note(journal, name, roll_hash(roll, name), effect->kind, effect->reason);
    watches->journaled_events = watches->journaled_events + journal_events(journal) - events;
    if (user != 0) mark_user(scope, user);
    else mark_all_users(scope);
}

void watches_take_effects(void *context, const struct roll *roll) {
    struct watches *watches = context;
    struct effects *effects = &watches->effects;
    struct watched_scope *scope = NULL;
    node_assert_held(watches->node);
    bool is_seeing = node_is_ready(watches->node);
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        if (i == 0 || effect->scope_at != effect[-1].scope_at) {
            struct text name = effect_scope(effects, effect);
            scope = find_scope(watches, name, roll_hash(roll, name));
        }
        if (scope == NULL) continue;
        scope->is_lost |= !is_seeing;
        if (!is_seeing) continue;
        if (scope->is_journaled && effect->kind != EFFECT_RESET) note_effect(watches, roll, scope, effect);
        mark_scope(watches, scope);
    }
    if (effects->dropped > 0)
        for (struct watched_scope *each = watches->newest; each != NULL; each = each->older) each->is_lost = true;
    if (effects->dropped > 0 && is_seeing) watches_see_again(watches);
    effects_clear(effects);
}

void watches_see_again(void *context) {
    struct watches *watches = context;
    for (struct watched_scope *scope = watches->newest; scope != NULL; scope = scope->older) {
        if (scope->is_lost) lose_changes(watches, scope);
        scope->is_lost = false;
    }
}
