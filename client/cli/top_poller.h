/* Asks the nodes for what `muster top` shows, again and again, on a thread of its own: a node that is slow holds up no
 * key. */
#ifndef MUSTER_CLI_TOP_POLLER_H
#define MUSTER_CLI_TOP_POLLER_H

#include "top_sample.h"

#include <stdbool.h>
#include <stdint.h>

struct poller;

enum { POLLER_TROUBLE_BYTES = MUSTER_ERROR_BYTES_MAX + 64 };

/* Begins to ask, each round so long after the one before began, or at once where that took longer. client: outlives the
 * poller. Ends the program where threads, memory or file descriptors are short. */
struct poller *poller_new(struct muster_client *client, uint32_t interval_ms);

/* Ends it and frees. false: the thread still waits for a node after grace_ms: nothing is freed, and the program is to
 * end without closing the client. */
bool poller_stop(struct poller *poller, uint32_t grace_ms);

/* Readable where poller_take has news; it takes them. */
int poller_descriptor(const struct poller *poller);

/* The scope to ask for in detail; NULL: none. Where there is one, it asks at once. */
void poller_set_detail(struct poller *poller, const char *scope);

/* The newest sample since the last call, not finished, for the caller to free; NULL: there is none. trouble: why the
 * last round failed, empty where it did not. */
struct sample *poller_take(struct poller *poller, char trouble[POLLER_TROUBLE_BYTES]);

#endif
