/* Any frame of a peer that was admitted is taken or dropped: head, records, refreshes, digest. */
#include "cluster/frame.h"
#include "replica_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint64_t number;
    if (size > RIG_MESSAGE_MAX / 2) return 0;
    rig_begin();
    rig_take_frame("tcp://g:2", (struct text){(const char *)data, (uint32_t)size});
    /* The same as the content of a frame that is the peer's: of a field that comes twice the last one counts. */
    memset(rig_message, 0, RIG_PLAIN_AT);
    rig_message[0] = 1;
    struct pb_writer out = pb_write_to(rig_message + RIG_PLAIN_AT, sizeof rig_message - RIG_PLAIN_AT - 16);
    pb_append_bytes(&out, data, size);
    pb_write_fixed64(&out, 1, rig_nodes[1].origin);
    pb_write_number(&out, 2, ++number + (UINT64_C(1) << 32));
    pb_write_number(&out, 6, rig_now_ms);
    hold(!out.is_full);
    memset(out.at, 0, 16);
    rig_take_frame("tcp://g:1",
                   (struct text){(const char *)rig_message, (uint32_t)(RIG_PLAIN_AT + pb_written(&out) + 16)});
    rig_check();
    return 0;
}
