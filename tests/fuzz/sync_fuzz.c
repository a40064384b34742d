/* Any question is answered or dropped, and any answer is taken or dropped. */
#include "replica_rig.h"

/* A message without a key: the input, and after it what makes it pass as one that was asked for. */
static size_t message_of(const uint8_t *data, size_t size, const uint8_t *nonce) {
    memset(rig_message, 0, RIG_PLAIN_AT);
    rig_message[0] = 1;
    struct pb_writer out = pb_write_to(rig_message + RIG_PLAIN_AT, sizeof rig_message - RIG_PLAIN_AT - 16);
    pb_append_bytes(&out, data, size);
    pb_write_text(&out, 1, (struct text){(const char *)nonce, NONCE_BYTES});
    if (size % 4 != 0) pb_write_fixed64(&out, 2, rig_nodes[1].origin);
    hold(!out.is_full);
    memset(out.at, 0, 16);
    return RIG_PLAIN_AT + pb_written(&out) + 16;
}

static void ask_with(const uint8_t *data, size_t size) {
    static const uint8_t nonce[NONCE_BYTES];
    struct action reply;
    size_t len = message_of(data, size, nonce);
    replica_sync_request(rig_nodes[0].replica, rig_message, len, rig_now_ms, &reply);
    hold(reply.len <= REPLICA_SYNC_BYTES_MAX);
}

static void answer_with(const uint8_t *data, size_t size) {
    static struct known vector[ROLL_ORIGINS_MAX];
    rig_now_ms += 2000; /* whoever was asked before has had its time */
    struct actions actions = replica_tick(rig_nodes[0].replica, rig_now_ms);
    const struct action *question = rig_question(actions, "tcp://b:1");
    if (question == NULL) return;
    struct sync_request request = {.vector = vector};
    uint64_t ticket = question->ticket;
    hold(sync_request_get(
        (struct text){(const char *)question->bytes + RIG_PLAIN_AT, (uint32_t)(question->len - RIG_PLAIN_AT - 16)},
        &request));
    size_t len = message_of(data, size, request.nonce);
    replica_sync_response(rig_nodes[0].replica, ticket, rig_message, len, rig_now_ms, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > RIG_MESSAGE_MAX / 2) return 0;
    rig_begin();
    if (data[0] & 1) ask_with(data + 1, size - 1);
    else answer_with(data + 1, size - 1);
    rig_check();
    return 0;
}
