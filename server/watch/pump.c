#include "pump.h"
#include "answer.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "node/cluster.h"
#include "pace.h"
#include "reply/worker.h"
#include "watches_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
#ifdef WATCH_TEST_SMALL
    PUMP_BATCH = 2,
    PUMP_WAKES = 1,
#else
    PUMP_BATCH = 256,  /* watches that are taken at a time */
    PUMP_WAKES = 1000, /* watches that are woken in one turn */
#endif
    PUMP_GROUP =
        16, /* watches that are answered together. A door is asked for room before: so many answers may pass it */
    ROOM_RETRY_MS = 100, /* a watcher that has no room is tried again after so long */
    SYNC_RETRY_MS = 200, /* a stream whose node is joining again, too */
    HANG_UP_BATCH = 256,
};

static const char joining[] = "joining: the process stood still, and is not in sync again yet";

/* An answer that passes the size of a message. */
static const char too_large[] = "watch: the reply would pass 1048576 bytes; ask for less at a time";
_Static_assert(MUSTER_MESSAGE_BYTES_MAX == 1048576, "as the message says");

/* A waiter, and what it gets. */
struct recipient {
    struct waiter waiter;
    struct cursor cursor;
    struct watch *stream; /* its watch, taken still, where this answer is one of many; NULL: the watch has ended */
    bool was_due;         /* of a stream: else it only had its deadline, and there may be more to send */
    bool has_news;        /* it gets what was selected for the group; else a cursor alone */
    bool is_gone;         /* its connection was hung up: it gets no answer */
    bool has_last;        /* it was delivered its last answer */
};

struct pump {
    struct watches *watches;
    struct node *node;
    struct worker *worker;
    struct instant now;
    struct watch *due[PUMP_BATCH];
    struct recipient recipients[PUMP_GROUP];
    size_t recipient_count;
};

/* ---- one group: watches that get the same answer -------------------------------------------------------------------
 */

static int in_order(uint64_t left, uint64_t right) {
    return (left > right) - (left < right);
}

static unsigned group_marks(const struct watch *watch) {
    const struct cursor *cursor = &watch->query.cursor;
    return (unsigned)watch->query.is_counts | (unsigned)watch->query.with_sessions << 1 |
           (unsigned)watch->query.resync << 2 | (unsigned)cursor->is_walking << 3 | (unsigned)cursor->phase << 4 |
           (unsigned)(watch->query.user_count > 0) << 6;
}

/* Watches of the same users from the same version need one selection and one encoding. */
static int by_group(const void *a, const void *b) {
    const struct watch *left = *(struct watch *const *)a, *right = *(struct watch *const *)b;
    const struct cursor *of_left = &left->query.cursor, *of_right = &right->query.cursor;
    int order = in_order((uintptr_t)left->query.scope, (uintptr_t)right->query.scope);
    if (order == 0) order = in_order(group_marks(left), group_marks(right));
    if (order == 0) order = in_order(of_left->base, of_right->base);
    if (order == 0) order = in_order(of_left->target, of_right->target);
    if (order == 0) order = in_order(of_left->at, of_right->at);
    return order != 0 ? order : in_order(of_left->hash, of_right->hash);
}

static size_t group_of(struct watch *const *due, size_t count) {
    size_t n = 1;
    if (due[0]->query.user_count > 0) return 1;
    while (n < count && n < PUMP_GROUP && due[n]->query.user_count == 0 && by_group(&due[0], &due[n]) == 0) n++;
    return n;
}

/* The named users of a watch, in the order in which they were parked. */
static void name_users(const struct watch *watch, struct watch_answer *answer) {
    struct text *users = arena_take(answer->arena, watch->query.user_count, sizeof *users);
    assert(users != NULL); /* a fresh worker holds far more than MUSTER_WATCH_USERS_MAX names */
    for (uint32_t i = 0; i < watch->query.user_count; i++) {
        const struct journal_user *user = journal_user(&watch->query.scope->journal, watch->interests[i].user);
        users[i] = (struct text){user->name, user->name_len};
    }
    answer->query.users = users;
    answer->query.user_count = watch->query.user_count;
}

