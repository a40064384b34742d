/* The compression of gRPC messages: identity and gzip (RFC 1952), by zlib. For one thread at a time: one a loop. */
#ifndef MUSTER_NET_GRPC_CODING_H
#define MUSTER_NET_GRPC_CODING_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_UNKNOWN };

#define GRPC_CODINGS "identity,gzip" /* grpc-accept-encoding */

/* Of grpc-encoding; empty: identity. Letters of either case (RFC 9110, 8.4.1). */
enum coding coding_of(struct text name);
/* Whether a grpc-accept-encoding, a list with commas, has gzip in it. */
bool coding_accepts_gzip(struct text list);

struct coder;
struct coder *coder_new(void);        /* NULL: memory is short. The state of zlib is made when it is first needed */
void coder_free(struct coder *coder); /* `coder` may be NULL */
/* Memory of the messages that the coder keeps for its next use; zlib's own state, up to 300 KiB, is not counted. */
size_t coder_bytes(const struct coder *coder);

enum coder_result {
    CODER_DONE,
    CODER_TOO_LARGE, /* decompressed, it is larger than bytes_max; not more than that was ever held */
    CODER_MALFORMED,
    CODER_NO_MEMORY,
};

/* Both write into memory of the coder that is valid until its next use; *out is empty unless the result is CODER_DONE.
 *
 * What is decompressed is one gzip member or several, one behind the other, whose contents are joined (RFC 1952, 2.2);
 * bytes_max is for all of them. No member at all, a cut one, a wrong checksum or length, and bytes behind the last
 * member, zeros too, are CODER_MALFORMED. */
enum coder_result coder_decompress(struct coder *coder, struct text bytes, size_t bytes_max, struct text *out);
/* Into one member, by zlib's fastest level. It can be up to 32 bytes and some thousandths larger than `bytes`. */
enum coder_result coder_compress(struct coder *coder, struct text bytes, struct text *out);

#endif
