/* The keepalive: a thread that beats for sessions. */
#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"
#include "common/waiting.h"
#include "options.h"
#include "sessions.h"

#include <stdlib.h>

enum {
    ISOLATIONS_MAX = 16, /* sessions a turn that are looked for one by one among those that a node refused */
};

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000 };

struct muster_keepalive {
    struct muster_client *client;
    struct muster_keepalive *client_next; /* guarded by the client's mutex */
    muster_keepalive_callback *trouble;
    void *arg;
    uint32_t ttl_ms; /* asked for; 0: the server's default */
    pthread_t thread;

    pthread_mutex_t mutex; /* guards sessions, is_stopping, leaves_all */
    pthread_cond_t changed;
    struct sessions sessions;
    bool is_stopping, leaves_all;

    /* Of the thread alone. */
    uint32_t ttl_in_force_ms;
    uint64_t stamp;                 /* the greatest that a touch was answered */
    uint64_t connection;            /* that was used last; 0: none yet */
    size_t batch_max;               /* less than SESSIONS_BATCH_MAX while a session that is refused is looked for */
    unsigned isolations;            /* left for this turn */
    uint64_t turn_until_ms;         /* when they are filled up again */
    struct rounds rounds;           /* since the last batch that a node took */
    uint64_t failing_since_ms;      /* since the last success or report; 0: nothing has failed since */
    uint64_t resume_ms;             /* no touch is sent before */
    struct muster_error last_error; /* of a leave */
    struct muster_beat beats[SESSIONS_BATCH_MAX];
    bool refreshes[SESSIONS_BATCH_MAX]; /* by beat */
    struct muster_departure departures[SESSIONS_BATCH_MAX];
};

/* ---- waking ------------------------------------------------------------------------------------------------------ */

void keepalive_wake(struct muster_keepalive *keepalive) {
    pthread_mutex_lock(&keepalive->mutex);
    pthread_cond_signal(&keepalive->changed);
    pthread_mutex_unlock(&keepalive->mutex);
}

struct muster_keepalive *keepalive_next(const struct muster_keepalive *keepalive) {
    return keepalive->client_next;
}

static void client_add(struct muster_client *client, struct muster_keepalive *keepalive) {
    pthread_mutex_lock(&client->mutex);
    keepalive->client_next = client->keepalives;
    client->keepalives = keepalive;
    pthread_mutex_unlock(&client->mutex);
}

static void client_remove(struct muster_client *client, struct muster_keepalive *keepalive) {
    pthread_mutex_lock(&client->mutex);
    struct muster_keepalive **at = &client->keepalives;
    while (*at != keepalive) at = &(*at)->client_next;
    *at = keepalive->client_next;
    pthread_mutex_unlock(&client->mutex);
}

/* ---- sending: on the thread, without the mutex  --------------------------------------------------------------- */

/* An attempt without an answer for this long is given up: the next one encodes what is so then. */
static uint32_t half_ttl_ms(const struct muster_keepalive *keepalive) {
    return keepalive->ttl_in_force_ms / 2;
}

/* Short beside the TTL: an attempt that succeeds after a back-off is still in time. */
static struct backoff keepalive_backoff(const struct muster_keepalive *keepalive) {
    uint32_t most_ms = keepalive->ttl_in_force_ms / 6;
    return (struct backoff){BACKOFF_MIN_MS, most_ms < BACKOFF_MAX_MS ? most_ms : BACKOFF_MAX_MS};
}

static struct call *keepalive_call(struct muster_keepalive *keepalive, enum reply_kind kind,
                                   struct muster_error *error) {
    struct call *call = call_take(keepalive->client, false, error);
    if (call == NULL) return NULL;
    call->attempt->answer = (struct answer){.kind = kind};
    if (call->timeout_ms > half_ttl_ms(keepalive)) call->timeout_ms = half_ttl_ms(keepalive);
    return call;
}

