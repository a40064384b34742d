#include "common/random.h"
#include "muster/limits.h"
#include "node/cluster.h"
#include "node/page_allocator.h"
#include "watches_internal.h"

#include <assert.h>

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* Whether the pump has to come earlier than it said. True once, until the pump has run again. */
static bool wants_pump(void *context) {
    struct watches *watches = context;
    if (watches->is_pumping || watches->queue_count == 0) return false;
    /* A node that joins again tells nobody of changes: its pump leaves the marks as they are. */
    watches->is_pumping = (watches->dirty != NULL && node_is_ready(watches->node)) || watches->is_stopping ||
                          queue_wakes_ms(watches->queue[0]) < watches->pump_ms;
    return watches->is_pumping;
}

struct watches *watches_new(struct node *node, size_t watches_max) {
    struct allocator allocator = page_allocator();
    struct watches *watches = allocator.allocate(allocator.context, sizeof *watches);
    if (watches == NULL) return NULL;
    watches->allocator = allocator;
    watches->node = node;
    watches->cursor_key = cursor_key_new(node->origin);
    watches->watches_max = watches_max != 0 ? watches_max : MUSTER_WATCHES_DEFAULT;
    watches->pump_ms = UINT64_MAX;
    watches->observer = (struct node_observer){.context = watches,
                                               .take_effects = watches_take_effects,
                                               .wants_wake = wants_pump,
                                               .see_again = watches_see_again,
                                               .tidy = watches_tidy};
    node_observe(node, &watches->observer);
    return watches;
}

const struct cursor_key *watches_cursor_key(const struct watches *watches) {
    return &watches->cursor_key;
}

size_t watches_parked(const struct watches *watches) {
    return watches->parked;
}

/* ---- states --------------------------------------------------------------------------------------------------------
 */

static const uint8_t watch_may_become[WATCH_STATES] = {
    [WATCH_TAKEN] = 1u << WATCH_IDLE | 1u << WATCH_PENDING,
    [WATCH_IDLE] = 1u << WATCH_PENDING | 1u << WATCH_TAKEN,
    [WATCH_PENDING] = 1u << WATCH_TAKEN,
};

static void watch_become(struct watch *watch, enum watch_state state) {
    assert((watch_may_become[watch->state] & 1u << state) != 0);
    watch->state = state;
}

/* ---- lists that a watch is in ------------------------------------------------------------------------------------ */

static void link_idle(struct watch *watch) {
    struct watched_scope *scope = watch->query.scope;
    if (watch->query.user_count > 0) {
        scope->idle_named++;
        return;
    }
    watch->previous = NULL;
    watch->next = scope->idle;
    if (scope->idle != NULL) scope->idle->previous = watch;
    scope->idle = watch;
}

static void unlink_idle(struct watch *watch) {
    struct watched_scope *scope = watch->query.scope;
    if (watch->query.user_count > 0) {
        assert(scope->idle_named > 0);
        scope->idle_named--;
        return;
    }
    assert(watch->previous != NULL || scope->idle == watch);
    *(watch->previous != NULL ? &watch->previous->next : &scope->idle) = watch->next;
    if (watch->next != NULL) watch->next->previous = watch->previous;
}

static void interest_link(struct watch *watch, struct interest *interest) {
    struct journal_user *user = journal_user(&watch->query.scope->journal, interest->user);
    if (interest->is_linked) return;
    struct interest *first = user->holders;
    interest->is_linked = true;
    interest->previous = NULL;
    interest->next = first;
    if (first != NULL) first->previous = interest;
    user->holders = interest;
}

static void interest_unlink(struct interest *interest) {
    struct journal_user *user = journal_user(&interest->watch->query.scope->journal, interest->user);
    if (!interest->is_linked) return;
    assert(interest->previous != NULL || user->holders == interest);
    interest->is_linked = false;
    if (interest->previous != NULL) interest->previous->next = interest->next;
    else user->holders = interest->next;
    if (interest->next != NULL) interest->next->previous = interest->previous;
}

static struct watch **bucket_of(struct watches *watches, const struct watch_door *door, uint64_t connection) {
    uint64_t mixed = ((uintptr_t)door ^ connection) * SPLITMIX64_STEP;
    return &watches->connections[mixed >> 52];
}
_Static_assert(CONNECTION_BUCKETS == 1 << (64 - 52), "the upper bits name a bucket");

static void link_connection(struct watches *watches, struct watch *watch) {
    struct watch **bucket = bucket_of(watches, watch->waiter.door, watch->waiter.connection);
    watch->next_of = *bucket;
    if (*bucket != NULL) (*bucket)->previous_of = watch;
    *bucket = watch;
}

