/* Health and reflection on the real door, over HTTP/2: what is asked, and when it is told. */
#include "net/grpc/grpc_door.h"
#include "net/grpc/services/descriptors.h"
#include "net/grpc/services/health_service.h"
#include "net/grpc/services/reflection_service.h"
#include "support/grpc_client.h"
#include "sys/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 20000, STATUS_SERVING = 1, STATUS_NOT_SERVING = 2, STATUS_SERVICE_UNKNOWN = 3 };

#define WATCH "/grpc.health.v1.Health/Watch"
#define CHECK "/grpc.health.v1.Health/Check"
#define V1    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

static const char *const names[] = {"muster.v1.Presence", NULL};
static atomic_bool is_serving;
static struct loops *loops;
static struct health_service *health;
static struct grpc_door *door;
static struct h2 *h2;

static bool tell_serving(void *context) {
    (void)context;
    return atomic_load(&is_serving);
}

static int setup(void **state) {
    (void)state;
    struct error error;
    log_start(FORMAT_LOGFMT, LEVEL_ERROR, NULL);
    atomic_store(&is_serving, true);
    loops = loops_start(&(struct loops_config){.threads = 2});
    health = loops == NULL ? NULL : health_service_new(loops, names, tell_serving, NULL);
    if (health == NULL) return -1;
    const struct grpc_door_config config = {
        .url = "tcp://127.0.0.1:0",
        .services = {health_service_table(health), reflection_service_v1(), reflection_service_v1alpha()},
        .service_count = 3,
        .connections_max = 100,
    };
    door = grpc_door_open(loops, &config, &error);
    if (door == NULL) return -1;
    h2 = h2_open(door_url(grpc_door_door(door), 0));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    h2_close(h2);
    loops_stop(loops);
    grpc_door_close(door);
    health_service_free(health);
    loops_free(loops);
    return 0;
}

/* A message that has one text. */
static struct text field_of(unsigned number, const char *text) {
    static uint8_t bytes[256];
    struct pb_writer out = pb_write_to(bytes, sizeof bytes);
    pb_write_element(&out, number, text_of(text));
    return pb_written_text(&out);
}

static int status_at(uint32_t stream, size_t i) {
    struct text message;
    if (!grpc_await_messages(h2, stream, i + 1, WAIT_MS)) fail_msg("%zu answers do not come", i + 1);
    assert_true(grpc_message_at(h2, stream, i, &message));
    struct pb_reader in = pb_read(message);
    struct pb_field field;
    assert_true(pb_next(&in, &field));
    assert_int_equal(field.number, 1);
    return (int)field.value;
}

/* A Watch, whose request is whole. */
static uint32_t watch(const char *service) {
    uint32_t stream = grpc_begin(h2, &(struct grpc_request){.path = WATCH}, 0);
    assert_true(grpc_send(h2, stream, field_of(1, service), H2_END_STREAM));
    return stream;
}

static void checks(void **state) {
    (void)state;
    uint32_t stream;
    const struct grpc_request request = {.path = CHECK};
    assert_int_equal(grpc_ask(h2, &request, field_of(1, "muster.v1.Presence"), &stream).code, MUSTER_OK);
    assert_int_equal(status_at(stream, 0), STATUS_SERVING);
    atomic_store(&is_serving, false);
    assert_int_equal(grpc_ask(h2, &request, (struct text){0}, &stream).code, MUSTER_OK);
    assert_int_equal(status_at(stream, 0), STATUS_NOT_SERVING);
    assert_int_equal(grpc_ask(h2, &request, field_of(1, "nobody"), &stream).code, MUSTER_NOT_FOUND);
    assert_int_equal(grpc_ask(h2, &request, text_of("\x0a\x09x"), &stream).code, MUSTER_INVALID_ARGUMENT);
}

