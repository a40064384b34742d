/* A node that says what a test wants it to. Its wire is written by hand and its answers are made with protobuf-c, so
 * that the library is checked against others. It keeps a journal of what it was told. */
#ifndef MUSTER_TESTS_FAKE_NODE_H
#define MUSTER_TESTS_FAKE_NODE_H

#include "muster/muster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fake_behaviour {
    FAKE_WELL,        /* answers, with `code` */
    FAKE_SILENT,      /* takes requests and never answers */
    FAKE_GARBAGE,     /* answers bytes that do not decode */
    FAKE_ELSEWHERE,   /* answers another call than the one that was made */
    FAKE_OVERSIZED,   /* answers more than a client takes */
    FAKE_MISCOUNTING, /* answers one item more than was asked for */
};

struct fake_node;

/* One beat or departure that came in and was not refused. */
struct fake_entry {
    uint64_t at_ms; /* monotonic */
    uint64_t order; /* among the entries of all fake nodes */
    size_t request; /* the number of the request it came in */
    bool is_leave, is_refresh;
    char scope[32], user[32], session[32];
    unsigned status;
    size_t state_len;
    uint32_t ttl_ms, linger_ms; /* of the request */
    uint64_t stamp;             /* of a leave */
};

/* Listens on url; ends the test program if it cannot. */
struct fake_node *fake_node_start(const char *url);
/* `node` may be NULL. */
void fake_node_stop(struct fake_node *node);

void fake_node_set_behaviour(struct fake_node *node, enum fake_behaviour behaviour);
/* The code of the answers from now on. */
void fake_node_set_code(struct fake_node *node, enum muster_code code);
/* The next `count` requests are answered with this code, and do nothing. */
void fake_node_refuse_next(struct fake_node *node, unsigned count, enum muster_code code);
/* From now on, by chance (0: never again): of 16 requests some are refused with UNAVAILABLE, and of some the connection
 * breaks off before they are done, or after. */
void fake_node_set_faults(struct fake_node *node, uint64_t seed);
/* Touches that name this user are refused with INVALID_ARGUMENT. NULL: none. */
void fake_node_refuse_user(struct fake_node *node, const char *user);
/* The ttl_ms that Touch answers. */
void fake_node_set_ttl(struct fake_node *node, uint32_t ttl_ms);
/* From now on the node knows nobody of before: refreshes of sessions that are not touched in full first are unknown. */
void fake_node_forget(struct fake_node *node);
/* How many pages of how many users List answers. Page p, from 0, holds users "pPPP-uUUUU". */
void fake_node_set_pages(struct fake_node *node, size_t pages, size_t users);

/* Requests that came in so far, and those of one kind (the field numbers of Call). */
size_t fake_node_requests(struct fake_node *node);
/* A copy of the journal, to be freed by the caller. */
struct fake_entry *fake_node_journal(struct fake_node *node, size_t *count);
/* The token of the last request; a copy, to be freed by the caller. */
char *fake_node_token(struct fake_node *node);

/* The stamp that the n-th request is answered. */
#define FAKE_STAMP(n) (UINT64_C(1000) + (n))

#endif
