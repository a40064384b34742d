/* Many who watch one server, from one thread: each connection has as many watchers as its kind of server allows, each
 * asks again as soon as it was answered. What fails ends the program with status 1 and a sentence. */
#ifndef MUSTER_BENCH_AUDIENCE_H
#define MUSTER_BENCH_AUDIENCE_H

#include "histogram.h"
#include "source.h"

/* What all of them are to come to: that they know all that was there, that they heard of so many markers, that they
 * know so many users to be live. */
enum goal { GOAL_NONE, GOAL_SYNCED, GOAL_MARKED, GOAL_LIVE };

struct audience_plan {
    const struct tongue *tongue;
    struct sockaddr_in address;
    uint32_t connections, watchers_each;
    struct watching watching;
    uint64_t users; /* who change: 0..users - 1 */
};

/* What was heard, all together. */
struct heard {
    uint64_t answers, bytes, changes, resyncs;
    struct histogram ages; /* from when a change was due until it was heard, of every 16th connection */
};

struct listener;

struct audience {
    struct audience_plan plan;
    int epoll;
    struct listener *listeners;
    struct watcher *watchers;
    uint32_t watcher_count;
    struct source source;
    struct heard heard; /* the caller may clear it */
    enum goal goal;
    uint64_t wanted;    /* markers, or live users, of each */
    uint32_t satisfied; /* watchers that have come to it */
    uint8_t *asks;      /* of one connection, until they are sent */
};

/* Connects everybody, who then asks nothing yet. */
void audience_open(struct audience *audience, const struct audience_plan *plan);
/* Everybody begins to watch. */
void audience_ask(struct audience *audience);
void audience_aim(struct audience *audience, enum goal goal, uint64_t wanted);
/* Listens until everybody has come to the goal and the source to the end of its run, at most patience_s. */
void audience_listen(struct audience *audience, uint32_t patience_s);
/* Listens for so long; UINT64_MAX: until there is something to read in standard input. */
void audience_rest(struct audience *audience, uint64_t ns);

#endif
