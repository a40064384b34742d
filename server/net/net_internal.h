/* What the files of the loop share. Internal to server/net. */
#ifndef MUSTER_NET_INTERNAL_H
#define MUSTER_NET_INTERNAL_H

#include "door.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum {
    LOOP_EVENTS = 256,          /* handled in one turn */
    LOOP_ACCEPTS = 64,          /* accepted from one listener in one turn */
    LOOP_HANDSHAKES = 4,        /* steps of TLS handshakes in one turn: each may cost a millisecond */
    LOOP_RECEIVE_MIN = 32768,   /* with less free space in its input buffer, a loop commits first */
    LOOP_TURN_ANSWERS = 128,    /* answered on one connection in one turn */
    LOOP_HEARTBEAT_MS = 250,    /* a loop reads the clock at least so often */
    LOOP_SHORT_STEP_MS = 50,    /* the same where memory is short */
    LOOP_ACCEPT_PAUSE_MS = 100, /* after accept failed for want of descriptors or memory */
    STREAMS_PER_CHUNK = 64,
    LOOP_CHUNKS_MAX = 1 << 15,
};

/* What an epoll event refers to: the first member of each such struct. */
enum source_kind { SOURCE_MAILBOX, SOURCE_LISTENER, SOURCE_STREAM };
struct source {
    enum source_kind kind;
    int fd;
};

/* The list of its door that a stream is in because of a deadline. Streams with unread output are in another list, too.
 */
enum slow_list { SLOW_NONE, SLOW_GREETING, SLOW_IDLE, SLOW_UNFINISHED, SLOW_LINGERING };
enum { SLOW_LISTS = SLOW_LINGERING + 1 };

enum stream_kind { STREAM_TCP, STREAM_IPC, STREAM_TLS };

struct stream {
    struct source source; /* fd -1: the slot is free */
    uint8_t phase;        /* see stream_phase */
    uint8_t leaves_as;    /* enum stream_end: why it is closed once it has lingered */
    uint8_t why;          /* enum stream_end; unless STREAM_OPEN, it is closed at the end of this turn */
    uint8_t slow;         /* enum slow_list */
    bool is_ipc, is_tls, is_blocked, has_asked, has_greeted;
    bool is_opened;   /* the protocol knows it: at once, or after the handshake of TLS */
    bool is_shaking;  /* in loop->shaking: what came of its TLS handshake waits for its turn */
    bool has_backlog; /* `in` holds messages for later turns; the socket is not read meanwhile */
    bool is_queued;   /* in loop->backlog; never while is_blocked */
    bool is_dirty;
    bool is_refused; /* a request was refused by the drain: it is closed once all that it sent is answered */
    bool is_leaving; /* it lingers once its output is sent; its input is not taken any more */
    _Atomic uint64_t id;
    struct loop *loop;
    struct door *door;
    void *data;
    struct tls_stream *tls; /* NULL: none, or nothing has come yet */

    uint8_t *in, *out; /* NULL: nothing is kept */
    uint32_t in_at, in_len, in_capacity, in_wanted;
    uint32_t out_at, out_len, out_capacity;
    _Atomic uint32_t unsent; /* out_len - out_at */
    _Atomic uint32_t posted; /* bytes in posts that have not run yet */
    uint32_t progress;       /* bytes sent since unread_ms */
    uint32_t due;            /* after a last call (drain): bytes that are still read and consumed */
    uint32_t stale;          /* of the unconsumed bytes, those that arrived before the loop stood still */
    uint32_t stale_wire;     /* with TLS, the same of the bytes in the socket; `stale` is without them */
    uint64_t unread_ms, slow_ms;
    struct remote remote;

    TAILQ_ENTRY(stream) unread_link, slow_link, backlog_link; /* backlog_link: also in loop->shaking */
    SLIST_ENTRY(stream) dirty_link, end_link;                 /* end_link: in loop->ending or loop->free_streams */
};
TAILQ_HEAD(stream_queue, stream);
SLIST_HEAD(stream_stack, stream);

