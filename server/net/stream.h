/* A connection as its protocol sees it: bytes in, bytes out. The stream owns the socket, the buffers, the limits and
 * the deadlines; a protocol is one table of functions. Functions are called on the thread of the stream's loop unless
 * their comment says otherwise. */
#ifndef MUSTER_NET_STREAM_H
#define MUSTER_NET_STREAM_H

#include "common/text.h"
#include "sys/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

enum {
    STREAM_OUT_BYTES_MAX = 2 << 20,    /* unsent output of one connection; one more reply may exceed it */
    STREAM_PROGRESS_BYTES = 64 * 1024, /* reading so many restarts the deadline of unread output */
};

/* The result of protocol.take. */
struct taken {
    size_t consumed;
    size_t wanted; /* Call again once so many bytes, the unconsumed ones included, have arrived. 0: call again in a
                    * later turn; stream_may_go_on was false. */
};

struct protocol {
    const char *name;
    /* Called once, after accept. May send. */
    void (*opened)(struct stream *stream);
    /* Consumes whole messages in order, while stream_may_go_on is true. Unconsumed bytes are passed again, followed by
     * new ones. The bytes are valid until it returns; after stream_borrow, until the next `commit`. */
    struct taken (*take)(struct stream *stream, const uint8_t *bytes, size_t len);
    /* Output that was blocked has been sent completely. May be NULL. */
    void (*drained)(struct stream *stream);
    /* Called once, before the socket is closed. May be NULL. */
    void (*closed)(struct stream *stream);
    /* Executes what was deferred by stream_borrow, on this loop. May be NULL. */
    void (*commit)(void *context, unsigned loop);
    /* Called at the end of each turn of a loop, after `commit` and before output is written. Returns the monotonic ms
     * at which it is to be called at the latest; UINT64_MAX: whenever the next turn is. May be NULL. */
    uint64_t (*step)(void *context, unsigned loop, struct instant now);
    /* A step of a drain, between two turns, for each connection of the door: it says good-bye, and is to end itself by
     * stream_linger once all that it sent is answered. `is_last`: the peer has had its time to stop asking. Such a
     * connection is read until it ends. NULL: the stream closes it as door_drain says. */
    void (*drain)(struct stream *stream, bool is_last);
    /* The peer did not send its first request in time: it is to be told, and the connection ended by stream_linger.
     * NULL: the stream ends it. */
    void (*idle)(struct stream *stream);
};

/* Why a connection ended. */
enum stream_end {
    STREAM_OPEN,
    STREAM_GONE,       /* the peer closed it, or the network failed */
    STREAM_STRANGER,   /* the peer did not complete the handshake */
    STREAM_BROKEN,     /* the peer sent bytes that are not a message */
    STREAM_UNREAD,     /* output was not read in time */
    STREAM_UNFINISHED, /* a message was not finished in time */
    STREAM_IDLE,       /* the peer never sent a request */
    STREAM_MEMORY,     /* memory is short */
    STREAM_ABUSE,      /* the peer went on with what serves nobody */
    STREAM_DONE,       /* this side is finished */
};
enum { STREAM_ENDS = STREAM_DONE + 1 };

void *stream_context(const struct stream *stream); /* the door's */
unsigned stream_loop(const struct stream *stream); /* which loop it is on */
uint64_t stream_id(const struct stream *stream);   /* unique, never reused, not 0 */
bool stream_is_ipc(const struct stream *stream);
struct instant stream_now(const struct stream *stream);

/* State that the protocol keeps for this connection; both are 0 at first. */
uint8_t *stream_phase(struct stream *stream);
void **stream_data(struct stream *stream);

/* Whether the protocol may consume another message now. False if output is blocked, the connection is ending, or it has
 * had its share of this turn. */
bool stream_may_go_on(const struct stream *stream);
/* The handshake is complete. Starts the deadline for the first request. */
void stream_greeted(struct stream *stream);
/* A request arrived: counts it, and ends the deadline for the first request. */
void stream_asked(struct stream *stream);
/* Whether the door is draining: the request that arrived is to be refused. The connection is closed once all that it
 * sent is answered. */
bool stream_must_refuse(struct stream *stream);
/* A request was answered without being deferred; a connection may have a limited number of them in a turn. */
void stream_answered(struct stream *stream);
/* Keeps the bytes of this turn valid until `commit`. */
void stream_borrow(struct stream *stream);
/* Calls `commit` now rather than at the end of the turn. */
void stream_commit(struct stream *stream);

/* Reads the clock. If the loop has not run for longer than stall_ms, all bytes that have arrived on any of its
 * connections become stale. `rest`: the bytes passed to `take` that are not consumed yet. Returns how long the loop did
 * not run, in ms; 0 if it ran. */
uint64_t stream_look(struct stream *stream, size_t rest);
/* Reads the clock without the effects of stream_look. Returns how long the loop has not run, in ms, if that is longer
 * than stall_ms, else 0. */
uint64_t stream_gap_ms(const struct stream *stream);
/* If the next unconsumed byte is stale: how long the loop had not run, in ms. Else 0. */
uint64_t stream_stale_ms(const struct stream *stream);
/* If the loop stood still later than since_ms: for how long, the last time. Else 0. For what a protocol keeps of bytes
 * that it consumed. */
uint64_t stream_stale_since_ms(const struct stream *stream, uint64_t since_ms);
/* The protocol consumed so many bytes. For the accounting of stale bytes. */
void stream_consumed(struct stream *stream, size_t bytes);

/* Sends head, then body. Both are copied or written to the socket when it returns. */
void stream_send(struct stream *stream, struct text head, struct text body);
/* Writes pending output to the socket now rather than at the end of the turn. */
void stream_flush(struct stream *stream);
/* As stream_send, but written at the end of the turn, and callable on any thread. Ignored if the stream has another id
 * by then. */
void stream_send_later(struct stream *stream, uint64_t id, struct text head, struct text body);
/* Bytes of output that are not written to the socket yet, including those of stream_send_later. Any thread. */
size_t stream_unsent(const struct stream *stream);
/* Whether the socket does not take what was sent. `drained` is called once it has. */
bool stream_is_blocked(const struct stream *stream);
/* Closes the connection at the end of this turn. Pending output is discarded: call stream_flush first. */
void stream_end(struct stream *stream, enum stream_end why);
/* As stream_end: closes this side once all output is sent, and the connection when the peer closes its side, at most
 * DOOR_LINGER_MS later: a socket that is closed with unread input sends a reset, which may overtake the last output.
 * The protocol must send nothing afterwards; `take` is not called any more, `closed` is. */
void stream_linger(struct stream *stream, enum stream_end why);

/* Memory that a protocol owns for its connections counts against LOOPS_BYTES_MAX. False: it is used up, and nothing was
 * counted. Any thread. */
bool stream_take_bytes(const struct stream *stream, size_t bytes);
void stream_give_bytes(const struct stream *stream, size_t bytes);
/* Where it is used up: ends other connections of the loop, those first that keep the most people waiting for longest,
 * until so many bytes can be taken, and takes them. False: nobody is left to be ended. */
bool stream_make_room(const struct stream *stream, size_t bytes);

#endif
