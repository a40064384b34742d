#include "call.h"
#include "muster/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum muster_code call_refuse(struct call *call, enum muster_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->message, sizeof call->message, format, arguments);
    va_end(arguments);
    return code;
}

enum muster_code call_too_large(struct call *call, const char *field) {
    return call_refuse(call, MUSTER_RESOURCE_EXHAUSTED, "%s: the reply would pass %d bytes; ask for less at a time",
                       field, MUSTER_MESSAGE_BYTES_MAX);
}

const void *call_decode(struct call *call, const ProtobufCMessageDescriptor *type, struct text body) {
    ProtobufCAllocator allocator = arena_protobuf(call->arena);
    const void *request = protobuf_c_message_unpack(type, &allocator, body.len, (const uint8_t *)body.data);
    if (request != NULL) return request;
    if (call->arena->is_exhausted)
        call_refuse(call, MUSTER_INVALID_ARGUMENT, "message: unpacks to more than %d bytes", WORKER_BYTES_MAX);
    else call_refuse(call, MUSTER_INVALID_ARGUMENT, "message: is no %s, does not decode", type->name);
    return NULL;
}

enum muster_code call_encode(struct call *call, const ProtobufCMessage *response, const char *field) {
    size_t size = protobuf_c_message_get_packed_size(response);
    uint8_t *data = size <= RESPONSE_BODY_BYTES_MAX ? arena_take(call->arena, 1, size) : NULL;
    if (data == NULL) return call_too_large(call, field);
    call->body = (struct text){(const char *)data, (uint32_t)protobuf_c_message_pack(response, data)};
    return MUSTER_OK;
}

enum muster_code call_refuse_stalled(struct call *call, uint32_t stalled_ms) {
    return call_refuse(call, MUSTER_UNAVAILABLE, "the node stood still for %" PRIu32 " ms; send it again", stalled_ms);
}

enum muster_code call_refused_by_roll(struct call *call, enum muster_code code, const struct refusal *why,
                                      const char *where) {
    if (why->what == NULL) return call_refuse(call, code, "%s: refused", where);
    if (strcmp(why->what, "memory") == 0) return call_refuse(call, code, "%s: the node is out of memory", where);
    return call_refuse(call, code, "%s: the node is full, at most %" PRIu64 " %s", where, why->limit, why->what);
}
