/* The sessions of a keepalive: which are due, which are being sent, which leave.
 *
 * A timer wheel turns once in a third of the TTL; each of its slots holds sessions that fall due together. A session
 * that was sent goes into the emptiest slot, so that beats are spread over the turn. While there are few sessions only
 * few slots are used, so that they share requests.
 *
 * Pure but for memory: time is an argument (monotonic ms). Not thread-safe: the keepalive holds its mutex. */
#ifndef MUSTER_CLIENT_SESSIONS_H
#define MUSTER_CLIENT_SESSIONS_H

#include "muster/muster.h"

enum { SESSIONS_SLOTS = 32, SESSIONS_SHARE_MIN = 64, SESSIONS_BATCH_MAX = 1000, SESSIONS_BATCH_BYTES_MAX = 256 * 1024 };

struct link {
    struct link *next, *previous;
};

struct session {
    struct link link;                   /* first: a link is a session */
    const char *scope, *user, *session; /* in `text` */
    enum muster_status status;
    void *state; /* NULL: none */
    size_t state_len;
    size_t text_len;
    uint32_t linger_ms;   /* of one that leaves */
    int slot;             /* of the wheel; -1: not in it */
    uint32_t batch_index; /* of one that is being sent: of its beat */
    bool is_whole;        /* and its beat says all, so that a refresh does from then on */
    uint64_t told_ms;     /* when a node took such a beat of what it is now; 0: none has, so a refresh would not do */
    char text[];
};

struct sessions {
    void *tree; /* tsearch(3), by scope, user and session; without those that leave */
    size_t count;
    struct link due, sending, leaving;
    struct link slots[SESSIONS_SLOTS];
    size_t loads[SESSIONS_SLOTS];
    unsigned hand;   /* the slot that fell due last */
    unsigned offset; /* the first slot that is used */
    uint32_t slot_ms;
    uint64_t next_ms; /* when the next slot falls due */
};

/* ttl_ms: MUSTER_TTL_MIN_MS..MUSTER_TTL_MAX_MS. offset: any number; differs from keepalive to keepalive. */
void sessions_init(struct sessions *sessions, uint32_t ttl_ms, unsigned offset, uint64_t now_ms);
void sessions_free(struct sessions *sessions);
/* The TTL in force, as the server says. */
void sessions_set_ttl(struct sessions *sessions, uint32_t ttl_ms, uint64_t now_ms);

/* The session of this name; NULL if there is none. */
struct session *sessions_find(struct sessions *sessions, const char *scope, const char *user, const char *session);
/* Adds it, due now. The caller has checked its strings, none of which is NULL, and that it is not there. NULL: memory.
 */
struct session *sessions_add(struct sessions *sessions, const char *scope, const char *user, const char *session,
                             enum muster_status status, const void *state, size_t state_len);
/* Changes it; due now. false: memory is short, and nothing has changed. */
bool sessions_update(struct sessions *sessions, struct session *session, enum muster_status status, const void *state,
                     size_t state_len);
/* Removes a session, which leaves, also where no beat of it was sent yet: the program may have touched it itself. */
void sessions_remove(struct sessions *sessions, struct session *session, uint32_t linger_ms);
void sessions_remove_all(struct sessions *sessions);

/* Turns the wheel up to now: sessions in the slots that it passes are due. */
void sessions_turn(struct sessions *sessions, uint64_t now_ms);
/* All are due. Those that were told in full after since_ms are told so again: another node may not have heard of it. */
void sessions_all_due(struct sessions *sessions, uint64_t since_ms);

/* Takes up to `limit` due sessions for sending; beats (room for `limit`) point into them until the mutex is let go.
 * refreshes: room for `limit`; which of the beats only say "still here", since their sessions were told in full. One
 * batch at a time: it ends with sessions_told, sessions_sent or sessions_put_back. */
size_t sessions_take(struct sessions *sessions, size_t limit, struct muster_beat *beats, bool *refreshes);
/* A node took the batch. unknown: the indexes, ascending, of the beats of sessions that it does not know, which are due
 * at once, to be told in full. Sessions that were removed or changed meanwhile are not in it. */
void sessions_told(struct sessions *sessions, const uint32_t *unknown, size_t count, uint64_t now_ms);
/* The batch is not to be sent before its next turn. */
void sessions_sent(struct sessions *sessions);
/* The batch was not sent: it stays due, before all others. */
void sessions_put_back(struct sessions *sessions);

/* Up to `limit` sessions that leave, all with one linger; departures (room for `limit`) point into them until
 * sessions_left, which forgets the first n. */
size_t sessions_leaving(struct sessions *sessions, size_t limit, struct muster_departure *departures,
                        uint32_t *linger_ms);
void sessions_left(struct sessions *sessions, size_t n);

static inline bool sessions_has_due(const struct sessions *sessions) {
    return sessions->due.next != &sessions->due;
}

static inline bool sessions_has_leaving(const struct sessions *sessions) {
    return sessions->leaving.next != &sessions->leaving;
}

#endif
