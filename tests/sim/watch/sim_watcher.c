#include "stage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEARCH_MS = 200, CROWD_COMPARED_IN = 8, ROOM_RETRY_MS = 100, LEARNT_MS = 1200 };

/* ---- who watches what ------------------------------------------------------------------------------------------ */

static void name_users(struct stage *stage, struct sim_watcher *sim_watcher) {
    size_t most = stage->script.users + 2 < NAMED_MAX ? stage->script.users + 2 : NAMED_MAX;
    sim_watcher->watcher.user_count = random_between(&stage->random, 1, most);
    sim_watcher->watcher.users = sim_watcher->names;
    for (size_t i = 0; i < sim_watcher->watcher.user_count; i++) {
        user_name((unsigned)random_below(&stage->random, stage->script.users + 2), sim_watcher->name_bytes[i]);
        sim_watcher->names[i] = sim_watcher->name_bytes[i];
    }
}

void sim_watcher_open(struct stage *stage, unsigned index) {
    static const uint32_t paces_ms[] = {0, 0, 0, 100, 300, PACE_MAX_MS};
    static const unsigned losses[] = {0, 0, 6, 2};
    struct sim_watcher *sim_watcher = &stage->sim_watchers[index];
    struct random *random = &stage->random;
    *sim_watcher = (struct sim_watcher){.index = index};
    sim_watcher->scope = random_chance(random, 1, 2) ? 0 : (unsigned)random_below(random, SCOPES);
    sim_watcher->watcher.scope = scope_name(sim_watcher->scope);
    sim_watcher->watcher.counts = index % 4 == 3;
    sim_watcher->watcher.sessions = index % 4 == 0 || (index % 4 == 2 && random_chance(random, 1, 2));
    sim_watcher->watcher.min_interval_ms = paces_ms[random_below(random, 6)];
    sim_watcher->loses_in = losses[random_below(random, 4)];
    sim_watcher->is_restless = random_chance(random, 1, 3);
    if (index % 4 == 2) name_users(stage, sim_watcher);
    sim_watcher_act_at(stage, sim_watcher, random_below(random, 3000));
}

void sim_watcher_close(struct sim_watcher *sim_watcher) {
    watcher_close(&sim_watcher->watcher);
    if (sim_watcher->reply != NULL) reply_free(sim_watcher->reply);
    sim_watcher->reply = NULL;
}

static void describe(const struct sim_watcher *sim_watcher, char out[96]) {
    const struct watcher *watcher = &sim_watcher->watcher;
    snprintf(out, 96, "watcher %u (%s%s%s%s, pace %u)", sim_watcher->index, watcher->scope,
             watcher->counts ? ", counts" : "", watcher->sessions ? ", sessions" : "",
             watcher->user_count > 0 ? ", named" : "", watcher->min_interval_ms);
}

static void fail(struct stage *stage, const struct sim_watcher *sim_watcher, const char *check, const char *fault) {
    char who[96];
    describe(sim_watcher, who);
    stage_fail(stage, check, "%s at node %u: %s", who, sim_watcher->host != NULL ? sim_watcher->host->index : HOSTS_MAX,
               fault);
}

uint64_t sim_watcher_pace_ms(const struct sim_watcher *sim_watcher) {
    uint64_t pace_ms = sim_watcher->watcher.min_interval_ms;
    return sim_watcher->news_ms + pace_ms + pace_ms / 4;
}

/* ---- checks ---------------------------------------------------------------------------------------------------- */

/* A crowd is compared now and then: it takes a while. */
static void check_knows(struct stage *stage, struct sim_watcher *sim_watcher, const char *when) {
    bool is_crowd = stage->script.users > NAMED_MAX;
    if (is_crowd && !stage->is_quiet && !random_chance(&stage->random, 1, CROWD_COMPARED_IN)) return;
    const char *fault = watcher_differs(&sim_watcher->watcher, &sim_watcher->host->answerer, NULL, NULL);
    stage->comparisons++;
    if (fault == NULL) {
        if (sim_watcher->watcher.is_synced) sim_watcher->right_ms = stage->now_ms;
        return;
    }
    char text[512];
    snprintf(text, sizeof text, "%s: %s", when, fault);
    fail(stage, sim_watcher, "knows", text);
}

