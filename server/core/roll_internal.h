/* What the files of the roll share: the objects, and the steps that keep their counts true. Nobody else includes this.
 */
#ifndef MUSTER_CORE_ROLL_INTERNAL_H
#define MUSTER_CORE_ROLL_INTERNAL_H

#include "common/siphash.h"
#include "roll.h"
#include "scope_record.h"
#include "slab.h"
#include "timers.h"

#define ORIGIN_ID_LONE UINT64_C(1) /* of a roll that never meets another */

enum { HISTORY_USERS_MIN = 4096 };
/* Live sessions of a user in a scope, by local beats; and how many of its tombstones are kept. */
#ifdef ROLL_TEST_SESSIONS_MAX /* a test's: so few that sessions make room all the time */
enum { SESSIONS_LIVE_MAX = ROLL_TEST_SESSIONS_MAX };
#else
enum { SESSIONS_LIVE_MAX = MUSTER_SESSIONS_MAX };
#endif
enum { SESSIONS_GONE_MAX = MUSTER_SESSIONS_MAX };
/* A slot of the log is a member, or a scope, and what is to be told of it. News stays news in the slots of the
 * member's refreshes too, for two generations of it: see roll_flushed. */
#define LOG_MEMBER  UINT32_C(0x1fffffff)
#define LOG_KIND    UINT32_C(0xe0000000)
#define LOG_REFRESH UINT32_C(0)
#define LOG_NEWS    UINT32_C(0x20000000) /* of generation 0; 1 and 2 have the next ones */
#define LOG_FOREIGN UINT32_C(0x80000000) /* of another origin by now: told as it is */
#define LOG_RESET   UINT32_C(0xa0000000) /* it is a scope */
enum { NEWS_GENERATIONS = 3 };
_Static_assert(MUSTER_MEMBERS_MAX <= LOG_MEMBER, "a slot of the log holds every member");
_Static_assert(LOG_NEWS *(NEWS_GENERATIONS + 1) == LOG_FOREIGN, "kinds do not overlap");

/* What a call found or made for one of its beats. */
struct planned {
    uint32_t member;     /* MEMBER_NONE: of a refresh, whose session is not live */
    uint16_t origin;     /* of a change that is merged */
    struct extra *extra; /* with room for the beat's state, where the member had none */
};

/* What a merge works in: the changes that are wanted, as beats, and their origins. */
struct merge_room {
    const struct change *wanted[ROLL_MERGE_MAX];
    struct beat beats[ROLL_MERGE_MAX];
    uint16_t origins[ROLL_MERGE_MAX];
};

/* An origin that registers of this roll are labelled with. */
struct origin {
    uint64_t id;        /* 0: free */
    uint64_t registers; /* members and resets with its label */
    uint16_t next;      /* in its list: its index + 1; 0: it is the last */
};
enum { ORIGIN_NONE = ROLL_ORIGINS_MAX };

struct roll {
    struct roll_config config;
    struct allocator allocator;
    struct slab slab; /* of members */
    struct timers timers;
    struct slab scopes;     /* records of struct scope */
    struct index directory; /* of scopes by name */
    uint32_t upkeep_first;
    uint64_t now_ms;   /* of the last call that changed something */
    bool is_started;   /* the first call has told what time it is */
    uint32_t reset_at; /* the scope whose reset is the next that may be forgotten */
    uint32_t *log;     /* by sequence: LOG_KIND, and a member or a scope */
    uint64_t sequence, flushed_sequence;
    uint64_t generation_at; /* the sequence at which the generation of news began */
    uint8_t generation;
    uint64_t reset_merged_at;                /* the sequence at which the last reset of another origin was merged */
    struct origin origins[ROLL_ORIGINS_MAX]; /* [ORIGIN_SELF] is this node's */
    uint16_t origin_lists[ROLL_ORIGINS_MAX]; /* the first of each list: its index + 1; 0: it is empty */
    uint16_t origin_count;
    uint16_t last_origin; /* the one that was looked for last */
    uint64_t live_members, extra_bytes_held, tombstone_extra_bytes;
    uint64_t scope_bytes_held; /* of scopes, besides their records: long names, arrays, crowds */
    uint64_t evicted, expired, forgotten, displaced;
    uint64_t refused_live;           /* see struct roll_stats */
    uint64_t released_incomplete_ms; /* the greatest incomplete_ms of a scope that is no more */
    struct merge_room *merge_room;   /* NULL before the first merge */
    struct planned plan[MUSTER_BEATS_MAX];
};

