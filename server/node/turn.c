#include "turn.h"

#include <assert.h>
#include <sched.h>

/* Units of upkeep in one hold of the lock: well under a millisecond, also where each is an event for watches. */
enum { TURN_TICK_SLICE = 250 };
/* How often a thread that yields checks whether another one had the lock. */
enum { TURN_YIELDS = 256 };

void node_assert_held(const struct node *node) {
    assert(node->is_held && pthread_equal(node->holder, pthread_self()));
}

/* Hands the effects of the roll's calls to the observer. */
static void hand_over_effects(struct node *node) {
    const struct node_observer *observer = node->observer;
    if (observer->effects != NULL) observer->take_effects(observer->context, node->roll);
}

static bool wants_wake(const struct node_observer *observer) {
    return observer->wake != NULL && observer->effects != NULL && observer->wants_wake(observer->context);
}

static uint64_t take_lock(struct node *node, struct instant now) {
    atomic_fetch_add_explicit(&node->waiting, 1, memory_order_relaxed);
    pthread_mutex_lock(&node->lock);
    atomic_fetch_sub_explicit(&node->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&node->turns, 1, memory_order_relaxed);
    node->is_held = true;
    node->holder = pthread_self();
    const uint64_t before_ms = node->now_ms;
    if (now.now_ms > before_ms) node->now_ms = now.now_ms;
    if (node->stall_ms != 0 && node->now_ms - before_ms > node->stall_ms) standstill_note(node);
    return node->now_ms;
}

static void release_lock(struct node *node) {
    const struct node_observer *observer = node->observer;
    node_assert_held(node);
    hand_over_effects(node);
    bool is_wanted = wants_wake(observer);
    void (*wake)(void *) = observer->wake;
    void *context = observer->wake_context;
    node->is_held = false;
    pthread_mutex_unlock(&node->lock);
    if (is_wanted) wake(context);
}

struct turn node_begin(struct node *node, struct instant now) {
    uint64_t now_ms = take_lock(node, now);
    return (struct turn){.node = node, .roll = node->roll, .hlc = &node->hlc, .now_ms = now_ms};
}

/* A mutex that is released and taken again at once mostly stays with the same thread: wait until another had it. */
void node_yield(struct turn *turn) {
    struct node *node = turn->node;
    unsigned turns = atomic_load_explicit(&node->turns, memory_order_relaxed);
    release_lock(node);
    for (int i = 0; i < TURN_YIELDS; i++) {
        if (atomic_load_explicit(&node->waiting, memory_order_relaxed) == 0) break;
        if (atomic_load_explicit(&node->turns, memory_order_relaxed) != turns) break;
        sched_yield();
    }
    turn->now_ms = take_lock(node, (struct instant){0});
}

struct turn node_begin_ticked(struct node *node, struct instant now, size_t *work) {
    struct turn turn = node_begin(node, now);
    size_t done = TURN_TICK_SLICE;
    for (; roll_tick(turn.roll, turn.now_ms, TURN_TICK_SLICE, turn_effects(&turn)); done += TURN_TICK_SLICE)
        node_yield(&turn);
    hand_over_effects(node);
    if (work != NULL) *work = done;
    return turn;
}

/* The replica decides under the lock when its peers get the beats; its sink is woken without it. */
void node_commit(struct turn *turn, const struct touched *touched) {
    struct node *node = turn->node;
    assert(node != NULL); /* a turn is committed once */
    turn->node = NULL;
    bool is_news = false, was_idle = false;
    if (touched != NULL && node->replica != NULL) {
        is_news = replica_touched(node->replica, touched, node->now_ms);
        was_idle = node->is_idle && !is_news; /* news that goes out at once leaves nothing to wait for */
        node->is_told = true;
        if (was_idle) node->is_idle = false;
    }
    struct action_sink sink = node->sink;
    release_lock(node);
    if (is_news && sink.news != NULL) sink.news(sink.context);
    if (was_idle && sink.wake != NULL) sink.wake(sink.context);
}

void node_observe(struct node *node, struct node_observer *observer) {
    struct turn turn = node_begin(node, (struct instant){0});
    node->observer = observer != NULL ? observer : &node_nobody;
    node_commit(&turn, NULL);
}
