/* Where the system is short of memory, threads or descriptors, every call of the library ends with an answer or a code:
 * it neither crashes nor hangs, and it recovers. Allocations and threads are counted, and then failed one by one; those
 * that fail are the library's, since the node is another process. */
#include "muster/muster.h"
#include "support/server.h"
#include "support/wait.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, TIMEOUT_MS = 400, FAILURES_MAX = 400 };

static struct server server;

/* ---- what fails -------------------------------------------------------------------------------------------------- */

static atomic_bool is_counting;       /* while the scenario runs */
static _Thread_local bool is_counted; /* this thread is the test's, or one of the library's: not one of tests/support */
static atomic_int calls;              /* of the library, for memory and threads */
static atomic_int failing;            /* the number of the call that fails; 0: none */
static atomic_bool fails_on;          /* and so do all after it */

static bool fails(void) {
    if (!is_counted || !atomic_load(&is_counting)) return false;
    int number = atomic_fetch_add(&calls, 1) + 1, which = atomic_load(&failing);
    return which != 0 && (number == which || (atomic_load(&fails_on) && number > which));
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *string);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *arg);
int __real_eventfd(unsigned value, int flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *string);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *arg);
int __wrap_eventfd(unsigned value, int flags);

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *string) {
    return fails() ? NULL : __real_strdup(string);
}

struct counted_thread {
    void *(*body)(void *);
    void *arg;
};

static void *run_counted(void *arg) {
    struct counted_thread thread = *(struct counted_thread *)arg;
    free(arg);
    is_counted = true;
    return thread.body(thread.arg);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *arg) {
    if (!is_counted) return __real_pthread_create(thread, attributes, body, arg);
    if (fails()) return EAGAIN;
    struct counted_thread *counted = __real_malloc(sizeof *counted);
    *counted = (struct counted_thread){body, arg};
    return __real_pthread_create(thread, attributes, run_counted, counted);
}

int __wrap_eventfd(unsigned value, int flags) {
    if (!fails()) return __real_eventfd(value, flags);
    errno = EMFILE;
    return -1;
}

/* ---- the scenario ------------------------------------------------------------------------------------------------ */

static atomic_int called_back;

/* Codes that a shortage may have. A node that cannot be dialled for it is one that is not there. */
static void expect_code(const char *what, enum muster_code code, const struct muster_error *error) {
    if (code == MUSTER_OK || code == MUSTER_RESOURCE_EXHAUSTED || code == MUSTER_UNAVAILABLE) return;
    fail_msg("%s, with allocation %d failing: %s: %s", what, atomic_load(&failing), muster_strerror(code),
             error->message);
}

static void on_users(void *arg, const struct muster_users *users, const struct muster_error *error) {
    (void)arg;
    (void)users;
    (void)error;
    atomic_fetch_add(&called_back, 1);
}

static void on_touched(void *arg, const struct muster_touched *touched, const struct muster_error *error) {
    (void)arg;
    (void)touched;
    (void)error;
    atomic_fetch_add(&called_back, 1);
}

static bool are_all_called_back(void *wanted) {
    return atomic_load(&called_back) == *(int *)wanted;
}

static void call_without_waiting(struct muster_client *client) {
    struct muster_error error;
    struct muster_beat beat = {.user = "ada"};
    const char *name = "ada";
    int wanted = 0;
    atomic_store(&called_back, 0);
    enum muster_code code = muster_touch_async(client, "room", 0, &beat, 1, on_touched, NULL, &error);
    expect_code("touch_async", code, &error);
    wanted += code == MUSTER_OK;
    code = muster_live_async(client, "room", &name, 1, false, on_users, NULL, &error);
    expect_code("live_async", code, &error);
    wanted += code == MUSTER_OK;
    if (!wait_until(are_all_called_back, &wanted, PATIENCE_MS)) fail_msg("a callback is not called");
}

