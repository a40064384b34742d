#include "wired.h"

#include "support/heap.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const char ring[] = "primary 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
                           "places 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n";

struct wires *wires_new(unsigned count) {
    char error[128];
    struct wires *wires = calloc(1, sizeof *wires);
    if (wires == NULL || sodium_init() < 0) fail_msg("no memory, or no libsodium");
    wires->keyring = keyring_parse(ring, sizeof ring - 1, error, sizeof error);
    if (wires->keyring == NULL) fail_msg("the keyring: %s", error);
    wires->count = count;
    wires->now_ms = 1000;
    wires->members_max = 100000;
    wires->log_slots = 1 << 12;
    return wires;
}

void wires_free(struct wires *wires) {
    for (unsigned i = 0; i < wires->count; i++) wired_stop(wires, i);
    wired_forget_frames(wires);
    while (wires->late_count > 0) free(wires->late[--wires->late_count].frame.bytes);
    keyring_free(wires->keyring);
    free(wires);
}

void wired_forget_frames(struct wires *wires) {
    while (wires->frame_count > 0) free(wires->frames[--wires->frame_count].bytes);
}

uint64_t wired_now_ms(const struct wires *wires, unsigned node) {
    return wires->nodes[node].zero_ms + wires->now_ms;
}

static unsigned node_at(const struct wires *wires, struct text address) {
    for (unsigned i = 0; i < wires->count; i++)
        if (text_equal(address, text_of(wires->nodes[i].sync)) || text_equal(address, text_of(wires->nodes[i].gossip)))
            return i;
    return WIRED_NODES;
}

static void perform(struct wires *wires, unsigned node, struct actions actions);

void wired_deliver(struct wires *wires, unsigned to, const struct wired_frame *frame) {
    struct wired_node *node = &wires->nodes[to];
    if (!node->is_up) return;
    perform(wires, to,
            replica_frame(node->replica, text_of(wires->nodes[frame->from].gossip), frame->bytes, frame->len,
                          wired_now_ms(wires, to), NULL));
}

static struct wired_frame copy_of(const struct wired_frame *frame) {
    struct wired_frame copy = {frame->from, malloc(frame->len), frame->len};
    if (copy.bytes == NULL) fail_msg("no memory");
    memcpy(copy.bytes, frame->bytes, frame->len);
    return copy;
}

static void send_late(struct wires *wires, unsigned to, const struct wired_frame *frame) {
    if (wires->late_count == WIRED_FRAMES) fail_msg("more than %d frames are on their way", WIRED_FRAMES);
    wires->late[wires->late_count++] =
        (struct wired_late){wires->now_ms + wires->delay_ms[to][frame->from], to, copy_of(frame)};
}

/* Delivers what is due, in the order in which it was sent. */
static void deliver_late(struct wires *wires) {
    size_t left = 0, count = wires->late_count;
    for (size_t i = 0; i < count; i++) {
        struct wired_late late = wires->late[i];
        if (late.at_ms > wires->now_ms) {
            wires->late[left++] = late;
            continue;
        }
        wired_deliver(wires, late.to, &late.frame);
        free(late.frame.bytes);
    }
    for (size_t i = count; i < wires->late_count; i++) wires->late[left++] = wires->late[i];
    wires->late_count = left;
}

static void publish(struct wires *wires, unsigned from, const struct wired_frame *frame) {
    wires->published_bytes += frame->len;
    if (wires->is_kept) {
        if (wires->frame_count == WIRED_FRAMES) fail_msg("more than %d frames were kept", WIRED_FRAMES);
        wires->frames[wires->frame_count++] = copy_of(frame);
        return;
    }
    for (unsigned to = 0; to < wires->count; to++) {
        if (!wires->nodes[to].hears[from] || wires->is_deaf[to][from]) continue;
        if (wires->delay_ms[to][from] > 0) send_late(wires, to, frame);
        else wired_deliver(wires, to, frame);
    }
}

static void ask(struct wires *wires, unsigned from, const struct action *action) {
    struct wired_node *node = &wires->nodes[from];
    unsigned to = node_at(wires, action->address);
    struct action reply = {0};
    wires->asks++;
    if (to < WIRED_NODES && wires->nodes[to].is_up && !wires->is_cut[from][to])
        replica_request(wires->nodes[to].replica, action->bytes, action->len, wired_now_ms(wires, to), &reply);
    size_t most = to < WIRED_NODES ? wires->answer_bytes_max[from][to] : 0;
    if (most > 0 && reply.len > most) reply.len = 0;
    wires->answered_bytes += reply.len;
    perform(wires, from,
            replica_answered(node->replica, action->ticket, reply.len == 0 ? NULL : reply.bytes, reply.len,
                             wired_now_ms(wires, from), NULL));
}

