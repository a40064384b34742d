/* libmuster: who is here, told to and asked of Muster nodes.
 *
 *     struct muster_client *client;
 *     struct muster_error error;
 *     if (muster_open(NULL, &client, &error) != MUSTER_OK) die(error.message);
 *     struct muster_beat beat = {.user = "ada", .session = "tab-1"};
 *     muster_touch(client, "room:7", 60000, &beat, 1, NULL, &error);
 *
 * Strings are NUL-terminated UTF-8 (an id cannot contain NUL); a state is any bytes, with a length. Where a string may
 * be unset, NULL and "" mean the same. What is passed in is only read, and not needed after the call returns.
 *
 * Errors. A call returns MUSTER_OK or a code, and fills *error (which may be NULL) with the code and a message that
 * names the field and the limit. Outputs are empty where a call fails. Arguments that are plainly wrong are refused
 * here, with MUSTER_INVALID_ARGUMENT, before anything is sent. Every call answers within the client's timeout.
 *
 * Failover. A call goes to one node. Where that node cannot be reached, breaks off, is silent for its share of the
 * timeout or answers MUSTER_UNAVAILABLE, the next node is asked, round and round with back-off, until the timeout. All
 * calls are idempotent; a call that failed with MUSTER_UNAVAILABLE or MUSTER_DEADLINE_EXCEEDED may still have been
 * done.
 *
 * Order. The writes of one client are muster_touch, muster_leave, muster_reset and their ..._async forms. Where one
 * write was made after the call that made another had returned, it takes effect after that one, whether or not that
 * one was answered by then. A write that is tried again, on whatever connection or node, takes all writes made after
 * it along: they are sent again behind it. A write ends, with its callback or its return, after all writes before it.
 * Two limits. A write that failed may still be done later, by a node that has it in its socket; a node that stood
 * still refuses it (docs/cluster.md). Writes at two nodes are ordered by stamps: a leave carries the greatest stamp
 * that the client was answered, so it comes after what it ends; a touch carries none.
 * Reads are in no order with writes: to read what was written, wait for the write's answer. The calls of a keepalive
 * are in order among themselves.
 *
 * Freshness. A beat counts as seen when a node takes it, so nothing old is sent. A touch is not sent, and not sent
 * again, once the timeout or the least TTL of its beats has passed since the call (MUSTER_TTL_DEFAULT_MS where a beat
 * has no TTL). A keepalive encodes each attempt anew from its sessions as they are then.
 *
 * Threads. A client, and a keepalive, may be used from any number of threads at once; nothing else is shared, and there
 * is no global state. A result object belongs to one thread at a time. Blocking calls from N threads are N requests in
 * flight on the client's connection; the ..._async calls put many in flight from one thread. No signals are used.
 *
 * Versions. Five structs grow at their end in later versions: muster_options, muster_query and the options of a
 * keepalive, a watch and a mirror. Functions that take one are inline and pass its size, as the program was compiled,
 * to the function of the library, which has the same name with _sized behind it. So a program and a library of
 * different versions go together: fields that the program does not know are 0 for the library, and a field that the
 * library does not know is refused with MUSTER_INVALID_ARGUMENT unless it is 0. From a language that does not compile
 * this header, call the _sized functions. All other structs keep their layout until the soname changes.
 *
 * Forking: a client does not survive fork(); open it in the child.
 */
#ifndef MUSTER_MUSTER_H
#define MUSTER_MUSTER_H

#include "muster/codes.h"
#include "muster/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MUSTER_API __attribute__((visibility("default")))
#else
#define MUSTER_API
#endif

/* ---- errors ---------------------------------------------------------------------------------------------------- */

enum { MUSTER_ERROR_BYTES_MAX = 256 };

struct muster_error {
    enum muster_code code;
    bool is_answer; /* a node answered so; false: this library found it, or no node could be reached in time */
    char message[MUSTER_ERROR_BYTES_MAX]; /* NUL-terminated; empty where code is MUSTER_OK */
};

/* The name of a code, "invalid argument" say; "unknown" for one that is not in codes.h. Static. */
MUSTER_API const char *muster_strerror(enum muster_code code);

