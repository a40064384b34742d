#include "watch.h"

#include "client_error.h"
#include "common/monotonic.h"
#include "options.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    UNCONNECTED_MS = 200,    /* how long a connection is waited for where there is another node to ask */
    SPELL_MS = 5000,         /* failures that are no further apart belong to one spell */
    FRUITLESS_MS = 20,       /* the least time between answers that say nothing new */
    SNAPSHOT_APART_MS = 200, /* the least time between snapshots */
};

static const struct backoff watch_backoff = {50, 2000};

_Static_assert(MUSTER_UNAUTHENTICATED < 32, "watch.troubles has a bit for every code");

/* ---- asking: on the dispatcher's thread -------------------------------------------------------------------------- */

static void watch_attempt_ended(struct attempt *attempt, enum attempt_status status) {
    struct muster_watch *watch = attempt->arg;
    watch->status = status;
    watch->ended_ms = monotonic_ms();
    dispatcher_wake(watch->dispatcher, &watch->task);
}

/* The node whose cursor it has, unless that failed in this round. */
static unsigned watch_pick_node(const struct muster_watch *watch, uint64_t now_ms) {
    if (watch->cursor_len != 0 && (watch->rounds.tried & 1u << watch->home) == 0) return watch->home;
    return client_pick_node(watch->client, watch->rounds.tried, now_ms);
}

/* Sends the next request. False: it cannot be encoded; *error says why. */
static bool watch_ask(struct muster_watch *watch, struct muster_error *error) {
    struct muster_client *client = watch->client;
    uint64_t now_ms = monotonic_ms();
    watch->node = watch_pick_node(watch, now_ms);
    watch->is_resuming = watch->cursor_len != 0 && watch->node == watch->home;
    struct text cursor = {watch->cursor, watch->is_resuming ? watch->cursor_len : 0};
    struct attempt *attempt = watch->attempt;
    if (request_watch(&attempt->request, client->token, &watch->options, cursor, error) != MUSTER_OK) return false;
    attempt->answer =
        (struct answer){.kind = REPLY_WATCH, .has_sessions = watch->options.with_sessions, .result = watch->result};
    bool is_last = rounds_is_last(&watch->rounds, client, watch->node);
    attempt->send_until_ms = now_ms + (is_last ? client->attempt_ms : UNCONNECTED_MS);
    attempt->answer_until_ms = 0;
    attempt->answer_ms = watch->options.max_wait_ms + client->attempt_ms;
    watch->asked_ms = now_ms;
    watch->is_asking = true;
    attempt_start(attempt, watch->node);
    return true;
}

/* ---- the end of an attempt
 * --------------------------------------------------------------------------------------------- */

/* Calls `trouble`, once for each code in a spell. */
static void tell_trouble(struct muster_watch *watch) {
    uint32_t bit = 1u << ((unsigned)watch->round_error.code & 31);
    if ((watch->troubles & bit) != 0) return;
    watch->troubles |= bit;
    if (watch->options.callbacks.trouble == NULL || atomic_load(&watch->is_closed)) return;
    watch->options.callbacks.trouble(watch->options.arg, &watch->round_error);
}

/* This node failed: the next one is asked, or, after the last of a round, none for a while. Of the errors of a round
 * the answer of a node is kept before the failure to reach one. Returns how long to sleep. */
static uint32_t watch_failed(struct muster_watch *watch, const struct muster_error *error) {
    uint64_t now_ms = monotonic_ms();
    if (watch->rounds.tried == 0 || error->is_answer || !watch->round_error.is_answer) watch->round_error = *error;
    bool is_last = rounds_is_last(&watch->rounds, watch->client, watch->node);
    if (is_last && now_ms - watch->failed_ms > SPELL_MS) {
        watch->rounds.failed = 0;
        watch->troubles = 0;
    }
    uint32_t sleep_ms = rounds_note_failure(&watch->rounds, watch->client, watch->node, watch_backoff);
    if (!is_last) return 0;
    watch->failed_ms = now_ms;
    tell_trouble(watch);
    return sleep_ms;
}

static void begin_snapshot(struct muster_watch *watch, uint64_t now_ms) {
    watch->is_early = watch->round != 0 && now_ms - watch->snapshot_ms < 2 * SNAPSHOT_APART_MS;
    watch->has_progressed = !watch->is_early;
    watch->snapshot_ms = now_ms;
    watch->is_in_snapshot = true;
    watch->round++;
    bool is_anew = atomic_load_explicit(&watch->synced_ms, memory_order_relaxed) != 0;
    if (is_anew && watch->hold_until_ms == 0) watch->hold_until_ms = now_ms + WATCH_HOLD_MS;
}

/* How long to sleep before the next request: a node that answers at once, and nothing new, is not asked in a loop. */
static uint32_t watch_pace(const struct muster_watch *watch, uint64_t now_ms) {
    uint64_t not_before_ms = 0;
    if (watch->is_early) not_before_ms = watch->snapshot_ms + SNAPSHOT_APART_MS;
    else if (!watch->has_progressed) not_before_ms = watch->asked_ms + FRUITLESS_MS;
    return not_before_ms > now_ms ? (uint32_t)(not_before_ms - now_ms) : 0;
}

