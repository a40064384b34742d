/* A node: the roll, its clock and its settings behind one lock, and the calls that ask them.
 *
 * Knows no transport: a request is bytes that came from anywhere, a reply bytes that may go anywhere. Reads no clock:
 * the time is an argument. */
#ifndef MUSTER_RPC_NODE_H
#define MUSTER_RPC_NODE_H

#include "core/text.h"
#include "muster/codes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;
struct worker;

/* One moment on two clocks. */
struct instant {
    uint64_t now_ms;  /* monotonic, of CLOCK_BOOTTIME; see core/roll.h for where it starts */
    uint64_t wall_ms; /* since 1970, as the machine believes */
};

struct node_config {
    struct text name, version; /* for people; they outlive the node */
    uint64_t origin;           /* random, of this incarnation; 0: the node never joins others (node_cluster.h) */
    uint8_t hash_key[16];      /* secret; the same on every node of a cluster, since page tokens depend on it */
    uint32_t ttl_ms;           /* of beats that name none; MUSTER_TTL_MIN_MS..MUSTER_TTL_MAX_MS */
    uint64_t retention_ms;
    uint64_t members_max;
    uint64_t bytes_max;
};

/* NULL if memory is short, libsodium does not start or a setting is out of its range. */
struct node *node_new(const struct node_config *config, struct instant now);
void node_free(struct node *node); /* `node` may be NULL */

/* Memory that one request at a time is answered with; kept and used again. NULL if there is none. */
struct worker *worker_new(void);
void worker_free(struct worker *worker); /* `worker` may be NULL */

/* Answers one `Call` with one `Reply`; whatever the bytes are, there is a reply.
 * *reply lives in the worker until it answers the next request; its length is at most MUSTER_MESSAGE_BYTES_MAX.
 * Returns the reply's code. Thread-safe, one worker a thread at a time. Decoding and encoding happen outside the lock,
 * and the lock is held for bounded work. */
enum muster_code node_answer(struct node *node, struct worker *worker, struct text request, struct instant now,
                             struct text *reply);

/* Expires, forgets and grows what is due, in slices between which waiting requests have the lock. Call it each tick.
 * Returns the units of work done, to within a slice. Thread-safe. */
size_t node_tick(struct node *node, struct instant now);

struct node_figures {
    uint64_t members, members_live, scopes, bytes;
};
void node_figures(struct node *node, struct node_figures *out);

#endif
