/* What a watch tells: snapshots, changes, cursors, counts and refusals. Time is the test's. */
#include "muster/codes.h"
#include "node/cluster.h"
#include "support/random.h"
#include "watch_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { AWAY = 1, ONLINE = 2, BUSY = 3, CROWD = 3000, STATE_BYTES = 1000 };

/* ---- snapshots ---- */

static void a_first_answer_is_a_snapshot(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "tab", .state = "typing", .status = BUSY});
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "phone", .status = AWAY});
    bench_beat(bench, (struct beat_of){.user = "bob"});
    bench_beat(bench, (struct beat_of){.user = "eve", .scope = "elsewhere"});
    bench_look(bench);
    if (bench->last->watch->more || bench->watcher.present != 2) fail_msg("not a snapshot of 2 users");
    const struct seen *ada = watcher_find(&bench->watcher, "ada");
    if (ada == NULL || ada->status != BUSY || ada->session_count != 2) fail_msg("ada is not told as she is");
    bench_expect_same(bench);
}

static void an_unknown_scope_is_empty_and_its_cursor_works(void **state) {
    struct bench *bench = *state;
    bench_look(bench);
    bench_expect_changes(bench, 0);
    if (bench->last->watch->more) fail_msg("more of an empty scope");
    bench_join(bench, "ada");
    bench_look(bench);
    bench_expect_only(bench, "ada", JOINED, NO_REASON);
    bench_expect_same(bench);
}

static void a_snapshot_comes_in_pages(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', STATE_BYTES);
    unsigned answers = bench_catch_up(bench);
    if (answers < 3) fail_msg("%u answers hold %d states of %d bytes", answers, CROWD, STATE_BYTES);
    if (bench->watcher.present != CROWD || bench->watcher.repeats > 0)
        fail_msg("%zu present, %zu twice", bench->watcher.present, bench->watcher.repeats);
    bench_expect_same(bench);
}

/* Something happens to users all over the scope: some were told of, some not yet. */
static void disturb(struct bench *bench, struct random *random) {
    for (int i = 0; i < 30; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", (int)random_below(random, CROWD + 200));
        switch (random_below(random, 4)) {
        case 0:
            bench_leave(bench, user);
            break;
        case 1:
            bench_leave(bench, user);
            bench_beat(bench, (struct beat_of){.user = user, .ttl_ms = 5000, .state = "back"});
            break;
        case 2:
            bench_beat(bench, (struct beat_of){.user = user, .status = 1 + (int)random_below(random, 3)});
            break;
        default:
            bench_beat(bench, (struct beat_of){.user = user, .session = "second", .state = "two"});
            break;
        }
    }
}

/* After each page the watcher knows exactly the users of the part that was told, as they are at that moment. */
static void a_page_tells_what_changed_in_the_pages_before(void **state) {
    struct bench *bench = *state;
    struct random random = random_of(7);
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', STATE_BYTES);
    for (unsigned answers = 0; !bench->watcher.is_synced; answers++) {
        if (answers > 100) fail_msg("more, without an end");
        bench_look(bench);
        bench_expect_same(bench);
        if (!bench->watcher.is_synced) disturb(bench, &random);
    }
    if (bench->watcher.joined + bench->watcher.left + bench->watcher.updated == 0) fail_msg("nothing was disturbed");
    bench_catch_up(bench);
    bench_expect_changes(bench, 0);
    bench_expect_same(bench);
}

/* Twenty snapshots that are disturbed at each of their boundaries, by single changes. */
static void no_change_is_lost_at_the_boundary_of_a_page(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', STATE_BYTES);
    for (int round = 0; round < 20; round++) {
        bench->watcher.cursor_len = 0;
        bench_look(bench);
        if (bench->watcher.is_synced) fail_msg("one page");
        /* The first and the last that this page told of: both are on the near side of its boundary. */
        const Muster__V1__WatchResponse *page = bench->last->watch;
        char first[16] = "", last[16] = "";
        memcpy(first, page->present[0]->user.data, page->present[0]->user.len);
        memcpy(last, page->present[page->n_present - 1]->user.data, page->present[page->n_present - 1]->user.len);
        bench_leave(bench, first);
        bench_beat(bench, (struct beat_of){.user = last, .status = round % 2 == 0 ? BUSY : AWAY, .ttl_ms = 100000});
        bench_look(bench);
        const Muster__V1__Change *gone = bench_change(bench, first), *busy = bench_change(bench, last);
        if (gone == NULL || gone->kind != LEFT) fail_msg("that %s left is lost", first);
        if (busy == NULL || busy->kind != UPDATED) fail_msg("the status of %s is lost", last);
        bench_expect_same(bench);
        bench_join(bench, first);
    }
}

