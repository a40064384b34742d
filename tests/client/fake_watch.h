/* A node that answers Watch, and nothing else, from a script: an nng REP socket whose answers are made with protobuf-c.
 * A request waits until there is an answer for it. */
#ifndef MUSTER_TESTS_FAKE_WATCH_H
#define MUSTER_TESTS_FAKE_WATCH_H

#include "muster/muster.h"

#include <stdbool.h>
#include <stddef.h>

enum { FAKE_REQUEST_BYTES = 256 };

struct fake_watch;

/* Listens on url; ends the test program if it cannot. */
struct fake_watch *fake_watch_start(const char *url);
/* `node` may be NULL. */
void fake_watch_stop(struct fake_watch *node);

/* Adds an answer to the script: words with a space between.
 *   resync, more, nocursor, bigcursor, garbage
 *   counts:LIVE,JOINED
 *   =USER present, +USER joined, -USER left, ~USER updated, ?USER a kind that nobody knows; the name may be empty, and
 *     is followed by any of :N (the status, or the reason), *N (sessions), #N (last seen), /TEXT (a session's state)
 * The n-th answer of a node, from 1, has the cursor "PORT-n". */
void fake_watch_say(struct fake_watch *node, const char *script);
/* From now on every request, and whoever waits, is answered so; MUSTER_OK: by the script again. */
void fake_watch_refuse(struct fake_watch *node, enum muster_code code);

/* Other calls than Watch are answered so; UNIMPLEMENTED at first. */
void fake_watch_answer_calls(struct fake_watch *node, enum muster_code code);

bool fake_watch_is_connected(struct fake_watch *node);
/* Requests so far. */
size_t fake_watch_asked(struct fake_watch *node);
/* The n-th from 0, or the last where there are fewer: "scope=S cursor=C wait=N interval=N", then " users=A,B",
 * " counts" and " sessions" where set. */
void fake_watch_request(struct fake_watch *node, size_t n, char out[FAKE_REQUEST_BYTES]);

#endif