/* The version of the library that runs, "0.1.0" say. Static. */
MUSTER_API const char *muster_version(void);

/* ---- a client -------------------------------------------------------------------------------------------------- */

struct muster_client;

#define MUSTER_ADDRESS_DEFAULT "tcp://127.0.0.1:7700"

enum {
    MUSTER_ADDRESSES_MAX = 16,
    MUSTER_TIMEOUT_DEFAULT_MS = 5000,
    MUSTER_TIMEOUT_MAX_MS = 10 * 60 * 1000,
    MUSTER_IN_FLIGHT_DEFAULT = 1024,
    MUSTER_IN_FLIGHT_MAX = 65536,
};

/* Zero means the default, so `struct muster_options options = {0};` is a start. */
struct muster_options {
    const char *const *addresses; /* of nodes of one cluster, tcp://HOST:PORT or ipc://PATH; tried in this order */
    size_t address_count;         /* at most MUSTER_ADDRESSES_MAX; 0: MUSTER_ADDRESS_DEFAULT */
    const char *token;            /* sent with every call, at most MUSTER_TOKEN_BYTES_MAX bytes; NULL: none */
    uint32_t timeout_ms;          /* of a call, over all that is tried, up to MUSTER_TIMEOUT_MAX_MS; 0:
                                     MUSTER_TIMEOUT_DEFAULT_MS */
    uint32_t attempt_ms;          /* how long one node is waited for where there are others; 0: timeout_ms / (number
                                     of addresses), at most half of timeout_ms */
    uint32_t connect_ms;          /* 0: muster_open does not wait, the first calls do. Else it waits at most so long for
                                     a first connection, and fails at once where every address refuses */
    uint32_t in_flight_max;       /* asynchronous calls at once, watches not counted, up to MUSTER_IN_FLIGHT_MAX; 0:
                                     MUSTER_IN_FLIGHT_DEFAULT */
};

/* Makes a client and begins to connect to every address, each with one connection, which is kept and made again as
 * long as the client lives. options: NULL for all defaults. *client: NULL on failure, else the caller closes it.
 * MUSTER_INVALID_ARGUMENT: an option is out of range or an address does not parse.
 * MUSTER_UNAVAILABLE: options->connect_ms is set and no node could be reached within it.
 * MUSTER_RESOURCE_EXHAUSTED: memory, threads or file descriptors are short. */
MUSTER_API enum muster_code muster_open_sized(const struct muster_options *options, size_t options_size,
                                              struct muster_client **client, struct muster_error *error);
static inline enum muster_code muster_open(const struct muster_options *options, struct muster_client **client,
                                           struct muster_error *error) {
    return muster_open_sized(options, sizeof *options, client, error);
}

/* Ends every asynchronous call that has no answer within 200 ms with MUSTER_CANCELLED, waits for the callbacks,
 * disconnects and frees. Close keepalives, watches and mirrors first; no thread may be in a blocking call or start one.
 * Where watches wait at a node, it takes some 200 ms, and longer, up to timeout_ms, while they are answered one after
 * another. Not from a callback. `client` may be NULL. */
MUSTER_API void muster_close(struct muster_client *client);

/* ---- telling --------------------------------------------------------------------------------------------------- */

/* The order of the numbers is the precedence: a user's status is the highest of its live sessions'. */
enum muster_status {
    MUSTER_STATUS_UNSPECIFIED = 0, /* in a beat: online; in an answer: not live */
    MUSTER_STATUS_AWAY = 1,
    MUSTER_STATUS_ONLINE = 2,
    MUSTER_STATUS_BUSY = 3,
};

/* One heartbeat: this session of this user was seen now. Replaces all that an earlier beat of the session said. */
struct muster_beat {
    const char *scope;   /* 1-128 bytes; unset: the call's */
    const char *user;    /* 1-128 bytes */
    const char *session; /* one tab, device or socket of the user, at most 128 bytes; may be unset */
    uint32_t ttl_ms;     /* how long it keeps the session live, MUSTER_TTL_MIN_MS..MUSTER_TTL_MAX_MS; 0: the call's */
    enum muster_status status;
    const void *state; /* shown to watchers, at most MUSTER_STATE_BYTES_MAX bytes of any kind */
    size_t state_len;  /* 0: none; an earlier one is dropped */
};

