/* The thread that ticks a node. */
#ifndef MUSTER_SYS_TICKER_H
#define MUSTER_SYS_TICKER_H

#include "node/node.h"

struct ticker;

/* Ticks every tick_ms until it is stopped; the node outlives it. NULL if there is no thread for it. */
struct ticker *ticker_start(struct node *node, uint32_t tick_ms);
void ticker_stop(struct ticker *ticker); /* `ticker` may be NULL */

#endif
