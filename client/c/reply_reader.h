/* Replies out of the bytes of a stream, in whatever pieces these come. It takes memory for what has come, never for
 * what a length announces. Pure but for memory; not thread-safe. */
#ifndef MUSTER_CLIENT_REPLY_READER_H
#define MUSTER_CLIENT_REPLY_READER_H

#include "common/sp.h"
#include "muster/limits.h"

enum {
    REPLY_READER_BYTES_MIN = 32 * 1024,
    REPLY_READER_BYTES_MAX = SP_HEADER_BYTES_MAX + MUSTER_MESSAGE_BYTES_MAX,
};

/* Zero-initialised is empty, of TCP. */
struct reply_reader {
    bool is_ipc;
    uint8_t *data;
    size_t capacity, len;
    size_t at; /* where the next reply begins; what is before it has been read */
};

void reply_reader_free(struct reply_reader *reader);
/* Where the next bytes of the stream go; *size is how many fit, at least 1. Replies that were read before end here.
 * NULL: memory is short. */
uint8_t *reply_reader_room(struct reply_reader *reader, size_t *size);
/* So many bytes were put there. */
void reply_reader_took(struct reply_reader *reader, size_t len);
/* The next reply. SP_MESSAGE: *id and *message, which lies in the reader until its next room. SP_MALFORMED: the stream
 * is of no more use: it is not of this wire, or a reply is longer than MUSTER_MESSAGE_BYTES_MAX. */
enum sp_result reply_reader_next(struct reply_reader *reader, uint32_t *id, struct text *message);

#endif
