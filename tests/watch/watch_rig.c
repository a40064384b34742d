#include "watch_rig.h"
#include "muster/limits.h"
#include "node/tick.h"
#include "support/call_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

/* A pump that answers nobody and wants to be called again at once, so often in a row, spins. */
enum { IDLE_PUMPS_MAX = 1000 };

static const struct instant start = {UINT64_C(1) << 40, UINT64_C(1700000000000)};

const struct node_config rig_usual = {.hash_key = "sixteen bytes..",
                                      .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                      .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                      .members_max = 100000,
                                      .bytes_max = 1 << 30};

static size_t ask_node(void *context, const uint8_t *request, size_t len, uint8_t **reply) {
    struct rig *rig = context;
    size_t reply_len;
    *reply = call_bytes(rig->rpc, rig->worker, request, len, rig->now, NULL, &reply_len);
    return reply_len;
}

static bool place_has_room(void *context, const struct waiter *waiter) {
    (void)context;
    struct place *place = waiter->reply_slot;
    bool has_room = place->has_room && (place->reply == NULL || !waiter->is_stream);
    place->is_awaited = !has_room;
    return has_room;
}

static Muster__V1__Reply *decoded(const uint8_t *reply, size_t len) {
    if (len > MUSTER_MESSAGE_BYTES_MAX) fail_msg("an answer of %zu bytes", len);
    Muster__V1__Reply *out = muster__v1__reply__unpack(NULL, len, reply);
    if (out == NULL) fail_msg("an answer of %zu bytes that does not decode", len);
    return out;
}

static void place_deliver(void *context, const struct waiter *waiter, const struct response *response, bool is_last) {
    struct rig *rig = context;
    struct place *place = waiter->reply_slot;
    if (!place->is_parked) fail_msg("an answer to a place that nobody waits at");
    if (response != NULL && !place->has_room) fail_msg("an answer where there is no room");
    if (!is_last && (!waiter->is_stream || response == NULL)) fail_msg("no last answer, but no stream");
    if (place->reply != NULL && !is_last) fail_msg("an answer where there is no room");
    place_close(place);
    place->is_parked = !is_last;
    place->is_hung_up = response == NULL;
    if (response != NULL) {
        size_t len;
        uint8_t *bytes = reply_bytes(METHOD_WATCH, response, &len);
        place->reply = decoded(bytes, len);
        free(bytes);
    }
    place->answered_ms = rig->now.now_ms;
    rig->idle_pumps = 0;
    if (!is_last && place->between != NULL) place->between(place->between_context, place);
}

static void wake(void *context) {
    ((struct rig *)context)->is_woken = true;
}

void rig_open(struct rig *rig, const struct node_config *config) {
    rig_open_capped(rig, config, 0);
}

void rig_open_capped(struct rig *rig, const struct node_config *config, size_t watches_max) {
    *rig = (struct rig){.now = start, .tick_at_ms = start.now_ms + RIG_TICK_MS, .pump_at_ms = start.now_ms};
    rig->node = node_new(config, rig->now);
    rig->worker = worker_new();
    rig->pump_worker = worker_new();
    if (rig->node == NULL || rig->worker == NULL || rig->pump_worker == NULL) fail_msg("no node");
    if ((rig->rpc = rpc_new(rig->node, watches_max)) == NULL) fail_msg("no calls");
    rig->watches = rpc_watches(rig->rpc);
    rig->answerer = (struct answerer){rig, "in process", ask_node};
    rig->door = (struct watch_door){rig, place_has_room, place_deliver};
    pump_set_waker(rig->watches, wake, rig);
}

void rig_close(struct rig *rig) {
    rpc_free(rig->rpc);
    node_free(rig->node);
    worker_free(rig->worker);
    worker_free(rig->pump_worker);
    *rig = (struct rig){0};
}

static void pump(struct rig *rig) {
    rig->is_woken = false;
    uint32_t wait_ms = pump_run(rig->watches, rig->pump_worker, rig->now);
    rig->pump_at_ms = wait_ms == UINT32_MAX ? UINT64_MAX : rig->now.now_ms + wait_ms;
    if (++rig->idle_pumps > IDLE_PUMPS_MAX) fail_msg("the pump spins");
}

void place_open(struct place *place, struct rig *rig, uint64_t connection) {
    *place =
        (struct place){.waiter = {.reply_slot = place, .connection = connection, .door = &rig->door}, .has_room = true};
}

void place_close(struct place *place) {
    if (place->reply != NULL) reply_free(place->reply);
    place->reply = NULL;
}

bool place_ask(struct place *place, struct rig *rig, struct request_builder *builder) {
    if (place->is_parked || place->reply != NULL) fail_msg("the place is taken");
    size_t len, reply_len;
    uint8_t *request = builder_packed(builder, &len);
    place->is_parked = true; /* it may be answered before the call returns */
    place->is_hung_up = false;
    uint8_t *reply = call_bytes(rig->rpc, rig->worker, request, len, rig->now, &place->waiter, &reply_len);
    free(request);
    if (reply == NULL) {
        while (rig->is_woken && place->is_parked) pump(rig); /* a long answer is the pump's */
        return !place->is_parked;
    }
    if (!place->is_parked) fail_msg("answered twice");
    place->is_parked = false;
    place->answered_ms = rig->now.now_ms;
    place->reply = decoded(reply, reply_len);
    free(reply);
    return true;
}

void place_has_read(struct place *place, struct rig *rig) {
    if (!place->is_awaited || !place->is_parked) return;
    place->is_awaited = false;
    pump_has_room(rig->watches, &rig->door, place->waiter.connection);
}

Muster__V1__Reply *place_take(struct place *place) {
    Muster__V1__Reply *reply = place->reply;
    place->reply = NULL;
    if (reply == NULL) fail_msg("no answer%s", place->is_parked ? ", still parked" : "");
    if (reply->code != 0 || reply->response_case != MUSTER__V1__REPLY__RESPONSE_WATCH)
        fail_msg("code %d: %.*s", reply->code, (int)reply->message.len, (const char *)reply->message.data);
    return reply;
}

/* ---- time ---- */

void rig_tick(struct rig *rig) {
    node_tick(rig->node, rig->now);
}

bool rig_step(struct rig *rig, uint64_t until_ms) {
    if (rig->is_woken || rig->pump_at_ms <= rig->now.now_ms) {
        pump(rig);
        return true;
    }
    if (rig->now.now_ms >= until_ms) return false;
    uint64_t next_ms = until_ms;
    if (rig->tick_at_ms < next_ms) next_ms = rig->tick_at_ms;
    if (rig->pump_at_ms < next_ms) next_ms = rig->pump_at_ms;
    rig->now.wall_ms += next_ms - rig->now.now_ms;
    rig->now.now_ms = next_ms;
    rig->idle_pumps = 0;
    if (next_ms < rig->tick_at_ms) return true;
    rig->tick_at_ms += RIG_TICK_MS;
    rig_tick(rig);
    return true;
}

void rig_pass(struct rig *rig, uint64_t ms) {
    uint64_t until_ms = rig->now.now_ms + ms;
    while (rig_step(rig, until_ms)) {
    }
}
