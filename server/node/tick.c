#include "tick.h"
#include "turn.h"

size_t node_tick(struct node *node, struct instant now) {
    size_t work;
    struct turn turn = node_begin_ticked(node, now, &work);
    standstill_look(node);
    if (node->observer->effects != NULL) node->observer->tidy(node->observer->context, turn.now_ms);
    node_commit(&turn, NULL);
    return work;
}