/* Selects what a watch of a group gets. A snapshot wants a turn that has ticked: then *turn is another one. */
static void select_for_group(struct pump *pump, struct turn *turn, const struct watch *watch,
                             struct watch_answer *answer) {
    bool has_begun = watch->query.is_counts || watch->query.cursor.phase != CURSOR_NEW;
    *answer = (struct watch_answer){
        .watches = pump->watches, .arena = &pump->worker->arena, .now = pump->now, .query = watch->query};
    if (has_begun && !answer_can_resume(answer)) {
        answer->query.resync = true;
        answer->query.cursor = (struct cursor){.selection = watch->query.cursor.selection};
    }
    if (answer->query.cursor.phase != CURSOR_WHOLE && !watch->query.is_counts) {
        node_commit(turn, NULL);
        *turn = node_begin_ticked(pump->node, pump->now, NULL);
    }
    if (watch->query.user_count > 0) name_users(watch, answer);
    bool is_selected = answer_select(answer, turn);
    assert(is_selected); /* as above; without a page of rows, changes would be skipped in silence */
    (void)is_selected;
}

/* Ends a watch of the group whose waiter gets its last answer, and parks it again if it gets none. A stream that gets
 * one stays taken until that is delivered: its reply slot is the pump's meanwhile, even if it is hung up. While the
 * node is not in sync a stream is silent, as long as it may be. */
static void repark_or_end(struct pump *pump, struct watch *watch, const struct watch_answer *answer, bool is_selected,
                          uint64_t now_ms) {
    struct watches *watches = pump->watches;
    bool is_due = watch->due_ms <= now_ms;
    struct cursor cursor = watch->query.cursor;
    /* The end of a snapshot is sent even where that was empty: the watcher waits for it. */
    bool is_owed = is_due && is_selected && (cursor.phase != CURSOR_WHOLE || cursor.is_owed);
    if (is_due && is_selected) {
        cursor = answer->query.cursor;
        cursor.selection = watch->query.cursor.selection;
        cursor.paced_ms = watch->query.cursor.paced_ms;
        if (answer_has_news(answer) && !answer->more)
            cursor.paced_ms = pace_answered_ms(watch->due_ms, watch->query.min_interval_ms, now_ms);
    }
    bool has_news = is_due && is_selected && answer_has_news(answer);
    bool may_wait = !watch->is_hung_up && !watches_are_stopping(watches);
    if (may_wait && !node_is_ready(watches->node) && watch->waiter.is_stream && watch->deadline_ms > now_ms) {
        watch->due_ms = now_ms + SYNC_RETRY_MS;
        watches_repark(watches, watch, true);
        return;
    }
    may_wait &= node_is_ready(watches->node);
    if (!has_news && !is_owed && may_wait && watch->deadline_ms > now_ms) {
        watch->query.cursor = cursor;
        watches_repark(watches, watch, !is_due);
        return;
    }
    bool goes_on = watch->waiter.is_stream && may_wait;
    pump->recipients[pump->recipient_count++] = (struct recipient){.waiter = watch->waiter,
                                                                   .cursor = cursor,
                                                                   .stream = goes_on ? watch : NULL,
                                                                   .was_due = is_due,
                                                                   .has_news = has_news,
                                                                   .is_gone = watch->is_hung_up};
    if (!goes_on) watches_end(watches, watch);
}

static void deliver_to(struct recipient *to, const struct response *response) {
    bool is_refused = response->code != MUSTER_OK, is_last = to->stream == NULL || is_refused;
    to->waiter.door->deliver(to->waiter.door->context, &to->waiter, to->is_gone ? NULL : response, is_last);
    to->has_last = is_last;
}

static void deliver_refusal(struct pump *pump, enum muster_code code, const char *message) {
    const struct response response = {.code = code, .message = text_of(message)};
    for (size_t i = 0; i < pump->recipient_count; i++) deliver_to(&pump->recipients[i], &response);
}

static void deliver_news(struct pump *pump, struct text news) {
    struct arena *arena = &pump->worker->arena;
    size_t used = arena->used;
    for (size_t i = 0; i < pump->recipient_count; i++) {
        struct recipient *to = &pump->recipients[i];
        struct response response = {0};
        arena->used = used;
        if (!answer_body(arena, &pump->watches->cursor_key, to->has_news ? news : (struct text){0}, &to->cursor,
                         &response.body))
            response = (struct response){.code = MUSTER_RESOURCE_EXHAUSTED, .message = text_of(too_large)};
        deliver_to(to, &response);
    }
}

