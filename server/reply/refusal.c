#include "refusal.h"
#include "wire.h"
#include "worker.h"

#include <assert.h>

/* Field numbers of the contract (presence.proto). */
enum { REPLY_CODE = 1, REPLY_MESSAGE = 2 };

enum muster_code refusal_encode(struct arena *arena, enum muster_code code, struct text message, struct text *reply) {
    arena_reset(arena, WORKER_BYTES_KEPT);
    char *start = arena_take(arena, 1, wire_uint_size(code) + wire_text_size(message) + 1);
    assert(start != NULL); /* an empty arena holds far more than any message */
    char *at = wire_put_uint(start, REPLY_CODE, code);
    at = wire_put_text(at, REPLY_MESSAGE, message);
    *reply = (struct text){start, (uint32_t)(at - start)};
    return code;
}
