#include "stage.h"

#include "muster/limits.h"
#include "node/standstill.h"
#include "node/tick.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { JOIN_TIMEOUT_MS = 10000, WALL_ERROR_MAX_MS = 3600 * 1000, PUMPS_MAX = 1000, HOST_STALL_MS = 1000 };

static const uint64_t wall_at_begin_ms = UINT64_C(1700000000000);

void host_place(struct stage *stage, unsigned index) {
    struct host *host = &stage->hosts[index];
    *host = (struct host){.stage = stage, .index = index, .life = host->life + 1};
    host->zero_ms = (UINT64_C(1) << 40) + random_below(&stage->random, UINT64_C(1) << 36);
    snprintf(host->gossip_address, sizeof host->gossip_address, "tcp://10.0.0.%u:7701", index + 1);
    snprintf(host->sync_address, sizeof host->sync_address, "tcp://10.0.0.%u:7704", index + 1);
    if (stage->script.clocks_are_wrong)
        host->wall_error_ms = (int64_t)random_below(&stage->random, 2 * WALL_ERROR_MAX_MS) - WALL_ERROR_MAX_MS;
}

struct instant host_now(const struct host *host) {
    int64_t wall_ms = (int64_t)(wall_at_begin_ms + host->stage->now_ms) + host->wall_error_ms;
    return (struct instant){host->zero_ms + host->stage->now_ms, (uint64_t)wall_ms};
}

bool host_runs(const struct host *host) {
    return host->is_up && host->paused_until_ms <= host->stage->now_ms;
}

bool host_is_ready(const struct host *host) {
    return host_runs(host) && node_is_ready(host->node);
}

void host_pause(struct host *host, uint64_t until_ms) {
    stage_note(host->stage, "node %u stands still until %" PRIu64, host->index, until_ms);
    host->paused_until_ms = until_ms;
    host->has_stood_still = true;
    host->is_deaf = random_chance(&host->stage->random, 2, 3);
}

static struct host *any_host(struct stage *stage, bool is_to_be_ready) {
    unsigned begin = (unsigned)random_below(&stage->random, stage->script.hosts);
    for (unsigned i = 0; i < stage->script.hosts; i++) {
        struct host *host = &stage->hosts[(begin + i) % stage->script.hosts];
        if (is_to_be_ready ? host_is_ready(host) : host_runs(host)) return host;
    }
    return NULL;
}

struct host *host_any(struct stage *stage) {
    return any_host(stage, false);
}

struct host *host_any_ready(struct stage *stage) {
    return any_host(stage, true);
}

/* ---- what the node wants done ---------------------------------------------------------------------------------- */

static void come(struct host *host, enum event_kind kind, uint64_t *when_ms, uint64_t at_ms) {
    struct stage *stage = host->stage;
    *when_ms = at_ms;
    event_queue_add(&stage->event_queue,
                    (struct event){.at_ms = at_ms, .kind = kind, .node = host->index, .life = host->life});
}

/* How late a timer is now. */
static uint64_t late_ms(struct stage *stage) {
    bool is_late = !stage->is_quiet && random_chance(&stage->random, 1, 8);
    return is_late ? random_below(&stage->random, HOST_LATE_MS) : 0;
}

static void wake_gossip(void *context) {
    struct host *host = context;
    come(host, EVENT_GOSSIP, &host->gossip_ms, host->stage->now_ms);
}

static void flush_news(void *context) {
    struct host *host = context;
    if (!node_flush_news(host->node, host_now(host))) wake_gossip(host);
}

static void want_pump(struct host *host, uint64_t at_ms) {
    host->pump_wanted_ms = at_ms;
    come(host, EVENT_ANSWER, &host->pump_ms, at_ms + late_ms(host->stage));
}

static void wake_pump(void *context) {
    struct host *host = context;
    want_pump(host, host->stage->now_ms);
}

static unsigned host_of(const struct stage *stage, struct text address) {
    unsigned i = 0;
    while (i < stage->script.hosts && !text_equal(address, text_of(stage->hosts[i].gossip_address)) &&
           !text_equal(address, text_of(stage->hosts[i].sync_address)))
        i++;
    return i;
}

static void send_request(struct host *host, unsigned other, const struct action *action) {
    static uint8_t memory[CODEC_REQUEST_BYTES_MAX];
    struct text sealed = codec_seal_request(node_codec(host->node), action->request, memory);
    host->asks[host->ask_count++] = action->ticket;
    wires_ask(host->stage, host->index, other, action->ticket, (const uint8_t *)sealed.data, sealed.len);
}

