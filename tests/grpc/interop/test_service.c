#include "test_service.h"

#include "net/loop.h"
#include "test_echo.h"
#include "test_stream.h"

#include <stdlib.h>

struct test_service {
    struct test_streams streams[LOOPS_MAX]; /* each is its loop's alone */
};

/* ---- one request, one response ---- */

static void answer_empty_call(void *context, struct grpc_call *call, struct text message) {
    (void)context, (void)message;
    grpc_call_answer(call, MUSTER_OK, text_of(""), text_of(""));
}

static void answer_with_body(struct grpc_call *call, int32_t size) {
    Grpc__Testing__SimpleResponse response = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    Grpc__Testing__Payload payload = test_payload(size);
    response.payload = &payload;
    struct text packed = test_pack(&response.base);
    grpc_call_answer(call, MUSTER_OK, text_of(""), packed);
    test_packed_free(packed);
}

static void answer_unary_call(void *context, struct grpc_call *call, struct text message) {
    Grpc__Testing__SimpleRequest *request =
        grpc__testing__simple_request__unpack(NULL, message.len, (const uint8_t *)message.data);
    (void)context;
    if (request == NULL || !test_size_is_fine(request->response_size)) {
        test_refuse(call, "not a SimpleRequest, or the size of the response");
    } else {
        test_echo_metadata(call);
        if (!test_echo_status(call, request->response_status)) answer_with_body(call, request->response_size);
    }
    if (request != NULL) grpc__testing__simple_request__free_unpacked(request, NULL);
}

/* ---- a stream of requests, one response: the call's data is the sum of their sizes ---- */

static void add_input(void *context, struct grpc_call *call, struct text message) {
    Grpc__Testing__StreamingInputCallRequest *request =
        grpc__testing__streaming_input_call_request__unpack(NULL, message.len, (const uint8_t *)message.data);
    void **sum = grpc_call_data(call);
    (void)context;
    if (request == NULL) {
        test_refuse(call, "not a StreamingInputCallRequest");
        return;
    }
    if (request->payload != NULL) *sum = (void *)((uintptr_t)*sum + request->payload->body.len);
    grpc__testing__streaming_input_call_request__free_unpacked(request, NULL);
}

static void answer_input(void *context, struct grpc_call *call) {
    Grpc__Testing__StreamingInputCallResponse response = GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
    (void)context;
    response.aggregated_payload_size = (int32_t)(uintptr_t)*grpc_call_data(call);
    struct text packed = test_pack(&response.base);
    grpc_call_answer(call, MUSTER_OK, text_of(""), packed);
    test_packed_free(packed);
}

/* ---- a stream of responses ---- */

static void open_stream(void *context, struct grpc_call *call, bool is_held) {
    struct test_service *service = context;
    struct test_stream *stream = test_stream_open(&service->streams[grpc_call_loop(call)], call, is_held);
    *grpc_call_data(call) = stream;
    test_echo_metadata(call);
    if (stream == NULL) grpc_call_finish(call, MUSTER_RESOURCE_EXHAUSTED, text_of("memory is short"));
}

static void open_duplex(void *context, struct grpc_call *call) {
    open_stream(context, call, false);
}

static void open_half_duplex(void *context, struct grpc_call *call) {
    open_stream(context, call, true);
}

static void take_request(void *context, struct grpc_call *call, struct text message) {
    (void)context;
    test_stream_request(*grpc_call_data(call), message);
}

static void end_requests(void *context, struct grpc_call *call) {
    (void)context;
    test_stream_half_closed(*grpc_call_data(call));
}

static void take_only_request(void *context, struct grpc_call *call, struct text message) {
    take_request(context, call, message);
    end_requests(context, call);
}

static void go_on(void *context, struct grpc_call *call) {
    (void)context;
    test_stream_go_on(*grpc_call_data(call), grpc_call_now(call));
}

static void close_stream(void *context, struct grpc_call *call) {
    (void)context;
    test_stream_close(*grpc_call_data(call));
}

static void turn_ends(void *context, unsigned loop, struct instant now) {
    struct test_service *service = context;
    test_streams_go_on(&service->streams[loop], now);
}

/* ---- the table ---- */

#define TEST_PATH(name) "/grpc.testing.TestService/" name

static const struct grpc_method test_methods[] = {
    {.path = TEST_PATH("EmptyCall"), .is_request_one = true, .message = answer_empty_call},
    {.path = TEST_PATH("UnaryCall"), .is_request_one = true, .message = answer_unary_call},
    {.path = TEST_PATH("StreamingInputCall"), .message = add_input, .half_closed = answer_input},
    {.path = TEST_PATH("StreamingOutputCall"),
     .is_request_one = true,
     .opened = open_duplex,
     .message = take_only_request,
     .drained = go_on,
     .closed = close_stream},
    {.path = TEST_PATH("FullDuplexCall"),
     .opened = open_duplex,
     .message = take_request,
     .half_closed = end_requests,
     .drained = go_on,
     .closed = close_stream},
    {.path = TEST_PATH("HalfDuplexCall"),
     .opened = open_half_duplex,
     .message = take_request,
     .half_closed = end_requests,
     .drained = go_on,
     .closed = close_stream},
};

struct test_service *test_service_new(void) {
    return calloc(1, sizeof(struct test_service));
}

struct grpc_service test_service_table(struct test_service *service) {
    return (struct grpc_service){
        .name = "grpc.testing.TestService",
        .service = service,
        .methods = test_methods,
        .method_count = sizeof test_methods / sizeof test_methods[0],
        .turn_ends = turn_ends,
    };
}

void test_service_free(struct test_service *service) {
    free(service);
}
