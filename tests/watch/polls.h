/* Watchers of a real server: long polls over connections of sp.h. Each call ends the test where an answer is refused or
 * breaks a rule. */
#ifndef MUSTER_TESTS_WATCH_POLLS_H
#define MUSTER_TESTS_WATCH_POLLS_H

#include "support/sp.h"
#include "support/watcher.h"

enum { POLL_SOON_MS = 10000 };

struct poll {
    struct sp *sp; /* borrowed: several may share one */
    struct watcher watcher;
    uint32_t id;    /* of the request that is out; 0: none */
    size_t changes; /* of the last answer */
};

/* A connection; ends the test if there is none. */
struct sp poll_connect(const char *url);
void poll_ask(struct poll *poll, uint32_t max_wait_ms);
/* The answer to one of `count` polls of a connection, whichever comes first; applied. NULL: none came in time, or the
 * connection ended. */
struct poll *polls_next(struct sp *sp, struct poll *polls, size_t count, uint64_t timeout_ms);
/* The answer to what was asked; ends the test if none comes in time. */
void poll_answered(struct poll *poll, uint64_t timeout_ms);
/* Asks without waiting until it is told all. */
void poll_catch_up(struct poll *poll);
/* It knows what the node answers now. */
void poll_expect_same(const struct poll *poll, const struct answerer *answerer);

#endif
