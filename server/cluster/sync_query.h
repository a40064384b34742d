/* The one sync request that a peer may have to respond to at a time, and when the next one may be sent.
 *
 *     IDLE ──send──> WAITING ──response──> IDLE        all was taken, or it goes on with the next page: WAITING again
 *                       │ ├──failed, late──> FAILED    not before a while, which depends on the peer
 *                       │ └──no room───────> REFUSED   the roll is full: later and later, or once there is room
 *     FAILED, REFUSED ──send──> WAITING
 */
#ifndef MUSTER_CLUSTER_SYNC_QUERY_H
#define MUSTER_CLUSTER_SYNC_QUERY_H

#include "sync_message.h"

enum {
    SYNC_RETRY_MS = 150,        /* after a request that failed, to a peer that is heard */
#ifdef REPLICA_TEST_SMALL_PAGES /* a test's: so that few members make many pages, and many frames */
    SYNC_PAGE_BYTES_MIN = 64,
    SYNC_PAGE_BYTES_MAX = 1024,
#else
    SYNC_PAGE_BYTES_MIN = 16 * 1024,
    SYNC_PAGE_BYTES_MAX = 512 * 1024,
#endif
};

enum query_state { QUERY_IDLE, QUERY_WAITING, QUERY_FAILED, QUERY_REFUSED };

struct sync_query {
    enum query_state state;
    uint64_t not_before_ms; /* the next is not sent earlier */
    uint64_t page_bytes;    /* to be requested: less where responses do not come in time */
    unsigned failures;      /* one after the other */

    /* Of the request that is on its way, or was the last one. */
    uint64_t ticket, sent_at_ms, deadline_ms;
    uint8_t nonce[NONCE_BYTES];
    enum sync_want want;
    struct sync_cursor cursor; /* is_set: it is not the first page */
    unsigned pages;            /* that came */
    bool is_refused;           /* the roll had no room for some of them */
};

static inline bool query_is_waiting(const struct sync_query *query) {
    return query->state == QUERY_WAITING;
}
/* Whether a request may be sent. */
bool query_is_due(const struct sync_query *query, uint64_t now_ms);
/* Whether the response is to be given up. */
bool query_is_late(const struct sync_query *query, uint64_t now_ms);

/* A query that has not been sent yet. */
void query_init(struct sync_query *query, uint64_t now_ms);
/* What the next request wants; its first page is not sent yet. */
void query_begin(struct sync_query *query, enum sync_want want);
/* Its request is on its way. */
void query_send(struct sync_query *query, uint64_t ticket, uint64_t now_ms);
/* The response came: a page that the next one follows, or the last. */
void query_next_page(struct sync_query *query, const struct sync_cursor *next);
void query_finish(struct sync_query *query, uint64_t not_before_ms);
void query_fail(struct sync_query *query, uint64_t not_before_ms);
void query_refuse(struct sync_query *query, uint64_t not_before_ms);
/* The next request may be sent at not_before_ms, be that earlier or later than it was. */
void query_reschedule(struct sync_query *query, uint64_t not_before_ms);
/* The peer was silent, and is back: what was requested meanwhile may be lost, and is not waited for as long. */
void query_hurry(struct sync_query *query, uint64_t now_ms);
/* Smaller pages: maybe this one was too large for the link. */
void query_shrink_pages(struct sync_query *query);
void query_grow_pages(struct sync_query *query);

#endif
