#include "response.h"
#include "worker.h"

#include <assert.h>

void response_refuse(struct response *out, struct arena *arena, enum muster_code code, struct text message) {
    *out = (struct response){.code = code};
    arena_reset(arena, WORKER_BYTES_KEPT);
    bool has_room = arena_copy(arena, message, &out->message);
    assert(has_room); /* an empty arena holds far more than any message */
    (void)has_room;
}
