/* Turns on a node: what its observer gets and when it is woken, time, and what a programmer must not do. */
#include "muster/limits.h"
#include "node/node.h"
#include "node/tick.h"
#include "node/turn.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

enum { EFFECTS_MAX = 16, NAMES_BYTES = 4096 };

static const struct instant start = {UINT64_C(1) << 40, UINT64_C(1700000000000)};

static struct node *node_with_origin(uint64_t origin) {
    const struct node_config config = {.origin = origin,
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = 1000,
                                       .bytes_max = 1 << 30};
    struct node *node = node_new(&config, start);
    if (node == NULL) fail_msg("no node");
    return node;
}

static void touch(struct turn *turn, const char *user, uint32_t ttl_ms, struct touched *touched) {
    const struct beat beat = {
        .scope = text_of("room"), .user = text_of(user), .ttl_ms = ttl_ms, .status = STATUS_ONLINE};
    struct refusal why;
    if (roll_touch(turn->roll, &beat, 1, hlc_next(turn->hlc, turn->now_ms), turn->now_ms, turn_effects(turn), touched,
                   &why) != MUSTER_OK)
        fail_msg("%s is not touched", user);
}

/* ---- the observer ---- */

struct observed {
    struct node *node;
    struct node_observer observer;
    struct effects effects;
    unsigned joined, left, tidied, woken;
    bool wants_wake;
};

static void observed_take(void *context, const struct roll *roll) {
    struct observed *observed = context;
    (void)roll;
    for (size_t i = 0; i < observed->effects.count; i++) {
        observed->joined += observed->effects.items[i].kind == EFFECT_JOINED;
        observed->left += observed->effects.items[i].kind == EFFECT_LEFT;
    }
    effects_clear(&observed->effects);
}

static bool observed_wants_wake(void *context) {
    return ((const struct observed *)context)->wants_wake;
}

static void observed_tidy(void *context, uint64_t now_ms) {
    (void)now_ms;
    ((struct observed *)context)->tidied++;
}

/* The lock is free: it can be taken. */
static void observed_wake(void *context) {
    struct observed *observed = context;
    observed->wants_wake = false;
    struct turn turn = node_begin(observed->node, start);
    observed->woken++;
    node_commit(&turn, NULL);
}

static void observe(struct observed *observed, struct node *node) {
    static struct effect items[EFFECTS_MAX];
    static char names[NAMES_BYTES];
    *observed = (struct observed){
        .node = node,
        .effects = {.items = items, .capacity = EFFECTS_MAX, .names = names, .names_capacity = NAMES_BYTES}};
    observed->observer = (struct node_observer){.context = observed,
                                                .effects = &observed->effects,
                                                .take_effects = observed_take,
                                                .wants_wake = observed_wants_wake,
                                                .tidy = observed_tidy,
                                                .wake = observed_wake,
                                                .wake_context = observed};
    node_observe(node, &observed->observer);
}

static void a_commit_hands_over_what_changed(void **state) {
    (void)state;
    struct node *node = node_with_origin(0);
    struct observed observed;
    struct touched touched;
    observe(&observed, node);
    struct turn turn = node_begin(node, start);
    touch(&turn, "ada", 1000, &touched);
    touch(&turn, "bob", 5000, &touched);
    assert_int_equal(observed.joined, 0);
    observed.wants_wake = true;
    node_commit(&turn, &touched);
    assert_int_equal(observed.joined, 2);
    assert_int_equal(observed.woken, 1);

    turn = node_begin_ticked(node, (struct instant){start.now_ms + 2000, 0}, NULL);
    assert_int_equal(observed.left, 1); /* before the turn can be used */
    observed.observer.effects = NULL;   /* nothing is asked for any more */
    touch(&turn, "cem", 1000, &touched);
    observed.wants_wake = true;
    node_commit(&turn, &touched);
    assert_int_equal(observed.joined, 2);
    assert_int_equal(observed.woken, 1);

    node_tick(node, (struct instant){start.now_ms + 2000, 0});
    assert_int_equal(observed.tidied, 0);
    observed.observer.effects = &observed.effects;
    observed.wants_wake = false;
    node_tick(node, (struct instant){start.now_ms + 4000, 0});
    assert_int_equal(observed.tidied, 1);
    assert_int_equal(observed.left, 2);

    node_observe(node, NULL);
    turn = node_begin(node, start);
    touch(&turn, "dan", 1000, &touched);
    node_commit(&turn, &touched);
    assert_int_equal(observed.joined, 2);
    node_free(node);
}

/* ---- time ---- */

static void time_does_not_go_back(void **state) {
    (void)state;
    struct node *node = node_with_origin(0);
    struct turn turn = node_begin(node, (struct instant){start.now_ms + 500, 0});
    assert_int_equal(turn.now_ms, start.now_ms + 500);
    node_commit(&turn, NULL);
    turn = node_begin(node, start); /* another thread read the clock earlier, and was late for the lock */
    assert_int_equal(turn.now_ms, start.now_ms + 500);
    node_commit(&turn, NULL);
    node_free(node);
}

static void *begin_and_commit(void *context) {
    struct turn turn = node_begin(context, (struct instant){start.now_ms + 9000, 0});
    node_commit(&turn, NULL);
    return NULL;
}

static void who_yields_lets_others_in(void **state) {
    (void)state;
    struct node *node = node_with_origin(0);
    pthread_t other;
    struct turn turn = node_begin(node, start);
    if (pthread_create(&other, NULL, begin_and_commit, node) != 0) fail_msg("no thread");
    while (turn.now_ms != start.now_ms + 9000) node_yield(&turn); /* the other turn's time is this one's now */
    node_commit(&turn, NULL);
    pthread_join(other, NULL);
    node_free(node);
}

/* ---- what a programmer must not do ---- */

static void commit_twice(struct node *node) {
    struct turn turn = node_begin(node, start);
    node_commit(&turn, NULL);
    node_commit(&turn, NULL);
}

static void assert_outside_of_a_turn(struct node *node) {
    node_assert_held(node);
}

static void *assert_held(void *node) {
    node_assert_held(node);
    return NULL;
}

static void assert_in_another_thread(struct node *node) {
    pthread_t other;
    struct turn turn = node_begin(node, start);
    if (pthread_create(&other, NULL, assert_held, node) == 0) pthread_join(other, NULL);
    node_commit(&turn, NULL);
}

/* In a process of its own, which must abort. */
static void expect_abort(void (*misuse)(struct node *node), const char *name) {
    pid_t child = fork();
    if (child < 0) fail_msg("no process");
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(2);
        misuse(node_with_origin(0));
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child) fail_msg("no status");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) fail_msg("%s: status %d, no abort", name, status);
}

static void misuse_is_found(void **state) {
    (void)state;
    expect_abort(commit_twice, "a second commit");
    expect_abort(assert_outside_of_a_turn, "no turn");
    expect_abort(assert_in_another_thread, "the turn of another thread");
    struct node *node = node_with_origin(0);
    struct turn turn = node_begin(node, start);
    node_assert_held(node);
    node_commit(&turn, NULL);
    node_free(node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_is_found), /* first: a process is forked without other threads */
        cmocka_unit_test(a_commit_hands_over_what_changed),
        cmocka_unit_test(time_does_not_go_back),
        cmocka_unit_test(who_yields_lets_others_in),
    };
    return cmocka_run_group_tests_name("node turn", tests, NULL, NULL);
}