struct muster_touched {
    uint32_t joined; /* users who were not live and now are */
    uint32_t ttl_ms; /* the TTL in force, the least of the call's beats: beat at a third of it */
    uint64_t stamp;  /* for muster_leave */
};

/* Tells that users are here. count: 1..MUSTER_BEATS_MAX; later beats win over earlier ones of the same session.
 * scope: of the beats that name none; unset: "default". ttl_ms: of the beats that name none; 0: the server's default.
 * touched: may be NULL. Refused whole or done whole; encoded, the beats must fit MUSTER_MESSAGE_BYTES_MAX. */
MUSTER_API enum muster_code muster_touch(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                         const struct muster_beat *beats, size_t count, struct muster_touched *touched,
                                         struct muster_error *error);

/* One session that goes, or all of a user's. */
struct muster_departure {
    const char *scope;   /* unset: the call's */
    const char *user;    /* 1-128 bytes */
    const char *session; /* as it was touched */
    bool all_sessions;   /* every session of the user; `session` must be unset */
};

struct muster_left {
    uint32_t left; /* users who were live and now are not */
    uint64_t stamp;
};

/* Tells that users go. count: 1..MUSTER_BEATS_MAX.
 * linger_ms: keeps the sessions live for so long still, so that a page reload does not flap; up to
 * MUSTER_LINGER_MAX_MS. stamp: of the touch that this ends, so that the leave is ordered after it on any node; where
 * the client was answered a greater one, or for 0, that one is sent. left: may be NULL. */
MUSTER_API enum muster_code muster_leave(struct muster_client *client, const char *scope,
                                         const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                                         uint64_t stamp, struct muster_left *left, struct muster_error *error);

struct muster_forgotten {
    uint64_t forgotten; /* users, live or remembered, that the answering node forgot */
    uint64_t stamp;
};

/* Forgets a scope, everywhere. forgotten: may be NULL. */
MUSTER_API enum muster_code muster_reset(struct muster_client *client, const char *scope,
                                         struct muster_forgotten *forgotten, struct muster_error *error);

/* ---- asking ----------------------------------------------------------------------------------------------------
 * Results are objects of the library, taken as getline(3) takes its line: start with a NULL pointer, pass its address
 * to as many calls as you like (each reuses the memory and overwrites what was there), free it once. On failure the
 * object holds no items, or the pointer is still NULL. */

struct muster_session {
    const char *session; /* empty if the touches named none */
    enum muster_status status;
    uint32_t ttl_ms;      /* how long its last beat keeps it live */
    int64_t last_seen_ms; /* since 1970-01-01T00:00Z, on the answering node's clock */
    const void *state;    /* NULL if there is none */
    size_t state_len;
};

struct muster_user {
    const char *user; /* empty in what muster_live answers, which keeps the order of the question */
    bool is_live;
    enum muster_status status; /* the highest of the live sessions'; unspecified if none is */
    uint32_t session_count;    /* live ones */
    int64_t last_seen_ms;      /* the last beat or leave, since 1970-01-01T00:00Z, on the answering node's clock; 0:
                                  never seen, or longer ago than the server remembers */
    const struct muster_session *sessions; /* session_count of them where they were asked for, else NULL */
};

struct muster_users {
    const struct muster_user *items;
    size_t count;
    const char *next_page_token; /* of muster_list: asks for the next page, of any node; empty: this was the last */
};

/* `users` may be NULL. */
MUSTER_API void muster_users_free(struct muster_users *users);

/* Answers for each of `count` users (1..MUSTER_USERS_MAX), in order, whether they are live in `scope` (unset:
 * "default"). with_sessions: their live sessions too. */
MUSTER_API enum muster_code muster_live(struct muster_client *client, const char *scope, const char *const *users,
                                        size_t count, bool with_sessions, struct muster_users **result,
                                        struct muster_error *error);

enum {
    MUSTER_FILTER_AWAY = 1 << MUSTER_STATUS_AWAY,
    MUSTER_FILTER_ONLINE = 1 << MUSTER_STATUS_ONLINE,
    MUSTER_FILTER_BUSY = 1 << MUSTER_STATUS_BUSY,
};