static void an_expiry_between_pages_is_told(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', STATE_BYTES);
    for (int i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "brief%d", i);
        bench_beat(bench, (struct beat_of){.user = user, .ttl_ms = 2000});
    }
    bench_look(bench);
    size_t told = bench->watcher.present;
    rig_pass(&bench->rig, 3000);
    bench_look(bench);
    if (bench->watcher.left == 0) fail_msg("nobody of the first %zu expired", told);
    bench_expect_same(bench);
    bench_catch_up(bench);
    bench_expect_same(bench);
}

/* No tick has noticed yet that the lease is over: a snapshot does not hold the user, and nobody leaves twice. */
static void an_expiry_that_no_tick_noticed_is_told_once(void **state) {
    struct bench *bench = *state;
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 1000});
    bench_beat(bench, (struct beat_of){.user = "bob", .ttl_ms = 5000});
    bench->rig.now.now_ms += 1001;
    bench_look(bench);
    if (bench->watcher.present != 1) fail_msg("%zu present, only bob is", bench->watcher.present);
    bench_expect_same(bench);
    rig_tick(&bench->rig);
    bench_look(bench);
    bench_expect_same(bench);
    bench->rig.now.now_ms += 5001;
    bench_join(bench, "ada"); /* and bob's is over, without a tick */
    rig_tick(&bench->rig);
    bench_look(bench);
    if (bench->watcher.joined != 1 || bench->watcher.left != 1) fail_msg("not one join and one leave");
    bench_expect_same(bench);
}

/* ---- changes ---- */

static void a_join_is_told(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_beat(bench, (struct beat_of){.user = "bob", .status = AWAY});
    bench_look(bench);
    bench_expect_only(bench, "bob", JOINED, NO_REASON);
    if (bench_change(bench, "bob")->user->status != MUSTER__V1__STATUS__STATUS_AWAY) fail_msg("not as it is");
    bench_expect_same(bench);
}

static void a_leave_is_told_with_its_reason(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    rig_pass(&bench->rig, 2000);
    bench_leave(bench, "ada");
    bench_look(bench);
    bench_expect_only(bench, "ada", LEFT, REASON_IS_LEFT);
    if (bench_change(bench, "ada")->user->last_seen_ms != (int64_t)bench->rig.now.wall_ms)
        fail_msg("leaving is not the last activity");
    bench_expect_same(bench);
}

static void an_expiry_is_a_change(void **state) {
    struct bench *bench = *state;
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 2000});
    bench_look(bench);
    rig_pass(&bench->rig, 2000);
    bench_look(bench);
    bench_expect_changes(bench, 0);
    rig_pass(&bench->rig, RIG_TICK_MS);
    bench_look(bench);
    bench_expect_only(bench, "ada", LEFT, REASON_IS_EXPIRED);
    bench_expect_same(bench);
}

static void a_reset_is_the_leave_of_everybody(void **state) {
    struct bench *bench = *state;
    bench_crowd(bench, 0, 100, 'x', 10);
    bench_look(bench);
    bench_reset(bench);
    bench_look(bench);
    bench_expect_changes(bench, 100);
    for (size_t i = 0; i < 100; i++) {
        const Muster__V1__Change *change = bench->last->watch->changes[i];
        if (change->kind != LEFT || (int)change->reason != REASON_IS_RESET) fail_msg("a reset is told otherwise");
    }
    bench_expect_same(bench);
    bench_join(bench, "u7");
    bench_look(bench);
    bench_expect_only(bench, "u7", JOINED, NO_REASON);
}

static void what_changes_of_a_live_user_is_an_update(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "tab"});
    bench_look(bench);
    const struct beat_of beats[] = {
        {.user = "ada", .session = "tab", .status = BUSY},
        {.user = "ada", .session = "tab", .status = BUSY, .state = "typing"},
        {.user = "ada", .session = "phone", .state = "p", .ttl_ms = 1000},
        {.user = "ada", .session = "tab", .state = "x"},
    };
    for (size_t i = 0; i < sizeof beats / sizeof beats[0]; i++) {
        bench_beat(bench, beats[i]);
        bench_look(bench);
        bench_expect_only(bench, "ada", UPDATED, NO_REASON);
        bench_expect_same(bench);
    }
    rig_pass(&bench->rig, 1000 + RIG_TICK_MS); /* a session of several expires */
    bench_look(bench);
    bench_expect_only(bench, "ada", UPDATED, NO_REASON);
    bench_expect_same(bench);
}

