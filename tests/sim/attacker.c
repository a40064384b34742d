#include "world.h"

#include <string.h>

void attacker_clear(struct attacker *attacker) {
    for (size_t i = 0; i < ATTACKER_KEEPS; i++) {
        packet_drop(attacker->frames[i].packet);
        packet_drop(attacker->replies[i].packet);
    }
    memset(attacker, 0, sizeof *attacker);
}

/* Keeps about every third, in any place: what it holds is of all times. */
static void keep(struct world *world, struct heard *kept, unsigned from, struct packet *packet) {
    if (!plan_has(&world->plan, FAULT_REPLAY) || !random_chance(&world->random, 1, 3)) return;
    struct heard *place = &kept[random_below(&world->random, ATTACKER_KEEPS)];
    packet_drop(place->packet);
    *place = (struct heard){from, packet_keep(packet)};
}

void attacker_hear(struct world *world, unsigned from, struct packet *packet) {
    keep(world, world->attacker.frames, from, packet);
}

void attacker_hear_reply(struct world *world, unsigned from, struct packet *packet) {
    keep(world, world->attacker.replies, from, packet);
}

bool attacker_responds(struct world *world, unsigned requester, unsigned to, uint64_t ticket) {
    if (world->is_quiet || !plan_has(&world->plan, FAULT_REPLAY) || !random_chance(&world->random, 1, 4)) return false;
    const struct heard *heard = &world->attacker.replies[random_below(&world->random, ATTACKER_KEEPS)];
    if (heard->packet == NULL) return false;
    transcript_add(&world->transcript, world->now_ms, "the attacker answers node %u with an old reply of node %u",
                   requester, heard->from);
    event_queue_add(&world->event_queue, (struct event){.at_ms = world->now_ms + 1,
                                                        .kind = EVENT_REPLY,
                                                        .node = requester,
                                                        .other = to,
                                                        .life = world->nodes[requester].life,
                                                        .ticket = ticket,
                                                        .packet = packet_keep(heard->packet)});
    return true;
}

static void send_to(struct world *world, unsigned to, unsigned from, struct packet *packet) {
    event_queue_add(&world->event_queue, (struct event){.at_ms = world->now_ms + 1,
                                                        .kind = EVENT_FRAME,
                                                        .node = to,
                                                        .other = from,
                                                        .life = world->nodes[to].life,
                                                        .packet = packet});
}

void attacker_replay(struct world *world) {
    struct node *node = world_any_node(world);
    if (node == NULL) return;
    transcript_add(&world->transcript, world->now_ms, "the attacker replays frames to node %u", node->index);
    size_t begin = random_below(&world->random, ATTACKER_KEEPS),
           count = random_between(&world->random, 1, ATTACKER_KEEPS);
    for (size_t i = 0; i < count; i++) {
        const struct heard *heard = &world->attacker.frames[(begin + i) % ATTACKER_KEEPS];
        if (heard->packet != NULL) send_to(world, node->index, heard->from, packet_keep(heard->packet));
    }
}

void attacker_send_garbage(struct world *world) {
    struct node *node = world_any_node(world);
    if (node == NULL) return;
    const struct heard *heard = &world->attacker.frames[random_below(&world->random, ATTACKER_KEEPS)];
    uint8_t noise[300];
    size_t len = random_below(&world->random, sizeof noise);
    for (size_t i = 0; i < len; i++) noise[i] = (uint8_t)random_next(&world->random);
    struct packet *packet = packet_new(noise, len);
    if (heard->packet != NULL && heard->packet->len > 0 && random_chance(&world->random, 1, 2)) {
        packet_drop(packet);
        packet = packet_new(heard->packet->bytes, random_between(&world->random, 1, heard->packet->len));
        packet->bytes[random_below(&world->random, packet->len)] ^= (uint8_t)(1u << random_below(&world->random, 8));
    }
    transcript_add(&world->transcript, world->now_ms, "the attacker sends %zu broken bytes to node %u", packet->len,
                   node->index);
    send_to(world, node->index, heard->from, packet);
}
