/* What a server sends to the load generator, of any bytes: whatever is read lies within them, and reading comes to an
 * end. The first byte chooses the protocol, the framing and the work. */
#include "load/protocol.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) abort();
}

static void check_answer(const struct answer *answer, const uint8_t *data, size_t used) {
    check(answer->page_token_len <= PAGE_TOKEN_BYTES_MAX);
    if (answer->page_token_len > 0)
        check(answer->page_token >= data && answer->page_token + answer->page_token_len <= data + used);
    if (answer->fault != FAULT_NONE)
        check(strnlen(answer->why.text, sizeof answer->why.text) < sizeof answer->why.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct protocol *const protocols[] = {&protocol_muster, &protocol_redis, &protocol_echo,
                                                       &protocol_grpc};
    if (size == 0) return 0;
    const struct protocol *protocol = protocols[data[0] & 3];
    const struct work work = {
        .kind = (enum work_kind)((data[0] >> 3) % (WORK_ECHO + 1)), .batch = 1, .users = 1, .window_count = 3};
    uint32_t streams[] = {1, 3}; /* of the slots */
    struct reading reading = {.is_ipc = (data[0] & 4) != 0,
                              .http2 = {.streams = streams, .slots = sizeof streams / sizeof *streams}};
    uint8_t control[CONTROL_BYTES_MAX];
    for (size_t at = 1; at < size;) {
        struct answer answer = {0};
        const size_t used = protocol->read_answer(&work, &reading, data + at, size - at, &answer);
        check(used <= size - at);
        check_answer(&answer, data + at, used);
        if (protocol->write_control != NULL) check(protocol->write_control(&reading, control) <= sizeof control);
        if (used == 0 || answer.fault != FAULT_NONE) break;
        at += used;
    }
    return 0;
}