static void watch_and_keep(struct muster_client *client) {
    struct muster_error error;
    struct muster_watch *watch;
    struct muster_mirror *mirror;
    struct muster_keepalive *keepalive;
    struct muster_walk *walk;
    expect_code("watch", muster_watch_open(client, &(struct muster_watch_options){.scope = "room"}, &watch, &error),
                &error);
    expect_code("mirror", muster_mirror_open(client, NULL, &mirror, &error), &error);
    expect_code("keepalive", muster_keepalive_open(client, NULL, &keepalive, &error), &error);
    if (keepalive != NULL)
        expect_code("add", muster_keepalive_add(keepalive, "room", "bob", NULL, MUSTER_STATUS_ONLINE, "x", 1, &error),
                    &error);
    expect_code("walk", muster_walk_open(client, &(struct muster_query){.scope = "room"}, &walk, &error), &error);
    while (walk != NULL && muster_walk_next(walk) != NULL) continue;
    expect_code("walked", muster_walk_close(walk, &error), &error);
    if (keepalive != NULL) expect_code("kept", muster_keepalive_close(keepalive, true, &error), &error);
    muster_mirror_close(mirror);
    muster_watch_close(watch);
}

/* Everything once. Whether the client could be opened. */
static bool use_the_library(void) {
    struct muster_client *client;
    struct muster_error error;
    struct muster_beat beat = {.user = "ada", .state = "here", .state_len = 4};
    struct muster_users *users = NULL;
    const char *addresses[] = {server.tcp, server.ipc}, *name = "ada";
    struct muster_options options = {
        .addresses = addresses, .address_count = 2, .token = "token", .timeout_ms = TIMEOUT_MS};
    enum muster_code code = muster_open(&options, &client, &error);
    expect_code("open", code, &error);
    if (code != MUSTER_OK) return false;
    expect_code("touch", muster_touch(client, "room", 0, &beat, 1, NULL, &error), &error);
    expect_code("live", muster_live(client, "room", &name, 1, true, &users, &error), &error);
    muster_users_free(users);
    call_without_waiting(client);
    watch_and_keep(client);
    muster_close(client);
    return true;
}

static int run_scenario(int which, bool and_all_after) {
    atomic_store(&calls, 0);
    atomic_store(&failing, which);
    atomic_store(&fails_on, and_all_after);
    atomic_store(&is_counting, true);
    use_the_library();
    atomic_store(&is_counting, false);
    return atomic_load(&calls);
}

/* One after another, until none is left to fail. */
static void one_allocation_or_thread_that_fails_is_survived(void **state) {
    (void)state;
    int needed = run_scenario(0, false), which = 1;
    for (; which <= FAILURES_MAX; which++)
        if (run_scenario(which, false) < which) break;
    printf("%d allocations and threads, %d failed in turn\n", needed, which - 1);
    if (needed < 20 || which > FAILURES_MAX) fail_msg("%d allocations, %d failed", needed, which - 1);
}

static void so_is_the_loss_of_all_that_come_after(void **state) {
    (void)state;
    int needed = run_scenario(0, false);
    for (int which = 1; which <= needed; which += 1 + which / 8) run_scenario(which, true);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static unsigned descriptors_in_use(void) {
    int next = dup(0); /* the lowest that is free */
    close(next);
    return (unsigned)next;
}

static bool is_reached(void *client) {
    const char *name = "ada";
    struct muster_users *users = NULL;
    bool is_so = muster_live(client, "room", &name, 1, false, &users, NULL) == MUSTER_OK;
    muster_users_free(users);
    return is_so;
}

static void without_descriptors_it_says_so_and_recovers(void **state) {
    (void)state;
    struct rlimit before, limit;
    struct muster_client *client;
    struct muster_error error;
    const char *addresses[] = {server.tcp};
    struct muster_options options = {.addresses = addresses, .address_count = 1, .timeout_ms = 500};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = descriptors_in_use();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    enum muster_code code = muster_open(&options, &client, &error);
    limit.rlim_cur++; /* room for the one that wakes the thread, and for no connection */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(code, MUSTER_RESOURCE_EXHAUSTED);
    assert_null(client);
    assert_int_equal(muster_open(&options, &client, &error), MUSTER_OK);
    assert_int_equal(muster_touch(client, "room", 0, &(struct muster_beat){.user = "ada"}, 1, NULL, &error),
                     MUSTER_UNAVAILABLE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (strstr(error.message, "too many open files") == NULL) fail_msg("%s", error.message);
    if (!wait_until(is_reached, client, PATIENCE_MS)) fail_msg("it does not recover");
    muster_close(client);
}

static int set_up(void **state) {
    (void)state;
    server = server_start(NULL);
    is_counted = true;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_allocation_or_thread_that_fails_is_survived),
        cmocka_unit_test(so_is_the_loss_of_all_that_come_after),
        cmocka_unit_test(without_descriptors_it_says_so_and_recovers),
    };
    return cmocka_run_group_tests_name("client shortage", tests, set_up, tear_down);
}