static void report_trouble(struct muster_keepalive *keepalive, const struct muster_keepalive_trouble *trouble) {
    if (keepalive->trouble != NULL) keepalive->trouble(keepalive->arg, trouble);
}

/* A batch that failed stays due, and is encoded anew for the next attempt. The failure is reported if no node has taken
 * a batch for half a TTL, or if another node would do no better. */
static void touch_failed(struct muster_keepalive *keepalive, size_t count, enum attempt_status status,
                         uint64_t began_ms, uint32_t wait_ms, const struct muster_error *error) {
    uint64_t now_ms = monotonic_ms();
    keepalive->resume_ms = now_ms + wait_ms;
    pthread_mutex_lock(&keepalive->mutex);
    sessions_put_back(&keepalive->sessions);
    pthread_mutex_unlock(&keepalive->mutex);
    if (keepalive->failing_since_ms == 0) keepalive->failing_since_ms = began_ms;
    if (status == ATTEMPT_FAILED && now_ms - keepalive->failing_since_ms < half_ttl_ms(keepalive)) return;
    keepalive->failing_since_ms = 0;
    report_trouble(keepalive, &(struct muster_keepalive_trouble){.error = *error, .sessions = count});
}

/* The names of a batch's first session, copied for the callback: the session may be removed meanwhile. */
struct names {
    char scope[MUSTER_ID_BYTES_MAX + 1], user[MUSTER_ID_BYTES_MAX + 1], session[MUSTER_ID_BYTES_MAX + 1];
};

static void touch_is_refused_alone(struct muster_keepalive *keepalive, const struct names *names,
                                   const struct muster_error *error) {
    keepalive->isolations--;
    pthread_mutex_lock(&keepalive->mutex);
    sessions_sent(&keepalive->sessions); /* it is tried again in its next turn */
    pthread_mutex_unlock(&keepalive->mutex);
    report_trouble(
        keepalive,
        &(struct muster_keepalive_trouble){
            .error = *error, .sessions = 1, .scope = names->scope, .user = names->user, .session = names->session});
}

/* A node refuses a request as a whole. The session at fault is found by halving the batch, for a few sessions a turn.
 */
static void touch_is_refused(struct muster_keepalive *keepalive, size_t count, const struct names *names,
                             const struct muster_error *error) {
    if (keepalive->isolations == 0) {
        keepalive->batch_max = SESSIONS_BATCH_MAX;
        pthread_mutex_lock(&keepalive->mutex);
        sessions_sent(&keepalive->sessions);
        pthread_mutex_unlock(&keepalive->mutex);
        report_trouble(keepalive, &(struct muster_keepalive_trouble){.error = *error, .sessions = count});
        return;
    }
    if (count == 1) {
        touch_is_refused_alone(keepalive, names, error);
        return;
    }
    keepalive->batch_max = count / 2;
    pthread_mutex_lock(&keepalive->mutex);
    sessions_put_back(&keepalive->sessions);
    pthread_mutex_unlock(&keepalive->mutex);
}

static void touch_is_done(struct muster_keepalive *keepalive, const struct touched *touched) {
    if (touched->stamp > keepalive->stamp) keepalive->stamp = touched->stamp;
    keepalive->rounds = (struct rounds){0};
    keepalive->failing_since_ms = 0;
    if (keepalive->batch_max < SESSIONS_BATCH_MAX) keepalive->batch_max *= 2;
    if (keepalive->batch_max > SESSIONS_BATCH_MAX) keepalive->batch_max = SESSIONS_BATCH_MAX;
    pthread_mutex_lock(&keepalive->mutex);
    if (touched->ttl_ms >= MUSTER_TTL_MIN_MS) {
        keepalive->ttl_in_force_ms = touched->ttl_ms;
        sessions_set_ttl(&keepalive->sessions, touched->ttl_ms, monotonic_ms());
    }
    sessions_told(&keepalive->sessions, touched->unknown, touched->unknown_count, monotonic_ms());
    pthread_mutex_unlock(&keepalive->mutex);
}

