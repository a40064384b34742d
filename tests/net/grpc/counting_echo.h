/* A service for tests of the gRPC door: it answers with what it is asked, and counts what reaches it. All calls are on
 * one loop. */
#ifndef MUSTER_TESTS_NET_GRPC_COUNTING_ECHO_H
#define MUSTER_TESTS_NET_GRPC_COUNTING_ECHO_H

#include "net/grpc/service.h"

enum { ECHO_LATER_MAX = 64, ECHO_FIELD_BYTES = 8192, ECHO_MANY_MAX = 1000, ECHO_MANY_BYTES_MAX = 1 << 20 };

#define ECHO_UNARY   "/test.Echo/Unary"   /* one message, the same back */
#define ECHO_STREAM  "/test.Echo/Stream"  /* any number; each is sent back when it is whole */
#define ECHO_COLLECT "/test.Echo/Collect" /* any number; "MESSAGES BYTES" at the end */
#define ECHO_MANY    "/test.Echo/Many"    /* "COUNT SIZE": so many messages of so many bytes */
#define ECHO_FAIL    "/test.Echo/Fail"    /* "CODE MESSAGE": ends so */
#define ECHO_SLEEP   "/test.Echo/Sleep"   /* is not answered */
#define ECHO_LATER   "/test.Echo/Later"   /* as Unary, but in the commit */
#define ECHO_METADATA                                                                                                  \
    "/test.Echo/Metadata" /* as Unary; the values of x-text and x-bin come back in headers and trailers */

struct counting_echo {
    unsigned opened, closed, messages, half_closed, drained, drainings;
    unsigned stale; /* messages of Unary that came before the process stood still */
    size_t bytes;
    unsigned later_count;
    struct {
        struct grpc_handle *handle;
        struct text body;
    } later[ECHO_LATER_MAX];
};

/* `echo` is zeroed at first, and outlives the door. */
struct grpc_service counting_echo_table(struct counting_echo *echo);

#endif
