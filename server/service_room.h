/* Says when the node is full of live users, and when it has room again. */
#ifndef MUSTER_SERVICE_ROOM_H
#define MUSTER_SERVICE_ROOM_H

#include "common/instant.h"
#include "node/node.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ROOM_LOOK_MS = 200,
    ROOM_SHARE = 64,      /* there is room again once one in so many live sessions has gone, */
    ROOM_QUIET_MS = 2000, /* and nothing was refused for so long: a node at its cap does not say both by turns */
};

/* Zero at first. */
struct service_room {
    uint64_t next_ms;
    uint64_t refused, refused_ms; /* the last refusal that was seen: the figure, and when */
    uint64_t refused_before;      /* the figure when it became full */
    bool is_full;
};

/* Looks at the figures of the node, at most every ROOM_LOOK_MS, and logs `roll_full` or `roll_has_room`. One thread. */
void service_room_look(struct service_room *room, struct node *node, struct instant now);

#endif