static void set_status(struct bench *bench, const char *user, int status, uint32_t ttl_ms) {
    struct request_builder builder;
    builder_set_status(&builder, "room", user, status);
    builder.set_status.ttl_ms = ttl_ms;
    reply_free(ask(&bench->rig.answerer, &builder));
}

static void expect_status_update(struct bench *bench, int status) {
    bench_look(bench);
    bench_expect_only(bench, "ada", UPDATED, NO_REASON);
    if ((int)bench_change(bench, "ada")->user->status != status) fail_msg("not the status %d", status);
    bench_expect_same(bench);
}

/* Whatever its sessions say meanwhile; and nothing is told where the user's status stays as it was. */
static void a_status_that_is_set_and_its_end_are_one_update_each(void **state) {
    struct bench *bench = *state;
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "tab"});
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "phone"});
    set_status(bench, "bob", BUSY, 0);
    bench_look(bench);
    set_status(bench, "bob", AWAY, 0);
    bench_look(bench);
    bench_expect_changes(bench, 0); /* bob is not live */
    set_status(bench, "ada", BUSY, 5000);
    expect_status_update(bench, BUSY);
    rig_pass(&bench->rig, 1000);
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "tab"});
    set_status(bench, "ada", BUSY, 5000);
    bench_look(bench);
    bench_expect_changes(bench, 0);
    rig_pass(&bench->rig, 5000);
    bench_look(bench);
    bench_expect_changes(bench, 0);
    rig_pass(&bench->rig, RIG_TICK_MS);
    expect_status_update(bench, MUSTER__V1__STATUS__STATUS_ONLINE);
    set_status(bench, "ada", AWAY, 0);
    expect_status_update(bench, AWAY);
    set_status(bench, "ada", 0, 0);
    expect_status_update(bench, MUSTER__V1__STATUS__STATUS_ONLINE);
    bench_linger(bench, "ada", 0);
    bench_look(bench);
    bench_expect_only(bench, "ada", LEFT, REASON_IS_LEFT); /* both sessions at once */
    bench_expect_same(bench);
}

static void a_refresh_is_not_told(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_beat(bench, (struct beat_of){.user = "ada", .state = "x"});
    bench_look(bench);
    rig_pass(&bench->rig, 1000);
    bench_beat(bench, (struct beat_of){.user = "ada", .state = "x"});
    bench_look(bench);
    bench_expect_changes(bench, 0);
}

static void a_join_and_a_leave_come_to_nothing(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    for (int i = 0; i < 3; i++) {
        bench_join(bench, "bob");
        bench_beat(bench, (struct beat_of){.user = "bob", .status = BUSY});
        bench_leave(bench, "bob");
    }
    bench_beat(bench, (struct beat_of){.user = "eve", .ttl_ms = 1000});
    rig_pass(&bench->rig, 1500);
    bench_look(bench);
    bench_expect_changes(bench, 0);
    bench_expect_same(bench);
}

static void a_leave_and_a_join_are_one_update(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_beat(bench, (struct beat_of){.user = "bob", .ttl_ms = 1000});
    bench_look(bench);
    bench_leave(bench, "ada");
    bench_join(bench, "ada");
    bench_look(bench);
    bench_expect_only(bench, "ada", UPDATED, NO_REASON);
    rig_pass(&bench->rig, 1500);
    bench_join(bench, "bob");
    bench_look(bench);
    bench_expect_only(bench, "bob", UPDATED, NO_REASON);
    bench_reset(bench);
    bench_join(bench, "bob");
    bench_look(bench);
    bench_expect_changes(bench, 2);
    if (bench_change(bench, "ada")->kind != LEFT || bench_change(bench, "bob")->kind != UPDATED)
        fail_msg("a reset and a join are not an update");
    bench_expect_same(bench);
}

