/* gRPC's framing: the same bytes whole and in pieces are the same messages and the same end, and the reader never owns
 * more than twice what came. The first byte is the size of the pieces, the second the cap. */
#include "fuzz.h"
#include "net/grpc/message.h"

#include <string.h>

struct messages {
    size_t count, bytes;
    uint32_t digest;
    enum message_read end;
    bool is_partial;
};

static void add_message(struct messages *messages, const struct grpc_message *message) {
    messages->count++;
    messages->bytes += message->bytes.len;
    messages->digest = messages->digest * 31 + message->is_compressed;
    for (uint32_t i = 0; i < message->bytes.len; i++)
        messages->digest = messages->digest * 31 + (uint8_t)message->bytes.data[i];
}

static enum message_read take_piece(struct message_reader *reader, const uint8_t *data, size_t len, size_t bytes_max,
                                    struct messages *messages) {
    uint8_t *piece = malloc(len > 0 ? len : 1); /* so that a read past the end is seen */
    hold(piece != NULL);
    memcpy(piece, data, len);
    enum message_read read;
    for (size_t at = 0, used;; at += used) {
        struct grpc_message message;
        read = message_take(reader, piece + at, len - at, bytes_max, &used, &message);
        hold(used <= len - at);
        if (read != MESSAGE_WHOLE) break;
        hold(message.bytes.len <= bytes_max && !message_is_partial(reader));
        add_message(messages, &message);
    }
    free(piece);
    return read;
}

static struct messages read_in_pieces(const uint8_t *data, size_t size, size_t bytes_max, size_t piece) {
    struct messages messages = {.end = MESSAGE_MORE};
    struct message_reader reader = {0};
    for (size_t at = 0; at < size && messages.end == MESSAGE_MORE;) {
        size_t len = size - at < piece ? size - at : piece;
        messages.end = take_piece(&reader, data + at, len, bytes_max, &messages);
        at += len;
        hold(message_reader_bytes(&reader) <= 2 * at + 256 && message_reader_bytes(&reader) <= bytes_max);
    }
    messages.is_partial = message_is_partial(&reader);
    message_reader_free(&reader);
    hold(!message_is_partial(&reader) && message_reader_bytes(&reader) == 0);
    return messages;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t piece = 1 + (size_t)data[0], bytes_max = (size_t)data[1] << 4;
    struct messages whole = read_in_pieces(data + 2, size - 2, bytes_max, SIZE_MAX);
    struct messages cut = read_in_pieces(data + 2, size - 2, bytes_max, piece);
    hold(whole.end == cut.end && whole.is_partial == cut.is_partial);
    hold(whole.count == cut.count && whole.bytes == cut.bytes && whole.digest == cut.digest);
    return 0;
}
