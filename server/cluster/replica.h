/* The replica: makes the rolls of all nodes the same.
 *
 * Pure: no socket, no clock, no thread. Decoded messages and instants come in; actions come out as data, which own what
 * they speak of. The nonces of requests are libsodium's, all other randomness is the seed's. Not thread-safe: the
 * node's lock is held around every call.
 *
 * Gossip: each node publishes frames to all others. A frame carries the members that changed in (previous, last] of its
 * origin's sequences, each once, as it is now, with ages instead of times. A receiver that sees a gap merges the frame
 * all the same, and requests what is missing from the origin.
 * Digests: each second a node publishes what has changed of its version vector. A node that knows less requests the
 * rest from one that knows more, also the beats of a third node (Scuttlebutt: van Renesse et al., 2008).
 * The invariant: where the vector says q for an origin, the effect of each of its beats up to q is in the roll, or
 * something newer is. The simulator checks it after every message (tests/sim/oracle.c).
 * Stamps: hybrid logical clocks (Kulkarni et al., 2014), core/hlc.h.
 */
#ifndef MUSTER_CLUSTER_REPLICA_H
#define MUSTER_CLUSTER_REPLICA_H

#include "action.h"
#include "replica_config.h"
#include "replica_limits.h"

struct replica;

/* The configuration is copied, texts included. NULL: memory is short. */
struct replica *replica_new(const struct replica_config *config, uint64_t now_ms);
/* Every action that came out has been freed. `replica` may be NULL. */
void replica_free(struct replica *replica);
/* A snapshot was merged into the roll, all of it: raises the vector to what it was when the snapshot was begun. Entries
 * of this node's own origin are ignored. Registers that the snapshot holds beyond its vector count as unconfirmed. */
void replica_restore(struct replica *replica, const struct known *known, size_t count);

/* ---- what happens ------------------------------------------------------------------------------------------------ */

/* Does what is due: flushes, digests, sync requests, silent peers. Call it every flush_ms at least, and at once when
 * replica_touched says so and replica_flush_news does not do. */
struct actions replica_tick(struct replica *replica, uint64_t now_ms);

/* The wall clock at now_ms, as it says now; without a call, as the hybrid clock had it at the start. Peers are told of
 * it, so that people see whose clock is wrong; nothing else depends on it. */
void replica_set_wall(struct replica *replica, uint64_t wall_ms, uint64_t now_ms);

/* The roll took local beats, as roll_touch or roll_reset said: decides when they are flushed. Returns whether that
 * should be at once: they are news, and the last flush is older than flush_ms. */
bool replica_touched(struct replica *replica, const struct touched *touched, uint64_t now_ms);

/* Flushes what is due, if it is little: at most one small frame. false: it is more; nothing was done, and replica_tick
 * is to be called. */
bool replica_flush_news(struct replica *replica, uint64_t now_ms, struct actions *actions);

/* A frame came from the gossip address `from`. Its lists are overwritten. A replayed frame, and one of an origin that
 * has not responded to a request yet, is counted and dropped. effects: of merges; may be NULL. */
struct actions replica_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                             struct effects *effects);

/* A sync request came: writes the response into `page`, which has room for REPLICA_SYNC_BYTES_MAX less the seal.
 * Bounded work. page->is_full: there is no response. Returns whether replica_tick is to be called at once. */
bool replica_sync_request(struct replica *replica, const struct sync_request *request, uint64_t now_ms,
                          struct pb_writer *page);

/* The response to an ACTION_SYNC_REQUEST, whose lists are overwritten; or NULL: the request failed. A response that
 * comes late, or does not repeat the request's nonce, counts as a failure. */
struct actions replica_sync_response(struct replica *replica, uint64_t ticket, const struct sync_response *response,
                                     uint64_t now_ms, struct effects *effects);

/* Adds a peer by its sync address: from --peer, from DNS, or from a snapshot. Idempotent. */
struct actions replica_add_peer(struct replica *replica, struct text sync_address, uint64_t now_ms);

/* Why the peer at an address is lost as peer_view.loss says, in at most REPLICA_ADDRESS_BYTES_MAX bytes, for people.
 * Ignored where the peer is no longer lost so, and forgotten once frames of it come. */
void replica_set_trouble(struct replica *replica, struct text sync_address, enum peer_loss loss, struct text trouble,
                         uint64_t now_ms);

/* Every peer that was expected at the start has been added. */
void replica_seeds_resolved(struct replica *replica);

/* This node is about to end: publishes what is not published yet, and that it leaves. */
struct actions replica_leave(struct replica *replica, uint64_t now_ms);

/* ---- what it knows ------------------------------------------------------------------------------------------------
 */

/* Whether there are peers that are not down. */
bool replica_has_peers(const struct replica *replica);
/* The process stood still: what peers did meanwhile is to be got before anything is answered, as after a start. */
void replica_begin_anew(struct replica *replica, uint64_t now_ms);

/* Whether writes may be taken: the node knows its peers' clocks, and a peer takes its frames; or nobody is there, or
 * join_timeout_ms has passed. Once true, it is true until replica_begin_anew. */
bool replica_takes_writes(const struct replica *replica, uint64_t now_ms);

/* Whether reads may be answered: writes may be taken, and the node was in sync once; or it has nobody to sync with, or
 * join_timeout_ms has passed. Once true, it is true until replica_begin_anew. */
bool replica_is_ready(const struct replica *replica, uint64_t now_ms);

struct peer_view {
    struct text name, region, address, version; /* address: the sync address */
    uint64_t origin;
    enum peer_state state;
    bool is_self;
    uint64_t members;  /* that the peer says it holds */
    uint64_t lag;      /* sequences of it that are known to exist and are not here */
    uint64_t delay_ms; /* how much longer than its fastest frame its last one took */
    int64_t clock_ms;  /* its wall clock minus this node's */
    uint64_t silent_ms;
    struct text gossip_address; /* where it says that it publishes; empty: not known */
    enum peer_loss loss;
    struct text trouble; /* why it is lost; empty: nobody knows, or it is not */
};
/* This node and its peers; writes at most `limit`, returns how many. */
size_t replica_peers(const struct replica *replica, uint64_t now_ms, struct peer_view *out, size_t limit);

/* The version vector; at most `limit`, returns how many there are. */
size_t replica_vector(const struct replica *replica, struct known *out, size_t limit);

void replica_stats(const struct replica *replica, struct replica_stats *out);

#endif
