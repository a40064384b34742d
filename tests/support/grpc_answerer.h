/* Asks a musterd over gRPC what others ask over nng: the contract suite (call_suite.h) is the same on both. */
#ifndef MUSTER_TESTS_SUPPORT_GRPC_ANSWERER_H
#define MUSTER_TESTS_SUPPORT_GRPC_ANSWERER_H

#include "request_builder.h"

/* An answerer that takes a Call apart, into a method, a token and a body, asks on a connection that is made anew for
 * each question, and makes the Reply. Of a Watch it is the first answer. The url outlives it. A Call that no gRPC
 * client can express ends the test. */
struct answerer grpc_answerer(const char *url);

#endif