/* What the replica owns until its next call is copied, since what is done here makes such calls. */
static void perform(struct wires *wires, unsigned node, struct actions actions) {
    struct action *items = calloc(actions.count + 1, sizeof *items);
    if (items == NULL) fail_msg("no memory");
    for (size_t i = 0; i < actions.count; i++) {
        items[i] = actions.items[i];
        char *copy = malloc(items[i].len + items[i].address.len + 1);
        if (copy == NULL) fail_msg("no memory");
        if (items[i].len > 0) memcpy(copy, items[i].bytes, items[i].len);
        if (items[i].address.len > 0) memcpy(copy + items[i].len, items[i].address.data, items[i].address.len);
        items[i].bytes = (uint8_t *)copy;
        items[i].address.data = copy + items[i].len;
    }
    for (size_t i = 0; i < actions.count; i++) {
        const struct action *action = &items[i];
        struct wired_frame frame = {node, NULL, action->len};
        memcpy(&frame.bytes, &action->bytes, sizeof frame.bytes);
        unsigned other = node_at(wires, action->address);
        if (action->kind == ACTION_PUBLISH) publish(wires, node, &frame);
        else if (action->kind == ACTION_ASK) ask(wires, node, action);
        else if (other < WIRED_NODES) wires->nodes[node].hears[other] = action->kind == ACTION_SUBSCRIBE;
        free(frame.bytes);
    }
    free(items);
}

void wired_start(struct wires *wires, unsigned i) {
    struct wired_node *node = &wires->nodes[i];
    *node = (struct wired_node){.is_up = true, .origin = 0x1000 * (i + 1) + ++wires->lives};
    node->zero_ms = (UINT64_C(1) << 40) + i * UINT64_C(1000000007);
    snprintf(node->sync, sizeof node->sync, "tcp://node%u:7704", i);
    snprintf(node->gossip, sizeof node->gossip, "tcp://node%u:7701", i);
    uint64_t now_ms = wired_now_ms(wires, i);
    node->clock = hlc_start(UINT64_C(1700000000000) + wires->now_ms, now_ms);
    struct roll_config roll = {.origin = node->origin,
                               .retention_ms = WIRED_RETENTION_MS,
                               .members_max = wires->members_max,
                               .bytes_max = UINT64_C(1) << 32,
                               .log_slots = wires->log_slots,
                               .allocator = heap_plain()};
    keyring_hash_key(wires->keyring, roll.hash_key);
    node->roll = roll_new(&roll);
    struct replica_config config = {.origin = node->origin,
                                    .seed = node->origin,
                                    .name = text_of(node->sync + 6),
                                    .region = text_of("here"),
                                    .gossip_address = text_of(node->gossip),
                                    .sync_address = text_of(node->sync),
                                    .version = text_of("test"),
                                    .flush_ms = WIRED_FLUSH_MS,
                                    .join_timeout_ms = 10000,
                                    .roll = node->roll,
                                    .clock = &node->clock,
                                    .keyring = wires->keyring,
                                    .allocator = heap_plain()};
    node->replica = replica_new(&config, now_ms);
    if (node->roll == NULL || node->replica == NULL) fail_msg("node %u: no memory", i);
    wired_meet(wires, i, i == 0 ? 1u : 0u);
}

void wired_meet(struct wires *wires, unsigned i, unsigned other) {
    char contact[32];
    snprintf(contact, sizeof contact, "tcp://node%u:7704", other);
    perform(wires, i, replica_meet(wires->nodes[i].replica, text_of(contact), wired_now_ms(wires, i)));
}

void wired_stop(struct wires *wires, unsigned i) {
    struct wired_node *node = &wires->nodes[i];
    if (!node->is_up) return;
    node->is_up = false;
    replica_free(node->replica);
    roll_free(node->roll);
}

