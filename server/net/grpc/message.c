#include "message.h"

#include "common/byteorder.h"

#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 256 };

uint32_t message_announced_len(const struct message_reader *reader) {
    return get_be32(reader->prefix + 1);
}

static bool prefix_is_whole(const struct message_reader *reader) {
    return reader->prefix_len == GRPC_PREFIX_BYTES;
}

/* The part of the prefix that lies in `bytes`. Returns its length. */
static size_t take_prefix(struct message_reader *reader, const uint8_t *bytes, size_t len) {
    size_t missing = GRPC_PREFIX_BYTES - (size_t)reader->prefix_len;
    size_t taken = len < missing ? len : missing;
    if (taken > 0) memcpy(reader->prefix + reader->prefix_len, bytes, taken);
    reader->prefix_len = (uint8_t)(reader->prefix_len + taken);
    return taken;
}

/* Room for `more` bytes that have come. They are within the announced length, and so is what is allocated. */
static bool reserve_bytes(struct message_reader *reader, uint32_t more) {
    uint32_t announced = message_announced_len(reader);
    assert(more <= announced - reader->len);
    uint64_t needed = (uint64_t)reader->len + more;
    if (needed <= reader->capacity) return true;
    uint64_t capacity = 2 * needed > CAPACITY_MIN ? 2 * needed : CAPACITY_MIN;
    if (capacity > announced) capacity = announced;
    uint8_t *grown = realloc(reader->bytes, (size_t)capacity);
    if (grown == NULL) return false;
    reader->bytes = grown;
    reader->capacity = (uint32_t)capacity;
    return true;
}

/* *out is the message of the prefix; the reader begins with the next one. */
static enum message_read finish_message(struct message_reader *reader, const uint8_t *bytes, struct grpc_message *out) {
    out->is_compressed = reader->prefix[0] != 0;
    out->bytes = (struct text){(const char *)bytes, message_announced_len(reader)};
    reader->prefix_len = 0;
    return MESSAGE_WHOLE;
}

static enum message_read take_content(struct message_reader *reader, const uint8_t *bytes, size_t len, size_t *used,
                                      struct grpc_message *out) {
    uint32_t missing = message_announced_len(reader) - reader->len;
    if (reader->len == 0 && len >= missing) {
        *used += missing;
        return finish_message(reader, bytes, out);
    }
    uint32_t taken = len < missing ? (uint32_t)len : missing;
    if (!reserve_bytes(reader, taken)) return MESSAGE_NO_MEMORY;
    memcpy(reader->bytes + reader->len, bytes, taken);
    reader->len += taken;
    *used += taken;
    return taken == missing ? finish_message(reader, reader->bytes, out) : MESSAGE_MORE;
}

enum message_read message_take(struct message_reader *reader, const uint8_t *bytes, size_t len, size_t bytes_max,
                               size_t *used, struct grpc_message *out) {
    *used = 0;
    *out = (struct grpc_message){0};
    if (reader->prefix_len == 0) message_reader_free(reader); /* of the message before */
    if (!prefix_is_whole(reader)) *used = take_prefix(reader, bytes, len);
    if (reader->prefix_len > 0 && reader->prefix[0] > 1) return MESSAGE_MALFORMED;
    if (!prefix_is_whole(reader)) return MESSAGE_MORE;
    if (message_announced_len(reader) > bytes_max) return MESSAGE_TOO_LARGE;
    if (*used == len && message_announced_len(reader) > 0) return MESSAGE_MORE;
    return take_content(reader, bytes + *used, len - *used, used, out);
}

bool message_is_partial(const struct message_reader *reader) {
    return reader->prefix_len > 0;
}

size_t message_reader_bytes(const struct message_reader *reader) {
    return reader->capacity;
}

void message_reader_free(struct message_reader *reader) {
    free(reader->bytes);
    *reader = (struct message_reader){0};
}

void message_prefix_write(uint8_t out[GRPC_PREFIX_BYTES], bool is_compressed, uint32_t len) {
    out[0] = is_compressed ? 1 : 0;
    put_be32(out + 1, len);
}
