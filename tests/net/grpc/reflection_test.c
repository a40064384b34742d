/* Reflection: every kind of request and its answer, read by generated code; and the service with them. */
#include "fake_call.h"
#include "net/grpc/services/descriptors.h"
#include "net/grpc/services/reflection_answer.h"
#include "net/grpc/services/reflection_service.h"

#include <grpc/reflection/v1/reflection.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;
#define REQUEST_CASE(name)  GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define RESPONSE_CASE(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

enum { REQUEST_BYTES = 512 };

static uint8_t request_bytes[REQUEST_BYTES];

/* A field of a request; it lives until the one after the next. */
static ProtobufCBinaryData bytes_of(const char *text) {
    static uint8_t copies[2][128];
    static size_t turn;
    uint8_t *copy = copies[turn++ % 2];
    size_t len = strlen(text);
    assert_in_range(len, 0, sizeof copies[0]);
    memcpy(copy, text, len);
    return (ProtobufCBinaryData){len, copy};
}

/* A request whose oneof has a text; its bytes live until the next one. */
static struct text request_of(int question, const char *text) {
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.host = bytes_of("example.org");
    request.message_request_case = (unsigned)question;
    request.list_services = bytes_of(text); /* the texts of the oneof are one union */
    size_t len = grpc__reflection__v1__server_reflection_request__get_packed_size(&request);
    assert_in_range(len, 0, REQUEST_BYTES);
    grpc__reflection__v1__server_reflection_request__pack(&request, request_bytes);
    return (struct text){(const char *)request_bytes, (uint32_t)len};
}

static struct text extension_request(const char *type, int32_t number) {
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    Grpc__Reflection__V1__ExtensionRequest extension = GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    extension.containing_type = bytes_of(type);
    extension.extension_number = number;
    request.message_request_case = REQUEST_CASE(FILE_CONTAINING_EXTENSION);
    request.file_containing_extension = &extension;
    size_t len = grpc__reflection__v1__server_reflection_request__pack(&request, request_bytes);
    return (struct text){(const char *)request_bytes, (uint32_t)len};
}

static Response *read_response(struct text bytes) {
    Response *response =
        grpc__reflection__v1__server_reflection_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (response == NULL) fail_msg("%u bytes are no ServerReflectionResponse", bytes.len);
    return response;
}

static void free_response(Response *response) {
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

/* The answer to a request, which says which request it answers. */
static Response *answer_to(struct text request) {
    uint8_t *bytes;
    uint32_t bytes_len;
    enum muster_code code = reflection_answer(descriptors_embedded(), request, &bytes, &bytes_len);
    if (code != MUSTER_OK) fail_msg("a request of %u bytes: %d", request.len, code);
    Response *response = read_response((struct text){(const char *)bytes, bytes_len});
    free(bytes);
    assert_non_null(response->original_request);
    uint8_t again[REQUEST_BYTES];
    size_t len = grpc__reflection__v1__server_reflection_request__pack(response->original_request, again);
    if (len != request.len || memcmp(again, request.data, len) != 0) fail_msg("another original_request");
    return response;
}

static void expect_file(struct text request, const char *file) {
    Response *response = answer_to(request);
    struct text expected = descriptors_file(descriptors_embedded(), text_of(file));
    assert_int_equal(response->message_response_case, RESPONSE_CASE(FILE_DESCRIPTOR_RESPONSE));
    assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 1);
    ProtobufCBinaryData bytes = response->file_descriptor_response->file_descriptor_proto[0];
    if (bytes.len != expected.len || memcmp(bytes.data, expected.data, bytes.len) != 0) fail_msg("not %s", file);
    free_response(response);
}

static void expect_error(struct text request, enum muster_code code) {
    Response *response = answer_to(request);
    assert_int_equal(response->message_response_case, RESPONSE_CASE(ERROR_RESPONSE));
    assert_int_equal(response->error_response->error_code, code);
    assert_true(response->error_response->error_message.len > 0);
    free_response(response);
}

