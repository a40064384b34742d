/* gRPC calls over a connection of h2.h, as a client makes them (PROTOCOL-HTTP2.md). */
#ifndef MUSTER_TESTS_SUPPORT_GRPC_CLIENT_H
#define MUSTER_TESTS_SUPPORT_GRPC_CLIENT_H

#include "common/text.h"
#include "h2.h"

enum { GRPC_PREFIX = 5, GRPC_MESSAGE_BYTES = 1024, GRPC_FIELDS_MAX = 32 };

/* Zero is the default of each field but `path`. */
struct grpc_request {
    const char *path;
    const char *method, *content_type; /* POST, application/grpc */
    const char *timeout, *encoding;    /* grpc-timeout, grpc-encoding; NULL: none */
    const struct h2_field *metadata;
    size_t metadata_count;
};

/* Sends the headers; the stream's id. flags: H2_END_STREAM where no message follows. */
uint32_t grpc_begin(struct h2 *h2, const struct grpc_request *request, uint8_t flags);
/* Sends a message in frames of at most 16 KiB, as the windows allow; waits where they are shut. flags: H2_END_STREAM
 * where it is the last. False: the server is gone, or ended the call before. */
bool grpc_send(struct h2 *h2, uint32_t stream, struct text message, uint8_t flags);
/* The same with a flag byte: 1 says that it is compressed. */
bool grpc_send_flagged(struct h2 *h2, uint32_t stream, uint8_t flag, struct text message, uint8_t flags);
/* A message with its prefix, in one DATA frame, whatever the windows say. */
bool grpc_send_frame(struct h2 *h2, uint32_t stream, struct text message, uint8_t flags);
bool grpc_half_close(struct h2 *h2, uint32_t stream);

/* How a call ended, from what h2_stream has. */
struct grpc_result {
    int http_status;                  /* 0: no headers came */
    int code;                         /* grpc-status; -1: there is none */
    char message[GRPC_MESSAGE_BYTES]; /* grpc-message, decoded */
    bool is_trailers_only;
    size_t messages;
};
/* Ends the test where what came breaks the protocol: a body that is cut within a message, a second status. */
struct grpc_result grpc_result(struct h2 *h2, uint32_t stream);
/* The i-th message that came; false: there are fewer whole ones. */
bool grpc_message_at(struct h2 *h2, uint32_t stream, size_t i, struct text *message);
/* Waits for so many whole messages. */
bool grpc_await_messages(struct h2 *h2, uint32_t stream, size_t count, uint64_t timeout_ms);

/* One request, one message in it, and waits for the end. Ends the test if it does not come. *stream may be NULL. */
struct grpc_result grpc_ask(struct h2 *h2, const struct grpc_request *request, struct text message, uint32_t *stream);

#endif
