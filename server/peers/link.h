/* One connection to a peer, which this node dials: the look-up of its name, the connecting, the greetings of SP, and
 * messages in both directions. Internal to server/peers. It never blocks. Owned and called by one thread, which polls
 * it (dialler.h); time is an argument (monotonic us).
 *
 * It takes memory for what has come, never for what a length announces. */
#ifndef MUSTER_PEERS_LINK_H
#define MUSTER_PEERS_LINK_H

#include "common/endpoint.h"
#include "common/error.h"
#include "common/text.h"
#include "net/sp/frame.h"

#include <poll.h>

enum {
    LINK_CONNECT_MS = 1500,        /* to the last address of a name, and then for the greeting */
    LINK_CONNECT_NEXT_MS = 500,    /* to an address where there are others */
    LINK_LOOKUP_MS = 10000,        /* a look-up that takes longer is left to itself */
    LINK_LOOKUP_KEPT_MS = 1000,    /* so long the addresses of a name are used again */
    LINK_AGAIN_MIN_MS = 20,        /* an attempt that is refused costs nearly nothing: a peer that is back is */
    LINK_AGAIN_MAX_MS = 100,       /* connected to at once */
    LINK_AGAIN_SHORTAGE_MS = 1000, /* after a look-up that failed, or where the system is short of something */
    LINK_INPUT_BYTES_MIN = 16 * 1024,
    LINK_OUTPUT_BYTES_MAX = 4 << 20,
};

enum link_state {
    LINK_DOWN, /* not dialled yet, closed, or ended; link_why says why */
    LINK_LOOKING_UP,
    LINK_CONNECTING,
    LINK_GREETING,
    LINK_UP,
};

struct link;

/* A whole message came; it lives until the return. Must not close or free the link. */
typedef void link_message(void *context, struct text message);

/* What all links of a kind have in common. */
struct link_kind {
    enum sp_protocol own, other;
    size_t message_bytes_max; /* of one that comes */
    link_message *message;
};

/* Of a kind that outlives it. NULL: memory is short. */
struct link *link_new(const struct link_kind *kind, void *context);
/* `link` may be NULL. */
void link_free(struct link *link);

/* Begins to connect to a tcp:// or ipc:// URL; a connection that there was is closed before. Where it cannot even begin
 * the link is down at once. */
void link_dial(struct link *link, const char *url, uint64_t now_us);
/* Goes on, over a descriptor that is connected already and non-blocking: owned from now on. */
void link_adopt(struct link *link, int fd, bool is_ipc, uint64_t now_us);
enum link_state link_state(const struct link *link);
/* Why it is down; an empty text where nothing went wrong. RESOURCE_EXHAUSTED: the system or the process is short of
 * something. INVALID_ARGUMENT: the URL is none. */
const struct error *link_why(const struct link *link);
/* Whether every address refused the connection: nobody listens there. */
bool link_was_refused(const struct link *link);
/* When one that is down is worth a dial: at once after a connection over which messages came. */
uint64_t link_again_us(const struct link *link);
/* When something came last, or it came up. */
uint64_t link_heard_us(const struct link *link);

/* Sends the message `head` and `body` together, as soon as the peer takes it; only where it is up, and it may be down
 * after. False: memory is short, or the peer does not read; nothing of the message is sent. */
bool link_send(struct link *link, struct text head, struct text body, uint64_t now_us);

/* ---- for the poll ------------------------------------------------------------------------------------------------ */

/* What to wait for; fd -1: nothing. */
struct pollfd link_polled(const struct link *link);
/* When link_step has something to do; UINT64_MAX: never. */
uint64_t link_due_us(const struct link *link);
/* Something of link_polled happened: reads, writes and tells of messages. */
void link_ready(struct link *link, short events, uint64_t now_us);
/* Ends what takes too long. */
void link_step(struct link *link, uint64_t now_us);

#endif
