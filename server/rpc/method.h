/* The table of methods: the name of each in the contract, its handler, the permission that it needs, and when it is
 * refused. */
#ifndef MUSTER_RPC_METHOD_H
#define MUSTER_RPC_METHOD_H

#include "common/text.h"
#include "muster/codes.h"

#include <stdbool.h>

enum method {
    METHOD_NONE,    /* the request names no call */
    METHOD_UNKNOWN, /* it names one that this server does not know */
    METHOD_TOUCH,
    METHOD_LEAVE,
    METHOD_LIVE,
    METHOD_LIST,
    METHOD_COUNTS,
    METHOD_SCOPES,
    METHOD_RESET,
    METHOD_WATCH,
    METHOD_NODES,
    METHOD_WHERE,
    METHOD_SET_STATUS,
    METHODS /* how many there are */
};

/* What a client must be allowed to do. */
enum permission {
    PERMISSION_NONE,
    PERMISSION_READ,  /* to see who is present */
    PERMISSION_WRITE, /* to report who is present */
    PERMISSION_ADMIN, /* to see the cluster, and to forget whole scopes */
};

struct call;
/* Answers a request of a method; `body` is the serialized XRequest. Leaves the answer or what is wrong in the call. */
typedef enum muster_code method_handler(struct call *call, struct text body);

struct method_entry {
    const char *name; /* as in the contract's service: "Touch" */
    method_handler *handle;
    enum permission permission;
    /* It changes who is present. Refused until a peer would learn of it, and where it has waited while the process
     * stood still. */
    bool writes;
    /* Refused until the node is in sync with its peers: it must not deny what it does not know yet. */
    bool needs_ready;
};

/* The entry of a method; its name is NULL for METHOD_NONE and METHOD_UNKNOWN. */
const struct method_entry *method_entry(enum method method);

#endif
