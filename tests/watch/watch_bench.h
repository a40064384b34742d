/* A bench for tests of Watch: a node, a watcher of the scope "room", and the place where it waits. */
#ifndef MUSTER_TESTS_WATCH_BENCH_H
#define MUSTER_TESTS_WATCH_BENCH_H

#include "support/watcher.h"
#include "watch_rig.h"

struct bench {
    struct rig rig;
    struct watcher watcher;
    struct place place;
    Muster__V1__Reply *last; /* the answer applied last */
};

int bench_open(void **state);
int bench_close(void **state);
/* Instead of the node that it was opened with. */
void bench_open_again(struct bench *bench, const struct node_config *config);

/* ---- what happens ---- */

struct beat_of {
    const char *scope, *user, *session, *state; /* NULL: "room", -, "", none */
    uint32_t ttl_ms;
    int status;
};
void bench_beat(struct bench *bench, struct beat_of beat);
void bench_join(struct bench *bench, const char *user);
/* Users u`first`, u`first + 1`, ... each with so many bytes of the state `fill`, live for a day. */
void bench_crowd(struct bench *bench, size_t first, size_t count, char fill, size_t state_bytes);
void bench_leave(struct bench *bench, const char *user);
void bench_linger(struct bench *bench, const char *user, uint32_t linger_ms);
void bench_crowd_leaves(struct bench *bench, size_t first, size_t count);
void bench_reset(struct bench *bench);

/* ---- what the watcher does; each ends the test where an answer breaks a rule ---- */

/* Asks without waiting, once. */
void bench_look(struct bench *bench);
/* The same until there is no more. Returns how many answers that took. */
unsigned bench_catch_up(struct bench *bench);
/* Asks and has to wait. */
void bench_park(struct bench *bench, uint32_t max_wait_ms);
/* Applies the answer that came to who waited. */
void bench_answered(struct bench *bench);
/* It has to wait still, though the pump had its chance. */
void bench_expect_parked(struct bench *bench);
/* An older cursor, as after answers that were lost. */
struct cursor_kept {
    uint8_t bytes[MUSTER_CURSOR_BYTES_MAX];
    size_t len;
};
struct cursor_kept bench_cursor(const struct bench *bench);

/* ---- what the last answer told ---- */

#define JOINED  MUSTER__V1__CHANGE_KIND__CHANGE_KIND_JOINED
#define LEFT    MUSTER__V1__CHANGE_KIND__CHANGE_KIND_LEFT
#define UPDATED MUSTER__V1__CHANGE_KIND__CHANGE_KIND_UPDATED

/* Of a user; NULL: nothing. */
const Muster__V1__Change *bench_change(const struct bench *bench, const char *user);
/* It told so many changes, and nobody as present. */
void bench_expect_changes(const struct bench *bench, size_t count);
/* It told of one change alone; `reason` as the contract numbers it. */
void bench_expect_only(const struct bench *bench, const char *user, int kind, int reason);
enum { NO_REASON = 0, REASON_IS_LEFT = 1, REASON_IS_EXPIRED = 2, REASON_IS_RESET = 3 };
/* What the watcher knows is what the node answers at this instant. */
void bench_expect_same(const struct bench *bench);

#endif
