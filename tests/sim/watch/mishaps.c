/* What breaks, and for how long. */
#include "stage.h"

#include <inttypes.h>

enum { WALL_JUMP_MAX_MS = 3600 * 1000, SLOW_MAX_MS = 1500, WATCHERS_BACK_MS = 200 };

/* Mostly short, sometimes longer than any TTL that is about. */
static uint64_t draw_span_ms(struct stage *stage) {
    struct random *random = &stage->random;
    if (random_chance(random, 1, 2)) return random_between(random, 50, 1500);
    return random_between(random, 1500, random_chance(random, 1, 3) ? 12000 : 5000);
}

static void cut_both(struct stage *stage, unsigned a, unsigned b, uint64_t until_ms, bool is_one_way) {
    wires_cut(stage, a, b, until_ms);
    if (!is_one_way) wires_cut(stage, b, a, until_ms);
}

static void cut(struct stage *stage, unsigned a, unsigned b, uint64_t until_ms) {
    bool is_one_way = random_chance(&stage->random, 1, 3);
    const char *how = is_one_way ? ", one way" : "";
    if (random_chance(&stage->random, 1, 2)) {
        stage_note(stage, "cut: node %u and %u%s until %" PRIu64, a, b, how, until_ms);
        cut_both(stage, a, b, until_ms, is_one_way);
        return;
    }
    unsigned half = (unsigned)random_below(&stage->random, UINT64_C(1) << stage->script.hosts);
    stage_note(stage, "cut: nodes of the mask %x and the others%s until %" PRIu64, half, how, until_ms);
    for (unsigned i = 0; i < stage->script.hosts; i++)
        for (unsigned j = 0; j < stage->script.hosts; j++)
            if ((half >> i & 1) != 0 && (half >> j & 1) == 0) cut_both(stage, i, j, until_ms, is_one_way);
}

static void slow(struct stage *stage, unsigned from, unsigned to, uint64_t until_ms) {
    uint64_t by_ms = random_between(&stage->random, 50, SLOW_MAX_MS);
    stage_note(stage, "frames of node %u to %u take %" PRIu64 " ms more until %" PRIu64, from, to, by_ms, until_ms);
    wires_slow(stage, from, to, by_ms, until_ms);
}

static void end_host(struct stage *stage, bool is_drain) {
    struct host *host = host_any(stage);
    if (host == NULL) return;
    if (is_drain) host_drain(host);
    else host_crash(host);
    if (random_chance(&stage->random, 5, 6))
        event_queue_add(
            &stage->event_queue,
            (struct event){.at_ms = stage->now_ms + draw_span_ms(stage) / 2, .kind = EVENT_START, .node = host->index});
}

static void jump_wall(struct stage *stage, struct host *host) {
    host->wall_error_ms = (int64_t)random_below(&stage->random, 2 * WALL_JUMP_MAX_MS) - WALL_JUMP_MAX_MS;
    stage_note(stage, "the wall clock of node %u jumps: wrong by %" PRId64 " s", host->index,
               host->wall_error_ms / 1000);
}

static void break_something(struct stage *stage, enum mishap mishap) {
    struct random *random = &stage->random;
    uint64_t until_ms = stage->now_ms + draw_span_ms(stage);
    unsigned a = (unsigned)random_below(random, stage->script.hosts);
    unsigned b = (a + 1 + (unsigned)random_below(random, stage->script.hosts - 1)) % stage->script.hosts;
    struct sim_watcher *sim_watcher = &stage->sim_watchers[random_below(random, stage->script.sim_watchers)];
    switch (mishap) {
    case MISHAP_CUT:
        cut(stage, a, b, until_ms);
        break;
    case MISHAP_SLOW:
        slow(stage, a, b, until_ms);
        break;
    case MISHAP_CRASH:
        end_host(stage, false);
        break;
    case MISHAP_DRAIN:
        end_host(stage, true);
        break;
    case MISHAP_WALL_JUMP:
        jump_wall(stage, &stage->hosts[a]);
        break;
    case MISHAP_FULL:
        sim_watcher->full_until_ms = until_ms;
        break;
    case MISHAP_HANG_UP:
        sim_watcher_hang_up(stage, sim_watcher);
        break;
    case MISHAP_PAUSE:
        if (host_runs(&stage->hosts[a])) host_pause(&stage->hosts[a], until_ms);
        break;
    case MISHAPS:
        break;
    }
}

void mishaps_step(struct stage *stage) {
    if (stage->is_quiet) return;
    enum mishap mishap = (enum mishap)random_below(&stage->random, MISHAPS);
    if (script_has(&stage->script, mishap)) break_something(stage, mishap);
    uint64_t next_ms = stage->now_ms + random_between(&stage->random, 1, stage->script.mishap_every_ms);
    event_queue_add(&stage->event_queue, (struct event){.at_ms = next_ms, .kind = EVENT_FAULT});
}

void mishaps_end(struct stage *stage) {
    stage_note(stage, "all heals");
    stage->is_quiet = true;
    wires_heal(stage);
    for (unsigned i = 0; i < stage->script.hosts; i++)
        if (!stage->hosts[i].is_up) host_start(&stage->hosts[i]);
    for (unsigned i = 0; i < stage->script.sim_watchers; i++) {
        struct sim_watcher *sim_watcher = &stage->sim_watchers[i];
        if (sim_watcher->full_until_ms > stage->now_ms) sim_watcher->full_until_ms = stage->now_ms;
        if (!sim_watcher->is_parked)
            sim_watcher_act_at(stage, sim_watcher, stage->now_ms + random_below(&stage->random, WATCHERS_BACK_MS));
    }
}
