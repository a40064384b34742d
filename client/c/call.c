#include "call.h"

#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"
#include "common/waiting.h"
#include "writes.h"

#include <assert.h>
#include <stdlib.h>

static void call_attempt_ended(struct attempt *attempt, enum attempt_status status);
static void call_woke(void *arg);

/* ---- taking and giving ------------------------------------------------------------------------------------------- */

static struct call *call_new(struct muster_client *client, bool is_async) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) return NULL;
    call->client = client;
    call->is_async = is_async;
    if (!waiting_init(&call->changed)) goto fail_call;
    if (is_async && !nap_init(&call->nap, &client->io, call_woke, call)) goto fail_changed;
    if ((call->attempt = attempt_new(client, is_async ? call_attempt_ended : NULL, call)) != NULL) return call;
fail_changed:
    pthread_cond_destroy(&call->changed);
fail_call:
    free(call);
    return NULL;
}

void call_free(struct call *call) {
    pthread_cond_destroy(&call->changed);
    result_free(call->own_result);
    free(call->indexes.data);
    free(call);
}

/* A free call; NULL: there is none, or it may not be taken, *error says why. Under the mutex. */
static struct call *pop_free_call(struct muster_client *client, bool is_async, struct muster_error *error) {
    struct call **free_calls = is_async ? &client->free_async : &client->free_blocking;
    client_error_none(error);
    if (is_async && client->is_closing) {
        client_error_set(error, MUSTER_CANCELLED, "the client is closing");
        return NULL;
    }
    if (is_async && client->in_flight >= client->in_flight_max) {
        client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "in_flight_max: %u calls are in flight",
                         client->in_flight_max);
        return NULL;
    }
    struct call *call = *free_calls;
    if (call != NULL) *free_calls = call->next_free;
    if (is_async) client->in_flight++;
    return call;
}

/* Makes one more call of the client, whose place was counted by pop_free_call. */
static struct call *call_make(struct muster_client *client, bool is_async, struct muster_error *error) {
    struct call *call = call_new(client, is_async);
    pthread_mutex_lock(&client->mutex);
    if (call != NULL) {
        call->next_made = client->calls;
        client->calls = call;
    } else if (is_async) {
        client->in_flight--;
    }
    pthread_mutex_unlock(&client->mutex);
    if (call == NULL) client_error_no_memory(error);
    return call;
}

struct call *call_take(struct muster_client *client, bool is_async, struct muster_error *error) {
    if (client_is_inherited(client)) {
        (void)client_error_inherited(error);
        return NULL;
    }
    if (!is_async && io_is_own_thread(&client->io)) {
        client_error_set(error, MUSTER_FAILED_PRECONDITION, "a callback may not make a call that waits for its answer");
        return NULL;
    }
    pthread_mutex_lock(&client->mutex);
    struct call *call = pop_free_call(client, is_async, error);
    pthread_mutex_unlock(&client->mutex);
    if (error->code != MUSTER_OK) return NULL;
    if (call == NULL && (call = call_make(client, is_async, error)) == NULL) return NULL;
    call->is_page = call->is_refresh = false;
    call->timeout_ms = client->timeout_ms;
    call->fresh_ms = client->timeout_ms;
    return call;
}

