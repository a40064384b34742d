#include "writes.h"

#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"
#include "common/waiting.h"

#include <assert.h>

enum { NAP_MAX_MS = 50 }; /* while the order does not flow, it is looked after at least so often */

static void writes_woke(void *arg);

bool writes_init(struct writes *writes, struct muster_client *client) {
    writes->client = client;
    if (pthread_mutex_init(&writes->mutex, NULL) != 0) return false;
    if (nap_init(&writes->nap, &client->io, writes_woke, writes)) return true;
    pthread_mutex_destroy(&writes->mutex);
    return false;
}

void writes_destroy(struct writes *writes) {
    assert(writes->first == NULL && writes->ended == NULL && writes->under_way == 0);
    pthread_mutex_destroy(&writes->mutex);
}

/* ---- states: all below is under the mutex ------------------------------------------------------------------------ */

static void write_enter(struct call *call, enum write_state state) {
    static const uint8_t may_enter[] = {
        [WRITE_NONE] = 1u << WRITE_WAITING,
        [WRITE_WAITING] = 1u << WRITE_UNDER_WAY | 1u << WRITE_ENDED,
        [WRITE_UNDER_WAY] = 1u << WRITE_WAITING | 1u << WRITE_ANSWERED | 1u << WRITE_ENDED,
        [WRITE_ANSWERED] = 1u << WRITE_WAITING | 1u << WRITE_ENDED,
        [WRITE_ENDED] = 1u << WRITE_NONE,
    };
    assert((may_enter[call->write] & 1u << state) != 0);
    call->write = state;
}

static void writes_enter(struct writes *writes, enum writes_phase phase) {
    static const uint8_t may_enter[] = {
        [WRITES_FLOWING] = 1u << WRITES_DRAINING,
        [WRITES_DRAINING] = 1u << WRITES_FLOWING | 1u << WRITES_RESTING,
        [WRITES_RESTING] = 1u << WRITES_FLOWING,
    };
    assert((may_enter[writes->phase] & 1u << phase) != 0);
    assert(phase == WRITES_DRAINING || writes->under_way == 0);
    writes->phase = phase;
}

static void order_append(struct writes *writes, struct call *call) {
    call->write_before = writes->last;
    call->write_after = NULL;
    if (writes->last != NULL) writes->last->write_after = call;
    else writes->first = call;
    writes->last = call;
    write_enter(call, WRITE_WAITING);
}

static void order_remove(struct writes *writes, struct call *call) {
    if (call->write_before != NULL) call->write_before->write_after = call->write_after;
    else writes->first = call->write_after;
    if (call->write_after != NULL) call->write_after->write_before = call->write_before;
    else writes->last = call->write_before;
    call->write_after = NULL;
}

static bool is_blocking(const struct call *call) {
    return !call->is_async;
}

/* Out of the order. A blocking call's thread is told; an asynchronous one's callback is called later, by the I/O
 * thread, without the mutex. */
static void write_end(struct writes *writes, struct call *call) {
    order_remove(writes, call);
    write_enter(call, WRITE_ENDED);
    if (is_blocking(call)) {
        pthread_cond_signal(&call->changed);
        return;
    }
    if (writes->last_ended != NULL) writes->last_ended->write_after = call;
    else writes->ended = call;
    writes->last_ended = call;
}

