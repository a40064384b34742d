/* Asks the nodes for what `muster top` shows, again and again, on a thread of its own: a node that is slow holds up no
 * key. */
#ifndef MUSTER_CLI_TOP_ASKER_H
#define MUSTER_CLI_TOP_ASKER_H

#include "top_sample.h"

#include <stdbool.h>
#include <stdint.h>

struct asker;

enum { ASKER_TROUBLE_BYTES = MUSTER_ERROR_BYTES_MAX + 64 };

/* Begins to ask, each round so long after the one before began, or at once where that took longer. client: outlives the
 * asker. Ends the program where threads, memory or file descriptors are short. */
struct asker *asker_new(struct muster_client *client, uint32_t interval_ms);

/* Ends it and frees. false: the thread still waits for a node after grace_ms: nothing is freed, and the program is to
 * end without closing the client. */
bool asker_stop(struct asker *asker, uint32_t grace_ms);

/* Readable where asker_take has news; it takes them. */
int asker_descriptor(const struct asker *asker);

/* The scope to ask for in detail; NULL: none. Where there is one, it asks at once. */
void asker_set_detail(struct asker *asker, const char *scope);

/* The newest sample since the last call, not finished, for the caller to free; NULL: there is none. trouble: why the
 * last round failed, empty where it did not. */
struct sample *asker_take(struct asker *asker, char trouble[ASKER_TROUBLE_BYTES]);

#endif
