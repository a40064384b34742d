/* libmuster: reports to Muster nodes who is present, and asks them.
 *
 *     struct muster_client *client;
 *     struct muster_error error;
 *     if (muster_open(NULL, &client, &error) != MUSTER_OK) die(error.message);
 *     struct muster_beat beat = {.user = "ada", .session = "tab-1"};
 *     muster_touch(client, "room:7", 60000, &beat, 1, NULL, &error);
 *
 * Strings are NUL-terminated UTF-8 (an id cannot contain NUL); a state is any bytes, with a length. Where a string may
 * be unset, NULL and "" mean the same. Arguments are only read, and are not needed after the call returns.
 *
 * Errors. A call returns MUSTER_OK or a code, and fills *error (which may be NULL) with the code and a message that
 * names the field and the limit. Outputs are empty where a call fails. The library refuses arguments that no node would
 * take, with MUSTER_INVALID_ARGUMENT, before it sends anything. Every call returns within the client's timeout.
 *
 * Failover. A call goes to one node. Where that node cannot be reached, breaks off, is silent for its share of the
 * timeout or answers MUSTER_UNAVAILABLE, the next node is asked, round and round with back-off, until the timeout. All
 * calls are idempotent; a call that failed with MUSTER_UNAVAILABLE or MUSTER_DEADLINE_EXCEEDED may still have been
 * done. Where no node answered, the message says of the last attempt which node it was at and why it failed: "node
 * tcp://10.0.0.1:7700: connection refused".
 *
 * Order. The writes of one client are muster_touch, muster_refresh, muster_leave, muster_set_status, muster_reset and
 * their ..._async forms. Where one write was made after the call that made another had returned, it takes effect after
 * that one, whether or not that one was answered by then. A write that is tried again, on whatever connection or node,
 * takes all writes made after it along: they are sent again behind it. A write ends, with its callback or its return,
 * after all writes before it. Two limits. A write that failed may still be done later, by a node that has it in its
 * socket; a node that stood still refuses it (docs/cluster.md). Writes at two nodes are ordered by stamps: a leave
 * carries the greatest stamp that the client was answered, so it comes after what it ends; a touch and a status carry
 * none. Reads are in no order with writes: to read what was written, wait for the write's answer. The calls of a
 * keepalive are in order among themselves.
 *
 * Freshness. A beat counts as seen when a node takes it, so nothing old is sent. A touch is not sent, and not sent
 * again, once the timeout or the least TTL of its beats has passed since the call (MUSTER_TTL_DEFAULT_MS where a beat
 * has no TTL), and a status likewise once its ttl_ms has passed. A keepalive encodes each attempt anew from its
 * sessions as they are then.
 *
 * Threads. A client, and a keepalive, may be used from any number of threads at once; nothing else is shared, and
 * clients share nothing. A result object belongs to one thread at a time. Blocking calls from N threads are N requests
 * in flight on the client's connection; the ..._async calls put many in flight from one thread. No signals are used.
 * A client has one thread of its own; one more while it has, or had, a watch; and one for a short while whenever a
 * host's name is looked up. A keepalive has one. All times are on the monotonic clock: a step of the wall clock delays
 * nothing and ends nothing early.
 *
 * Versions. Six structs grow at their end in later versions: muster_options, muster_query, muster_where_query and the
 * options of a keepalive, a watch and a mirror. Functions that take one are inline and pass its size, as the program
 * was compiled, to the function of the library, which has the same name with _sized behind it. So a program and a
 * library of different versions go together: fields that the program does not know are 0 for the library, and a field
 * that the library does not know is refused with MUSTER_INVALID_ARGUMENT unless it is 0. From a language that does not
 * compile this header, call the _sized functions. All other structs keep their layout until the soname changes.
 *
 * TLS. To a tls+tcp:// address the library speaks TLS 1.2 or 1.3, and to no other. The node's certificate must be of an
 * authority that is trusted, valid now, and for the host of the address; there is no way around that. Where it is not,
 * the messages of failed calls say what is wrong with it, and other nodes are asked. OpenSSL may be used by the
 * program, too: the library leaves its shared settings alone, and does not call it any more once exit() has begun.
 *
 * Forking. A client, with what belongs to it, is of the process that opened it. The parent goes on with it after a
 * fork(). In the child every call on it fails with MUSTER_FAILED_PRECONDITION; muster_walk_next returns NULL, a mirror
 * is empty, and muster_keepalive_count is 0. Closing a client in the child closes the child's copies of its descriptors
 * and does not disturb the parent's; closing keepalives, watches, mirrors and walks there does nothing. Their memory is
 * not given back before the child ends. The child may open clients of its own, whether or not the parent had any, and
 * whether or not it closed them. The library is not for use in a child of vfork().
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
    bool is_answer; /* a node answered this; false: the library found it, or no node answered in time */
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
    const char *const *addresses; /* of nodes of one cluster, tried in this order: tcp://HOST:PORT, HOST:PORT, which is
                                     the same, tls+tcp://HOST:PORT or ipc://PATH; each string may be several, with
                                     commas between them */
    size_t address_count;         /* strings; at most MUSTER_ADDRESSES_MAX addresses. 0: those in the environment
                                     variable MUSTER_TO; if that is unset or empty, MUSTER_ADDRESS_DEFAULT */
    const char *token;            /* sent with every call, at most MUSTER_TOKEN_BYTES_MAX bytes; NULL: none */
    uint32_t timeout_ms;          /* of a call, with all its attempts, up to MUSTER_TIMEOUT_MAX_MS; 0:
                                     MUSTER_TIMEOUT_DEFAULT_MS */
    uint32_t attempt_ms;          /* how long one node may take where there are others; 0: timeout_ms / (number of
                                     addresses), at most half of timeout_ms */
    uint32_t connect_ms;          /* 0: muster_open does not wait, the first calls do. Else it waits at most so long for
                                     a first connection, and fails at once where every address refuses */
    uint32_t in_flight_max;       /* asynchronous calls at once, watches not counted, up to MUSTER_IN_FLIGHT_MAX; 0:
                                     MUSTER_IN_FLIGHT_DEFAULT */
    /* For tls+tcp:// addresses; paths of PEM files, which are read as the client is opened. Where one is NULL, the
     * environment variable MUSTER_TLS_CA, MUSTER_TLS_CERT or MUSTER_TLS_KEY is used, if it is set. */
    const char *tls_ca_file;     /* the authorities that nodes' certificates may be of; NULL: the system's */
    const char *tls_cert_file;   /* what this client shows to nodes that ask for a certificate, followed by those
                                    between it and its root; NULL: none */
    const char *tls_key_file;    /* the private key of tls_cert_file, without a passphrase */
    const char *tls_server_name; /* the name that nodes' certificates must have; NULL: the host of the address */
};

