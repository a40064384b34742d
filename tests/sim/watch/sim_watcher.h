/* A program that watches, at one node after another: what it knows (tests/support/watcher.h), the request that it has
 * out, and how it behaves: it pauses, loses answers and goes on from an older cursor, goes elsewhere with the cursor
 * that it has, hangs up, begins anew. */
#ifndef MUSTER_SIM_SIM_WATCHER_H
#define MUSTER_SIM_SIM_WATCHER_H

#include "host.h"
#include "script.h"
#include "support/watcher.h"

enum { NAMED_MAX = 40 };

struct sim_watcher {
    unsigned index, scope;
    struct watcher watcher;
    const char *names[NAMED_MAX]; /* point into name_bytes */
    char name_bytes[NAMED_MAX][16];
    struct waiter waiter;
    unsigned loses_in; /* it loses one in so many answers; 0: none */
    bool is_restless;  /* it pauses often */

    struct host *host;          /* where it asks; NULL: it has to find one */
    uint64_t cursor_origin;     /* the incarnation that its cursor is of; 0: nobody's */
    bool is_parked;             /* its request waits at the host */
    Muster__V1__Reply *reply;   /* came and is not taken yet */
    uint64_t asked_ms, acts_ms; /* when it asked last, and when it does so next */
    uint64_t news_ms;           /* when it was last given an answer that tells of changes, or lost it */
    uint64_t full_until_ms;     /* its connection has no room */
    uint64_t right_ms;          /* when it last was found to know what its node knows */
};

/* So short that a node may forget what the cursor of a patient watcher is of. */
extern const bool journals_are_short;

void sim_watcher_open(struct stage *stage, unsigned index);
void sim_watcher_close(struct sim_watcher *sim_watcher);
/* Its moment to act has come. */
void sim_watcher_act(struct stage *stage, struct sim_watcher *sim_watcher);
/* It is to act then. */
void sim_watcher_act_at(struct stage *stage, struct sim_watcher *sim_watcher, uint64_t at_ms);
void sim_watcher_hang_up(struct stage *stage, struct sim_watcher *sim_watcher);
/* Those who wait hold what is right, and not for longer than they may. Its host has settled. */
void sim_watcher_check(struct stage *stage, struct sim_watcher *sim_watcher);
/* By when its pace lets it be told of anything that happens now. */
uint64_t sim_watcher_pace_ms(const struct sim_watcher *sim_watcher);

/* The host's connections break. */
void sim_watchers_lose(struct stage *stage, const struct host *host);
/* Takes the answers that a host gave, at this instant. */
void sim_watchers_take(struct stage *stage, const struct host *host);

/* The functions of a host's door. */
bool sim_watcher_has_room(void *context, const struct waiter *waiter);
void sim_watcher_deliver(void *context, const struct waiter *waiter, const struct response *response, bool is_last);

#endif
