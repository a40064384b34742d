/* Calls that other threads answer, on loops with threads of their own, while clients come and go. */
#include "echo_service.h"
#include "net/grpc/grpc_door.h"
#include "support/grpc_client.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 20000, CLIENTS = 4, ROUNDS = 40, CALLS = 20 };

static struct echo_service *echo;
static struct loops *loops;
static struct grpc_door *door;

static int start(void **state) {
    (void)state;
    const struct loops_config of_loops = {.threads = 2};
    struct error error;
    echo = echo_service_new();
    loops = loops_start(&of_loops);
    if (echo == NULL || loops == NULL) fail_msg("no loops");
    const struct grpc_door_config config = {
        .url = "tcp://127.0.0.1:0", .services = {echo_service_table(echo)}, .service_count = 1};
    if ((door = grpc_door_open(loops, &config, &error)) == NULL) fail_msg("no door: %s", error.text);
    return 0;
}

static int stop(void **state) {
    (void)state;
    loops_stop(loops);
    grpc_door_close(door);
    loops_free(loops);
    echo_service_await(echo);
    size_t opened = atomic_load(&echo->opened), closed = atomic_load(&echo->closed);
    echo_service_free(echo);
    if (opened != closed) fail_msg("%zu calls were opened, and %zu closed", opened, closed);
    return 0;
}

static const struct grpc_request elsewhere = {.path = "/test.Echo/Elsewhere"};

/* Asks many at once; every third is cancelled, and every fourth time the connection is closed at once. */
static void *run_client(void *context) {
    const unsigned number = *(const unsigned *)context;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct h2 *h2 = h2_open(door_url(grpc_door_door(door), 0));
        uint32_t streams[CALLS];
        for (unsigned i = 0; i < CALLS; i++) {
            streams[i] = grpc_begin(h2, &elsewhere, 0);
            grpc_send(h2, streams[i], text_of("elsewhere"), H2_END_STREAM);
            if (i % 3 == number % 3) h2_write_reset(h2, streams[i], 8);
        }
        for (unsigned i = 0; i < CALLS && round % 4 != 0; i++) {
            if (i % 3 == number % 3) continue;
            if (!h2_await_stream_end(h2, streams[i], WAIT_MS) || grpc_result(h2, streams[i]).code != 0)
                fail_msg("client %u, round %u, call %u: not answered", number, round, i);
        }
        h2_close(h2);
    }
    return NULL;
}

static void other_threads_answer_while_clients_come_and_go(void **state) {
    (void)state;
    pthread_t threads[CLIENTS];
    unsigned numbers[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, run_client, &numbers[i]) != 0) fail_msg("no thread");
    }
    for (unsigned i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
}

static void a_handle_outlives_its_call(void **state) {
    (void)state;
    struct h2 *h2 = h2_open(door_url(grpc_door_door(door), 0));
    const struct grpc_request keep = {.path = "/test.Echo/Keep"};
    uint32_t stream = grpc_begin(h2, &keep, 0);
    grpc_send(h2, stream, text_of("x"), H2_END_STREAM);
    struct grpc_handle *handle = echo_service_kept(echo);
    if (grpc_handle_is_over(handle)) fail_msg("over before its time");
    grpc_handle_send(handle, text_of("one"));
    grpc_handle_send(handle, text_of("two"));
    if (!grpc_await_messages(h2, stream, 2, WAIT_MS)) fail_msg("two messages do not come");
    while (grpc_handle_unsent(handle) != 0) continue; /* they have come */
    h2_write_reset(h2, stream, 8);
    if (!h2_round_trip(h2, WAIT_MS) || !grpc_handle_is_over(handle)) fail_msg("not over although it was cancelled");
    grpc_handle_send(handle, text_of("three"));
    grpc_handle_finish(handle, MUSTER_OK, (struct text){0});
    if (grpc_handle_unsent(handle) != 0) fail_msg("%zu bytes are on their way", grpc_handle_unsent(handle));
    grpc_handle_release(handle);
    h2_close(h2);
}

static _Thread_local bool is_memory_short;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size) {
    return is_memory_short ? NULL : __real_malloc(size);
}

static void a_call_is_finished_while_memory_is_short(void **state) {
    (void)state;
    struct h2 *h2 = h2_open(door_url(grpc_door_door(door), 0));
    const struct grpc_request keep = {.path = "/test.Echo/Keep"};
    for (int is_sent = 0; is_sent < 2; is_sent++) {
        uint32_t stream = grpc_begin(h2, &keep, 0);
        grpc_send(h2, stream, text_of("x"), H2_END_STREAM);
        struct grpc_handle *handle = echo_service_kept(echo);
        is_memory_short = true;
        if (is_sent == 1) grpc_handle_send(handle, text_of("a message for which there is no memory"));
        grpc_handle_finish(handle, MUSTER_UNAVAILABLE, text_of("no memory for this sentence either"));
        is_memory_short = false;
        grpc_handle_release(handle);
        int expected = is_sent == 1 ? MUSTER_RESOURCE_EXHAUSTED : MUSTER_UNAVAILABLE;
        if (!h2_await_stream_end(h2, stream, WAIT_MS)) fail_msg("the call stays open");
        if (grpc_result(h2, stream).code != expected) fail_msg("code %d", grpc_result(h2, stream).code);
    }
    h2_close(h2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(other_threads_answer_while_clients_come_and_go),
        TEST(a_handle_outlives_its_call),
        TEST(a_call_is_finished_while_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
