#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"

#include <stdlib.h>

enum {
    BACKOFF_MIN_MS = 20,
    BACKOFF_MAX_MS = 1000,
    AVOID_MS = 1000,             /* a node that failed is asked last for so long, and up to as long again by chance */
    UNCONNECTED_ATTEMPT_MS = 200 /* how long a connection is waited for where another node may come first */
};

static void flight_callback(void *arg);

/* ---- taking and giving ------------------------------------------------------------------------------------------- */

static struct flight *flight_new(struct muster_client *client, bool is_async) {
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) return NULL;
    flight->client = client;
    flight->is_async = is_async;
    void (*callback)(void *) = is_async ? flight_callback : NULL;
    if (nng_aio_alloc(&flight->aio, callback, flight) != 0) goto fail_flight;
    if (nng_aio_alloc(&flight->nap_aio, callback, flight) != 0) goto fail_aio;
    if (is_async && nng_aio_alloc(&flight->poll_aio, NULL, NULL) != 0) goto fail_nap_aio;
    return flight;
fail_nap_aio:
    nng_aio_free(flight->nap_aio);
fail_aio:
    nng_aio_free(flight->aio);
fail_flight:
    free(flight);
    return NULL;
}

void flight_free(struct flight *flight) {
    nng_aio_free(flight->aio);
    nng_aio_free(flight->nap_aio);
    if (flight->poll_aio != NULL) nng_aio_free(flight->poll_aio);
    result_free(flight->own_result);
    request_free(&flight->request);
    free(flight);
}

/* Room to remember one more asynchronous flight. Under the mutex. */
static bool all_reserve(struct muster_client *client) {
    if (client->all_count < client->all_capacity) return true;
    size_t capacity = client->all_capacity == 0 ? 16 : 2 * client->all_capacity;
    struct flight **all = realloc(client->all, capacity * sizeof(struct flight *));
    if (all == NULL) return false;
    client->all = all;
    client->all_capacity = capacity;
    return true;
}

/* One that is free, or a new one. Under the mutex. */
static struct flight *reuse_async(struct muster_client *client, struct muster_error *error) {
    struct flight *flight = client->free_async;
    if (flight != NULL) {
        client->free_async = flight->next_free;
        return flight;
    }
    if (!all_reserve(client) || (flight = flight_new(client, true)) == NULL) {
        client_error_no_memory(error);
        return NULL;
    }
    client->all[client->all_count++] = flight;
    return flight;
}

static struct flight *take_async(struct muster_client *client, struct muster_error *error) {
    if (client->is_closing) {
        client_error_set(error, MUSTER_CANCELLED, "the client is closing");
        return NULL;
    }
    if (client->in_flight >= client->in_flight_max) {
        client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "in_flight_max: %u calls are in flight",
                         client->in_flight_max);
        return NULL;
    }
    struct flight *flight = reuse_async(client, error);
    if (flight != NULL) client->in_flight++;
    return flight;
}

static struct flight *take_blocking(struct muster_client *client, struct muster_error *error) {
    struct flight *flight = client->free_blocking;
    if (flight != NULL) {
        client->free_blocking = flight->next_free;
    } else if ((flight = flight_new(client, false)) == NULL) {
        client_error_no_memory(error);
    }
    return flight;
}

struct flight *flight_take(struct muster_client *client, bool is_async, struct muster_error *error) {
    pthread_mutex_lock(&client->mutex);
    struct flight *flight = is_async ? take_async(client, error) : take_blocking(client, error);
    pthread_mutex_unlock(&client->mutex);
    if (flight == NULL) return NULL;
    flight->is_bare = false;
    flight->is_kept = false;
    flight->timeout_ms = client->timeout_ms;
    return flight;
}

struct flight *flight_keep(struct muster_client *client, struct muster_error *error) {
    pthread_mutex_lock(&client->mutex);
    struct flight *flight = reuse_async(client, error);
    pthread_mutex_unlock(&client->mutex);
    if (flight == NULL) return NULL;
    flight->is_bare = true;
    flight->is_kept = true;
    return flight;
}

/* An asynchronous flight no longer counts as in flight once its answer is here, so that its callback may start another
 * in its place. */
static void flight_landed(struct flight *flight) {
    struct muster_client *client = flight->client;
    pthread_mutex_lock(&client->mutex);
    client->in_flight--;
    client->landing++;
    pthread_mutex_unlock(&client->mutex);
}