struct scope_sums {
    uint64_t sessions, by_status[4];
};

/* The live sessions of a user, as far as they are counted, the status of the user, and when it was last seen. */
struct user_sum {
    uint32_t sessions;
    uint8_t status;
    bool is_known;
    uint64_t seen_ms;
};

static inline struct member *member_at(const struct roll *roll, uint32_t ref) {
    return slab_at(&roll->slab, ref);
}

static inline enum register_kind member_kind(const struct member *m) {
    return m->is_register ? (enum register_kind)member_session(m).data[1] : REGISTER_SESSION;
}

static inline struct scope *scope_at(const struct roll *roll, uint32_t ref) {
    return slab_record(&roll->scopes, ref, SLAB_SCOPE_BITS);
}

/* Whether a number that was a scope's still is one's. */
static inline bool scope_exists(const struct roll *roll, uint32_t ref) {
    return scope_at(roll, ref)->name_len > 0;
}

static inline uint64_t hash_of_name(const struct roll *roll, const char *name, size_t len) {
#ifdef ROLL_TEST_WEAK_HASH /* a test's: so few hashes that they and their upper halves collide all the time */
    uint64_t hash = siphash(roll->config.hash_key, 1, 3, name, len) % ROLL_TEST_WEAK_HASH;
    return (hash / 2) << 60 | (hash & 1);
#else
    return siphash(roll->config.hash_key, 1, 3, name, len);
#endif
}

/* The same for n names. */
static inline void hash_names(const struct roll *roll, const struct text *names, size_t n, uint64_t *hashes) {
#ifdef ROLL_TEST_WEAK_HASH
    for (size_t i = 0; i < n; i++) hashes[i] = hash_of_name(roll, names[i].data, names[i].len);
#else
    siphash_names(roll->config.hash_key, names, n, hashes);
#endif
}

static inline bool member_is_void(const struct scope *scope, const struct member *m) {
    return m->stamp <= scope_reset_stamp(scope) && m->stamp != 0;
}

static inline bool member_is_kept(const struct roll *roll, const struct scope *scope, const struct member *m,
                                  uint64_t now_ms) {
    return !member_is_void(scope, m) && member_lease_end_ms(m) + roll->config.retention_ms >= now_ms;
}

/* The slot of a sequence in the log's ring. */
static inline uint32_t *log_slot(const struct roll *roll, uint64_t sequence) {
    return &roll->log[sequence & (roll->config.log_slots - 1)];
}

static inline uint32_t log_news(unsigned generation) {
    return LOG_NEWS * (1 + generation % NEWS_GENERATIONS);
}

/* Every call that changes the roll begins with it: time does not run backward, and the timers start at the first call's
 * now_ms. */
static inline void roll_start(struct roll *roll, uint64_t now_ms) {
    assert(now_ms >= roll->now_ms);
    roll->now_ms = now_ms;
    if (roll->is_started) return;
    timers_init(&roll->timers, &roll->slab, roll->config.retention_ms, now_ms);
    roll->is_started = true;
}

