#include "reflection_service.h"

#include "descriptors.h"
#include "reflection_answer.h"

#include <stdlib.h>

static void answer_request(void *service, struct grpc_call *call, struct text message) {
    (void)service;
    if (grpc_call_unsent(call) > REFLECTION_UNSENT_BYTES_MAX) {
        grpc_call_finish(call, MUSTER_RESOURCE_EXHAUSTED, text_of("more requests are sent than answers are read"));
        return;
    }
    uint8_t *bytes;
    uint32_t len;
    enum muster_code code = reflection_answer(descriptors_embedded(), message, &bytes, &len);
    if (code == MUSTER_OK) {
        grpc_call_send(call, (struct text){(const char *)bytes, len});
    } else {
        const char *why = code == MUSTER_INVALID_ARGUMENT ? "not a ServerReflectionRequest" : "memory is short";
        grpc_call_finish(call, code, text_of(why));
    }
    free(bytes);
}

static void end_call(void *service, struct grpc_call *call) {
    (void)service;
    grpc_call_finish(call, MUSTER_OK, (struct text){0});
}

static const struct grpc_method method_v1 = {
    .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    .message = answer_request,
    .half_closed = end_call,
};
static const struct grpc_method method_v1alpha = {
    .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    .message = answer_request,
    .half_closed = end_call,
};

struct grpc_service reflection_service_v1(void) {
    return (struct grpc_service){
        .name = "grpc.reflection.v1.ServerReflection", .methods = &method_v1, .method_count = 1};
}

struct grpc_service reflection_service_v1alpha(void) {
    return (struct grpc_service){
        .name = "grpc.reflection.v1alpha.ServerReflection", .methods = &method_v1alpha, .method_count = 1};
}