static void files(void **state) {
    (void)state;
    expect_file(request_of(REQUEST_CASE(FILE_BY_FILENAME), "muster/v1/presence.proto"), "muster/v1/presence.proto");
    expect_file(request_of(REQUEST_CASE(FILE_BY_FILENAME), "grpc/health/v1/health.proto"),
                "grpc/health/v1/health.proto");
    expect_error(request_of(REQUEST_CASE(FILE_BY_FILENAME), "muster/v1/cluster.proto"), MUSTER_NOT_FOUND);
    expect_error(request_of(REQUEST_CASE(FILE_BY_FILENAME), ""), MUSTER_NOT_FOUND);
}

static void symbols(void **state) {
    (void)state;
    static const char *const presence[] = {"muster.v1.Presence",  "muster.v1.Presence.Touch", "muster.v1.Beat",
                                           "muster.v1.Beat.user", "muster.v1.Status",         "muster.v1.STATUS_BUSY"};
    for (size_t i = 0; i < sizeof presence / sizeof presence[0]; i++)
        expect_file(request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), presence[i]), "muster/v1/presence.proto");
    expect_file(request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), "grpc.health.v1.HealthCheckResponse.SERVING"),
                "grpc/health/v1/health.proto");
    expect_error(request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), "muster.v1.Nothing"), MUSTER_NOT_FOUND);
    expect_error(request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), "muster.v1"), MUSTER_NOT_FOUND);
}

static void extensions(void **state) {
    (void)state;
    expect_error(extension_request("muster.v1.Beat", 100), MUSTER_NOT_FOUND);
    expect_error(request_of(REQUEST_CASE(ALL_EXTENSION_NUMBERS_OF_TYPE), "muster.v1.Nothing"), MUSTER_NOT_FOUND);
    expect_error(request_of(REQUEST_CASE(ALL_EXTENSION_NUMBERS_OF_TYPE), "muster.v1.Presence"), MUSTER_NOT_FOUND);
    Response *response = answer_to(request_of(REQUEST_CASE(ALL_EXTENSION_NUMBERS_OF_TYPE), "muster.v1.Beat"));
    assert_int_equal(response->message_response_case, RESPONSE_CASE(ALL_EXTENSION_NUMBERS_RESPONSE));
    ProtobufCBinaryData type = response->all_extension_numbers_response->base_type_name;
    assert_int_equal(type.len, strlen("muster.v1.Beat"));
    assert_memory_equal(type.data, "muster.v1.Beat", type.len);
    assert_int_equal(response->all_extension_numbers_response->n_extension_number, 0);
    free_response(response);
}

static void services(void **state) {
    (void)state;
    static const char *const expected[] = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                           "grpc.reflection.v1alpha.ServerReflection", "muster.v1.Presence"};
    static const char *const texts[] = {"", "*", "ls"};
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        Response *response = answer_to(request_of(REQUEST_CASE(LIST_SERVICES), texts[k]));
        assert_int_equal(response->message_response_case, RESPONSE_CASE(LIST_SERVICES_RESPONSE));
        assert_int_equal(response->list_services_response->n_service, 4);
        for (size_t i = 0; i < 4; i++) {
            ProtobufCBinaryData name = response->list_services_response->service[i]->name;
            if (name.len != strlen(expected[i]) || memcmp(name.data, expected[i], name.len) != 0)
                fail_msg("service %zu is %.*s", i, (int)name.len, name.data);
        }
        assert_int_equal(response->valid_host.len, strlen("example.org"));
        free_response(response);
    }
}

static void requests_that_ask_nothing(void **state) {
    (void)state;
    expect_error(text_of(""), MUSTER_INVALID_ARGUMENT);
    expect_error(text_of("\x0a\x01h"), MUSTER_INVALID_ARGUMENT);
}