struct listener {
    struct source source;
    struct door *door;
    enum stream_kind kind;
    uint64_t paused_until_ms; /* 0: it accepts */
    char url[DOOR_URL_BYTES];
};

/* One loop's share of a door. Each list is ordered by the time of its members' deadlines. */
struct door_part {
    bool is_last_call; /* only what had arrived by then is read: DRAIN_LAST */
    struct stream_queue unread, slow[SLOW_LISTS];
    _Atomic uint64_t requests;
    _Atomic uint64_t ended[STREAM_ENDS];
};

/* A post by which a draining door asks a loop whether any of its connections has bytes to be read, answered or sent,
 * and closes those that have none. */
enum drain_step {
    DRAIN_LOOK,  /* closes none: posts of other loops for a connection may be on their way */
    DRAIN_CLOSE, /* closes those of which a request was refused */
    DRAIN_LAST,  /* closes all; reads only what has arrived by now */
};
enum drain_state { DRAIN_ASKED, DRAIN_BUSY, DRAIN_CLEAR };
struct drain_question {
    struct post post;
    struct door *door;
    enum drain_step step;
    _Atomic(enum drain_state) state;
};

/* A post by which a door that refuses tells a loop: loop 0 closes its listeners, and every loop says good-bye to its
 * connections, where the protocol knows how. */
struct door_shutting {
    struct post post;
    struct door *door;
};

struct door {
    struct loops *loops;
    const struct protocol *protocol;
    void *context;
    size_t connections_max, reserved, share, share_loopback;
    uint32_t unread_ms, unfinished_ms, idle_ms;
    struct tls_context *tls; /* of the listeners that are TLS */
    const char *alpn;
    bool is_idle_fine, is_on_one_loop;
    unsigned index; /* in the parts of each loop */
    struct listener listeners[DOOR_URLS_MAX];
    size_t listener_count;
    atomic_size_t connections;
    struct connection_counts *counts;
    bool has_own_counts;
    _Atomic uint64_t refused;
    _Atomic uint64_t crowded_until_ms;
    atomic_bool is_refusing;
    struct door_shutting *shutting; /* one a loop */
    struct drain_question *drain;   /* one a loop */
};

struct loop {
    struct loops *loops;
    unsigned index;
    int epoll_fd;
    struct source mailbox;        /* an eventfd */
    _Atomic(struct post *) posts; /* the newest first */
    atomic_bool is_signalled;
    pthread_t thread;
    bool has_thread;

    struct instant now;
    uint64_t stood_still_ms; /* how long, the last time */
    uint64_t thawed_ms;      /* when that was noticed; 0: never */
    uint64_t next_id;

    uint8_t *in, *out;
    size_t in_used; /* bytes that stay valid until the commit */
    bool is_borrowed;
    struct stream *owner; /* the stream whose output is in `out`; NULL: `out` is empty */
    size_t out_used;

    struct stream *visited; /* the stream whose input is being consumed; NULL: none */
    size_t visit_answers, visit_bytes;
    size_t visit_rest; /* of its received bytes, those that are neither in visited->in nor passed to `take` yet */

    uint64_t step_ms; /* when a protocol's `step` is due; UINT64_MAX: never */
    struct door_part parts[DOORS_MAX];
    struct stream_queue backlog;
    size_t backlog_count;
    struct stream_queue shaking; /* streams whose TLS handshake can go on */
    struct tls_room *tls_room;   /* NULL: no connection has had TLS yet */
    struct stream_stack dirty, ending, free_streams;
    struct stream **chunks;
    size_t chunk_count;
};

struct loops {
    uint32_t stall_ms;
    struct instant (*clock)(void);
    bool is_driven;
    atomic_bool is_stopping;
    atomic_size_t bytes; /* owned by all connections */
    unsigned count, next;
    struct loop *items;
    struct door *doors[DOORS_MAX];
    atomic_uint door_count;

    _Atomic(loop_task_fn *) task;
    void *_Atomic task_context;
    atomic_bool is_task_woken;
    uint64_t task_ms; /* when it is due; UINT64_MAX: once it is woken */
};

/* ---- loop_run.c ---- */

