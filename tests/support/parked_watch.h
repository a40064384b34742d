/* Watches that wait: requests for a change that has not happened yet, sent over connections of sp.h. */
#ifndef MUSTER_TESTS_SUPPORT_PARKED_WATCH_H
#define MUSTER_TESTS_SUPPORT_PARKED_WATCH_H

#include "sp.h"

/* A request that is parked, as bytes, to be sent any number of times. */
struct waiting {
    uint8_t *request;
    size_t len;
};

/* Asks for the scope as it is now, and makes the request that waits for a change from there on. `with_sessions`: and
 * their states. waiting_free frees it. */
struct waiting waiting_of(const struct answerer *answerer, const char *scope, bool with_sessions, uint32_t max_wait_ms);
void waiting_free(struct waiting *waiting);

/* Sends it `count` times; ends the test if the connection ends. */
void waiting_send(const struct waiting *waiting, struct sp *sp, size_t count);
/* Reads `count` replies and returns how many have this code and, if it is 0, a cursor. Fewer come if timeout_ms passes
 * without one, or the connection ends. */
size_t waiting_replies(struct sp *sp, size_t count, int code, uint64_t timeout_ms);

/* Changes each of a hundred users of "room", with so much state that an answer with sessions is large. */
void waiting_stir(const struct answerer *answerer, char fill);

#endif
