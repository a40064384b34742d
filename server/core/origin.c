/* The origins that registers are labelled with.
 *
 * Origin and sequence of a register are a label for transport alone: where a version vector covers them, the register
 * is there, or something newer. They order nothing. So a register may change hands: a node that adopts one of an origin
 * that is gone labels it as its own, and tells of it as of a beat; whoever has the same takes over the label. The table
 * may fill up for a while all the same: then what is merged is adopted as it comes. */
#include "roll_internal.h"

/* The list that an origin is in, by its id. */
static uint32_t origin_list(uint64_t id) {
    return (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) % ROLL_ORIGINS_MAX;
}

uint16_t origin_find(const struct roll *roll, uint64_t id) {
    uint16_t i = roll->origin_lists[origin_list(id)];
    while (i != 0 && roll->origins[i - 1].id != id) i = roll->origins[i - 1].next;
    return i == 0 ? ORIGIN_NONE : i - 1;
}

static uint16_t origin_add(struct roll *roll, uint64_t id) {
    uint16_t i = 0, *list = &roll->origin_lists[origin_list(id)];
    while (i < ROLL_ORIGINS_MAX && roll->origins[i].id != 0) i++;
    if (i == ROLL_ORIGINS_MAX) return ORIGIN_NONE;
    roll->origins[i] = (struct origin){.id = id, .next = *list};
    *list = i + 1;
    roll->origin_count++;
    return i;
}

static void origin_remove(struct roll *roll, uint16_t i) {
    uint16_t *link = &roll->origin_lists[origin_list(roll->origins[i].id)];
    while (*link != i + 1) link = &roll->origins[*link - 1].next;
    *link = roll->origins[i].next;
    roll->origins[i] = (struct origin){.id = 0};
    roll->origin_count--;
}

void origins_begin(struct roll *roll, uint64_t id) {
    uint16_t self = origin_add(roll, id);
    assert(self == ORIGIN_SELF);
}

uint16_t origin_obtain(struct roll *roll, uint64_t id) {
    /* Nearly all changes of a call are of one origin: that one is tried first. */
    uint16_t i = roll->last_origin;
    if (roll->origins[i].id == id) return i;
    if ((i = origin_find(roll, id)) == ORIGIN_NONE) i = origin_add(roll, id);
    if (i != ORIGIN_NONE) roll->last_origin = i;
    return i;
}

void origins_make_room(struct roll *roll) {
    if (roll->origin_count < ROLL_ORIGINS_MAX) return;
    for (uint16_t i = ORIGIN_SELF + 1; i < ROLL_ORIGINS_MAX; i++)
        if (roll->origins[i].registers == 0) origin_remove(roll, i);
}

/* A client that repeats its leave at another node, with the stamp that it carries, may make the same register twice, at
 * two instants: the earlier one wins. Ages of one beat differ by less than this; the exact ones would be taken for two,
 * and each merge would make it a little older. */
enum { SEEN_APART_MS = 100 };

static int number_order(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

static int text_order(struct text a, struct text b) {
    uint32_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    return order != 0 ? order : number_order(a.len, b.len);
}

int register_order(const struct member *m, const struct change *change) {
    if (m->stamp != change->stamp) return number_order(m->stamp, change->stamp);
    /* The shorter lease wins, a leave above all. */
    if (m->ttl_ms != change->ttl_ms) return number_order(change->ttl_ms, m->ttl_ms);
    if (m->status != change->status) return number_order(m->status, change->status);
    /* A session that has ended shows no state, and has let go of it. */
    int order = m->is_live ? text_order(member_state(m), change->state) : 0;
    if (order != 0) return order;
    return change->seen_ms + SEEN_APART_MS < m->seen_ms ? -1 : 0;
}

void register_label(struct roll *roll, struct member *m, uint16_t origin, uint64_t sequence) {
    m->sequence = sequence;
    if (m->stamp != 0 && m->origin == origin) return;
    roll->origins[origin].registers++;
    if (m->stamp != 0) register_unlabel(roll, m->origin);
    m->origin = origin;
}

void register_unlabel(struct roll *roll, uint16_t origin) {
    assert(roll->origins[origin].registers > 0);
    roll->origins[origin].registers--;
}

size_t roll_origins(const struct roll *roll, struct origin_view *out) {
    size_t count = 0;
    for (uint16_t i = 0; i < ROLL_ORIGINS_MAX && count < roll->origin_count; i++)
        if (roll->origins[i].registers > 0)
            out[count++] = (struct origin_view){roll->origins[i].id, roll->origins[i].registers};
    return count;
}

uint64_t roll_origin_registers(const struct roll *roll, uint64_t id) {
    uint16_t i = origin_find(roll, id);
    return i == ORIGIN_NONE ? 0 : roll->origins[i].registers;
}