static void unlink_connection(struct watches *watches, struct watch *watch) {
    struct watch **bucket = bucket_of(watches, watch->waiter.door, watch->waiter.connection);
    assert(watch->previous_of != NULL || *bucket == watch);
    *(watch->previous_of != NULL ? &watch->previous_of->next_of : bucket) = watch->next_of;
    if (watch->next_of != NULL) watch->next_of->previous_of = watch->previous_of;
}

/* ---- parking ----------------------------------------------------------------------------------------------------- */

static size_t watch_bytes(size_t interests) {
    return sizeof(struct watch) + interests * sizeof(struct interest);
}

static void release_watch(struct watches *watches, struct watch *watch) {
    for (uint32_t i = 0; i < watch->query.user_count; i++) {
        if (watch->interests[i].user == 0) continue; /* memory was short while it was made */
        interest_unlink(&watch->interests[i]);
        journal_let_go(&watch->query.scope->journal, watch->interests[i].user);
    }
    assert(watches->interests >= watch->query.user_count);
    watches->interests -= watch->query.user_count;
    watches->allocator.release(watches->allocator.context, watch, watch_bytes(watch->query.user_count));
}

static struct watch *make_watch(struct watches *watches, const struct turn *turn, const struct parking *parking) {
    const struct watch_query *query = parking->query;
    struct watch *watch = watches->allocator.allocate(watches->allocator.context, watch_bytes(query->user_count));
    if (watch == NULL) return NULL;
    watch->state = WATCH_TAKEN;
    watch->waiter = *parking->waiter;
    watch->query = *query;
    watch->query.users = NULL;
    watch->due_ms = parking->due_ms;
    watch->deadline_ms = parking->deadline_ms;
    watch->silence_ms = parking->silence_ms;
    watches->interests += query->user_count;
    for (size_t i = 0; i < query->user_count; i++) {
        struct text name = query->users[i];
        uint32_t user = journal_hold(&watch->query.scope->journal, name, roll_hash(turn->roll, name));
        if (user == 0) {
            release_watch(watches, watch);
            return NULL;
        }
        watch->interests[i] = (struct interest){.watch = watch, .user = user};
    }
    return watch;
}

/* Enters the queue and, if it is idle, the lists that a change looks at. */
static void enter_lists(struct watches *watches, struct watch *watch, bool is_pending) {
    watch_become(watch, is_pending ? WATCH_PENDING : WATCH_IDLE);
    if (!is_pending) {
        link_idle(watch);
        for (uint32_t i = 0; i < watch->query.user_count; i++) interest_link(watch, &watch->interests[i]);
    }
    queue_add(watches, watch);
}

static enum muster_code refuse_parking(struct refusal *why, const char *what, uint64_t limit) {
    *why = (struct refusal){what, limit, 0};
    return MUSTER_RESOURCE_EXHAUSTED;
}

enum muster_code watches_park(struct watches *watches, const struct turn *turn, const struct parking *parking,
                              struct refusal *why) {
    node_assert_held(watches->node);
    assert(!watches->is_stopping);
    if (watches->parked >= watches->watches_max) return refuse_parking(why, "watches", watches->watches_max);
    if (watches->interests + parking->query->user_count > WATCH_INTERESTS_MAX)
        return refuse_parking(why, "named users of all watches", WATCH_INTERESTS_MAX);
    struct watch *watch = queue_reserve(watches) ? make_watch(watches, turn, parking) : NULL;
    if (watch == NULL) return refuse_parking(why, "memory", 0);
    watches->parked++;
    watch->query.scope->parked++;
    link_connection(watches, watch);
    enter_lists(watches, watch, parking->is_pending);
    return MUSTER_OK;
}

/* ---- waking ------------------------------------------------------------------------------------------------------ */

static void make_pending(struct watches *watches, struct watch *watch, uint64_t now_ms) {
    if (watch->state != WATCH_IDLE) return;
    unlink_idle(watch);
    if (watch->query.user_count > 0 && watch->query.cursor.base < watch->query.scope->clean)
        watch->query.cursor.base = watch->query.scope->clean;
    watch_become(watch, WATCH_PENDING);
    if (watch->due_ms < now_ms) watch->due_ms = now_ms;
    queue_advance(watches, watch);
}

/* Wakes watches of named users that changed. */
static size_t wake_named(struct watches *watches, struct watched_scope *scope, uint64_t now_ms, size_t budget) {
    size_t woken = 0;
    while (scope->dirty_users != 0 && woken < budget) {
        struct journal_user *user = journal_user(&scope->journal, scope->dirty_users);
        struct interest *interest = user->holders;
        if (interest == NULL) {
            watched_scope_unmark_user(scope);
            continue;
        }
        interest_unlink(interest);
        make_pending(watches, interest->watch, now_ms);
        woken++;
    }
    return woken;
}

