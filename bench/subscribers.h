/* Many who watch one server, from one thread: each connection has as many watchers as its kind of server allows, each
 * asks again as soon as it was answered. What fails ends the program with status 1 and a sentence. */
#ifndef MUSTER_BENCH_SUBSCRIBERS_H
#define MUSTER_BENCH_SUBSCRIBERS_H

#include "load/histogram.h"
#include "publisher.h"

/* What all of them are to come to: that they know all that was there, that they received of so many markers, that they
 * know so many users to be live. */
enum goal { GOAL_NONE, GOAL_SYNCED, GOAL_MARKED, GOAL_LIVE };

struct subscribers_plan {
    const struct subscribe_protocol *protocol;
    const char *address;
    uint32_t connections, watchers_each;
    struct watching watching;
    uint64_t users; /* who change: 0..users - 1 */
};

/* What was received, all together. */
struct reception_totals {
    uint64_t answers, bytes, changes, resyncs;
    struct histogram ages; /* from when a change was due until it was received, of every 16th connection */
};

struct watcher_connection;

struct subscribers {
    struct subscribers_plan plan;
    int epoll;
    struct watcher_connection *connections;
    struct watcher *watchers;
    uint32_t watcher_count;
    struct publisher publisher;
    struct reception_totals received; /* the caller may clear it */
    enum goal goal;
    uint64_t wanted;    /* markers, or live users, of each */
    uint32_t satisfied; /* watchers that have come to it */
    uint8_t *asks;      /* of one connection, until they are sent */
};

/* Connects everybody, who then asks nothing yet. */
void subscribers_open(struct subscribers *subscribers, const struct subscribers_plan *plan);
/* Everybody begins to watch. */
void subscribers_ask(struct subscribers *subscribers);
void subscribers_aim(struct subscribers *subscribers, enum goal goal, uint64_t wanted);
/* Listens until everybody has come to the goal and the publisher to the end of its run, at most patience_s. */
void subscribers_listen(struct subscribers *subscribers, uint32_t patience_s);
/* Listens for so long; UINT64_MAX: until there is something to read in standard input. */
void subscribers_rest(struct subscribers *subscribers, uint64_t ns);

#endif
