#include "presence_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static const char *method_of(const Muster__V1__Call *call, const ProtobufCMessage **request) {
    switch (call->request_case) {
    case MUSTER__V1__CALL__REQUEST_TOUCH:
        *request = &call->touch->base;
        return "Touch";
    case MUSTER__V1__CALL__REQUEST_LEAVE:
        *request = &call->leave->base;
        return "Leave";
    case MUSTER__V1__CALL__REQUEST_LIVE:
        *request = &call->live->base;
        return "Live";
    case MUSTER__V1__CALL__REQUEST_SET_STATUS:
        *request = &call->set_status->base;
        return "SetStatus";
    case MUSTER__V1__CALL__REQUEST_WATCH:
        *request = &call->watch->base;
        return "Watch";
    default:
        fail_msg("a call that no test of this suite makes");
        return NULL;
    }
}

uint32_t presence_begin(struct h2 *h2, struct request_builder *builder, const char *timeout) {
    const ProtobufCMessage *request = NULL;
    char path[64];
    snprintf(path, sizeof path, "/muster.v1.Presence/%s", method_of(&builder->call, &request));
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL) abort();
    protobuf_c_message_pack(request, bytes);
    const struct grpc_request call = {.path = path, .timeout = timeout};
    uint32_t stream = grpc_begin(h2, &call, 0);
    if (!grpc_send(h2, stream, (struct text){(const char *)bytes, (uint32_t)len}, H2_END_STREAM)) fail_msg("cut off");
    free(bytes);
    builder_free(builder);
    return stream;
}

void presence_expect(struct h2 *h2, uint32_t stream, int code, const char *says) {
    if (!h2_await_stream_end(h2, stream, CALL_MS)) fail_msg("call %u does not end", stream);
    struct grpc_result result = grpc_result(h2, stream);
    if (result.code != code || strstr(result.message, says) == NULL)
        fail_msg("call %u: code %d, not %d with '%s': %s", stream, result.code, code, says, result.message);
}

size_t presence_answers(struct h2 *h2, uint32_t stream) {
    struct text message;
    size_t count = 0;
    while (grpc_message_at(h2, stream, count, &message)) count++;
    return count;
}

Muster__V1__WatchResponse *presence_watched(struct h2 *h2, uint32_t stream, size_t i) {
    struct text message;
    if (!grpc_await_messages(h2, stream, i + 1, CALL_MS) || !grpc_message_at(h2, stream, i, &message))
        fail_msg("call %u: %zu answers, and no more", stream, presence_answers(h2, stream));
    Muster__V1__WatchResponse *answer =
        muster__v1__watch_response__unpack(NULL, message.len, (const uint8_t *)message.data);
    if (answer == NULL) fail_msg("call %u: answer %zu does not decode", stream, i);
    return answer;
}

void presence_watched_free(Muster__V1__WatchResponse *answer) {
    muster__v1__watch_response__free_unpacked(answer, NULL);
}