/* ---- streams: what comes after an answer --------------------------------------------------------------------------
 */

static void stream_repark(struct pump *pump, const struct recipient *to, uint64_t now_ms) {
    struct watch *watch = to->stream;
    const struct watched_scope *scope = watch->query.scope;
    const struct cursor *cursor = &to->cursor;
    bool is_owed = cursor->phase != CURSOR_WHOLE || cursor->is_owed;
    /* A change that came since the selection did not wake the watch, which was taken. */
    bool is_behind = !watch->query.is_counts && cursor->base != scope->journal.version;
    watch->query.cursor = *cursor;
    watch->query.resync = false;
    watch->deadline_ms = watch->silence_ms != 0 ? now_ms + watch->silence_ms : UINT64_MAX;
    if (is_owed) watch->due_ms = now_ms;
    else if (to->has_news) watch->due_ms = pace_due_ms(cursor->paced_ms, watch->query.min_interval_ms);
    watches_repark(pump->watches, watch, is_owed || is_behind || !to->was_due || !node_is_ready(pump->node));
}

/* Parks the streams of a group again, once their answers are delivered, and ends those that were hung up meanwhile or
 * got a refusal, which was their last. */
static void resume_streams(struct pump *pump) {
    struct recipient *gone[PUMP_GROUP];
    size_t gone_count = 0;
    struct turn turn = node_begin(pump->node, pump->now);
    for (size_t i = 0; i < pump->recipient_count; i++) {
        struct recipient *to = &pump->recipients[i];
        if (to->stream == NULL) continue;
        if (!to->has_last && !to->stream->is_hung_up) {
            stream_repark(pump, to, turn.now_ms);
            continue;
        }
        watches_end(pump->watches, to->stream);
        if (!to->has_last) gone[gone_count++] = to;
    }
    node_commit(&turn, NULL);
    for (size_t i = 0; i < gone_count; i++)
        gone[i]->waiter.door->deliver(gone[i]->waiter.door->context, &gone[i]->waiter, NULL, true);
}

static bool has_streams(const struct pump *pump) {
    for (size_t i = 0; i < pump->recipient_count; i++)
        if (pump->recipients[i].stream != NULL) return true;
    return false;
}

static void answer_group(struct pump *pump, struct watch *const *group, size_t count) {
    struct watch_answer answer = {0};
    struct text news = {0};
    bool is_selected = false;
    arena_reset(&pump->worker->arena, WORKER_BYTES_KEPT);
    pump->recipient_count = 0;
    struct turn turn = node_begin(pump->node, pump->now);
    bool is_stopping = watches_are_stopping(pump->watches), is_joining = !node_is_ready(pump->node);
    for (size_t i = 0; i < count && !is_selected && !is_stopping && !is_joining; i++) {
        is_selected = group[i]->due_ms <= turn.now_ms && !group[i]->is_hung_up;
        if (is_selected) select_for_group(pump, &turn, group[i], &answer);
        is_joining |= !node_is_ready(pump->node); /* the process stood still just now */
    }
    for (size_t i = 0; i < count; i++) repark_or_end(pump, group[i], &answer, is_selected && !is_joining, turn.now_ms);
    node_commit(&turn, NULL);
    if (is_stopping) deliver_refusal(pump, MUSTER_UNAVAILABLE, "watch: the node stops");
    else if (is_joining) deliver_refusal(pump, MUSTER_UNAVAILABLE, joining);
    else if (is_selected && answer_has_news(&answer) && !answer_encode(&answer, &news))
        deliver_refusal(pump, MUSTER_RESOURCE_EXHAUSTED, too_large);
    else deliver_news(pump, news);
    if (has_streams(pump)) resume_streams(pump);
}

/* ---- the pump ---------------------------------------------------------------------------------------------------- */

