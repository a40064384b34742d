#include "peers_log.h"
#include "common/monotonic.h"
#include "core/hlc.h"
#include "node/figures.h"
#include "node/node.h"
#include "node/standstill.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 1000 };

/* A peer as it was last seen. */
struct seen {
    uint64_t origin;
    enum peer_state state;
    int64_t clock_ms;
    char name[REPLICA_NAME_BYTES_MAX + 1];
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
};

struct cluster_log {
    struct node *node;
    uint64_t start_us, next_us;
    bool was_ready, was_clock_wrong;
    unsigned standstills; /* of the node, when it was looked at last */
    struct replica_stats stats;
    struct seen before[REPLICA_PEERS_MAX], now[REPLICA_PEERS_MAX];
    size_t before_count, now_count;
};

static void copy(struct text text, char *out, size_t out_bytes) {
    size_t len = text.len < out_bytes ? text.len : out_bytes - 1;
    if (len > 0) memcpy(out, text.data, len);
    out[len] = '\0';
}

static void note_peer(void *context, const struct peer_view *view) {
    struct cluster_log *log = context;
    if (view->is_self || log->now_count == REPLICA_PEERS_MAX) return;
    struct seen *seen = &log->now[log->now_count++];
    seen->origin = view->origin;
    seen->state = view->state;
    seen->clock_ms = view->clock_ms;
    copy(view->name, seen->name, sizeof seen->name);
    copy(view->address, seen->address, sizeof seen->address);
}

/* The peer at the same address, which may have been another incarnation; else the same one at another address. */
static const struct seen *find_before(const struct cluster_log *log, const struct seen *seen) {
    const struct seen *moved = NULL;
    for (size_t i = 0; i < log->before_count; i++) {
        const struct seen *before = &log->before[i];
        if (strcmp(before->address, seen->address) == 0) return before;
        if (before->origin == seen->origin && seen->origin != 0) moved = before;
    }
    return moved;
}

static void say_state(const struct seen *seen) {
    static const char *const states[] = {[PEER_JOINING] = "joining",
                                         [PEER_ALIVE] = "alive",
                                         [PEER_SUSPECT] = "suspect",
                                         [PEER_DOWN] = "down",
                                         [PEER_LEFT] = "left"};
    bool is_trouble = seen->state == PEER_SUSPECT || seen->state == PEER_DOWN;
    log_line(is_trouble ? LEVEL_WARN : LEVEL_INFO, "peer_state", "a peer's state changed", {"peer", seen->name, 0},
             {"address", seen->address, 0}, {"state", states[seen->state], 0});
}

static void say_peer(const struct seen *before, const struct seen *now) {
    bool is_restart = before != NULL && before->origin != 0 && now->origin != 0 && before->origin != now->origin;
    if (is_restart)
        log_line(LEVEL_INFO, "peer_restarted", "a peer was started anew", {"peer", now->name, 0},
                 {"address", now->address, 0});
    if (before == NULL || (before->state != now->state && !(is_restart && now->state == PEER_ALIVE))) say_state(now);
}

static void say_peers(struct cluster_log *log) {
    log->now_count = 0;
    node_peers(log->node, clock_now(), note_peer, log);
    for (size_t i = 0; i < log->now_count; i++) say_peer(find_before(log, &log->now[i]), &log->now[i]);
    memcpy(log->before, log->now, log->now_count * sizeof log->now[0]);
    log->before_count = log->now_count;
}

/* By how much the wall clocks of peers are ahead of this node's, of those that are alive and further from it than
 * HLC_FAR_MS: the greatest. 0: they are not the most. */
static int64_t clock_error_ms(const struct cluster_log *log) {
    size_t alive = 0, far = 0;
    int64_t most_ms = 0;
    for (size_t i = 0; i < log->now_count; i++) {
        int64_t clock_ms = log->now[i].clock_ms;
        if (log->now[i].state != PEER_ALIVE) continue;
        alive++;
        if (clock_ms <= HLC_FAR_MS && clock_ms >= -HLC_FAR_MS) continue;
        far++;
        if ((clock_ms < 0 ? -clock_ms : clock_ms) > (most_ms < 0 ? -most_ms : most_ms)) most_ms = clock_ms;
    }
    return far * 2 > alive ? most_ms : 0;
}

