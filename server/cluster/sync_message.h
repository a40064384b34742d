/* A question of one node to another, and its answer (muster.v1.Ask, muster.v1.Answer). */
#ifndef MUSTER_CLUSTER_SYNC_MESSAGE_H
#define MUSTER_CLUSTER_SYNC_MESSAGE_H

#include "node_info.h"

enum { NONCE_BYTES = 16 };

enum want { WANT_HELLO = 0, WANT_OWN = 1, WANT_ALL = 2 };

/* Where the pages go on. */
struct cursor {
    bool is_set;
    uint64_t after;          /* WANT_OWN */
    struct walk_cursor walk; /* WANT_ALL */
};

struct ask {
    uint8_t nonce[NONCE_BYTES];
    uint64_t origin;
    struct node_info node_info;
    enum want want;
    struct known *vector; /* ascending by origin; room for ROLL_ORIGINS_MAX */
    size_t vector_count;
    struct cursor cursor;
    uint64_t page_bytes;
    uint64_t until; /* WANT_OWN: what comes after it is here already; 0: nothing is */
};

void ask_put(struct pb_writer *out, const struct ask *ask);
/* false: broken, or out of range. Fills ask->vector; texts point into the message. */
bool ask_get(struct text bytes, struct ask *ask);

struct answer {
    uint8_t nonce[NONCE_BYTES];
    uint64_t origin, sent_ms, frame_number, sequence, members, wall_ms;
    struct node_info node_info;
    bool is_ready, is_forgotten;
    struct known *vector; /* ascending by origin; room for ROLL_ORIGINS_MAX */
    size_t vector_count;
    struct cursor next;
    struct text whole; /* where the records and peer_hints are */
};

enum { ANSWER_PEER_HINTS = 10, ANSWER_ORIGINS = 11, ANSWER_RECORDS = 13 };

/* An answer is put in three parts: head; peer_hints, vector and records by the field numbers above, in any order;
 * tail (next, is_forgotten). */
void answer_put_head(struct pb_writer *out, const struct answer *answer);
void answer_put_tail(struct pb_writer *out, const struct answer *answer);
/* false: broken, or out of range. Fills answer->vector; texts point into the message. */
bool answer_get(struct text bytes, struct answer *answer);

#endif
