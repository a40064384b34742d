/* The two calls that are made a million times a second, read from the wire without protobuf-c: no structure a beat, no
 * copies. Only what such a request usually looks like is read here; whatever is unusual (unknown fields, a message in
 * two parts, more elements than are allowed, anything malformed) is left to protobuf-c, which decides what it means.
 * A fuzz target holds the two against each other. Internal to server/rpc. */
#ifndef MUSTER_RPC_DECODE_HOT_H
#define MUSTER_RPC_DECODE_HOT_H

#include "core/roll.h"
#include "reply/arena.h"

/* A Touch as it was sent: where a beat leaves out scope or TTL they are empty and 0. Texts point into the request. */
struct touch_fields {
    struct text scope;
    uint32_t ttl_ms;
    struct beat *beats;
    size_t count;
};

struct live_fields {
    struct text scope;
    struct text *users;
    size_t count;
    bool sessions;
};

enum plain_kind { PLAIN_NOT, PLAIN_TOUCH, PLAIN_LIVE };

/* Reads a Call. The token, if there is one, is within its limit. PLAIN_NOT: ask protobuf-c; nothing is said about the
 * request. */
enum plain_kind plain_read(struct text request, struct arena *arena, struct touch_fields *touch,
                           struct live_fields *live);

#endif
