#include "watch_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { DAY_MS = 24 * 60 * 60 * 1000, ANSWERS_MAX = 1000, BATCH_BYTES = 500 * 1000 };

int bench_open(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) abort();
    rig_open(&bench->rig, &rig_usual);
    place_open(&bench->place, &bench->rig, 1);
    bench->watcher.scope = "room";
    *state = bench;
    return 0;
}

int bench_close(void **state) {
    struct bench *bench = *state;
    if (bench == NULL) return 0;
    if (bench->last != NULL) reply_free(bench->last);
    rig_close(&bench->rig);
    place_close(&bench->place);
    watcher_close(&bench->watcher);
    free(bench);
    return 0;
}

void bench_open_again(struct bench *bench, const struct node_config *config) {
    rig_close(&bench->rig);
    rig_open(&bench->rig, config);
    place_open(&bench->place, &bench->rig, 1);
}

/* ---- what happens ---- */

void bench_beat(struct bench *bench, struct beat_of beat) {
    struct request_builder builder;
    builder_touch(&builder, beat.scope != NULL ? beat.scope : "room");
    Muster__V1__Beat *out = builder_beat(&builder, beat.user, beat.session != NULL ? beat.session : "");
    if (beat.state != NULL) out->state = builder_bytes(beat.state);
    out->ttl_ms = beat.ttl_ms;
    out->status = (Muster__V1__Status)beat.status;
    reply_free(ask(&bench->rig.answerer, &builder));
}

void bench_join(struct bench *bench, const char *user) {
    bench_beat(bench, (struct beat_of){.user = user});
}

void bench_crowd(struct bench *bench, size_t first, size_t count, char fill, size_t state_bytes) {
    size_t batch = BATCH_BYTES / (state_bytes + 50);
    while (count > 0) {
        struct request_builder builder;
        builder_touch(&builder, "room");
        builder.touch.ttl_ms = DAY_MS;
        size_t n = count < batch ? count : batch;
        for (size_t i = 0; i < n; i++) {
            Muster__V1__Beat *beat = builder_beat(&builder, "", "");
            beat->user = builder_number(&builder, "u", first + i);
            beat->state = builder_filled(&builder, fill, state_bytes);
        }
        reply_free(ask(&bench->rig.answerer, &builder));
        first += n;
        count -= n;
    }
}

void bench_leave(struct bench *bench, const char *user) {
    leave(&bench->rig.answerer, "room", user, "");
}

void bench_linger(struct bench *bench, const char *user, uint32_t linger_ms) {
    struct request_builder builder;
    builder_leave(&builder, "room");
    builder_departure(&builder, user, "")->all_sessions = true;
    builder.leave.linger_ms = linger_ms;
    reply_free(ask(&bench->rig.answerer, &builder));
}

void bench_crowd_leaves(struct bench *bench, size_t first, size_t count) {
    while (count > 0) {
        struct request_builder builder;
        builder_leave(&builder, "room");
        size_t n = count < MUSTER_BEATS_MAX ? count : MUSTER_BEATS_MAX;
        for (size_t i = 0; i < n; i++)
            builder_departure(&builder, "", "")->user = builder_number(&builder, "u", first + i);
        reply_free(ask(&bench->rig.answerer, &builder));
        first += n;
        count -= n;
    }
}

void bench_reset(struct bench *bench) {
    struct request_builder builder;
    builder_reset(&builder, "room");
    reply_free(ask(&bench->rig.answerer, &builder));
}

/* ---- what the watcher does ---- */

static bool ask_place(struct bench *bench, uint32_t max_wait_ms) {
    struct request_builder builder;
    bench->watcher.max_wait_ms = max_wait_ms;
    watcher_build(&bench->watcher, &builder);
    return place_ask(&bench->place, &bench->rig, &builder);
}

void bench_answered(struct bench *bench) {
    if (bench->last != NULL) reply_free(bench->last);
    bench->last = NULL;
    bench->last = place_take(&bench->place);
    const char *fault = watcher_apply(&bench->watcher, bench->last->watch);
    if (fault != NULL) fail_msg("%s", fault);
}

void bench_look(struct bench *bench) {
    if (!ask_place(bench, 0)) fail_msg("parked, without a wait");
    bench_answered(bench);
}

unsigned bench_catch_up(struct bench *bench) {
    for (unsigned answers = 1; answers <= ANSWERS_MAX; answers++) {
        bench_look(bench);
        if (bench->watcher.is_synced) return answers;
    }
    fail_msg("more, without an end");
    return 0;
}

void bench_park(struct bench *bench, uint32_t max_wait_ms) {
    if (!ask_place(bench, max_wait_ms)) return bench_expect_parked(bench);
    fail_msg("answered at once: code %d, %zu changes", bench->place.reply->code,
             bench->place.reply->watch == NULL ? 0 : bench->place.reply->watch->n_changes);
}

void bench_expect_parked(struct bench *bench) {
    rig_pass(&bench->rig, 0);
    if (bench->place.is_parked) return;
    const Muster__V1__Reply *reply = bench->place.reply;
    if (reply == NULL) fail_msg("hung up");
    else fail_msg("answered too early: code %d, %zu changes", reply->code, reply->watch ? reply->watch->n_changes : 0);
}

struct cursor_kept bench_cursor(const struct bench *bench) {
    struct cursor_kept kept = {.len = bench->watcher.cursor_len};
    memcpy(kept.bytes, bench->watcher.cursor, kept.len);
    return kept;
}

/* ---- what the last answer told ---- */

const Muster__V1__Change *bench_change(const struct bench *bench, const char *user) {
    const Muster__V1__WatchResponse *answer = bench->last->watch;
    for (size_t i = 0; i < answer->n_changes; i++)
        if (bytes_are(answer->changes[i]->user->user, user)) return answer->changes[i];
    return NULL;
}

void bench_expect_changes(const struct bench *bench, size_t count) {
    const Muster__V1__WatchResponse *answer = bench->last->watch;
    if (answer->n_changes != count || answer->n_present != 0)
        fail_msg("%zu changes and %zu present, expected %zu changes", answer->n_changes, answer->n_present, count);
}

void bench_expect_only(const struct bench *bench, const char *user, int kind, int reason) {
    const Muster__V1__Change *change = bench_change(bench, user);
    if (change == NULL) fail_msg("nothing of %s among %zu changes", user, bench->last->watch->n_changes);
    else if ((int)change->kind != kind || (int)change->reason != reason)
        fail_msg("%s: change %d with reason %d, expected %d with %d", user, (int)change->kind, (int)change->reason,
                 kind, reason);
    bench_expect_changes(bench, 1);
}

void bench_expect_same(const struct bench *bench) {
    const char *fault = watcher_differs(&bench->watcher, &bench->rig.answerer, NULL, NULL);
    if (fault != NULL) fail_msg("%s", fault);
}
