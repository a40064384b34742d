#include "attempt.h"

#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"

#include <assert.h>
#include <stdlib.h>

enum { UNCONNECTED_ATTEMPT_MS = 200 };

static void attempt_callback(void *arg);

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

static void client_add_attempt(struct muster_client *client, struct attempt *attempt) {
    pthread_mutex_lock(&client->mutex);
    attempt->next = client->attempts;
    client->attempts = attempt;
    pthread_mutex_unlock(&client->mutex);
}

struct attempt *attempt_new(struct muster_client *client, attempt_ended *ended, void *arg) {
    struct attempt *attempt = calloc(1, sizeof *attempt);
    if (attempt == NULL) return NULL;
    attempt->client = client;
    attempt->ended = ended;
    attempt->arg = arg;
    bool is_async = ended != NULL;
    if (nng_aio_alloc(&attempt->aio, is_async ? attempt_callback : NULL, attempt) != 0) goto fail_attempt;
    if (is_async && nng_aio_alloc(&attempt->poll_aio, NULL, NULL) != 0) goto fail_aio;
    client_add_attempt(client, attempt);
    return attempt;
fail_aio:
    nng_aio_free(attempt->aio);
fail_attempt:
    free(attempt);
    return NULL;
}

struct attempt *attempt_take(struct muster_client *client, attempt_ended *ended, void *arg) {
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
    assert(atomic_load(&attempt->phase) == ATTEMPT_IDLE);
    pthread_mutex_lock(&client->mutex);
    attempt->next_free = client->free_attempts;
    client->free_attempts = attempt;
    pthread_mutex_unlock(&client->mutex);
}