/* Makes a client and begins to connect to every address. There is one connection an address, which is made again
 * whenever it breaks: at once, and then, while that fails, with a back-off of at most a second. A host's name is looked
 * up anew for each; of its addresses up to eight are tried. options: NULL for all defaults. *client: NULL on failure,
 * else the caller closes it.
 * MUSTER_INVALID_ARGUMENT: an option is out of range, an address does not parse, or a file for TLS cannot be used: the
 * message names the option, the file and the reason.
 * MUSTER_UNAVAILABLE: options->connect_ms is set and no node could be reached within it; the message says why the first
 * one could not.
 * MUSTER_RESOURCE_EXHAUSTED: memory, threads or file descriptors are short. */
MUSTER_API enum muster_code muster_open_sized(const struct muster_options *options, size_t options_size,
                                              struct muster_client **client, struct muster_error *error);
static inline enum muster_code muster_open(const struct muster_options *options, struct muster_client **client,
                                           struct muster_error *error) {
    return muster_open_sized(options, sizeof *options, client, error);
}

/* Ends asynchronous calls that have no answer within 200 ms with MUSTER_CANCELLED, waits for the callbacks, disconnects
 * and frees. Close keepalives, watches and mirrors first; no thread may be in a blocking call or start one. Not from a
 * callback. `client` may be NULL. */
