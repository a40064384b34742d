/* Random histories of a node and its watchers: whoever watches, pauses, loses answers, resumes and waits knows in the
 * end, and whenever it is in step, what the node knows.
 *
 *   MUSTER_SEED         only this seed (default: a few fixed ones, and one that differs from run to run)
 *   MUSTER_MODEL_STEPS  steps, in percent of what is usual */
#include "crowd.h"
#include "support/random.h"
#include "support/watcher.h"
#include "watch_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum {
    NAME_BYTES = 32,
    LOG_LINES = 100,
    LOG_LINE_BYTES = 120,
    PATIENCE_MS = 20000,       /* at the end, until everybody has heard of everything */
    RECENT_MS = 4 * 60 * 1000, /* a cursor of that age must be of use ... */
    RECENT_EVENTS = 100000,    /* ... unless so much has happened since */
};

/* What a trial is like. */
struct scene {
    const char *name;
    size_t scopes, users, watchers, batch_max, state_bytes;
    unsigned steps, trials;
    unsigned compare_in; /* one in so many answers is compared with List */
};

static const struct scene scenes[] = {
    {"rooms", 4, 6, 14, 4, 8, 4000, 40, 1},
    {"street", 2, 150, 10, 40, 30, 2000, 20, 2},
    {"stadium", 1, 2500, 6, 700, 1000, 160, 8, 2},
};

struct guest {
    struct watcher watcher;
    struct place place;
    size_t scope;
    unsigned loses_in;  /* it loses one in so many answers; 0: none */
    const char **names; /* of its named users */
    char *name_bytes;
    uint64_t asked_ms, wait_ms;  /* of the request that is out, or was answered last */
    bool was_blocked;            /* there was no room at some moment since */
    bool may_resync, is_on_page; /* the request that is out: its cursor is of no use, or is in the midst of pages */
    uint64_t paced_ms;           /* when the cursor was told of changes last; 0: never */
    uint64_t cursor_ms, cursor_events;
    struct watcher saved; /* what it knew once, to go back to */
    uint64_t saved_paced_ms, saved_ms, saved_events;
};

struct trial {
    const struct scene *scene;
    uint64_t seed;
    unsigned step;
    struct random random;
    struct rig rig;
    struct crowd crowd;
    struct guest *guests;
    uint64_t events; /* upper bound of what journals have taken */
    size_t told;     /* rows, for the summary */
    char log[LOG_LINES][LOG_LINE_BYTES];
    unsigned log_count;
};

static void record(struct trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void record(struct trial *trial, const char *format, ...) {
    char *line = trial->log[trial->log_count++ % LOG_LINES];
    int n = snprintf(line, LOG_LINE_BYTES, "%u at %" PRIu64 ": ", trial->step, trial->rig.now.now_ms % 100000000);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + n, LOG_LINE_BYTES - (size_t)n, format, arguments);
    va_end(arguments);
}

static void report(const struct trial *trial) {
    unsigned first = trial->log_count > LOG_LINES ? trial->log_count - LOG_LINES : 0;
    for (unsigned i = first; i < trial->log_count; i++) print_error("  %s\n", trial->log[i % LOG_LINES]);
    print_error("%s: MUSTER_SEED=0x%" PRIx64 " has this again, at step %u\n", trial->scene->name, trial->seed,
                trial->step);
}

