/* Polls the nodes for what `muster top` shows, on its own thread, so that a slow node does not delay keys. */
#ifndef MUSTER_CLI_TOP_POLLER_H
#define MUSTER_CLI_TOP_POLLER_H

#include "top_sample.h"

#include <stdbool.h>
#include <stdint.h>

struct poller;

enum { POLLER_TROUBLE_BYTES = MUSTER_ERROR_BYTES_MAX + 64 };

/* Starts polling; a round begins interval_ms after the one before began, or at once if that took longer. client:
 * outlives the poller. Ends the program if threads, memory or file descriptors are short. */
struct poller *poller_new(struct muster_client *client, uint32_t interval_ms);

/* Stops the thread and frees. false: the thread still waits for a node after grace_ms; nothing is freed, and the
 * program must exit without closing the client. */
bool poller_stop(struct poller *poller, uint32_t grace_ms);

/* Readable when poller_take has a result. */
int poller_descriptor(const struct poller *poller);

/* Sets the scope to poll in detail, which starts a round at once; NULL: none. */
void poller_set_detail(struct poller *poller, const char *scope);

/* The newest sample since the last call, before sample_finish; the caller frees it. NULL: there is none. trouble: why
 * the last round failed, or empty. */
struct sample *poller_take(struct poller *poller, char trouble[POLLER_TROUBLE_BYTES]);

#endif