/* What muster_list asks for. Zero means the default. */
struct muster_query {
    const char *scope;
    unsigned statuses;      /* only users of these, MUSTER_FILTER_... or'ed; 0: all. The same in every page */
    uint32_t page_size;     /* users a page at most, 1..MUSTER_PAGE_MAX; 0: MUSTER_PAGE_DEFAULT */
    const char *page_token; /* next_page_token of the page before; unset: the first page */
    uint32_t recent;        /* instead of pages, the so many latest seen of the live users, newest first, up to
                               MUSTER_PAGE_MAX; page_size and page_token must be unset */
    bool with_sessions;     /* each user's live sessions too */
};

/* One page of the live users of a scope. A page may hold fewer than page_size, even none: the walk ends where
 * next_page_token is empty. Every user who is live throughout the walk comes exactly once. query: NULL for the first
 * page of "default". */
MUSTER_API enum muster_code muster_list_sized(struct muster_client *client, const struct muster_query *query,
                                              size_t query_size, struct muster_users **result,
                                              struct muster_error *error);
static inline enum muster_code muster_list(struct muster_client *client, const struct muster_query *query,
                                           struct muster_users **result, struct muster_error *error) {
    return muster_list_sized(client, query, sizeof *query, result, error);
}

/* A walk over all pages, one user at a time:
 *
 *     struct muster_walk *walk;
 *     if (muster_walk_open(client, &query, &walk, &error) == MUSTER_OK) {
 *         for (const struct muster_user *user; (user = muster_walk_next(walk)) != NULL;) puts(user->user);
 *         if (muster_walk_close(walk, &error) != MUSTER_OK) die(error.message);
 *     }
 *
 * The page after the one that is read is asked for ahead. A walk belongs to one thread at a time, and to its client:
 * close it first. */
struct muster_walk;

/* Begins at query->page_token. query: copied; NULL for all of "default". *walk: NULL on failure. */
MUSTER_API enum muster_code muster_walk_open_sized(struct muster_client *client, const struct muster_query *query,
                                                   size_t query_size, struct muster_walk **walk,
                                                   struct muster_error *error);
static inline enum muster_code muster_walk_open(struct muster_client *client, const struct muster_query *query,
                                                struct muster_walk **walk, struct muster_error *error) {
    return muster_walk_open_sized(client, query, sizeof *query, walk, error);
}
/* The next user, valid until the next call on this walk; NULL at the end, or where a page failed. Waits for a page. */
MUSTER_API const struct muster_user *muster_walk_next(struct muster_walk *walk);
/* Frees the walk; answers MUSTER_OK if it came to its end or was given up early, else why it failed. `walk` may be
 * NULL. */
MUSTER_API enum muster_code muster_walk_close(struct muster_walk *walk, struct muster_error *error);

struct muster_window {
    uint64_t window_ms; /* as asked */
    uint64_t users;     /* last seen at most so long ago; exact, unless: */
    bool is_incomplete; /* the node was full and forgot users who were seen in this window */
};

struct muster_scope_counts {
    const char *scope;
    uint64_t live, online, away, busy;   /* users */
    uint64_t sessions;                   /* live ones */
    uint64_t joined_total, left_total;   /* how often users came and went since the node knows the scope: asked twice,
                                            they make rates. They begin again at 0 with the node, or the scope */
    const struct muster_window *windows; /* one for each asked, in order */
    size_t window_count;
};

struct muster_counts {
    const struct muster_scope_counts *items; /* one for each asked scope, in order */
    size_t count;
};

/* `counts` may be NULL. */
MUSTER_API void muster_counts_free(struct muster_counts *counts);

/* Counts users of scopes: live now, and seen within windows. Exact.
 * scopes: at most MUSTER_COUNTS_SCOPES_MAX; none: "default". windows_ms: at most MUSTER_WINDOWS_MAX, each from 1 to the
 * server's retention. */