/* A node answered without an error. Returns how long to sleep. */
static uint32_t watch_answered(struct muster_watch *watch, const struct watch_answer *answer) {
    struct muster_error error;
    if (answer->cursor_len == 0 || answer->cursor_len > sizeof watch->cursor) {
        client_error_set(&error, MUSTER_INTERNAL, "node %s: an answer with a cursor of %zu bytes",
                         watch->client->nodes[watch->node].endpoint.address, answer->cursor_len);
        return watch_failed(watch, &error);
    }
    watch->is_early = false;
    watch->has_progressed = false;
    if (answer->is_resync || !watch->is_resuming) begin_snapshot(watch, monotonic_ms());
    watch->home = watch->node;
    watch->cursor_len = answer->cursor_len;
    memcpy(watch->cursor, answer->cursor, answer->cursor_len);
    if (!watch_take(watch, answer)) {
        watch->cursor_len = 0;
        client_error_no_memory(&error);
        return watch_failed(watch, &error);
    }
    watch->rounds.tried = 0;
    return watch_pace(watch, monotonic_ms());
}

static uint32_t watch_heard(struct muster_watch *watch) {
    const struct muster_error *error = &watch->attempt->error;
    if (watch->status != ATTEMPT_ANSWERED || error->code != MUSTER_OK) return watch_failed(watch, error);
    return watch_answered(watch, &watch->result->view.watch);
}

/* ---- the end of a watch
 * ----------------------------------------------------------------------------------------------- */

static void watch_free(struct muster_watch *watch) {
    if (watch->attempt != NULL) attempt_give(watch->attempt);
    result_free(watch->result);
    known_users_free(&watch->known_users);
    pthread_mutex_destroy(&watch->mutex);
    for (size_t i = 0; watch->options.users != NULL && i < watch->options.user_count; i++)
        free((void *)(uintptr_t)watch->options.users[i]);
    free((void *)(uintptr_t)watch->options.users);
    free((void *)(uintptr_t)watch->options.scope);
    free(watch);
}

/* Frees what the watch knows at once, and the rest when no answer can come any more. */
static void watch_wind_up(struct muster_watch *watch) {
    if (!watch->is_ending) {
        watch->is_ending = true;
        if (watch->hooks != NULL) watch->hooks->ended(watch->hooks_arg);
        known_users_free(&watch->known_users);
        attempt_cancel(watch->attempt);
    }
    if (watch->is_asking) return; /* the end of the attempt wakes the task again */
    dispatcher_remove(watch->dispatcher, &watch->task);
    watch_free(watch);
}

/* ---- the task --------------------------------------------------------------------------------------------------- */

static void watch_look_at_hold(struct muster_watch *watch) {
    if (watch->hold_until_ms == 0 || watch->is_in_snapshot || monotonic_ms() < watch->hold_until_ms) return;
    watch_end_hold(watch);
}

/* Sends a request, unless one is under way or it is not time yet. */
static void watch_ask_in_time(struct muster_watch *watch) {
    struct muster_error error;
    while (!watch->is_asking && monotonic_ms() >= watch->resume_ms && !atomic_load(&watch->is_closed) &&
           !watch_ask(watch, &error))
        watch->resume_ms = monotonic_ms() + watch_failed(watch, &error);
}

/* When the task is to run again; UINT64_MAX: when it is woken. */
static uint64_t watch_due_ms(const struct muster_watch *watch) {
    uint64_t due_ms = watch->is_asking ? UINT64_MAX : watch->resume_ms;
    bool is_holding = watch->hold_until_ms != 0 && !watch->is_in_snapshot;
    return is_holding && watch->hold_until_ms < due_ms ? watch->hold_until_ms : due_ms;
}

static void watch_run(struct task *task, bool is_woken, bool is_cancelled) {
    struct muster_watch *watch = (struct muster_watch *)task;
    bool has_ended = is_woken && watch->is_asking;
    if (has_ended) {
        watch->is_asking = false;
        watch->heard_ms = watch->ended_ms;
    }
    if (is_cancelled) {
        watch_wind_up(watch);
        return;
    }
    if (atomic_load(&watch->is_closed)) return;
    uint64_t now_ms = monotonic_ms();
    /* Run before its time and not woken: there is a new connection, see dispatcher_hasten. */
    if (has_ended) watch->resume_ms = now_ms + watch_heard(watch);
    else if (!is_woken && now_ms < watch->due_ms) watch->resume_ms = now_ms;
    watch_look_at_hold(watch);
    watch_ask_in_time(watch);
    watch->due_ms = watch_due_ms(watch);
    if (watch->due_ms != UINT64_MAX) dispatcher_sleep(watch->dispatcher, task, watch->due_ms);
}