bool watches_wake(struct watches *watches, uint64_t now_ms, size_t budget) {
    node_assert_held(watches->node);
    while (watches->dirty != NULL && budget > 0) {
        struct watched_scope *scope = watches->dirty;
        size_t woken = wake_named(watches, scope, now_ms, budget);
        for (; scope->idle != NULL && woken < budget; woken++) make_pending(watches, scope->idle, now_ms);
        budget -= woken;
        if (scope->dirty_users != 0 || scope->idle != NULL) return true;
        if (scope->idle_named > 0) {
            scope->clean = scope->journal.version;
            watched_scope_hand_out(scope, scope->clean);
        }
        scope->is_dirty = false;
        watches->dirty = scope->next_dirty;
        if (budget > 0) budget--;
    }
    return watches->dirty != NULL;
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

static void take_watch(struct watches *watches, struct watch *watch) {
    const struct watched_scope *scope = watch->query.scope;
    queue_remove(watches, watch);
    if (watch->state == WATCH_IDLE) unlink_idle(watch);
    /* Once all marks are worked through, no change so far concerns an idle watch. */
    if (watch->state == WATCH_IDLE && watch->query.user_count > 0 && !scope->is_dirty) {
        watch->query.cursor.base = scope->journal.version;
        watched_scope_hand_out(watch->query.scope, watch->query.cursor.base);
    }
    watch->is_full = watch->is_drained = false;
    watch_become(watch, WATCH_TAKEN);
}

size_t watches_take_due(struct watches *watches, uint64_t now_ms, struct watch **out, size_t max) {
    node_assert_held(watches->node);
    size_t count = 0;
    while (count < max && watches->queue_count > 0) {
        struct watch *watch = watches->queue[0];
        if (!watches->is_stopping && queue_wakes_ms(watch) > now_ms) break;
        take_watch(watches, watch);
        out[count++] = watch;
    }
    return count;
}

uint64_t watches_next_ms(struct watches *watches) {
    watches->is_pumping = false;
    watches->pump_ms = watches->queue_count > 0 ? queue_wakes_ms(watches->queue[0]) : UINT64_MAX;
    return watches->pump_ms;
}

void watches_repark(struct watches *watches, struct watch *watch, bool is_pending) {
    enter_lists(watches, watch, is_pending);
}

void watches_end(struct watches *watches, struct watch *watch) {
    node_assert_held(watches->node);
    assert(watch->state == WATCH_TAKEN && watch->query.scope->parked > 0 && watches->parked > 0);
    unlink_connection(watches, watch);
    watch->query.scope->parked--;
    watches->parked--;
    release_watch(watches, watch);
}

void watches_have_room(struct watches *watches, const struct watch_door *door, uint64_t connection) {
    node_assert_held(watches->node);
    for (struct watch *watch = *bucket_of(watches, door, connection); watch != NULL; watch = watch->next_of) {
        if (watch->waiter.door != door || watch->waiter.connection != connection) continue;
        watch->is_drained |= watch->state == WATCH_TAKEN;
        if (!watch->is_full || watch->state != WATCH_PENDING) continue;
        watch->is_full = false;
        watch->due_ms = 0;
        queue_advance(watches, watch);
    }
}

size_t watches_hang_up(struct watches *watches, const struct watch_door *door, uint64_t connection, struct waiter *out,
                       size_t max) {
    size_t count = 0;
    node_assert_held(watches->node);
    for (struct watch *watch = *bucket_of(watches, door, connection), *next; watch != NULL && count < max;
         watch = next) {
        next = watch->next_of;
        if (watch->waiter.door != door || watch->waiter.connection != connection) continue;
        if (watch->state == WATCH_TAKEN) {
            watch->is_hung_up = true;
            continue;
        }
        take_watch(watches, watch);
        out[count++] = watch->waiter;
        watches_end(watches, watch);
    }
    return count;
}

void watches_stop(struct watches *watches) {
    watches->is_stopping = true;
}

bool watches_are_stopping(const struct watches *watches) {
    return watches->is_stopping;
}

void watches_free(struct watches *watches) {
    if (watches == NULL) return;
    const struct allocator *a = &watches->allocator;
    node_observe(watches->node, NULL);
    struct turn turn = node_begin(watches->node, (struct instant){0});
    while (watches->queue_count > 0) {
        struct watch *watch = watches->queue[0];
        take_watch(watches, watch);
        watches_end(watches, watch);
    }
    while (watches->newest != NULL) watched_scope_drop(watches, watches->newest);
    node_commit(&turn, NULL);
    a->release(a->context, watches->queue, watches->queue_capacity * sizeof(struct watch *));
    a->release(a->context, watches->effects.items, watches->effects.capacity * sizeof *watches->effects.items);
    a->release(a->context, watches->effects.names, watches->effects.names_capacity);
    a->release(a->context, watches, sizeof *watches);
}