static void perform(struct host *host, const struct action *action) {
    struct stage *stage = host->stage;
    if (action->kind == ACTION_PUBLISH) {
        struct text sealed = codec_seal_frame(node_codec(host->node), action->frame);
        wires_publish(stage, host->index, (const uint8_t *)sealed.data, sealed.len);
        return;
    }
    unsigned other = host_of(stage, text_of(action->address));
    if (other == stage->script.hosts)
        stage_fail(stage, "action", "node %u wants to reach %s", host->index, action->address);
    else if (action->kind != ACTION_SYNC_REQUEST)
        wires_subscribe(stage, host->index, other, action->kind == ACTION_SUBSCRIBE);
    else if (host->ask_count == HOST_ASKS_MAX)
        stage_fail(stage, "action", "node %u has %d sync requests on their way at once", host->index, HOST_ASKS_MAX);
    else send_request(host, other, action);
}

/* Under the node's lock, and all that is simulated is one thread: what is done here takes no time and calls no node. */
static void take_actions(void *context, struct actions actions) {
    for (struct action *action; (action = actions_take(&actions)) != NULL; action_free(action))
        perform(context, action);
}

static size_t answer(void *context, const uint8_t *request, size_t len, uint8_t **reply) {
    struct host *host = context;
    size_t reply_len;
    *reply = call_bytes(host->rpc, host->stage->worker, request, len, host_now(host), NULL, &reply_len);
    return reply_len;
}

/* ---- start and end --------------------------------------------------------------------------------------------- */

static void join(struct host *host) {
    struct stage *stage = host->stage;
    const struct node_cluster_config cluster = {.region = text_of("here"),
                                                .gossip_address = text_of(host->gossip_address),
                                                .sync_address = text_of(host->sync_address),
                                                .flush_ms = stage->script.flush_ms,
                                                .join_timeout_ms = JOIN_TIMEOUT_MS,
                                                .expects_peers = true,
                                                .keyring = stage->keyring};
    if (!node_join(host->node, &cluster, host_now(host))) abort();
    node_set_action_sink(host->node, (struct action_sink){take_actions, wake_gossip, flush_news, host});
    for (unsigned i = 0; i < stage->script.hosts; i++)
        if (i != host->index) node_add_peer(host->node, text_of(stage->hosts[i].sync_address), host_now(host));
    node_seeds_resolved(host->node);
}

void host_start(struct host *host) {
    struct stage *stage = host->stage;
    host->life++;
    host->is_up = true;
    host->origin = random_next(&stage->random) | 1;
    stage_note(stage, "node %u starts as %" PRIx64 ", wall clock wrong by %" PRId64 " s", host->index, host->origin,
               host->wall_error_ms / 1000);
    const struct node_config config = {.name = text_of(host->sync_address),
                                       .version = text_of("1.0"),
                                       .origin = host->origin,
                                       .hash_key = "sixteen bytes..",
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = 600000,
                                       .members_max = 100000,
                                       .bytes_max = 64 << 20};
    if ((host->node = node_new(&config, host_now(host))) == NULL) abort();
    if ((host->rpc = rpc_new(host->node, 0)) == NULL) abort();
    host->answerer = (struct answerer){host, host->sync_address, answer};
    host->door = (struct watch_door){host, sim_watcher_has_room, sim_watcher_deliver};
    node_expect_ticks(host->node, HOST_STALL_MS, host_now(host));
    pump_set_waker(rpc_watches(host->rpc), wake_pump, host);
    wires_host_started(stage, host->index);
    join(host);
    come(host, EVENT_GOSSIP, &host->gossip_ms, stage->now_ms);
    want_pump(host, stage->now_ms);
    event_queue_add(&stage->event_queue,
                    (struct event){.at_ms = stage->now_ms + random_below(&stage->random, HOST_TICK_MS),
                                   .kind = EVENT_TICK,
                                   .node = host->index,
                                   .life = host->life});
}

static void end(struct host *host) {
    wires_host_ended(host->stage, host->index);
    sim_watchers_lose(host->stage, host);
    rpc_free(host->rpc);
    node_free(host->node);
    host->rpc = NULL;
    host->node = NULL;
    host->is_up = host->is_stopping = host->has_stood_still = false;
    host->paused_until_ms = 0;
    host->life++;
    host->ask_count = 0;
}

void host_crash(struct host *host) {
    stage_note(host->stage, "node %u crashes", host->index);
    end(host);
}