static bool is_refusal(const struct muster_error *error) {
    return error->is_answer && (error->code == MUSTER_INVALID_ARGUMENT || error->code == MUSTER_RESOURCE_EXHAUSTED ||
                                error->code == MUSTER_PERMISSION_DENIED);
}

/* Takes a batch and encodes it. Returns its number of sessions. The first one's scope is the request's, and left out of
 * the beats that share it. */
static size_t encode_touch(struct muster_keepalive *keepalive, struct request *request, struct names *names,
                           struct muster_error *error) {
    struct muster_beat *beats = keepalive->beats;
    pthread_mutex_lock(&keepalive->mutex);
    size_t count = sessions_take(&keepalive->sessions, keepalive->batch_max, beats, keepalive->refreshes);
    client_error_none(error);
    if (count != 0) {
        const char *scope = beats[0].scope;
        strcpy(names->scope, scope);
        strcpy(names->user, beats[0].user);
        strcpy(names->session, beats[0].session);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(beats[i].scope, scope) == 0) beats[i].scope = NULL;
        }
        request_beats(request, keepalive->client->token, scope, keepalive->ttl_ms, beats, count,
                      (struct refreshes){.some = keepalive->refreshes}, error);
    }
    pthread_mutex_unlock(&keepalive->mutex);
    return count;
}

/* One attempt at one node. Nothing is kept of it: a later attempt encodes its beats anew. */
static void send_touch(struct muster_keepalive *keepalive) {
    struct muster_error error;
    struct names names;
    uint64_t began_ms = monotonic_ms();
    struct backoff backoff = keepalive_backoff(keepalive);
    uint32_t wait_ms = backoff.max_ms;
    struct call *call = keepalive_call(keepalive, REPLY_TOUCH, &error);
    if (call == NULL) {
        touch_failed(keepalive, 0, ATTEMPT_IMPOSSIBLE, began_ms, wait_ms, &error);
        return;
    }
    enum attempt_status status = ATTEMPT_IMPOSSIBLE;
    size_t count = encode_touch(keepalive, &call->attempt->request, &names, &error);
    if (count != 0 && error.code == MUSTER_OK) {
        call->attempt->answer.expected = count;
        call->attempt->answer.indexes = &call->indexes;
        call_begin(call);
        status = call_try(call, &keepalive->rounds, backoff, &wait_ms);
        error = call->attempt->error;
        if (status == ATTEMPT_ANSWERED && error.code != MUSTER_OK) /* another node may see it otherwise */
            wait_ms = rounds_note_failure(&keepalive->rounds, call->client, call->attempt->node, backoff);
    }
    bool is_done = count != 0 && status == ATTEMPT_ANSWERED && error.code == MUSTER_OK;
    if (is_done) touch_is_done(keepalive, &call->attempt->answer.small.touched);
    call_give(call);
    if (count == 0 || is_done) return;
    if (is_refusal(&error)) touch_is_refused(keepalive, count, &names, &error);
    else touch_failed(keepalive, count, status, began_ms, wait_ms, &error);
}