MUSTER_API void muster_close(struct muster_client *client);

/* ---- writes ---------------------------------------------------------------------------------------------------- */

/* The order of the numbers is the precedence: a user's status is the one that muster_set_status set, where one is set,
 * else the highest of its live sessions'. */
enum muster_status {
    MUSTER_STATUS_UNSPECIFIED = 0, /* in a beat: online; in an answer: not live */
    MUSTER_STATUS_AWAY = 1,
    MUSTER_STATUS_ONLINE = 2,
    MUSTER_STATUS_BUSY = 3,
};

/* One heartbeat: this session of this user is seen now. It replaces what an earlier beat of the session said. */
struct muster_beat {
    const char *scope;   /* 1-128 bytes; unset: the call's */
    const char *user;    /* 1-128 bytes */
    const char *session; /* one tab, device or socket of the user, at most 128 bytes; may be unset */
    uint32_t ttl_ms;     /* how long it keeps the session live, MUSTER_TTL_MIN_MS..MUSTER_TTL_MAX_MS; 0: the call's */
    enum muster_status status;
    const void *state; /* shown to watchers, at most MUSTER_STATE_BYTES_MAX bytes of any kind */
    size_t state_len;  /* 0: none, and an earlier state is dropped */
};

struct muster_touched {
    uint32_t joined;    /* users who were not live and now are */
    uint32_t ttl_ms;    /* the TTL in force, the least of the call's beats: beat at a third of it */
    uint64_t stamp;     /* for muster_leave */
    uint64_t displaced; /* sessions that left, since their users had more than MUSTER_SESSIONS_MAX in a scope: of each
                           user the one that was seen the longest ago */
};

/* Reports users as present. count: 1..MUSTER_BEATS_MAX; later beats win over earlier ones of the same session.
 * scope: of the beats that name none; unset: "default". ttl_ms: of the beats that name none; 0: the server's default.
 * touched: may be NULL. A node takes all beats of a call or none; encoded, they must fit MUSTER_MESSAGE_BYTES_MAX. A
 * user who would have more than MUSTER_SESSIONS_MAX live sessions in a scope loses the one that was seen the longest
 * ago. */
MUSTER_API enum muster_code muster_touch(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                         const struct muster_beat *beats, size_t count, struct muster_touched *touched,
                                         struct muster_error *error);

struct muster_refreshed {
    uint32_t ttl_ms;         /* as of muster_touched */
    uint32_t unknown_count;  /* beats that changed nothing, since their sessions are not live: touch these in full */
    const uint32_t *unknown; /* their indexes in the call's beats, ascending */
    uint64_t stamp;          /* for muster_leave */
};

/* Reports that sessions are still here. As muster_touch, but a beat keeps the status and state of its session, as the
 * answering node has them: its own must be unset. Where the session is not live the beat changes nothing. So a program
 * touches a session in full once, then refreshes it: requests are smaller, and a status that was set elsewhere stays.
 * unknown: room for `count` indexes, which refreshed->unknown then is. refreshed: not NULL. */
MUSTER_API enum muster_code muster_refresh(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                           const struct muster_beat *beats, size_t count, uint32_t *unknown,
                                           struct muster_refreshed *refreshed, struct muster_error *error);

/* One session that leaves, or all of a user's. */
struct muster_departure {
    const char *scope;   /* unset: the call's */
    const char *user;    /* 1-128 bytes */
    const char *session; /* as it was touched */
    bool all_sessions;   /* every session of the user; `session` must be unset */
};