MUSTER_API enum muster_code muster_counts(struct muster_client *client, const char *const *scopes, size_t scope_count,
                                          const uint64_t *windows_ms, size_t window_count,
                                          struct muster_counts **result, struct muster_error *error);

struct muster_scope {
    const char *scope;
    uint64_t live; /* users now; 0 where the last one is gone but still remembered */
};

struct muster_scopes {
    const struct muster_scope *items;
    size_t count;
    const char *next_page_token; /* empty: this was the last page */
};

/* `scopes` may be NULL. */
MUSTER_API void muster_scopes_free(struct muster_scopes *scopes);

/* One page of the scopes that have users. page_size: 1..MUSTER_PAGE_MAX; 0: MUSTER_PAGE_DEFAULT. page_token: of the
 * page before; unset: the first. */
MUSTER_API enum muster_code muster_scopes(struct muster_client *client, uint32_t page_size, const char *page_token,
                                          struct muster_scopes **result, struct muster_error *error);

/* What a node thinks of another. It decides whom it asks, never who is live. */
enum muster_node_state {
    MUSTER_NODE_UNSPECIFIED = 0, /* unknown to this library */
    MUSTER_NODE_JOINING = 1,     /* not in sync with its peers yet: it takes touches and answers no reads */
    MUSTER_NODE_ALIVE = 2,       /* heard of within the last seconds */
    MUSTER_NODE_SUSPECT = 3,     /* silent for some seconds */
    MUSTER_NODE_DOWN = 4,        /* silent for long */
    MUSTER_NODE_LEFT = 5,        /* said that it ends */
};

struct muster_node {
    const char *name, *region, *version;
    const char *address; /* where its peers ask it for what they missed; empty: it has no peers */
    enum muster_node_state state;
    bool is_self;       /* it is the node that answers */
    uint64_t members;   /* the sessions that it holds, live and remembered */
    uint64_t lag;       /* beats that it took and that have not come to the answering node yet */
    uint64_t delay_ms;  /* how much longer than its fastest frame its last one took */
    int64_t clock_ms;   /* how far its wall clock is ahead of the answering node's */
    uint64_t silent_ms; /* how long ago it was last heard */
};

struct muster_nodes {
    const struct muster_node *items; /* the answering node first */
    size_t count;
};

/* `nodes` may be NULL. */
MUSTER_API void muster_nodes_free(struct muster_nodes *nodes);

/* The nodes of the cluster, as the one that answers sees them. */
MUSTER_API enum muster_code muster_nodes(struct muster_client *client, struct muster_nodes **result,
                                         struct muster_error *error);

/* ---- many requests in flight -----------------------------------------------------------------------------------
 * As the calls above, but they return once the request is on its way. Where they return MUSTER_OK, the callback is
 * called exactly once, with error->code MUSTER_OK and the result, or with an empty result and why. Otherwise it is
 * never called. MUSTER_RESOURCE_EXHAUSTED: as many as options.in_flight_max are in flight.
 *
 * A callback runs on a thread of the library, several at once perhaps, also before the call returns. It must not block:
 * it may start asynchronous calls, and may not make blocking ones, walk or close. What it is passed is valid until it
 * returns. */

typedef void muster_touch_callback(void *arg, const struct muster_touched *touched, const struct muster_error *error);
typedef void muster_leave_callback(void *arg, const struct muster_left *left, const struct muster_error *error);
typedef void muster_users_callback(void *arg, const struct muster_users *users, const struct muster_error *error);
typedef void muster_counts_callback(void *arg, const struct muster_counts *counts, const struct muster_error *error);

MUSTER_API enum muster_code muster_touch_async(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                               const struct muster_beat *beats, size_t count,
                                               muster_touch_callback *callback, void *arg, struct muster_error *error);
MUSTER_API enum muster_code muster_leave_async(struct muster_client *client, const char *scope,
                                               const struct muster_departure *departures, size_t count,
                                               uint32_t linger_ms, uint64_t stamp, muster_leave_callback *callback,
                                               void *arg, struct muster_error *error);
MUSTER_API enum muster_code muster_live_async(struct muster_client *client, const char *scope, const char *const *users,
                                              size_t count, bool with_sessions, muster_users_callback *callback,
                                              void *arg, struct muster_error *error);