/* Sends the next batch of leaves, which is forgotten in any case. False: it failed. */
static bool send_leave(struct muster_keepalive *keepalive) {
    struct muster_error *error = &keepalive->last_error;
    uint32_t linger_ms = 0;
    size_t count = 0;
    struct call *call = keepalive_call(keepalive, REPLY_LEAVE, error);
    pthread_mutex_lock(&keepalive->mutex);
    count = sessions_leaving(&keepalive->sessions, SESSIONS_BATCH_MAX, keepalive->departures, &linger_ms);
    if (call != NULL)
        request_leave(&call->attempt->request, keepalive->client->token, NULL, keepalive->departures, count, linger_ms,
                      keepalive->stamp, error);
    sessions_left(&keepalive->sessions, count);
    pthread_mutex_unlock(&keepalive->mutex);
    if (call != NULL && error->code == MUSTER_OK) call_run(call, error);
    if (call != NULL) call_give(call);
    if (error->code == MUSTER_OK) return true;
    report_trouble(keepalive, &(struct muster_keepalive_trouble){.error = *error, .sessions = count, .is_leave = true});
    return false;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

enum action { ACTION_STOP, ACTION_LEAVE, ACTION_TOUCH };

/* Where calls go over another connection than before, what the node at its end knows is uncertain: all sessions are
 * due. A refresh will do for those that the cluster has known for a TTL: where the node has not heard of them since, it
 * does not know them, and says so. Under the mutex. */
static void notice_connection(struct muster_keepalive *keepalive) {
    uint64_t connection = client_connection(keepalive->client);
    if (connection == 0 || connection == keepalive->connection) return;
    if (keepalive->connection != 0) {
        uint64_t now_ms = monotonic_ms();
        uint32_t ttl_ms = keepalive->ttl_in_force_ms;
        sessions_all_due(&keepalive->sessions, now_ms > ttl_ms ? now_ms - ttl_ms : 0);
        keepalive->resume_ms = 0;
    }
    keepalive->connection = connection;
}

/* Waits until there is something to do, and returns what. Leaves go first: a session that was removed and added again
 * is live in the end. */
static enum action next_action(struct muster_keepalive *keepalive) {
    struct sessions *sessions = &keepalive->sessions;
    pthread_mutex_lock(&keepalive->mutex);
    enum action action;
    for (;;) {
        uint64_t now_ms = monotonic_ms();
        notice_connection(keepalive);
        sessions_turn(sessions, now_ms);
        if (now_ms >= keepalive->turn_until_ms) {
            keepalive->turn_until_ms = now_ms + keepalive->ttl_in_force_ms / 3;
            keepalive->isolations = ISOLATIONS_MAX;
        }
        action = keepalive->is_stopping ? ACTION_STOP : ACTION_LEAVE;
        if (keepalive->is_stopping || sessions_has_leaving(sessions)) break;
        action = ACTION_TOUCH;
        bool is_due = sessions_has_due(sessions);
        if (is_due && now_ms >= keepalive->resume_ms) break;
        uint64_t until_ms = is_due ? keepalive->resume_ms : sessions->next_ms;
        if (is_due || sessions->count != 0) waiting_until(&keepalive->changed, &keepalive->mutex, until_ms * 1000);
        else pthread_cond_wait(&keepalive->changed, &keepalive->mutex);
    }
    pthread_mutex_unlock(&keepalive->mutex);
    return action;
}

/* Sends the leaves that are left, until one fails or the client's timeout is over. */
static void send_last_leaves(struct muster_keepalive *keepalive) {
    uint64_t until_ms = monotonic_ms() + keepalive->client->timeout_ms;
    client_error_none(&keepalive->last_error);
    pthread_mutex_lock(&keepalive->mutex);
    if (keepalive->leaves_all) sessions_remove_all(&keepalive->sessions);
    bool has_leaving = sessions_has_leaving(&keepalive->sessions);
    pthread_mutex_unlock(&keepalive->mutex);
    while (has_leaving && send_leave(keepalive)) {
        pthread_mutex_lock(&keepalive->mutex);
        has_leaving = sessions_has_leaving(&keepalive->sessions);
        pthread_mutex_unlock(&keepalive->mutex);
        if (!has_leaving || monotonic_ms() < until_ms) continue;
        client_error_set(&keepalive->last_error, MUSTER_DEADLINE_EXCEEDED, "leaves: not all could be told within %u ms",
                         keepalive->client->timeout_ms);
        return;
    }
}

static void *keepalive_thread(void *arg) {
    struct muster_keepalive *keepalive = arg;
    for (;;) {
        switch (next_action(keepalive)) {
        case ACTION_STOP:
            send_last_leaves(keepalive);
            return NULL;
        case ACTION_LEAVE:
            send_leave(keepalive);
            break;
        case ACTION_TOUCH:
            send_touch(keepalive);
            break;
        }
    }
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static struct muster_keepalive *keepalive_new(struct muster_client *client,
                                              const struct muster_keepalive_options *options) {
    struct muster_keepalive *keepalive = calloc(1, sizeof *keepalive);
    if (keepalive == NULL) return NULL;
    keepalive->client = client;
    keepalive->trouble = options->trouble;
    keepalive->arg = options->arg;
    keepalive->ttl_ms = options->ttl_ms;
    keepalive->ttl_in_force_ms = options->ttl_ms != 0 ? options->ttl_ms : MUSTER_TTL_DEFAULT_MS;
    keepalive->batch_max = SESSIONS_BATCH_MAX;
    if (pthread_mutex_init(&keepalive->mutex, NULL) != 0) goto fail_keepalive;
    if (!waiting_init(&keepalive->changed)) goto fail_mutex;
    sessions_init(&keepalive->sessions, keepalive->ttl_in_force_ms, client_random(client, SESSIONS_SLOTS),
                  monotonic_ms());
    return keepalive;
fail_mutex:
    pthread_mutex_destroy(&keepalive->mutex);
fail_keepalive:
    free(keepalive);
    return NULL;
}

static void keepalive_free(struct muster_keepalive *keepalive) {
    sessions_free(&keepalive->sessions);
    pthread_cond_destroy(&keepalive->changed);
    pthread_mutex_destroy(&keepalive->mutex);
    free(keepalive);
}

enum muster_code muster_keepalive_open_sized(struct muster_client *client,
                                             const struct muster_keepalive_options *options, size_t options_size,
                                             struct muster_keepalive **keepalive, struct muster_error *error) {
    struct muster_keepalive_options known;
    *keepalive = NULL;
    enum muster_code code = options_copy(&known, sizeof known, options, options_size, error);
    if (code != MUSTER_OK) return code;
    if (client_is_inherited(client)) return client_error_inherited(error);
    if (known.ttl_ms != 0 && (known.ttl_ms < MUSTER_TTL_MIN_MS || known.ttl_ms > MUSTER_TTL_MAX_MS))
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "ttl_ms: %u, %d to %d", known.ttl_ms, MUSTER_TTL_MIN_MS,
                                MUSTER_TTL_MAX_MS);
    struct muster_keepalive *made = keepalive_new(client, &known);
    if (made == NULL) return client_error_no_memory(error);
    client_add(client, made);
    if (thread_start(&made->thread, keepalive_thread, made) != 0) {
        client_remove(client, made);
        keepalive_free(made);
        return client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "the system has no room for more threads");
    }
    *keepalive = made;
    return client_error_none(error);
}