/* Users of a wrong clock see nothing of it: stamps follow the peers'. But an operator should put it right. */
static void say_clock(struct cluster_log *log) {
    int64_t error_ms = clock_error_ms(log);
    if ((error_ms != 0) == log->was_clock_wrong) return;
    log->was_clock_wrong = error_ms != 0;
    if (error_ms == 0)
        log_line(LEVEL_INFO, "clock_right", "the wall clocks of this node and of its peers agree again",
                 {"peers", NULL, log->now_count});
    else
        log_line(LEVEL_WARN, "clock_wrong",
                 "the wall clocks of this node and of most of its peers differ; its stamps follow theirs",
                 {error_ms > 0 ? "behind_ms" : "ahead_ms", NULL, (uint64_t)(error_ms > 0 ? error_ms : -error_ms)});
}

/* Since the start. */
static void say_traffic(const struct replica_stats *stats) {
    log_line(LEVEL_DEBUG, "traffic", "between this node and its peers", {"frames_in", NULL, stats->frames_in},
             {"frames_out", NULL, stats->frames_out}, {"bytes_in", NULL, stats->bytes_in},
             {"bytes_out", NULL, stats->bytes_out}, {"refreshes_out", NULL, stats->refreshes_out},
             {"refresh_bytes_out", NULL, stats->refresh_bytes_out}, {"gaps", NULL, stats->gaps},
             {"asks", NULL, stats->sync_requests}, {"pages", NULL, stats->pages}, {"refused", NULL, stats->refused});
}

static void say_dropped(struct cluster_log *log) {
    struct replica_stats was = log->stats, is;
    node_cluster_stats(log->node, &is);
    log->stats = is;
    say_traffic(&is);
    if (is.dropped_records != was.dropped_records)
        log_line(LEVEL_WARN, "record_dropped", "records of peers have values that this version does not take",
                 {"records", NULL, is.dropped_records - was.dropped_records});
    uint64_t forged = is.dropped_forged - was.dropped_forged, replayed = is.dropped_replayed - was.dropped_replayed;
    uint64_t foreign = is.dropped_foreign - was.dropped_foreign, broken = is.dropped_broken - was.dropped_broken;
    if (forged + replayed + foreign + broken == 0) return;
    log_line(LEVEL_WARN, "dropped", "messages that are no peer's of this cluster were dropped",
             {"forged", NULL, forged}, {"replayed", NULL, replayed}, {"foreign", NULL, foreign},
             {"broken", NULL, broken});
}

static void say_ready(struct cluster_log *log, uint64_t now_us) {
    unsigned standstills = node_standstills(log->node);
    if (log->standstills != standstills) { /* it joins again */
        log->standstills = standstills;
        log->was_ready = false;
        log->start_us = now_us;
    }
    if (log->was_ready || !node_is_ready(log->node)) return;
    struct replica_stats stats;
    struct node_figures figures;
    node_cluster_stats(log->node, &stats);
    node_figures(log->node, &figures);
    log->was_ready = true;
    log_line(LEVEL_INFO, "joined",
             stats.pages > 0 ? "in sync with a peer; reads are answered"
                             : "nobody answered to sync with; reads are answered",
             {"members", NULL, figures.members}, {"took_ms", NULL, (now_us - log->start_us) / 1000});
}

struct cluster_log *cluster_log_open(struct node *node) {
    struct cluster_log *log = calloc(1, sizeof *log);
    if (log == NULL) return NULL;
    log->node = node;
    log->start_us = monotonic_us();
    return log;
}

void cluster_log_step(struct cluster_log *log, uint64_t now_us) {
    say_ready(log, now_us);
    if (now_us < log->next_us) return;
    log->next_us = now_us + (uint64_t)LOOK_EVERY_MS * 1000;
    say_peers(log);
    say_clock(log);
    say_dropped(log);
}

void cluster_log_close(struct cluster_log *log) {
    free(log);
}