/* It is given up while it waits. What an attempt of its own said last stands. */
static void write_give_up(struct writes *writes, struct call *call) {
    struct muster_error *error = &call->attempt->error;
    if (writes->is_closing) client_error_set(error, MUSTER_CANCELLED, "the client is closing");
    else if (error->code == MUSTER_OK) *error = writes->error;
    write_end(writes, call);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static uint64_t stamp_of(const struct answer *answer) {
    switch (answer->kind) {
    case REPLY_TOUCH:
        return answer->small.touched.stamp;
    case REPLY_LEAVE:
        return answer->small.left.stamp;
    case REPLY_SET_STATUS:
        return answer->small.status_set.stamp;
    default:
        return answer->small.forgotten.stamp;
    }
}

/* An attempt of this write has ended with `status`. */
static void write_note(struct writes *writes, struct call *call, enum attempt_status status, uint64_t now_ms) {
    struct attempt *attempt = call->attempt;
    assert(writes->under_way != 0);
    writes->under_way--;
    bool may_try_again = now_ms < call->fresh_until_ms && !writes->is_closing;
    switch (status) {
    case ATTEMPT_ANSWERED:
        if (attempt->error.code == MUSTER_OK && stamp_of(&attempt->answer) > writes->stamp)
            writes->stamp = stamp_of(&attempt->answer);
        client_prefer_node(writes->client, attempt->node);
        if (writes->phase == WRITES_FLOWING) writes->rounds = (struct rounds){0};
        write_enter(call, WRITE_ANSWERED);
        return;
    case ATTEMPT_FAILED:
        writes->error = attempt->error;
        if (writes->is_closing) client_error_set(&attempt->error, MUSTER_CANCELLED, "the client is closing");
        if (!may_try_again) break;
        write_enter(call, WRITE_WAITING);
        if (writes->phase != WRITES_FLOWING) return;
        writes_enter(writes, WRITES_DRAINING);
        writes->resume_ms = now_ms + rounds_note_failure(&writes->rounds, writes->client, writes->node, call_backoff);
        for (struct call *each = writes->first; each != NULL; each = each->write_after)
            if (each->write == WRITE_UNDER_WAY) attempt_cancel_send(each->attempt);
        return;
    case ATTEMPT_CANCELLED:
        if (writes->phase != WRITES_DRAINING || !may_try_again) break;
        client_error_none(&attempt->error);
        write_enter(call, WRITE_WAITING);
        return;
    default:
        break;
    }
    write_end(writes, call);
}

static void write_start(struct writes *writes, struct call *call, uint64_t now_ms) {
    struct attempt *attempt = call->attempt;
    uint64_t until_ms = attempt_share_ms(writes->client, writes->node, call->timeout_ms, call->deadline_ms, now_ms);
    attempt->answer_until_ms = until_ms;
    attempt->send_until_ms = until_ms < call->fresh_until_ms ? until_ms : call->fresh_until_ms;
    if (attempt->answer.kind == REPLY_LEAVE)
        request_raise_stamp(&attempt->request, writes->client->token, writes->stamp);
    write_enter(call, WRITE_UNDER_WAY);
    writes->under_way++;
    attempt_start(attempt, writes->node);
    if (is_blocking(call)) pthread_cond_signal(&call->changed);
}

/* Sends all that waits, in order, to the node that comes next. */
static void writes_flow(struct writes *writes, uint64_t now_ms) {
    if (writes->phase != WRITES_FLOWING) writes_enter(writes, WRITES_FLOWING);
    writes->node = client_pick_node(writes->client, writes->rounds.tried, now_ms);
    for (struct call *call = writes->first, *after; call != NULL; call = after) {
        after = call->write_after;
        if (call->write == WRITE_WAITING) write_start(writes, call, now_ms);
    }
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

/* Gives up what waits and may not be sent any more. What was answered and stands behind one that waits will be sent
 * again. */
static void writes_look_at_waiting(struct writes *writes, uint64_t now_ms) {
    bool is_behind = false;
    for (struct call *call = writes->first, *after; call != NULL; call = after) {
        after = call->write_after;
        if (is_behind && call->write == WRITE_ANSWERED) {
            client_error_none(&call->attempt->error);
            write_enter(call, WRITE_WAITING);
        }
        if (call->write != WRITE_WAITING) continue;
        is_behind = true;
        if (writes->is_closing || now_ms >= call->fresh_until_ms) write_give_up(writes, call);
    }
}

static void writes_nap(struct writes *writes, uint64_t now_ms) {
    uint64_t wait_ms = writes->resume_ms > now_ms ? writes->resume_ms - now_ms : NAP_MAX_MS;
    if (writes->is_napping || writes->is_closing) return;
    writes->is_napping = true;
    nap_begin(&writes->nap, (uint32_t)(wait_ms < NAP_MAX_MS ? wait_ms : NAP_MAX_MS));
}

/* Does what is to be done now, after anything has changed. */
static void writes_step(struct writes *writes, uint64_t now_ms) {
    if (writes->phase != WRITES_FLOWING || writes->is_closing) writes_look_at_waiting(writes, now_ms);
    if (writes->phase == WRITES_DRAINING && writes->under_way == 0) writes_enter(writes, WRITES_RESTING);
    if (writes->phase == WRITES_RESTING && now_ms >= writes->resume_ms) writes_flow(writes, now_ms);
    while (writes->first != NULL && writes->first->write == WRITE_ANSWERED) write_end(writes, writes->first);
    if (writes->first == NULL) { /* the next write begins afresh, whatever became of these */
        assert(writes->under_way == 0);
        if (writes->phase == WRITES_DRAINING) writes_enter(writes, WRITES_RESTING);
        if (writes->phase == WRITES_RESTING) writes_enter(writes, WRITES_FLOWING);
        writes->rounds = (struct rounds){0};
    }
    if (writes->phase != WRITES_FLOWING) writes_nap(writes, now_ms);
}

static void writes_add(struct writes *writes, struct call *call) {
    uint64_t now_ms = monotonic_ms();
    call_begin(call);
    bool is_first = writes->first == NULL;
    order_append(writes, call);
    if (writes->is_closing) write_give_up(writes, call);
    else if (writes->phase == WRITES_FLOWING && is_first) writes_flow(writes, now_ms);
    else if (writes->phase == WRITES_FLOWING) write_start(writes, call, now_ms);
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

/* Lets go of the mutex and calls the callbacks of what has ended. On the I/O thread alone: the program's threads may
 * hold locks that the program's callbacks take. */
static void writes_unlock_and_deliver(struct writes *writes) {
    struct call *call = writes->ended;
    for (struct call *each = call; each != NULL; each = each->write_after) write_enter(each, WRITE_NONE);
    writes->ended = writes->last_ended = NULL;
    pthread_mutex_unlock(&writes->mutex);
    for (struct call *next; call != NULL; call = next) {
        next = call->write_after;
        call_deliver(call);
    }
}

/* Lets the I/O thread deliver what a thread of the program found ended. */
static void writes_hand_over(struct writes *writes) {
    if (writes->ended == NULL) return;
    if (writes->is_napping) {
        nap_end(&writes->nap);
    } else {
        writes->is_napping = true;
        nap_begin(&writes->nap, 0);
    }
}

static void writes_woke(void *arg) {
    struct writes *writes = arg;
    pthread_mutex_lock(&writes->mutex);
    writes->is_napping = false;
    writes_step(writes, monotonic_ms());
    writes_unlock_and_deliver(writes);
}

void writes_attempt_ended(struct call *call, enum attempt_status status) {
    struct writes *writes = &call->client->writes;
    uint64_t now_ms = monotonic_ms();
    pthread_mutex_lock(&writes->mutex);
    write_note(writes, call, status, now_ms);
    writes_step(writes, now_ms);
    writes_unlock_and_deliver(writes);
}

void writes_launch(struct writes *writes, struct call *call) {
    pthread_mutex_lock(&writes->mutex);
    writes_add(writes, call);
    writes_hand_over(writes);
    pthread_mutex_unlock(&writes->mutex);
}

enum muster_code writes_run(struct writes *writes, struct call *call, struct muster_error *error) {
    assert(is_blocking(call));
    pthread_mutex_lock(&writes->mutex);
    writes_add(writes, call);
    while (call->write != WRITE_ENDED) {
        if (call->write == WRITE_UNDER_WAY) {
            pthread_mutex_unlock(&writes->mutex);
            enum attempt_status status = attempt_wait(call->attempt);
            pthread_mutex_lock(&writes->mutex);
            write_note(writes, call, status, monotonic_ms());
        } else {
            waiting_until(&call->changed, &writes->mutex, monotonic_us() + (uint64_t)NAP_MAX_MS * 1000);
        }
        writes_step(writes, monotonic_ms());
    }
    write_enter(call, WRITE_NONE);
    writes_hand_over(writes);
    pthread_mutex_unlock(&writes->mutex);
    if (error != NULL) *error = call->attempt->error;
    return call->attempt->error.code;
}

void writes_close(struct writes *writes) {
    pthread_mutex_lock(&writes->mutex);
    writes->is_closing = true;
    writes_step(writes, monotonic_ms());
    writes_hand_over(writes);
    pthread_mutex_unlock(&writes->mutex);
}
