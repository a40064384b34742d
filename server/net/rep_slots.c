#include "rep_internal.h"
#include "sp/envelope.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

void slot_wait(struct slot *slot) {
    if (atomic_load(&slot->door->takes_no_more)) {
        atomic_store(&slot->state, SLOT_ENDED);
        return;
    }
    slot->is_out_of_service = false;
    atomic_store(&slot->state, SLOT_WAITING);
    atomic_fetch_add(&slot->door->waiting, 1);
    nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(slot->ctx, slot->aio);
}

void slot_send(struct slot *slot, nng_msg *message) {
    const struct rep_door *door = slot->door;
    /* Should all else fail. Not for extra ones: each of nng's timers is looked at as often as any of them ends. */
    nng_duration timeout_ms =
        slot->extra_bytes == 0 ? (nng_duration)(2 * door->reply_timeout_ms) : NNG_DURATION_INFINITE;
    reply_begins(slot);
    atomic_store(&slot->state, SLOT_SENDING);
    nng_aio_set_timeout(slot->aio, timeout_ms);
    nng_aio_set_msg(slot->aio, message);
    nng_ctx_send(slot->ctx, slot->aio);
}

enum outcome { ANSWERED, PARKED, FAILED };

bool put_reply(nng_msg *message, enum method method, const struct response *response) {
    uint8_t head[ENVELOPE_HEAD_BYTES_MAX];
    size_t len = envelope_head(method, response, head);
    nng_msg_clear(message);
    return nng_msg_append(message, head, len) == 0 &&
           nng_msg_append(message, response->body.data, response->body.len) == 0;
}

/* Puts the answer in the place of the request. Once it is parked, the slot is the node's or another's. */
static enum outcome ask_node(struct slot *slot, nng_msg *message) {
    struct rep_door *door = slot->door;
    struct worker *worker = worker_pool_take(&door->workers);
    if (worker == NULL) return FAILED;
    struct text call = {nng_msg_body(message), (uint32_t)nng_msg_len(message)};
    struct request request;
    struct envelope_refusal refusal;
    struct response response;
    const struct waiter waiter = {.reply_slot = slot, .connection = slot->pipe, .door = &door->watch_door};
    enum outcome outcome = PARKED;
    slot->is_out_of_service = true;
    atomic_fetch_add(&door->held, 1);
    bool is_answered = true;
    if (!envelope_open(call, &request, &refusal)) response = refusal.response;
    else is_answered = rpc_answer(door->rpc, worker, &request, clock_now(), &waiter, &response);
    if (is_answered) {
        atomic_fetch_sub(&door->held, 1);
        slot->is_out_of_service = false;
        outcome = put_reply(message, request.method, &response) ? ANSWERED : FAILED;
    }
    worker_pool_put(&door->workers, worker);
    return outcome;
}

static void send_extra(struct slot *slot, nng_msg *message) {
    struct rep_door *door = slot->door;
    slot->is_out_of_service = true;
    slot->extra_bytes = EXTRA_REPLY_OWN_BYTES + nng_msg_len(message);
    slot_send(slot, message);
    park_replace(door);
}

static void slot_answer(struct slot *slot, nng_msg *message, enum admission admission) {
    struct rep_door *door = slot->door;
    uint32_t pipe = slot->pipe;
    enum outcome outcome;
    if (door->answer != NULL) outcome = door->answer(door->answer_context, message) ? ANSWERED : FAILED;
    else outcome = ask_node(slot, message);
    if (outcome == ANSWERED) {
        if (admission == ADMITTED) slot_send(slot, message);
        else send_extra(slot, message);
        return;
    }
    nng_msg_free(message);
    atomic_fetch_sub(&door->busy, 1);
    if (outcome == PARKED) {
        park_replace(door);
        connection_has_parked(door, pipe);
        return;
    }
    if (door->answer == NULL) {
        log_line(LEVEL_ERROR, "out_of_memory", "closed a connection: no memory to answer it", {"bytes", NULL, 0});
        nng_pipe_close((nng_pipe){.id = pipe});
    }
    slot_wait(slot);
}