void attempt_free(struct attempt *attempt) {
    nng_aio_free(attempt->aio);
    if (attempt->poll_aio != NULL) nng_aio_free(attempt->poll_aio);
    request_free(&attempt->request);
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

/* ---- phases ------------------------------------------------------------------------------------------------------ */

static void attempt_enter(struct attempt *attempt, enum attempt_phase phase) {
    static const uint8_t may_enter[] = {
        [ATTEMPT_IDLE] = 1u << ATTEMPT_SENDING | 1u << ATTEMPT_RECEIVING, /* a request may be sent at once */
        [ATTEMPT_SENDING] = 1u << ATTEMPT_RECEIVING | 1u << ATTEMPT_IDLE,
        [ATTEMPT_RECEIVING] = 1u << ATTEMPT_IDLE,
    };
    assert((may_enter[atomic_load(&attempt->phase)] & 1u << phase) != 0);
    atomic_store(&attempt->phase, phase);
}

static nng_duration time_left(uint64_t until_ms, uint64_t now_ms) {
    return until_ms > now_ms ? (nng_duration)(until_ms - now_ms) : 1;
}

static struct node *attempt_node(const struct attempt *attempt) {
    return &attempt->client->nodes[attempt->node];
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void attempt_receive(struct attempt *attempt) {
    uint64_t now_ms = monotonic_ms();
    attempt_enter(attempt, ATTEMPT_RECEIVING);
    uint64_t until_ms = attempt->answer_until_ms != 0 ? attempt->answer_until_ms : now_ms + attempt->answer_ms;
    nng_aio_set_timeout(attempt->aio, time_left(until_ms, now_ms));
    nng_ctx_recv(attempt->contexts[attempt->node], attempt->aio);
}

/* nng crashes where a receive is posted while its send is still queued (#1702). A send through poll_aio is never
 * queued, which saves an asynchronous attempt a turn through nng's task threads. Takes the message if it was sent. */
static bool attempt_send_at_once(struct attempt *attempt, nng_msg *message) {
    if (attempt->poll_aio == NULL) return false;
    nng_aio_set_timeout(attempt->poll_aio, NNG_DURATION_ZERO);
    nng_aio_set_msg(attempt->poll_aio, message);
    nng_ctx_send(attempt->contexts[attempt->node], attempt->poll_aio);
    nng_aio_wait(attempt->poll_aio);
    return nng_aio_result(attempt->poll_aio) == 0;
}

static enum attempt_status attempt_send(struct attempt *attempt, nng_msg *message) {
    if (attempt_send_at_once(attempt, message)) {
        attempt_receive(attempt);
        return ATTEMPT_UNDER_WAY;
    }
    attempt_enter(attempt, ATTEMPT_SENDING);
    nng_aio_set_timeout(attempt->aio, time_left(attempt->send_until_ms, attempt->started_ms));
    nng_aio_set_msg(attempt->aio, message);
    nng_ctx_send(attempt->contexts[attempt->node], attempt->aio);
    return ATTEMPT_UNDER_WAY;
}

static enum attempt_status attempt_cancelled(struct attempt *attempt) {
    client_error_set(&attempt->error, MUSTER_CANCELLED, "the client is closing");
    return ATTEMPT_CANCELLED;
}

enum attempt_status attempt_start(struct attempt *attempt, unsigned node) {
    assert(node < attempt->client->node_count && atomic_load(&attempt->phase) == ATTEMPT_IDLE);
    attempt->node = node;
    attempt->started_ms = monotonic_ms();
    nng_ctx *context = &attempt->contexts[node];
    struct text bytes = request_bytes(&attempt->request);
    nng_msg *message;
    int rv = context->id != 0 ? 0 : nng_ctx_open(context, attempt_node(attempt)->socket);
    if (rv == 0 && (rv = nng_msg_alloc(&message, bytes.len)) == 0) {
        memcpy(nng_msg_body(message), bytes.data, bytes.len);
        return attempt_send(attempt, message);
    }
    if (rv == NNG_ECLOSED) return attempt_cancelled(attempt);
    client_error_set(&attempt->error, MUSTER_RESOURCE_EXHAUSTED, "%s: %s", attempt_node(attempt)->address,
                     nng_strerror(rv));
    return ATTEMPT_IMPOSSIBLE;
}

/* ---- what came of it --------------------------------------------------------------------------------------------- */

static enum attempt_status attempt_failed(struct attempt *attempt, enum muster_code code, const char *why) {
    struct node *node = attempt_node(attempt);
    uint64_t now_ms = monotonic_ms();
    client_error_set(&attempt->error, code, "%s: %s (after %llu ms)", node->address, why,
                     (unsigned long long)(now_ms - attempt->started_ms));
    node_avoid(node, now_ms);
    return ATTEMPT_FAILED;
}

static enum attempt_status attempt_sent(struct attempt *attempt, int rv) {
    if (rv == 0) {
        attempt_receive(attempt);
        return ATTEMPT_UNDER_WAY;
    }
    attempt_enter(attempt, ATTEMPT_IDLE);
    nng_msg_free(nng_aio_get_msg(attempt->aio));
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) return attempt_cancelled(attempt);
    return attempt_failed(attempt, MUSTER_UNAVAILABLE, rv == NNG_ETIMEDOUT ? "no connection" : nng_strerror(rv));
}

static enum attempt_status attempt_received(struct attempt *attempt, int rv) {
    struct node *node = attempt_node(attempt);
    attempt_enter(attempt, ATTEMPT_IDLE);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) return attempt_cancelled(attempt);
    if (rv == NNG_ETIMEDOUT) {
        node_reconnect_if_silent(node, attempt->started_ms);
        return attempt_failed(attempt, MUSTER_DEADLINE_EXCEEDED, "no answer");
    }
    if (rv != 0) return attempt_failed(attempt, MUSTER_UNAVAILABLE, "the connection broke off");
    nng_msg *message = nng_aio_get_msg(attempt->aio);
    struct text bytes = {nng_msg_body(message), (uint32_t)nng_msg_len(message)};
    enum muster_code code = reply_decode(bytes, &attempt->answer, &attempt->error);
    nng_msg_free(message);
    uint64_t now_ms = monotonic_ms();
    atomic_store_explicit(&node->heard_ms, now_ms, memory_order_relaxed);
    if (code != MUSTER_UNAVAILABLE) return ATTEMPT_ANSWERED;
    node_avoid(node, now_ms);
    return ATTEMPT_FAILED;
}

/* The operation that was under way is done: what follows. */
static enum attempt_status attempt_advance(struct attempt *attempt) {
    int rv = nng_aio_result(attempt->aio);
    if (atomic_load(&attempt->phase) == ATTEMPT_SENDING) return attempt_sent(attempt, rv);
    return attempt_received(attempt, rv);
}

enum attempt_status attempt_wait(struct attempt *attempt) {
    enum attempt_status status;
    do {
        nng_aio_wait(attempt->aio);
        status = attempt_advance(attempt);
    } while (status == ATTEMPT_UNDER_WAY);
    return status;
}

static void attempt_callback(void *arg) {
    struct attempt *attempt = arg;
    enum attempt_status status = attempt_advance(attempt);
    if (status != ATTEMPT_UNDER_WAY) attempt->ended(attempt, status);
}

void attempt_cancel(struct attempt *attempt) {
    nng_aio_cancel(attempt->aio);
}

void attempt_cancel_send(struct attempt *attempt) {
    if (atomic_load(&attempt->phase) == ATTEMPT_SENDING) nng_aio_cancel(attempt->aio);
}
