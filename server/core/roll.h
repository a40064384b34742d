/* The roll: who is here.
 *
 * A member is (scope, user, session) with one last-writer-wins register. A user is live while any of its sessions is,
 * and a session is live while the age of its last beat is at most its TTL. A member that is no longer live stays as a
 * tombstone for the retention and is then forgotten.
 *
 * Pure: no I/O, no clock, no threads, no randomness. Time is an argument:
 *   now_ms  monotonic milliseconds; must not run backward from call to call on one roll, and starts high enough that
 *           the oldest age that is ever merged fits below it (the server's starts at 2^40).
 * Not thread-safe: the caller holds a lock around every call, and around the use of every view.
 *
 * Every text is borrowed: inputs are copied where they are kept; outputs point into the roll and hold until the next
 * call that is not declared const.
 *
 * Ids are taken as bytes; the caller has checked length (1..MUSTER_ID_BYTES_MAX, session 0..), UTF-8 and NUL, and the
 * ranges of TTL and state.
 */
#ifndef MUSTER_CORE_ROLL_H
#define MUSTER_CORE_ROLL_H

#include "allocator.h"
#include "common/text.h"
#include "muster/codes.h"
#include "muster/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roll;

/* The order of the numbers is the precedence: a user's status is the highest of its live sessions'. */
enum status { STATUS_NONE = 0, STATUS_AWAY = 1, STATUS_ONLINE = 2, STATUS_BUSY = 3 };

struct member_ref {
    uint32_t v;
}; /* a member of this roll, until it is forgotten */

enum {
    ROLL_MEMBER_BYTES = 80, /* a member's record and its share of the tables, as roll_stats.bytes counts it */
    ROLL_SCOPE_BYTES = 80,  /* the same for a scope of one user; a longer name and more users take more */
};

enum {
    ROLL_ORIGINS_MAX = 1024,
    ROLL_MERGE_MAX = 1024,
    ROLL_SESSIONS_A_PIECE = 64, /* new sessions of a user that a call of roll_touch makes before it commits them */
};

struct roll_config {
    uint64_t origin;       /* the id of this node's incarnation; 0: it never meets another */
    uint8_t hash_key[16];  /* SipHash key; secret, and the same on every node, since page tokens depend on it */
    uint64_t retention_ms; /* MUSTER_RETENTION_MIN_MS..MUSTER_RETENTION_MAX_MS */
    uint64_t members_max;  /* 1..MUSTER_MEMBERS_MAX */
    uint64_t bytes_max;    /* of roll_stats.bytes; at least 64 KiB */
    uint32_t log_slots;    /* slots of the change log, a power of two, 16..2^28 */
    struct allocator allocator;
};

/* Makes an empty roll. NULL if memory is short or a field is out of its range (which a caller must not do). */
struct roll *roll_new(const struct roll_config *config);
/* Frees it and all it holds. `roll` may be NULL. Cost O(members). */
void roll_free(struct roll *roll);

/* ---- effects: what a call changed, as data ----------------------------------------------------------------------
 *
 * Over all calls the joins and leaves of a user in a scope alternate, beginning with a join, and updates come between a
 * join and a leave. Reads are ahead of effects: roll_live and roll_list know at once that a TTL has passed or that a
 * scope was reset; the effect is made when roll_tick comes to the user, or an earlier call that names it. EFFECT_RESET
 * is made at once. Then each user who was live gets one effect, however many resets came meanwhile: LEFT, or UPDATED
 * where newer sessions of it are spared. The effect of a call on such a user comes after that. */

enum effect_kind {
    EFFECT_JOINED,  /* a user who was not live is */
    EFFECT_LEFT,    /* a user who was live is not; `reason` says why */
    EFFECT_UPDATED, /* a live user's status, state or set of live sessions changed, or it was spared by a reset */
    EFFECT_RESET,   /* a scope was forgotten, and its counts have changed; of no user */
};
enum effect_reason { REASON_NONE, REASON_LEFT, REASON_EXPIRED, REASON_RESET };

/* The user and the scope of an effect may be forgotten by the end of the call that makes it, so it carries their names:
 * see effect_scope, effect_user. */
struct effect {
    uint8_t kind, reason;
    uint8_t scope_len, user_len;
    /* Offsets into effects.names. Two effects in a row of the same scope have the same scope_at.
     */
    uint32_t scope_at, user_at;
};

