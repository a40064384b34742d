#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAP_ALIGNED_BYTES = 4096, PAGES_BYTES = 128 * 1024 };

static const uint8_t hash_key[16] = "sixteen bytes...";

/* A roll is large, and nearly all of it is never touched: its pages should not be either. */
static void *allocate(void *context, size_t bytes) {
    (void)context;
    if (bytes >= PAGES_BYTES) {
        void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return pages == MAP_FAILED ? NULL : pages;
    }
    if (bytes < HEAP_ALIGNED_BYTES) return calloc(1, bytes);
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void release(void *context, void *memory, size_t bytes) {
    (void)context;
    if (memory != NULL && bytes >= PAGES_BYTES) munmap(memory, bytes);
    else free(memory);
}

uint64_t node_now_ms(const struct world *world, const struct node *node) {
    return node->zero_ms + world->now_ms;
}

bool node_runs(const struct world *world, const struct node *node) {
    return node->is_up && node->paused_until_ms <= world->now_ms;
}

static struct roll *make_roll(const struct world *world, uint64_t origin) {
    struct roll_config config = {.origin = origin,
                                 .retention_ms = world->plan.retention_ms,
                                 .members_max = world->plan.members_max,
                                 .bytes_max = 64 << 20,
                                 .log_slots = world->plan.log_slots,
                                 .allocator = {allocate, release, NULL}};
    memcpy(config.hash_key, hash_key, sizeof hash_key);
    return roll_new(&config);
}

static struct replica *make_replica(struct world *world, struct node *node) {
    char name[16];
    int len = snprintf(name, sizeof name, "node-%u", node->index);
    struct replica_config config = {.origin = node->origin,
                                    .seed = random_next(&world->random),
                                    .name = {name, (uint32_t)len},
                                    .region = text_of("here"),
                                    .gossip_address = text_of(node->gossip_address),
                                    .sync_address = text_of(node->sync_address),
                                    .version = text_of("1.0"),
                                    .flush_ms = world->plan.flush_ms,
                                    .join_timeout_ms = SIM_JOIN_TIMEOUT_MS,
                                    .crowded_origins = world->plan.crowded_origins,
                                    .roll = node->roll,
                                    .clock = &node->clock,
                                    .allocator = {allocate, release, NULL}};
    return replica_new(&config, node_now_ms(world, node));
}

/* Each is told of all that were there at the beginning; or of the first one alone, and that of the second. */
static void meet_peers(struct world *world, struct node *node) {
    unsigned one = node->index == 0 ? 1 : 0;
    for (unsigned i = 0; i < world->plan.nodes_at_start; i++) {
        if (i == node->index || !(world->plan.meets_all || i == one)) continue;
        struct text address = text_of(world->nodes[i].sync_address);
        node_perform(world, node, replica_add_peer(node->replica, address, node_now_ms(world, node)));
    }
}

void node_start(struct world *world, struct node *node) {
    node->life++;
    node->is_up = true;
    node->origin = random_next(&world->random) | 1;
    node->started_ms = node->rolled_ms = world->now_ms;
    node->anew_ms = 0;
    int64_t wall_ms = (int64_t)(WORLD_WALL_MS + world->now_ms) + node->wall_error_ms;
    node->clock = hlc_start((uint64_t)wall_ms, node_now_ms(world, node));
    node->roll = make_roll(world, node->origin);
    transcript_add(&world->transcript, world->now_ms,
                   "node %u starts as %" PRIx64 ", wall clock wrong by %" PRId64 " s", node->index, node->origin,
                   node->wall_error_ms / 1000);
    trace_started(world, node);
    oracle_node_started(world, node);
    node->replica = make_replica(world, node);
    node->codec = codec_new(world->keyring);
    if (node->roll == NULL || node->replica == NULL || node->codec == NULL) abort();
    node_restore(world, node);
    network_node_started(world, node->index);
    meet_peers(world, node);
    event_queue_add(&world->event_queue, (struct event){.at_ms = world->now_ms + random_below(&world->random, 5),
                                                        .kind = EVENT_TICK,
                                                        .node = node->index,
                                                        .life = node->life});
}

void node_clear_inbox(struct node *node) {
    for (size_t i = 0; i < node->inbox_count; i++) packet_drop(node->inbox[i].packet);
    node->inbox_count = 0;
}

void node_end(struct world *world, struct node *node) {
    oracle_node_ended(world, node);
    network_node_ended(world, node->index);
    replica_free(node->replica);
    codec_free(node->codec);
    roll_free(node->roll);
    node->replica = NULL;
    node->codec = NULL;
    node->roll = NULL;
    node->is_up = false;
    node->life++;
    node->paused_since_ms = node->paused_until_ms = 0;
    node->sync_count = 0;
    node_clear_inbox(node);
}

void node_crash(struct world *world, struct node *node) {
    transcript_add(&world->transcript, world->now_ms, "node %u crashes", node->index);
    node_end(world, node);
}

void node_leave(struct world *world, struct node *node) {
    transcript_add(&world->transcript, world->now_ms, "node %u leaves", node->index);
    node_perform(world, node, replica_leave(node->replica, node_now_ms(world, node)));
    node_save(world, node);
    node_end(world, node);
}

static void send_request(struct world *world, struct node *node, const struct action *action) {
    static uint8_t memory[CODEC_REQUEST_BYTES_MAX];
    struct text sealed = codec_seal_request(node->codec, action->request, memory);
    network_send_request(world, node->index, action->ticket, text_of(action->address), sealed);
}

static void perform(struct world *world, struct node *node, const struct action *action) {
    trace_action(world, node, action);
    switch (action->kind) {
    case ACTION_PUBLISH:
        network_publish(world, node->index, codec_seal_frame(node->codec, action->frame));
        break;
    case ACTION_SYNC_REQUEST:
        send_request(world, node, action);
        break;
    case ACTION_SUBSCRIBE:
        network_subscribe(world, node->index, text_of(action->address), true);
        break;
    case ACTION_UNSUBSCRIBE:
        network_subscribe(world, node->index, text_of(action->address), false);
        break;
    }
}

void node_perform(struct world *world, struct node *node, struct actions actions) {
    for (struct action *action; (action = actions_take(&actions)) != NULL; action_free(action))
        perform(world, node, action);
}

void node_tick(struct world *world, struct node *node) {
    uint64_t now_ms = node_now_ms(world, node);
    if (world->now_ms - node->rolled_ms >= ROLL_TICK_MS) {
        while (roll_tick(node->roll, now_ms, ROLL_TICK_BUDGET, NULL)) {
        }
        node->rolled_ms = world->now_ms;
    }
    node_perform(world, node, replica_tick(node->replica, now_ms));
    trace_learnt(world, node);
    oracle_learn_adopted(world, node);
}
