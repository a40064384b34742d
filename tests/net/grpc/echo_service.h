/* A service for tests of the door: test.Echo.
 *
 *   Once       one message, which is the answer; "fail" is answered NOT_FOUND with a message that needs encoding
 *   Every      each message is answered with itself, until the client has finished
 *   Hold       never answers; ends by its deadline, or when the client goes away
 *   Borrowed   as Once, answered in the commit
 *   Elsewhere  as Once, answered through a handle by another thread
 *   Keep       is not answered; echo_service_kept is its handle */
#ifndef MUSTER_TESTS_NET_GRPC_ECHO_SERVICE_H
#define MUSTER_TESTS_NET_GRPC_ECHO_SERVICE_H

#include "net/grpc/service.h"
#include "net/loop.h"

#include <stdatomic.h>

enum { ECHO_BORROWED_MAX = 4096 };

/* What a loop keeps until its commit. */
struct echo_seat {
    struct {
        struct grpc_call *call;
        struct text message;
    } borrowed[ECHO_BORROWED_MAX];
    size_t borrowed_count;
};

struct echo_service {
    struct echo_seat *seats[LOOPS_MAX];
    atomic_size_t opened, closed, messages, drained;
    atomic_size_t errands; /* threads that are on their way */
    struct grpc_handle *_Atomic kept;
};

struct echo_service *echo_service_new(void);
struct grpc_service echo_service_table(struct echo_service *echo);
/* Waits until no other thread has a handle. */
void echo_service_await(struct echo_service *echo);
/* Waits for the handle of the next call of Keep; the caller releases it. */
struct grpc_handle *echo_service_kept(struct echo_service *echo);
void echo_service_free(struct echo_service *echo);

#endif
