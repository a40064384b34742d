/* The client's reading of a connection: bytes in pieces of any size. What is taken as a reply lies within what came,
 * the pieces do not matter, and memory is taken for what came alone. The first byte chooses the framing and the pieces.
 */
#include "client/c/reply_reader.h"

#include "fuzz.h"

#include <string.h>

struct replies {
    size_t count, bytes;
    uint32_t ids; /* a digest */
    enum sp_result result;
};

static void take_replies(struct reply_reader *reader, struct replies *replies) {
    struct text message;
    uint32_t id;
    while ((replies->result = reply_reader_next(reader, &id, &message)) == SP_MESSAGE) {
        const uint8_t *data = (const uint8_t *)message.data;
        hold(data >= reader->data && data + message.len <= reader->data + reader->len);
        hold(id <= UINT32_C(0x7fffffff) && message.len <= MUSTER_MESSAGE_BYTES_MAX);
        replies->count++;
        replies->bytes += message.len;
        replies->ids = replies->ids * 31 + id;
        for (size_t i = 0; i < message.len; i++) replies->ids = replies->ids * 31 + data[i];
    }
}

/* Feeds all in pieces of at most piece_max bytes, to the end or to what is malformed. */
static struct replies read_in_pieces(const uint8_t *data, size_t size, bool is_ipc, size_t piece_max) {
    struct reply_reader reader = {.is_ipc = is_ipc};
    struct replies replies = {.result = SP_INCOMPLETE};
    for (size_t at = 0, room; at < size && replies.result != SP_MALFORMED;) {
        uint8_t *to = reply_reader_room(&reader, &room);
        hold(to != NULL && room >= 1);
        size_t piece = room < piece_max ? room : piece_max;
        if (piece > size - at) piece = size - at;
        memcpy(to, data + at, piece);
        reply_reader_took(&reader, piece);
        at += piece;
        hold(reader.capacity <= REPLY_READER_BYTES_MIN || reader.capacity <= 2 * at);
        take_replies(&reader, &replies);
    }
    reply_reader_free(&reader);
    return replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    bool is_ipc = (data[0] & 1) != 0;
    struct replies whole = read_in_pieces(data + 1, size - 1, is_ipc, SIZE_MAX);
    struct replies pieces = read_in_pieces(data + 1, size - 1, is_ipc, 1 + (data[0] >> 1));
    hold(whole.count == pieces.count && whole.bytes == pieces.bytes && whole.ids == pieces.ids);
    hold(whole.result == pieces.result);
    return 0;
}