MUSTER_API enum muster_code muster_list_async_sized(struct muster_client *client, const struct muster_query *query,
                                                    size_t query_size, muster_users_callback *callback, void *arg,
                                                    struct muster_error *error);
static inline enum muster_code muster_list_async(struct muster_client *client, const struct muster_query *query,
                                                 muster_users_callback *callback, void *arg,
                                                 struct muster_error *error) {
    return muster_list_async_sized(client, query, sizeof *query, callback, arg, error);
}
MUSTER_API enum muster_code muster_counts_async(struct muster_client *client, const char *const *scopes,
                                                size_t scope_count, const uint64_t *windows_ms, size_t window_count,
                                                muster_counts_callback *callback, void *arg,
                                                struct muster_error *error);

/* ---- keepalive -------------------------------------------------------------------------------------------------
 * Sessions are added and removed; one thread beats for all of them, in shared batches, at a third of the TTL that the
 * server says is in force, spread over that time. What is new is told at once. Where the connection was lost, or
 * another node took over, all sessions are told again at once. */

struct muster_keepalive;

/* What went wrong, told by the keepalive's thread. It has not given up: what failed is tried again. */
struct muster_keepalive_trouble {
    struct muster_error error;
    size_t sessions;                    /* how many sessions' beats, or leaves, it was that failed */
    bool is_leave;                      /* a leave failed; the session goes when its TTL passes. Not tried again */
    const char *scope, *user, *session; /* the session, where it is one that a node refused; else NULL */
};

/* Runs on the keepalive's thread; what it is passed is valid until it returns. It may use the client and add, update
 * and remove sessions; it may not close the keepalive. */
typedef void muster_keepalive_callback(void *arg, const struct muster_keepalive_trouble *trouble);

/* Zero means the default. */
struct muster_keepalive_options {
    uint32_t ttl_ms;                    /* of every beat; 0: the server's default */
    muster_keepalive_callback *trouble; /* NULL: nobody is told */
    void *arg;                          /* for `trouble` */
};

/* Makes a keepalive and its thread. The client must outlive it. options: NULL for all defaults. *keepalive: NULL on
 * failure. MUSTER_INVALID_ARGUMENT, MUSTER_RESOURCE_EXHAUSTED. */
MUSTER_API enum muster_code muster_keepalive_open_sized(struct muster_client *client,
                                                        const struct muster_keepalive_options *options,
                                                        size_t options_size, struct muster_keepalive **keepalive,
                                                        struct muster_error *error);
static inline enum muster_code muster_keepalive_open(struct muster_client *client,
                                                     const struct muster_keepalive_options *options,
                                                     struct muster_keepalive **keepalive, struct muster_error *error) {
    return muster_keepalive_open_sized(client, options, sizeof *options, keepalive, error);
}

/* Beats for a session from now on. scope: unset: "default". session: may be unset. A session that is there already is
 * updated. Does not wait for the network.
 * MUSTER_INVALID_ARGUMENT; MUSTER_RESOURCE_EXHAUSTED: memory is short. */
MUSTER_API enum muster_code muster_keepalive_add(struct muster_keepalive *keepalive, const char *scope,
                                                 const char *user, const char *session, enum muster_status status,
                                                 const void *state, size_t state_len, struct muster_error *error);

/* Changes a session's status and state, and tells at once. MUSTER_NOT_FOUND: it was not added. */
MUSTER_API enum muster_code muster_keepalive_update(struct muster_keepalive *keepalive, const char *scope,
                                                    const char *user, const char *session, enum muster_status status,
                                                    const void *state, size_t state_len, struct muster_error *error);

/* Stops beating for a session and tells that it leaves, after linger_ms (0: now). Does not wait for the network.
 * MUSTER_NOT_FOUND: it was not added. */
MUSTER_API enum muster_code muster_keepalive_remove(struct muster_keepalive *keepalive, const char *scope,
                                                    const char *user, const char *session, uint32_t linger_ms,
                                                    struct muster_error *error);

/* How many sessions it beats for. */
MUSTER_API size_t muster_keepalive_count(struct muster_keepalive *keepalive);