static void check_ghosts(struct stage *stage, struct sim_watcher *sim_watcher, uint64_t allowed_ms) {
    const struct watcher *watcher = &sim_watcher->watcher;
    uint64_t late_ms = script_slack_ms(&stage->script) + allowed_ms;
    if (stage->now_ms < late_ms) return;
    uint64_t at_ms = stage->now_ms - late_ms;
    char text[160] = "";
    size_t most = watcher->counts ? leases_count(&stage->leases, sim_watcher->scope, at_ms) : 0;
    if (watcher->counts && watcher->last_counts.live > most)
        snprintf(text, sizeof text, "%" PRIu64 " are shown, the leases of all but %zu ended before %" PRIu64,
                 watcher->last_counts.live, most, at_ms);
    for (size_t i = 0; i < watcher->table_size && text[0] == '\0'; i++) {
        const struct seen *seen = &watcher->table[i];
        if (seen->is_live && !leases_hold(&stage->leases, sim_watcher->scope, user_number(seen->user), at_ms))
            snprintf(text, sizeof text, "%.16s is shown, whose last lease ended before %" PRIu64, seen->user, at_ms);
    }
    if (text[0] != '\0') fail(stage, sim_watcher, "ghost", text);
}

static bool was_full(const struct stage *stage, const struct sim_watcher *sim_watcher) {
    return sim_watcher->full_until_ms + ROOM_RETRY_MS + HOST_LATE_MS >= stage->now_ms;
}

void sim_watcher_check(struct stage *stage, struct sim_watcher *sim_watcher) {
    /* One that joins tells nobody of anything. */
    if (!sim_watcher->is_parked || was_full(stage, sim_watcher) || !host_is_ready(sim_watcher->host)) return;
    uint64_t waited_ms = stage->now_ms - sim_watcher->asked_ms;
    if (waited_ms > sim_watcher->watcher.max_wait_ms + HOST_LATE_MS) {
        char text[96];
        snprintf(text, sizeof text, "it waits since %" PRIu64 ", for at most %u ms", sim_watcher->asked_ms,
                 sim_watcher->watcher.max_wait_ms);
        fail(stage, sim_watcher, "late", text);
        return;
    }
    check_ghosts(stage, sim_watcher, sim_watcher->watcher.min_interval_ms * 5 / 4 + HOST_LATE_MS);
    if (stage->now_ms > sim_watcher_pace_ms(sim_watcher) + HOST_LATE_MS) check_knows(stage, sim_watcher, "it waits");
}

