/* Header blocks that are encoded by hand (RFC 7541), without Huffman codes: also such as no encoder makes. */
#ifndef MUSTER_TESTS_SUPPORT_HPACK_H
#define MUSTER_TESTS_SUPPORT_HPACK_H

#include <stddef.h>
#include <stdint.h>

/* Zero is empty. */
struct hpack {
    uint8_t *bytes; /* owned */
    size_t len, capacity;
};

enum hpack_kind {
    HPACK_PLAIN = 0x00,   /* literal without indexing */
    HPACK_NEVER = 0x10,   /* never indexed */
    HPACK_INDEXED = 0x40, /* with incremental indexing: it enters the dynamic table */
};

void hpack_field(struct hpack *block, enum hpack_kind kind, const char *name, const char *value);
void hpack_sized(struct hpack *block, enum hpack_kind kind, const void *name, size_t name_len, const void *value,
                 size_t value_len);
/* A reference to an entry; the dynamic table's newest is 62. */
void hpack_reference(struct hpack *block, size_t index);
void hpack_free(struct hpack *block);

/* The headers of a gRPC request to `path`, all of them plain. */
void hpack_request(struct hpack *block, const char *path);

#endif