/* Of several the last counts, as everywhere in protobuf. */
static void requests_that_ask_twice(void **state) {
    (void)state;
    char twice[2 * REQUEST_BYTES];
    struct text request = request_of(REQUEST_CASE(LIST_SERVICES), "");
    memcpy(twice, request.data, request.len);
    uint32_t len = request.len;
    request = request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), "muster.v1.Beat");
    memcpy(twice + len, request.data, request.len);
    uint8_t *bytes;
    request = (struct text){twice, len + request.len};
    assert_int_equal(reflection_answer(descriptors_embedded(), request, &bytes, &len), MUSTER_OK);
    Response *response = read_response((struct text){(const char *)bytes, len});
    assert_int_equal(response->message_response_case, RESPONSE_CASE(FILE_DESCRIPTOR_RESPONSE));
    free_response(response);
    free(bytes);
}

static void requests_that_are_broken(void **state) {
    (void)state;
    static const char *const broken[] = {"\x0a\x05h",    "\x22",         "\x07",
                                         "\x3a\x01\xff", "\x0a\x01\xff", "\x22\x02\xc3\x28"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        uint8_t *bytes;
        uint32_t len;
        if (reflection_answer(descriptors_embedded(), text_of(broken[i]), &bytes, &len) != MUSTER_INVALID_ARGUMENT)
            fail_msg("request %zu is answered", i);
        assert_null(bytes);
    }
}

static void several_requests_in_one_call(void **state) {
    (void)state;
    const struct grpc_service tables[] = {reflection_service_v1(), reflection_service_v1alpha()};
    for (size_t version = 0; version < 2; version++) {
        struct grpc_call *call = fake_call_new(&tables[version], 0, 0);
        static const char *const asked[] = {"muster.v1.Presence", "muster.v1.Nothing", "grpc.health.v1.Health"};
        for (size_t i = 0; i < 3; i++) {
            fake_call_message(call, request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), asked[i]));
            assert_int_equal(call->message_count, i + 1);
            Response *response = read_response(fake_call_last(call));
            int expected = i == 1 ? RESPONSE_CASE(ERROR_RESPONSE) : RESPONSE_CASE(FILE_DESCRIPTOR_RESPONSE);
            assert_int_equal(response->message_response_case, expected);
            free_response(response);
            fake_call_drain(call);
        }
        assert_false(call->is_finished);
        fake_call_half_close(call);
        assert_true(call->is_finished);
        assert_int_equal(call->code, MUSTER_OK);
        fake_call_free(call);
    }
}

static void a_broken_request_ends_the_call(void **state) {
    (void)state;
    const struct grpc_service table = reflection_service_v1();
    struct grpc_call *call = fake_call_new(&table, 0, 0);
    fake_call_message(call, text_of("\x22"));
    assert_int_equal(call->code, MUSTER_INVALID_ARGUMENT);
    assert_int_equal(call->message_count, 0);
    fake_call_free(call);
}

/* Who asks and never reads: a request of 40 bytes is answered by 30 KiB. */
static void answers_that_are_not_read(void **state) {
    (void)state;
    const struct grpc_service table = reflection_service_v1();
    struct grpc_call *call = fake_call_new(&table, 0, 0);
    struct text request = request_of(REQUEST_CASE(FILE_CONTAINING_SYMBOL), "muster.v1.Presence");
    for (int i = 0; i < 1000; i++) fake_call_message(call, request);
    assert_true(call->is_finished);
    assert_int_equal(call->code, MUSTER_RESOURCE_EXHAUSTED);
    assert_in_range(call->unsent, 1, REFLECTION_UNSENT_BYTES_MAX + 64 * 1024);
    fake_call_free(call);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(symbols),
        cmocka_unit_test(extensions),
        cmocka_unit_test(services),
        cmocka_unit_test(requests_that_ask_nothing),
        cmocka_unit_test(requests_that_ask_twice),
        cmocka_unit_test(requests_that_are_broken),
        cmocka_unit_test(several_requests_in_one_call),
        cmocka_unit_test(a_broken_request_ends_the_call),
        cmocka_unit_test(answers_that_are_not_read),
    };
    return cmocka_run_group_tests_name("net: reflection", tests, NULL, NULL);
}
