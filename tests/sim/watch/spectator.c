#include "stage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEARCH_MS = 200, CROWD_COMPARED_IN = 8, ROOM_RETRY_MS = 100 };

/* ---- who watches what ------------------------------------------------------------------------------------------ */

static void name_users(struct stage *stage, struct spectator *spectator) {
    size_t most = stage->script.users + 2 < NAMED_MAX ? stage->script.users + 2 : NAMED_MAX;
    spectator->watcher.user_count = random_between(&stage->random, 1, most);
    spectator->watcher.users = spectator->names;
    for (size_t i = 0; i < spectator->watcher.user_count; i++) {
        user_name((unsigned)random_below(&stage->random, stage->script.users + 2), spectator->name_bytes[i]);
        spectator->names[i] = spectator->name_bytes[i];
    }
}

void spectator_open(struct stage *stage, unsigned index) {
    static const uint32_t paces_ms[] = {0, 0, 0, 100, 300, PACE_MAX_MS};
    static const unsigned losses[] = {0, 0, 6, 2};
    struct spectator *spectator = &stage->spectators[index];
    struct random *random = &stage->random;
    *spectator = (struct spectator){.index = index};
    spectator->scope = random_chance(random, 1, 2) ? 0 : (unsigned)random_below(random, SCOPES);
    spectator->watcher.scope = scope_name(spectator->scope);
    spectator->watcher.counts = index % 4 == 3;
    spectator->watcher.sessions = index % 4 == 0 || (index % 4 == 2 && random_chance(random, 1, 2));
    spectator->watcher.min_interval_ms = paces_ms[random_below(random, 6)];
    spectator->loses_in = losses[random_below(random, 4)];
    spectator->is_restless = random_chance(random, 1, 3);
    if (index % 4 == 2) name_users(stage, spectator);
    spectator_act_at(stage, spectator, random_below(random, 3000));
}

void spectator_close(struct spectator *spectator) {
    watcher_close(&spectator->watcher);
    if (spectator->reply != NULL) reply_free(spectator->reply);
    spectator->reply = NULL;
}

static void describe(const struct spectator *spectator, char out[96]) {
    const struct watcher *watcher = &spectator->watcher;
    snprintf(out, 96, "watcher %u (%s%s%s%s, pace %u)", spectator->index, watcher->scope,
             watcher->counts ? ", counts" : "", watcher->sessions ? ", sessions" : "",
             watcher->user_count > 0 ? ", named" : "", watcher->min_interval_ms);
}

static void fail(struct stage *stage, const struct spectator *spectator, const char *check, const char *fault) {
    char who[96];
    describe(spectator, who);
    stage_fail(stage, check, "%s at node %u: %s", who, spectator->host != NULL ? spectator->host->index : HOSTS_MAX,
               fault);
}

uint64_t spectator_pace_ms(const struct spectator *spectator) {
    uint64_t pace_ms = spectator->watcher.min_interval_ms;
    return spectator->news_ms + pace_ms + pace_ms / 4;
}

/* ---- checks ---------------------------------------------------------------------------------------------------- */

/* A crowd is compared now and then: it takes a while. */
static void check_knows(struct stage *stage, struct spectator *spectator, const char *when) {
    bool is_crowd = stage->script.users > NAMED_MAX;
    if (is_crowd && !stage->is_quiet && !random_chance(&stage->random, 1, CROWD_COMPARED_IN)) return;
    const char *fault = watcher_differs(&spectator->watcher, &spectator->host->answerer, NULL, NULL);
    stage->comparisons++;
    if (fault == NULL) {
        if (spectator->watcher.is_synced) spectator->right_ms = stage->now_ms;
        return;
    }
    char text[512];
    snprintf(text, sizeof text, "%s: %s", when, fault);
    fail(stage, spectator, "knows", text);
}

