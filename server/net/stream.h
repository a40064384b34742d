/* A connection, as a protocol sees it: bytes come in, bytes go out. The stream owns the socket, the buffers, the caps
 * and the deadlines; the protocol is one table of functions. All functions are called on the stream's loop, unless they
 * say otherwise. */
#ifndef MUSTER_NET_STREAM_H
#define MUSTER_NET_STREAM_H

#include "common/text.h"
#include "sys/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

enum {
    STREAM_OUT_BYTES_MAX = 2 << 20,    /* unsent, of one connection; one reply more may come on top */
    STREAM_PROGRESS_BYTES = 64 * 1024, /* a reader that took so many is no slow reader */
};

/* What a protocol made of the bytes it was given. */
struct taken {
    size_t consumed;
    size_t wanted; /* how many bytes, those left over included, it needs before it is asked again; 0: it paused */
};

struct protocol {
    const char *name;
    /* A connection was accepted. */
    void (*opened)(struct stream *stream);
    /* Takes what is whole, in order, while stream_may_go_on. What it leaves is given again, with more behind it. The
     * bytes are its own only until it returns, or, where it called stream_borrow, until the next `commit`. */
    struct taken (*take)(struct stream *stream, const uint8_t *bytes, size_t len);
    /* All output is with the system again, after a time when it was not. May be NULL. */
    void (*drained)(struct stream *stream);
    /* The connection ends. May be NULL. */
    void (*closed)(struct stream *stream);
    /* Does what was put off by stream_borrow. May be NULL. */
    void (*commit)(void *context, unsigned loop);
};

/* Why a connection ended. */
enum stream_end {
    STREAM_OPEN,
    STREAM_GONE,       /* the other side closed it, or the network did */
    STREAM_STRANGER,   /* no handshake of this protocol */
    STREAM_BROKEN,     /* bytes that are no message */
    STREAM_UNREAD,     /* output was not read in time */
    STREAM_UNFINISHED, /* a message was not finished in time */
    STREAM_IDLE,       /* it never asked anything */
    STREAM_MEMORY,     /* memory is short */
    STREAM_DONE,       /* this side has no more to say */
};
enum { STREAM_ENDS = STREAM_DONE + 1 };

void *stream_context(const struct stream *stream); /* the door's */
unsigned stream_loop(const struct stream *stream); /* which loop it is on */
uint64_t stream_id(const struct stream *stream);   /* never given again; not 0 */
bool stream_is_ipc(const struct stream *stream);
struct instant stream_now(const struct stream *stream);

/* Where the protocol is with this connection, and what it keeps of it. Both 0 at first. */
uint8_t *stream_phase(struct stream *stream);
void **stream_data(struct stream *stream);

/* Whether the protocol may take another message now. False: the output is blocked, the connection ends, or others are
 * to have their turn. */
bool stream_may_go_on(const struct stream *stream);
/* The protocol greeted; from now on the connection is to ask something within its idle time. */
void stream_greeted(struct stream *stream);
/* A request begins. */
void stream_asked(struct stream *stream);
/* A request was answered at once, rather than put off: a connection has so many of them in a turn. */
void stream_answered(struct stream *stream);
/* The bytes of this turn stay until `commit`. */
void stream_borrow(struct stream *stream);
/* Commits now what was borrowed. */
void stream_commit(struct stream *stream);

/* Looks at the clock: `rest` bytes of those that `take` was given are not consumed yet. If the loop stood still, all
 * bytes that came in before are marked as stale. Returns how long it stood still in ms, 0: it did not. */
uint64_t stream_look(struct stream *stream, size_t rest);
/* How long the loop stands still since its last look, which this is none: what it answers now is stale if it does. 0:
 * it does not. */
uint64_t stream_gap_ms(const struct stream *stream);
/* How long the loop had stood still when the next byte was there already; 0: it came in after that, as usual. */
uint64_t stream_stale_ms(const struct stream *stream);
/* So many bytes are consumed. */
void stream_consumed(struct stream *stream, size_t bytes);

/* Sends both, one behind the other: copied, or with the system, once it returns. */
void stream_send(struct stream *stream, struct text head, struct text body);
/* Hands what was sent to the system now, rather than at the end of the turn. */
void stream_flush(struct stream *stream);
/* As stream_send, but at the end of the turn, and from any thread; nothing happens where the connection with this id is
 * gone. */
void stream_send_later(struct stream *stream, uint64_t id, struct text head, struct text body);
/* Bytes that are not with the system yet, those of stream_send_later included. Any thread. */
size_t stream_unsent(const struct stream *stream);
/* Ends it at the end of this turn. */
void stream_end(struct stream *stream, enum stream_end why);

#endif
