/* What nng 1.5 gets wrong at the edge to the system, set right under its feet.
 *
 * This file defines `sendmsg`, `readv`, `epoll_wait`, `listen` and `close` for the whole program: libnng's calls come
 * here, since a program's symbols go before those of the C library. Link it into the program itself, not into a
 * library. Only stream sockets that libnng writes to are treated in any special way; with a newer nng it is harmless.
 *
 * 1. EPIPE while a connection shakes hands. nng takes it for the closing of the *listener* and never accepts again
 *    (nanomsg/nng#1518, fixed in 1.6): one client that half-closes and resets would end a node's door. To close and
 *    reopen the listener would drop every other client. Here EPIPE becomes ECONNRESET, which nng takes for what it is.
 * 2. A connection that is closed while one of its operations is between two steps. nng then starts the next step on
 *    an aio that is stopped, which neither fails nor completes; the thread that frees closed connections waits for it
 *    forever, and every connection that closes from then on keeps its descriptor. A client that pipelines, does not
 *    read and goes away does it. The way out is that only the reading side ever sees a connection end, and that a write
 *    has one step:
 *    - a message that the system takes in pieces is reported when all of it is taken, as EAGAIN until then;
 *    - a write to a connection that is gone is reported as done, and what reads then finds the end;
 *    - an error that epoll reports is left to the read that it also wakes.
 * 3. A reply that nng has queued in a connection has no time-out, and pins its memory as long as the client likes.
 *    nng_guard_end_unread ends such connections.
 * 4. The queue of connections that are not accepted yet is short. Here it is GUARD_BACKLOG. */
#ifndef MUSTER_NET_NNG_GUARD_H
#define MUSTER_NET_NNG_GUARD_H

#include <stddef.h>
#include <stdint.h>

enum { GUARD_BACKLOG = 1024 };

/* Begins to guard descriptors below `files`; others are as nng makes them. Before the first socket is opened. Without
 * it, or if memory is short, only 1 and 4 are done. */
void nng_guard_start(size_t files);

/* Ends the connections whose current write began more than age_ms ago. Returns how many. Thread-safe. */
size_t nng_guard_end_unread(uint64_t age_ms);

#endif
