/* The calls: one function and one file each; method.c has their table. Internal to server/rpc. */
#ifndef MUSTER_RPC_CALLS_H
#define MUSTER_RPC_CALLS_H

#include "call.h"

/* Each decodes and validates its request whole, does it whole or not at all, and leaves its answer in call->body. */
enum muster_code call_touch(struct call *call, struct text body);
enum muster_code call_leave(struct call *call, struct text body);
enum muster_code call_live(struct call *call, struct text body);
enum muster_code call_list(struct call *call, struct text body);
enum muster_code call_counts(struct call *call, struct text body);
enum muster_code call_scopes(struct call *call, struct text body);
enum muster_code call_where(struct call *call, struct text body);
enum muster_code call_reset(struct call *call, struct text body);
enum muster_code call_watch(struct call *call, struct text body); /* or parks it: call->is_parked */
enum muster_code call_nodes(struct call *call, struct text body);
enum muster_code call_set_status(struct call *call, struct text body);

#endif
