#include "attempt.h"

#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"
#include "common/waiting.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNCONNECTED_ATTEMPT_MS = 200, COPY_BYTES_KEPT = 64 * 1024 };

static void attempt_timer_fired(struct timer *timer);

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

static void client_add_attempt(struct muster_client *client, struct attempt *attempt) {
    pthread_mutex_lock(&client->mutex);
    attempt->next = client->attempts;
    client->attempts = attempt;
    pthread_mutex_unlock(&client->mutex);
}

/* A blocking attempt has a condition variable, and its thread keeps the time; an asynchronous one has a timer. */
static bool attempt_init(struct attempt *attempt) {
    struct io *io = &attempt->client->io;
    if (attempt->ended == NULL) return waiting_init(&attempt->changed);
    attempt->timer.fired = attempt_timer_fired;
    pthread_mutex_lock(&io->mutex);
    bool is_reserved = timers_reserve(&io->timers);
    pthread_mutex_unlock(&io->mutex);
    return is_reserved;
}

struct attempt *attempt_new(struct muster_client *client, attempt_ended *ended, void *arg) {
    struct attempt *attempt = calloc(1, sizeof *attempt);
    if (attempt == NULL) return NULL;
    attempt->client = client;
    attempt->ended = ended;
    attempt->arg = arg;
    if (!attempt_init(attempt)) {
        free(attempt);
        return NULL;
    }
    client_add_attempt(client, attempt);
    return attempt;
}

struct attempt *attempt_take(struct muster_client *client, attempt_ended *ended, void *arg) {
    assert(ended != NULL);
    pthread_mutex_lock(&client->mutex);
    struct attempt *attempt = client->free_attempts;
    if (attempt != NULL) client->free_attempts = attempt->next_free;
    pthread_mutex_unlock(&client->mutex);
    if (attempt == NULL) return attempt_new(client, ended, arg);
    attempt->ended = ended;
    attempt->arg = arg;
    return attempt;
}

void attempt_give(struct attempt *attempt) {
    struct muster_client *client = attempt->client;
    assert(attempt->phase == ATTEMPT_IDLE);
    pthread_mutex_lock(&client->mutex);
    attempt->next_free = client->free_attempts;
    client->free_attempts = attempt;
    pthread_mutex_unlock(&client->mutex);
}

void attempt_free(struct attempt *attempt) {
    if (attempt->ended == NULL) pthread_cond_destroy(&attempt->changed);
    request_free(&attempt->request);
    free(attempt->copy);
    free(attempt);
}

uint64_t attempt_share_ms(struct muster_client *client, unsigned node, uint32_t timeout_ms, uint64_t deadline_ms,
                          uint64_t now_ms) {
    if (client->node_count == 1) return deadline_ms;
    uint32_t attempt_ms = client->attempt_ms;
    if (timeout_ms < client->timeout_ms && attempt_ms > timeout_ms / 2) attempt_ms = timeout_ms / 2;
    if (!node_is_connected(&client->nodes[node]) && attempt_ms > UNCONNECTED_ATTEMPT_MS)
        attempt_ms = UNCONNECTED_ATTEMPT_MS;
    uint64_t until_ms = now_ms + attempt_ms;
    return until_ms < deadline_ms ? until_ms : deadline_ms;
}

/* ---- phases: under the mutex ------------------------------------------------------------------------------------- */

static void attempt_enter(struct attempt *attempt, enum attempt_phase phase) {
    static const uint8_t may_enter[] = {
        [ATTEMPT_IDLE] = 1u << ATTEMPT_SENDING,
        [ATTEMPT_SENDING] = 1u << ATTEMPT_RECEIVING | 1u << ATTEMPT_ENDING | 1u << ATTEMPT_ENDED,
        [ATTEMPT_RECEIVING] = 1u << ATTEMPT_ENDING | 1u << ATTEMPT_ENDED,
        [ATTEMPT_ENDING] = 1u << ATTEMPT_IDLE | 1u << ATTEMPT_ENDED,
        [ATTEMPT_ENDED] = 1u << ATTEMPT_IDLE,
    };
    assert((may_enter[attempt->phase] & 1u << phase) != 0);
    attempt->phase = phase;
}

static struct node *attempt_node(const struct attempt *attempt) {
    return &attempt->client->nodes[attempt->node];
}

static bool attempt_is_under_way(const struct attempt *attempt) {
    return attempt->phase == ATTEMPT_SENDING || attempt->phase == ATTEMPT_RECEIVING;
}

static bool is_asynchronous(const struct attempt *attempt) {
    return attempt->ended != NULL;
}