/* Stops the thread and frees. leave_all: tells first that all sessions leave; otherwise they stay live until their TTL
 * passes, as where another process takes them over. Leaves that were asked for before are told in either case.
 * Waits for the network, at most about twice the client's timeout. Answers why a leave could not be told; the keepalive
 * is gone in any case. `keepalive` may be NULL. */
MUSTER_API enum muster_code muster_keepalive_close(struct muster_keepalive *keepalive, bool leave_all,
                                                   struct muster_error *error);

/* ---- watching --------------------------------------------------------------------------------------------------
 * What changes in a scope, told to callbacks: who is here first, then who joins, leaves and changes. Watching makes
 * nobody present.
 *
 * The library asks again and again, resumes where it was, and goes to another node where one fails; then it compares
 * the new snapshot with what it knows, so that the program is told of real changes alone, each once. For each user,
 * joined and left alternate, and updated comes in between; nothing is skipped. A user is updated where its status, the
 * number of its sessions or, with_sessions, their names, statuses or states are others: times alone are no change.
 *
 * The callbacks of all watches and mirrors of one client run on one thread of the library, one at a time: what they
 * take, others wait for. They may use the client in any way that does not wait for it (the ..._async calls, keepalives,
 * mirrors), open watches, and close them. What they are passed is valid until they return. */

struct muster_watch;

/* Why a user is no longer live. */
enum muster_left_reason {
    MUSTER_REASON_UNKNOWN = 0, /* it was gone when a node was found again */
    MUSTER_REASON_LEFT = 1,    /* a leave ended its last session */
    MUSTER_REASON_EXPIRED = 2, /* the TTL of its last session passed */
    MUSTER_REASON_RESET = 3,   /* the scope was reset */
};

/* Any may be NULL. */
struct muster_watch_callbacks {
    /* All that was there has been told, by joined: once at first, and again after each time the watch had to begin
     * anew. */
    void (*synced)(void *arg);
    void (*joined)(void *arg, const struct muster_user *user);
    void (*left)(void *arg, const struct muster_user *user, enum muster_left_reason reason);
    void (*updated)(void *arg, const struct muster_user *user);
    /* Of a watch of counts alone: at first, and when they change. It has no windows. */
    void (*counts)(void *arg, const struct muster_scope_counts *counts);
    /* Why no node could be asked. The watch has not given up: it is tried again, with back-off. Told once for each code
     * until it has gone well for some seconds; that one node failed, and another took over, is no trouble. */
    void (*trouble)(void *arg, const struct muster_error *error);
};

enum { MUSTER_WATCH_WAIT_DEFAULT_MS = 15 * 1000 };

/* Zero means the default. */
struct muster_watch_options {
    const char *scope;        /* unset: "default" */
    const char *const *users; /* only these, at most MUSTER_WATCH_USERS_MAX; copied */
    size_t user_count;        /* 0: everybody in the scope */
    bool counts_only;         /* only its counts; user_count must be 0 and with_sessions unset */
    bool with_sessions;       /* each user's live sessions too, with their states */
    uint32_t min_interval_ms; /* the least time between two answers: what changes meanwhile comes as one change a user.
                                 Up to MUSTER_WATCH_INTERVAL_MAX_MS; 0: at once */
    uint32_t max_wait_ms;     /* how long a node lets a question wait for a change, up to MUSTER_WATCH_WAIT_MAX_MS; a
                                 node that dies without a word is noticed after that and the client's attempt_ms.
                                 0: MUSTER_WATCH_WAIT_DEFAULT_MS */
    struct muster_watch_callbacks callbacks;
    void *arg; /* for the callbacks */
};

/* Begins to watch. Does not wait for the network. options: not NULL; copied. *watch: NULL on failure. The client must
 * outlive it. MUSTER_INVALID_ARGUMENT; MUSTER_RESOURCE_EXHAUSTED: memory or threads are short. */
MUSTER_API enum muster_code muster_watch_open_sized(struct muster_client *client,
                                                    const struct muster_watch_options *options, size_t options_size,
                                                    struct muster_watch **watch, struct muster_error *error);
