/* A link to a peer: the same bytes on two connections, whole on one and cut on the other, are the same messages and the
 * same end; no message is longer than may be. The first byte chooses the framing and the pieces. */
#include "fuzz.h"
#include "peers/link.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 4096, INPUT_MAX = 1 << 16 };

struct messages {
    size_t count, bytes;
    uint32_t digest;
    enum link_state state;
};

static void take_message(void *context, struct text message) {
    struct messages *messages = context;
    hold(message.len <= MESSAGE_MAX);
    messages->count++;
    messages->bytes += message.len;
    for (size_t i = 0; i < message.len; i++) messages->digest = messages->digest * 31 + (uint8_t)message.data[i];
}

static const struct link_kind kind = {
    .own = SP_REQ, .other = SP_REP, .message_bytes_max = MESSAGE_MAX, .message = take_message};

static void turn(struct link *link) {
    for (;;) {
        struct pollfd polled = link_polled(link);
        if (polled.fd < 0 || poll(&polled, 1, 0) <= 0) return;
        link_ready(link, polled.revents, 1);
    }
}

static struct messages read_in_pieces(const uint8_t *data, size_t size, bool is_ipc, size_t piece) {
    struct messages messages = {0};
    int ends[2];
    hold(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    struct link *link = link_new(&kind, &messages);
    hold(link != NULL);
    link_adopt(link, ends[0], is_ipc, 1);
    for (size_t at = 0; at < size && link_state(link) != LINK_DOWN;) {
        ssize_t put = send(ends[1], data + at, size - at < piece ? size - at : piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put > 0) at += (size_t)put;
        turn(link);
    }
    messages.state = link_state(link);
    close(ends[1]);
    turn(link);
    hold(link_state(link) == LINK_DOWN);
    link_free(link);
    return messages;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > INPUT_MAX) return 0;
    bool is_ipc = (data[0] & 1) != 0;
    struct messages whole = read_in_pieces(data + 1, size - 1, is_ipc, SIZE_MAX);
    struct messages cut = read_in_pieces(data + 1, size - 1, is_ipc, 1 + (data[0] >> 1));
    hold(whole.count == cut.count && whole.bytes == cut.bytes && whole.digest == cut.digest);
    hold(whole.state == cut.state);
    return 0;
}
