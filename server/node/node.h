/* A node: the roll, its clock and its settings behind one lock, and the calls that ask them.
 *
 * Knows no transport: a request is bytes that came from anywhere, a reply bytes that may go anywhere. Reads no clock:
 * the time is an argument. */
#ifndef MUSTER_NODE_NODE_H
#define MUSTER_NODE_NODE_H

#include "common/instant.h"
#include "common/text.h"
#include "muster/codes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;
struct worker;

struct node_config {
    struct text name, version; /* for people; they outlive the node */
    uint64_t origin;           /* random, of this incarnation; 0: the node never joins others (node_cluster.h) */
    uint8_t hash_key[16];      /* secret; the same on every node of a cluster, since page tokens depend on it */
    uint32_t ttl_ms;           /* of beats that name none; MUSTER_TTL_MIN_MS..MUSTER_TTL_MAX_MS */
    uint64_t retention_ms;
    uint64_t members_max;
    uint64_t bytes_max;
    size_t watches_max; /* parked at a time; 0: MUSTER_WATCHES_DEFAULT */
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

/* ---- requests that wait: Watch -----------------------------------------------------------------------------------
 *
 * A Watch that has nothing to tell is parked: the door gets its answer later, from node_watch_pump. A door that does
 * not know how to wait passes no asker, and its watches are answered at once. */

/* Who asked, and is answered later. */
struct asker {
    void *place;                   /* the door's; not NULL */
    uint64_t connection;           /* of the door: what node_watch_hang_up names */
    const struct watch_door *door; /* outlives the request */
};

/* A door that can wait. Its functions are called without the node's lock, by one thread at a time a place; they must
 * not block for long, nor call into node_watch_pump. */
struct watch_door {
    void *context;
    /* Whether an answer to this asker would go out soon. Where not, it stays parked for a moment: what changes
     * meanwhile is told as one change, and so a reader that is slow costs no more than its place. */
    bool (*has_room)(void *context, const struct asker *asker);
    /* Takes the answer, which is the caller's again once it returns. The place is the door's again. reply.len 0: there
     * is none, the connection was hung up. */
    void (*deliver)(void *context, const struct asker *asker, struct text reply);
};

/* node_answer, for a door that can wait. false: the request was parked; then nothing is in *reply, *code is MUSTER_OK,
 * and the asker may have been answered already. *asker is copied. */
bool node_answer_or_park(struct node *node, struct worker *worker, struct text request, struct instant now,
                         const struct asker *asker, enum muster_code *code, struct text *reply);

/* Told once, before the first request: `wake` is called, by any thread and without the lock, when node_watch_pump has
 * to be called earlier than it said. It must not block. */
void node_watch_waker(struct node *node, void (*wake)(void *context), void *context);
/* Answers those who are due. One thread at a time. Returns after how many ms it wants to be called again; UINT32_MAX:
 * not before it is woken. */
uint32_t node_watch_pump(struct node *node, struct worker *worker, struct instant now);
/* Hands back the places of every parked request of a connection, which is gone. */
void node_watch_hang_up(struct node *node, const struct watch_door *door, uint64_t connection);
/* From now on nobody is parked, and the next pump answers all who are with MUSTER_UNAVAILABLE: clients go elsewhere. */
void node_watch_stop(struct node *node);

/* Expires, forgets and grows what is due, in slices between which waiting requests have the lock. Call it each tick.
 * Returns the units of work done, to within a slice. Thread-safe. */
size_t node_tick(struct node *node, struct instant now);

struct node_figures {
    uint64_t members, members_live, scopes, bytes;
    uint64_t watches; /* parked now */
};
void node_figures(struct node *node, struct node_figures *out);

#endif
