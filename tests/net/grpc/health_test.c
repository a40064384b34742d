/* grpc.health.v1: what each call says, and when a Watch says it again. Answers are read by generated code. */
#include "fake_call.h"
#include "net/grpc/services/health_service.h"

#include <grpc/health/v1/health.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

enum { METHOD_CHECK, METHOD_LIST, METHOD_WATCH, LOOPS = 2 };

static const char *const names[] = {"muster.v1.Presence", "grpc.health.v1.Health", NULL};
static struct loops *loops;
static struct health_service *health;
static struct grpc_service table;
static bool is_serving;
static size_t asked;

static bool tell_serving(void *context) {
    assert_ptr_equal(context, &is_serving);
    asked++;
    return is_serving;
}

static int setup(void **state) {
    (void)state;
    is_serving = true;
    loops = loops_start(&(struct loops_config){.threads = LOOPS, .is_driven = true});
    if (loops == NULL) return -1;
    health = health_service_new(loops, names, tell_serving, &is_serving);
    if (health == NULL) return -1;
    table = health_service_table(health);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    health_service_free(health);
    loops_stop(loops);
    loops_free(loops);
    return 0;
}

static void end_turns(void) {
    for (unsigned i = 0; i < LOOPS; i++) table.turn_ends(health, i, (struct instant){0});
}

/* A HealthCheckRequest; it lives until the next one. */
static struct text request_for(const char *service) {
    static uint8_t bytes[128], name[64];
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (ProtobufCBinaryData){strlen(service), memcpy(name, service, strlen(service))};
    size_t len = grpc__health__v1__health_check_request__pack(&request, bytes);
    return (struct text){(const char *)bytes, (uint32_t)len};
}

static struct grpc_call *call_with(size_t method, unsigned loop, struct text message) {
    struct grpc_call *call = fake_call_new(&table, method, loop);
    fake_call_message(call, message);
    return call;
}

static struct grpc_call *watch(const char *service, unsigned loop) {
    return call_with(METHOD_WATCH, loop, request_for(service));
}

static int status_of(struct text bytes) {
    Grpc__Health__V1__HealthCheckResponse *response =
        grpc__health__v1__health_check_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    assert_non_null(response);
    int status = (int)response->status;
    grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    return status;
}

/* What a Watch has said so far: `count` answers, the last of them `status`. */
static void expect_told(const struct grpc_call *call, size_t count, int status) {
    if (call->message_count != count) fail_msg("%zu answers, not %zu", call->message_count, count);
    if (status_of(fake_call_last(call)) != status) fail_msg("%d, not %d", status_of(fake_call_last(call)), status);
}

static void checks(void **state) {
    (void)state;
    static const char *const known[] = {"", "muster.v1.Presence", "grpc.health.v1.Health"};
    static const char *const unknown[] = {"muster.v1", "muster.v1.Presence2", "muster.v1.presence", "x"};
    for (int serving = 0; serving < 2; serving++) {
        is_serving = serving != 0;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            struct grpc_call *call = call_with(METHOD_CHECK, 0, request_for(known[i]));
            assert_int_equal(call->code, MUSTER_OK);
            expect_told(call, 1, is_serving ? STATUS(SERVING) : STATUS(NOT_SERVING));
            fake_call_free(call);
        }
        for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
            struct grpc_call *call = call_with(METHOD_CHECK, 0, request_for(unknown[i]));
            if (call->code != MUSTER_NOT_FOUND) fail_msg("\"%s\": %d", unknown[i], call->code);
            fake_call_free(call);
        }
    }
}

static void lists(void **state) {
    (void)state;
    static const char *const expected[] = {"", "muster.v1.Presence", "grpc.health.v1.Health"};
    struct grpc_call *call = call_with(METHOD_LIST, 0, (struct text){0});
    assert_int_equal(call->code, MUSTER_OK);
    struct text bytes = fake_call_last(call);
    Grpc__Health__V1__HealthListResponse *response =
        grpc__health__v1__health_list_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    assert_non_null(response);
    assert_int_equal(response->n_statuses, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < response->n_statuses; i++) {
        assert_string_equal(response->statuses[i]->key, expected[i]);
        assert_int_equal(response->statuses[i]->value->status, STATUS(SERVING));
    }
    grpc__health__v1__health_list_response__free_unpacked(response, NULL);
    fake_call_free(call);
}

static void requests_that_are_broken(void **state) {
    (void)state;
    for (size_t method = METHOD_CHECK; method <= METHOD_WATCH; method += METHOD_WATCH) {
        struct grpc_call *call = call_with(method, 0, text_of("\x0a\x05x"));
        assert_int_equal(call->code, MUSTER_INVALID_ARGUMENT);
        assert_int_equal(call->message_count, 0);
        fake_call_free(call);
    }
}

static void watches_tell_each_change_once(void **state) {
    (void)state;
    struct grpc_call *calls[] = {watch("", 0), watch("muster.v1.Presence", 1), watch("", 1)};
    for (size_t turn = 0; turn < 6; turn++) {
        end_turns();
        for (size_t i = 0; i < 3; i++) {
            fake_call_drain(calls[i]);
            expect_told(calls[i], turn + 1, is_serving ? STATUS(SERVING) : STATUS(NOT_SERVING));
        }
        end_turns();
        end_turns();
        is_serving = !is_serving;
    }
    for (size_t i = 0; i < 3; i++) fake_call_free(calls[i]);
}

