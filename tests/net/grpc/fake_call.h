/* Calls without a door: what a service does with one is written down. For tests and fuzz targets of one service; what
 * the door makes of it is tested elsewhere. */
#ifndef MUSTER_TESTS_FAKE_CALL_H
#define MUSTER_TESTS_FAKE_CALL_H

#include "net/grpc/service.h"

enum { FAKE_MESSAGES_MAX = 16 };

struct grpc_call {
    const struct grpc_service *service;
    const struct grpc_method *method;
    unsigned loop;
    void *data;
    char *messages[FAKE_MESSAGES_MAX]; /* copies of what was sent: the last ones, if there are more */
    uint32_t message_lens[FAKE_MESSAGES_MAX];
    size_t message_count, unsent;
    bool is_finished, is_closed;
    enum muster_code code;
    char status_message[128];
};

/* A call of a service's i-th method, whose headers have come. */
struct grpc_call *fake_call_new(const struct grpc_service *service, size_t method, unsigned loop);
/* The service's callbacks, as a door calls them. */
void fake_call_message(struct grpc_call *call, struct text message);
void fake_call_half_close(struct grpc_call *call);
void fake_call_drain(struct grpc_call *call); /* all that was sent has left */
/* Closes the call, unless it is. `call` may be NULL. */
void fake_call_free(struct grpc_call *call);

/* The last message; fails the test program where there is none. */
struct text fake_call_last(const struct grpc_call *call);

#endif