static void check_ghosts(struct stage *stage, struct spectator *spectator, uint64_t allowed_ms) {
    const struct watcher *watcher = &spectator->watcher;
    uint64_t late_ms = script_slack_ms(&stage->script) + allowed_ms;
    if (stage->now_ms < late_ms) return;
    uint64_t at_ms = stage->now_ms - late_ms;
    char text[160] = "";
    size_t most = watcher->counts ? leases_count(&stage->leases, spectator->scope, at_ms) : 0;
    if (watcher->counts && watcher->last_counts.live > most)
        snprintf(text, sizeof text, "%" PRIu64 " are shown, the leases of all but %zu ended before %" PRIu64,
                 watcher->last_counts.live, most, at_ms);
    for (size_t i = 0; i < watcher->table_size && text[0] == '\0'; i++) {
        const struct seen *seen = &watcher->table[i];
        if (seen->is_live && !leases_hold(&stage->leases, spectator->scope, user_number(seen->user), at_ms))
            snprintf(text, sizeof text, "%.16s is shown, whose last lease ended before %" PRIu64, seen->user, at_ms);
    }
    if (text[0] != '\0') fail(stage, spectator, "ghost", text);
}

static bool was_full(const struct stage *stage, const struct spectator *spectator) {
    return spectator->full_until_ms + ROOM_RETRY_MS + HOST_LATE_MS >= stage->now_ms;
}

void spectator_check(struct stage *stage, struct spectator *spectator) {
    if (!spectator->is_parked || was_full(stage, spectator)) return;
    uint64_t waited_ms = stage->now_ms - spectator->asked_ms;
    if (waited_ms > spectator->watcher.max_wait_ms + HOST_LATE_MS) {
        char text[96];
        snprintf(text, sizeof text, "it waits since %" PRIu64 ", for at most %u ms", spectator->asked_ms,
                 spectator->watcher.max_wait_ms);
        fail(stage, spectator, "late", text);
        return;
    }
    check_ghosts(stage, spectator, spectator->watcher.min_interval_ms * 5 / 4 + HOST_LATE_MS);
    if (stage->now_ms > spectator_pace_ms(spectator) + HOST_LATE_MS) check_knows(stage, spectator, "it waits");
}

/* Whether the answer had to begin anew, and did. */
static void check_resync(struct stage *stage, const struct spectator *spectator, bool resync) {
    const struct host *host = spectator->host;
    bool is_due = spectator->watcher.cursor_len > 0 && spectator->cursor_origin != host->origin;
    if (resync == is_due || (resync && journals_are_short)) return;
    fail(stage, spectator, "resync",
         is_due ? "the cursor of another incarnation is taken for its own" : "its own cursor is of no use");
}

/* Whether it tells of all that there is to tell, and the next has to wait for the pace. */
static bool is_paced(const Muster__V1__WatchResponse *answer) {
    return watcher_is_news(answer) || answer->resync;
}

/* A page of a snapshot is of one moment, unless it has no room for all that changed before it. */
static bool is_of_one_moment(const struct watcher *watcher, const Muster__V1__WatchResponse *answer) {
    return watcher->is_synced || (watcher->is_in_snapshot && answer->n_present > 0);
}