static void a_watch_of_an_unknown_service(void **state) {
    (void)state;
    struct grpc_call *call = watch("x", 0), *other = watch("", 0);
    for (int turn = 0; turn < 4; turn++) {
        expect_told(call, 1, STATUS(SERVICE_UNKNOWN));
        assert_false(call->is_finished);
        fake_call_drain(call);
        is_serving = !is_serving;
        end_turns();
    }
    table.draining(health, 0);
    expect_told(call, 1, STATUS(SERVICE_UNKNOWN));
    assert_int_equal(call->code, MUSTER_UNAVAILABLE);
    fake_call_free(call);
    fake_call_free(other);
}

/* A reader that stalls has one answer on its way, however often things change, and then gets the last one. */
static void one_unsent_answer(void **state) {
    (void)state;
    struct grpc_call *slow = watch("", 0), *quick = watch("", 0);
    fake_call_drain(quick);
    for (int turn = 0; turn < 11; turn++) {
        is_serving = !is_serving;
        end_turns();
        fake_call_drain(quick);
    }
    expect_told(quick, 12, STATUS(NOT_SERVING));
    expect_told(slow, 1, STATUS(SERVING));
    fake_call_drain(slow);
    expect_told(slow, 2, STATUS(NOT_SERVING));
    is_serving = true;
    end_turns();
    is_serving = false;
    end_turns();
    fake_call_drain(slow); /* it is as it was told */
    expect_told(slow, 2, STATUS(NOT_SERVING));
    is_serving = true;
    end_turns();
    expect_told(slow, 3, STATUS(SERVING));
    fake_call_free(slow);
    fake_call_free(quick);
}

/* Between two ends of turns it changes, a Watch begins, and it changes back. */
static void a_watch_that_begins_within_a_change(void **state) {
    (void)state;
    struct grpc_call *first = watch("", 0);
    fake_call_drain(first);
    end_turns();
    is_serving = false;
    struct grpc_call *second = watch("", 0);
    expect_told(second, 1, STATUS(NOT_SERVING));
    fake_call_drain(second);
    is_serving = true;
    end_turns();
    expect_told(second, 2, STATUS(SERVING));
    is_serving = false;
    struct grpc_call *third = watch("", 0);
    fake_call_drain(third);
    end_turns(); /* the first two were not told yet */
    expect_told(first, 2, STATUS(NOT_SERVING));
    fake_call_drain(second);
    expect_told(second, 3, STATUS(NOT_SERVING));
    expect_told(third, 1, STATUS(NOT_SERVING));
    fake_call_free(first);
    fake_call_free(second);
    fake_call_free(third);
}

static void nobody_is_asked_without_watches(void **state) {
    (void)state;
    struct grpc_call *call = watch("", 0);
    fake_call_free(call);
    size_t before = asked;
    end_turns();
    assert_int_equal(asked, before);
}

/* The middle one, the first, the last: the others go on. */
static void watches_that_end(void **state) {
    (void)state;
    static const size_t orders[][3] = {{1, 0, 2}, {0, 1, 2}, {2, 1, 0}};
    for (size_t k = 0; k < 3; k++) {
        struct grpc_call *calls[3];
        for (size_t i = 0; i < 3; i++) fake_call_drain(calls[i] = watch("", 0));
        size_t told[3] = {1, 1, 1};
        for (size_t i = 0; i < 3; i++) {
            fake_call_free(calls[orders[k][i]]);
            is_serving = !is_serving;
            end_turns();
            for (size_t left = i + 1; left < 3; left++) {
                size_t other = orders[k][left];
                fake_call_drain(calls[other]);
                expect_told(calls[other], ++told[other], is_serving ? STATUS(SERVING) : STATUS(NOT_SERVING));
            }
        }
    }
}

static void a_node_that_stops(void **state) {
    (void)state;
    struct grpc_call *read = watch("", 0), *unread = watch("", 0), *elsewhere = watch("", 1);
    fake_call_drain(read);
    table.draining(health, 0);
    expect_told(read, 2, STATUS(NOT_SERVING));
    assert_int_equal(read->code, MUSTER_UNAVAILABLE);
    expect_told(unread, 2, STATUS(NOT_SERVING));
    assert_int_equal(unread->code, MUSTER_UNAVAILABLE);
    assert_false(elsewhere->is_finished);
    end_turns();
    struct grpc_call *late = watch("", 0); /* its headers came before */
    expect_told(late, 1, STATUS(NOT_SERVING));
    assert_int_equal(late->code, MUSTER_UNAVAILABLE);
    struct grpc_call *checked = call_with(METHOD_CHECK, 0, request_for(""));
    expect_told(checked, 1, STATUS(NOT_SERVING));
    table.draining(health, 1);
    expect_told(elsewhere, 2, STATUS(NOT_SERVING));
    assert_true(elsewhere->is_finished);
    fake_call_free(read);
    fake_call_free(unread);
    fake_call_free(elsewhere);
    fake_call_free(late);
    fake_call_free(checked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks, setup, teardown),
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_that_are_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_tell_each_change_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_of_an_unknown_service, setup, teardown),
        cmocka_unit_test_setup_teardown(one_unsent_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_begins_within_a_change, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_asked_without_watches, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_that_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_that_stops, setup, teardown),
    };
    return cmocka_run_group_tests_name("net: gRPC's health", tests, NULL, NULL);
}