static inline enum muster_code muster_watch_open(struct muster_client *client,
                                                 const struct muster_watch_options *options,
                                                 struct muster_watch **watch, struct muster_error *error) {
    return muster_watch_open_sized(client, options, sizeof *options, watch, error);
}

/* How long ago the node answered that everything is told, in ms: what the program was told is at most so old. While
 * nothing changes it grows up to max_wait_ms and begins again. UINT64_MAX: before the first `synced`. Any thread. */
MUSTER_API uint64_t muster_watch_staleness_ms(const struct muster_watch *watch);

/* Ends it and frees; does not wait for the network. No callback of it runs once this has returned, so it waits for one
 * that does; called by a callback, it does not, and none begins. What was asked of the node last stays there until it
 * is answered, or max_wait_ms. `watch` may be NULL. */
MUSTER_API void muster_watch_close(struct muster_watch *watch);

/* ---- mirrors ---------------------------------------------------------------------------------------------------
 * A watched scope, kept in the program's memory: a page that renders a thousand names asks nobody. Readers take no
 * lock, so they wait for nobody, and an answer takes about as long as a miss of the cache. Any number of threads. */

struct muster_mirror;

/* Zero means the default. */
struct muster_mirror_options {
    const char *scope;        /* unset: "default" */
    uint32_t min_interval_ms; /* as a watch's */
    uint32_t max_wait_ms;     /* as a watch's */
    size_t remember_max;      /* users who left are remembered for last_seen, the latest so many;
                                 0: MUSTER_MIRROR_REMEMBER_DEFAULT */
    /* Called as a watch's are, after the mirror has changed; any may be NULL. */
    struct muster_watch_callbacks callbacks;
    void *arg;
};

enum { MUSTER_MIRROR_REMEMBER_DEFAULT = 100000 };

/* Begins to mirror. options: NULL for all defaults. It is empty at first: see muster_mirror_wait. Otherwise as
 * muster_watch_open. */
MUSTER_API enum muster_code muster_mirror_open_sized(struct muster_client *client,
                                                     const struct muster_mirror_options *options, size_t options_size,
                                                     struct muster_mirror **mirror, struct muster_error *error);
static inline enum muster_code muster_mirror_open(struct muster_client *client,
                                                  const struct muster_mirror_options *options,
                                                  struct muster_mirror **mirror, struct muster_error *error) {
    return muster_mirror_open_sized(client, options, sizeof *options, mirror, error);
}

/* Waits until it holds the whole scope for the first time, at most timeout_ms; whether it does. Not in a callback. */
MUSTER_API bool muster_mirror_wait(struct muster_mirror *mirror, uint32_t timeout_ms);

/* Whether a user is live, as far as the mirror knows. */
MUSTER_API bool muster_mirror_is_live(const struct muster_mirror *mirror, const char *user);
/* A user's status; MUSTER_STATUS_UNSPECIFIED where it is not live. */
MUSTER_API enum muster_status muster_mirror_status(const struct muster_mirror *mirror, const char *user);
/* When a user was last seen, in ms since 1970, as the last change of it said: beats that only keep a session live are
 * no change. 0: not live since the mirror watches, or longer ago than it remembers. */
MUSTER_API int64_t muster_mirror_last_seen(const struct muster_mirror *mirror, const char *user);
/* How many users are live. */
MUSTER_API size_t muster_mirror_count(const struct muster_mirror *mirror);

/* Runs on the caller's thread, and must not use the mirror. false: enough. */
typedef bool muster_mirror_each(void *arg, const char *user, enum muster_status status, int64_t last_seen_ms);
/* Calls `each` for every live user, in no order, each once. Changes wait meanwhile. Returns how many it was called for.
 */
MUSTER_API size_t muster_mirror_for_each(struct muster_mirror *mirror, muster_mirror_each *each, void *arg);

/* As muster_watch_staleness_ms: what the mirror says was true at most so long ago. */
MUSTER_API uint64_t muster_mirror_staleness_ms(const struct muster_mirror *mirror);

/* Ends it and frees; no reader may be in it. As muster_watch_close. */
MUSTER_API void muster_mirror_close(struct muster_mirror *mirror);

#ifdef __cplusplus
}
#endif

#endif