static void flight_recycle(struct flight *flight, bool was_landing) {
    struct muster_client *client = flight->client;
    pthread_mutex_lock(&client->mutex);
    struct flight **list = flight->is_async ? &client->free_async : &client->free_blocking;
    flight->next_free = *list;
    *list = flight;
    if (was_landing) client->landing--;
    else if (flight->is_async && !flight->is_kept) client->in_flight--;
    if (client->is_closing) pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

void flight_give(struct flight *flight) {
    flight_recycle(flight, false);
}

/* ---- which node -------------------------------------------------------------------------------------------------- */

unsigned client_pick(struct muster_client *client, uint32_t tried, uint64_t now_ms) {
    unsigned count = (unsigned)client->node_count;
    unsigned first = atomic_load_explicit(&client->preferred, memory_order_relaxed);
    unsigned best = first, best_rank = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (first + i) % count;
        if ((tried & 1u << at) != 0) continue;
        struct node *node = &client->nodes[at];
        bool is_avoided = atomic_load_explicit(&node->avoid_until_ms, memory_order_relaxed) > now_ms;
        unsigned rank = node_is_connected(node) ? (is_avoided ? 2 : 3) : 1;
        if (rank > best_rank) {
            best = at;
            best_rank = rank;
        }
    }
    return best;
}

static uint64_t attempt_until(const struct flight *flight, uint64_t now_ms) {
    struct muster_client *client = flight->client;
    if (client->node_count == 1) return flight->deadline_ms;
    uint32_t attempt_ms = client->attempt_ms;
    if (flight->timeout_ms < client->timeout_ms && attempt_ms > flight->timeout_ms / 2)
        attempt_ms = flight->timeout_ms / 2;
    if (!node_is_connected(&client->nodes[flight->node]) && attempt_ms > UNCONNECTED_ATTEMPT_MS)
        attempt_ms = UNCONNECTED_ATTEMPT_MS;
    uint64_t until_ms = now_ms + attempt_ms;
    return until_ms < flight->deadline_ms ? until_ms : flight->deadline_ms;
}

/* ---- one attempt ------------------------------------------------------------------------------------------------- */

/* Whether the flight has ended. Where not, an operation of its aio is under way. */
enum progress { UNDER_WAY, ENDED };

static enum progress flight_back_off(struct flight *flight, uint64_t now_ms);

static enum progress flight_cancelled(struct flight *flight) {
    client_error_set(&flight->error, MUSTER_CANCELLED, "the client is closing");
    return ENDED;
}

static nng_duration time_left(uint64_t until_ms, uint64_t now_ms) {
    return until_ms > now_ms ? (nng_duration)(until_ms - now_ms) : 1;
}

static void flight_receive(struct flight *flight) {
    flight->state = FLIGHT_RECEIVING;
    if (flight->is_kept) flight->attempt_until_ms = monotonic_ms() + flight->answer_ms;
    nng_aio_set_timeout(flight->aio, time_left(flight->attempt_until_ms, monotonic_ms()));
    nng_ctx_recv(flight->contexts[flight->node], flight->aio);
}

/* nng crashes where a receive is posted while its send is still queued (#1702): a send through the poll aio is never
 * queued, and so saves the asynchronous flight a turn through nng's task threads. Takes the message if it was sent. */
static bool flight_send_at_once(struct flight *flight, nng_msg *message) {
    if (flight->poll_aio == NULL) return false;
    nng_aio_set_timeout(flight->poll_aio, NNG_DURATION_ZERO);
    nng_aio_set_msg(flight->poll_aio, message);
    nng_ctx_send(flight->contexts[flight->node], flight->poll_aio);
    nng_aio_wait(flight->poll_aio);
    return nng_aio_result(flight->poll_aio) == 0;
}