static void a_user_comes_once_and_as_it_is_now(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_join(bench, "ada");
    bench_look(bench);
    for (int i = 0; i < 50; i++) {
        char text[16];
        snprintf(text, sizeof text, "at %d", i);
        bench_beat(bench, (struct beat_of){.user = "ada", .state = text, .status = 1 + i % 3});
        bench_beat(bench, (struct beat_of){.user = "bob", .state = text});
    }
    bench_look(bench);
    bench_expect_changes(bench, 2);
    if (bench_change(bench, "bob")->kind != JOINED) fail_msg("bob has not joined");
    if (!bytes_are(bench_change(bench, "ada")->user->sessions[0]->state, "at 49")) fail_msg("not as she is now");
    bench_expect_same(bench);
}

static void updates_after_an_answer_are_told_again(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_join(bench, "ada");
    bench_look(bench);
    for (int i = 0; i < 10; i++) {
        char text[16];
        snprintf(text, sizeof text, "at %d", i);
        bench_beat(bench, (struct beat_of){.user = "ada", .state = text});
        bench_look(bench);
        bench_expect_only(bench, "ada", UPDATED, NO_REASON);
        bench_expect_same(bench);
    }
}

static void a_large_answer_comes_in_pages(void **state) {
    struct bench *bench = *state;
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', STATE_BYTES);
    bench_catch_up(bench);
    bench_crowd(bench, 100, CROWD, 'y', STATE_BYTES); /* 100 users are new */
    bench_crowd_leaves(bench, 0, 100);
    unsigned answers = bench_catch_up(bench);
    if (answers < 3) fail_msg("%u answers", answers);
    const struct watcher *watcher = &bench->watcher;
    if (watcher->updated != CROWD - 100 || watcher->joined != 100 || watcher->left != 100 || watcher->repeats > 0)
        fail_msg("%zu updated, %zu joined, %zu left, %zu twice", watcher->updated, watcher->joined, watcher->left,
                 watcher->repeats);
    bench_expect_same(bench);
}

static void a_large_answer_is_exact_under_change(void **state) {
    struct bench *bench = *state;
    struct random random = random_of(11);
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', STATE_BYTES);
    bench_catch_up(bench);
    bench_crowd(bench, 0, CROWD, 'y', STATE_BYTES);
    for (int i = 0; i < 100 && (i == 0 || !bench->watcher.is_synced); i++) {
        bench_look(bench);
        if (!bench->watcher.is_synced) disturb(bench, &random);
    }
    bench_catch_up(bench);
    bench_expect_same(bench);
    if (bench->watcher.resyncs > 0) fail_msg("resync");
}

/* More at once than one call of the roll may make effects, and than one answer holds. */
static void everybody_expires_at_once(void **state) {
    enum { MANY = 60000 };
    struct bench *bench = *state;
    for (size_t i = 0; i < MANY; i += MUSTER_BEATS_MAX) {
        struct request_builder builder;
        builder_touch(&builder, "room");
        builder.touch.ttl_ms = 5000;
        for (size_t j = 0; j < MUSTER_BEATS_MAX; j++)
            builder_beat(&builder, "", "")->user = builder_number(&builder, "u", i + j);
        reply_free(ask(&bench->rig.answerer, &builder));
    }
    bench_catch_up(bench);
    if (bench->watcher.live != MANY) fail_msg("%zu are live", bench->watcher.live);
    rig_pass(&bench->rig, 6000);
    bench_catch_up(bench);
    if (bench->watcher.resyncs > 0 || bench->watcher.left != MANY || bench->watcher.repeats > 0)
        fail_msg("%zu left, %zu twice, %u resyncs", bench->watcher.left, bench->watcher.repeats,
                 bench->watcher.resyncs);
    bench_expect_same(bench);
}

static void a_reset_of_many_is_told_in_pages(void **state) {
    enum { MANY = 30000 };
    struct bench *bench = *state;
    bench_crowd(bench, 0, MANY, 'x', 0);
    bench_catch_up(bench);
    bench_reset(bench);
    bench_crowd(bench, 0, 100, 'x', 0);
    bench_catch_up(bench);
    if (bench->watcher.resyncs > 0 || bench->watcher.left != MANY - 100 || bench->watcher.updated != 100)
        fail_msg("%zu left, %zu updated, %u resyncs", bench->watcher.left, bench->watcher.updated,
                 bench->watcher.resyncs);
    bench_expect_same(bench);
}

