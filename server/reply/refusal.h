/* A refusal as it goes out. */
#ifndef MUSTER_REPLY_REFUSAL_H
#define MUSTER_REPLY_REFUSAL_H

#include "arena.h"
#include "muster/codes.h"

/* Encodes a whole Reply that refuses, in place of all that is in the arena; message: not in the arena. Returns `code`.
 */
enum muster_code refusal_encode(struct arena *arena, enum muster_code code, struct text message, struct text *reply);

#endif