enum muster_code muster_keepalive_close(struct muster_keepalive *keepalive, bool leave_all,
                                        struct muster_error *error) {
    if (keepalive == NULL) return client_error_none(error);
    if (client_is_inherited(keepalive->client)) return client_error_inherited(error);
    pthread_mutex_lock(&keepalive->mutex);
    keepalive->is_stopping = true;
    keepalive->leaves_all = leave_all;
    pthread_cond_signal(&keepalive->changed);
    pthread_mutex_unlock(&keepalive->mutex);
    pthread_join(keepalive->thread, NULL);
    client_remove(keepalive->client, keepalive);
    enum muster_code code = keepalive->last_error.code;
    if (error != NULL) *error = keepalive->last_error;
    keepalive_free(keepalive);
    return code;
}

/* ---- its sessions ------------------------------------------------------------------------------------------------ */

static const char *text_or_empty(const char *string) {
    return string == NULL ? "" : string;
}

static const char *scope_or_default(const char *scope) {
    return scope == NULL || scope[0] == '\0' ? MUSTER_SCOPE_DEFAULT : scope;
}

/* Under the mutex. */
static enum muster_code put_session(struct muster_keepalive *keepalive, struct session *found,
                                    const struct muster_beat *beat, struct muster_error *error) {
    struct sessions *sessions = &keepalive->sessions;
    bool was_empty = !sessions_has_due(sessions);
    bool is_put = found != NULL
                      ? sessions_update(sessions, found, beat->status, beat->state, beat->state_len)
                      : sessions_add(sessions, scope_or_default(beat->scope), beat->user, text_or_empty(beat->session),
                                     beat->status, beat->state, beat->state_len) != NULL;
    if (!is_put) return client_error_no_memory(error);
    if (was_empty) pthread_cond_signal(&keepalive->changed);
    return client_error_none(error);
}