static void watching_makes_nobody_present(void **state) {
    struct bench *bench = *state;
    struct request_builder builder;
    bench_look(bench);
    bench_park(bench, 1000);
    builder_scopes(&builder);
    Muster__V1__Reply *reply = ask(&bench->rig.answerer, &builder);
    if (reply->scopes->n_scopes != 0) fail_msg("a watched scope exists");
    reply_free(reply);
}

/* ---- cursors ---- */

static void a_resume_tells_exactly_what_was_missed(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    struct cursor_kept first = bench_cursor(bench);
    bench_join(bench, "bob");
    bench_look(bench);
    struct cursor_kept second = bench_cursor(bench);
    bench_join(bench, "eve");
    bench_look(bench);
    bench_expect_only(bench, "eve", JOINED, NO_REASON);

    struct watcher late = {.scope = "room", .cursor_len = first.len};
    const struct {
        const struct cursor_kept *cursor;
        size_t changes;
    } resumes[] = {{&first, 2}, {&second, 1}, {&first, 2}, {&second, 1}};
    for (size_t i = 0; i < 4; i++) {
        struct request_builder builder;
        memcpy(late.cursor, resumes[i].cursor->bytes, resumes[i].cursor->len);
        watcher_build(&late, &builder);
        Muster__V1__Reply *reply = ask(&bench->rig.answerer, &builder);
        if (reply->watch->resync || reply->watch->n_changes != resumes[i].changes)
            fail_msg("resume %zu: %zu changes, expected %zu", i, reply->watch->n_changes, resumes[i].changes);
        for (size_t j = 0; j < reply->watch->n_changes; j++)
            if (reply->watch->changes[j]->kind != JOINED) fail_msg("resume %zu: not a join", i);
        reply_free(reply);
    }
}

/* The answer that told of it was lost: with the cursor before it, it is told again, whatever it was. */
static void what_was_told_in_a_lost_answer_is_told_again(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    struct request_builder builder;
    for (int i = 0; i < 5; i++) {
        bench_beat(bench, (struct beat_of){.user = "ada", .status = 1 + i % 3});
        watcher_build(&bench->watcher, &builder);
        reply_free(ask(&bench->rig.answerer, &builder));
    }
    bench_look(bench);
    bench_expect_only(bench, "ada", UPDATED, NO_REASON);
    bench_leave(bench, "ada");
    watcher_build(&bench->watcher, &builder);
    reply_free(ask(&bench->rig.answerer, &builder));
    bench_join(bench, "ada");
    bench_look(bench);
    bench_expect_only(bench, "ada", UPDATED, NO_REASON);
    bench_expect_same(bench);
}

static void expect_resync(struct bench *bench, const char *what) {
    bench_look(bench);
    if (!bench->last->watch->resync) fail_msg("%s: no resync", what);
    bench_catch_up(bench);
    bench_expect_same(bench);
}

static void a_cursor_from_nowhere_begins_a_snapshot(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    struct cursor_kept good = bench_cursor(bench);
    for (size_t len = 1; len <= MUSTER_CURSOR_BYTES_MAX; len += len < 100 ? 1 : 39) {
        bench->watcher.cursor_len = len;
        memset(bench->watcher.cursor, (int)len, len);
        if (len < good.len) memcpy(bench->watcher.cursor, good.bytes, len);
        expect_resync(bench, "garbage");
    }
    for (size_t i = 0; i < good.len; i++) {
        bench->watcher.cursor_len = good.len;
        memcpy(bench->watcher.cursor, good.bytes, good.len);
        bench->watcher.cursor[i] ^= 0x10;
        expect_resync(bench, "a bit is wrong");
    }
}

static void a_cursor_of_another_watch_begins_a_snapshot(void **state) {
    static const char *const names[] = {"ada", "bob"};
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    struct watcher *watcher = &bench->watcher;
    watcher->users = names;
    watcher->user_count = 1;
    expect_resync(bench, "named users");
    watcher->user_count = 2;
    expect_resync(bench, "other named users");
    watcher->user_count = 0;
    watcher->counts = true;
    expect_resync(bench, "counts");
    watcher->counts = false;
    expect_resync(bench, "all users");
    watcher->scope = "elsewhere";
    expect_resync(bench, "another scope");
}

