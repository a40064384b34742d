/* The calls: one function and one file each. Internal to server/rpc. */
#ifndef MUSTER_RPC_CALLS_H
#define MUSTER_RPC_CALLS_H

#include "call.h"

/* Each validates its request whole, does it whole or not at all, and leaves its answer in `call`. */
enum muster_code call_touch(struct call *call, const Muster__V1__TouchRequest *request);
enum muster_code call_touch_fields(struct call *call, const struct touch_fields *fields); /* completes them */
enum muster_code call_leave(struct call *call, const Muster__V1__LeaveRequest *request);
enum muster_code call_live(struct call *call, const Muster__V1__LiveRequest *request);
enum muster_code call_live_fields(struct call *call, const struct live_fields *fields);
enum muster_code call_list(struct call *call, const Muster__V1__ListRequest *request);
enum muster_code call_counts(struct call *call, const Muster__V1__CountsRequest *request);
enum muster_code call_scopes(struct call *call, const Muster__V1__ScopesRequest *request);
enum muster_code call_reset(struct call *call, const Muster__V1__ResetRequest *request);
enum muster_code call_watch(struct call *call, const Muster__V1__WatchRequest *request);
enum muster_code call_nodes(struct call *call);

#endif
