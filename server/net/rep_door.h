/* The nng door: request-reply on tcp:// and ipc://, one Call in, one Reply out.
 *
 * What it withstands (the behaviour of nng 1.5 is in docs/operations.md):
 * - a message above its size limit ends the connection that sent it, never the process;
 * - a connection past the cap is closed before it can send;
 * - a reply that is not taken within its time-out ends its connection; so does one connection with more
 *   replies pending than it may, and, when contexts run short, every one that reads nothing: a client that
 *   pipelines and never reads cannot hold the door;
 * - a listener that stopped accepting is noticed by a probe of its own and opened again.
 *
 * A request that waits (a watch) is parked with the node and holds no place of those that answer: another context of
 * nng's comes into service instead, so that DOOR_CONTEXTS always serve. Its answer goes out when the node has one and
 * the connection has room for it: one that does not read has a bounded amount on its way, and ends as above. The places
 * of a connection that ends are handed back. */
#ifndef MUSTER_NET_REP_DOOR_H
#define MUSTER_NET_REP_DOOR_H

#include "rpc/rpc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rep_door;

enum {
    DOOR_URLS_MAX = 16,
    DOOR_CONTEXTS = 256,            /* requests that are answered at a time, all connections together */
    DOOR_REPLIES_PENDING_MAX = 128, /* of one connection; more of them, and answers to parked requests, are extra */
    DOOR_URL_BYTES = 256,
};
/* Extra replies that are pending, by what they take: those of one connection, and all. */
enum { DOOR_EXTRA_BYTES_OF_ONE_MAX = 2 << 20, DOOR_EXTRA_BYTES_MAX = 64 << 20 };
_Static_assert(DOOR_REPLIES_PENDING_MAX < DOOR_CONTEXTS, "one connection cannot hold every context");

/* Ends the connections whose write began more than age_ms ago; returns how many. See nng_guard.h. */
typedef size_t end_unread_fn(uint64_t age_ms);

/* Puts the answer to a request in its place. False: there is to be none. On nng's threads; does not block for long. */
typedef struct nng_msg nng_msg;
typedef bool rep_answer_fn(void *context, nng_msg *message);

/* Zero is the default of each field after `url_count`. */
struct rep_door_config {
    struct rpc *rpc;         /* outlives the door */
    const char *const *urls; /* a tcp port of 0 is chosen by the system */
    size_t url_count;        /* 1..DOOR_URLS_MAX */
    size_t connections_max;
    end_unread_fn *end_unread; /* NULL: nng's own means, which are weaker (nng_guard.h, 2 and 3) */
    void *answer_context;
    rep_answer_fn *answer;      /* another than rpc_answer's */
    size_t receive_bytes_max;   /* of a request; a larger one ends its connection */
    uint32_t reply_timeout_ms;  /* 5 s */
    uint32_t probe_every_ms;    /* 500 ms; how often each listener is tried */
    uint32_t probe_patience_ms; /* 2 s; until a silent one is opened again, which ends its connections */
};

/* Opens every URL, or none. NULL with *failed_url and *why (static) set if one cannot be opened; *failed_url is NULL
 * if it is about none of them. */
struct rep_door *rep_door_open(const struct rep_door_config *config, const char **failed_url, const char **why);

/* The URL of listener i as it is listened on, with the port that the system chose. */
const char *rep_door_url(const struct rep_door *door, size_t i);

/* Connections that are open now, and listeners that were opened again so far. */
struct rep_door_figures {
    size_t connections;
    uint64_t relistened;
};
struct rep_door_figures rep_door_figures(const struct rep_door *door);

/* Takes no more connections from now on. */
void rep_door_refuse(struct rep_door *door);
/* Refuses new connections and answers what has come in, until all replies are handed to the system and no request
 * came for a moment, at most timeout_ms. Returns whether all was answered. */
bool rep_door_drain(struct rep_door *door, uint32_t timeout_ms);

/* Closes every connection, has the node hand back what is parked, and frees all. The node's watches are pumped no more
 * (watch_pump.h). `door` may be NULL. */
void rep_door_close(struct rep_door *door);

#endif