static void check_answer(struct stage *stage, struct spectator *spectator, const Muster__V1__WatchResponse *answer) {
    const struct watcher *watcher = &spectator->watcher;
    bool has_pace = watcher->min_interval_ms > 0 && stage->now_ms <= spectator_pace_ms(spectator);
    bool may_hold_back = watcher->is_synced && has_pace && !is_paced(answer);
    if (may_hold_back || !is_of_one_moment(watcher, answer)) return;
    check_knows(stage, spectator, watcher->is_synced ? "it is answered" : "it is told a page");
    if (watcher->is_synced) check_ghosts(stage, spectator, 0);
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static uint64_t draw_pause_ms(struct stage *stage, const struct spectator *spectator) {
    struct random *random = &stage->random;
    if (stage->is_quiet || !random_chance(random, 1, spectator->is_restless ? 3 : 15)) return 0;
    return random_between(random, 1, random_chance(random, 1, 4) ? 5000 : 400);
}

static void apply(struct stage *stage, struct spectator *spectator, const Muster__V1__WatchResponse *answer) {
    check_resync(stage, spectator, answer->resync);
    const char *fault = watcher_apply(&spectator->watcher, answer);
    if (fault != NULL) fail(stage, spectator, "rules", fault);
    spectator->cursor_origin = spectator->host->origin;
    if (is_paced(answer) && !answer->more) spectator->news_ms = stage->now_ms;
    if (stage->failed_check == NULL) check_answer(stage, spectator, answer);
}

/* Only a node that joins or drains may send a watcher elsewhere. */
static void refused(struct stage *stage, struct spectator *spectator, const Muster__V1__Reply *reply) {
    char text[200];
    snprintf(text, sizeof text, "code %d: %.*s", reply->code, (int)reply->message.len,
             (const char *)reply->message.data);
    bool is_excused = reply->code == 14 && (spectator->host->is_stopping || !node_is_ready(spectator->host->node));
    if (!is_excused) fail(stage, spectator, "refused", text);
    spectator->host = NULL;
    spectator_act_at(stage, spectator, stage->now_ms + random_between(&stage->random, 1, SEARCH_MS));
}

static void lose_answer(struct stage *stage, struct spectator *spectator, const Muster__V1__WatchResponse *answer) {
    check_resync(stage, spectator, answer->resync);
    if (is_paced(answer)) spectator->news_ms = stage->now_ms;
}

static void take(struct stage *stage, struct spectator *spectator) {
    Muster__V1__Reply *reply = spectator->reply;
    spectator->reply = NULL;
    stage->answers++;
    if (reply->code != 0 || reply->watch == NULL) {
        refused(stage, spectator, reply);
        reply_free(reply);
        return;
    }
    const Muster__V1__WatchResponse *answer = reply->watch;
    bool is_lost = !stage->is_quiet && spectator->loses_in > 0 && random_chance(&stage->random, 1, spectator->loses_in);
    stage_note(stage, "watcher %u at node %u %s %zu present, %zu changes%s%s%s", spectator->index,
               spectator->host->index, is_lost ? "loses" : "is told", answer->n_present, answer->n_changes,
               answer->counts != NULL ? ", counts" : "", answer->more ? ", more" : "",
               answer->resync ? ", resync" : "");
    if (is_lost) lose_answer(stage, spectator, answer);
    else apply(stage, spectator, answer);
    reply_free(reply);
    spectator_act_at(stage, spectator, stage->now_ms + draw_pause_ms(stage, spectator));
}

void spectators_take(struct stage *stage, const struct host *host) {
    for (unsigned i = 0; i < stage->script.spectators && stage->failed_check == NULL; i++) {
        struct spectator *spectator = &stage->spectators[i];
        if (spectator->host == host && spectator->reply != NULL) take(stage, spectator);
    }
}

void spectators_lose(struct stage *stage, const struct host *host) {
    for (unsigned i = 0; i < stage->script.spectators; i++) {
        struct spectator *spectator = &stage->spectators[i];
        if (spectator->host != host) continue;
        spectator->host = NULL;
        if (!spectator->is_parked) continue;
        spectator->is_parked = false;
        spectator_act_at(stage, spectator, stage->now_ms + random_between(&stage->random, 1, 2 * SEARCH_MS));
    }
}

/* ---- the door -------------------------------------------------------------------------------------------------- */

bool spectator_has_room(void *context, const struct asker *asker) {
    const struct host *host = context;
    const struct spectator *spectator = asker->place;
    return spectator->full_until_ms <= host->stage->now_ms;
}

static Muster__V1__Reply *decoded(struct text reply) {
    Muster__V1__Reply *out = muster__v1__reply__unpack(NULL, reply.len, (const uint8_t *)reply.data);
    if (out == NULL) abort();
    return out;
}

void spectator_deliver(void *context, const struct asker *asker, struct text reply) {
    const struct host *host = context;
    struct spectator *spectator = asker->place;
    if (!spectator->is_parked || spectator->host != host) {
        fail(host->stage, spectator, "rules", "an answer that nobody waits for");
        return;
    }
    spectator->is_parked = false;
    if (reply.len > 0) spectator->reply = decoded(reply);
    else spectator_act_at(host->stage, spectator, host->stage->now_ms + draw_pause_ms(host->stage, spectator));
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

void spectator_act_at(struct stage *stage, struct spectator *spectator, uint64_t at_ms) {
    spectator->acts_ms = at_ms;
    agenda_add(&stage->agenda, (struct event){.at_ms = at_ms, .kind = EVENT_WATCH, .node = spectator->index});
}

void spectator_hang_up(struct stage *stage, struct spectator *spectator) {
    if (!spectator->is_parked) return;
    stage_note(stage, "watcher %u hangs up", spectator->index);
    node_watch_hang_up(spectator->host->node, &spectator->host->door, spectator->asker.connection);
    if (spectator->is_parked) fail(stage, spectator, "rules", "it hung up, and waits still");
}

/* It begins anew, or its cursor comes to harm. */
static void forget(struct stage *stage, struct spectator *spectator) {
    struct watcher *watcher = &spectator->watcher;
    if (stage->is_quiet || watcher->cursor_len == 0) return;
    if (random_chance(&stage->random, 1, 80)) {
        watcher->cursor_len = 0;
    } else if (spectator->cursor_origin != 0 && random_chance(&stage->random, 1, 80)) {
        watcher->cursor[random_below(&stage->random, watcher->cursor_len)] ^= 1;
        spectator->cursor_origin = 0;
    }
}

static uint32_t draw_wait_ms(struct stage *stage) {
    static const uint32_t waits_ms[] = {0, 100, 700, 3000, 20000};
    return stage->is_quiet ? 20000 : waits_ms[random_below(&stage->random, 5)];
}

static void ask_host(struct stage *stage, struct spectator *spectator) {
    struct host *host = spectator->host;
    struct request_builder builder;
    size_t len;
    enum muster_code code;
    struct text reply = {0};
    forget(stage, spectator);
    spectator->watcher.max_wait_ms = draw_wait_ms(stage);
    spectator->asked_ms = stage->now_ms;
    watcher_build(&spectator->watcher, &builder);
    uint8_t *request = builder_packed(&builder, &len);
    spectator->asker = (struct asker){spectator, spectator->index / 2, &host->door};
    spectator->is_parked = true; /* it may be answered before the call returns */
    bool is_answered =
        node_answer_or_park(host->node, stage->worker, (struct text){(const char *)request, (uint32_t)len},
                            host_now(host), &spectator->asker, &code, &reply);
    free(request);
    bool is_owed = spectator->watcher.cursor_len > 0 && !spectator->watcher.is_synced;
    if (is_owed) spectator->watcher.max_wait_ms = 0; /* what it was told to ask for at once does not wait */
    if (!is_answered) return;
    spectator->is_parked = false;
    spectator->reply = decoded(reply);
    take(stage, spectator);
}

void spectator_act(struct stage *stage, struct spectator *spectator) {
    if (spectator->acts_ms != stage->now_ms || spectator->is_parked || spectator->reply != NULL) return;
    if (!stage->is_quiet && random_chance(&stage->random, 1, 30)) spectator->host = NULL;
    if (spectator->host == NULL) spectator->host = host_any_ready(stage);
    if (!stage->is_quiet && random_chance(&stage->random, 1, 60)) spectator->host = host_any(stage);
    if (spectator->host == NULL) {
        spectator_act_at(stage, spectator, stage->now_ms + random_between(&stage->random, 1, SEARCH_MS));
        return;
    }
    ask_host(stage, spectator);
}
