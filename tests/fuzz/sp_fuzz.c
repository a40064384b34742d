/* The SP wire: any bytes, cut anywhere, are the same frames as whole, and reading never asks for more than it needs. */
#include "fuzz.h"
#include "net/sp/frame.h"

#include <string.h>

enum { PAYLOAD_MAX = 4096 };

static enum sp_verdict read_at(const uint8_t *data, size_t size, size_t len, bool is_ipc, struct sp_frame *frame) {
    uint8_t *copy = malloc(len > 0 ? len : 1); /* so that a read past the end is seen */
    hold(copy != NULL && len <= size);
    memcpy(copy, data, len);
    enum sp_verdict verdict = sp_frame_read(copy, len, is_ipc, PAYLOAD_MAX, frame);
    if (verdict == SP_WHOLE) {
        size_t header = sp_header_len(frame->payload, frame->payload_len);
        hold(header <= frame->payload_len && header <= SP_HEADER_BYTES_MAX && header % 4 == 0);
        hold(header == 0 || (frame->payload[header - 4] & 0x80) != 0);
        hold(frame->payload == copy + frame->total - frame->payload_len && frame->total <= len);
        frame->payload = data + (frame->payload - copy);
    }
    free(copy);
    return verdict;
}

/* Reads one frame as its bytes come, asking again only when there is as much as was wanted. */
static enum sp_verdict read_as_it_comes(const uint8_t *data, size_t size, bool is_ipc, struct sp_frame *frame) {
    size_t len = 0;
    for (;;) {
        enum sp_verdict verdict = read_at(data, size, len, is_ipc, frame);
        if (verdict != SP_MORE) return verdict;
        hold(frame->total > len);
        bool is_first_of_ipc = is_ipc && len == 0; /* whose value is checked at once */
        if ((is_first_of_ipc ? 1 : frame->total) > size) return SP_MORE;
        len = is_first_of_ipc ? 1 : frame->total;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    bool is_ipc = (data[0] & 1) != 0;
    data++, size--;
    enum sp_verdict greeting = sp_greeting_read(data, size, SP_REQ);
    for (size_t len = 0; len <= size && len <= SP_GREETING_BYTES; len++) {
        enum sp_verdict part = sp_greeting_read(data, len, SP_REQ);
        hold(part == greeting || part == SP_MORE);
    }
    uint16_t protocol;
    bool is_greeting = sp_greeting_protocol(data, size, &protocol);
    hold(greeting != SP_WHOLE || (is_greeting && protocol == SP_REQ));
    while (size > 0) {
        struct sp_frame whole, cut;
        enum sp_verdict verdict = read_at(data, size, size, is_ipc, &whole);
        hold(read_as_it_comes(data, size, is_ipc, &cut) == verdict);
        if (verdict != SP_WHOLE) return 0;
        hold(whole.payload == cut.payload && whole.payload_len == cut.payload_len && whole.total == cut.total);
        data += whole.total;
        size -= whole.total;
    }
    return 0;
}