static void a_cursor_of_another_node_begins_a_snapshot(void **state) {
    struct bench *bench = *state;
    struct node_config config = rig_usual;
    config.origin = 77;
    bench_join(bench, "ada");
    bench_look(bench);
    bench_open_again(bench, &config);
    bench_join(bench, "bob");
    expect_resync(bench, "another node");
    config.origin = 78;
    bench_open_again(bench, &config);
    expect_resync(bench, "a restart");
    bench_open_again(bench, &config);
    expect_resync(bench, "a restart with the same origin");
}

static void a_cursor_from_too_long_ago_begins_a_snapshot(void **state) {
    enum { EVENTS = 1000000, USERS = 10000 };
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    for (size_t i = 0; i < EVENTS; i += 2 * (size_t)USERS) {
        bench_crowd(bench, 0, USERS, 'x', 0);
        bench_crowd_leaves(bench, 0, USERS);
    }
    bench_join(bench, "bob");
    expect_resync(bench, "a million events ago");
    if (bench->watcher.live != 2) fail_msg("%zu are live, ada and bob are", bench->watcher.live);
    bench_leave(bench, "bob");
    bench_look(bench);
    bench_expect_only(bench, "bob", LEFT, REASON_IS_LEFT);
}

/* A scope that nobody is in any more, is forgotten and comes again. */
static void a_scope_that_comes_again_is_told(void **state) {
    struct bench *bench = *state;
    struct node_config config = rig_usual;
    config.retention_ms = 10000;
    bench_open_again(bench, &config);
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 1000});
    bench_look(bench);
    rig_pass(&bench->rig, 30000);
    bench_beat(bench, (struct beat_of){.user = "ada", .ttl_ms = 1000});
    bench_catch_up(bench);
    bench_expect_same(bench);
    rig_pass(&bench->rig, 20000);
    bench_look(bench);
    bench_expect_only(bench, "ada", LEFT, REASON_IS_EXPIRED);
}

/* ---- named users and counts ---- */

static void named_users_are_told_alone(void **state) {
    static const char *const names[] = {"ada", "bob", "nobody", "u1", "ada"};
    struct bench *bench = *state;
    bench->watcher.users = names;
    bench->watcher.user_count = 5;
    bench_crowd(bench, 0, 50, 'x', 10);
    bench_join(bench, "ada");
    bench_look(bench);
    if (bench->watcher.present != 2) fail_msg("%zu present, ada and u1 are", bench->watcher.present);
    bench_expect_same(bench);
    bench_join(bench, "bob");
    bench_crowd(bench, 0, 100, 'y', 10);
    bench_leave(bench, "ada");
    bench_look(bench);
    bench_expect_changes(bench, 3);
    bench_expect_same(bench);
    bench_crowd_leaves(bench, 2, 50);
    bench_look(bench);
    bench_expect_changes(bench, 0);
}

static void a_thousand_named_users_come_in_pages(void **state) {
    static char names[MUSTER_WATCH_USERS_MAX][16];
    static const char *pointers[MUSTER_WATCH_USERS_MAX];
    struct bench *bench = *state;
    struct random random = random_of(5);
    for (size_t i = 0; i < MUSTER_WATCH_USERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", 3 * i);
        pointers[i] = names[i];
    }
    bench->watcher.users = pointers;
    bench->watcher.user_count = MUSTER_WATCH_USERS_MAX;
    bench->watcher.sessions = true;
    bench_crowd(bench, 0, CROWD, 'x', 1024);
    for (int i = 0; i < 5; i++) { /* a second session, so that a reply is too small */
        struct request_builder builder;
        builder_touch(&builder, "room");
        for (size_t j = 0; j < 200; j++) {
            Muster__V1__Beat *beat = builder_beat(&builder, names[200 * i + (int)j], "second");
            beat->state = builder_filled(&builder, 's', 1024);
        }
        reply_free(ask(&bench->rig.answerer, &builder));
    }
    if (bench_catch_up(bench) < 2) fail_msg("one answer");
    bench_expect_same(bench);
    for (int i = 0; i < 10; i++) {
        disturb(bench, &random);
        bench_look(bench);
    }
    bench_catch_up(bench);
    bench_expect_same(bench);
    bench_crowd(bench, 0, CROWD, 'y', 1024);
    bench_catch_up(bench);
    if (bench->watcher.resyncs > 0) fail_msg("resync");
    bench_expect_same(bench);
}