static void call_put_back(struct call *call, bool was_landing) {
    struct muster_client *client = call->client;
    bool is_async = call->is_async;
    assert(call->write == WRITE_NONE && !call->is_asleep);
    pthread_mutex_lock(&client->mutex);
    struct call **free_calls = is_async ? &client->free_async : &client->free_blocking;
    call->next_free = *free_calls;
    *free_calls = call;
    if (was_landing) client->landing--;
    else if (is_async) client->in_flight--;
    if (client->is_closing) pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

void call_give(struct call *call) {
    call_put_back(call, false);
}

void call_begin(struct call *call) {
    uint64_t now_ms = monotonic_ms();
    call->rounds = (struct rounds){0};
    call->deadline_ms = now_ms + call->timeout_ms;
    call->fresh_until_ms = now_ms + (call->fresh_ms < call->timeout_ms ? call->fresh_ms : call->timeout_ms);
    client_error_none(&call->attempt->error);
}

/* ---- one attempt after another ----------------------------------------------------------------------------------- */

static bool has_ended(enum attempt_status status) {
    return status == ATTEMPT_ANSWERED || status == ATTEMPT_IMPOSSIBLE || status == ATTEMPT_CANCELLED;
}

/* Begins an attempt at the next node of `rounds`. */
static void call_attempt(struct call *call, const struct rounds *rounds) {
    uint64_t now_ms = monotonic_ms();
    struct attempt *attempt = call->attempt;
    unsigned node = client_pick_node(call->client, rounds->tried, now_ms);
    uint64_t until_ms = attempt_share_ms(call->client, node, call->timeout_ms, call->deadline_ms, now_ms);
    attempt->answer_until_ms = until_ms;
    attempt->send_until_ms = until_ms < call->fresh_until_ms ? until_ms : call->fresh_until_ms;
    attempt_start(attempt, node);
}

/* An attempt failed. How long to wait before the next one; UINT32_MAX: there is no time for another. */
static uint32_t call_failed(struct call *call) {
    uint32_t wait_ms = rounds_note_failure(&call->rounds, call->client, call->attempt->node, call_backoff);
    return monotonic_ms() + wait_ms < call->fresh_until_ms ? wait_ms : UINT32_MAX;
}

static void call_prefer_node(struct call *call, enum attempt_status status) {
    if (status == ATTEMPT_ANSWERED) client_prefer_node(call->client, call->attempt->node);
}

/* ---- blocking ---------------------------------------------------------------------------------------------------- */

enum attempt_status call_try(struct call *call, struct rounds *rounds, struct backoff backoff, uint32_t *wait_ms) {
    call_attempt(call, rounds);
    enum attempt_status status = attempt_wait(call->attempt);
    if (status == ATTEMPT_FAILED) *wait_ms = rounds_note_failure(rounds, call->client, call->attempt->node, backoff);
    call_prefer_node(call, status);
    return status;
}

/* A blocking call belongs to its thread, which may as well sleep. */
static void call_sleep(struct call *call, uint32_t wait_ms) {
    struct muster_client *client = call->client;
    uint64_t until_us = monotonic_us() + (uint64_t)wait_ms * 1000;
    pthread_mutex_lock(&client->mutex);
    while (waiting_until(&call->changed, &client->mutex, until_us)) {
    }
    pthread_mutex_unlock(&client->mutex);
}

enum muster_code call_run(struct call *call, struct muster_error *error) {
    assert(!call->is_async);
    call_begin(call);
    for (;;) {
        uint32_t wait_ms = 0;
        enum attempt_status status = call_try(call, &call->rounds, call_backoff, &wait_ms);
        if (has_ended(status) || monotonic_ms() + wait_ms >= call->fresh_until_ms) break;
        if (wait_ms != 0) call_sleep(call, wait_ms);
    }
    if (error != NULL) *error = call->attempt->error;
    return call->attempt->error.code;
}

/* ---- asynchronous ------------------------------------------------------------------------------------------------ */

static void call_tell_touched(const struct call *call, const struct touched *touched) {
    const struct muster_error *error = &call->attempt->error;
    const struct muster_touched whole = {touched->joined, touched->ttl_ms, touched->stamp, touched->displaced};
    const struct muster_refreshed refreshed = {touched->ttl_ms, touched->unknown_count, touched->unknown,
                                               touched->stamp};
    if (call->is_refresh) call->callback.refresh(call->callback_arg, &refreshed, error);
    else call->callback.touch(call->callback_arg, &whole, error);
}

static void call_call_back(struct call *call) {
    const struct attempt *attempt = call->attempt;
    const struct answer *answer = &attempt->answer;
    if (call->is_page) {
        call->callback.page(call->callback_arg, &attempt->error);
        return;
    }
    switch (answer->kind) {
    case REPLY_TOUCH:
        call_tell_touched(call, &answer->small.touched);
        return;
    case REPLY_LEAVE:
        call->callback.leave(call->callback_arg, &answer->small.left, &attempt->error);
        return;
    case REPLY_SET_STATUS:
        call->callback.status(call->callback_arg, &answer->small.status_set, &attempt->error);
        return;
    case REPLY_WHERE:
        call->callback.places(call->callback_arg, &answer->result->view.places, &attempt->error);
        return;
    case REPLY_COUNTS:
        call->callback.counts(call->callback_arg, &answer->result->view.counts, &attempt->error);
        return;
    default:
        call->callback.users(call->callback_arg, &answer->result->view.users, &attempt->error);
        return;
    }
}

/* It no longer counts as in flight when its callback runs, so that the callback may start another in its place. */
void call_deliver(struct call *call) {
    struct muster_client *client = call->client;
    pthread_mutex_lock(&client->mutex);
    client->in_flight--;
    client->landing++;
    pthread_mutex_unlock(&client->mutex);
    call_call_back(call);
    call_put_back(call, true);
}

/* muster_close cancels the naps that have begun, and lets none begin. False: the client is closing. */
static bool call_nap(struct call *call, uint32_t wait_ms) {
    struct muster_client *client = call->client;
    pthread_mutex_lock(&client->mutex);
    bool is_closing = client->is_closing;
    call->is_asleep = !is_closing;
    if (!is_closing) nap_begin(&call->nap, wait_ms);
    pthread_mutex_unlock(&client->mutex);
    return !is_closing;
}

/* An attempt has ended: begins the next one, at once or after a nap, or delivers. */
static void call_go_on(struct call *call, enum attempt_status status) {
    uint32_t wait_ms = status == ATTEMPT_FAILED ? call_failed(call) : UINT32_MAX;
    if (wait_ms == 0) {
        call_attempt(call, &call->rounds);
        return;
    }
    if (wait_ms != UINT32_MAX) {
        if (call_nap(call, wait_ms)) return;
        client_error_set(&call->attempt->error, MUSTER_CANCELLED, "the client is closing");
    }
    call_prefer_node(call, status);
    call_deliver(call);
}

static void call_attempt_ended(struct attempt *attempt, enum attempt_status status) {
    struct call *call = attempt->arg;
    if (call->write == WRITE_NONE) call_go_on(call, status);
    else writes_attempt_ended(call, status);
}

/* Back-off is over, or the client is closing. */
static void call_woke(void *arg) {
    struct call *call = arg;
    struct muster_client *client = call->client;
    pthread_mutex_lock(&client->mutex);
    call->is_asleep = false;
    bool is_closing = client->is_closing;
    pthread_mutex_unlock(&client->mutex);
    if (!is_closing) {
        call_attempt(call, &call->rounds);
        return;
    }
    client_error_set(&call->attempt->error, MUSTER_CANCELLED, "the client is closing");
    call_deliver(call);
}

void call_launch(struct call *call) {
    assert(call->is_async);
    call_begin(call);
    call_attempt(call, &call->rounds);
}
