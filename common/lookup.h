/* The look-up of a host's addresses, on a thread of its own: a name server may take its time, and nobody else waits
 * for it. */
#ifndef MUSTER_COMMON_LOOKUP_H
#define MUSTER_COMMON_LOOKUP_H

#include "common/error.h"
#include "endpoint.h"

#include <stddef.h>
#include <sys/socket.h>

enum { TARGETS_MAX = 8 }; /* addresses of one name that are tried */

/* An address to connect to. */
struct target {
    struct sockaddr_storage address;
    socklen_t len;
};

/* The one target of an endpoint that needs no look-up: a path, or the digits of an address. false: it needs one. */
bool target_of(const struct endpoint *endpoint, struct target *target);

struct lookup;

/* Begins. NULL: threads, descriptors or memory are short; *error says which. */
struct lookup *lookup_start(const struct endpoint *endpoint, struct error *error);
/* A descriptor that becomes readable when the look-up has ended. */
int lookup_fd(const struct lookup *lookup);
bool lookup_has_ended(struct lookup *lookup);
/* Of one that has ended: its targets, of which there are as many as it returns, at most TARGETS_MAX. 0: *error says
 * why there are none. */
size_t lookup_targets(struct lookup *lookup, struct target targets[TARGETS_MAX], struct error *error);
/* Forgets it, also while it goes on: then its thread frees it at its end. Does not wait. `lookup` may be NULL. */
void lookup_drop(struct lookup *lookup);

#endif
