/* The answer to one request, whatever door it came through. */
#ifndef MUSTER_REPLY_RESPONSE_H
#define MUSTER_REPLY_RESPONSE_H

#include "arena.h"
#include "muster/codes.h"
#include "muster/limits.h"

/* A body and the envelope that a door puts around it fit a message. */
enum { RESPONSE_BODY_BYTES_MAX = MUSTER_MESSAGE_BYTES_MAX - 16, RESPONSE_MESSAGE_BYTES_MAX = 255 };

/* The texts are valid until the worker answers its next request. */
struct response {
    enum muster_code code;
    struct text message; /* what is wrong, at most RESPONSE_MESSAGE_BYTES_MAX bytes; empty where code is MUSTER_OK */
    struct text body;    /* the serialized XResponse, at most RESPONSE_BODY_BYTES_MAX; empty unless code is MUSTER_OK */
};

/* A refusal; resets the arena, and copies the message into it. */
void response_refuse(struct response *out, struct arena *arena, enum muster_code code, struct text message);

#endif
