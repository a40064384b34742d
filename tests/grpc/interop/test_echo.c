#include "test_echo.h"

#include <stdint.h>
#include <stdlib.h>

void test_echo_metadata(struct grpc_call *call) {
    static const char initial[] = "x-grpc-test-echo-initial", trailing[] = "x-grpc-test-echo-trailing-bin";
    struct text value = grpc_call_metadata(call, initial, 0);
    if (value.len > 0) grpc_call_add_header(call, text_of(initial), value);
    value = grpc_call_metadata(call, trailing, 0);
    if (value.len > 0) grpc_call_add_trailer(call, text_of(trailing), value);
}

bool test_echo_status(struct grpc_call *call, const Grpc__Testing__EchoStatus *status) {
    if (status == NULL || status->code == 0) return false;
    const struct text message = {(const char *)status->message.data, (uint32_t)status->message.len};
    grpc_call_finish(call, (enum muster_code)status->code, message);
    return true;
}

void test_refuse(struct grpc_call *call, const char *why) {
    grpc_call_finish(call, MUSTER_INVALID_ARGUMENT, text_of(why));
}

bool test_size_is_fine(int32_t size) {
    return size >= 0 && size <= TEST_BODY_BYTES_MAX;
}

Grpc__Testing__Payload test_payload(int32_t size) {
    static uint8_t zeros[TEST_BODY_BYTES_MAX];
    Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
    payload.body = (ProtobufCBinaryData){.len = (size_t)size, .data = zeros};
    return payload;
}

struct text test_pack(const ProtobufCMessage *message) {
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(message) + 1);
    if (bytes == NULL) abort();
    return (struct text){(char *)bytes, (uint32_t)protobuf_c_message_pack(message, bytes)};
}

void test_packed_free(struct text packed) {
    free((void *)(uintptr_t)packed.data);
}
