/* A request of one node to another for what it lacks, and its response (muster.v1.SyncRequest, SyncResponse). */
#ifndef MUSTER_CLUSTER_SYNC_MESSAGE_H
#define MUSTER_CLUSTER_SYNC_MESSAGE_H

#include "decode_memory.h"
#include "node_info.h"
#include "record.h"

enum { NONCE_BYTES = 16 };

enum sync_want { WANT_HELLO = 0, WANT_OWN = 1, WANT_ALL = 2 };

/* Where the pages go on. */
struct sync_cursor {
    bool is_set;
    uint64_t after;          /* WANT_OWN */
    struct walk_cursor walk; /* WANT_ALL */
};

/* Texts are borrowed. */
struct sync_request {
    uint8_t nonce[NONCE_BYTES];
    uint64_t origin;
    struct node_info node_info;
    enum sync_want want;
    struct known *vector; /* ascending by origin; room for ROLL_ORIGINS_MAX */
    size_t vector_count;
    struct sync_cursor cursor;
    uint64_t page_bytes;
    uint64_t until; /* WANT_OWN: what comes after it is here already; 0: nothing is */
};

/* What a request takes on the wire, without its seal. */
enum { SYNC_REQUEST_BYTES_MAX = ROLL_ORIGINS_MAX * (8 + 8) + 2048 };

/* A request that owns its vector, with room for ROLL_ORIGINS_MAX. NULL: memory is short. */
struct sync_request *sync_request_new(const struct allocator *allocator);
void sync_request_free(struct sync_request *request, const struct allocator *allocator); /* may be NULL */

void sync_request_put(struct pb_writer *out, const struct sync_request *request);
/* false: broken, or out of range. Texts point into the message, the vector into the memory. */
bool sync_request_get(struct text bytes, struct decode_memory *memory, struct sync_request *request);

struct sync_response {
    uint8_t nonce[NONCE_BYTES];
    uint64_t origin, sent_ms, frame_number, sequence, members, wall_ms;
    uint64_t stamp;          /* where its clock is: hlc_now */
    uint64_t vector_version; /* see Digest */
    uint64_t heard_frame;    /* the last frame of the requester's origin that the responder took; 0: none */
    struct node_info node_info;
    bool is_ready, is_forgotten;
    struct known *vector; /* ascending by origin; room for ROLL_ORIGINS_MAX */
    size_t vector_count;
    struct sync_cursor next;
    struct text *peer_hints; /* read alone, as the records */
    size_t peer_hint_count;
    struct record_list records;
};

enum { SYNC_RESPONSE_PEER_HINTS = 10, SYNC_RESPONSE_ORIGINS = 11, SYNC_RESPONSE_RECORDS = 13 };

/* A response is put in three parts: head; peer hints, vector and records by the field numbers above, in any order; tail
 * (next, is_forgotten). */
void sync_response_put_head(struct pb_writer *out, const struct sync_response *response);
void sync_response_put_tail(struct pb_writer *out, const struct sync_response *response);
/* false: broken, or out of range. Texts point into the message, lists into the memory; peer hints past
 * REPLICA_PEERS_MAX are left out. */
bool sync_response_get(struct text bytes, struct decode_memory *memory, struct sync_response *response);

#endif