static void lists(void **state) {
    (void)state;
    uint32_t stream;
    struct text message;
    const struct grpc_request request = {.path = "/grpc.health.v1.Health/List"};
    assert_int_equal(grpc_ask(h2, &request, (struct text){0}, &stream).code, MUSTER_OK);
    assert_true(grpc_message_at(h2, stream, 0, &message));
    static const char expected[] = "\x0a\x06\x0a\x00\x12\x02\x08\x01"
                                   "\x0a\x18\x0a\x12"
                                   "muster.v1.Presence\x12\x02\x08\x01";
    assert_int_equal(message.len, sizeof expected - 1);
    assert_memory_equal(message.data, expected, message.len);
}

/* No other traffic wakes the loop that has the Watch. */
static void watches_hear_of_changes(void **state) {
    (void)state;
    uint32_t whole = watch(""), one = watch("muster.v1.Presence"), unknown = watch("nobody");
    for (size_t i = 0; i < 4; i++) {
        int expected = i % 2 == 0 ? STATUS_SERVING : STATUS_NOT_SERVING;
        assert_int_equal(status_at(whole, i), expected);
        assert_int_equal(status_at(one, i), expected);
        atomic_store(&is_serving, i % 2 != 0);
    }
    assert_int_equal(status_at(unknown, 0), STATUS_SERVICE_UNKNOWN);
    assert_int_equal(grpc_result(h2, unknown).messages, 1);
}

/* The peer's window is shut while the node changes: then there are the answer that was under way, and the last one. */
static void a_watch_that_is_not_read(void **state) {
    (void)state;
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    assert_true(h2_write_settings(h2, &shut, 1));
    uint32_t stream = watch(""), other;
    struct h2 *quick = h2_open(door_url(grpc_door_door(door), 0)), *slow = h2;
    h2 = quick;
    other = watch("");
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(status_at(other, i), i % 2 == 0 ? STATUS_SERVING : STATUS_NOT_SERVING);
        assert_true(h2_round_trip(slow, WAIT_MS));
        if (i < 4) atomic_store(&is_serving, i % 2 != 0);
    }
    atomic_store(&is_serving, false);
    assert_int_equal(status_at(other, 5), STATUS_NOT_SERVING);
    h2 = slow;
    h2_close(quick);
    assert_int_equal(grpc_result(h2, stream).messages, 0);
    assert_true(h2_write_window(h2, stream, 1000));
    assert_int_equal(status_at(stream, 0), STATUS_SERVING);
    assert_int_equal(status_at(stream, 1), STATUS_NOT_SERVING);
    assert_true(h2_round_trip(h2, WAIT_MS));
    assert_int_equal(grpc_result(h2, stream).messages, 2);
}

static void watches_that_are_cancelled(void **state) {
    (void)state;
    uint32_t left = watch(""), streams[20];
    for (size_t i = 0; i < 20; i++) streams[i] = watch("");
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(status_at(streams[i], 0), STATUS_SERVING);
        assert_true(h2_write_reset(h2, streams[i], NGHTTP2_CANCEL));
    }
    assert_true(h2_round_trip(h2, WAIT_MS));
    atomic_store(&is_serving, false);
    assert_int_equal(status_at(left, 1), STATUS_NOT_SERVING);
    for (size_t i = 0; i < 20; i++) assert_int_equal(grpc_result(h2, streams[i]).messages, 1);
}

static void *drain_door(void *context) {
    return door_drain(context, WAIT_MS) ? context : NULL;
}