struct muster_left {
    uint32_t left;    /* users who were live and now are not */
    uint32_t unknown; /* departures that ended nothing which was live at the answering node; they are done all the same,
                         on every node */
    uint64_t stamp;
};

/* Reports that users leave. count: 1..MUSTER_BEATS_MAX.
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

struct muster_status_set {
    uint64_t stamp;
};

/* Sets a status of a user in a scope (unset: "default") that stands above those of its sessions: it decides the user's
 * status while the user is live, and makes nobody live. Beats and leaves keep it; muster_reset drops it.
 * status: MUSTER_STATUS_UNSPECIFIED clears what was set. ttl_ms: how long it holds,
 * MUSTER_TTL_MIN_MS..MUSTER_STATUS_TTL_MAX_MS; 0: until it is cleared, at most MUSTER_STATUS_TTL_MAX_MS (30 days). set:
 * may be NULL. */
MUSTER_API enum muster_code muster_set_status(struct muster_client *client, const char *scope, const char *user,
                                              enum muster_status status, uint32_t ttl_ms, struct muster_status_set *set,
                                              struct muster_error *error);

/* Forgets a scope, on every node. forgotten: may be NULL. */
MUSTER_API enum muster_code muster_reset(struct muster_client *client, const char *scope,
                                         struct muster_forgotten *forgotten, struct muster_error *error);

/* ---- reads -----------------------------------------------------------------------------------------------------
 * Results are objects of the library, used as getline(3) uses its line: start with a NULL pointer, pass its address to
 * any number of calls (each reuses the memory and overwrites the result), and free it once. On failure the object holds
 * no items, or the pointer is still NULL. */

struct muster_session {
    const char *session; /* empty if the touches named none */
    enum muster_status status;
    uint32_t ttl_ms;      /* how long its last beat keeps it live */
    int64_t last_seen_ms; /* since 1970-01-01T00:00Z, on the answering node's clock */
    const void *state;    /* NULL if there is none */
    size_t state_len;
};

