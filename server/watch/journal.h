/* A journal: what changed in one watched scope, by version, as far back as there is room.
 *
 * Every join, leave and update is an event and takes the next version. The events of one user are linked. So for any
 * two versions the journal says which users changed between them, and whether each was live at either end: the first
 * event after a version is a join if the user was not live at it, and a leave or an update if it was.
 *
 * Pure and not thread-safe: it is used under the node's lock. */
#ifndef MUSTER_WATCH_JOURNAL_H
#define MUSTER_WATCH_JOURNAL_H

#include "core/index.h"
#include "core/roll.h"

enum {
#ifdef WATCH_TEST_SMALL /* few events meet every bound */
    JOURNAL_EVENTS_MAX = 1 << 6,
    JOURNAL_SEGMENT_EVENTS = 1 << 3,
#else
    JOURNAL_EVENTS_MAX = 1 << 17, /* kept of one scope; beyond, the oldest is forgotten */
    JOURNAL_SEGMENT_EVENTS = 1 << 10,
#endif
    JOURNAL_SEGMENTS_MAX = JOURNAL_EVENTS_MAX / JOURNAL_SEGMENT_EVENTS + 1,
    JOURNAL_USERS_BLOCK = 256,
};

struct journal_event {
    uint32_t user;     /* a journal_user */
    uint32_t previous; /* how many versions back the user's event before it is; 0: there is none */
    uint32_t next;     /* how many versions on the user's next event is; 0: this is the last */
    uint8_t kind;      /* EFFECT_JOINED, EFFECT_LEFT or EFFECT_UPDATED */
    uint8_t reason;
};

/* A user that has events, or is held. */
struct journal_user {
    uint64_t hash; /* roll_hash of its name */
    uint64_t last; /* the version of its last event, if it has any */
    char *name;
    uint32_t events; /* in the journal */
    uint32_t holds;
    uint32_t next_dirty; /* for the holder's list (watched_scope.c); in an unused record, the link of the free list */
    uint8_t name_len;
    bool is_dirty;
    void *holders; /* for the holder */
};

struct journal {
    const struct allocator *allocator;
    struct index users;
    struct journal_user **blocks; /* by number: of JOURNAL_USERS_BLOCK each */
    uint32_t block_count, block_capacity, fresh_user, free_user;
    struct journal_event *segments[JOURNAL_SEGMENTS_MAX]; /* a ring, by version */
    uint64_t first, version; /* events of first..version are kept; none if first is version + 1 */
    uint64_t handed;         /* the greatest version that is in a cursor */
};

/* Starts empty at `version`: it knows nothing of earlier changes. The allocator outlives it. */
void journal_open(struct journal *journal, uint64_t version, const struct allocator *allocator);
void journal_close(struct journal *journal);

/* Whether all that changed after `version` is known. */
static inline bool journal_reaches(const struct journal *journal, uint64_t version) {
    return version + 1 >= journal->first && version <= journal->version;
}

/* Appends an event. If memory is short the journal loses all events instead, so that no cursor is answered with half of
 * them. An update of a user whose last event is in no cursor yet becomes part of that event. Returns the user; 0: the
 * journal lost its events. */
uint32_t journal_note(struct journal *journal, struct text user, uint64_t hash, uint8_t kind, uint8_t reason);
/* Something happened that it has no record of: forgets all events and takes a version, so that no cursor reaches back.
 */
void journal_lose(struct journal *journal);
/* Forgets the oldest event. There must be one. */
void journal_forget_oldest(struct journal *journal);

static inline uint64_t journal_events(const struct journal *journal) {
    return journal->version + 1 - journal->first;
}

/* The record of a user, by its number; it does not move. */
struct journal_user *journal_user(const struct journal *journal, uint32_t user);
/* The number of a user; 0: it has no record. */
uint32_t journal_find(const struct journal *journal, struct text user, uint64_t hash);
/* Holds the record of a user, which is made if need be, until it is let go as often. Returns its number; 0: memory is
 * short. */
uint32_t journal_hold(struct journal *journal, struct text user, uint64_t hash);
void journal_let_go(struct journal *journal, uint32_t user);

/* What the events of a user in (after, until] come to. */
struct journal_change {
    uint64_t at; /* the version of the last of them; 0: there is none */
    bool was_live, is_live;
    uint8_t reason; /* of the last, if that is a leave */
};
struct journal_change journal_change_of(const struct journal *journal, uint32_t user, uint64_t after, uint64_t until);

/* The event of a version that is kept. */
const struct journal_event *journal_at(const struct journal *journal, uint64_t version);

#endif
