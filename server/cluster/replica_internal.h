/* What the files of the replica share. Nobody else includes this. */
#ifndef MUSTER_CLUSTER_REPLICA_INTERNAL_H
#define MUSTER_CLUSTER_REPLICA_INTERNAL_H

#include "action_list.h"
#include "frame.h"
#include "peers.h"
#include "replica.h"
#include "sync_message.h"
#include "vector.h"

enum {
    AHEAD_WAIT_MS = 300,    /* what nothing came of for so long is not on its way by frames */
    ADOPT_WAIT_MS = 1000,   /* what came beyond a gap is adopted if it was not closed for so long */
    ADOPT_SILENT_MS = 1500, /* and its origin was not heard for so long */
    ADOPT_LOOK_MS = 100,
    RETRY_MS = 150, /* after a question that failed, of a peer that is heard */
    RETRY_SILENT_MS = 500,
    RETRY_EACH_PEER_MS = 8, /* and so much for every peer that there is */
    RETRY_DOWN_MS = 5000,
    RETRY_REFUSED_MS = 1000, /* the roll is full; doubles up to the next */
    RETRY_REFUSED_MAX_MS = 30000,
    ROOM_SHARE = 64,              /* room for one in so many of those who filled the roll ends the wait */
    JOIN_PATIENCE_MS = 2000,      /* who gave no sign of life for so long is not waited for by a node that joins */
    UNKNOWN_ORIGIN_SYNC_MS = 200, /* a frame of an unknown origin may cause a request so often */
    PEER_FORGET_MS = 24 * 60 * 60 * 1000,
    FRAMES_AT_ONCE = 32,
    NEWS_MS = 1000, /* for so long at least, and twice that at most, a refresh of a member that changed carries the full
                       record */
    WALK_CHUNK = 128,
    WALK_BUDGET = 512,
    WALKS_A_PAGE = 64,
    WALK_PAGE_REST_MS = 20, /* a walk costs its peer a look at all it has: for each page it has its rest */
    ADOPT_BUDGET = 4096,
};
_Static_assert((int)WALK_CHUNK >= (int)MUSTER_SESSIONS_MAX + 2 && (int)WALK_CHUNK >= (int)FRAME_PIECE,
               "a user's sessions fit a chunk");
/* An origin that nothing refers to is told of until no peer can hold anything of it, and forgotten some time later. */
#define FORGET_AFTER_FADE_MS (UINT64_C(60) * 60 * 1000)

struct replica {
    struct replica_config config;
    struct allocator allocator;
    struct label name, region, gossip_address, sync_address, version;
    uint64_t random; /* SplitMix64's state */
    struct vector vector;
    struct peers peers;
    struct action_list actions;
    struct replica_stats stats;

    /* flush.c */
    uint64_t flushed, flushed_ms, frame_number;
    uint64_t assumed_known, assumed_known_ms; /* peers are assumed to know our sequences up to this one; since when */
    bool has_news;
    uint64_t refresh_by_ms; /* UINT64_MAX: nothing waits */
    uint64_t digest_at_ms;
    size_t peer_hint; /* the peer that the last digest named */
    bool is_leaving;

    /* ask.c */
    uint64_t last_ticket, walker; /* the ticket of the one question for all; 0: none */
    uint64_t walk_next_ms;
    struct known walked[ROLL_ORIGINS_MAX]; /* what the answer to it said will be known */
    size_t walked_count;
    uint64_t pages_ms; /* when the last page came */
    unsigned refusals;
    uint64_t refused_ms, refused_live; /* the last refusal: when, and how many sessions were live then */

    /* adopt.c */
    uint64_t unconfirmed_since_ms; /* 0: nothing is beyond the vector */
    bool is_adopting;
    struct walk_cursor adopt_cursor;

    bool is_ready;
    uint64_t started_ms;

    struct known known[ROLL_ORIGINS_MAX];  /* of this node, as it is put on the wire */
    struct known theirs[ROLL_ORIGINS_MAX]; /* of a message that is read */
    struct change changes[ROLL_MERGE_MAX]; /* that are merged */
    struct change told[ROLL_MERGE_MAX];    /* that are put on the wire */
    struct refresh refreshes[ROLL_MERGE_MAX];
    struct frame_draft frame;
    uint8_t opened[REPLICA_SYNC_BYTES_MAX], draft[REPLICA_SYNC_BYTES_MAX], reply[REPLICA_SYNC_BYTES_MAX];
};

/* replica.c */
uint64_t replica_sequence(const struct replica *replica); /* the last one of this node's own */
/* This node's vector, its own origin included, in replica->known; returns how many. */
size_t replica_list_known(struct replica *replica, uint64_t own_sequence, uint64_t now_ms);
struct node_info replica_node_info(const struct replica *replica);
uint64_t replica_wall_ms(const struct replica *replica, uint64_t now_ms);
uint64_t replica_random(struct replica *replica);
/* Opens a message into replica->opened; counts it where that fails. */
bool replica_open(struct replica *replica, enum seal_kind kind, const uint8_t *bytes, size_t len, struct text *plain);
/* Gets to know an address, unless it is this node's or a peer's already. */
struct peer *replica_note_address(struct replica *replica, struct text sync_address, uint64_t now_ms);
/* Subscribes to where the peer publishes, if that is new. */
void replica_subscribe(struct replica *replica, struct peer *peer);
void replica_unsubscribe(struct replica *replica, struct peer *peer);

/* flush.c */
/* Publishes all that was not published yet; at most FRAMES_AT_ONCE frames. */
void flush_all(struct replica *replica, uint64_t now_ms);
bool flush_is_due(const struct replica *replica, uint64_t now_ms);
void flush_digest(struct replica *replica, uint64_t now_ms);

/* merge.c */
/* Where a batch of records comes from, and what became of it. */
struct batch {
    uint64_t sender, now_ms, late_ms;
    bool is_beyond; /* of the vector: what is merged may be known to nobody else */
    struct effects *effects;
    bool is_refused; /* the roll had no room for some */
};
/* What was merged of an origin, up to a sequence, is beyond the vector: adopt.c looks after it. */
void merge_unconfirmed(struct replica *replica, uint64_t origin, uint64_t sequence, uint64_t now_ms);
/* Merges all records of a message. */
void merge_records(struct replica *replica, struct batch *batch, struct text message, unsigned number);
/* Applies all refreshes of a frame; returns whether every one could be. */
bool merge_refreshes(struct replica *replica, struct batch *batch, struct text column, uint64_t floor);
/* What came by frames of a peer goes on where the vector ends, or where the peer's answers did: it is known. */
void merge_range(struct replica *replica, struct peer *peer, uint64_t now_ms);
/* The vector says now that `sequence` of `origin` is known; with it what came by frames beyond it before. */
void merge_known(struct replica *replica, uint64_t origin, uint64_t sequence);

/* ask.c */
/* Asks whom there is to ask, and gives up on what was not answered. */
void sync_send_due(struct replica *replica, uint64_t now_ms);
/* Looks whether a roll that was full has room again: then peers are asked at once. */
void sync_look_for_room(struct replica *replica, uint64_t now_ms);
/* What a peer's digest says of others. */
void sync_note_ahead(struct replica *replica, struct peer *peer, const struct known *theirs, size_t count,
                     uint64_t now_ms);

/* A sequence of the peer's own is known to exist. */
void sync_note_announced(struct replica *replica, struct peer *peer, uint64_t sequence, uint64_t now_ms);

/* adopt.c */
void adopt_step(struct replica *replica, uint64_t now_ms);

#endif