void wired_run(struct wires *wires, uint64_t ms) {
    for (uint64_t end_ms = wires->now_ms + ms; wires->now_ms < end_ms;) {
        wires->now_ms += WIRED_FLUSH_MS;
        deliver_late(wires);
        for (unsigned i = 0; i < wires->count; i++) {
            struct wired_node *node = &wires->nodes[i];
            if (!node->is_up) continue;
            while (roll_tick(node->roll, wired_now_ms(wires, i), 1000, NULL)) continue;
            perform(wires, i, replica_tick(node->replica, wired_now_ms(wires, i)));
        }
    }
}

void wired_part(struct wires *wires, unsigned a, unsigned b, bool is_parted) {
    wires->is_deaf[a][b] = wires->is_deaf[b][a] = wires->is_cut[a][b] = wires->is_cut[b][a] = is_parted;
}

void wired_beat(struct wires *wires, unsigned i, const struct beat *beat) {
    struct wired_node *node = &wires->nodes[i];
    uint64_t now_ms = wired_now_ms(wires, i);
    struct touched touched;
    struct refusal why;
    enum muster_code code =
        roll_touch(node->roll, beat, 1, hlc_next(&node->clock, now_ms), now_ms, NULL, &touched, &why);
    if (code != MUSTER_OK) fail_msg("a touch at node %u is refused: %s", i, why.what);
    if (replica_touched(node->replica, &touched, now_ms)) perform(wires, i, replica_tick(node->replica, now_ms));
}

void wired_touch(struct wires *wires, unsigned node, const char *scope, const char *user, uint32_t ttl_ms) {
    const struct beat beat = {
        .scope = text_of(scope), .user = text_of(user), .ttl_ms = ttl_ms, .status = STATUS_ONLINE};
    wired_beat(wires, node, &beat);
}

void wired_reset(struct wires *wires, unsigned i, const char *scope) {
    struct wired_node *node = &wires->nodes[i];
    uint64_t now_ms = wired_now_ms(wires, i), forgotten;
    struct refusal why;
    if (roll_reset(node->roll, text_of(scope), hlc_next(&node->clock, now_ms), now_ms, NULL, &forgotten, &why) !=
        MUSTER_OK)
        fail_msg("a reset at node %u is refused: %s", i, why.what);
    const struct touched touched = {.is_news = true, .refresh_by_ms = UINT64_MAX};
    if (replica_touched(node->replica, &touched, now_ms)) perform(wires, i, replica_tick(node->replica, now_ms));
}

bool wired_is_live(const struct wires *wires, unsigned node, const char *scope, const char *user) {
    struct user_view view;
    const struct text name = text_of(user);
    roll_live(wires->nodes[node].roll, text_of(scope), &name, 1, wired_now_ms(wires, node), &view);
    return view.live;
}

struct replica_stats wired_stats(const struct wires *wires, unsigned node) {
    struct replica_stats stats;
    replica_stats(wires->nodes[node].replica, &stats);
    return stats;
}

enum peer_state wired_state(const struct wires *wires, unsigned node, unsigned of) {
    struct peer_view views[REPLICA_PEERS_MAX + 1];
    size_t n = replica_peers(wires->nodes[node].replica, wired_now_ms(wires, node), views, REPLICA_PEERS_MAX + 1);
    for (size_t i = 0; i < n; i++)
        if (text_equal(views[i].address, text_of(wires->nodes[of].sync))) return views[i].state;
    fail_msg("node %u does not know node %u", node, of);
    return PEER_JOINING;
}

uint64_t wired_known(const struct wires *wires, unsigned node, unsigned of) {
    struct known known[16];
    size_t n = replica_vector(wires->nodes[node].replica, known, 16);
    for (size_t i = 0; i < n && i < 16; i++)
        if (known[i].origin == wires->nodes[of].origin) return known[i].sequence;
    return 0;
}

static uint64_t fingerprint(const struct wires *wires, unsigned node) {
    return roll_fingerprint(wires->nodes[node].roll, wired_now_ms(wires, node));
}

bool wired_is_same(const struct wires *wires, unsigned a, unsigned b) {
    return fingerprint(wires, a) == fingerprint(wires, b);
}

void wired_agree(const struct wires *wires) {
    unsigned first = WIRED_NODES;
    for (unsigned i = 0; i < wires->count; i++) {
        if (!wires->nodes[i].is_up) continue;
        if (first == WIRED_NODES) first = i;
        if (!wired_is_same(wires, first, i)) fail_msg("nodes %u and %u do not hold the same", first, i);
    }
}