static uint64_t attempt_until_ms(const struct attempt *attempt) {
    return attempt->phase == ATTEMPT_SENDING ? attempt->send_until_ms : attempt->answer_until_ms;
}

/* Its error is set. It is in no list any more. */
static void attempt_end(struct attempt *attempt, enum attempt_status status) {
    struct io *io = &attempt->client->io;
    attempt->status = status;
    if (status == ATTEMPT_FAILED) node_avoid(attempt_node(attempt), monotonic_ms());
    if (is_asynchronous(attempt)) {
        timers_clear(&io->timers, &attempt->timer);
        attempt_enter(attempt, ATTEMPT_ENDING);
        io_add_ended(io, attempt);
        return;
    }
    attempt_enter(attempt, ATTEMPT_ENDED);
    pthread_cond_signal(&attempt->changed);
}

static void attempt_take_out(struct attempt *attempt) {
    struct node *node = attempt_node(attempt);
    if (attempt->phase == ATTEMPT_SENDING) node_unqueue(node, attempt);
    else (void)pending_take(&node->pending, attempt->id);
}

void attempt_end_no_memory(struct attempt *attempt) {
    attempt_take_out(attempt);
    client_error_no_memory(&attempt->error);
    attempt_end(attempt, ATTEMPT_IMPOSSIBLE);
}

static void attempt_end_cancelled(struct attempt *attempt) {
    attempt_take_out(attempt);
    client_error_set(&attempt->error, MUSTER_CANCELLED, "the client is closing");
    attempt_end(attempt, ATTEMPT_CANCELLED);
}

void attempt_end_broken(struct attempt *attempt, const struct error *why) {
    client_error_set(&attempt->error, MUSTER_UNAVAILABLE, "node %s: the connection broke off: %s",
                     attempt_node(attempt)->endpoint.address, why->text);
    attempt_end(attempt, ATTEMPT_FAILED);
}

static void say_span(char *text, size_t size, uint64_t ms) {
    bool is_seconds = ms >= 1000 && ms % 1000 < 50;
    snprintf(text, size, is_seconds ? "%llu s" : "%llu ms", (unsigned long long)(is_seconds ? ms / 1000 : ms));
}

void attempt_time_out(struct attempt *attempt, uint64_t now_ms) {
    struct node *node = attempt_node(attempt);
    char text[ERROR_TEXT_BYTES];
    attempt_take_out(attempt);
    if (attempt->phase == ATTEMPT_SENDING) {
        node_say_trouble(node, text, sizeof text);
        client_error_set(&attempt->error, MUSTER_UNAVAILABLE, "node %s: %s", node->endpoint.address, text);
    } else {
        say_span(text, sizeof text, now_ms - attempt->started_ms);
        client_error_set(&attempt->error, MUSTER_DEADLINE_EXCEEDED, "node %s: no answer within %s",
                         node->endpoint.address, text);
        node_reconnect_if_silent(node, attempt->started_ms, now_ms);
    }
    attempt_end(attempt, ATTEMPT_FAILED);
}

static void attempt_timer_fired(struct timer *timer) {
    struct attempt *attempt = (struct attempt *)timer;
    if (attempt_is_under_way(attempt)) attempt_time_out(attempt, monotonic_ms());
}

void attempt_is_sent(struct attempt *attempt, uint32_t id, uint64_t now_ms) {
    attempt->id = id;
    attempt_enter(attempt, ATTEMPT_RECEIVING);
    if (attempt->answer_until_ms == 0) attempt->answer_until_ms = now_ms + attempt->answer_ms;
    if (is_asynchronous(attempt)) io_set_timer(&attempt->client->io, &attempt->timer, attempt->answer_until_ms);
}

void attempt_is_answered(struct attempt *attempt, struct text reply) {
    attempt_enter(attempt, ATTEMPT_ENDING);
    if (is_asynchronous(attempt)) timers_clear(&attempt->client->io.timers, &attempt->timer);
    attempt->status = ATTEMPT_ANSWERED;
    attempt->reply = reply;
    attempt->after = NULL;
}

/* ---- starting, waiting, cancelling ------------------------------------------------------------------------------- */

void attempt_start(struct attempt *attempt, unsigned node) {
    struct io *io = &attempt->client->io;
    assert(node < attempt->client->node_count);
    attempt->node = node;
    attempt->started_ms = monotonic_ms();
    pthread_mutex_lock(&io->mutex);
    attempt_enter(attempt, ATTEMPT_SENDING);
    node_queue(attempt_node(attempt), attempt);
    if (is_asynchronous(attempt)) io_set_timer(io, &attempt->timer, attempt->send_until_ms);
    /* The I/O thread writes the requests of all callbacks that it calls in one go. */
    if (io_is_own_thread(io)) io_wake(io);
    else node_flush(attempt_node(attempt));
    pthread_mutex_unlock(&io->mutex);
}

