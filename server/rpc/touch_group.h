/* Group commit: the plain Touches of one beat that a loop reads in one turn go to the roll as one call. They take the
 * node's lock once, and their cache misses overlap. Each request keeps its own answer and its own refusal, as if it had
 * come alone. */
#ifndef MUSTER_RPC_TOUCH_GROUP_H
#define MUSTER_RPC_TOUCH_GROUP_H

#include "rpc.h"

enum { TOUCH_GROUP_MAX = 1024 }; /* requests of one group */

/* For one thread at a time. */
struct touch_group;

/* The rpc outlives it. NULL: memory is short. */
struct touch_group *touch_group_new(struct rpc *rpc);
void touch_group_free(struct touch_group *group); /* `group` may be NULL, and must be empty */
/* How many requests are in it. */
size_t touch_group_count(const struct touch_group *group);

/* Adds a request whose bytes are borrowed until the commit; the ticket is handed back with its answer. False: it is no
 * valid Touch of one beat, the node takes no writes yet, or the group is full. Then commit the group, so that requests
 * take effect in the order in which they came, and give this one to rpc_answer. */
bool touch_group_add(struct touch_group *group, const struct request *request, void *ticket);

/* The response is valid only during the call. */
typedef void touch_answer_fn(void *context, void *ticket, const struct response *response);
/* Has all requests take effect, in the order in which they were added, and answers each, in the same order and without
 * the node's lock. The group is empty then. `each` must not use the group. */
void touch_group_commit(struct touch_group *group, struct instant now, touch_answer_fn *each, void *context);
/* Refuses all instead, since the door stood still for so long after they came: as rpc_answer does with
 * request.stalled_ms. */
void touch_group_refuse(struct touch_group *group, uint32_t stalled_ms, touch_answer_fn *each, void *context);

#endif