static void counts_are_told_when_they_changed(void **state) {
    struct bench *bench = *state;
    bench->watcher.counts = true;
    bench_look(bench);
    if (bench->last->watch->counts->live != 0) fail_msg("somebody in an empty scope");
    bench_look(bench);
    if (bench->last->watch->counts != NULL) fail_msg("counts that did not change");
    bench_beat(bench, (struct beat_of){.user = "ada", .status = BUSY});
    bench_beat(bench, (struct beat_of){.user = "bob", .status = AWAY, .ttl_ms = 1000});
    bench_look(bench);
    if (bench->last->watch->counts == NULL) fail_msg("no counts");
    bench_expect_same(bench);
    bench_beat(bench, (struct beat_of){.user = "ada", .status = BUSY});
    bench_look(bench);
    if (bench->last->watch->counts != NULL) fail_msg("counts of a refresh");
    bench_beat(bench, (struct beat_of){.user = "ada", .status = ONLINE});
    bench_look(bench);
    if (bench->last->watch->counts == NULL || bench->last->watch->counts->busy != 0) fail_msg("no counts of a status");
    rig_pass(&bench->rig, 1500);
    bench_look(bench);
    if (bench->last->watch->counts == NULL || bench->last->watch->counts->live != 1) fail_msg("no counts of an expiry");
    bench_expect_same(bench);
    bench_reset(bench);
    bench_look(bench);
    if (bench->last->watch->counts == NULL || bench->last->watch->counts->live != 0) fail_msg("no counts of a reset");
    bench_expect_same(bench);
}

/* ---- a page that is loaded again ---- */

static void a_reload_with_linger_is_invisible(void **state) {
    struct bench *bench = *state;
    bench_join(bench, "ada");
    bench_look(bench);
    for (int i = 0; i < 3; i++) {
        bench_linger(bench, "ada", 5000);
        rig_pass(&bench->rig, 2000);
        bench_look(bench);
        bench_join(bench, "ada");
        bench_look(bench);
    }
    rig_pass(&bench->rig, 10000);
    bench_look(bench);
    if (bench->watcher.joined != 0 || bench->watcher.left != 0)
        fail_msg("%zu joined and %zu left", bench->watcher.joined, bench->watcher.left);
    bench_expect_same(bench);
    bench_linger(bench, "ada", 5000);
    rig_pass(&bench->rig, 5000 + RIG_TICK_MS);
    bench_look(bench);
    if (bench->watcher.left != 1) fail_msg("a linger that passed is no leave");
}

static void a_crash_within_the_ttl_is_invisible(void **state) {
    struct bench *bench = *state;
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "tab-1", .ttl_ms = 3000});
    bench_look(bench);
    rig_pass(&bench->rig, 2500); /* killed, and started again as another tab */
    bench_beat(bench, (struct beat_of){.user = "ada", .session = "tab-2", .ttl_ms = 3000});
    bench_look(bench);
    rig_pass(&bench->rig, 2500);
    bench_look(bench);
    if (bench->watcher.joined != 0 || bench->watcher.left != 0)
        fail_msg("%zu joined and %zu left", bench->watcher.joined, bench->watcher.left);
    bench_expect_same(bench);
}

/* ---- refusals ---- */

static void watch(struct request_builder *builder) {
    builder_watch(builder, "room");
}

static void requests_out_of_their_limits_are_refused(void **state) {
    struct bench *bench = *state;
    const struct answerer *answerer = &bench->rig.answerer;
    struct request_builder builder;
    watch(&builder);
    for (size_t i = 0; i <= MUSTER_WATCH_USERS_MAX; i++) builder_watched(&builder, builder_number(&builder, "u", i));
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "users: 1001");
    watch(&builder);
    builder.watch.max_wait_ms = 60001;
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "max_wait_ms: 60001");
    watch(&builder);
    builder.watch.min_interval_ms = 60001;
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "min_interval_ms: 60001");
    watch(&builder);
    builder.watch.cursor = builder_filled(&builder, 'c', 257);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "cursor: 257");
    watch(&builder);
    builder.watch.scope = builder_filled(&builder, 's', 129);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "scope: 129");
    watch(&builder);
    builder_watched(&builder, builder_bytes("ada"));
    builder_watched(&builder, builder_filled(&builder, 'u', 129));
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "users[1]: 129");
    watch(&builder);
    builder_watched(&builder, builder_bytes(""));
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "users[0]: ");
    watch(&builder);
    builder_watched(&builder, builder_bytes("a\xff"));
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "users[0]: ");
    watch(&builder);
    builder.watch.counts = true;
    builder_watched(&builder, builder_bytes("ada"));
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "users: must be empty");
    watch(&builder);
    builder.watch.counts = true;
    builder.watch.sessions = true;
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "sessions: must be unset");
}

