/* Calls of muster.v1.Presence over a connection of h2.h. */
#ifndef MUSTER_TESTS_NET_GRPC_PRESENCE_CALLS_H
#define MUSTER_TESTS_NET_GRPC_PRESENCE_CALLS_H

#include "support/grpc_client.h"
#include "support/request_builder.h"

enum { CALL_MS = 20000 };

/* Sends the one request that the builder holds, and frees the builder. timeout: grpc-timeout; NULL: none. Returns the
 * stream's id. */
uint32_t presence_begin(struct h2 *h2, struct request_builder *builder, const char *timeout);
/* Waits for the end of the call, and ends the test unless it has this code, and a message that contains `says`. */
void presence_expect(struct h2 *h2, uint32_t stream, int code, const char *says);
/* Waits for the i-th answer of a Watch, from 0; the caller frees it. Ends the test if none comes. */
Muster__V1__WatchResponse *presence_watched(struct h2 *h2, uint32_t stream, size_t i);
void presence_watched_free(Muster__V1__WatchResponse *answer);
/* How many whole answers have come. */
size_t presence_answers(struct h2 *h2, uint32_t stream);

#endif
