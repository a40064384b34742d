#include "cluster_fixture.h"

#include "support/heap.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const char ring[] = "primary 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
                           "places 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n";

struct cluster_fixture *fixture_new(unsigned count) {
    struct error error;
    struct cluster_fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL || sodium_init() < 0) fail_msg("no memory, or no libsodium");
    fixture->keyring = keyring_parse(ring, sizeof ring - 1, &error);
    if (fixture->keyring == NULL) fail_msg("the keyring: %s", error.text);
    fixture->count = count;
    fixture->now_ms = 1000;
    fixture->members_max = 100000;
    fixture->log_slots = 1 << 12;
    return fixture;
}

void fixture_free(struct cluster_fixture *fixture) {
    for (unsigned i = 0; i < fixture->count; i++) fixture_stop(fixture, i);
    fixture_forget_frames(fixture);
    while (fixture->late_count > 0) free(fixture->late[--fixture->late_count].frame.bytes);
    keyring_free(fixture->keyring);
    free(fixture);
}

void fixture_forget_frames(struct cluster_fixture *fixture) {
    while (fixture->frame_count > 0) free(fixture->frames[--fixture->frame_count].bytes);
}

uint64_t fixture_now_ms(const struct cluster_fixture *fixture, unsigned node) {
    return fixture->nodes[node].zero_ms + fixture->now_ms;
}

static unsigned node_at(const struct cluster_fixture *fixture, struct text address) {
    for (unsigned i = 0; i < fixture->count; i++)
        if (text_equal(address, text_of(fixture->nodes[i].sync)) ||
            text_equal(address, text_of(fixture->nodes[i].gossip)))
            return i;
    return FIXTURE_NODES;
}

static void perform(struct cluster_fixture *fixture, unsigned node, struct actions actions);

void fixture_deliver(struct cluster_fixture *fixture, unsigned to, const struct fixture_frame *frame) {
    struct fixture_node *node = &fixture->nodes[to];
    if (!node->is_up) return;
    struct received *received =
        codec_open_frame(node->codec, (struct text){(const char *)frame->bytes, (uint32_t)frame->len});
    if (received == NULL) return;
    perform(fixture, to,
            replica_frame(node->replica, text_of(fixture->nodes[frame->from].gossip), &received->frame,
                          fixture_now_ms(fixture, to), NULL));
    codec_release(node->codec, received);
}

static struct fixture_frame copy_of(const struct fixture_frame *frame) {
    struct fixture_frame copy = {frame->from, malloc(frame->len), frame->len};
    if (copy.bytes == NULL) fail_msg("no memory");
    memcpy(copy.bytes, frame->bytes, frame->len);
    return copy;
}

static void send_late(struct cluster_fixture *fixture, unsigned to, const struct fixture_frame *frame) {
    if (fixture->late_count == FIXTURE_FRAMES) fail_msg("more than %d frames are on their way", FIXTURE_FRAMES);
    fixture->late[fixture->late_count++] =
        (struct fixture_late){fixture->now_ms + fixture->delay_ms[to][frame->from], to, copy_of(frame)};
}

/* Delivers what is due, in the order in which it was sent. */
static void deliver_late(struct cluster_fixture *fixture) {
    size_t left = 0, count = fixture->late_count;
    for (size_t i = 0; i < count; i++) {
        struct fixture_late late = fixture->late[i];
        if (late.at_ms > fixture->now_ms) {
            fixture->late[left++] = late;
            continue;
        }
        fixture_deliver(fixture, late.to, &late.frame);
        free(late.frame.bytes);
    }
    for (size_t i = count; i < fixture->late_count; i++) fixture->late[left++] = fixture->late[i];
    fixture->late_count = left;
}

static void publish(struct cluster_fixture *fixture, unsigned from, const struct fixture_frame *frame) {
    fixture->published_bytes += frame->len;
    if (fixture->is_kept) {
        if (fixture->frame_count == FIXTURE_FRAMES) fail_msg("more than %d frames were kept", FIXTURE_FRAMES);
        fixture->frames[fixture->frame_count++] = copy_of(frame);
        return;
    }
    for (unsigned to = 0; to < fixture->count; to++) {
        if (!fixture->nodes[to].hears[from] || fixture->is_deaf[to][from]) continue;
        if (fixture->delay_ms[to][from] > 0) send_late(fixture, to, frame);
        else fixture_deliver(fixture, to, frame);
    }
}

/* The response of a node, sealed, which is released with `by`; empty: there is none. */
static struct text respond(struct cluster_fixture *fixture, unsigned to, struct text sealed, struct received **by) {
    struct fixture_node *node = &fixture->nodes[to];
    if ((*by = codec_open_request(node->codec, sealed)) == NULL) return (struct text){0};
    replica_sync_request(node->replica, &(*by)->request, fixture_now_ms(fixture, to), &(*by)->response_page);
    return codec_seal_page(node->codec, *by);
}