static enum muster_code put_checked_session(struct muster_keepalive *keepalive, const struct muster_beat *beat,
                                            bool is_update, struct muster_error *error) {
    enum muster_code code = check_beat(beat, error);
    if (code != MUSTER_OK) return code;
    if (client_is_inherited(keepalive->client)) return client_error_inherited(error);
    pthread_mutex_lock(&keepalive->mutex);
    struct session *found =
        sessions_find(&keepalive->sessions, scope_or_default(beat->scope), beat->user, text_or_empty(beat->session));
    if (found == NULL && is_update) code = client_error_set(error, MUSTER_NOT_FOUND, "session: was not added");
    else code = put_session(keepalive, found, beat, error);
    pthread_mutex_unlock(&keepalive->mutex);
    return code;
}

enum muster_code muster_keepalive_add(struct muster_keepalive *keepalive, const char *scope, const char *user,
                                      const char *session, enum muster_status status, const void *state,
                                      size_t state_len, struct muster_error *error) {
    struct muster_beat beat = {
        .scope = scope, .user = user, .session = session, .status = status, .state = state, .state_len = state_len};
    return put_checked_session(keepalive, &beat, false, error);
}

enum muster_code muster_keepalive_update(struct muster_keepalive *keepalive, const char *scope, const char *user,
                                         const char *session, enum muster_status status, const void *state,
                                         size_t state_len, struct muster_error *error) {
    struct muster_beat beat = {
        .scope = scope, .user = user, .session = session, .status = status, .state = state, .state_len = state_len};
    return put_checked_session(keepalive, &beat, true, error);
}

enum muster_code muster_keepalive_remove(struct muster_keepalive *keepalive, const char *scope, const char *user,
                                         const char *session, uint32_t linger_ms, struct muster_error *error) {
    struct muster_beat beat = {.scope = scope, .user = user, .session = session};
    enum muster_code code = check_beat(&beat, error);
    if (code != MUSTER_OK) return code;
    if (linger_ms > MUSTER_LINGER_MAX_MS)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "linger_ms: %u, at most %d", linger_ms,
                                MUSTER_LINGER_MAX_MS);
    if (client_is_inherited(keepalive->client)) return client_error_inherited(error);
    pthread_mutex_lock(&keepalive->mutex);
    struct session *found = sessions_find(&keepalive->sessions, scope_or_default(scope), user, text_or_empty(session));
    if (found != NULL) sessions_remove(&keepalive->sessions, found, linger_ms);
    if (found != NULL) pthread_cond_signal(&keepalive->changed);
    pthread_mutex_unlock(&keepalive->mutex);
    return found != NULL ? client_error_none(error)
                         : client_error_set(error, MUSTER_NOT_FOUND, "session: was not added");
}

size_t muster_keepalive_count(struct muster_keepalive *keepalive) {
    if (client_is_inherited(keepalive->client)) return 0;
    pthread_mutex_lock(&keepalive->mutex);
    size_t count = keepalive->sessions.count;
    pthread_mutex_unlock(&keepalive->mutex);
    return count;
}
