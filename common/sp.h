/* nng's wire, SP, as one who sends requests has it, over tcp:// and ipc://. Each side begins with a greeting. Then come
 * messages: a length of 64 bits, over ipc:// behind a byte 1; the id of the request, 32 bits of which the highest is
 * set; the message itself. All big-endian. */
#ifndef MUSTER_COMMON_SP_H
#define MUSTER_COMMON_SP_H

#include "byteorder.h"
#include "text.h"

#include <stdbool.h>

enum { SP_GREETING_BYTES = 8, SP_LENGTH_BYTES = 8, SP_ID_BYTES = 4 };
enum { SP_HEADER_BYTES_MAX = 1 + SP_LENGTH_BYTES + SP_ID_BYTES };
/* Of one who sends requests, and of one who answers them. */
#define SP_GREETING_REQ                                                                                                \
    { 0, 'S', 'P', 0, 0, 0x30, 0, 0 }
#define SP_GREETING_REP                                                                                                \
    { 0, 'S', 'P', 0, 0, 0x31, 0, 0 }
#define SP_ID_FLAG UINT32_C(0x80000000)

static inline size_t sp_header_bytes(bool is_ipc) {
    return (is_ipc ? 1 : 0) + SP_LENGTH_BYTES + SP_ID_BYTES;
}

/* Writes the header of a message of `len` bytes, which stands sp_header_bytes after `out`. */
static inline void sp_put_header(uint8_t *out, bool is_ipc, uint32_t id, size_t len) {
    if (is_ipc) *out++ = 1;
    put_be64(out, SP_ID_BYTES + len);
    put_be32(out + SP_LENGTH_BYTES, id | SP_ID_FLAG);
}

enum sp_result { SP_MESSAGE, SP_INCOMPLETE, SP_MALFORMED };

/* Reads one frame at the start of `len` bytes. SP_MESSAGE: *id without its flag, *message within the data, *used bytes
 * in all. SP_MALFORMED: no frame, or one longer than bytes_max. */
static inline enum sp_result sp_read(const uint8_t *data, size_t len, bool is_ipc, size_t bytes_max, uint32_t *id,
                                     struct text *message, size_t *used) {
    size_t prefix = is_ipc ? 1 : 0, header = sp_header_bytes(is_ipc);
    if (len < header) return SP_INCOMPLETE;
    uint64_t size = get_be64(data + prefix);
    if ((is_ipc && data[0] != 1) || size < SP_ID_BYTES || size > bytes_max - header) return SP_MALFORMED;
    if (len - prefix - SP_LENGTH_BYTES < size) return SP_INCOMPLETE;
    *id = get_be32(data + prefix + SP_LENGTH_BYTES) & ~SP_ID_FLAG;
    *message = (struct text){(const char *)data + header, (uint32_t)(size - SP_ID_BYTES)};
    *used = prefix + SP_LENGTH_BYTES + (size_t)size;
    return SP_MESSAGE;
}

#endif
