#include "replay.h"

#include "memory.h"
#include "progress.h"

#include <stdlib.h>

struct remote {
    struct muster_client *client;
    const struct replay_plan *plan;
    int64_t first_unix_ms;
    uint64_t started_ns;
    struct muster_beat beats[MUSTER_BEATS_MAX];
};

/* Waits until the log's clock reaches unix_ms; returns at once if the replay is late. */
static void wait_for(const struct remote *r, int64_t unix_ms) {
    const double log_ns = (double)(unix_ms - r->first_unix_ms) * 1e6;
    clock_sleep_until_ns(r->started_ns + (uint64_t)(log_ns / r->plan->speed));
}

static int replay_node_visit(void *context, const struct visits *visits, const struct visit *due, size_t count,
                             int64_t unix_ms) {
    struct remote *r = context;
    const char *scope = r->plan->globals->scope;
    wait_for(r, unix_ms);
    for (size_t done = 0; done < count;) {
        size_t n = 0;
        for (; n < MUSTER_BEATS_MAX / 2 && done + n < count; n++)
            r->beats[n] = (struct muster_beat){.user = visits_user(visits, due[done + n].user).data};
        struct muster_error error;
        if (muster_touch(r->client, scope, r->plan->ttl_ms, r->beats, n, NULL, &error) != MUSTER_OK)
            return command_report(&error, "replay");
        done += n;
    }
    return STATUS_DONE;
}

static void fill_node_batch(struct replay_row *row, const struct muster_scope_counts *counts) {
    row->live = counts->live;
    for (size_t i = 0; i < counts->window_count; i++) row->windows[i] = counts->windows[i].users;
}

static int replay_node_look(void *context, int64_t unix_ms, struct replay_row *row) {
    struct remote *r = context;
    const struct windows *windows = &r->plan->windows;
    const char *scope = r->plan->globals->scope;
    struct muster_counts *counts = NULL;
    struct muster_error error;
    wait_for(r, unix_ms);
    const enum muster_code code =
        muster_counts(r->client, &scope, scope == NULL ? 0 : 1, windows->span_ms, windows->count, &counts, &error);
    const int status = code == MUSTER_OK ? STATUS_DONE : command_report(&error, "replay");
    if (code == MUSTER_OK && counts->count == 1) fill_node_batch(row, &counts->items[0]);
    muster_counts_free(counts);
    return status;
}

static void replay_node_finish(void *context) {
    struct remote *r = context;
    muster_close(r->client);
    free(r);
}

int replay_node_open(const struct replay_plan *plan, const struct visits *visits, struct replay_target *out) {
    struct remote *r = memory_new(sizeof *r);
    const int status = command_connect(plan->globals, &r->client);
    if (status != STATUS_DONE) {
        free(r);
        return status;
    }
    r->plan = plan;
    r->first_unix_ms = visits->items[0].unix_ms;
    r->started_ns = clock_now_ns();
    *out = (struct replay_target){replay_node_visit, replay_node_look, replay_node_finish, r, UINT64_MAX};
    return STATUS_DONE;
}
