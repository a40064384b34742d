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
    uint32_t displaced, unknown;     /* as in struct touched */
    const struct beat_outcome *each; /* of the request's beats; only looked at where `unknown` is not 0 */
    size_t count;
};

/* What the response to a request of `beats` beats takes at most: three fields of 32 bits and one of 64, and the list of
 * the unknown. */
#define TOUCH_RESPONSE_BYTES_MAX(beats) (3 * (1 + 5) + 1 + 10 + 1 + 5 + 5 * (size_t)(beats))
/* Encodes a TouchResponse into `out`, which has that room; returns what was written. */
struct text touch_encode(const struct touch_answer *answer, char *out);

#endif