/* scope.c */
uint32_t scope_find(const struct roll *roll, struct text name);
/* The same, for a caller that has hash_of_name already. */
uint32_t scope_find_hashed(const struct roll *roll, struct text name, uint64_t hash);
/* Finds or makes it; SCOPE_NONE if memory is short. */
uint32_t scope_obtain(struct roll *roll, struct text name);
uint32_t scope_obtain_hashed(struct roll *roll, struct text name, uint64_t hash);
/* The same for a reset, which takes more: *why says "bytes" or "memory" where it fails. */
uint32_t scope_obtain_for_reset(struct roll *roll, struct text name, struct refusal *why);
/* Frees a scope that has no members and no reset to keep. */
void scope_release_if_empty(struct roll *roll, uint32_t ref);
void scope_free_all(struct roll *roll);
/* Gives a scope a crowd, if it has none. false if memory is short; then nothing has changed. */
bool scope_make_crowd(struct roll *roll, uint32_t ref);
/* Takes it back where the scope has few users and nothing else that needs one. */
void scope_leave_crowd(struct roll *roll, uint32_t ref);
/* An array of SCOPE_FEW_MAX slots; NULL if memory is short. */
struct index_slot *scope_few_new(struct roll *roll);
void scope_few_free(struct roll *roll, struct index_slot *few);
uint64_t scope_hash(const void *roll, uint32_t ref);
/* Sessions, and live users by status: of a crowd as they were counted, of few users by looking at them. */
struct scope_sums scope_sums(const struct roll *roll, const struct scope *scope);
/* Puts it, which has a crowd, in the list of those that roll_tick works for. */
void scope_wants_upkeep(struct roll *roll, uint32_t ref);
/* A user counts, or does no longer. */
void scope_count_user(struct scope *scope, bool counts);
/* A user became live, or ceased to be. */
void scope_count_live(struct scope *scope, bool is_live);
void scope_count_sessions(struct scope *scope, uint32_t was, uint32_t is);
/* Makes or drops the history as the number of users asks for. */
void scope_fit_history(struct roll *roll, uint32_t ref, uint64_t now_ms);
void scope_drop_history(struct scope *scope);
/* Does without one until it has twice as many users: memory is short. */
void scope_put_off_history(struct scope *scope);
/* A user was last seen at now_ms instead of at was_ms. */
void scope_history_move(struct scope *scope, uint64_t was_ms, uint64_t now_ms);
/* So many users are in the history no more who were seen now. */
void scope_history_put(struct scope *scope, uint64_t now_ms, uint32_t users);

/* user_register.c */
/* A user's leave of all sessions; MEMBER_NONE if there is none. */
uint32_t user_leave(const struct roll *roll, uint32_t first);
/* Its stamp; 0 if there is none. */
uint64_t user_leave_stamp(const struct roll *roll, uint32_t first);
/* Whether a session was stamped before its user's leave of all sessions. */
bool member_is_void_by_leave(const struct roll *roll, uint32_t ref);
/* Removes what the leave of all sessions `leave`, a member that was written, makes void. */
void user_apply_leave(struct roll *roll, uint32_t leave, uint64_t now_ms, struct effects *effects);
/* Removes the sessions that stayed as tombstones of a leave of all sessions, which is about to be forgotten. */
void user_drop_void(struct roll *roll, uint32_t leave);

/* user.c */
uint64_t user_hash(const void *roll, uint32_t ref);
/* The first member of a user, MEMBER_NONE if it has none. */
uint32_t user_find(const struct roll *roll, const struct scope *scope, struct text user, uint64_t hash);
/* The first member of the user of any member. */
uint32_t user_first(const struct roll *roll, uint32_t ref);
struct user_sum user_sum(const struct roll *roll, uint32_t first);
/* Brings the scope's counts and history from `before` to `after`, and notes what a watcher would see. */
void user_account(struct roll *roll, uint32_t scope_ref, uint32_t user, const struct user_sum *before,
                  const struct user_sum *after, bool is_changed, enum effect_reason reason, uint64_t now_ms,
                  struct effects *effects);
/* Brings a user up to the scope's epoch: void members go, survivors count again, and watchers are told. Its first
 * member; MEMBER_NONE if nothing is left. */