void host_drain(struct host *host) {
    stage_note(host->stage, "node %u drains", host->index);
    host->is_stopping = true;
    pump_stop(rpc_watches(host->rpc));
    host_settle(host);
    size_t parked = pump_parked(rpc_watches(host->rpc));
    if (parked > 0) stage_fail(host->stage, "late", "node %u drains, and %zu watchers still wait", host->index, parked);
    node_leave(host->node, host_now(host));
    end(host);
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static void pump(struct host *host) {
    struct stage *stage = host->stage;
    host->pump_ms = host->pump_wanted_ms = UINT64_MAX;
    uint32_t wait_ms = pump_run(rpc_watches(host->rpc), stage->worker, host_now(host));
    /* It may have been woken meanwhile. */
    if (wait_ms != UINT32_MAX && stage->now_ms + wait_ms < host->pump_wanted_ms)
        want_pump(host, stage->now_ms + wait_ms);
    sim_watchers_take(stage, host);
}

void host_settle(struct host *host) {
    node_tick(host->node, host_now(host));
    for (int i = 0; host->pump_wanted_ms <= host->stage->now_ms; i++) {
        pump(host);
        if (i == PUMPS_MAX) {
            stage_fail(host->stage, "action", "the pump of node %u spins", host->index);
            return;
        }
    }
}

static void answered(struct host *host, const struct event *event) {
    size_t i = 0;
    while (i < host->ask_count && host->asks[i] != event->ticket) i++;
    if (i == host->ask_count) return;
    host->asks[i] = host->asks[--host->ask_count];
    struct text bytes = {0};
    if (event->packet != NULL) bytes = (struct text){(const char *)event->packet->bytes, (uint32_t)event->packet->len};
    node_sync_response(host->node, event->ticket, bytes, host_now(host));
}

/* A request that is being answered. */
struct exchange {
    struct stage *stage;
    const struct event *request;
};

static void reply_to(void *context, struct text response) {
    struct exchange *exchange = context;
    wires_reply(exchange->stage, exchange->request, (const uint8_t *)response.data, response.len);
}

static void requested(struct host *host, const struct event *event) {
    struct exchange exchange = {host->stage, event};
    struct text bytes = {(const char *)event->packet->bytes, (uint32_t)event->packet->len};
    node_sync_request(host->node, bytes, host_now(host), reply_to, &exchange);
}

static void framed(struct host *host, const struct event *event) {
    const struct host *from = &host->stage->hosts[event->other];
    if (!wires_is_current(host->stage, event)) return;
    struct text bytes = {(const char *)event->packet->bytes, (uint32_t)event->packet->len};
    node_frame(host->node, text_of(from->gossip_address), bytes, host_now(host));
}

static void gossip(struct host *host) {
    struct stage *stage = host->stage;
    uint64_t wait_ms = node_gossip(host->node, host_now(host));
    come(host, EVENT_GOSSIP, &host->gossip_ms, stage->now_ms + wait_ms + late_ms(stage));
}

static void tick(struct host *host, struct event event) {
    node_tick(host->node, host_now(host));
    event.at_ms = host->stage->now_ms + HOST_TICK_MS + late_ms(host->stage);
    event_queue_add(&host->stage->event_queue, event);
}

/* An event of a process that stands still comes when it goes on. */
static void postpone(struct host *host, struct event event) {
    if (event.kind == EVENT_GOSSIP && host->gossip_ms == event.at_ms) host->gossip_ms = host->paused_until_ms;
    if (event.kind == EVENT_ANSWER && host->pump_ms == event.at_ms) host->pump_ms = host->paused_until_ms;
    event.at_ms = host->paused_until_ms;
    if (event.kind == EVENT_FRAME && host->is_deaf) return; /* the publisher's queue was full, or it gave up */
    if (event.packet != NULL) packet_keep(event.packet);
    event_queue_add(&host->stage->event_queue, event);
}

void host_event(struct host *host, const struct event *event) {
    if (!host->is_up || event->life != host->life) return;
    if (!host_runs(host)) {
        postpone(host, *event);
        return;
    }
    switch (event->kind) {
    case EVENT_TICK:
        tick(host, *event);
        break;
    case EVENT_GOSSIP:
        if (host->gossip_ms == event->at_ms) gossip(host);
        break;
    case EVENT_ANSWER:
        if (host->pump_ms == event->at_ms) pump(host);
        break;
    case EVENT_FRAME:
        framed(host, event);
        break;
    case EVENT_REQUEST:
        requested(host, event);
        break;
    case EVENT_REPLY:
    case EVENT_TIMEOUT:
        answered(host, event);
        break;
    default:
        abort();
    }
}