enum { EFFECT_NAMES_BYTES_MAX = 2 * MUSTER_ID_BYTES_MAX }; /* what the names of an effect take at most */

/* The caller's arrays. A call says how many effects it makes at most, and the names take EFFECT_NAMES_BYTES_MAX for
 * each of them at most. What does not fit, in either array, is counted in `dropped`, never written: some calls may make
 * more than a caller has room for. Calls append; the names hold as long as the caller leaves them there. */
struct effects {
    struct effect *items; /* may be NULL if capacity is 0 */
    size_t capacity, count, dropped;
    char *names;                       /* may be NULL if names_capacity is 0 */
    size_t names_capacity, names_used; /* in bytes; at most UINT32_MAX */
};

static inline void effects_clear(struct effects *effects) {
    effects->count = effects->dropped = effects->names_used = 0;
}

static inline struct text effect_scope(const struct effects *effects, const struct effect *effect) {
    return (struct text){effects->names + effect->scope_at, effect->scope_len};
}

/* Empty for EFFECT_RESET. */
static inline struct text effect_user(const struct effects *effects, const struct effect *effect) {
    return (struct text){effects->names + effect->user_at, effect->user_len};
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

/* What a register is of: a session, or the user as a whole (user_register.c). The numbers are on the wire. */
enum register_kind {
    REGISTER_SESSION = 0,
    REGISTER_LEAVE = 1,  /* every session of the user that was stamped before is gone */
    REGISTER_STATUS = 2, /* decides the user's status while its lease holds and a session is live */
    REGISTER_KINDS
};

/* The name under which a register of a user stands among its sessions: it begins with NUL, so no session has it. Empty
 * for REGISTER_SESSION. Static. */
struct text register_session(enum register_kind kind);

struct beat {
    struct text scope, user, session; /* session: register_session(kind) where kind is not REGISTER_SESSION */
    struct text state;                /* len 0: none, as in a register of the user */
    uint32_t ttl_ms;                  /* 0: the session leaves now, the user's status is cleared; 0 in REGISTER_LEAVE */
    uint8_t status;                   /* enum status, not STATUS_NONE; of no effect where ttl_ms is 0, or is_refresh */
    uint8_t kind;                     /* enum register_kind */
    bool is_refresh; /* of a session that is still here: extends the lease by ttl_ms (not 0), and keeps status and
                      * state; `state` is empty. Where the session is not live at its turn, the beat changes nothing and
                      * takes no sequence. Not in one call with a leave of all sessions of its user */
};

/* Beats that write a user's registers. Every session that was stamped before the leave is gone, whenever it arrives;
 * sessions with the same stamp, as those of the same call, stay. */
static inline struct beat beat_of_leave(struct text scope, struct text user) {
    return (struct beat){.scope = scope,
                         .user = user,
                         .session = register_session(REGISTER_LEAVE),
                         .status = STATUS_ONLINE,
                         .kind = REGISTER_LEAVE};
}

/* ttl_ms: at most MUSTER_STATUS_TTL_MAX_MS; 0: the status is cleared. */
static inline struct beat beat_of_status(struct text scope, struct text user, enum status status, uint32_t ttl_ms) {
    return (struct beat){.scope = scope,
                         .user = user,
                         .session = register_session(REGISTER_STATUS),
                         .ttl_ms = ttl_ms,
                         .status = (uint8_t)status,
                         .kind = REGISTER_STATUS};
}

/* Why a call was refused, for the message. */
struct refusal {
    const char *what; /* "members", "bytes", "origins", "memory"; static */
    uint64_t limit;   /* the cap that was met; 0 for "memory" */
    size_t index;     /* the beat it was met at, where one can be named */
};

struct touched {
    bool is_news;           /* a join, a leave, a change of status, state or TTL: peers should hear of it at once */
    uint64_t refresh_by_ms; /* when peers should have heard of the first mere refresh, at half of what is left of the
                             * lease that they know; UINT64_MAX if there is none */
    uint32_t joined;        /* how often a beat of the call made a user live who was not */
    uint32_t left;          /* how often a beat of the call made a user not live who was; expiries do not count */
    uint32_t displaced;     /* sessions that made room for another one of their user */
    uint32_t unknown;       /* refresh beats whose session was not live: they changed nothing */
};

/* What a beat of a call did, for a caller that gathers the beats of many requests and answers each. */
struct beat_outcome {
    bool joined;        /* it made a user live who was not */
    bool is_unknown;    /* a refresh of a session that is not live: it changed nothing */
    uint16_t displaced; /* sessions that made room for it */
};

/* Applies n local beats (n ≤ MUSTER_BEATS_MAX), in order, whole or not at all. Each accepted beat takes the next
 * sequence of this node's origin. A beat of an unknown member makes it, also with ttl_ms 0 (a tombstone then,
 * last seen now); a refresh makes nothing.
 * A user has at most MUSTER_SESSIONS_MAX live sessions in a scope by local beats: where a beat makes one more live,
 * those that were seen the longest ago leave, and take sequences of their own behind the beat's. (Of those seen at one
 * instant the least stamp leaves first, then the least sequence.) The user is told of as UPDATED, once. Other nodes may
 * have let in others: what is merged is never too many, and leaves when the next session becomes live here.
 * stamp: orders these beats among all others; greater than every stamp this roll has seen (see hlc.h).
 * effects: may be NULL; at most 2 n are made, of users whom the beats name, and one more for each session of these
 * whose TTL has passed unnoticed (expiries that roll_tick has not reached), and for each user who makes room while a
 * reset of its scope is not told of it yet. Expiries and what is told of resets are made even where the call is
 * refused: then at most n and these. MUSTER_RESOURCE_EXHAUSTED: the roll is full of members who were live at the last
 * tick, or memory is short; then nothing has changed and *why says what. (Only where the call names more than
 * ROLL_SESSIONS_A_PIECE new sessions of one user, and an allocation fails, may it have been done in part.) When the
 * roll is full, tombstones that are not named by this call make room, the oldest (by seen_ms + ttl_ms) first, to within
 * 1/4094 of the retention. Leaves in a call make no room for its joins. A user keeps at most MUSTER_SESSIONS_MAX
 * tombstones: beyond them the oldest is forgotten. No allocation where every member is known, no state grows, and
 * roll_tick is called about each second.
 * each: may be NULL; else n results, written only on MUSTER_OK. Cost: O(n) expected. */
enum muster_code roll_touch_each(struct roll *roll, const struct beat *beats, size_t n, uint64_t stamp, uint64_t now_ms,
                                 struct effects *effects, struct touched *out, struct beat_outcome *each,
                                 struct refusal *why);

/* The same, for a caller that does not ask what each beat did. */
static inline enum muster_code roll_touch(struct roll *roll, const struct beat *beats, size_t n, uint64_t stamp,
                                          uint64_t now_ms, struct effects *effects, struct touched *out,
                                          struct refusal *why) {
    return roll_touch_each(roll, beats, n, stamp, now_ms, effects, out, NULL, why);
}

/* Forgets a scope: every member whose stamp is not after `stamp`. Every reader sees it at once; memory is freed over
 * the following ticks. A reset that is not after an earlier one changes nothing. *forgotten: the users that the scope
 * had, live or tombstones, as of the last tick. effects: may be NULL; 1, or none if nothing changes; but where 255
 * resets of the scope came without ticks enough to tell of them, the next tells of all users that they left, so many
 * more. MUSTER_RESOURCE_EXHAUSTED: memory is short; nothing has changed. */
enum muster_code roll_reset(struct roll *roll, struct text scope, uint64_t stamp, uint64_t now_ms,
                            struct effects *effects, uint64_t *forgotten, struct refusal *why);

/* Expires leases, forgets what passed its retention, and goes on with growth, resets and other upkeep: at most `budget`
 * units of work, each well under a microsecond plus a cache miss. effects: may be NULL; at most `budget` are made.
 * Returns whether more is due now: call again (after letting others have the lock). Once it returns false every answer
 * is exact for now_ms; before, roll_counts may still count members whose TTL has passed (all other reads are exact). */
bool roll_tick(struct roll *roll, uint64_t now_ms, size_t budget, struct effects *effects);

/* ---- reading (all exact for now_ms, subject to what roll_tick says) --------------------------------------------- */

struct user_view {
    struct text user;
    bool known; /* is or was here within the retention; all below is unset if not */
    bool live;
    uint8_t status;    /* STATUS_NONE if not live */
    uint32_t sessions; /* live ones */
    uint64_t seen_ms;  /* on the clock of now_ms */
};

struct session_view {
    struct text session, state;
    uint8_t status;
    uint32_t ttl_ms;
    uint64_t seen_ms;
};

/* Answers for each of n users, in order. Cost O(n) expected. */
void roll_live(const struct roll *roll, struct text scope, const struct text *users, size_t n, uint64_t now_ms,
               struct user_view *out);

/* The live sessions of a user; writes at most MUSTER_SESSIONS_MAX and returns how many. */
size_t roll_sessions(const struct roll *roll, struct text scope, struct text user, uint64_t now_ms,
                     struct session_view out[MUSTER_SESSIONS_MAX]);

/* The keyed hash of a name: its position in a walk. Stable under any change, the same on every node. */
uint64_t roll_hash(const struct roll *roll, struct text name);

struct page {
    size_t count;  /* users written */
    bool more;     /* whether the walk goes on, after `next` */
    uint64_t next; /* the `after` of the next page */
};

enum { STATUS_MASK_ALL = 1 << STATUS_AWAY | 1 << STATUS_ONLINE | 1 << STATUS_BUSY };

/* The live users of a scope in the order of their hashes.
 * statuses: a mask of 1 << enum status.
 * after: NULL for the first page, else only users whose hash is greater than *after.
 * out: room for `limit` (1..MUSTER_PAGE_MAX) views. A page may be short or empty though the walk goes on: the work of
 * a call is bounded. Users of equal hash are never split (2^-64 a pair): a page stops before them, or, where it would
 * be empty, holds as many as fit. */
struct page roll_list(const struct roll *roll, struct text scope, unsigned statuses, const uint64_t *after,
                      size_t limit, uint64_t now_ms, struct user_view *out);

/* The latest seen of the live users, in steps of bounded work.
 * Begin with *search = {0}; call until it returns true; `best` (room for k) is then sorted, newest first. `best` holds
 * members, so that the caller can let go of the lock between two steps; roll_recent_view turns one into a view. */
struct recent {
    struct member_ref member;
    uint64_t seen_ms;
    uint64_t hash;
};
struct recent_search {
    bool is_begun, is_done;
    uint64_t after;
    size_t count; /* of `best` that are filled */
};
bool roll_recent(const struct roll *roll, struct text scope, unsigned statuses, size_t k, uint64_t now_ms,
                 size_t budget, struct recent_search *search, struct recent *best);
/* The user of which `found` was found, as it is now; false if that member is no more. */
bool roll_recent_view(const struct roll *roll, struct text scope, const struct recent *found, uint64_t now_ms,
                      struct user_view *out);

struct scope_counts {
    uint64_t live, by_status[4], sessions; /* by_status is indexed by enum status */
    /* How often a user became live, and ceased to be (by a leave, an expiry, a reset), since the roll made the scope:
     * joined - left is `live`. A reset counts all who were live as having left, at once; one whom it spares counts as
     * joined again once it is told of. */
    uint64_t joined, left;
};

struct window_count {
    uint64_t users;
    bool incomplete; /* members that were seen in this window were evicted */
};

/* Counts of one scope; all zero for an unknown one.
 * windows_ms: n spans (n ≤ MUSTER_WINDOWS_MAX), each in 1..retention_ms; windows: n results. A boundary is inclusive: a
 * user seen exactly windows_ms ago counts. Cost O(n · log(retention)), or O(users) for a small scope. */
void roll_counts(const struct roll *roll, struct text scope, const uint64_t *windows_ms, size_t n, uint64_t now_ms,
                 struct scope_counts *out, struct window_count *windows);

struct scope_view {
    struct text scope;
    uint64_t live;
};

/* The scopes that have members, in the order of their hashes, as roll_list does. A scope whose last member passed its
 * retention may still come until its memory is taken back, at most 1/4094 of the retention and a tick later. */
struct page roll_scopes(const struct roll *roll, const uint64_t *after, size_t limit, uint64_t now_ms,
                        struct scope_view *out);

/* Where users are live: see roll_where. */
struct where_user {
    uint64_t hash;
    uint32_t index;
};
struct where {
    const struct text *users;
    size_t count;       /* 1..MUSTER_WHERE_USERS_MAX; a user may come twice */
    struct text prefix; /* of the names of scopes; empty: all */
    /* Room for `count` each: the caller's memory, of which roll_where_prepare makes what roll_where needs. */
    uint64_t *hashes;
    struct where_user *sorted;
};

/* Where a walk goes on: at the users from `user` on in the scope of that hash, or at the next scope behind it. It means
 * the same in every roll with the same key. Begin with {0}. */
struct where_cursor {
    uint64_t hash;
    uint32_t user;
    bool is_done; /* the walk is over */
};

struct place_view {
    struct text scope;
    struct user_view view; /* of a user who is live there */
    uint32_t index;        /* in where.users */
};

/* Hashes the users. Reads nothing but the key of the roll: the caller needs no lock. */
void roll_where_prepare(const struct roll *roll, struct where *where);

/* The scopes in which users are live, in the order of the hashes of the scopes; the users of a scope in the order of
 * where.users, and one who comes there twice twice. In steps of bounded work: about `budget` look-ups a call (at most
 * MUSTER_WHERE_USERS_MAX more), and at most `limit` (at least 1) places, written to `out`. *looked: the look-ups made.
 * Returns how many places were written, and moves the cursor. The roll may change between two calls: a user who is live
 * in a scope throughout the walk comes exactly once there. Cost: a look-up of each user in each scope; in a scope of
 * fewer users than are asked for, one of each of its users. */
size_t roll_where(const struct roll *roll, const struct where *where, struct where_cursor *cursor, size_t limit,
                  size_t budget, uint64_t now_ms, struct place_view *out, size_t *looked);

struct roll_stats {
    uint64_t members, members_live; /* registers kept; of these, live ones (as of the last tick) */
    uint64_t scopes;
    uint64_t bytes;                       /* what members and scopes take: ROLL_MEMBER_BYTES each, long ids, states */
    uint64_t scope_bytes;                 /* of these, what scopes take without their members */
    uint64_t sequence;                    /* the last one taken by this node's origin */
    uint64_t evicted, expired, forgotten; /* since roll_new */
    uint64_t displaced;                   /* sessions that made room for another one of their user, since roll_new */
    uint64_t refused_live;                /* how many were live when beats were last refused; 0: never */
};
void roll_stats(const struct roll *roll, struct roll_stats *out);

/* ---- replication -------------------------------------------------------------------------------------------------
 *
 * An origin is one incarnation of a node, named by a random 64-bit id; its beats and resets take its sequences. Merging
 * keeps the register of the greater stamp, and of equal stamps the one that comes first by a fixed order (see
 * origin.c), which is commutative, associative and idempotent. Origin and sequence are a label, by which registers are
 * told of between nodes: another node may adopt a register under its own, which changes nothing of what it means. The
 * roll knows origins by id; what is known of each, up to which sequence, is the caller's version vector (cluster/). */

struct change {
    uint64_t origin, sequence;
    uint64_t stamp, seen_ms; /* seen_ms on this roll's clock: now - age */
    bool is_reset;           /* of `scope`; all below is unset */
    bool is_refresh; /* roll_changes: since roll_refreshes_since only stamp, sequence and seen_ms have changed */
    struct text scope, user, session, state; /* session: register_session(kind) in a register of the user */
    uint32_t ttl_ms;
    uint8_t status;
    uint8_t kind; /* enum register_kind */
};

/* The local changes after sequence *after, each member once, as it is now, in the order of sequences; at most
 * `limit`. Writes the changes, moves *after to the last sequence that was looked at, and returns how many were
 * written; 0 and *after == roll_stats.sequence when there is no more. A slot whose member was touched here again,
 * or is no more, is stale and skipped; a member that another origin has overwritten since comes as it is now, with
 * that origin. false in *complete: the log no longer reaches back to *after, or a reset of another origin was merged
 * since; the caller must walk the roll instead (nothing is written). */
size_t roll_changes(const struct roll *roll, uint64_t *after, size_t limit, bool *complete, struct change *out);

/* Tells the roll that peers may be taken to know the local changes up to `sequence`, which never goes back: is_refresh
 * is meant from there. News ages by generations: a call begins the next one, once `sequence` has come to where the last
 * one began. What became news two generations ago is no longer told as news with each refresh of it. */
void roll_flushed(struct roll *roll, uint64_t sequence);
/* The sequence that is_refresh is meant from: of roll_flushed, or as far as the log reaches. */
uint64_t roll_refreshes_since(const struct roll *roll);

/* Makes a register of another origin this node's own: it takes the next sequence as its label, and comes from
 * roll_changes like a local change. Peers that have it take over the label; for all others it is news. Only the names
 * of `change` and is_reset are looked at. false if it is not there, or is this node's own already. */
bool roll_adopt(struct roll *roll, const struct change *change);

/* Merges n changes of other origins (n ≤ ROLL_MERGE_MAX), in any order. A change that is older than what is here, or
 * void by a reset, changes nothing; one that is the same gives its label to what is here, unless that is this node's
 * own. Where there are ROLL_ORIGINS_MAX origins already, a change of another one is adopted as it comes (roll_adopt).
 * Members whose lease has ended by their age are merged as tombstones. effects: may be NULL; as many as roll_touch
 * makes, and roll_reset for the resets among them. *applied: how many changed something. MUSTER_RESOURCE_EXHAUSTED as
 * roll_touch; then nothing has changed but what resets among them did, and the caller may try smaller pieces later. */
enum muster_code roll_merge(struct roll *roll, const struct change *changes, size_t n, uint64_t now_ms,
                            struct effects *effects, size_t *applied, struct refusal *why);

/* A beat of another origin that only extended a lease: its member is named by hashes. */
struct refresh {
    uint64_t scope_hash, user_hash, session_hash; /* session_hash: roll_session_hash */
    uint64_t sequence, stamp, seen_ms;
};

/* Applies n refreshes of `origin`. A refresh says that since a beat of the same origin, which is known to be here or
 * something newer than it, nothing but stamp, sequence and seen_ms has changed. One that is older than what is here
 * changes nothing. It cannot be applied where its member is not found, or is not the only one that its hashes may mean,
 * or is another origin's, or of a sequence before `floor`, or a tombstone; these are counted and passed over. Returns
 * how many could not be applied. Allocates nothing. effects: may be NULL; at most n are made. */
size_t roll_refresh(struct roll *roll, uint64_t origin, const struct refresh *refreshes, size_t n, uint64_t floor,
                    uint64_t now_ms, struct effects *effects);

/* The member that a handle means: user_hash, and session_hash (0 for the empty session), in a scope; what the
 * register holds now is written to *out. false if there is none. */
bool roll_find_handle(const struct roll *roll, struct text scope, uint64_t user_hash, uint64_t session_hash,
                      struct change *out);
/* The session's part of a handle: 0 for the empty session, else its hash's lower bits, never 0. */
uint64_t roll_session_hash(const struct roll *roll, struct text session);

/* What is known up to which sequence, for some origins; 0 for all others. */
struct known {
    uint64_t origin, sequence;
};

/* Where a walk over all registers stands: begin with {0}. It may go on in another roll with the same key. */
struct walk_cursor {
    bool is_begun, is_scope_done, has_user;
    uint8_t scope_bits, user_bits; /* how fine the segments are in which it goes: see register_walk.c */
    uint64_t scope_hash, user_hash;
    uint64_t split_user, split_session; /* split_session 0: no user is told of in parts */
};

/* Every register and reset whose sequence is beyond what `have` says of its origin, in steps of bounded work: at
 * most `limit` changes a call (at least MUSTER_SESSIONS_MAX + 2), and what is found in about `budget` looks. Returns
 * how many were written; *done: the walk is over. The roll may change between two calls: what was there when the
 * walk began, or something newer, comes, unless it was forgotten. */
size_t roll_walk(const struct roll *roll, struct walk_cursor *cursor, const struct known *have, size_t have_count,
                 size_t limit, size_t budget, bool *done, struct change *out);

/* How long tombstones are kept, as configured. */
uint64_t roll_retention_ms(const struct roll *roll);

/* A number that is the same on rolls that hold the same registers, whatever their order: the sum over all members of
 * a keyed hash of (scope, user, session, stamp, TTL, status). For tests and for tools. Cost O(members). */
uint64_t roll_fingerprint(const struct roll *roll, uint64_t now_ms);

/* How many registers, members and resets, have the label of an origin. */
uint64_t roll_origin_registers(const struct roll *roll, uint64_t origin);
/* The origins that registers are labelled with, in no order. `out`: room for ROLL_ORIGINS_MAX; returns how many. */
struct origin_view {
    uint64_t origin, registers;
};
size_t roll_origins(const struct roll *roll, struct origin_view *out);

#endif
