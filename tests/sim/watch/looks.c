/* Looks at all nodes and watchers at one instant. */
#include "stage.h"

#include <inttypes.h>
#include <string.h>

static void settle_all(struct stage *stage) {
    for (unsigned i = 0; i < stage->script.hosts && stage->failed_check == NULL; i++)
        if (host_runs(&stage->hosts[i])) host_settle(&stage->hosts[i]);
}

void look(struct stage *stage) {
    settle_all(stage);
    for (unsigned i = 0; i < stage->script.sim_watchers && stage->failed_check == NULL; i++)
        sim_watcher_check(stage, &stage->sim_watchers[i]);
}

/* ---- do nodes answer alike? ------------------------------------------------------------------------------------ */

/* What a node says of a user. */
struct said {
    bool is_live;
    uint64_t left_ms; /* the least that is left of a session's lease */
    uint64_t digest;  /* of its live sessions */
};

static uint64_t hashed(uint64_t hash, const void *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static struct said said_of(const Muster__V1__User *row, int64_t wall_ms) {
    struct said said = {.is_live = row->live, .left_ms = UINT64_MAX, .digest = (uint64_t)row->status};
    for (size_t i = 0; i < row->n_sessions; i++) {
        const Muster__V1__Session *session = row->sessions[i];
        int64_t left_ms = session->last_seen_ms + session->ttl_ms - wall_ms;
        if (left_ms < 0) left_ms = 0;
        if ((uint64_t)left_ms < said.left_ms) said.left_ms = (uint64_t)left_ms;
        uint64_t hash = hashed((uint64_t)session->status, session->session.data, session->session.len);
        said.digest += hashed(hash + 1, session->state.data, session->state.len);
    }
    return said;
}

static void hear(struct stage *stage, const struct host *host, const Muster__V1__ListResponse *page,
                 struct said out[CROWD]) {
    for (size_t i = 0; i < page->n_users; i++) {
        char name[16] = "";
        const Muster__V1__User *row = page->users[i];
        memcpy(name, row->user.data, row->user.len < sizeof name ? row->user.len : sizeof name - 1);
        unsigned user = user_number(name);
        if (user < CROWD) out[user] = said_of(row, (int64_t)host_now(host).wall_ms);
        else stage_fail(stage, "diverged", "node %u lists %s, whom nobody touched", host->index, name);
    }
}

static void listen(struct stage *stage, const struct host *host, unsigned scope, struct said out[CROWD]) {
    Muster__V1__Reply *reply = NULL, *before;
    memset(out, 0, CROWD * sizeof *out);
    do {
        struct request_builder builder;
        builder_list(&builder, scope_name(scope));
        builder.list.sessions = true;
        if (reply != NULL) builder.list.page_token = reply->list->next_page_token;
        before = reply;
        reply = ask(&host->answerer, &builder);
        if (before != NULL) reply_free(before);
        hear(stage, host, reply->list, out);
    } while (reply->list->next_page_token.len > 0);
    reply_free(reply);
}

/* A lease ends at one node a moment before it ends at another. */
static bool is_ending(const struct stage *stage, const struct said *said) {
    return said->is_live && said->left_ms <= script_slack_ms(&stage->script);
}

static void compare(struct stage *stage, unsigned scope, const struct host *a, const struct host *b) {
    static struct said said[2][CROWD];
    listen(stage, a, scope, said[0]);
    listen(stage, b, scope, said[1]);
    for (unsigned user = 0; user < stage->script.users; user++) {
        const struct said *at_a = &said[0][user], *at_b = &said[1][user];
        if (is_ending(stage, at_a) || is_ending(stage, at_b)) continue;
        if (at_a->is_live == at_b->is_live && at_a->digest == at_b->digest) continue;
        stage_fail(stage, "diverged", "u%u of %s is %s at node %u (digest %" PRIx64 "), %s at node %u (%" PRIx64 ")",
                   user, scope_name(scope), at_a->is_live ? "live" : "gone", a->index, at_a->digest,
                   at_b->is_live ? "live" : "gone", b->index, at_b->digest);
    }
}

static void check_watcher(struct stage *stage, const struct sim_watcher *sim_watcher) {
    uint64_t pace_ms = sim_watcher->watcher.min_interval_ms * 5 / 4;
    if (sim_watcher->watcher.is_synced && sim_watcher->right_ms + pace_ms + HOST_LATE_MS >= stage->now_ms) return;
    stage_fail(stage, "diverged", "watcher %u has not caught up: %s, was right last at %" PRIu64, sim_watcher->index,
               sim_watcher->is_parked ? "it waits" : "it does not wait", sim_watcher->right_ms);
}

void look_for_agreement(struct stage *stage) {
    look(stage);
    for (unsigned i = 1; i < stage->script.hosts && stage->failed_check == NULL; i++)
        for (unsigned scope = 0; scope < SCOPES; scope++) compare(stage, scope, &stage->hosts[0], &stage->hosts[i]);
    for (unsigned i = 0; i < stage->script.sim_watchers && stage->failed_check == NULL; i++)
        check_watcher(stage, &stage->sim_watchers[i]);
}