static void slot_received(struct slot *slot) {
    struct rep_door *door = slot->door;
    nng_msg *message = nng_aio_get_msg(slot->aio);
    nng_aio_set_msg(slot->aio, NULL);
    slot->pipe = (uint32_t)nng_msg_get_pipe(message).id;
    slot->extra_bytes = 0;
    atomic_fetch_add(&door->requests, 1);
    enum admission admission = replies_admit(door, slot->pipe);
    if (admission == NOT_ADMITTED) {
        nng_msg_free(message);
        atomic_store(&door->has_excess, true); /* it is ended by replies_relieve */
        slot_wait(slot);
        return;
    }
    atomic_store(&slot->state, SLOT_ANSWERING);
    atomic_fetch_add(&door->busy, 1);
    slot_answer(slot, message, admission);
}

static void slot_sent(struct slot *slot) {
    int failure = nng_aio_result(slot->aio);
    if (failure != 0) {
        nng_msg_free(nng_aio_get_msg(slot->aio));
        nng_aio_set_msg(slot->aio, NULL);
        if (failure == NNG_ETIMEDOUT) connections_close_unread(slot->door, slot->pipe);
    }
    reply_ends(slot);
    atomic_fetch_sub(&slot->door->busy, 1);
    if (slot->is_out_of_service) park_return(slot);
    else slot_wait(slot);
}

static void on_slot(void *context) {
    struct slot *slot = context;
    if (atomic_load(&slot->state) == SLOT_SENDING) {
        slot_sent(slot);
        return;
    }
    atomic_fetch_sub(&slot->door->waiting, 1);
    int failure = nng_aio_result(slot->aio);
    if (failure == 0) slot_received(slot);
    else if (failure == NNG_ECLOSED || failure == NNG_ECANCELED) atomic_store(&slot->state, SLOT_ENDED);
    else slot_wait(slot);
}

bool slots_are_busy(const struct rep_door *door) {
    return atomic_load(&door->busy) > 0;
}

struct slot *slot_open(struct rep_door *door, int *failure) {
    struct slot *slot = calloc(1, sizeof *slot);
    *failure = NNG_ENOMEM;
    if (slot == NULL) return NULL;
    slot->door = door;
    atomic_store(&slot->state, SLOT_ENDED);
    if ((*failure = nng_aio_alloc(&slot->aio, on_slot, slot)) != 0) goto fail_slot;
    if ((*failure = nng_ctx_open(&slot->ctx, door->socket)) != 0) goto fail_aio;
    pthread_mutex_lock(&door->lock);
    TAILQ_INSERT_TAIL(&door->all, slot, all);
    pthread_mutex_unlock(&door->lock);
    return slot;

fail_aio:
    nng_aio_free(slot->aio);
fail_slot:
    free(slot);
    return NULL;
}

void slot_free(struct slot *slot) {
    struct rep_door *door = slot->door;
    pthread_mutex_lock(&door->lock);
    TAILQ_REMOVE(&door->all, slot, all);
    pthread_mutex_unlock(&door->lock);
    nng_ctx_close(slot->ctx);
    nng_msg_free(nng_aio_get_msg(slot->aio)); /* a reply that no longer had a context */
    nng_aio_free(slot->aio);
    free(slot);
}

int slots_open(struct rep_door *door) {
    int failure = 0;
    door->watch_door = park_door(door);
    while (door->serving < DOOR_CONTEXTS && slot_open(door, &failure) != NULL) door->serving++;
    return failure;
}

void slots_start(struct rep_door *door) {
    struct slot *slot;
    TAILQ_FOREACH(slot, &door->all, all) slot_wait(slot);
}

static struct slot *next_of(struct rep_door *door, struct slot *slot) {
    pthread_mutex_lock(&door->lock);
    struct slot *next = slot == NULL ? TAILQ_FIRST(&door->all) : TAILQ_NEXT(slot, all);
    pthread_mutex_unlock(&door->lock);
    return next;
}

/* Slots that are opened meanwhile come last, and a slot that is stopped opens none. */
void slots_close(struct rep_door *door) {
    struct slot *slot = NULL;
    while ((slot = next_of(door, slot)) != NULL) nng_aio_stop(slot->aio);
    /* nng tells of its connections that end when it comes to it, also after the socket is closed. */
    for (connections_hang_up(door); atomic_load(&door->held) > 0; connections_hang_up(door)) usleep(1000);
    while ((slot = next_of(door, NULL)) != NULL) slot_free(slot);
}