#define mismatch(trial, ...)                                                                                           \
    do {                                                                                                               \
        report(trial);                                                                                                 \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

static size_t number_of(const struct trial *trial, const Muster__V1__User *row) {
    char name[NAME_BYTES] = "";
    if (row->user.len < 2 || row->user.len >= sizeof name) mismatch(trial, "a user that nobody touched");
    memcpy(name, row->user.data, row->user.len);
    size_t user = strtoul(name + 1, NULL, 10);
    if (user >= trial->scene->users) mismatch(trial, "a user that nobody touched: %s", name);
    return user;
}

/* The last scope of a trial is one that nobody touches. */
static const char *const scopes[] = {"room:0", "room:1", "room:2", "room:3", "room:4"};

/* ---- what happens at the node ---- */

static void touch_some(struct trial *trial) {
    struct request_builder builder;
    size_t scope = random_below(&trial->random, trial->scene->scopes);
    size_t n = 1 + random_below(&trial->random, trial->scene->batch_max);
    builder_touch(&builder, scopes[scope]);
    record(trial, "touch %zu of %s", n, scopes[scope]);
    for (size_t i = 0; i < n; i++) {
        size_t user = random_below(&trial->random, trial->scene->users);
        size_t session = random_chance(&trial->random, 3, 4) ? 0 : random_below(&trial->random, CROWD_SESSIONS);
        bool is_long = trial->scene->users > 1000 && random_chance(&trial->random, 9, 10);
        uint32_t ttl_ms = is_long ? 3600000 : (uint32_t)random_between(&trial->random, 1000, 4000);
        Muster__V1__Beat *beat = builder_beat(&builder, "", "");
        beat->user = builder_number(&builder, "u", user);
        beat->session = builder_number(&builder, "s", session);
        beat->ttl_ms = ttl_ms;
        beat->status = (Muster__V1__Status)random_below(&trial->random, 4);
        beat->state = builder_filled(&builder, (char)('a' + random_below(&trial->random, 4)),
                                     random_below(&trial->random, trial->scene->state_bytes));
        crowd_beat(&trial->crowd, scope, user, session, ttl_ms);
        if (n <= 4) record(trial, "  u%zu s%zu ttl %u", user, session, ttl_ms);
    }
    trial->events += 2 * n;
    reply_free(ask(&trial->rig.answerer, &builder));
}

static void leave_some(struct trial *trial) {
    struct request_builder builder;
    size_t scope = random_below(&trial->random, trial->scene->scopes);
    size_t n = 1 + random_below(&trial->random, trial->scene->batch_max);
    uint32_t linger_ms = random_chance(&trial->random, 1, 3) ? (uint32_t)random_between(&trial->random, 1, 3000) : 0;
    builder_leave(&builder, scopes[scope]);
    builder.leave.linger_ms = linger_ms;
    record(trial, "leave %zu of %s, linger %u", n, scopes[scope], linger_ms);
    for (size_t i = 0; i < n; i++) {
        size_t user = random_below(&trial->random, trial->scene->users);
        size_t session = random_below(&trial->random, CROWD_SESSIONS + 1);
        Muster__V1__Departure *departure = builder_departure(&builder, "", "");
        departure->user = builder_number(&builder, "u", user);
        if (session == CROWD_SESSIONS) departure->all_sessions = true;
        else departure->session = builder_number(&builder, "s", session);
        crowd_leave(&trial->crowd, scope, user, session, linger_ms);
        if (n <= 4) record(trial, "  u%zu s%zu", user, session);
    }
    trial->events += n;
    reply_free(ask(&trial->rig.answerer, &builder));
}

/* Statuses that do not end by themselves: a reader is ahead of what is told of an end. */
static void set_status(struct trial *trial) {
    struct request_builder builder;
    size_t scope = random_below(&trial->random, trial->scene->scopes);
    size_t user = random_below(&trial->random, trial->scene->users);
    int status = (int)random_below(&trial->random, 4);
    builder_set_status(&builder, scopes[scope], "", status);
    builder.set_status.user = builder_number(&builder, "u", user);
    record(trial, "status %d of u%zu in %s", status, user, scopes[scope]);
    trial->events++;
    reply_free(ask(&trial->rig.answerer, &builder));
}

static void reset_one(struct trial *trial) {
    struct request_builder builder;
    size_t scope = random_below(&trial->random, trial->scene->scopes);
    builder_reset(&builder, scopes[scope]);
    record(trial, "reset %s", scopes[scope]);
    crowd_reset(&trial->crowd, scope);
    trial->events += trial->scene->users;
    reply_free(ask(&trial->rig.answerer, &builder));
}

/* ---- what a guest is told ---- */

struct view {
    const struct trial *trial;
    const struct guest *guest;
};

static bool is_blurred(void *context, const char *user) {
    const struct view *view = context;
    return crowd_is_blurred(&view->trial->crowd, view->guest->scope, strtoul(user + 1, NULL, 10));
}

static bool is_exact(const struct trial *trial) {
    return trial->crowd.ticked_ms == trial->crowd.now_ms;
}

static const char *differs(struct trial *trial, const struct guest *guest) {
    struct view view = {trial, guest};
    if (guest->watcher.counts && !is_exact(trial)) return NULL;
    return watcher_differs(&guest->watcher, &trial->rig.answerer, is_blurred, &view);
}

/* Rows of an answer that is whole are of this moment. */
static void check_row(const struct trial *trial, const struct guest *guest, const Muster__V1__User *row, int reason) {
    size_t user = number_of(trial, row);
    if (guest->scope >= trial->crowd.scopes) mismatch(trial, "u%zu in a scope that nobody touched", user);
    if (crowd_is_blurred(&trial->crowd, guest->scope, user)) return;
    bool is_live = crowd_is_live(&trial->crowd, guest->scope, user);
    if (is_live != (reason == 0)) mismatch(trial, "u%zu is told as %s", user, is_live ? "gone" : "live");
    if (!is_live && (crowd_reasons(&trial->crowd, guest->scope, user) & 1u << reason) == 0)
        mismatch(trial, "u%zu left for reason %d, expected one of the mask %x", user, reason,
                 crowd_reasons(&trial->crowd, guest->scope, user));
}

static void check_rows(const struct trial *trial, const struct guest *guest, const Muster__V1__WatchResponse *answer) {
    if (guest->is_on_page || answer->more) return;
    for (size_t i = 0; i < answer->n_present; i++) check_row(trial, guest, answer->present[i], 0);
    for (size_t i = 0; i < answer->n_changes; i++)
        check_row(trial, guest, answer->changes[i]->user, (int)answer->changes[i]->reason);
}

static void check_time(const struct trial *trial, const struct guest *guest, const Muster__V1__WatchResponse *answer) {
    uint64_t at_ms = guest->place.answered_ms, pace_ms = guest->watcher.min_interval_ms;
    bool is_stream = guest->place.waiter.is_stream, has_end = !is_stream || guest->wait_ms > 0;
    if (has_end && !guest->was_blocked && at_ms > guest->asked_ms + guest->wait_ms)
        mismatch(trial, "answered after %" PRIu64 " ms, and it would wait for %" PRIu64, at_ms - guest->asked_ms,
                 guest->wait_ms);
    bool is_idle = is_stream && guest->watcher.cursor_len > 0 && !guest->is_on_page && !answer->resync;
    if (is_idle && !watcher_is_news(answer) && (!has_end || at_ms < guest->asked_ms + guest->wait_ms))
        mismatch(trial, "a stream that is silent for %" PRIu64 " ms at least says nothing", guest->wait_ms);
    bool is_paced = guest->watcher.cursor_len > 0 && !answer->resync && !guest->is_on_page && guest->paced_ms > 0;
    if (is_paced && watcher_is_news(answer) && at_ms < guest->paced_ms + pace_ms)
        mismatch(trial, "told %" PRIu64 " ms after it was told, its pace is %" PRIu64, at_ms - guest->paced_ms,
                 pace_ms);
}

/* Whether the answer may keep something back. */
static bool is_held_back(const struct guest *guest, bool is_news) {
    uint64_t pace_ms = guest->watcher.min_interval_ms;
    return !is_news && pace_ms > 0 && guest->place.answered_ms <= guest->paced_ms + pace_ms + pace_ms / 4;
}

static void apply(struct trial *trial, struct guest *guest, const Muster__V1__WatchResponse *answer) {
    if (answer->resync && !guest->may_resync) mismatch(trial, "resync");
    check_rows(trial, guest, answer);
    check_time(trial, guest, answer);
    if (guest->watcher.cursor_len == 0 || answer->resync) guest->paced_ms = 0;
    const char *fault = watcher_apply(&guest->watcher, answer);
    if (fault != NULL) mismatch(trial, "%s", fault);
    trial->told += answer->n_present + answer->n_changes;
    bool is_news = watcher_is_news(answer);
    if ((is_news || answer->resync) && !answer->more) guest->paced_ms = guest->place.answered_ms;
    guest->cursor_ms = trial->rig.now.now_ms;
    guest->cursor_events = trial->events;
    /* In the midst of a snapshot it is in step after users who are present: they come once all changes were told. */
    if (guest->watcher.is_synced ? is_held_back(guest, is_news) : answer->n_present == 0) return;
    if (!random_chance(&trial->random, 1, trial->scene->compare_in)) return;
    if ((fault = differs(trial, guest)) != NULL) mismatch(trial, "%s", fault);
}

/* What is asked, or goes on. */
static void begin_answer(struct trial *trial, struct guest *guest) {
    guest->asked_ms = trial->rig.now.now_ms;
    guest->was_blocked = !guest->place.has_room;
    guest->is_on_page = guest->watcher.cursor_len > 0 && !guest->watcher.is_synced;
    guest->may_resync =
        guest->asked_ms - guest->cursor_ms > RECENT_MS || trial->events - guest->cursor_events > RECENT_EVENTS;
}

/* A stream goes on after an answer; one that loses an answer is cut. */
static void go_on(struct trial *trial, struct guest *guest, bool is_lost) {
    if (!guest->place.is_parked) mismatch(trial, "a stream has ended");
    if (is_lost) {
        pump_hang_up(trial->rig.watches, &trial->rig.door, guest->place.waiter.connection);
        if (guest->place.is_parked) mismatch(trial, "cut, and parked still");
        return;
    }
    begin_answer(trial, guest);
    place_has_read(&guest->place, &trial->rig);
}

/* Takes the answer that came, if one did. */
static void take(struct trial *trial, struct guest *guest) {
    Muster__V1__Reply *reply = guest->place.reply;
    if (reply == NULL) return;
    guest->place.reply = NULL;
    size_t number = (size_t)(guest - trial->guests);
    if (reply->code != 0) mismatch(trial, "code %d: %.*s", reply->code, (int)reply->message.len, reply->message.data);
    const Muster__V1__WatchResponse *answer = reply->watch;
    bool is_lost = guest->loses_in > 0 && random_chance(&trial->random, 1, guest->loses_in);
    record(trial, "guest %zu (%s%s%s) %s %zu present, %zu changes%s%s", number, guest->watcher.scope,
           guest->watcher.user_count > 0 ? ", named" : "", guest->watcher.counts ? ", counts" : "",
           is_lost ? "loses" : "is told", answer->n_present, answer->n_changes, answer->more ? ", more" : "",
           answer->resync ? ", resync" : "");
    guest->may_resync |= trial->events - guest->cursor_events > RECENT_EVENTS; /* of a stream: since it went on */
    if (!is_lost) apply(trial, guest, answer);
    reply_free(reply);
    if (guest->place.waiter.is_stream) go_on(trial, guest, is_lost);
}

/* Time passes, and whoever is answered meanwhile takes it at that moment. */
static void pass(struct trial *trial, uint64_t ms) {
    uint64_t until_ms = trial->rig.now.now_ms + ms, tick_ms;
    do {
        for (size_t i = 0; i < trial->scene->watchers; i++) take(trial, &trial->guests[i]);
        tick_ms = trial->rig.tick_at_ms;
        if (!rig_step(&trial->rig, until_ms)) return;
        trial->crowd.now_ms = trial->rig.now.now_ms;
        if (trial->rig.tick_at_ms != tick_ms) trial->crowd.ticked_ms = trial->crowd.now_ms;
    } while (true);
}

/* Who waits without a pace has been told of all that happened. */
static void check_who_waits(struct trial *trial) {
    pass(trial, 0);
    for (size_t i = 0; i < trial->scene->watchers; i++) {
        struct guest *guest = &trial->guests[i];
        if (!guest->place.is_parked || guest->was_blocked || guest->watcher.min_interval_ms > 0) continue;
        const char *fault = differs(trial, guest);
        if (fault != NULL) mismatch(trial, "guest %zu waits, and should have been told: %s", i, fault);
    }
}

/* ---- what a guest does ---- */

static void copy_watcher(struct watcher *to, const struct watcher *from) {
    watcher_close(to);
    *to = *from;
    size_t bytes = from->table_size * sizeof *from->table;
    if (bytes == 0) return;
    if ((to->table = malloc(bytes)) == NULL) abort();
    memcpy(to->table, from->table, bytes);
}

static void send_request(struct trial *trial, struct guest *guest) {
    static const uint32_t waits_ms[] = {0, 0, 300, 2000, 20000};
    struct request_builder builder;
    guest->wait_ms = guest->watcher.max_wait_ms = waits_ms[random_below(&trial->random, 5)];
    guest->place.waiter.is_stream = random_chance(&trial->random, 1, 2); /* cursors are the same for both */
    begin_answer(trial, guest);
    watcher_build(&guest->watcher, &builder);
    if (builder.watch.cursor.len > 0 && random_chance(&trial->random, 1, 200)) {
        builder.watch.cursor.data[random_below(&trial->random, builder.watch.cursor.len)] ^= 1;
        guest->may_resync = true;
    }
    bool is_answered = place_ask(&guest->place, &trial->rig, &builder);
    record(trial, "guest %zu %s, wait %" PRIu64 ", pace %u: %s", (size_t)(guest - trial->guests),
           guest->place.waiter.is_stream ? "opens a stream" : "asks", guest->wait_ms, guest->watcher.min_interval_ms,
           is_answered ? "answered" : "parked");
    take(trial, guest);
}

static void hang_up(struct trial *trial, struct guest *guest) {
    record(trial, "guest %zu hangs up", (size_t)(guest - trial->guests));
    pump_hang_up(trial->rig.watches, &trial->rig.door, guest->place.waiter.connection);
    pass(trial, 0);
    if (guest->place.is_parked) mismatch(trial, "hung up, and parked still");
}

/* Goes back to what it knew once, as though all answers since had been lost. */
static void go_back(struct trial *trial, struct guest *guest) {
    if (guest->saved.cursor_len > 0 && random_chance(&trial->random, 1, 2)) {
        record(trial, "guest %zu goes back", (size_t)(guest - trial->guests));
        copy_watcher(&guest->watcher, &guest->saved);
        guest->paced_ms = guest->saved_paced_ms;
        guest->cursor_ms = guest->saved_ms;
        guest->cursor_events = guest->saved_events;
        return;
    }
    copy_watcher(&guest->saved, &guest->watcher);
    guest->saved_paced_ms = guest->paced_ms;
    guest->saved_ms = guest->cursor_ms;
    guest->saved_events = guest->cursor_events;
}

static void guest_moves(struct trial *trial) {
    struct guest *guest = &trial->guests[random_below(&trial->random, trial->scene->watchers)];
    if (guest->place.is_parked) {
        if (random_chance(&trial->random, 1, 8)) hang_up(trial, guest);
        else if (random_chance(&trial->random, 1, 4)) guest->place.has_room = !guest->place.has_room;
        if (!guest->place.has_room) guest->was_blocked = true;
        else place_has_read(&guest->place, &trial->rig);
        return;
    }
    guest->place.has_room = true;
    if (random_chance(&trial->random, 1, 30)) go_back(trial, guest);
    else if (random_chance(&trial->random, 1, 60)) guest->watcher.cursor_len = 0;
    send_request(trial, guest);
}

/* ---- a trial ---- */

static void name_users(struct trial *trial, struct guest *guest) {
    size_t n = 1 + random_below(&trial->random, trial->scene->users < 800 ? trial->scene->users : 800);
    guest->names = calloc(n, sizeof *guest->names);
    guest->name_bytes = calloc(n, NAME_BYTES);
    if (guest->names == NULL || guest->name_bytes == NULL) abort();
    for (size_t i = 0; i < n; i++) {
        char *name = guest->name_bytes + i * NAME_BYTES;
        snprintf(name, NAME_BYTES, "u%zu", (size_t)random_below(&trial->random, trial->scene->users));
        guest->names[i] = name;
    }
    guest->watcher.users = guest->names;
    guest->watcher.user_count = n;
}

static void invite(struct trial *trial, size_t i) {
    static const uint32_t paces_ms[] = {0, 0, 200, 1000};
    static const unsigned losses[] = {0, 0, 5, 2};
    struct guest *guest = &trial->guests[i];
    guest->scope = random_below(&trial->random, trial->scene->scopes + (trial->scene->scopes > 1));
    guest->watcher.scope = scopes[guest->scope];
    guest->watcher.counts = i % 4 == 3;
    guest->watcher.are_statuses_set = true;
    guest->watcher.sessions = i % 4 == 0 || (i % 4 == 2 && random_chance(&trial->random, 1, 2));
    guest->watcher.min_interval_ms = paces_ms[random_below(&trial->random, 4)];
    guest->loses_in = losses[random_below(&trial->random, 4)];
    if (i % 4 == 2) name_users(trial, guest);
    place_open(&guest->place, &trial->rig, i / 2 * 1000 + i);
}

static void one_step(struct trial *trial) {
    switch (random_below(&trial->random, 12)) {
    case 0:
    case 1:
        touch_some(trial);
        break;
    case 2:
        leave_some(trial);
        break;
    case 3:
        if (random_chance(&trial->random, 1, 8)) reset_one(trial);
        else set_status(trial);
        break;
    case 4:
    case 5:
        pass(trial, random_below(&trial->random, random_chance(&trial->random, 1, 20) ? 4000 : 250));
        break;
    case 6:
        if (random_chance(&trial->random, 1, trial->scene->compare_in)) check_who_waits(trial);
        break;
    default:
        guest_moves(trial);
        break;
    }
    pass(trial, 0);
}

/* Nothing happens any more: who waits hears of all that did, and who asks does so too. */
static void finish(struct trial *trial) {
    for (size_t i = 0; i < trial->scene->watchers; i++) {
        trial->guests[i].loses_in = 0;
        trial->guests[i].place.has_room = true;
        place_has_read(&trial->guests[i].place, &trial->rig);
    }
    record(trial, "the end");
    for (uint64_t ms = 0; ms < PATIENCE_MS; ms += RIG_TICK_MS) pass(trial, RIG_TICK_MS);
    rig_tick(&trial->rig);
    trial->crowd.ticked_ms = trial->crowd.now_ms;
    pass(trial, 0);
    for (size_t i = 0; i < trial->scene->watchers; i++) {
        struct guest *guest = &trial->guests[i];
        for (int tries = 0; tries < 100 && !guest->place.is_parked; tries++) {
            send_request(trial, guest);
            pass(trial, 0); /* further pages of a stream */
            if (guest->watcher.is_synced) break;
        }
        const char *fault = differs(trial, guest);
        if (fault != NULL) mismatch(trial, "guest %zu at the end: %s", i, fault);
    }
    for (size_t scope = 0; scope < trial->scene->scopes; scope++) {
        struct request_builder builder;
        builder_counts(&builder);
        builder_scope(&builder, builder_bytes(scopes[scope]));
        Muster__V1__Reply *reply = ask(&trial->rig.answerer, &builder);
        if (reply->counts->scopes[0]->live != crowd_live(&trial->crowd, scope))
            mismatch(trial, "%" PRIu64 " are live in %s, expected %zu", reply->counts->scopes[0]->live, scopes[scope],
                     crowd_live(&trial->crowd, scope));
        reply_free(reply);
    }
}

static void trial_run(const struct scene *scene, uint64_t seed, unsigned percent) {
    struct node_config config = rig_usual;
    struct trial trial = {.scene = scene, .seed = seed, .random = random_of(seed)};
    config.retention_ms = 20000; /* so that scopes are forgotten, and come again */
    rig_open(&trial.rig, &config);
    crowd_open(&trial.crowd, scene->scopes, scene->users, trial.rig.now.now_ms);
    trial.guests = calloc(scene->watchers, sizeof *trial.guests);
    if (trial.guests == NULL) abort();
    for (size_t i = 0; i < scene->watchers; i++) invite(&trial, i);
    for (unsigned steps = scene->steps * percent / 100; trial.step < steps; trial.step++) one_step(&trial);
    finish(&trial);
    for (size_t i = 0; i < scene->watchers; i++) {
        watcher_close(&trial.guests[i].watcher);
        watcher_close(&trial.guests[i].saved);
        free(trial.guests[i].names);
        free(trial.guests[i].name_bytes);
    }
    rig_close(&trial.rig);
    for (size_t i = 0; i < scene->watchers; i++) place_close(&trial.guests[i].place);
    free(trial.guests);
    crowd_close(&trial.crowd);
}

static void run_scene(const struct scene *scene) {
    unsigned percent = (unsigned)random_number_from_environment("MUSTER_MODEL_STEPS", 100);
    uint64_t seed = random_number_from_environment("MUSTER_SEED", 0);
    if (seed != 0) return trial_run(scene, seed, percent);
    for (uint64_t i = 1; i < scene->trials; i++) trial_run(scene, i, percent);
    seed = random_fresh_seed();
    print_message("%s: the last seed is 0x%" PRIx64 "\n", scene->name, seed);
    trial_run(scene, seed, percent);
}

static void watchers_of_rooms_know_what_the_node_knows(void **state) {
    (void)state;
    run_scene(&scenes[0]);
}

static void watchers_of_a_street_know_what_the_node_knows(void **state) {
    (void)state;
    run_scene(&scenes[1]);
}

static void watchers_of_a_stadium_know_what_the_node_knows(void **state) {
    (void)state;
    run_scene(&scenes[2]);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watchers_of_rooms_know_what_the_node_knows),
        cmocka_unit_test(watchers_of_a_street_know_what_the_node_knows),
        cmocka_unit_test(watchers_of_a_stadium_know_what_the_node_knows),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("rpc watch model", tests, NULL, NULL);
}
