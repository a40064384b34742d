/* What clients do: every writing call, at any node, about few users. */
#include "stage.h"

#include "muster/limits.h"

#include <inttypes.h>

enum { BATCH_FEW = 5 };

static const char *const session_names[] = {"", "tab", "phone"};
static const char *const state_names[] = {"", "typing", "7,7"};

static ProtobufCBinaryData draw_name(struct stage *stage, const char *const names[3], unsigned first_in) {
    size_t i = random_chance(&stage->random, first_in - 1, first_in) ? 0 : random_below(&stage->random, 3);
    return builder_bytes(names[i]);
}

static unsigned draw_scope(struct stage *stage) {
    return random_chance(&stage->random, 1, 2) ? 0 : (unsigned)random_below(&stage->random, SCOPES);
}

static size_t draw_batch(struct stage *stage) {
    if (random_chance(&stage->random, 1, 2)) return 1;
    bool is_crowd = stage->script.users > CROWD / 2 - 1 && random_chance(&stage->random, 1, 3);
    return random_between(&stage->random, 1, is_crowd ? stage->script.users : BATCH_FEW);
}

/* Whom a call names: somebody, and those after. */
static unsigned draw_user(struct stage *stage, size_t n) {
    if (n == 1) return (unsigned)random_below(&stage->random, stage->script.users);
    return (unsigned)random_below(&stage->random, stage->script.users - (n < stage->script.users ? n : 0));
}

/* Asks, and frees the builder; whether the call was done. */
static bool call(struct stage *stage, struct host *host, struct request_builder *builder, bool may_be_refused,
                 uint64_t *stamp) {
    Muster__V1__Reply *reply = ask_any(&host->answerer, builder);
    bool is_done = reply->code == 0;
    bool is_starting = reply->code == 14 && !node_takes_writes(host->node);
    if (!is_done && !may_be_refused && !is_starting)
        stage_fail(stage, "refused", "a call at node %u: code %d: %.*s", host->index, reply->code,
                   (int)reply->message.len, (const char *)reply->message.data);
    if (is_done && reply->touch != NULL && reply->response_case == MUSTER__V1__REPLY__RESPONSE_TOUCH)
        *stamp = reply->touch->stamp;
    reply_free(reply);
    stage->calls++;
    return is_done;
}

static void touch_some(struct stage *stage, struct host *host) {
    struct request_builder builder;
    struct random *random = &stage->random;
    unsigned scope = draw_scope(stage);
    size_t n = draw_batch(stage);
    unsigned first = draw_user(stage, n);
    builder_touch(&builder, scope_name(scope));
    builder.touch.ttl_ms = (uint32_t)random_between(random, MUSTER_TTL_MIN_MS, stage->script.ttl_max_ms);
    stage_note(stage, "node %u: touch %s u%u (%zu), TTL %u", host->index, scope_name(scope), first, n,
               builder.touch.ttl_ms);
    for (size_t i = 0; i < n; i++) {
        unsigned user = (unsigned)((first + i) % stage->script.users);
        Muster__V1__Beat *beat = builder_beat(&builder, "", "");
        beat->user = builder_number(&builder, "u", user);
        beat->session = draw_name(stage, session_names, 2);
        beat->state = draw_name(stage, state_names, 3);
        /* Mostly the same, so that many a beat only extends a lease. */
        beat->status = (Muster__V1__Status)(random_chance(random, 2, 3) ? user % 3 + 1 : random_below(random, 4));
    }
    uint64_t stamp = 0;
    if (!call(stage, host, &builder, false, &stamp)) return;
    for (size_t i = 0; i < n; i++) {
        unsigned user = (unsigned)((first + i) % stage->script.users);
        stage->leases.stamps[scope][user] = stamp;
        leases_extend(&stage->leases, scope, user, stage->now_ms, stage->now_ms + builder.touch.ttl_ms);
    }
}

static void leave_some(struct stage *stage, struct host *host) {
    struct request_builder builder;
    struct random *random = &stage->random;
    unsigned scope = draw_scope(stage);
    size_t n = draw_batch(stage);
    unsigned first = draw_user(stage, n);
    uint32_t linger_ms = random_chance(random, 1, 3) ? (uint32_t)random_between(random, 1, 2500) : 0;
    bool is_carried = random_chance(random, 1, 2);
    builder_leave(&builder, scope_name(scope));
    builder.leave.linger_ms = linger_ms;
    if (is_carried) builder.leave.stamp = stage->leases.stamps[scope][first];
    stage_note(stage, "node %u: leave %s u%u (%zu), linger %u", host->index, scope_name(scope), first, n, linger_ms);
    for (size_t i = 0; i < n; i++) {
        Muster__V1__Departure *departure = builder_departure(&builder, "", "");
        departure->user = builder_number(&builder, "u", (first + i) % stage->script.users);
        departure->all_sessions = random_chance(random, 1, 2);
        if (!departure->all_sessions) departure->session = draw_name(stage, session_names, 2);
    }
    uint64_t unused;
    /* A stamp may be from a clock that runs an hour ahead. */
    if (!call(stage, host, &builder, is_carried, &unused)) return;
    for (size_t i = 0; i < n; i++) {
        unsigned user = (unsigned)((first + i) % stage->script.users);
        leases_end(&stage->leases, scope, user, stage->now_ms);
        if (linger_ms > 0) leases_extend(&stage->leases, scope, user, stage->now_ms, stage->now_ms + linger_ms);
    }
}

static void reset_one(struct stage *stage, struct host *host) {
    struct request_builder builder;
    unsigned scope = draw_scope(stage);
    uint64_t unused;
    builder_reset(&builder, scope_name(scope));
    stage_note(stage, "node %u: reset %s", host->index, scope_name(scope));
    for (unsigned user = 0; user < stage->script.users; user++) leases_end(&stage->leases, scope, user, stage->now_ms);
    call(stage, host, &builder, false, &unused);
}

void clients_step(struct stage *stage) {
    if (!stage->is_writing) return;
    struct host *host = host_any(stage);
    uint64_t kind = random_below(&stage->random, 100);
    if (host != NULL && kind < 76) touch_some(stage, host);
    else if (host != NULL && kind < 98) leave_some(stage, host);
    else if (host != NULL) reset_one(stage, host);
    uint64_t next_ms = stage->now_ms + random_between(&stage->random, 1, 2 * stage->script.call_every_ms);
    event_queue_add(&stage->event_queue, (struct event){.at_ms = next_ms, .kind = EVENT_CALL});
}
