/* A member of the cluster as this node sees it: whom to send requests and to subscribe to, never who is live. */
#ifndef MUSTER_CLUSTER_PEER_H
#define MUSTER_CLUSTER_PEER_H

#include "feed.h"
#include "replica_limits.h"
#include "sync_query.h"

enum {
    PEER_SILENT_MS = 2 * REPLICA_DIGEST_MS,
    PEER_LOST_MS = 3000,    /* see enum peer_loss */
    PEER_UNHEARD_MS = 5000, /* the same */
    PEER_AHEAD_MAX = 16,    /* origins of which a peer's digest knows more; others follow with the same response */
};

struct label {
    uint8_t len;
    char bytes[REPLICA_ADDRESS_BYTES_MAX];
};
_Static_assert(REPLICA_ADDRESS_BYTES_MAX <= UINT8_MAX && (int)REPLICA_NAME_BYTES_MAX <= (int)REPLICA_ADDRESS_BYTES_MAX,
               "a label holds a name or an address");
static inline struct text label_text(const struct label *label) {
    return (struct text){label->bytes, label->len};
}
void label_set(struct label *label, struct text text);

/* Who it is, and where. */
struct peer_identity {
    struct label sync_address;                          /* requests go there; it is known by it */
    struct label own_address;                           /* the sync address that it says is its own */
    struct label gossip_address, name, region, version; /* as it says */
    struct label subscribed;                            /* the gossip address that is subscribed to; empty: none */
    uint64_t origin;                                    /* its incarnation; 0: it has not responded yet */
    uint64_t alias_of;       /* not 0: another peer is this origin, the same node by another address */
    bool is_self;            /* the address is this node's */
    bool has_unknown_origin; /* something came from there of an origin that it was not: it may have started anew */
    uint64_t framed_origin;  /* the unknown origin whose frames came last from the address that is subscribed to */
};

/* Whether it is there, and ready. */
struct peer_liveness {
    enum peer_state state;
    uint64_t heard_ms;    /* the last frame or response of its origin */
    uint64_t frame_ms;    /* the last frame of its origin; at first: admitted */
    uint64_t sign_ms;     /* the last sign of life, also an unproven one: a sync request in its name; at first: added */
    bool is_ready;        /* it answers reads */
    bool was_queried;     /* a request was responded to, or failed */
    bool is_refused;      /* the last request could not be delivered: nobody listens there */
    bool is_synced;       /* all that it knew has come since its incarnation was admitted */
    uint64_t heard_frame; /* the last frame of this node that it took, as it said last; 0: none */
};

/* Its clocks, and how long its messages take. */
struct peer_timing {
    int64_t clock_ms; /* its wall clock minus this node's */
    int64_t least_ms; /* the least arrival - sent, which creeps up: see peer_late_ms */
    uint64_t least_at_ms, delay_ms;
};

/* Third origins of which it knows more than this node. */
struct peer_ahead {
    struct known items[PEER_AHEAD_MAX];
    size_t count;
    uint64_t since_ms;
    uint64_t version;  /* all of its vector up to this version was compared */
    bool wants_vector; /* digests were lost: the whole vector is to be requested */
};

struct peer {
    struct peer_identity id;
    struct peer_liveness life;
    struct peer_timing timing;
    struct feed feed;
    struct peer_ahead ahead;
    struct sync_query query;
    uint64_t members;     /* that it says it holds */
    struct label trouble; /* why it cannot be reached or followed, in words */
    enum peer_loss trouble_of;
};

/* At an address, of which nothing is known yet. */
void peer_init(struct peer *peer, struct text sync_address, uint64_t now_ms);
/* The peer's state becomes `state`, if it may. What comes from peers decides that: a late frame of one that has left,
 * say, changes nothing. */
void peer_become(struct peer *peer, enum peer_state state);
/* A frame or a response of its origin came. */
void peer_hear(struct peer *peer, uint64_t now_ms);
/* Whether digests of it are overdue. */
bool peer_was_silent(const struct peer *peer, uint64_t now_ms);
/* Silence makes it suspect, then down. */
void peer_age(struct peer *peer, uint64_t now_ms);
/* What somebody should find out the reason of. */
enum peer_loss peer_loss(const struct peer *peer, uint64_t now_ms);
/* A new incarnation, which has responded to a request. */
void peer_admit(struct peer *peer, uint64_t origin, uint64_t frame_number, uint64_t sent_ms, uint64_t now_ms);
void peer_set_info(struct peer *peer, const struct node_info *node_info);
/* How much longer than its fastest message this one took. */
uint64_t peer_late_ms(struct peer *peer, uint64_t sent_ms, uint64_t now_ms);

#endif
