/* A question of one node to another, and its answer (muster.v1.Ask, muster.v1.Answer). */
#ifndef MUSTER_CLUSTER_SYNC_MESSAGE_H
#define MUSTER_CLUSTER_SYNC_MESSAGE_H

#include "node_info.h"

enum { NONCE_BYTES = 16 };

enum sync_want { WANT_HELLO = 0, WANT_OWN = 1, WANT_ALL = 2 };

/* Where the pages go on. */
struct sync_cursor {
    bool is_set;
    uint64_t after;          /* WANT_OWN */
    struct walk_cursor walk; /* WANT_ALL */
};

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

void sync_request_put(struct pb_writer *out, const struct sync_request *request);
/* false: broken, or out of range. Fills ask->vector; texts point into the message. */
bool sync_request_get(struct text bytes, struct sync_request *request);

struct sync_response {
    uint8_t nonce[NONCE_BYTES];
    uint64_t origin, sent_ms, frame_number, sequence, members, wall_ms;
    struct node_info node_info;
    bool is_ready, is_forgotten;
    struct known *vector; /* ascending by origin; room for ROLL_ORIGINS_MAX */
    size_t vector_count;
    struct sync_cursor next;
    struct text whole; /* where the records and peer_hints are */
};

enum { SYNC_RESPONSE_PEER_HINTS = 10, SYNC_RESPONSE_ORIGINS = 11, SYNC_RESPONSE_RECORDS = 13 };

/* An answer is put in three parts: head; peer_hints, vector and records by the field numbers above, in any order;
 * tail (next, is_forgotten). */
void sync_response_put_head(struct pb_writer *out, const struct sync_response *response);
void sync_response_put_tail(struct pb_writer *out, const struct sync_response *response);
/* false: broken, or out of range. Fills answer->vector; texts point into the message. */
bool sync_response_get(struct text bytes, struct sync_response *response);

#endif