uint32_t user_apply_reset(struct roll *roll, uint32_t scope_ref, uint32_t first, uint64_t now_ms,
                          struct effects *effects);
/* The same for the user of any member. */
uint32_t user_apply_reset_of(struct roll *roll, uint32_t ref, uint64_t now_ms, struct effects *effects);
/* Ends the lease of a live member. */
void member_expire(struct roll *roll, uint32_t ref, uint64_t now_ms, struct effects *effects);
/* Forgets a counted tombstone, and with its last member the user. */
void member_forget(struct roll *roll, uint32_t ref, uint64_t now_ms);
/* Takes a member out of its chain, its table and the slab. It is in no timer's list. */
void member_unlink(struct roll *roll, uint32_t ref);
void tombstone_add(struct roll *roll, uint32_t ref);
void tombstone_remove(struct roll *roll, uint32_t ref);
void member_drop_extra(struct roll *roll, struct member *m);
/* Lets go of a tombstone's state. */
void member_slim(struct roll *roll, struct member *m);
/* What scopes take, without their members. */
uint64_t scopes_bytes(const struct roll *roll);
/* What a beat may add to that at most: a scope, or a scope's crowd. */
uint64_t scope_bytes_most(struct text name);
/* The bytes that count against bytes_max. */
uint64_t roll_bytes(const struct roll *roll);
/* Lets the oldest tombstone make room. false if there is none. */
bool roll_evict_one(struct roll *roll, uint64_t now_ms, struct effects *effects);
/* origin.c */
/* Of an empty roll: the origin of this node. */
void origins_begin(struct roll *roll, uint64_t id);
/* The index of an origin; ORIGIN_NONE if it has none, or, with origin_obtain, if there are too many. */
uint16_t origin_find(const struct roll *roll, uint64_t id);
uint16_t origin_obtain(struct roll *roll, uint64_t id);
/* A full table lets go of the origins that no register is labelled with. */
void origins_make_room(struct roll *roll);
/* Whether a member's register is older than a change (< 0), the same (0), or newer. Stamps order; where they are equal,
 * what the two say. */
int register_order(const struct member *m, const struct change *change);
/* Labels a register, which gives up the label that it had, if it is committed. */
void register_label(struct roll *roll, struct member *m, uint16_t origin, uint64_t sequence);
/* A register with the label of an origin is no more. */
void register_unlabel(struct roll *roll, uint16_t origin);

/* merge.c */
void merge_free(struct roll *roll);

/* reset.c */
/* Makes a scope's reset register what `change` says, if that is newer, and its older members void. */
bool reset_apply(struct roll *roll, uint32_t ref, const struct change *change, uint16_t origin, uint64_t now_ms,
                 struct effects *effects);
/* Labels a scope's reset as this node's own, and logs it. false: there is none, or it is that already. */
bool reset_adopt(struct roll *roll, uint32_t ref);
/* Brings users that a reset left behind to the scope's epoch, in the order of their hashes. */
void reset_sweep(struct roll *roll, uint32_t scope, uint64_t now_ms, size_t *budget, struct effects *effects);
/* Looks at a few scopes, in turn over all. A reset is kept as long as a tombstone is: then nothing that it could
 * undo is on its way any more. */
void reset_forget_ended(struct roll *roll, uint64_t now_ms);

/* live.c */
/* What a reader sees of a user; `user` is left unset. Does not rely on what roll_tick does. */
struct user_view view_user(const struct roll *roll, const struct scope *scope, uint32_t first, uint64_t now_ms);

/* changes.c */
void change_of_reset(const struct roll *roll, const struct scope *scope, struct change *out);
void change_of_register(const struct roll *roll, uint32_t ref, struct change *out);

/* effects.c */
/* Notes an effect on a user, by any member of it; user_ref MEMBER_NONE: on the scope. effects: may be NULL. */
void effect_note(const struct roll *roll, struct effects *effects, enum effect_kind kind, enum effect_reason reason,
                 uint32_t scope_ref, uint32_t user_ref);

#endif
