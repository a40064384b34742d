/* Many watchers of one server, on one thread. A connection has one or more watchers, each of which sends its next
 * request as soon as it is answered. A failure ends the program with status 1 and a message. */
#ifndef MUSTER_BENCH_SUBSCRIBERS_H
#define MUSTER_BENCH_SUBSCRIBERS_H

#include "load/histogram.h"
#include "publisher.h"

/* What all watchers are to reach: the whole snapshot, a number of markers, a number of live users. */
enum goal { GOAL_NONE, GOAL_SYNCED, GOAL_MARKED, GOAL_LIVE };

struct subscribers_plan {
    const struct subscribe_protocol *protocol;
    const char *address;
    uint32_t connections, watchers_each;
    struct watching watching;
    uint64_t users; /* users 0..users - 1 change */
};

/* What all watchers received. */
struct reception_totals {
    uint64_t answers, bytes, changes, resyncs;
    struct histogram ages; /* ns from when a change was due until it was received, on every 16th connection */
};

struct watcher_connection;

struct subscribers {
    struct subscribers_plan plan;
    int epoll;
    struct watcher_connection *connections;
    struct watcher *watchers;
    uint32_t watcher_count;
    struct publisher publisher;
    struct reception_totals received; /* may be cleared by the caller */
    enum goal goal;
    uint64_t wanted;    /* markers, or live users, of each watcher */
    uint32_t satisfied; /* watchers that reached the goal */
    uint8_t *asks;      /* requests of one connection, until they are sent */
};

/* Opens all connections, and sends no request yet. */
void subscribers_open(struct subscribers *subscribers, const struct subscribers_plan *plan);
/* Sends the first request of every watcher. */
void subscribers_ask(struct subscribers *subscribers);
void subscribers_aim(struct subscribers *subscribers, enum goal goal, uint64_t wanted);
/* Receives until every watcher has reached the goal and the publisher has finished, at most patience_s. */
void subscribers_listen(struct subscribers *subscribers, uint32_t patience_s);
/* Receives for `ns`; UINT64_MAX: until standard input is readable. */
void subscribers_rest(struct subscribers *subscribers, uint64_t ns);

#endif
