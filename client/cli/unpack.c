#include "unpack.h"

#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { INPUT_BYTES = 64 * 1024, ERROR_BYTES = 160, ZSTD_WINDOW_LOG_MAX = 27 };

/* zlib: read a gzip header and trailer, not zlib's own. */
enum { GZIP_WINDOW_BITS = 15 + 16 };

struct unpack {
    FILE *in;
    enum { PACKED_UNKNOWN, PACKED_NOT, PACKED_GZIP, PACKED_ZSTD } packed;
    bool is_ended;    /* of the file */
    bool is_complete; /* a member or a frame has ended, and nothing of a next one was read */
    bool is_begun;    /* the content's first bytes were looked at */
    size_t at, end;   /* the unread part of the input */
    z_stream gzip;
    ZSTD_DStream *zstd;
    char error[ERROR_BYTES];
    unsigned char input[INPUT_BYTES];
};

struct unpack *unpack_new(FILE *in) {
    struct unpack *u = memory_new(sizeof *u);
    u->in = in;
    return u;
}

void unpack_free(struct unpack *u) {
    if (u == NULL) return;
    if (u->packed == PACKED_GZIP) (void)inflateEnd(&u->gzip);
    (void)ZSTD_freeDStream(u->zstd);
    free(u);
}

const char *unpack_error(const struct unpack *u) {
    return u->error[0] == '\0' ? NULL : u->error;
}

static size_t fail_unpack(struct unpack *u, const char *archive, const char *why) {
    (void)snprintf(u->error, sizeof u->error, "%s%s", archive, why);
    u->is_ended = true;
    return 0;
}

/* Reads more input behind what is there. */
static void fill_input(struct unpack *u) {
    if (u->at > 0) memmove(u->input, u->input + u->at, u->end - u->at);
    u->end -= u->at;
    u->at = 0;
    errno = 0;
    const size_t got = fread(u->input + u->end, 1, INPUT_BYTES - u->end, u->in);
    u->end += got;
    if (got > 0) return;
    if (ferror(u->in)) (void)fail_unpack(u, "", strerror(errno));
    u->is_ended = true;
}

static bool begins_with(const struct unpack *u, const char *bytes, size_t len) {
    return u->end - u->at >= len && memcmp(u->input + u->at, bytes, len) == 0;
}

static void begin_gzip(struct unpack *u) {
    u->packed = PACKED_GZIP;
    if (inflateInit2(&u->gzip, GZIP_WINDOW_BITS) != Z_OK) memory_fail();
}

static void begin_zstd(struct unpack *u) {
    u->packed = PACKED_ZSTD;
    u->zstd = ZSTD_createDStream();
    if (u->zstd == NULL) memory_fail();
    (void)ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
}

/* Tells what the file is by its first bytes (RFC 1952, RFC 8878, and the formats that are refused). */
static void tell_packed(struct unpack *u) {
    enum { MAGIC_BYTES = 6 };
    while (u->end < MAGIC_BYTES && !u->is_ended) fill_input(u);
    const bool is_skippable =
        u->end >= 4 && (u->input[0] & 0xf0) == 0x50 && memcmp(u->input + 1, "\x2a\x4d\x18", 3) == 0;
    u->packed = PACKED_NOT;
    if (begins_with(u, "\x1f\x8b", 2)) begin_gzip(u);
    else if (is_skippable || begins_with(u, "\x28\xb5\x2f\xfd", 4)) begin_zstd(u);
    else if (begins_with(u,
                         "\xfd"
                         "7zXZ",
                         5))
        (void)fail_unpack(u, "", "it is compressed by xz; gzip and zstd are read");
    else if (begins_with(u, "BZh", 3)) (void)fail_unpack(u, "", "it is compressed by bzip2; gzip and zstd are read");
}

static size_t copy_bytes(struct unpack *u, char *to, size_t room) {
    if (u->at == u->end && !u->is_ended) fill_input(u);
    const size_t len = u->end - u->at < room ? u->end - u->at : room;
    memcpy(to, u->input + u->at, len);
    u->at += len;
    return len;
}

/* What stands between two gzip members: nothing, or zeros with which a tape's block was filled up. */
static bool begin_member(struct unpack *u) {
    while (u->at < u->end && u->input[u->at] == 0) u->at++;
    if (u->at == u->end) return true;
    u->is_complete = false;
    if (inflateReset(&u->gzip) == Z_OK && u->input[u->at] == 0x1f) return true;
    (void)fail_unpack(u, "the gzip archive is damaged: ", "other bytes follow its end");
    return false;
}

static size_t inflate_bytes(struct unpack *u, char *to, size_t room) {
    z_stream *z = &u->gzip;
    z->next_out = (unsigned char *)to;
    z->avail_out = (uInt)room;
    while (z->avail_out == room) {
        if (u->at == u->end && !u->is_ended) fill_input(u);
        if (u->is_complete && !begin_member(u)) return 0;
        if (u->at == u->end && !u->is_ended) continue;
        if (u->at == u->end) break;
        z->next_in = u->input + u->at;
        z->avail_in = (uInt)(u->end - u->at);
        const int result = inflate(z, Z_NO_FLUSH);
        u->at = u->end - z->avail_in;
        u->is_complete = result == Z_STREAM_END;
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return fail_unpack(u, "the gzip archive is damaged: ", z->msg != NULL ? z->msg : "it cannot be unpacked");
    }
    const size_t got = room - z->avail_out;
    if (got == 0 && !u->is_complete && unpack_error(u) == NULL)
        return fail_unpack(u, "", "the gzip archive is truncated");
    return got;
}

static size_t zstd_bytes(struct unpack *u, char *to, size_t room) {
    ZSTD_outBuffer out = {to, room, 0};
    while (out.pos == 0) {
        if (u->at == u->end && !u->is_ended) fill_input(u);
        const bool has_input = u->at < u->end;
        if (!has_input && u->is_complete) break;
        ZSTD_inBuffer in = {u->input + u->at, u->end - u->at, 0};
        const size_t result = ZSTD_decompressStream(u->zstd, &out, &in);
        if (ZSTD_isError(result)) return fail_unpack(u, "the zstd archive is damaged: ", ZSTD_getErrorName(result));
        u->at += in.pos;
        u->is_complete = result == 0;
        if (!has_input && out.pos == 0 && unpack_error(u) == NULL)
            return fail_unpack(u, "", "the zstd archive is truncated");
        if (!has_input && out.pos == 0) break;
    }
    return out.pos;
}

static size_t read_content(struct unpack *u, char *to, size_t room) {
    if (u->packed == PACKED_UNKNOWN) tell_packed(u);
    if (unpack_error(u) != NULL) return 0;
    return u->packed == PACKED_GZIP   ? inflate_bytes(u, to, room)
           : u->packed == PACKED_ZSTD ? zstd_bytes(u, to, room)
                                      : copy_bytes(u, to, room);
}

size_t unpack_read(struct unpack *u, char *to, size_t room) {
    assert(room >= UNPACK_ROOM_MIN);
    if (u->is_begun) return read_content(u, to, room);
    u->is_begun = true;
    size_t len = 0, got = 1;
    while (len < UNPACK_ROOM_MIN && got > 0) {
        got = read_content(u, to + len, room - len);
        len += got;
    }
    if (len < UNPACK_ROOM_MIN || memcmp(to, "\xef\xbb\xbf", UNPACK_ROOM_MIN) != 0) return len;
    memmove(to, to + UNPACK_ROOM_MIN, len - UNPACK_ROOM_MIN);
    return len > UNPACK_ROOM_MIN ? len - UNPACK_ROOM_MIN : read_content(u, to, room);
}
