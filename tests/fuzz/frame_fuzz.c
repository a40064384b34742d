/* Any frame of a peer that was admitted is taken or dropped: head, records, refreshes, digest. */
#include "cluster/frame.h"
#include "replica_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint64_t number;
    if (size > RIG_MESSAGE_MAX / 2) return 0;
    rig_begin();
    replica_frame(rig_nodes[0].replica, text_of("tcp://g:2"), data, size, rig_now_ms, NULL);
    /* The same as the content of a frame that is the peer's: of a field that comes twice the last one counts. */
    memset(rig_message, 0, RIG_PLAIN_AT);
    rig_message[0] = 1;
    struct wire_out out = wire_out(rig_message + RIG_PLAIN_AT, sizeof rig_message - RIG_PLAIN_AT - 16);
    wire_put_raw(&out, data, size);
    wire_field_fixed64(&out, 1, rig_nodes[1].origin);
    wire_field_varint(&out, 2, ++number + (UINT64_C(1) << 32));
    wire_field_varint(&out, 6, rig_now_ms);
    hold(!out.is_full);
    memset(out.at, 0, 16);
    replica_frame(rig_nodes[0].replica, text_of("tcp://g:1"), rig_message, RIG_PLAIN_AT + wire_len(&out) + 16,
                  rig_now_ms, NULL);
    rig_check();
    return 0;
}
