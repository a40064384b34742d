/* What answers at an address that should be a peer's sync port or gossip port. The libraries that dial peers do not
 * tell: a connection to something else fails, and is tried again, for ever. */
#ifndef MUSTER_PEERS_PROBE_H
#define MUSTER_PEERS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROBE_TEXT_BYTES = 160,
    PROBE_CONNECT_MS = 1000, /* to connect to one address of a name */
    PROBE_ANSWER_MS = 500,   /* for each answer */
    PROBE_GREETING_BYTES = 8,
};

/* What is meant to answer. */
enum probe_kind { PROBE_SYNC, PROBE_GOSSIP };

/* What is wrong, by the first bytes that the other side sent: `len` up to PROBE_GREETING_BYTES of a connection that
 * sent no more. Any bytes may be passed. NULL: they are the greeting of a port of this kind (a port for calls greets as
 * a sync port does). */
const char *probe_describe(enum probe_kind kind, const uint8_t *bytes, size_t len, char out[PROBE_TEXT_BYTES]);

/* Connects to a tcp:// URL, shakes hands, sends a sync port a request without content, and writes what is wrong to
 * `out`, in words for people: at most one line, no full stop; empty: nothing is. Blocks: for a look-up of the name, and
 * some seconds. Any thread. */
void probe_address(enum probe_kind kind, const char *url, char out[PROBE_TEXT_BYTES]);

#endif