/* Parks watches whose door has no room for an answer for a moment longer. Returns how many are left. */
static size_t set_aside_full(struct pump *pump, struct watch **group, size_t count) {
    struct watch *full[PUMP_GROUP];
    size_t left = 0, full_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct watch *watch = group[i];
        bool has_room = watch->waiter.door->has_room(watch->waiter.door->context, &watch->waiter);
        if (has_room) group[left++] = watch;
        else full[full_count++] = watch;
    }
    if (full_count == 0) return left;
    struct turn turn = node_begin(pump->node, pump->now);
    for (size_t i = 0; i < full_count; i++) {
        struct watch *watch = full[i];
        if (watch->is_hung_up || watches_are_stopping(pump->watches)) {
            group[left++] = watch;
            continue;
        }
        uint64_t retry_ms = watch->is_drained ? turn.now_ms : turn.now_ms + ROOM_RETRY_MS;
        watch->is_full = watch->due_ms <= turn.now_ms;
        if (watch->due_ms < retry_ms) watch->due_ms = retry_ms; /* its pace may be slower */
        if (watch->deadline_ms < retry_ms) watch->deadline_ms = retry_ms;
        watches_repark(pump->watches, watch, true);
    }
    node_commit(&turn, NULL);
    return left;
}

/* Wakes watches and takes a batch of those that are due. If there is none, *next_ms is how long it is until one is. The
 * turn has ticked, so that what a reset ended is sent at once. */
static size_t take_due_batch(struct pump *pump, uint64_t *next_ms) {
    struct watches *watches = pump->watches;
    struct turn turn = node_begin_ticked(pump->node, pump->now, NULL);
    while (node_is_ready(pump->node) && watches_wake(watches, turn.now_ms, PUMP_WAKES)) node_yield(&turn);
    size_t count = watches_take_due(watches, turn.now_ms, pump->due, PUMP_BATCH);
    if (count == 0) {
        uint64_t next = watches_next_ms(watches);
        *next_ms = next == UINT64_MAX ? next : next - turn.now_ms;
    }
    node_commit(&turn, NULL);
    return count;
}

static void answer_batch(struct pump *pump, size_t count) {
    if (count > 1) qsort(pump->due, count, sizeof *pump->due, by_group);
    for (size_t i = 0, n; i < count; i += n) {
        n = group_of(pump->due + i, count - i);
        size_t left = set_aside_full(pump, pump->due + i, n);
        if (left > 0) answer_group(pump, pump->due + i, left);
    }
}

uint32_t pump_run_batches(struct watches *watches, struct worker *worker, struct instant now, size_t batches) {
    struct pump pump = {.watches = watches, .node = watches->node, .worker = worker, .now = now};
    uint64_t next_ms = UINT64_MAX;
    for (; batches > 0; batches--) {
        size_t count = take_due_batch(&pump, &next_ms);
        if (count == 0) return next_ms < UINT32_MAX ? (uint32_t)next_ms : UINT32_MAX;
        answer_batch(&pump, count);
    }
    return 0;
}

uint32_t pump_run(struct watches *watches, struct worker *worker, struct instant now) {
    return pump_run_batches(watches, worker, now, SIZE_MAX);
}

void pump_set_waker(struct watches *watches, void (*wake)(void *context), void *context) {
    struct turn turn = node_begin(watches->node, (struct instant){0});
    watches->observer.wake = wake;
    watches->observer.wake_context = context;
    node_commit(&turn, NULL);
}

void pump_has_room(struct watches *watches, const struct watch_door *door, uint64_t connection) {
    struct turn turn = node_begin(watches->node, (struct instant){0});
    watches_have_room(watches, door, connection);
    node_commit(&turn, NULL);
}

void pump_hang_up(struct watches *watches, const struct watch_door *door, uint64_t connection) {
    struct waiter gone[HANG_UP_BATCH];
    size_t count;
    do {
        struct turn turn = node_begin(watches->node, (struct instant){0});
        count = watches_hang_up(watches, door, connection, gone, HANG_UP_BATCH);
        node_commit(&turn, NULL);
        for (size_t i = 0; i < count; i++) door->deliver(door->context, &gone[i], NULL, true);
    } while (count == HANG_UP_BATCH);
}

void pump_stop(struct watches *watches) {
    struct turn turn = node_begin(watches->node, (struct instant){0});
    watches_stop(watches);
    node_commit(&turn, NULL);
}

size_t pump_parked(struct watches *watches) {
    struct turn turn = node_begin(watches->node, (struct instant){0});
    size_t parked = watches_parked(watches);
    node_commit(&turn, NULL);
    return parked;
}
