/* Where the frames of a connection begin, however its bytes are cut. */
#include "net/grpc/frame_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static const uint8_t bytes[] =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\x00\x00\x06\x04\x00\x00\x00\x00\x00"
    "abcdef"
    "\x00\x00\x00\x04\x01\x00\x00\x00\x00"
    "\x00\x01\x00\x01\x25\x80\x00\x00\x07"; /* the reserved bit is set; its payload follows */
enum { BYTES = sizeof bytes - 1, PAYLOAD = 256 };

static const struct frame_head expected[] = {{6, 4, 0, 0}, {0, 4, 1, 0}, {PAYLOAD, 1, 0x25, 7}, {1, 0, 1, 7}};

static size_t write_frames(uint8_t out[BYTES + PAYLOAD + FRAME_HEAD_BYTES + 1]) {
    static const uint8_t last[] = {0, 0, 1, 0, 1, 0, 0, 0, 7, 'x'};
    memcpy(out, bytes, BYTES);
    memset(out + BYTES, 0xff, PAYLOAD);
    memcpy(out + BYTES + PAYLOAD, last, sizeof last);
    return BYTES + PAYLOAD + sizeof last;
}

static bool is_same(const struct frame_head *a, const struct frame_head *b) {
    return a->len == b->len && a->type == b->type && a->flags == b->flags && a->stream_id == b->stream_id;
}

static void expect_frames(size_t piece) {
    uint8_t all[BYTES + PAYLOAD + FRAME_HEAD_BYTES + 1];
    size_t len = write_frames(all), count = 0;
    struct frame_walk walk = {0};
    struct frame_head head;
    for (size_t from = 0; from < len; from += piece) {
        size_t some = len - from < piece ? len - from : piece, at = 0, used;
        while (frame_walk(&walk, all + from + at, some - at, &used, &head)) {
            if (count == 4 || !is_same(&head, &expected[count]))
                fail_msg("pieces of %zu: frame %zu is of %u bytes, type %u", piece, count, head.len, head.type);
            count++;
            at += used;
        }
        if (at + used != some) fail_msg("pieces of %zu: %zu of %zu are used", piece, at + used, some);
    }
    if (count != 4) fail_msg("pieces of %zu: %zu frames", piece, count);
}

static void frames_are_found_in_pieces_of_any_size(void **state) {
    (void)state;
    for (size_t piece = 1; piece <= BYTES + PAYLOAD + FRAME_HEAD_BYTES + 1; piece++) expect_frames(piece);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames_are_found_in_pieces_of_any_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
