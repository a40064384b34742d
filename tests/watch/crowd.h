/* A naive model of who is here: scopes, users and sessions by number, in plain arrays. */
#ifndef MUSTER_TESTS_WATCH_CROWD_H
#define MUSTER_TESTS_WATCH_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CROWD_SESSIONS = 3 };

/* Reasons for which a user may have left, as bits 1 << LeaveReason. */
enum { CROWD_LEFT = 1 << 1, CROWD_EXPIRED = 1 << 2, CROWD_RESET = 1 << 3 };

struct crowd_user {
    uint64_t until_ms[CROWD_SESSIONS]; /* the last moment at which the session is live; 0: it is not */
    unsigned reasons;                  /* for which it may have left last; 0: its TTL passed, or it is live */
};

struct crowd {
    size_t scopes, users;
    uint64_t now_ms;
    uint64_t ticked_ms; /* the node has noticed what expired before */
    struct crowd_user *items;
};

void crowd_open(struct crowd *crowd, size_t scopes, size_t users, uint64_t now_ms);
void crowd_close(struct crowd *crowd);

struct crowd_user *crowd_user(const struct crowd *crowd, size_t scope, size_t user);
bool crowd_is_live(const struct crowd *crowd, size_t scope, size_t user);
size_t crowd_live(const struct crowd *crowd, size_t scope);
/* Whether a lease of the user ended after the last tick, so that the node may not have noticed. */
bool crowd_is_blurred(const struct crowd *crowd, size_t scope, size_t user);

void crowd_beat(struct crowd *crowd, size_t scope, size_t user, size_t session, uint64_t ttl_ms);
/* linger_ms 0: at once. session CROWD_SESSIONS: all. */
void crowd_leave(struct crowd *crowd, size_t scope, size_t user, size_t session, uint64_t linger_ms);
void crowd_reset(struct crowd *crowd, size_t scope);

/* The reasons for which a user who is not live may have left last. */
unsigned crowd_reasons(const struct crowd *crowd, size_t scope, size_t user);

#endif