static void a_door_that_drains(void **state) {
    (void)state;
    pthread_t thread;
    void *is_drained;
    uint32_t stream = watch(""), unknown = watch("nobody");
    assert_int_equal(status_at(stream, 0), STATUS_SERVING);
    assert_int_equal(status_at(unknown, 0), STATUS_SERVICE_UNKNOWN);
    door_refuse(grpc_door_door(door));
    assert_int_equal(pthread_create(&thread, NULL, drain_door, grpc_door_door(door)), 0);
    assert_true(h2_await_stream_end(h2, stream, WAIT_MS));
    assert_true(h2_await_stream_end(h2, unknown, WAIT_MS));
    assert_int_equal(status_at(stream, 1), STATUS_NOT_SERVING);
    assert_int_equal(grpc_result(h2, stream).messages, 2);
    assert_int_equal(grpc_result(h2, stream).code, MUSTER_UNAVAILABLE);
    assert_int_equal(grpc_result(h2, unknown).code, MUSTER_UNAVAILABLE);
    assert_true(h2_await_end(h2, WAIT_MS));
    assert_int_equal(pthread_join(thread, &is_drained), 0);
    assert_non_null(is_drained);
}

/* The first request is answered before the client has finished sending, or tools hang. */
static void reflection(void **state) {
    (void)state;
    enum { ASKED_SYMBOL = 4, ASKED_SERVICES = 7, RESPONSE_FILES = 4, RESPONSE_SERVICES = 6, RESPONSE_ERROR = 7 };
    static const struct {
        unsigned question;
        const char *text;
        unsigned answer;
    } asked[] = {{ASKED_SERVICES, "", RESPONSE_SERVICES},
                 {ASKED_SYMBOL, "muster.v1.Presence", RESPONSE_FILES},
                 {ASKED_SYMBOL, "muster.v1.Nothing", RESPONSE_ERROR},
                 {ASKED_SYMBOL, "grpc.reflection.v1alpha.ServerReflection", RESPONSE_FILES}};
    static const char *const paths[] = {V1, ALPHA};
    for (size_t k = 0; k < 2; k++) {
        uint32_t stream = grpc_begin(h2, &(struct grpc_request){.path = paths[k]}, 0);
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
            struct text message;
            assert_true(grpc_send(h2, stream, field_of(asked[i].question, asked[i].text), 0));
            if (!grpc_await_messages(h2, stream, i + 1, WAIT_MS)) fail_msg("%s: no answer %zu", paths[k], i);
            assert_true(grpc_message_at(h2, stream, i, &message));
            struct pb_reader in = pb_read(message);
            struct pb_field field;
            while (pb_next(&in, &field)) continue;
            in = pb_read(message);
            bool is_answered = false;
            while (pb_next(&in, &field)) is_answered |= field.number == asked[i].answer;
            if (!is_answered) fail_msg("%s: %s is answered otherwise", paths[k], asked[i].text);
        }
        assert_true(grpc_half_close(h2, stream));
        assert_true(h2_await_stream_end(h2, stream, WAIT_MS));
        assert_int_equal(grpc_result(h2, stream).code, MUSTER_OK);
    }
}

static void reflection_that_is_not_read(void **state) {
    (void)state;
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    assert_true(h2_write_settings(h2, &shut, 1));
    uint32_t stream = grpc_begin(h2, &(struct grpc_request){.path = V1}, 0);
    for (int i = 0; i < 100; i++) assert_true(grpc_send_frame(h2, stream, field_of(4, "muster.v1.Presence"), 0));
    assert_true(h2_round_trip(h2, WAIT_MS));
    assert_true(h2_write_window(h2, stream, 4 << 20));
    assert_true(h2_write_window(h2, 0, 4 << 20));
    assert_true(h2_await_stream_end(h2, stream, WAIT_MS));
    struct grpc_result result = grpc_result(h2, stream);
    assert_int_equal(result.code, MUSTER_RESOURCE_EXHAUSTED);
    assert_in_range(result.messages, 2, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks, setup, teardown),
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_hear_of_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_that_are_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_door_that_drains, setup, teardown),
        cmocka_unit_test_setup_teardown(reflection, setup, teardown),
        cmocka_unit_test_setup_teardown(reflection_that_is_not_read, setup, teardown),
    };
    return cmocka_run_group_tests_name("net: gRPC's own services", tests, NULL, NULL);
}
