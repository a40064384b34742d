/* Touch on the wire: decodes a request into valid, complete beats, and encodes a response. Internal to server/rpc. */
#ifndef MUSTER_RPC_TOUCH_CODEC_H
#define MUSTER_RPC_TOUCH_CODEC_H

#include "call.h"
#include "decode_hot.h"

/* Decodes and validates a TouchRequest, and fills in what beats leave out. Beats are in the call's arena, their texts
 * in `body`. *least_ttl_ms: of all beats. Refuses the call otherwise. */
enum muster_code touch_decode(struct call *call, struct text body, struct touch_fields *fields, uint32_t *least_ttl_ms);

/* The second half of touch_decode: validates what was decoded, and fills in what beats leave out. */
enum muster_code touch_complete(struct call *call, const struct touch_fields *fields, uint32_t *least_ttl_ms);

struct touch_answer {
    uint32_t joined; /* users who were not live before */
    uint32_t ttl_ms; /* the least of the beats */
    uint64_t stamp;
};

/* Two fields of 32 bits and one of 64. */
enum { TOUCH_RESPONSE_BYTES_MAX = 2 * (1 + 5) + 1 + 10 };
/* Encodes a TouchResponse into `out`; returns what was written. */
struct text touch_encode(const struct touch_answer *answer, char out[TOUCH_RESPONSE_BYTES_MAX]);

#endif