void watches_end(struct muster_client *client) {
    pthread_mutex_lock(&client->mutex);
    struct dispatcher *dispatcher = client->dispatcher;
    client->dispatcher = NULL;
    pthread_mutex_unlock(&client->mutex);
    dispatcher_free(dispatcher);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

/* The client's, made by the first watch; NULL: memory or threads are short. */
static struct dispatcher *dispatcher_of(struct muster_client *client) {
    pthread_mutex_lock(&client->mutex);
    if (client->dispatcher == NULL) client->dispatcher = dispatcher_new(watch_run);
    struct dispatcher *dispatcher = client->dispatcher;
    pthread_mutex_unlock(&client->mutex);
    return dispatcher;
}

static bool copy_users(struct muster_watch *watch, const struct muster_watch_options *options) {
    watch->options.users = NULL;
    if (options->user_count == 0) return true;
    char **users = calloc(options->user_count, sizeof *users);
    watch->options.users = (const char *const *)users;
    if (users == NULL) return false;
    for (size_t i = 0; i < options->user_count; i++) {
        if ((users[i] = strdup(options->users[i])) == NULL) return false;
    }
    return true;
}

/* Takes the attempt only once the options are known to be good: they are checked by encoding them. */
static enum muster_code watch_prepare(struct muster_watch *watch, const struct muster_watch_options *options,
                                      struct muster_error *error) {
    bool has_scope = options->scope != NULL && options->scope[0] != '\0';
    struct request request = {0};
    enum muster_code code = request_watch(&request, watch->client->token, options, (struct text){0}, error);
    request_free(&request);
    if (code != MUSTER_OK) return code;
    watch->options = *options;
    watch->options.scope = strdup(has_scope ? options->scope : MUSTER_SCOPE_DEFAULT);
    if (watch->options.max_wait_ms == 0) watch->options.max_wait_ms = MUSTER_WATCH_WAIT_DEFAULT_MS;
    bool is_copied = copy_users(watch, options) && watch->options.scope != NULL;
    if (!is_copied || (watch->result = result_new()) == NULL) return client_error_no_memory(error);
    if ((watch->attempt = attempt_take(watch->client, watch_attempt_ended, watch)) == NULL)
        return client_error_no_memory(error);
    return client_error_none(error);
}

static struct muster_watch *watch_new(struct muster_client *client, const struct watch_hooks *hooks, void *hooks_arg) {
    struct muster_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) return NULL;
    watch->client = client;
    watch->hooks = hooks;
    watch->hooks_arg = hooks_arg;
    /* Early at boot there may be no randomness yet: names that collide by intent are of less concern than waiting. */
    if (getrandom(&watch->key, sizeof watch->key, GRND_NONBLOCK) < 0) {
        for (size_t i = 0; i < 2; i++)
            watch->key.words[i] = (uint64_t)client_random(client, UINT32_MAX) << 32 | client_random(client, UINT32_MAX);
    }
    if (pthread_mutex_init(&watch->mutex, NULL) == 0) return watch;
    free(watch);
    return NULL;
}

enum muster_code watch_open(struct muster_client *client, const struct muster_watch_options *options,
                            const struct watch_hooks *hooks, void *hooks_arg, struct muster_watch **watch,
                            struct muster_error *error) {
    *watch = NULL;
    if (client_is_inherited(client)) return client_error_inherited(error);
    struct muster_watch *made = watch_new(client, hooks, hooks_arg);
    if (made == NULL) return client_error_no_memory(error);
    enum muster_code code = watch_prepare(made, options, error);
    if (code == MUSTER_OK && (made->dispatcher = dispatcher_of(client)) == NULL)
        code = client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "the system has no room for more threads");
    if (code != MUSTER_OK) {
        watch_free(made);
        return code;
    }
    *watch = made; /* before its thread may call back */
    dispatcher_add(made->dispatcher, &made->task);
    dispatcher_wake(made->dispatcher, &made->task);
    return MUSTER_OK;
}

enum muster_code muster_watch_open_sized(struct muster_client *client, const struct muster_watch_options *options,
                                         size_t options_size, struct muster_watch **watch, struct muster_error *error) {
    struct muster_watch_options known;
    *watch = NULL;
    enum muster_code code = options_copy(&known, sizeof known, options, options_size, error);
    return code == MUSTER_OK ? watch_open(client, &known, NULL, NULL, watch, error) : code;
}

uint64_t muster_watch_staleness_ms(const struct muster_watch *watch) {
    uint64_t synced_ms = atomic_load_explicit(&watch->synced_ms, memory_order_acquire), now_ms = monotonic_ms();
    if (synced_ms == 0) return UINT64_MAX;
    return now_ms > synced_ms ? now_ms - synced_ms : 0;
}

void muster_watch_close(struct muster_watch *watch) {
    if (watch == NULL || client_is_inherited(watch->client)) return;
    atomic_store(&watch->is_closed, true);
    dispatcher_wait_idle(watch->dispatcher, &watch->task);
    dispatcher_cancel(watch->dispatcher, &watch->task);
}
