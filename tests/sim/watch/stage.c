#include "stage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 250, CONVERGENCE_MS = 2000, JOIN_MAX_MS = 25000, STEP_MS = 100 };

static const char keyring_text[] = "primary 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

void stage_fail(struct stage *stage, const char *check, const char *format, ...) {
    if (stage->failed_check != NULL) return;
    stage->failed_check = check;
    int len = snprintf(stage->failure, sizeof stage->failure, "at %" PRIu64 " ms: ", stage->now_ms);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stage->failure + len, sizeof stage->failure - (size_t)len, format, arguments);
    va_end(arguments);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void happen(struct stage *stage, const struct event *event) {
    switch (event->kind) {
    case EVENT_START:
        if (!stage->hosts[event->node].is_up) host_start(&stage->hosts[event->node]);
        break;
    case EVENT_WATCH:
        sim_watcher_act(stage, &stage->sim_watchers[event->node]);
        break;
    case EVENT_CALL:
        clients_step(stage);
        break;
    case EVENT_FAULT:
        mishaps_step(stage);
        break;
    case EVENT_LOOK:
        look(stage);
        event_queue_add(&stage->event_queue,
                        (struct event){.at_ms = stage->now_ms + LOOK_EVERY_MS, .kind = EVENT_LOOK});
        break;
    default:
        host_event(&stage->hosts[event->node], event);
    }
}

static void run_until(struct stage *stage, uint64_t at_ms) {
    struct event event;
    while (stage->failed_check == NULL && event_queue_next(&stage->event_queue, at_ms, &event)) {
        stage->now_ms = event.at_ms;
        happen(stage, &event);
        packet_drop(event.packet);
    }
    if (stage->failed_check == NULL) stage->now_ms = at_ms;
}

static void run_for(struct stage *stage, uint64_t ms) {
    run_until(stage, stage->now_ms + ms);
}

static bool are_ready(const struct stage *stage) {
    for (unsigned i = 0; i < stage->script.hosts; i++)
        if (!host_is_ready(&stage->hosts[i])) return false;
    return true;
}

/* Whoever is told of something now, perhaps in pages, has time to hear all of it. */
static void look_at_the_end(struct stage *stage) {
    if (stage->failed_check == NULL) look(stage);
    run_for(stage, 0);
    if (stage->failed_check == NULL) look_for_agreement(stage);
}

void stage_run(struct stage *stage) {
    uint64_t pace_ms = PACE_MAX_MS * 5 / 4 + HOST_LATE_MS;
    run_until(stage, stage->script.active_ms);
    if (stage->failed_check != NULL) return;
    mishaps_end(stage);
    run_for(stage, stage->script.late_calls_ms);
    for (uint64_t ms = 0; ms < JOIN_MAX_MS && stage->failed_check == NULL && !are_ready(stage); ms += STEP_MS)
        run_for(stage, STEP_MS);
    if (stage->failed_check == NULL && !are_ready(stage)) stage_fail(stage, "diverged", "a node is not ready");
    stage->is_writing = false;
    run_for(stage, CONVERGENCE_MS + 4 * stage->script.delay_max_ms + pace_ms);
    look_at_the_end(stage);
    uint64_t over_ms = stage->leases.last_ms + script_slack_ms(&stage->script) + pace_ms;
    if (over_ms > stage->now_ms) run_until(stage, over_ms);
    look_at_the_end(stage);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static void fill_event_queue(struct stage *stage) {
    struct random *random = &stage->random;
    for (unsigned i = 0; i < stage->script.hosts; i++)
        event_queue_add(&stage->event_queue,
                        (struct event){.at_ms = random_below(random, 500), .kind = EVENT_START, .node = i});
    event_queue_add(&stage->event_queue, (struct event){.at_ms = 10, .kind = EVENT_CALL});
    event_queue_add(&stage->event_queue, (struct event){.at_ms = 1000, .kind = EVENT_FAULT});
    event_queue_add(&stage->event_queue, (struct event){.at_ms = LOOK_EVERY_MS, .kind = EVENT_LOOK});
}

void stage_begin(struct stage *stage, uint64_t seed, bool is_large) {
    struct error error;
    stage->seed = seed;
    stage->now_ms = stage->calls = stage->answers = stage->comparisons = 0;
    stage->is_quiet = false;
    stage->is_writing = true;
    stage->failed_check = NULL;
    stage->transcript.count = 0;
    stage->random = random_of(seed);
    stage->script = script_draw(&stage->random, is_large);
    memset(&stage->leases, 0, sizeof stage->leases);
    memset(&stage->wires, 0, sizeof stage->wires);
    if (stage->worker == NULL && (stage->worker = worker_new()) == NULL) abort();
    if (stage->script.is_sealed && (stage->keyring = keyring_parse(keyring_text, strlen(keyring_text), &error)) == NULL)
        abort();
    for (unsigned i = 0; i < stage->script.hosts; i++) host_place(stage, i);
    fill_event_queue(stage);
    for (unsigned i = 0; i < stage->script.sim_watchers; i++) sim_watcher_open(stage, i);
}

void stage_end(struct stage *stage) {
    for (unsigned i = 0; i < stage->script.hosts; i++)
        if (stage->hosts[i].is_up) host_crash(&stage->hosts[i]);
    for (unsigned i = 0; i < stage->script.sim_watchers; i++) sim_watcher_close(&stage->sim_watchers[i]);
    event_queue_clear(&stage->event_queue);
    keyring_free(stage->keyring);
    stage->keyring = NULL;
}

void stage_close(struct stage *stage) {
    event_queue_free(&stage->event_queue);
    worker_free(stage->worker);
}

/* ---- views ----------------------------------------------------------------------------------------------------- */

void stage_print(struct stage *stage, FILE *out) {
    script_print(&stage->script, out);
    fprintf(out, "at %" PRIu64 " ms; the last events:\n", stage->now_ms);
    transcript_print(&stage->transcript, out);
    for (unsigned i = 0; i < stage->script.sim_watchers; i++) {
        const struct sim_watcher *sim_watcher = &stage->sim_watchers[i];
        const struct watcher *watcher = &sim_watcher->watcher;
        fprintf(out, "watcher %u of %s%s%s%s, pace %u, at node %d, %s since %" PRIu64 " for %u ms, knows", i,
                watcher->scope, watcher->sessions ? " with sessions" : "", watcher->counts ? " counts" : "",
                watcher->user_count > 0 ? " named" : "", watcher->min_interval_ms,
                sim_watcher->host == NULL ? -1 : (int)sim_watcher->host->index,
                sim_watcher->is_parked ? "waits" : "asked", sim_watcher->asked_ms, watcher->max_wait_ms);
        size_t shown = 0;
        for (size_t k = 0; k < watcher->table_size && shown < 20; k++)
            if (watcher->table[k].is_live && ++shown > 0) fprintf(out, " %s", watcher->table[k].user);
        fprintf(out, "%s\n", watcher->live > shown ? " ..." : "");
    }
}
