/* A journal: what changed in one watched scope, by version, as far back as there is room.
 *
 * Every join, leave and update is an event and takes the next version. The events of one user are linked, so that for
 * any two versions it is plain who changed between them, and whether that user was live at the first and at the second:
 * a join after a version says that the user was not live at it, a leave or an update that it was.
 *
 * Pure, and not thread-safe: it lives under the node's lock. */
#ifndef MUSTER_WATCH_JOURNAL_H
#define MUSTER_WATCH_JOURNAL_H

#include "core/index.h"
#include "core/roll.h"

enum {
#ifdef WATCH_TEST_SMALL /* so that few events pass every bound */
    JOURNAL_EVENTS_MAX = 1 << 6,
    JOURNAL_SEGMENT_EVENTS = 1 << 3,
#else
    JOURNAL_EVENTS_MAX = 1 << 17, /* kept of one scope; then the oldest go */
    JOURNAL_SEGMENT_EVENTS = 1 << 10,
#endif
    JOURNAL_SEGMENTS_MAX = JOURNAL_EVENTS_MAX / JOURNAL_SEGMENT_EVENTS + 1,
    JOURNAL_USERS_BLOCK = 256,
};

struct journal_event {
    uint32_t user;     /* a journal_user */
    uint32_t previous; /* so many versions before it is that user's event before; 0: there was none */
    uint32_t next;     /* so many versions after it is the next; 0: this is the last */
    uint8_t kind;      /* EFFECT_JOINED, EFFECT_LEFT or EFFECT_UPDATED */
    uint8_t reason;
};

/* A user that has events, or that somebody holds. */
struct journal_user {
    uint64_t hash; /* roll_hash of its name */
    uint64_t last; /* the version of its last event; of use while `events` is not 0 */
    char *name;
    uint32_t events; /* in the journal */
    uint32_t holds;
    uint32_t next_dirty; /* for the holder's list (watches.c); the free list's link in an unused record */
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
    uint64_t first, version; /* events of first..version are kept; none where first is version + 1 */
    uint64_t handed;         /* the greatest version that a cursor names */
};

/* Starts empty at `version`: nothing is known of what was before. allocator: outlives it. */
void journal_open(struct journal *journal, uint64_t version, const struct allocator *allocator);
void journal_close(struct journal *journal);

/* Whether all that changed after `version` is known. */
static inline bool journal_reaches(const struct journal *journal, uint64_t version) {
    return version + 1 >= journal->first && version <= journal->version;
}

/* Notes what happened to a user. Where memory is short the journal forgets all it knows, so that nobody is told half.
 * An update of a user whose last event no cursor names yet is part of that event. Returns the user; 0 if it is not in
 * the journal. */
uint32_t journal_note(struct journal *journal, struct text user, uint64_t hash, uint8_t kind, uint8_t reason);
/* Something happened that it cannot tell: forgets all events and takes a version, so that no cursor reaches back. */
void journal_lose(struct journal *journal);
/* Forgets the oldest event. There must be one. */
void journal_forget_oldest(struct journal *journal);

static inline uint64_t journal_events(const struct journal *journal) {
    return journal->version + 1 - journal->first;
}

struct journal_user *journal_user(const struct journal *journal, uint32_t user);
/* 0: there is none of that name. */
uint32_t journal_find(const struct journal *journal, struct text user, uint64_t hash);
/* Keeps a record of a user, with events or without, until it is let go as often. 0: memory is short. */
uint32_t journal_hold(struct journal *journal, struct text user, uint64_t hash);
void journal_let_go(struct journal *journal, uint32_t user);

/* What a user's events in (after, until] come to. */
struct journal_change {
    uint64_t at; /* the version of the last of them; 0: there is none */
    bool was_live, is_live;
    uint8_t reason; /* of the last, if that is a leave */
};
struct journal_change journal_change_of(const struct journal *journal, uint32_t user, uint64_t after, uint64_t until);

const struct journal_event *journal_at(const struct journal *journal, uint64_t version);

#endif
