/* The sizes and the timing of the protocol between nodes, the same for all files of the replica. */
#ifndef MUSTER_CLUSTER_REPLICA_LIMITS_H
#define MUSTER_CLUSTER_REPLICA_LIMITS_H

enum {
    REPLICA_FRAME_BYTES_MAX = 256 * 1024, /* a sealed gossip frame; a larger flush is cut into several */
    REPLICA_SYNC_BYTES_MAX = 1024 * 1024, /* a sealed sync request or response */
    REPLICA_PEERS_MAX = 256,
    REPLICA_ADDRESS_BYTES_MAX = 255,
    REPLICA_NAME_BYTES_MAX = 64,
    REPLICA_DIGEST_MS = 1000,
    REPLICA_REFRESH_WAIT_MS = 1000,     /* a refresh waits for company at most so long, and at most half of its lease */
    REPLICA_SUSPECT_MS = 3000,          /* silent for so long: suspect */
    REPLICA_DOWN_MS = 10000,            /* silent for so long: down */
    REPLICA_START_POLL_MS = 10,         /* a node that starts asks so often whether its peers take its frames */
    REPLICA_STANDSTILL_GRACE_MS = 2000, /* see server/node/standstill.h */
    REPLICA_SYNC_TIMEOUT_MS = 1000,     /* until a sync request has failed; a later response is dropped */
};

/* What is wrong with a peer that has not left. */
enum peer_loss {
    PEER_FOUND,      /* nothing */
    PEER_UNANSWERED, /* it never answered a sync request, or is down */
    PEER_UNHEARD,    /* it is an incarnation that answered, and none of its frames has come for some seconds */
};

/* As the call Nodes shows it (muster.v1.NodeState). */
enum peer_state { PEER_JOINING, PEER_ALIVE, PEER_SUSPECT, PEER_DOWN, PEER_LEFT };

#endif
