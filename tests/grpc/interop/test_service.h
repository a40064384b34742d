/* grpc.testing.TestService, the service of gRPC's interoperability tests
 * (https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md), on the door's library: all four kinds of
 * call. For tests alone. UnimplementedCall is missing, as the tests want it. */
#ifndef MUSTER_TESTS_GRPC_TEST_SERVICE_H
#define MUSTER_TESTS_GRPC_TEST_SERVICE_H

#include "net/grpc/service.h"

struct test_service;

/* NULL: memory is short. */
struct test_service *test_service_new(void);
struct grpc_service test_service_table(struct test_service *service);
/* After the door is closed. `service` may be NULL. */
void test_service_free(struct test_service *service);

#endif
