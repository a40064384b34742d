/* Where peers ask for what they missed: the nng door with sync messages instead of calls. */
#ifndef MUSTER_NET_SYNC_DOOR_H
#define MUSTER_NET_SYNC_DOOR_H

#include "node/node.h"
#include "rep_door.h"

enum { SYNC_CONNECTIONS_MAX = 1024 };

/* As rep_door_open, on one URL. A message that is forged or broken gets no answer. */
struct rep_door *sync_door_open(struct node *node, const char *url, end_unread_fn *end_unread, const char **why);

#endif
