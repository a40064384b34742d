#include "method.h"
#include "calls.h"

#include <assert.h>

static enum muster_code refuse_none(struct call *call, struct text body) {
    (void)body;
    return call_refuse(call, MUSTER_INVALID_ARGUMENT, "request: none, one is needed");
}

static enum muster_code refuse_unknown(struct call *call, struct text body) {
    (void)body;
    return call_refuse(call, MUSTER_UNIMPLEMENTED, "request: this server does not know the call");
}

/* name, handle, permission, writes, needs_ready */
static const struct method_entry entries[METHODS] = {
    [METHOD_NONE] = {NULL, refuse_none, PERMISSION_NONE, false, false},
    [METHOD_UNKNOWN] = {NULL, refuse_unknown, PERMISSION_NONE, false, false},
    [METHOD_TOUCH] = {"Touch", call_touch, PERMISSION_WRITE, true, false},
    [METHOD_LEAVE] = {"Leave", call_leave, PERMISSION_WRITE, true, false},
    [METHOD_LIVE] = {"Live", call_live, PERMISSION_READ, false, true},
    [METHOD_LIST] = {"List", call_list, PERMISSION_READ, false, true},
    [METHOD_COUNTS] = {"Counts", call_counts, PERMISSION_READ, false, true},
    [METHOD_SCOPES] = {"Scopes", call_scopes, PERMISSION_READ, false, true},
    [METHOD_RESET] = {"Reset", call_reset, PERMISSION_ADMIN, true, false},
    [METHOD_WATCH] = {"Watch", call_watch, PERMISSION_READ, false, true},
    [METHOD_NODES] = {"Nodes", call_nodes, PERMISSION_ADMIN, false, false},
    [METHOD_WHERE] = {"Where", call_where, PERMISSION_READ, false, true},
    [METHOD_SET_STATUS] = {"SetStatus", call_set_status, PERMISSION_WRITE, true, false},
};

const struct method_entry *method_entry(enum method method) {
    assert(method < METHODS);
    return &entries[method];
}