/* Looks at the clock; `unconsumed` bytes of `visited` are out of its socket. How long the loop stood still, or 0. */
uint64_t loop_look(struct loop *loop, size_t unconsumed);
/* Runs what is posted, on the caller's thread: after the loops are stopped. */
void loops_run_posts(struct loops *loops);
/* Commits what every protocol put off. */
void loop_commit(struct loop *loop);
bool loop_watch(const struct loop *loop, struct source *source, uint32_t events, bool is_new);

/* ---- accept.c ---- */

/* A connection of the door is gone, and its place is free. */
void door_forget_connection(struct door *door, const struct remote_key *remote);

/* Accepts what waits; `is_stale`: it came before the loop stood still. */
void listener_accept(struct loop *loop, struct listener *listener, bool is_stale);
void listener_resume(struct loop *loop, struct listener *listener);
/* Accepts what waits, and listens no more. */
void listener_shut(struct loop *loop, struct listener *listener);

/* ---- stream_life.c ---- */

/* Makes the accepted socket a connection of this loop; NULL, with the socket closed: memory is short. */
struct stream *stream_open(struct loop *loop, struct door *door, int fd, enum stream_kind kind,
                           const struct remote *remote);
/* Tells the protocol of it. */
void stream_opened(struct stream *stream);
/* Which list of its door a stream waits in, and since now. */
void stream_move_to(struct stream *stream, enum slow_list list);
/* Where it belongs while no message is unfinished. */
enum slow_list stream_quiet_list(const struct stream *stream);
/* Ends who is late, and what the protocols ended. */
void streams_expire(struct loop *loop);
void streams_reap(struct loop *loop);
/* Ends other connections of the loop until so many bytes can be taken, and takes them: those first whose output is
 * unread for longest, then those whose message is unfinished for longest. False: nobody is left to be ended. */
bool streams_make_room(const struct stream *needy, size_t bytes);
/* Marks all that came in so far as stale; `unconsumed` as in loop_look. */
void streams_mark_stale(struct loop *loop, size_t unconsumed);
void stream_mark_stale(struct stream *stream);
void streams_close_of(struct loop *loop, const struct door *door);
/* One step of a drain, between two turns. Whether a connection of the door has bytes that are not read, answered or
 * sent, or is being closed. Looks at all of them. */
bool streams_drain(struct loop *loop, const struct door *door, enum drain_step step);
/* The peer reads all that was sent, then the end, and closes its side. */
void stream_begin_lingering(struct stream *stream);
void streams_free(struct loop *loop);

static inline struct door_part *stream_part(const struct stream *stream) {
    return &stream->loop->parts[stream->door->index];
}

/* ---- stream_input.c ---- */

void stream_event(struct stream *stream, uint32_t events);
/* Its kept input is taken in later turns; no longer. */
void stream_queue_up(struct stream *stream);
void stream_leave_queue(struct stream *stream);
/* Takes what is left of an earlier turn. */
void streams_resume(struct loop *loop);
void stream_drop_input(struct stream *stream);
/* Passes plaintext in the free part of the loop's input buffer to the protocol, and keeps what it does not take. */
void stream_take_received(struct stream *stream, const uint8_t *bytes, size_t len);
/* Goes on with some of the TLS handshakes for which something has come. */
void streams_shake_hands(struct loop *loop);
void stream_stop_shaking(struct stream *stream);

/* ---- stream_output.c ---- */

/* Hands the output that gathered in the loop's buffer to the system. */
void output_flush_owner(struct loop *loop);
/* Hands these bytes, as they travel, to the system, or keeps them behind others. */
void output_put(struct stream *stream, struct text bytes);
/* Hands what the stream keeps to the system. */
void output_resume(struct stream *stream);
/* Hands all output of this turn to the system. */
void streams_flush(struct loop *loop);
void stream_drop_output(struct stream *stream);

/* ---- memory of connections: loop_run.c ---- */

/* Whether so many bytes more may be owned; they are counted then. */
bool loops_take_bytes(struct loops *loops, size_t bytes);
void loops_give_bytes(struct loops *loops, size_t bytes);

#endif
