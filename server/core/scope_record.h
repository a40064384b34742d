/* A scope's record: one cache line, with its name inline where that is short, and the only user of a scope that has but
 * one. A scope of few users has a sorted array of them; one of many, or one that was reset, has a crowd. So "a scope a
 * page" costs a record and an entry in the directory. */
#ifndef MUSTER_CORE_SCOPE_RECORD_H
#define MUSTER_CORE_SCOPE_RECORD_H

#include "common/text.h"
#include "history.h"
#include "index.h"

enum {
    SCOPE_NONE = 0,
    SCOPE_FEW_MAX = 7,          /* users that an array holds */
    SCOPE_IS_CROWD = UINT8_MAX, /* as scope.users */
    SCOPE_NAME_INLINE_BYTES = 40,
};

/* What a scope of few users that was never reset does without. */
struct crowd {
    struct index users;      /* hash -> the first member of a user's chain of sessions */
    struct history *history; /* when its users were last seen; NULL in a small scope: it looks at every user */
    uint64_t users_counted, live, by_status[4], sessions; /* of the users whose epoch is the scope's */
    uint64_t joined;                                      /* how often a user became live */
    uint64_t history_at;                                  /* a scope of so many users gets a history */
    uint64_t compacted_ms;                                /* when the history was compacted last */
    uint64_t reset_stamp; /* members whose stamp is not after it are void: no reader sees them */
    uint64_t reset_sequence, reset_seen_ms;
    uint16_t reset_origin;
    uint8_t epochs_unswept;
    bool is_sweeping, in_upkeep;
    uint32_t sweep_high;  /* users of lower hashes have the scope's epoch */
    uint32_t upkeep_next; /* the list of scopes that roll_tick works for */
};

struct scope {
    union {
        struct index_slot user; /* the one that there is; zero if there is none */
        struct index_slot *few; /* of SCOPE_FEW_MAX slots the first `users`, in the order of the whole hash */
        struct crowd *crowd;
    };
    uint64_t incomplete_ms : 48; /* the latest instant at which an evicted user was seen */
    uint64_t epoch : 8;          /* a reset begins another one */
    uint64_t name_len : 8;       /* 0: the record is free */
    uint64_t joined : 40;        /* this and the next two as in a crowd, which has its own */
    uint64_t users_counted : 8, live : 8;
    uint64_t users : 8; /* how many `user` or `few` hold; or SCOPE_IS_CROWD */
    union {
        char name[SCOPE_NAME_INLINE_BYTES];
        char *long_name;
    };
};
_Static_assert(sizeof(struct scope) == 64, "a scope fills one cache line");

static inline bool scope_is_crowd(const struct scope *scope) {
    return scope->users == SCOPE_IS_CROWD;
}

static inline struct text scope_name(const struct scope *scope) {
    bool is_inline = scope->name_len <= SCOPE_NAME_INLINE_BYTES;
    return (struct text){is_inline ? scope->name : scope->long_name, scope->name_len};
}

/* Members whose stamp is not after it are void. 0: the scope was not reset. */
static inline uint64_t scope_reset_stamp(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->reset_stamp : 0;
}

static inline bool scope_is_sweeping(const struct scope *scope) {
    return scope_is_crowd(scope) && scope->crowd->is_sweeping;
}

/* NULL: when its users were last seen is known from them alone. */
static inline struct history *scope_history(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->history : NULL;
}

/* ---- counts: of the users whose epoch is the scope's ---- */

static inline uint64_t scope_users_counted(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->users_counted : scope->users_counted;
}

static inline uint64_t scope_live(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->live : scope->live;
}

/* How often a user became live; scope_live fewer is how often one ceased to be. */
static inline uint64_t scope_joined(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->joined : scope->joined;
}

/* A live user's status is `is` instead of `was`, or that of a user who is not live is none. Of few users a reader
 * counts statuses and sessions itself. */
static inline void scope_count_status(struct scope *scope, uint8_t was, uint8_t is) {
    if (!scope_is_crowd(scope)) return;
    scope->crowd->by_status[was]--;
    scope->crowd->by_status[is]++;
}

#endif