static void take_response(struct cluster_fixture *fixture, unsigned from, uint64_t ticket, struct text sealed) {
    struct fixture_node *node = &fixture->nodes[from];
    struct received *received = sealed.len == 0 ? NULL : codec_open_response(node->codec, sealed);
    perform(fixture, from,
            replica_sync_response(node->replica, ticket, received == NULL ? NULL : &received->response,
                                  fixture_now_ms(fixture, from), NULL));
    codec_release(node->codec, received);
}

static void send_request(struct cluster_fixture *fixture, unsigned from, const struct action *action) {
    static uint8_t memory[CODEC_REQUEST_BYTES_MAX];
    unsigned to = node_at(fixture, text_of(action->address));
    struct text response = {0};
    struct received *by = NULL;
    fixture->sync_requests++;
    if (to < FIXTURE_NODES && fixture->nodes[to].is_up && !fixture->is_cut[from][to])
        response = respond(fixture, to, codec_seal_request(fixture->nodes[from].codec, action->request, memory), &by);
    size_t most = to < FIXTURE_NODES ? fixture->response_bytes_max[from][to] : 0;
    if (most > 0 && response.len > most) response.len = 0;
    fixture->response_bytes += response.len;
    take_response(fixture, from, action->ticket, response);
    if (by != NULL) codec_release(fixture->nodes[to].codec, by);
}

static void publish_action(struct cluster_fixture *fixture, unsigned from, const struct action *action) {
    struct text sealed = codec_seal_frame(fixture->nodes[from].codec, action->frame);
    uint8_t *bytes = action->frame->memory + (sealed.data - (const char *)action->frame->memory);
    publish(fixture, from, &(struct fixture_frame){from, bytes, sealed.len});
}

static void perform(struct cluster_fixture *fixture, unsigned node, struct actions actions) {
    for (struct action *action; (action = actions_take(&actions)) != NULL; action_free(action)) {
        unsigned other = node_at(fixture, text_of(action->address));
        if (action->kind == ACTION_PUBLISH) publish_action(fixture, node, action);
        else if (action->kind == ACTION_SYNC_REQUEST) send_request(fixture, node, action);
        else if (other < FIXTURE_NODES) fixture->nodes[node].hears[other] = action->kind == ACTION_SUBSCRIBE;
    }
}

void fixture_start(struct cluster_fixture *fixture, unsigned i) {
    struct fixture_node *node = &fixture->nodes[i];
    *node = (struct fixture_node){.is_up = true, .origin = 0x1000 * (i + 1) + ++fixture->lives};
    node->zero_ms = (UINT64_C(1) << 40) + i * UINT64_C(1000000007);
    snprintf(node->sync, sizeof node->sync, "tcp://node%u:7704", i);
    snprintf(node->gossip, sizeof node->gossip, "tcp://node%u:7701", i);
    uint64_t now_ms = fixture_now_ms(fixture, i);
    node->clock = hlc_start(UINT64_C(1700000000000) + fixture->now_ms, now_ms);
    struct roll_config roll = {.origin = node->origin,
                               .retention_ms = FIXTURE_RETENTION_MS,
                               .members_max = fixture->members_max,
                               .bytes_max = UINT64_C(1) << 32,
                               .log_slots = fixture->log_slots,
                               .allocator = heap_plain()};
    keyring_hash_key(fixture->keyring, roll.hash_key);
    node->roll = roll_new(&roll);
    struct replica_config config = {.origin = node->origin,
                                    .seed = node->origin,
                                    .name = text_of(node->sync + 6),
                                    .region = text_of("here"),
                                    .gossip_address = text_of(node->gossip),
                                    .sync_address = text_of(node->sync),
                                    .version = text_of("test"),
                                    .flush_ms = FIXTURE_FLUSH_MS,
                                    .join_timeout_ms = 10000,
                                    .crowded_origins = fixture->crowded_origins,
                                    .roll = node->roll,
                                    .clock = &node->clock,
                                    .allocator = heap_plain()};
    node->replica = replica_new(&config, now_ms);
    node->codec = codec_new(fixture->keyring);
    if (node->roll == NULL || node->replica == NULL || node->codec == NULL) fail_msg("node %u: no memory", i);
    fixture_add_peer(fixture, i, i == 0 ? 1u : 0u);
}

void fixture_add_peer(struct cluster_fixture *fixture, unsigned i, unsigned other) {
    char contact[32];
    snprintf(contact, sizeof contact, "tcp://node%u:7704", other);
    perform(fixture, i, replica_add_peer(fixture->nodes[i].replica, text_of(contact), fixture_now_ms(fixture, i)));
}

void fixture_leave(struct cluster_fixture *fixture, unsigned i) {
    perform(fixture, i, replica_leave(fixture->nodes[i].replica, fixture_now_ms(fixture, i)));
}

void fixture_stop(struct cluster_fixture *fixture, unsigned i) {
    struct fixture_node *node = &fixture->nodes[i];
    if (!node->is_up) return;
    node->is_up = false;
    replica_free(node->replica);
    codec_free(node->codec);
    roll_free(node->roll);
}