struct muster_user {
    const char *user; /* empty in results of muster_live, which are in the order of its `users` */
    bool is_live;
    enum muster_status status; /* what muster_set_status set, else the highest of the live sessions'; unspecified if
                                  none is live */
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

/* Whether each of `count` users (1..MUSTER_USERS_MAX) is live in `scope` (unset: "default"): one item a user, in the
 * order of `users`. with_sessions: their live sessions too. */
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

/* One page of the live users of a scope. A page may hold fewer than page_size users, even none: the last page is the
 * one whose next_page_token is empty. A user who is live from the first page to the last is in exactly one of them.
 * query: NULL for the first page of "default". */
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
 * The next page is requested while the program reads this one. A walk belongs to one thread at a time, and to its
 * client: close it first. */
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
/* Frees the walk. MUSTER_OK: it came to its end, or was closed before; else why a page failed. `walk` may be NULL. */
MUSTER_API enum muster_code muster_walk_close(struct muster_walk *walk, struct muster_error *error);

struct muster_window {
    uint64_t window_ms; /* as asked */
    uint64_t users;     /* last seen within the window; exact, unless is_incomplete */
    bool is_incomplete; /* the node was full, and forgot users who were seen in this window */
};

struct muster_scope_counts {
    const char *scope;
    uint64_t live, online, away, busy;   /* users */
    uint64_t sessions;                   /* live ones */
    uint64_t joined_total, left_total;   /* how often users joined and left; the difference of two calls is a rate. They
                                            begin at 0 when the node starts, or first knows the scope */
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

/* A scope in which a user is live. */
struct muster_place {
    const char *user, *scope;
    enum muster_status status;             /* what muster_set_status set, else the highest of the live sessions' */
    uint32_t session_count;                /* live ones */
    int64_t last_seen_ms;                  /* the last beat, since 1970-01-01T00:00Z, on the answering node's clock */
    const struct muster_session *sessions; /* session_count of them where they were asked for, else NULL */
};

struct muster_places {
    const struct muster_place *items; /* scope by scope, the users of each in the order of the query */
    size_t count;
    const char *next_page_token; /* asks for the next page, of any node; empty: this was the last */
};

/* `places` may be NULL. */
MUSTER_API void muster_places_free(struct muster_places *places);

/* What muster_where asks for. Zero means the default. */
struct muster_where_query {
    const char *const *users; /* who is looked for, 1..MUSTER_WHERE_USERS_MAX. The same in every page */
    size_t user_count;
    const char *scope_prefix; /* only scopes whose names begin with this; unset: all. The same in every page */
    uint32_t page_size;       /* places a page at most, 1..MUSTER_PAGE_MAX; 0: MUSTER_PAGE_DEFAULT */
    const char *page_token;   /* next_page_token of the page before; unset: the first page */
    bool with_sessions;       /* each user's live sessions too */
};

/* One page of the scopes in which users are live. A page may hold fewer than page_size places, even none, though more
 * follow: the last page is the one whose next_page_token is empty. A user who is live in a scope from the first page to
 * the last comes once there, or as often as the query names that user. query: not NULL.
 *
 *     struct muster_where_query query = {.users = users, .user_count = 2};
 *     struct muster_places *places = NULL;
 *     do {
 *         if (muster_where(client, &query, &places, &error) != MUSTER_OK) die(error.message);
 *         for (size_t i = 0; i < places->count; i++) puts(places->items[i].scope);
 *         query.page_token = places->next_page_token;
 *     } while (query.page_token[0] != '\0');
 *     muster_places_free(places); */
MUSTER_API enum muster_code muster_where_sized(struct muster_client *client, const struct muster_where_query *query,
                                               size_t query_size, struct muster_places **result,
                                               struct muster_error *error);
static inline enum muster_code muster_where(struct muster_client *client, const struct muster_where_query *query,
                                            struct muster_places **result, struct muster_error *error) {
    return muster_where_sized(client, query, sizeof *query, result, error);
}

/* How a node sees another. This decides which nodes it synchronises with, never which users are live. */
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
    const char *address; /* where its peers send sync requests; empty: it has no peers */
    enum muster_node_state state;
    bool is_self;        /* it is the node that answers */
    uint64_t members;    /* the sessions that it holds, live and remembered */
    uint64_t lag;        /* beats that it took and the answering node does not have yet */
    uint64_t delay_ms;   /* how much longer than its fastest frame its last one took */
    int64_t clock_ms;    /* how far its wall clock is ahead of the answering node's */
    uint64_t silent_ms;  /* how long ago it was last heard */
    const char *trouble; /* why it cannot be reached or followed, in words; empty: nothing is wrong */
    uint64_t refused;    /* beats that the answering node refused for lack of room since its start; of itself only */
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
 * As the calls above, but they return before the answer comes. Where one returns MUSTER_OK, its callback is called
 * exactly once: with error->code MUSTER_OK and the result, or with an empty result and the error. Otherwise it is never
 * called. MUSTER_RESOURCE_EXHAUSTED: as many as options.in_flight_max are in flight.
 *
 * Callbacks run on the client's thread, one at a time, and one may run before its call has returned. A callback must
 * not block, since all the client's answers wait for it: it may start asynchronous calls, and may not walk or close. A
 * blocking call in a callback fails with MUSTER_FAILED_PRECONDITION. Its arguments are valid until it returns. */

typedef void muster_touch_callback(void *arg, const struct muster_touched *touched, const struct muster_error *error);
typedef void muster_refresh_callback(void *arg, const struct muster_refreshed *refreshed,
                                     const struct muster_error *error);
typedef void muster_leave_callback(void *arg, const struct muster_left *left, const struct muster_error *error);
typedef void muster_status_callback(void *arg, const struct muster_status_set *set, const struct muster_error *error);
typedef void muster_users_callback(void *arg, const struct muster_users *users, const struct muster_error *error);
typedef void muster_counts_callback(void *arg, const struct muster_counts *counts, const struct muster_error *error);
typedef void muster_places_callback(void *arg, const struct muster_places *places, const struct muster_error *error);

MUSTER_API enum muster_code muster_touch_async(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                               const struct muster_beat *beats, size_t count,
                                               muster_touch_callback *callback, void *arg, struct muster_error *error);
MUSTER_API enum muster_code muster_refresh_async(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                                 const struct muster_beat *beats, size_t count,
                                                 muster_refresh_callback *callback, void *arg,
                                                 struct muster_error *error);
MUSTER_API enum muster_code muster_leave_async(struct muster_client *client, const char *scope,
                                               const struct muster_departure *departures, size_t count,
                                               uint32_t linger_ms, uint64_t stamp, muster_leave_callback *callback,
                                               void *arg, struct muster_error *error);
MUSTER_API enum muster_code muster_set_status_async(struct muster_client *client, const char *scope, const char *user,
                                                    enum muster_status status, uint32_t ttl_ms,
                                                    muster_status_callback *callback, void *arg,
                                                    struct muster_error *error);
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

MUSTER_API enum muster_code muster_where_async_sized(struct muster_client *client,
                                                     const struct muster_where_query *query, size_t query_size,
                                                     muster_places_callback *callback, void *arg,
                                                     struct muster_error *error);
static inline enum muster_code muster_where_async(struct muster_client *client, const struct muster_where_query *query,
                                                  muster_places_callback *callback, void *arg,
                                                  struct muster_error *error) {
    return muster_where_async_sized(client, query, sizeof *query, callback, arg, error);
}

/* ---- keepalive -------------------------------------------------------------------------------------------------
 * A keepalive sends beats for the sessions that the program adds and removes. One thread sends them all, in shared
 * batches, at a third of the TTL that the server says is in force, spread over that time. A new or changed session is
 * sent at once, in full; later beats only say that it is still here (muster_refresh), so that a status that was set
 * elsewhere stays. After the connection was lost, or another node took over, all sessions are sent again at once; those
 * that the node does not know, or may not have heard the latest of, in full. */

struct muster_keepalive;

/* What went wrong. The keepalive has not given up: it tries again, but for leaves. */
struct muster_keepalive_trouble {
    struct muster_error error;
    size_t sessions;                    /* how many beats, or leaves, failed */
    bool is_leave;                      /* leaves failed, and are not tried again: the sessions end with their TTL */
    const char *scope, *user, *session; /* the session, where a node refused one alone; else NULL */
};

/* Runs on the keepalive's thread; `trouble` is valid until it returns. It may use the client and add, update and remove
 * sessions; it may not close the keepalive. */
typedef void muster_keepalive_callback(void *arg, const struct muster_keepalive_trouble *trouble);

/* Zero means the default. */
struct muster_keepalive_options {
    uint32_t ttl_ms;                    /* of every beat; 0: the server's default */
    muster_keepalive_callback *trouble; /* NULL: none */
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

/* Sends beats for a session from now on. scope: unset: "default". session: may be unset. A session that was added
 * already is updated. Does not wait for the network.
 * MUSTER_INVALID_ARGUMENT; MUSTER_RESOURCE_EXHAUSTED: memory is short. */
MUSTER_API enum muster_code muster_keepalive_add(struct muster_keepalive *keepalive, const char *scope,
                                                 const char *user, const char *session, enum muster_status status,
                                                 const void *state, size_t state_len, struct muster_error *error);

/* Changes a session's status and state, and sends them at once. MUSTER_NOT_FOUND: it was not added. */
MUSTER_API enum muster_code muster_keepalive_update(struct muster_keepalive *keepalive, const char *scope,
                                                    const char *user, const char *session, enum muster_status status,
                                                    const void *state, size_t state_len, struct muster_error *error);

/* Sends no more beats for a session and reports that it leaves, after linger_ms (0: now). Does not wait for the
 * network. MUSTER_NOT_FOUND: it was not added. */
MUSTER_API enum muster_code muster_keepalive_remove(struct muster_keepalive *keepalive, const char *scope,
                                                    const char *user, const char *session, uint32_t linger_ms,
                                                    struct muster_error *error);

/* How many sessions it sends beats for. */
MUSTER_API size_t muster_keepalive_count(struct muster_keepalive *keepalive);

/* Stops the thread and frees. leave_all: first reports that all sessions leave; otherwise they stay live until their
 * TTL passes, for another process to take over. Leaves of sessions that were removed before are sent in either case.
 * Waits for the network, at most about twice the client's timeout. Returns why leaves could not be sent; the keepalive
 * is freed in any case. `keepalive` may be NULL. */
MUSTER_API enum muster_code muster_keepalive_close(struct muster_keepalive *keepalive, bool leave_all,
                                                   struct muster_error *error);

/* ---- watching --------------------------------------------------------------------------------------------------
 * A watch calls back for what changes in a scope: first for each user who is present, then for each who joins, leaves
 * or changes. Watching makes nobody present.
 *
 * The library sends one request after another, resumes where it was, and goes to another node where one fails; then it
 * compares the new snapshot with what it knows, so that it calls back for real changes alone, each once. Who is missing
 * in such a snapshot has two seconds to come back, and counts as much time to rise again: a node that restarted knows
 * its users only once their keepalives have told it. For each user,
 * joined and left alternate, and updated comes in between; nothing is skipped. A user is updated when its status, the
 * number of its sessions or, with_sessions, their names, statuses or states change: times alone are no change.
 *
 * The callbacks of all watches and mirrors of one client run on one thread of the library, one at a time: a slow one
 * delays the others. They may use the client in any way that does not wait (the ..._async calls, keepalives, mirrors),
 * and open and close watches. Their arguments are valid until they return. */

struct muster_watch;

/* Why a user is no longer live. */
enum muster_left_reason {
    MUSTER_REASON_UNKNOWN = 0, /* it was no longer in a later snapshot, and two seconds after that neither */
    MUSTER_REASON_LEFT = 1,    /* a leave ended its last session */
    MUSTER_REASON_EXPIRED = 2, /* the TTL of its last session passed */
    MUSTER_REASON_RESET = 3,   /* the scope was reset */
};

/* Any may be NULL. */
struct muster_watch_callbacks {
    /* joined was called for all who are present, and left for all who are not: once at first, and again each time the
     * watch had to begin anew. */
    void (*synced)(void *arg);
    void (*joined)(void *arg, const struct muster_user *user);
    void (*left)(void *arg, const struct muster_user *user, enum muster_left_reason reason);
    void (*updated)(void *arg, const struct muster_user *user);
    /* Of a watch with counts_only: at first, and when the counts change. They have no windows. */
    void (*counts)(void *arg, const struct muster_scope_counts *counts);
    /* Every node failed, and why. The watch has not given up: it tries again, with back-off. Called once for each code
     * until the watch has gone well for some seconds; not when one node failed and another took over. */
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
    uint32_t min_interval_ms; /* the least time between two answers: changes in it come as one change a user.
                                 Up to MUSTER_WATCH_INTERVAL_MAX_MS; 0: at once */
    uint32_t max_wait_ms;     /* how long a request waits at a node for a change, up to MUSTER_WATCH_WAIT_MAX_MS; a node
                                 that dies silently is noticed after this and the client's attempt_ms.
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

/* How long ago, in ms, the last answer came after which nothing was untold: what the program knows is at most so old.
 * While nothing changes it grows up to max_wait_ms and begins again. UINT64_MAX: before the first `synced`. Any thread.
 */
MUSTER_API uint64_t muster_watch_staleness_ms(const struct muster_watch *watch);

/* Ends the watch and frees it; does not wait for the network. When this has returned, no callback of the watch runs: it
 * waits for one that does, unless a callback calls it; then no further one begins. The last request stays at the node
 * until it is answered, at most max_wait_ms. `watch` may be NULL. */
MUSTER_API void muster_watch_close(struct muster_watch *watch);

/* ---- mirrors ---------------------------------------------------------------------------------------------------
 * A watched scope, kept in the program's memory: a page that renders a thousand names sends no request. Readers take no
 * lock, so they wait for nobody; a look-up takes about as long as a cache miss. Any number of threads. */

struct muster_mirror;

/* Zero means the default. */
struct muster_mirror_options {
    const char *scope;        /* unset: "default" */
    uint32_t min_interval_ms; /* as a watch's */
    uint32_t max_wait_ms;     /* as a watch's */
    size_t remember_max;      /* of how many users who left last_seen is kept, the latest ones;
                                 0: MUSTER_MIRROR_REMEMBER_DEFAULT */
    /* As a watch's; called after the mirror has changed. Any may be NULL. */
    struct muster_watch_callbacks callbacks;
    void *arg;
};

enum { MUSTER_MIRROR_REMEMBER_DEFAULT = 100000 };

/* Begins to mirror a scope. The mirror is empty at first: see muster_mirror_wait. options: NULL for all defaults.
 * Otherwise as muster_watch_open. */
MUSTER_API enum muster_code muster_mirror_open_sized(struct muster_client *client,
                                                     const struct muster_mirror_options *options, size_t options_size,
                                                     struct muster_mirror **mirror, struct muster_error *error);
static inline enum muster_code muster_mirror_open(struct muster_client *client,
                                                  const struct muster_mirror_options *options,
                                                  struct muster_mirror **mirror, struct muster_error *error) {
    return muster_mirror_open_sized(client, options, sizeof *options, mirror, error);
}

/* Waits at most timeout_ms until the mirror holds the whole scope for the first time. Returns whether it does. Not in a
 * callback. */
MUSTER_API bool muster_mirror_wait(struct muster_mirror *mirror, uint32_t timeout_ms);

/* Whether a user is live, as far as the mirror knows. */
MUSTER_API bool muster_mirror_is_live(const struct muster_mirror *mirror, const char *user);
/* A user's status; MUSTER_STATUS_UNSPECIFIED where it is not live. */
MUSTER_API enum muster_status muster_mirror_status(const struct muster_mirror *mirror, const char *user);
/* When a user was last seen, in ms since 1970, as of its last change; beats that only keep a session live are no
 * change. 0: it was not live since the mirror was opened, or has been forgotten since (remember_max). */
MUSTER_API int64_t muster_mirror_last_seen(const struct muster_mirror *mirror, const char *user);
/* How many users are live. */
MUSTER_API size_t muster_mirror_count(const struct muster_mirror *mirror);

/* Runs on the caller's thread, and must not use the mirror. Returns false to end. */
typedef bool muster_mirror_each(void *arg, const char *user, enum muster_status status, int64_t last_seen_ms);
/* Calls `each` once for every live user, in no order. Changes of the mirror wait meanwhile. Returns the number of
 * calls.
 */
MUSTER_API size_t muster_mirror_for_each(struct muster_mirror *mirror, muster_mirror_each *each, void *arg);

/* As muster_watch_staleness_ms: what the mirror shows is at most so old. */
MUSTER_API uint64_t muster_mirror_staleness_ms(const struct muster_mirror *mirror);

/* Ends the mirror and frees it; no reader may use it. As muster_watch_close. */
MUSTER_API void muster_mirror_close(struct muster_mirror *mirror);

#ifdef __cplusplus
}
#endif

#endif
