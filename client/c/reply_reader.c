#include "reply_reader.h"

#include <assert.h>
#include <stdlib.h>

void reply_reader_free(struct reply_reader *reader) {
    free(reader->data);
    *reader = (struct reply_reader){.is_ipc = reader->is_ipc};
}

static void reader_discard(struct reply_reader *reader) {
    reader->len -= reader->at;
    if (reader->len != 0 && reader->at != 0) memmove(reader->data, reader->data + reader->at, reader->len);
    reader->at = 0;
    if (reader->len == 0 && reader->capacity > REPLY_READER_BYTES_MIN) reply_reader_free(reader);
}

static bool reader_grow(struct reply_reader *reader) {
    size_t capacity = reader->capacity == 0 ? REPLY_READER_BYTES_MIN : 2 * reader->capacity;
    if (capacity > REPLY_READER_BYTES_MAX) capacity = REPLY_READER_BYTES_MAX;
    uint8_t *data = realloc(reader->data, capacity);
    if (data == NULL) return false;
    reader->data = data;
    reader->capacity = capacity;
    return true;
}

uint8_t *reply_reader_room(struct reply_reader *reader, size_t *size) {
    reader_discard(reader);
    /* A whole message always fits, so what fills the reader for good is malformed, and was said to be. */
    assert(reader->len < REPLY_READER_BYTES_MAX);
    if (reader->len == reader->capacity && !reader_grow(reader)) return NULL;
    *size = reader->capacity - reader->len;
    return reader->data + reader->len;
}

void reply_reader_took(struct reply_reader *reader, size_t len) {
    assert(len <= reader->capacity - reader->len);
    reader->len += len;
}

enum sp_result reply_reader_next(struct reply_reader *reader, uint32_t *id, struct text *message) {
    size_t used;
    if (reader->len == reader->at) return SP_INCOMPLETE;
    enum sp_result result =
        sp_read(reader->data + reader->at, reader->len - reader->at, reader->is_ipc,
                sp_header_bytes(reader->is_ipc) + SP_ID_BYTES + MUSTER_MESSAGE_BYTES_MAX, id, message, &used);
    if (result == SP_MESSAGE) reader->at += used;
    return result;
}
