/* The two calls that are made a million times a second, decoded without protobuf-c: no structure a beat, no copies.
 * Only what such a request usually looks like is decoded here. Whatever is unusual (unknown fields, more elements than
 * are allowed, anything malformed) is left to protobuf-c, which decides what it means. A fuzz target holds the two
 * against each other. Internal to server/rpc. */
#ifndef MUSTER_RPC_DECODE_HOT_H
#define MUSTER_RPC_DECODE_HOT_H

#include "core/roll.h"

/* A TouchRequest as it was sent: where a beat leaves out scope or TTL they are empty and 0. Texts point into the
 * request.
 */
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

/* Decode the body of a request into fields that use the caller's array. False: leave it to protobuf-c; nothing is said
 * about the request. */
bool decode_hot_touch(struct text body, struct beat *beats, size_t beats_max, struct touch_fields *out);
bool decode_hot_live(struct text body, struct text *users, size_t users_max, struct live_fields *out);

#endif
