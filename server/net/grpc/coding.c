#define ZLIB_CONST /* zlib does not write to next_in */
#include "coding.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum {
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: a gzip header and trailer, not zlib's own */
    MEMORY_LEVEL = 8,
    CAPACITY_MIN = 16 * 1024,
    KEPT_BYTES_MAX = 256 * 1024, /* of the memory for messages, from use to use */
};

struct coder {
    z_stream inflater, deflater;
    bool has_inflater, has_deflater;
    uint8_t *bytes; /* the message of the last use */
    size_t capacity;
};

static bool is_name(const char *data, size_t len, const char *name) {
    return len == strlen(name) && strncasecmp(data, name, len) == 0;
}

enum coding coding_of(struct text name) {
    if (name.len == 0 || is_name(name.data, name.len, "identity")) return CODING_IDENTITY;
    return is_name(name.data, name.len, "gzip") ? CODING_GZIP : CODING_UNKNOWN;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

bool coding_accepts_gzip(struct text list) {
    for (size_t at = 0; at < list.len;) {
        const char *comma = memchr(list.data + at, ',', list.len - at);
        size_t next = comma == NULL ? list.len : (size_t)(comma - list.data), end = next;
        while (at < end && is_blank(list.data[at])) at++;
        while (end > at && is_blank(list.data[end - 1])) end--;
        if (is_name(list.data + at, end - at, "gzip")) return true;
        at = next + 1;
    }
    return false;
}

struct coder *coder_new(void) {
    return calloc(1, sizeof(struct coder));
}

void coder_free(struct coder *coder) {
    if (coder == NULL) return;
    if (coder->has_inflater) (void)inflateEnd(&coder->inflater);
    if (coder->has_deflater) (void)deflateEnd(&coder->deflater);
    free(coder->bytes);
    free(coder);
}

size_t coder_bytes(const struct coder *coder) {
    return coder->capacity;
}

static void release_large_memory(struct coder *coder) {
    if (coder->capacity <= KEPT_BYTES_MAX) return;
    free(coder->bytes);
    coder->bytes = NULL;
    coder->capacity = 0;
}

static bool reserve_bytes(struct coder *coder, size_t capacity) {
    if (capacity <= coder->capacity) return true;
    uint8_t *grown = realloc(coder->bytes, capacity);
    if (grown == NULL) return false;
    coder->bytes = grown;
    coder->capacity = capacity;
    return true;
}

/* ---- decompression ---- */

static bool begin_inflating(struct coder *coder) {
    if (coder->has_inflater) return inflateReset(&coder->inflater) == Z_OK;
    coder->has_inflater = inflateInit2(&coder->inflater, GZIP_WINDOW_BITS) == Z_OK;
    return coder->has_inflater;
}

/* Where zlib writes next: the memory behind the first `len` bytes, which grows up to bytes_max; then a byte that only
 * tells that there is more than that. */
static bool give_room(struct coder *coder, size_t len, size_t bytes_max, uint8_t *beyond) {
    z_stream *z = &coder->inflater;
    if (len == bytes_max) {
        z->next_out = beyond;
        z->avail_out = 1;
        return true;
    }
    size_t capacity = coder->capacity;
    if (len == capacity) capacity = 2 * len > CAPACITY_MIN ? 2 * len : CAPACITY_MIN;
    if (capacity > bytes_max) capacity = bytes_max;
    if (!reserve_bytes(coder, capacity)) return false;
    z->next_out = coder->bytes + len;
    z->avail_out = (uInt)(capacity - len);
    return true;
}

/* Appends what one member holds to the first *len bytes. */
static enum coder_result inflate_member(struct coder *coder, size_t bytes_max, size_t *len) {
    z_stream *z = &coder->inflater;
    for (;;) {
        uint8_t beyond;
        if (!give_room(coder, *len, bytes_max, &beyond)) return CODER_NO_MEMORY;
        uInt room = z->avail_out;
        int result = inflate(z, Z_NO_FLUSH);
        uInt written = room - z->avail_out;
        if (written > bytes_max - *len) return CODER_TOO_LARGE;
        *len += written;
        if (result == Z_STREAM_END) return CODER_DONE;
        if (result == Z_MEM_ERROR) return CODER_NO_MEMORY;
        bool is_cut = z->avail_in == 0 && z->avail_out > 0;
        if ((result != Z_OK && result != Z_BUF_ERROR) || is_cut) return CODER_MALFORMED;
    }
}

enum coder_result coder_decompress(struct coder *coder, struct text bytes, size_t bytes_max, struct text *out) {
    *out = (struct text){0};
    if (bytes_max > UINT32_MAX) bytes_max = UINT32_MAX;
    release_large_memory(coder);
    if (!begin_inflating(coder)) return CODER_NO_MEMORY;
    z_stream *z = &coder->inflater;
    z->next_in = (const Bytef *)bytes.data;
    z->avail_in = bytes.len;
    size_t len = 0;
    do {
        enum coder_result result = inflate_member(coder, bytes_max, &len);
        if (result != CODER_DONE) return result;
        if (inflateReset(z) != Z_OK) return CODER_NO_MEMORY;
    } while (z->avail_in > 0);
    *out = (struct text){(const char *)coder->bytes, (uint32_t)len};
    return CODER_DONE;
}

/* ---- compression ---- */

static bool begin_deflating(struct coder *coder) {
    if (coder->has_deflater) return deflateReset(&coder->deflater) == Z_OK;
    coder->has_deflater = deflateInit2(&coder->deflater, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
                                       Z_DEFAULT_STRATEGY) == Z_OK;
    return coder->has_deflater;
}

enum coder_result coder_compress(struct coder *coder, struct text bytes, struct text *out) {
    *out = (struct text){0};
    release_large_memory(coder);
    if (!begin_deflating(coder)) return CODER_NO_MEMORY;
    z_stream *z = &coder->deflater;
    size_t bound = deflateBound(z, bytes.len);
    if (bound > UINT32_MAX || !reserve_bytes(coder, bound)) return CODER_NO_MEMORY;
    z->next_in = (const Bytef *)bytes.data;
    z->avail_in = bytes.len;
    z->next_out = coder->bytes;
    z->avail_out = (uInt)bound;
    int result = deflate(z, Z_FINISH);
    assert(result == Z_STREAM_END); /* deflateBound says so */
    *out = (struct text){(const char *)coder->bytes, (uint32_t)(bound - z->avail_out)};
    return CODER_DONE;
}
