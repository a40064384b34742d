/* Contents that are packed, in parts, cut off, damaged, or huge. */
#include "test.h"
#include "unpack.h"

#include <zlib.h>
#include <zstd.h>

static size_t pack_gzip(const char *content, size_t len, char *out, size_t room) {
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)content, .avail_in = (unsigned)len};
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&z);
    return room - z.avail_out;
}

static size_t pack_zstd(const char *content, size_t len, char *out, size_t room) {
    const size_t packed = ZSTD_compress(out, room, content, len, 3);
    assert_false(ZSTD_isError(packed));
    return packed;
}

typedef size_t (*packer)(const char *content, size_t len, char *out, size_t room);
static const packer packers[] = {pack_gzip, pack_zstd};

/* Unpacks with `room` bytes at a time, and expects content, or an error that contains `error`. */
static void expect_with_room(const char *packed, size_t len, const char *content, const char *error, size_t room) {
    char got[4096], piece[64];
    size_t got_len = 0, n;
    FILE *in = fmemopen((void *)(uintptr_t)packed, len, "r");
    struct unpack *unpack = unpack_new(in);
    while ((n = unpack_read(unpack, piece, room)) > 0) {
        if (n > room || got_len + n >= sizeof got) fail_msg("%zu bytes of %zu", n, room);
        memcpy(got + got_len, piece, n);
        got_len += n;
    }
    got[got_len] = '\0';
    const char *why = unpack_error(unpack);
    if (error == NULL && why != NULL) fail_msg("%s", why);
    if (error != NULL && (why == NULL || strstr(why, error) == NULL)) fail_msg("'%s' instead of '%s'", why, error);
    if (error == NULL && strcmp(got, content) != 0) fail_msg("'%s' instead of '%s'", got, content);
    unpack_free(unpack);
    (void)fclose(in);
}

static void expect(const char *packed, size_t len, const char *content, const char *error) {
    for (size_t room = UNPACK_ROOM_MIN; room <= 64; room += 7) expect_with_room(packed, len, content, error, room);
}

static void reads_what_is_not_packed(void **state) {
    (void)state;
    expect("a line\n", 7, "a line\n", NULL);
    expect("x", 1, "x", NULL);
    expect("\xef\xbb\xbfx", 4, "x", NULL);
    expect("\xef\xbb", 2, "\xef\xbb", NULL);
    expect("\xef\xbb\xbf\xef\xbb\xbf", 6, "\xef\xbb\xbf", NULL);
    expect("\x1f", 1, "\x1f", NULL);
    expect("\xfd"
           "7zXZ\0\0",
           7, "", "compressed by xz");
    expect("BZh91AY", 7, "", "compressed by bzip2");
}

static void reads_parts_in_a_row(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char packed[1024];
        size_t len = packers[i]("\xef\xbb\xbfone ", 7, packed, sizeof packed);
        len += packers[i]("", 0, packed + len, sizeof packed - len);
        len += packers[i]("two", 3, packed + len, sizeof packed - len);
        expect(packed, len, "one two", NULL);
    }
}

static void passes_over_what_is_no_content(void **state) {
    (void)state;
    char packed[1024] = "\x5a\x2a\x4d\x18\x03\0\0\0abc"; /* a skippable frame */
    size_t len = 11 + pack_zstd("x", 1, packed + 11, sizeof packed - 11);
    expect(packed, len, "x", NULL);
    len = pack_gzip("x", 1, packed, sizeof packed);
    memset(packed + len, 0, 100);
    expect(packed, len + 100, "x", NULL);
    memcpy(packed + len, "more", 4);
    expect(packed, len + 4, "x", "other bytes follow its end");
}

/* Every beginning of an archive is an error, except where it is the archive before the second part. */
static void tells_what_is_truncated(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char packed[1024];
        const size_t first = packers[i]("some content", 12, packed, sizeof packed);
        const size_t len = first + packers[i]("and more", 8, packed + first, sizeof packed - first);
        for (size_t cut = i == 0 ? 2 : 4; cut < len; cut++)
            expect(packed, cut, "some content", cut == first ? NULL : "truncated");
    }
}

static void tells_what_is_damaged(void **state) {
    (void)state;
    char packed[1024];
    size_t len = pack_gzip("some content", 12, packed, sizeof packed);
    packed[len - 5] ^= 1; /* the checksum */
    expect(packed, len, "", "gzip archive is damaged");
    len = pack_zstd("some content", 12, packed, sizeof packed);
    packed[6] ^= 0x7f;
    packed[5] ^= 0x7f;
    expect(packed, len, "", "zstd archive is ");
}

/* 64 MiB of zeros in an archive of a few bytes pass through a small room. */
static void streams_what_is_huge(void **state) {
    (void)state;
    enum { MEBIBYTES = 64, BYTES = 1 << 20 };
    char *zeros = calloc(1, BYTES), *packed = malloc(MEBIBYTES * 2048), *piece = malloc(65536);
    for (size_t i = 0; i < 2; i++) {
        size_t len = 0, total = 0, n;
        for (int part = 0; part < MEBIBYTES; part++)
            len += packers[i](zeros, BYTES, packed + len, MEBIBYTES * 2048 - len);
        FILE *in = fmemopen(packed, len, "r");
        struct unpack *unpack = unpack_new(in);
        while ((n = unpack_read(unpack, piece, 65536)) > 0) total += n;
        assert_null(unpack_error(unpack));
        assert_int_equal(total, (size_t)MEBIBYTES * BYTES);
        unpack_free(unpack);
        (void)fclose(in);
    }
    free(zeros);
    free(packed);
    free(piece);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_not_packed),       cmocka_unit_test(reads_parts_in_a_row),
        cmocka_unit_test(passes_over_what_is_no_content), cmocka_unit_test(tells_what_is_truncated),
        cmocka_unit_test(tells_what_is_damaged),          cmocka_unit_test(streams_what_is_huge),
    };
    return cmocka_run_group_tests_name("cli.unpack", tests, NULL, NULL);
}