static enum progress flight_send(struct flight *flight) {
    struct node *node = &flight->client->nodes[flight->node];
    nng_ctx *context = &flight->contexts[flight->node];
    struct text bytes = request_bytes(&flight->request);
    nng_msg *message;
    int rv = context->id != 0 ? 0 : nng_ctx_open(context, node->socket);
    if (rv == 0 && (rv = nng_msg_alloc(&message, bytes.len)) == 0) {
        memcpy(nng_msg_body(message), bytes.data, bytes.len);
        if (flight_send_at_once(flight, message)) {
            flight_receive(flight);
            return UNDER_WAY;
        }
        flight->state = FLIGHT_SENDING;
        nng_aio_set_timeout(flight->aio, time_left(flight->attempt_until_ms, flight->started_ms));
        nng_aio_set_msg(flight->aio, message);
        nng_ctx_send(*context, flight->aio);
        return UNDER_WAY;
    }
    if (rv == NNG_ECLOSED) return flight_cancelled(flight);
    client_error_set(&flight->error, MUSTER_RESOURCE_EXHAUSTED, "%s: %s", node->address, nng_strerror(rv));
    return ENDED;
}

static enum progress flight_attempt(struct flight *flight) {
    uint64_t now_ms = monotonic_ms();
    flight->node = client_pick(flight->client, flight->tried, now_ms);
    flight->started_ms = now_ms;
    flight->attempt_until_ms = attempt_until(flight, now_ms);
    return flight_send(flight);
}

/* ---- what came of it --------------------------------------------------------------------------------------------- */

/* A node that was silent for a whole attempt, on every flight: its host may be gone without a word, and the connection
 * with it. A new one is made. */
static void node_reconnect_if_silent(struct node *node, uint64_t since_ms) {
    uint32_t pipe = atomic_load_explicit(&node->pipe, memory_order_acquire);
    if (pipe == 0 || atomic_load_explicit(&node->heard_ms, memory_order_relaxed) >= since_ms) return;
    nng_pipe_close((nng_pipe){pipe});
}

/* `what` is kept as it is unless flight->error was filled already by the node's answer. */
static enum progress flight_failed(struct flight *flight, enum muster_code code, const char *what) {
    struct muster_client *client = flight->client;
    struct node *node = &client->nodes[flight->node];
    uint64_t now_ms = monotonic_ms();
    if (what != NULL) {
        unsigned long long waited = now_ms - flight->started_ms;
        client_error_set(&flight->error, code, "%s: %s (after %llu ms)", node->address, what, waited);
    }
    atomic_store_explicit(&node->avoid_until_ms, now_ms + AVOID_MS + client_random(client, AVOID_MS),
                          memory_order_relaxed);
    if (flight->is_kept) return ENDED;
    flight->tried |= 1u << flight->node;
    if (now_ms >= flight->deadline_ms) return ENDED;
    if (flight->tried != (1u << client->node_count) - 1) return flight_attempt(flight);
    return flight_back_off(flight, now_ms);
}

static enum progress flight_back_off(struct flight *flight, uint64_t now_ms) {
    struct muster_client *client = flight->client;
    uint32_t most_ms = flight->rounds < 6 ? (uint32_t)BACKOFF_MIN_MS << flight->rounds : BACKOFF_MAX_MS;
    uint32_t wait_ms = most_ms / 2 + client_random(client, most_ms / 2 + 1);
    if (flight->deadline_ms - now_ms <= wait_ms) return ENDED;
    flight->rounds++;
    flight->tried = 0;
    flight->state = FLIGHT_BACKING_OFF;
    pthread_mutex_lock(&client->mutex); /* muster_close cancels the sleeps that have begun, and lets none begin */
    bool is_closing = client->is_closing;
    flight->is_asleep = !is_closing;
    if (!is_closing) nng_sleep_aio((nng_duration)wait_ms, flight->nap_aio);
    pthread_mutex_unlock(&client->mutex);
    return is_closing ? flight_cancelled(flight) : UNDER_WAY;
}

static void flight_wakes(struct flight *flight) {
    pthread_mutex_lock(&flight->client->mutex);
    flight->is_asleep = false;
    pthread_mutex_unlock(&flight->client->mutex);
}

static enum progress flight_sent(struct flight *flight, int rv) {
    if (rv == 0) {
        flight_receive(flight);
        return UNDER_WAY;
    }
    nng_msg_free(nng_aio_get_msg(flight->aio));
    if (rv == NNG_ETIMEDOUT) return flight_failed(flight, MUSTER_UNAVAILABLE, "no connection");
    return flight_failed(flight, MUSTER_UNAVAILABLE, nng_strerror(rv));
}

