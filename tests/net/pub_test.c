/* The door that publishes, on loops that the test turns itself. */
#include "net/sp/frame.h"
#include "net/sp/pub_door.h"
#include "support/sp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { FRAME_BYTES = 20000, TURNS = 20 };

struct studio {
    struct loops *loops;
    struct pub_door *door;
};

static struct studio studio_open(void) {
    const struct loops_config config = {.threads = 2, .is_driven = true};
    struct studio studio = {.loops = loops_start(&config)};
    struct error error;
    if (studio.loops == NULL) fail_msg("no loops");
    if ((studio.door = pub_door_open(studio.loops, "tcp://127.0.0.1:0", 100, &error)) == NULL)
        fail_msg("no door: %s", error.text);
    return studio;
}

static void studio_close(struct studio *studio) {
    loops_stop(studio->loops);
    pub_door_close(studio->door);
    loops_free(studio->loops);
}

static void turn(struct studio *studio) {
    for (int i = 0; i < TURNS; i++) loops_turn(studio->loops, 0);
}

static struct sp subscribe(struct studio *studio) {
    static const unsigned char greeting[SP_HEADER_BYTES] = {0, 'S', 'P', 0, 0, SP_SUB, 0, 0};
    unsigned char answer[SP_HEADER_BYTES];
    struct sp sp = sp_connect(pub_door_url(studio->door));
    if (sp.fd < 0 || !sp_write(&sp, greeting, sizeof greeting)) fail_msg("no connection");
    turn(studio);
    if (recv(sp.fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer || answer[5] != SP_PUB)
        fail_msg("no greeting of a publisher");
    return sp;
}

static void publish(struct studio *studio, uint32_t number) {
    static uint8_t frame[FRAME_BYTES];
    memset(frame, (int)(number & 0xff), sizeof frame);
    memcpy(frame, &number, sizeof number);
    pub_door_publish(studio->door, frame, sizeof frame);
    loops_turn(studio->loops, 0);
}

/* The number of the next frame, which must be whole; -1: there is none. */
static int64_t next_number(struct studio *studio, struct sp *sp) {
    static uint8_t frame[8 + FRAME_BYTES];
    size_t len = 0;
    for (int idle = 0; len < sizeof frame; idle++) {
        ssize_t n = recv(sp->fd, frame + len, sizeof frame - len, MSG_DONTWAIT);
        if (n > 0) len += (size_t)n, idle = 0;
        if (n == 0 || (n < 0 && errno != EAGAIN)) fail_msg("a subscriber was cut off");
        if (idle > TURNS && len == 0) return -1;
        if (idle > TURNS) fail_msg("%zu bytes of a frame", len);
        loops_turn(studio->loops, 0);
    }
    struct sp_frame whole;
    uint32_t number;
    if (sp_frame_read(frame, sizeof frame, false, FRAME_BYTES, &whole) != SP_WHOLE || whole.total != sizeof frame)
        fail_msg("not a frame");
    memcpy(&number, whole.payload, sizeof number);
    for (size_t i = sizeof number; i < FRAME_BYTES; i++)
        if (whole.payload[i] != (number & 0xff)) fail_msg("frame %u is mixed with another", number);
    return number;
}

static void everybody_gets_every_frame(void **state) {
    enum { SUBSCRIBERS = 5, FRAMES = 200 };
    (void)state;
    struct studio studio = studio_open();
    struct sp sps[SUBSCRIBERS];
    for (int i = 0; i < SUBSCRIBERS; i++) sps[i] = subscribe(&studio);
    for (uint32_t number = 0; number < FRAMES; number++) {
        publish(&studio, number);
        for (int i = 0; i < SUBSCRIBERS; i++)
            if (next_number(&studio, &sps[i]) != number) fail_msg("subscriber %d: not frame %u", i, number);
    }
    if (pub_door_dropped(studio.door) != 0) fail_msg("frames were dropped");
    for (int i = 0; i < SUBSCRIBERS; i++) sp_close(&sps[i]);
    studio_close(&studio);
}

/* Who is slow loses whole frames, the oldest of those that wait, and nobody else loses any. */
static void who_is_slow_loses_the_oldest(void **state) {
    enum { FRAMES = 2000 };
    (void)state;
    struct studio studio = studio_open();
    struct sp slow = subscribe(&studio), quick = subscribe(&studio);
    int64_t last = -1, gaps = 0, taken = 0, number;
    for (uint32_t i = 0; i < FRAMES; i++) {
        publish(&studio, i);
        if (next_number(&studio, &quick) != i) fail_msg("who is quick misses frame %u", i);
    }
    for (; (number = next_number(&studio, &slow)) >= 0; last = number, taken++) {
        if (number <= last) fail_msg("frame %lld comes after %lld", (long long)number, (long long)last);
        gaps += number != last + 1;
    }
    if (last != FRAMES - 1 || gaps != 1)
        fail_msg("ends with frame %lld after %lld gaps", (long long)last, (long long)gaps);
    if (pub_door_dropped(studio.door) != (uint64_t)(FRAMES - taken))
        fail_msg("%llu are counted as dropped, %lld are missing", (unsigned long long)pub_door_dropped(studio.door),
                 (long long)(FRAMES - taken));
    publish(&studio, FRAMES);
    if (next_number(&studio, &slow) != FRAMES) fail_msg("who was slow gets nothing any more");
    sp_close(&slow);
    sp_close(&quick);
    studio_close(&studio);
}

static void before_the_handshake_nothing_is_published(void **state) {
    (void)state;
    struct studio studio = studio_open();
    struct sp silent = sp_connect(pub_door_url(studio.door));
    unsigned char bytes[64];
    turn(&studio);
    publish(&studio, 1);
    turn(&studio);
    ssize_t n = recv(silent.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n != SP_HEADER_BYTES) fail_msg("%zd bytes for who has not greeted", n);
    sp_close(&silent);
    studio_close(&studio);
}

static void what_subscribers_send_is_ignored_up_to_a_point(void **state) {
    (void)state;
    struct studio studio = studio_open();
    struct sp chatty = subscribe(&studio), large = subscribe(&studio);
    uint32_t id;
    for (int i = 0; i < PUB_IGNORED_MAX; i++) sp_send(&chatty, "hello", 5, &id);
    turn(&studio);
    publish(&studio, 7);
    if (next_number(&studio, &chatty) != 7) fail_msg("who said something is cut off");
    sp_send(&chatty, "hello", 5, &id);
    sp_write_length(&large, PUB_IGNORED_BYTES_MAX + 1);
    turn(&studio);
    if (!sp_is_closed(&chatty, 1000)) fail_msg("who talks without end is kept");
    if (!sp_is_closed(&large, 1000)) fail_msg("who says too much at once is kept");
    sp_close(&chatty);
    sp_close(&large);
    studio_close(&studio);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_every_frame),
        cmocka_unit_test(who_is_slow_loses_the_oldest),
        cmocka_unit_test(before_the_handshake_nothing_is_published),
        cmocka_unit_test(what_subscribers_send_is_ignored_up_to_a_point),
    };
    return cmocka_run_group_tests_name("net: publishing", tests, NULL, NULL);
}
