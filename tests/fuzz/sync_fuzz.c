/* Any sync request is responded to or dropped, and any response is taken or dropped. */
#include "replica_rig.h"

/* A message without a key: the input, and after it what makes it pass as one that was requested. */
static struct text message_of(const uint8_t *data, size_t size, const uint8_t *nonce) {
    memset(rig_message, 0, RIG_PLAIN_AT);
    rig_message[0] = 1;
    struct pb_writer out = pb_write_to(rig_message + RIG_PLAIN_AT, sizeof rig_message - RIG_PLAIN_AT - 16);
    pb_append_bytes(&out, data, size);
    pb_write_text(&out, 1, (struct text){(const char *)nonce, NONCE_BYTES});
    if (size % 4 != 0) pb_write_fixed64(&out, 2, rig_nodes[1].origin);
    hold(!out.is_full);
    memset(out.at, 0, 16);
    return (struct text){(const char *)rig_message, (uint32_t)(RIG_PLAIN_AT + pb_written(&out) + 16)};
}

static void request_with(const uint8_t *data, size_t size) {
    static const uint8_t nonce[NONCE_BYTES];
    struct received *by;
    struct text response = rig_respond(0, message_of(data, size, nonce), &by);
    hold(response.len <= REPLICA_SYNC_BYTES_MAX);
    codec_release(rig_nodes[0].codec, by);
}

static void respond_with(const uint8_t *data, size_t size) {
    rig_now_ms += 2000; /* requests that were sent before have had their time */
    struct action *request = rig_request(replica_tick(rig_nodes[0].replica, rig_now_ms), "tcp://b:1");
    if (request == NULL) return;
    rig_take_response(request->ticket, message_of(data, size, request->request->nonce));
    action_free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > RIG_MESSAGE_MAX / 2) return 0;
    rig_begin();
    if (data[0] & 1) request_with(data + 1, size - 1);
    else respond_with(data + 1, size - 1);
    rig_check();
    return 0;
}
