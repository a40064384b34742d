/* The members of the cluster as this node sees them: whom to ask and to subscribe to, never who is live. */
#ifndef MUSTER_CLUSTER_PEERS_H
#define MUSTER_CLUSTER_PEERS_H

#include "replica_limits.h"
#include "sync_message.h"

enum {
    PEER_SILENT_MS = 2 * REPLICA_DIGEST_MS,
    PEER_AHEAD_MAX = 16,        /* origins of which a peer's digest knows more; others follow with the same answer */
#ifdef REPLICA_TEST_SMALL_PAGES /* a test's: so that few members make many pages, and many frames */
    PEER_PAGE_BYTES_MIN = 64,
    PEER_PAGE_BYTES_MAX = 1024,
#else
    PEER_PAGE_BYTES_MIN = 16 * 1024,
    PEER_PAGE_BYTES_MAX = 512 * 1024,
#endif
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

/* A question that is on its way. */
struct sync_query {
    uint64_t ticket; /* 0: none */
    uint64_t sent_at_ms;
    uint8_t nonce[NONCE_BYTES];
    enum sync_want want;
    struct sync_cursor cursor;
    unsigned pages;
    bool is_refused; /* the roll had no room for some of it */
    bool is_stale;   /* the peer came back meanwhile: it may have been lost */
};

struct peer {
    struct label sync_address; /* where it is asked, and what it is known by */
    struct label own_address;  /* where it says that it is asked */
    struct label gossip_address, subscribed, name, region, version;
    uint64_t origin;   /* 0: it has not answered yet */
    uint64_t alias_of; /* another peer is this origin: the same node by another address */
    bool is_self;      /* the address is this node's */
    enum peer_state state;
    uint64_t heard_ms;
    uint64_t sign_ms; /* the last sign that it lives: heard from it, or a sync request in its name, which proves
                         nothing; at first when it was added */
    uint64_t members, announced; /* that it says it holds; the last of its sequences that is known to exist */
    int64_t clock_ms;
    bool is_ready, was_queried, is_synced;
    bool has_unknown_origin; /* frames come from there of an origin that it was not: it may have started anew */

    /* What came by frames beyond the vector: everything in (range_from, range_to]; range_complete: to the end of a
     * flush.
     */
    uint64_t frame_number, range_from, range_to, range_complete;
    bool are_refreshes_sure; /* the refreshes of its last frame could be relied on: so may those of the next be */
    /* What its own answers told beyond the vector: everything up to sync_after, but for what it took again up to
     * sync_frames_to. */
    uint64_t sync_after, sync_frames_to;
    uint64_t progress_ms; /* when the last of what it told of itself came, or it was first known to have more */

    int64_t least_ms; /* the least arrival - sent, which creeps up: see peer_late_ms */
    uint64_t least_at_ms, delay_ms;

    struct known ahead[PEER_AHEAD_MAX]; /* third origins of which it knows more */
    size_t ahead_count;
    uint64_t ahead_since_ms;

    struct sync_query query;
    bool wants_walk;  /* it cannot tell what it did itself: it is to be asked for all */
    bool is_too_much; /* the roll had no room for its last answer */
    uint64_t next_sync_ms, page_bytes;
    unsigned failures;
};

/* The table. Begin with {0} and an allocator. */
struct peers {
    struct allocator allocator;
    struct peer *items[REPLICA_PEERS_MAX];
    size_t count;
};

void peers_free(struct peers *peers);
/* NULL if it is not there. */
struct peer *peers_by_address(const struct peers *peers, struct text sync_address);
struct peer *peers_by_gossip(const struct peers *peers, struct text gossip_address);
struct peer *peers_by_origin(const struct peers *peers, uint64_t origin);
struct peer *peers_by_ticket(const struct peers *peers, uint64_t ticket);
/* Finds or makes the peer at an address. A full table lets go of the one that has been down for the longest. NULL: it
 * is full, memory is short, or it is no address. */
struct peer *peers_obtain(struct peers *peers, struct text sync_address, uint64_t now_ms);
void peers_remove(struct peers *peers, struct peer *peer);
/* Whether it is a node of its own: neither this one nor another address of a peer. */
bool peer_counts(const struct peers *peers, const struct peer *peer);
size_t peers_that_count(const struct peers *peers);

void label_set(struct label *label, struct text text);

/* The peer's state becomes `state`, if it may. */
void peer_become(struct peer *peer, enum peer_state state);
/* It was heard of: a frame or an answer. */
void peer_hear(struct peer *peer, uint64_t now_ms);
/* Whether digests of it are overdue. */
bool peer_was_silent(const struct peer *peer, uint64_t now_ms);
/* Silence makes it suspect, then down. */
void peer_age(struct peer *peer, uint64_t now_ms);
/* A new incarnation, which has answered a question of now_ms. */
void peer_admit(struct peer *peer, uint64_t origin, uint64_t frame_number, uint64_t sent_ms, uint64_t now_ms);
void peer_set_info(struct peer *peer, const struct node_info *node_info);

/* How much longer than its fastest message this one took. */
uint64_t peer_late_ms(struct peer *peer, uint64_t sent_ms, uint64_t now_ms);

#endif
