#include "test_stream.h"

#include "test_echo.h"
#include "test_service.h"

#include <stdlib.h>
#include <string.h>

/* A response that was asked for. */
struct response {
    int32_t size, interval_us;
};

struct test_stream {
    struct test_stream *next, **link; /* of the loop's */
    struct grpc_call *call;
    struct response *responses; /* those from first_response on are not sent yet */
    size_t response_count, first_response;
    uint64_t previous_us; /* when the response before, or the request, was there; monotonic */
    bool is_held;         /* responses wait for the last request */
    bool has_every_request, is_finished;
};

struct test_stream *test_stream_open(struct test_streams *streams, struct grpc_call *call, bool is_held) {
    struct test_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return NULL;
    *stream = (struct test_stream){.next = streams->first, .link = &streams->first, .call = call, .is_held = is_held};
    if (stream->next != NULL) stream->next->link = &stream->next;
    streams->first = stream;
    return stream;
}

void test_stream_close(struct test_stream *stream) {
    if (stream == NULL) return;
    *stream->link = stream->next;
    if (stream->next != NULL) stream->next->link = stream->link;
    free(stream->responses);
    free(stream);
}

static uint64_t monotonic_us(struct instant now) {
    return now.now_ms * 1000;
}

static void refuse(struct test_stream *stream, const char *why) {
    stream->is_finished = true;
    test_refuse(stream->call, why);
}

static bool stream_has_responses(const struct test_stream *stream) {
    return stream->first_response < stream->response_count;
}

/* Makes room for `count` more. */
static bool stream_reserve(struct test_stream *stream, size_t count) {
    size_t waiting = stream->response_count - stream->first_response;
    if (count > TEST_RESPONSES_MAX - waiting) return false;
    if (waiting > 0)
        memmove(stream->responses, stream->responses + stream->first_response, waiting * sizeof *stream->responses);
    stream->first_response = 0;
    stream->response_count = waiting;
    struct response *responses = realloc(stream->responses, (waiting + count + 1) * sizeof *responses);
    if (responses == NULL) return false;
    stream->responses = responses;
    return true;
}

static void stream_add_responses(struct test_stream *stream, const Grpc__Testing__StreamingOutputCallRequest *request) {
    if (!stream_has_responses(stream)) stream->previous_us = monotonic_us(grpc_call_now(stream->call));
    if (!stream_reserve(stream, request->n_response_parameters)) {
        refuse(stream, "too many responses");
        return;
    }
    for (size_t i = 0; i < request->n_response_parameters; i++) {
        const Grpc__Testing__ResponseParameters *wanted = request->response_parameters[i];
        if (!test_size_is_fine(wanted->size) || wanted->interval_us < 0) {
            refuse(stream, "a size or an interval of a response");
            return;
        }
        stream->responses[stream->response_count++] = (struct response){wanted->size, wanted->interval_us};
    }
}

void test_stream_request(struct test_stream *stream, struct text request) {
    Grpc__Testing__StreamingOutputCallRequest *decoded =
        grpc__testing__streaming_output_call_request__unpack(NULL, request.len, (const uint8_t *)request.data);
    if (decoded == NULL) refuse(stream, "not a StreamingOutputCallRequest");
    else if (test_echo_status(stream->call, decoded->response_status)) stream->is_finished = true;
    else stream_add_responses(stream, decoded);
    if (decoded != NULL) grpc__testing__streaming_output_call_request__free_unpacked(decoded, NULL);
    if (!stream->is_finished) test_stream_go_on(stream, grpc_call_now(stream->call));
}

void test_stream_half_closed(struct test_stream *stream) {
    struct instant now = grpc_call_now(stream->call);
    if (stream->is_held) stream->previous_us = monotonic_us(now);
    stream->is_held = false;
    stream->has_every_request = true;
    test_stream_go_on(stream, now);
}

static void stream_send(struct test_stream *stream, int32_t size) {
    Grpc__Testing__StreamingOutputCallResponse response = GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
    Grpc__Testing__Payload payload = test_payload(size);
    response.payload = &payload;
    struct text packed = test_pack(&response.base);
    grpc_call_send(stream->call, packed);
    test_packed_free(packed);
}

/* The first response that waits, if it is due and the client has read enough. */
static const struct response *stream_due(const struct test_stream *stream, struct instant now) {
    if (!stream_has_responses(stream) || grpc_call_unsent(stream->call) >= TEST_UNSENT_BYTES_MAX) return NULL;
    const struct response *response = &stream->responses[stream->first_response];
    return monotonic_us(now) >= stream->previous_us + (uint64_t)response->interval_us ? response : NULL;
}

void test_stream_go_on(struct test_stream *stream, struct instant now) {
    const struct response *response;
    if (stream->is_finished || stream->is_held) return;
    while ((response = stream_due(stream, now)) != NULL) {
        stream->first_response++;
        stream->previous_us = monotonic_us(now);
        stream_send(stream, response->size);
    }
    if (!stream->has_every_request || stream_has_responses(stream)) return;
    stream->is_finished = true;
    grpc_call_finish(stream->call, MUSTER_OK, text_of(""));
}

void test_streams_go_on(struct test_streams *streams, struct instant now) {
    for (struct test_stream *stream = streams->first, *next; stream != NULL; stream = next) {
        next = stream->next; /* it may end */
        test_stream_go_on(stream, now);
    }
}