static enum progress flight_received(struct flight *flight, int rv) {
    struct muster_client *client = flight->client;
    struct node *node = &client->nodes[flight->node];
    if (rv == NNG_ETIMEDOUT) {
        node_reconnect_if_silent(node, flight->started_ms);
        return flight_failed(flight, MUSTER_DEADLINE_EXCEEDED, "no answer");
    }
    if (rv != 0) return flight_failed(flight, MUSTER_UNAVAILABLE, "the connection broke off");
    nng_msg *message = nng_aio_get_msg(flight->aio);
    struct text bytes = {nng_msg_body(message), nng_msg_len(message)};
    enum muster_code code = reply_decode(bytes, &flight->answer, &flight->error);
    nng_msg_free(message);
    atomic_store_explicit(&node->heard_ms, monotonic_ms(), memory_order_relaxed);
    if (code == MUSTER_UNAVAILABLE) return flight_failed(flight, code, NULL);
    if (!flight->is_kept && atomic_load_explicit(&client->preferred, memory_order_relaxed) != flight->node)
        atomic_store_explicit(&client->preferred, flight->node, memory_order_relaxed);
    return ENDED;
}

/* The one whose operation is under way. */
static nng_aio *flight_aio(const struct flight *flight) {
    return flight->state == FLIGHT_BACKING_OFF ? flight->nap_aio : flight->aio;
}

/* The operation is done: what follows. */
static enum progress flight_advance(struct flight *flight) {
    int rv = nng_aio_result(flight_aio(flight));
    if (flight->state == FLIGHT_BACKING_OFF) flight_wakes(flight);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
        if (flight->state == FLIGHT_SENDING) nng_msg_free(nng_aio_get_msg(flight->aio));
        return flight_cancelled(flight);
    }
    switch (flight->state) {
    case FLIGHT_SENDING:
        return flight_sent(flight, rv);
    case FLIGHT_RECEIVING:
        return flight_received(flight, rv);
    case FLIGHT_BACKING_OFF:
        return flight_attempt(flight);
    }
    abort();
}

static enum progress flight_start(struct flight *flight) {
    flight->tried = 0;
    flight->rounds = 0;
    flight->deadline_ms = monotonic_ms() + flight->timeout_ms;
    client_error_none(&flight->error);
    return flight_attempt(flight);
}

/* ---- waiting for it, or not -------------------------------------------------------------------------------------- */

enum muster_code flight_run(struct flight *flight, struct muster_error *error) {
    for (enum progress progress = flight_start(flight); progress == UNDER_WAY;) {
        nng_aio_wait(flight_aio(flight));
        progress = flight_advance(flight);
    }
    if (error != NULL) *error = flight->error;
    return flight->error.code;
}

static void flight_deliver(struct flight *flight) {
    const struct answer *answer = &flight->answer;
    void *arg = flight->callback_arg;
    if (flight->is_bare) {
        flight->callback.landed(arg, &flight->error);
        return;
    }
    switch (answer->kind) {
    case REPLY_TOUCH:
        flight->callback.touch(arg, &answer->small.touched, &flight->error);
        return;
    case REPLY_LEAVE:
        flight->callback.leave(arg, &answer->small.left, &flight->error);
        return;
    case REPLY_COUNTS:
        flight->callback.counts(arg, &answer->result->view.counts, &flight->error);
        return;
    default:
        flight->callback.users(arg, &answer->result->view.users, &flight->error);
        return;
    }
}

static void flight_finish(struct flight *flight) {
    if (flight->is_kept) {
        flight_deliver(flight);
        return;
    }
    flight_landed(flight);
    flight_deliver(flight);
    flight_recycle(flight, true);
}

static void flight_callback(void *arg) {
    struct flight *flight = arg;
    if (flight_advance(flight) == ENDED) flight_finish(flight);
}

void flight_launch(struct flight *flight) {
    if (flight_start(flight) == ENDED) flight_finish(flight);
}

void flight_launch_at(struct flight *flight, unsigned node, uint32_t connect_ms, uint32_t answer_ms) {
    uint64_t now_ms = monotonic_ms();
    flight->node = node;
    flight->answer_ms = answer_ms;
    flight->started_ms = now_ms;
    flight->attempt_until_ms = now_ms + connect_ms;
    client_error_none(&flight->error);
    if (flight_send(flight) == ENDED) flight_finish(flight);
}

void flight_cancel(struct flight *flight) {
    nng_aio_cancel(flight->aio);
}