void fixture_run(struct cluster_fixture *fixture, uint64_t ms) {
    for (uint64_t end_ms = fixture->now_ms + ms; fixture->now_ms < end_ms;) {
        fixture->now_ms += FIXTURE_FLUSH_MS;
        deliver_late(fixture);
        for (unsigned i = 0; i < fixture->count; i++) {
            struct fixture_node *node = &fixture->nodes[i];
            if (!node->is_up) continue;
            while (roll_tick(node->roll, fixture_now_ms(fixture, i), 1000, NULL)) continue;
            perform(fixture, i, replica_tick(node->replica, fixture_now_ms(fixture, i)));
        }
    }
}

void fixture_cut(struct cluster_fixture *fixture, unsigned a, unsigned b, bool is_cut) {
    fixture->is_deaf[a][b] = fixture->is_deaf[b][a] = fixture->is_cut[a][b] = fixture->is_cut[b][a] = is_cut;
}

void fixture_beat(struct cluster_fixture *fixture, unsigned i, const struct beat *beat) {
    struct fixture_node *node = &fixture->nodes[i];
    uint64_t now_ms = fixture_now_ms(fixture, i);
    struct touched touched;
    struct refusal why;
    enum muster_code code =
        roll_touch(node->roll, beat, 1, hlc_next(&node->clock, now_ms), now_ms, NULL, &touched, &why);
    if (code != MUSTER_OK) fail_msg("a touch at node %u is refused: %s", i, why.what);
    if (replica_touched(node->replica, &touched, now_ms)) perform(fixture, i, replica_tick(node->replica, now_ms));
}

void fixture_touch(struct cluster_fixture *fixture, unsigned node, const char *scope, const char *user,
                   uint32_t ttl_ms) {
    const struct beat beat = {
        .scope = text_of(scope), .user = text_of(user), .ttl_ms = ttl_ms, .status = STATUS_ONLINE};
    fixture_beat(fixture, node, &beat);
}

void fixture_reset(struct cluster_fixture *fixture, unsigned i, const char *scope) {
    struct fixture_node *node = &fixture->nodes[i];
    uint64_t now_ms = fixture_now_ms(fixture, i), forgotten;
    struct refusal why;
    if (roll_reset(node->roll, text_of(scope), hlc_next(&node->clock, now_ms), now_ms, NULL, &forgotten, &why) !=
        MUSTER_OK)
        fail_msg("a reset at node %u is refused: %s", i, why.what);
    const struct touched touched = {.is_news = true, .refresh_by_ms = UINT64_MAX};
    if (replica_touched(node->replica, &touched, now_ms)) perform(fixture, i, replica_tick(node->replica, now_ms));
}

bool fixture_is_live(const struct cluster_fixture *fixture, unsigned node, const char *scope, const char *user) {
    struct user_view view;
    const struct text name = text_of(user);
    roll_live(fixture->nodes[node].roll, text_of(scope), &name, 1, fixture_now_ms(fixture, node), &view);
    return view.live;
}

struct replica_stats fixture_stats(const struct cluster_fixture *fixture, unsigned node) {
    struct replica_stats stats;
    replica_stats(fixture->nodes[node].replica, &stats);
    codec_add_stats(fixture->nodes[node].codec, &stats);
    return stats;
}

enum peer_state fixture_state(const struct cluster_fixture *fixture, unsigned node, unsigned of) {
    struct peer_view views[REPLICA_PEERS_MAX + 1];
    size_t n = replica_peers(fixture->nodes[node].replica, fixture_now_ms(fixture, node), views, REPLICA_PEERS_MAX + 1);
    for (size_t i = 0; i < n; i++)
        if (text_equal(views[i].address, text_of(fixture->nodes[of].sync))) return views[i].state;
    fail_msg("node %u does not know node %u", node, of);
    return PEER_JOINING;
}

uint64_t fixture_known(const struct cluster_fixture *fixture, unsigned node, unsigned of) {
    struct known known[16];
    size_t n = replica_vector(fixture->nodes[node].replica, known, 16);
    for (size_t i = 0; i < n && i < 16; i++)
        if (known[i].origin == fixture->nodes[of].origin) return known[i].sequence;
    return 0;
}

static uint64_t fingerprint(const struct cluster_fixture *fixture, unsigned node) {
    return roll_fingerprint(fixture->nodes[node].roll, fixture_now_ms(fixture, node));
}

bool fixture_is_same(const struct cluster_fixture *fixture, unsigned a, unsigned b) {
    return fingerprint(fixture, a) == fingerprint(fixture, b);
}

void fixture_agree(const struct cluster_fixture *fixture) {
    unsigned first = FIXTURE_NODES;
    for (unsigned i = 0; i < fixture->count; i++) {
        if (!fixture->nodes[i].is_up) continue;
        if (first == FIXTURE_NODES) first = i;
        if (!fixture_is_same(fixture, first, i)) fail_msg("nodes %u and %u do not hold the same", first, i);
    }
}
