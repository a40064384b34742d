/* What the calls of the test service have in common: metadata and a status that come back, and bodies of a size. */
#ifndef MUSTER_TESTS_GRPC_TEST_ECHO_H
#define MUSTER_TESTS_GRPC_TEST_ECHO_H

#include "net/grpc/service.h"
#include "test_messages.pb-c.h"

enum { TEST_BODY_BYTES_MAX = 4 << 20 }; /* of a response */

/* Sends x-grpc-test-echo-initial back in the headers, and x-grpc-test-echo-trailing-bin in the trailers. To be called
 * while the metadata is valid, before the first message. */
void test_echo_metadata(struct grpc_call *call);
/* Ends the call with the status, if there is one that is not OK. */
bool test_echo_status(struct grpc_call *call, const Grpc__Testing__EchoStatus *status);
/* Ends the call with INVALID_ARGUMENT. */
void test_refuse(struct grpc_call *call, const char *why);

/* Whether a response may have a body of so many bytes. */
bool test_size_is_fine(int32_t size);
/* A payload of so many zeros. */
Grpc__Testing__Payload test_payload(int32_t size);
/* A message's encoding; test_packed_free frees it. */
struct text test_pack(const ProtobufCMessage *message);
void test_packed_free(struct text packed);

#endif