/* Whether the answer had to begin anew, and did. */
static void check_resync(struct stage *stage, const struct sim_watcher *sim_watcher, bool resync) {
    const struct host *host = sim_watcher->host;
    bool is_due = sim_watcher->watcher.cursor_len > 0 && sim_watcher->cursor_origin != host->origin;
    if (resync == is_due || (resync && (journals_are_short || host->has_stood_still))) return;
    fail(stage, sim_watcher, "resync",
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

static void check_answer(struct stage *stage, struct sim_watcher *sim_watcher,
                         const Muster__V1__WatchResponse *answer) {
    const struct watcher *watcher = &sim_watcher->watcher;
    bool has_pace = watcher->min_interval_ms > 0 && stage->now_ms <= sim_watcher_pace_ms(sim_watcher);
    bool may_hold_back = watcher->is_synced && has_pace && !is_paced(answer);
    if (may_hold_back || !is_of_one_moment(watcher, answer)) return;
    check_knows(stage, sim_watcher, watcher->is_synced ? "it is answered" : "it is told a page");
    if (watcher->is_synced) check_ghosts(stage, sim_watcher, 0);
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static uint64_t draw_pause_ms(struct stage *stage, const struct sim_watcher *sim_watcher) {
    struct random *random = &stage->random;
    if (stage->is_quiet || !random_chance(random, 1, sim_watcher->is_restless ? 3 : 15)) return 0;
    return random_between(random, 1, random_chance(random, 1, 4) ? 5000 : 400);
}

/* Where nodes only stand still, nobody is told that a user's lease has ended whose lease all nodes had the time to
 * learn of. */
static void check_left(struct stage *stage, const struct sim_watcher *sim_watcher,
                       const Muster__V1__WatchResponse *answer) {
    const unsigned others = 1u << MISHAP_CUT | 1u << MISHAP_SLOW | 1u << MISHAP_CRASH | 1u << MISHAP_DRAIN;
    uint64_t slack_ms = script_slack_ms(&stage->script), learnt_ms = LEARNT_MS + 4 * stage->script.delay_max_ms;
    if ((stage->script.mishaps & others) != 0 || stage->now_ms < learnt_ms) return;
    if (!sim_watcher->watcher.is_synced || answer->more) return; /* pages are of an earlier moment */
    for (size_t i = 0; i < answer->n_changes; i++) {
        const Muster__V1__Change *change = answer->changes[i];
        char name[16] = "", text[64];
        if (change->reason != MUSTER__V1__LEAVE_REASON__LEAVE_REASON_EXPIRED || change->user->user.len >= sizeof name)
            continue;
        memcpy(name, change->user->user.data, change->user->user.len);
        if (!leases_are_known(&stage->leases, sim_watcher->scope, user_number(name), stage->now_ms - learnt_ms,
                              stage->now_ms + slack_ms))
            continue;
        snprintf(text, sizeof text, "%s is said to have expired, and has not", name);
        fail(stage, sim_watcher, "flap", text);
    }
}

static void apply(struct stage *stage, struct sim_watcher *sim_watcher, const Muster__V1__WatchResponse *answer) {
    check_resync(stage, sim_watcher, answer->resync);
    check_left(stage, sim_watcher, answer);
    const char *fault = watcher_apply(&sim_watcher->watcher, answer);
    if (fault != NULL) fail(stage, sim_watcher, "rules", fault);
    sim_watcher->cursor_origin = sim_watcher->host->origin;
    if (is_paced(answer) && !answer->more) sim_watcher->news_ms = stage->now_ms;
    if (stage->failed_check == NULL) check_answer(stage, sim_watcher, answer);
}

/* Only a node that joins or drains may send a watcher elsewhere. */
static void refused(struct stage *stage, struct sim_watcher *sim_watcher, const Muster__V1__Reply *reply) {
    char text[200];
    snprintf(text, sizeof text, "code %d: %.*s", reply->code, (int)reply->message.len,
             (const char *)reply->message.data);
    bool is_excused = reply->code == 14 && (sim_watcher->host->is_stopping || !node_is_ready(sim_watcher->host->node));
    if (!is_excused) fail(stage, sim_watcher, "refused", text);
    sim_watcher->host = NULL;
    sim_watcher_act_at(stage, sim_watcher, stage->now_ms + random_between(&stage->random, 1, SEARCH_MS));
}

static void lose_answer(struct stage *stage, struct sim_watcher *sim_watcher, const Muster__V1__WatchResponse *answer) {
    check_resync(stage, sim_watcher, answer->resync);
    if (is_paced(answer)) sim_watcher->news_ms = stage->now_ms;
}

static void take(struct stage *stage, struct sim_watcher *sim_watcher) {
    Muster__V1__Reply *reply = sim_watcher->reply;
    sim_watcher->reply = NULL;
    stage->answers++;
    if (reply->code != 0 || reply->watch == NULL) {
        refused(stage, sim_watcher, reply);
        reply_free(reply);
        return;
    }
    const Muster__V1__WatchResponse *answer = reply->watch;
    bool is_lost =
        !stage->is_quiet && sim_watcher->loses_in > 0 && random_chance(&stage->random, 1, sim_watcher->loses_in);
    stage_note(stage, "watcher %u at node %u %s %zu present, %zu changes%s%s%s", sim_watcher->index,
               sim_watcher->host->index, is_lost ? "loses" : "is told", answer->n_present, answer->n_changes,
               answer->counts != NULL ? ", counts" : "", answer->more ? ", more" : "",
               answer->resync ? ", resync" : "");
    if (is_lost) lose_answer(stage, sim_watcher, answer);
    else apply(stage, sim_watcher, answer);
    reply_free(reply);
    sim_watcher_act_at(stage, sim_watcher, stage->now_ms + draw_pause_ms(stage, sim_watcher));
}

void sim_watchers_take(struct stage *stage, const struct host *host) {
    for (unsigned i = 0; i < stage->script.sim_watchers && stage->failed_check == NULL; i++) {
        struct sim_watcher *sim_watcher = &stage->sim_watchers[i];
        if (sim_watcher->host == host && sim_watcher->reply != NULL) take(stage, sim_watcher);
    }
}

void sim_watchers_lose(struct stage *stage, const struct host *host) {
    for (unsigned i = 0; i < stage->script.sim_watchers; i++) {
        struct sim_watcher *sim_watcher = &stage->sim_watchers[i];
        if (sim_watcher->host != host) continue;
        sim_watcher->host = NULL;
        if (!sim_watcher->is_parked) continue;
        sim_watcher->is_parked = false;
        sim_watcher_act_at(stage, sim_watcher, stage->now_ms + random_between(&stage->random, 1, 2 * SEARCH_MS));
    }
}

/* ---- the door -------------------------------------------------------------------------------------------------- */

bool sim_watcher_has_room(void *context, const struct waiter *waiter) {
    const struct host *host = context;
    const struct sim_watcher *sim_watcher = waiter->reply_slot;
    return sim_watcher->full_until_ms <= host->stage->now_ms;
}

void sim_watcher_deliver(void *context, const struct waiter *waiter, const struct response *response, bool is_last) {
    const struct host *host = context;
    struct sim_watcher *sim_watcher = waiter->reply_slot;
    if (!is_last || !sim_watcher->is_parked || sim_watcher->host != host) {
        fail(host->stage, sim_watcher, "rules", "an answer that nobody waits for");
        return;
    }
    sim_watcher->is_parked = false;
    if (response == NULL) {
        sim_watcher_act_at(host->stage, sim_watcher, host->stage->now_ms + draw_pause_ms(host->stage, sim_watcher));
        return;
    }
    sim_watcher->reply = reply_decoded(METHOD_WATCH, response);
    if (sim_watcher->reply == NULL) abort();
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

void sim_watcher_act_at(struct stage *stage, struct sim_watcher *sim_watcher, uint64_t at_ms) {
    sim_watcher->acts_ms = at_ms;
    event_queue_add(&stage->event_queue,
                    (struct event){.at_ms = at_ms, .kind = EVENT_WATCH, .node = sim_watcher->index});
}

void sim_watcher_hang_up(struct stage *stage, struct sim_watcher *sim_watcher) {
    if (!sim_watcher->is_parked || !host_runs(sim_watcher->host)) return;
    stage_note(stage, "watcher %u hangs up", sim_watcher->index);
    pump_hang_up(rpc_watches(sim_watcher->host->rpc), &sim_watcher->host->door, sim_watcher->waiter.connection);
    if (sim_watcher->is_parked) fail(stage, sim_watcher, "rules", "it hung up, and waits still");
}

/* It begins anew, or its cursor comes to harm. */
static void forget(struct stage *stage, struct sim_watcher *sim_watcher) {
    struct watcher *watcher = &sim_watcher->watcher;
    if (stage->is_quiet || watcher->cursor_len == 0) return;
    if (random_chance(&stage->random, 1, 80)) {
        watcher->cursor_len = 0;
    } else if (sim_watcher->cursor_origin != 0 && random_chance(&stage->random, 1, 80)) {
        watcher->cursor[random_below(&stage->random, watcher->cursor_len)] ^= 1;
        sim_watcher->cursor_origin = 0;
    }
}

static uint32_t draw_wait_ms(struct stage *stage) {
    static const uint32_t waits_ms[] = {0, 100, 700, 3000, 20000};
    return stage->is_quiet ? 20000 : waits_ms[random_below(&stage->random, 5)];
}

static void ask_host(struct stage *stage, struct sim_watcher *sim_watcher) {
    struct host *host = sim_watcher->host;
    struct request_builder builder;
    size_t len, reply_len;
    forget(stage, sim_watcher);
    sim_watcher->watcher.max_wait_ms = draw_wait_ms(stage);
    sim_watcher->asked_ms = stage->now_ms;
    watcher_build(&sim_watcher->watcher, &builder);
    uint8_t *request = builder_packed(&builder, &len);
    sim_watcher->waiter =
        (struct waiter){.reply_slot = sim_watcher, .connection = sim_watcher->index / 2, .door = &host->door};
    sim_watcher->is_parked = true; /* it may be answered before the call returns */
    uint8_t *reply =
        call_bytes(host->rpc, stage->worker, request, len, host_now(host), &sim_watcher->waiter, &reply_len);
    free(request);
    bool is_owed = sim_watcher->watcher.cursor_len > 0 && !sim_watcher->watcher.is_synced;
    if (is_owed) sim_watcher->watcher.max_wait_ms = 0; /* what it was told to ask for at once does not wait */
    if (reply == NULL) return;
    sim_watcher->is_parked = false;
    sim_watcher->reply = muster__v1__reply__unpack(NULL, reply_len, reply);
    free(reply);
    if (sim_watcher->reply == NULL) abort();
    take(stage, sim_watcher);
}

void sim_watcher_act(struct stage *stage, struct sim_watcher *sim_watcher) {
    if (sim_watcher->acts_ms != stage->now_ms || sim_watcher->is_parked || sim_watcher->reply != NULL) return;
    if (!stage->is_quiet && random_chance(&stage->random, 1, 30)) sim_watcher->host = NULL;
    if (sim_watcher->host == NULL) sim_watcher->host = host_any_ready(stage);
    if (!stage->is_quiet && random_chance(&stage->random, 1, 60)) sim_watcher->host = host_any(stage);
    if (sim_watcher->host != NULL && !host_runs(sim_watcher->host)) { /* the request waits in its socket */
        sim_watcher_act_at(stage, sim_watcher, sim_watcher->host->paused_until_ms);
        return;
    }
    if (sim_watcher->host == NULL) {
        sim_watcher_act_at(stage, sim_watcher, stage->now_ms + random_between(&stage->random, 1, SEARCH_MS));
        return;
    }
    ask_host(stage, sim_watcher);
}
