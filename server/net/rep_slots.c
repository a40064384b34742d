#include "clock.h"
#include "log.h"
#include "rep_internal.h"

/* Contexts are short when fewer wait; then a reply that is pending for so long ends its connection. */
enum { SLOTS_SHORT = DOOR_CONTEXTS / 8, UNREAD_WHEN_SHORT_MS = 100 };

static void slot_wait(struct slot *slot) {
    if (atomic_load(&slot->door->takes_no_more)) {
        atomic_store(&slot->state, SLOT_ENDED);
        return;
    }
    atomic_store(&slot->state, SLOT_WAITING);
    atomic_fetch_add(&slot->door->waiting, 1);
    nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(slot->ctx, slot->aio);
}

/* Puts the answer in the place of the request. False if there is no memory for it, or is to be none. */
static bool answer(struct rep_door *door, nng_msg *message) {
    if (door->answer != NULL) return door->answer(door->node, message);
    struct worker *worker = worker_pool_take(&door->workers);
    struct text request = {nng_msg_body(message), (uint32_t)nng_msg_len(message)}, reply;
    if (worker == NULL) return false;
    node_answer(door->node, worker, request, clock_now(), &reply);
    nng_msg_clear(message);
    bool is_put = nng_msg_append(message, reply.data, reply.len) == 0;
    worker_pool_put(&door->workers, worker);
    return is_put;
}

/* More replies pending than one connection may have? Only looked at where that is possible at all. */
static bool has_too_many_pending(struct rep_door *door, uint32_t pipe_id) {
    if (atomic_load(&door->waiting) >= DOOR_CONTEXTS - DOOR_REPLIES_PENDING_MAX) return false;
    size_t pending = 0;
    for (size_t i = 0; i < DOOR_CONTEXTS; i++)
        pending += atomic_load(&door->slots[i].state) == SLOT_SENDING && atomic_load(&door->slots[i].pipe) == pipe_id;
    return pending >= DOOR_REPLIES_PENDING_MAX;
}

static void slot_answer(struct slot *slot) {
    struct rep_door *door = slot->door;
    nng_msg *message = nng_aio_get_msg(slot->aio);
    nng_aio_set_msg(slot->aio, NULL);
    uint32_t pipe_id = (uint32_t)nng_msg_get_pipe(message).id;
    atomic_store(&slot->state, SLOT_ANSWERING);
    atomic_store(&slot->pipe, pipe_id);
    atomic_fetch_add(&door->requests, 1);
    if (has_too_many_pending(door, pipe_id)) {
        nng_msg_free(message);
        atomic_store(&door->has_excess, true); /* it is ended by slots_relieve */
        slot_wait(slot);
        return;
    }
    if (!answer(door, message)) {
        nng_msg_free(message);
        if (door->answer == NULL) {
            log_line(LEVEL_ERROR, "out_of_memory", "closed a connection: no memory to answer it", {"bytes", NULL, 0});
            nng_pipe_close((nng_pipe){.id = pipe_id});
        }
        slot_wait(slot);
        return;
    }
    atomic_store(&slot->since_us, clock_monotonic_us());
    atomic_store(&slot->state, SLOT_SENDING);
    nng_aio_set_timeout(slot->aio, (nng_duration)(2 * door->reply_timeout_ms)); /* should all else fail */
    nng_aio_set_msg(slot->aio, message);
    nng_ctx_send(slot->ctx, slot->aio);
}

static void slot_sent(struct slot *slot) {
    int failure = nng_aio_result(slot->aio);
    if (failure != 0) {
        nng_msg_free(nng_aio_get_msg(slot->aio));
        nng_aio_set_msg(slot->aio, NULL);
        if (failure == NNG_ETIMEDOUT) connections_close_unread(slot->door, atomic_load(&slot->pipe));
    }
    slot_wait(slot);
}

static void on_slot(void *context) {
    struct slot *slot = context;
    if (atomic_load(&slot->state) == SLOT_SENDING) {
        slot_sent(slot);
        return;
    }
    atomic_fetch_sub(&slot->door->waiting, 1);
    int failure = nng_aio_result(slot->aio);
    if (failure == 0) slot_answer(slot);
    else if (failure == NNG_ECLOSED || failure == NNG_ECANCELED) atomic_store(&slot->state, SLOT_ENDED);
    else slot_wait(slot);
}

bool slots_are_busy(const struct rep_door *door) {
    for (size_t i = 0; i < DOOR_CONTEXTS; i++) {
        enum slot_state state = atomic_load(&door->slots[i].state);
        if (state == SLOT_ANSWERING || state == SLOT_SENDING) return true;
    }
    return false;
}

/* By nng's own means: the connections of replies that contexts hold. */
static void close_unread(struct rep_door *door, uint64_t now_us, uint64_t age_ms) {
    for (size_t i = 0; i < DOOR_CONTEXTS; i++) {
        struct slot *slot = &door->slots[i];
        uint64_t since_us = atomic_load(&slot->since_us);
        if (atomic_load(&slot->state) == SLOT_SENDING && now_us > since_us && now_us - since_us > age_ms * 1000)
            connections_close_unread(door, atomic_load(&slot->pipe));
    }
}

void slots_relieve(struct rep_door *door, uint64_t now_us) {
    bool is_short = atomic_load(&door->has_excess) || atomic_load(&door->waiting) < SLOTS_SHORT;
    uint64_t age_ms = is_short ? UNREAD_WHEN_SHORT_MS : door->reply_timeout_ms;
    if (!slots_are_busy(door)) atomic_store(&door->has_excess, false);
    if (door->end_unread == NULL) {
        close_unread(door, now_us, age_ms);
        return;
    }
    size_t ended = door->end_unread(age_ms);
    if (ended > 0) connections_say_unread(door, "unknown", ended);
}

int slots_open(struct rep_door *door) {
    int failure = 0;
    for (size_t i = 0; i < DOOR_CONTEXTS && failure == 0; i++) {
        struct slot *slot = &door->slots[i];
        slot->door = door;
        atomic_store(&slot->state, SLOT_ENDED);
        if ((failure = nng_aio_alloc(&slot->aio, on_slot, slot)) != 0) break;
        failure = nng_ctx_open(&slot->ctx, door->socket);
        slot->is_open = failure == 0;
    }
    return failure;
}

void slots_close(struct rep_door *door) {
    for (size_t i = 0; i < DOOR_CONTEXTS; i++) {
        struct slot *slot = &door->slots[i];
        if (slot->aio == NULL) continue;
        nng_aio_stop(slot->aio);
        if (slot->is_open) nng_ctx_close(slot->ctx);
        nng_msg_free(nng_aio_get_msg(slot->aio)); /* a reply that no longer had a context */
        nng_aio_free(slot->aio);
    }
}

void slots_start(struct rep_door *door) {
    for (size_t i = 0; i < DOOR_CONTEXTS; i++) slot_wait(&door->slots[i]);
}
