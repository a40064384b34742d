#include "envelope.h"
#include "common/protobuf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* Field numbers of the contract (presence.proto). */
enum { CALL_TOKEN = 1, CALL_TOUCH = 2, CALL_SET_STATUS = 12 };
enum { REPLY_CODE = 1, REPLY_MESSAGE = 2, REPLY_TOUCH = 3, REPLY_SET_STATUS = 13 };

/* Methods stand in the order of their fields, in Call and in Reply. */
_Static_assert(METHOD_SET_STATUS - METHOD_TOUCH == CALL_SET_STATUS - CALL_TOUCH, "a field of Call for each method");
_Static_assert(METHOD_SET_STATUS - METHOD_TOUCH == REPLY_SET_STATUS - REPLY_TOUCH, "a field of Reply for each method");
_Static_assert(METHODS == METHOD_SET_STATUS + 1, "a new method has its fields above");

static bool open_fields(struct text call, struct request *request) {
    struct pb_reader in = pb_read(call);
    struct pb_field field;
    *request = (struct request){.method = METHOD_NONE};
    while (pb_next(&in, &field)) {
        if (field.number > CALL_SET_STATUS) {
            if (request->method == METHOD_NONE) request->method = METHOD_UNKNOWN;
            continue;
        }
        if (field.type != PB_BYTES) return false;
        if (field.number == CALL_TOKEN) {
            request->token = field.bytes;
        } else {
            request->method = (enum method)(METHOD_TOUCH + (field.number - CALL_TOUCH));
            request->body = field.bytes;
        }
    }
    return !in.is_broken;
}

bool envelope_open(struct text call, struct request *request, struct envelope_refusal *refusal) {
    if (call.len <= MUSTER_MESSAGE_BYTES_MAX && open_fields(call, request)) return true;
    *request = (struct request){.method = METHOD_NONE};
    if (call.len > MUSTER_MESSAGE_BYTES_MAX)
        snprintf(refusal->message, sizeof refusal->message, "message: %" PRIu32 " bytes, at most %d", call.len,
                 MUSTER_MESSAGE_BYTES_MAX);
    else snprintf(refusal->message, sizeof refusal->message, "message: is no muster.v1.Call, does not decode");
    refusal->response = (struct response){.code = MUSTER_INVALID_ARGUMENT, .message = text_of(refusal->message)};
    return false;
}

size_t envelope_head(enum method method, const struct response *response, uint8_t out[ENVELOPE_HEAD_BYTES_MAX]) {
    assert(response->message.len <= RESPONSE_MESSAGE_BYTES_MAX);
    uint8_t *at = pb_put_number(out, REPLY_CODE, response->code);
    at = pb_put_text(at, REPLY_MESSAGE, response->message.data, response->message.len);
    if (response->code != MUSTER_OK) return (size_t)(at - out);
    assert(method >= METHOD_TOUCH && method < METHODS); /* no other request is answered with MUSTER_OK */
    at = pb_put_length(at, REPLY_TOUCH + (unsigned)(method - METHOD_TOUCH), response->body.len);
    return (size_t)(at - out);
}