static void requests_at_their_limits_are_answered(void **state) {
    struct bench *bench = *state;
    struct request_builder builder;
    watch(&builder);
    for (size_t i = 0; i < MUSTER_WATCH_USERS_MAX; i++) builder_watched(&builder, builder_number(&builder, "u", i));
    builder.watch.max_wait_ms = builder.watch.min_interval_ms = 60000;
    builder.watch.cursor = builder_filled(&builder, 'c', MUSTER_CURSOR_BYTES_MAX);
    builder.watch.scope = builder_filled(&builder, 's', MUSTER_ID_BYTES_MAX);
    Muster__V1__Reply *reply = ask(&bench->rig.answerer, &builder);
    if (!reply->watch->resync || reply->watch->more) fail_msg("not an empty snapshot");
    reply_free(reply);
}

static void a_node_that_joins_answers_no_watch(void **state) {
    struct bench *bench = *state;
    struct node_config config = rig_usual;
    config.origin = 5;
    bench_open_again(bench, &config);
    const struct node_cluster_config cluster = {.gossip_address = {"tcp://127.0.0.1:1", 17},
                                                .sync_address = {"tcp://127.0.0.1:2", 17},
                                                .flush_ms = 10,
                                                .join_timeout_ms = 60000,
                                                .expects_peers = true};
    if (!node_join(bench->rig.node, &cluster, bench->rig.now)) fail_msg("the node does not join");
    struct request_builder builder;
    watch(&builder);
    ask_refused(&bench->rig.answerer, &builder, MUSTER_UNAVAILABLE, "joining");
    watch(&builder);
    builder.watch.max_wait_ms = 1000;
    if (!place_ask(&bench->place, &bench->rig, &builder) || bench->place.reply->code != MUSTER_UNAVAILABLE)
        fail_msg("a node that joins lets a watch wait");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(a_first_answer_is_a_snapshot),
        TEST(an_unknown_scope_is_empty_and_its_cursor_works),
        TEST(a_snapshot_comes_in_pages),
        TEST(a_page_tells_what_changed_in_the_pages_before),
        TEST(no_change_is_lost_at_the_boundary_of_a_page),
        TEST(an_expiry_between_pages_is_told),
        TEST(an_expiry_that_no_tick_noticed_is_told_once),
        TEST(a_join_is_told),
        TEST(a_leave_is_told_with_its_reason),
        TEST(an_expiry_is_a_change),
        TEST(a_reset_is_the_leave_of_everybody),
        TEST(what_changes_of_a_live_user_is_an_update),
        TEST(a_status_that_is_set_and_its_end_are_one_update_each),
        TEST(a_refresh_is_not_told),
        TEST(a_join_and_a_leave_come_to_nothing),
        TEST(a_leave_and_a_join_are_one_update),
        TEST(a_user_comes_once_and_as_it_is_now),
        TEST(updates_after_an_answer_are_told_again),
        TEST(a_large_answer_comes_in_pages),
        TEST(a_large_answer_is_exact_under_change),
        TEST(everybody_expires_at_once),
        TEST(a_reset_of_many_is_told_in_pages),
        TEST(watching_makes_nobody_present),
        TEST(a_resume_tells_exactly_what_was_missed),
        TEST(what_was_told_in_a_lost_answer_is_told_again),
        TEST(a_cursor_from_nowhere_begins_a_snapshot),
        TEST(a_cursor_of_another_watch_begins_a_snapshot),
        TEST(a_cursor_of_another_node_begins_a_snapshot),
        TEST(a_cursor_from_too_long_ago_begins_a_snapshot),
        TEST(a_scope_that_comes_again_is_told),
        TEST(named_users_are_told_alone),
        TEST(a_thousand_named_users_come_in_pages),
        TEST(counts_are_told_when_they_changed),
        TEST(a_reload_with_linger_is_invisible),
        TEST(a_crash_within_the_ttl_is_invisible),
        TEST(requests_out_of_their_limits_are_refused),
        TEST(requests_at_their_limits_are_answered),
        TEST(a_node_that_joins_answers_no_watch),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("rpc watch", tests, NULL, NULL);
}
