/* Where peers ask for what they missed: SP's request-reply with sync messages. */
#ifndef MUSTER_NET_SP_SYNC_DOOR_H
#define MUSTER_NET_SP_SYNC_DOOR_H

#include "net/door.h"
#include "node/cluster.h"

struct sync_door;

/* Listens on one URL, for at most connections_max connections; the node outlives it. As
 * door_open. A message that is forged or broken gets no answer. */
struct sync_door *sync_door_open(struct loops *loops, struct node *node, const char *url, size_t connections_max,
                                 struct error *error);
const char *sync_door_url(const struct sync_door *door);
/* After loops_stop. `door` may be NULL. */
void sync_door_close(struct sync_door *door);

#endif