/* What a node answered. */
static enum attempt_status attempt_decode(struct attempt *attempt) {
    enum muster_code code = reply_decode(attempt->reply, &attempt->answer, &attempt->error);
    if (code != MUSTER_UNAVAILABLE) return ATTEMPT_ANSWERED;
    node_avoid(attempt_node(attempt), monotonic_ms());
    return ATTEMPT_FAILED;
}

static void copy_trim(struct attempt *attempt) {
    if (attempt->copy_capacity <= COPY_BYTES_KEPT) return;
    free(attempt->copy);
    attempt->copy = NULL;
    attempt->copy_capacity = 0;
}

enum attempt_status attempt_wait(struct attempt *attempt) {
    struct io *io = &attempt->client->io;
    pthread_mutex_lock(&io->mutex);
    while (attempt->phase != ATTEMPT_ENDED) {
        uint64_t until_ms = attempt_until_ms(attempt), now_ms = monotonic_ms();
        if (attempt->phase == ATTEMPT_ENDING) pthread_cond_wait(&attempt->changed, &io->mutex);
        else if (now_ms >= until_ms) attempt_time_out(attempt, now_ms);
        else waiting_until(&attempt->changed, &io->mutex, until_ms * 1000);
    }
    attempt_enter(attempt, ATTEMPT_IDLE);
    enum attempt_status status = attempt->status;
    pthread_mutex_unlock(&io->mutex);
    if (status == ATTEMPT_ANSWERED) status = attempt_decode(attempt);
    copy_trim(attempt);
    return status;
}

void attempt_cancel(struct attempt *attempt) {
    struct io *io = &attempt->client->io;
    pthread_mutex_lock(&io->mutex);
    if (attempt_is_under_way(attempt)) attempt_end_cancelled(attempt);
    pthread_mutex_unlock(&io->mutex);
}

void attempt_cancel_send(struct attempt *attempt) {
    struct io *io = &attempt->client->io;
    pthread_mutex_lock(&io->mutex);
    if (attempt->phase == ATTEMPT_SENDING) attempt_end_cancelled(attempt);
    pthread_mutex_unlock(&io->mutex);
}

/* ---- delivering: on the I/O thread, without the mutex ------------------------------------------------------------ */

/* A blocking attempt is decoded by its own thread, from a copy: this thread has others to serve. */
static void attempt_copy_reply(struct attempt *attempt) {
    struct text reply = attempt->reply;
    if (reply.len > attempt->copy_capacity) {
        uint8_t *copy = realloc(attempt->copy, reply.len);
        if (copy == NULL) {
            client_error_no_memory(&attempt->error);
            attempt->status = ATTEMPT_IMPOSSIBLE;
            return;
        }
        attempt->copy = copy;
        attempt->copy_capacity = reply.len;
    }
    if (reply.len != 0) memcpy(attempt->copy, reply.data, reply.len);
    attempt->reply = (struct text){(const char *)attempt->copy, reply.len};
}

static void attempt_tell_thread(struct attempt *attempt) {
    struct io *io = &attempt->client->io;
    attempt_copy_reply(attempt);
    pthread_mutex_lock(&io->mutex);
    attempt_enter(attempt, ATTEMPT_ENDED);
    pthread_cond_signal(&attempt->changed);
    pthread_mutex_unlock(&io->mutex);
}

static void attempt_tell_owner(struct attempt *attempt) {
    struct io *io = &attempt->client->io;
    enum attempt_status status = attempt->status;
    if (status == ATTEMPT_ANSWERED) status = attempt_decode(attempt);
    pthread_mutex_lock(&io->mutex);
    attempt_enter(attempt, ATTEMPT_IDLE);
    pthread_mutex_unlock(&io->mutex);
    attempt->ended(attempt, status);
}

/* Threads that wait come before callbacks, which may take their time. */
void attempts_deliver(struct attempt *first) {
    struct attempt *callbacks = NULL, **end = &callbacks;
    for (struct attempt *attempt = first, *after; attempt != NULL; attempt = after) {
        after = attempt->after;
        if (!is_asynchronous(attempt)) {
            attempt_tell_thread(attempt);
            continue;
        }
        *end = attempt;
        end = &attempt->after;
    }
    *end = NULL;
    for (struct attempt *attempt = callbacks, *after; attempt != NULL; attempt = after) {
        after = attempt->after;
        attempt_tell_owner(attempt);
    }
}
