/* The responses of a stream, each at its time: what the three calls of the test service that answer with a stream have
 * in common. On the thread of the call's loop. */
#ifndef MUSTER_TESTS_GRPC_TEST_STREAM_H
#define MUSTER_TESTS_GRPC_TEST_STREAM_H

#include "net/grpc/service.h"

enum {
    TEST_RESPONSES_MAX = 10000,         /* that wait in one stream */
    TEST_UNSENT_BYTES_MAX = 256 * 1024, /* of one stream; one more response may exceed it */
};

/* The streams of one loop. Zeroed at first. */
struct test_streams {
    struct test_stream *first;
};

/* is_held: responses wait for the last request. NULL: memory is short. */
struct test_stream *test_stream_open(struct test_streams *streams, struct grpc_call *call, bool is_held);
/* The call is over. `stream` may be NULL. */
void test_stream_close(struct test_stream *stream);

/* Adds the responses that a request, a grpc.testing.StreamingOutputCallRequest, asks for; or ends the call as it
 * says. */
void test_stream_request(struct test_stream *stream, struct text request);
/* That was the last request: the call is finished after the last response. */
void test_stream_half_closed(struct test_stream *stream);

/* Sends what is due, as far as the client reads. */
void test_stream_go_on(struct test_stream *stream, struct instant now);
/* The same for each. */
void test_streams_go_on(struct test_streams *streams, struct instant now);

#endif
