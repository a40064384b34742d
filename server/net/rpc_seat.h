/* What one loop answers the requests of a door with: a worker, and the group of the plain Touches of this turn, which
 * are one call of the roll.
 *
 * Requests of a connection take effect in the order in which they came: a connection keeps the number of the group that
 * it last put a Touch into, and the door commits that group before it answers anything else of the connection. For the
 * loop's thread alone. */
#ifndef MUSTER_NET_RPC_SEAT_H
#define MUSTER_NET_RPC_SEAT_H

#include "rpc/rpc.h"
#include "rpc/touch_group.h"
#include "stream.h"

struct rpc_seat;

/* The answer of every door while it refuses (stream_must_refuse): clients go elsewhere. */
extern const struct response rpc_seat_stops;

/* The rpc outlives it. NULL: memory is short. */
struct rpc_seat *rpc_seat_new(struct rpc *rpc);
void rpc_seat_free(struct rpc_seat *seat); /* `seat` may be NULL */
struct worker *rpc_seat_worker(struct rpc_seat *seat);

/* The number of the group that gathers now, from 1. */
uint64_t rpc_seat_group(const struct rpc_seat *seat);
/* Which request of the group the next one is, from 0 and below TOUCH_GROUP_MAX. Commits a full group first. */
size_t rpc_seat_next(struct rpc_seat *seat, struct stream *stream);
/* Puts a request into the group. Its bytes must stay valid until the commit (stream_borrow). False: it is no plain
 * Touch; it is to be answered by rpc_answer, once the group is committed where the connection has a part in it. */
bool rpc_seat_gather(struct rpc_seat *seat, struct stream *stream, const struct request *request, void *ticket);
/* For protocol.commit: has the group take effect, or refuses it where the loop stood still since, and answers each. */
void rpc_seat_commit(struct rpc_seat *seat, touch_answer_fn *each, void *context);

#endif
