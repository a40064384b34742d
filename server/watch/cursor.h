/* A cursor: what a watcher was sent so far, as bytes that it brings back. Good at this node alone, as long as it runs.
 *
 * Layout: format (1 byte), flags (1), incarnation of the node (8), and the fields in the order of the structure (8
 * each, big-endian), then a MAC (8), so that no cursor is from nowhere. */
#ifndef MUSTER_WATCH_CURSOR_H
#define MUSTER_WATCH_CURSOR_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { CURSOR_KEY_BYTES = 16, CURSOR_BYTES = 66 };

struct cursor_key {
    uint64_t incarnation;
    unsigned char bytes[CURSOR_KEY_BYTES];
};

/* How far the snapshot of a watcher is. */
enum cursor_phase {
    CURSOR_NEW,      /* it was sent nothing yet */
    CURSOR_SNAPSHOT, /* it was sent the users up to `hash` */
    CURSOR_WHOLE,    /* it was sent all; of a watch of counts: it was sent counts */
    CURSOR_PHASES
};

/* What the watcher was sent so far it knows as of version `base`. Where is_walking is set, it is being sent what
 * changed in (base, target], and was sent up to `at`. */
struct cursor {
    uint64_t selection; /* a digest of what is watched */
    uint64_t base;      /* of a watch of counts: a digest of them */
    uint64_t target;
    uint64_t at;       /* a version; of a watch of named users: how many of these */
    uint64_t hash;     /* in CURSOR_SNAPSHOT, else 0 */
    uint64_t paced_ms; /* when the last answer with changes was due */
    enum cursor_phase phase;
    bool is_walking;
    bool is_owed; /* the last answer had `more` set: the next comes at once, if only to say that it was all */
};

/* A new random key. */
struct cursor_key cursor_key_new(uint64_t incarnation);
void cursor_write(const struct cursor_key *key, const struct cursor *cursor, char out[CURSOR_BYTES]);
/* False: it was not written with this key; then *cursor is zero. Any bytes may be passed. */
bool cursor_read(const struct cursor_key *key, struct text bytes, struct cursor *cursor);

/* A digest of what is watched; users: in the order of their hashes. */
uint64_t cursor_selection(const struct cursor_key *key, struct text scope, const struct text *users, size_t count,
                          bool counts);
/* A digest of any bytes. */
uint64_t cursor_digest(const struct cursor_key *key, const void *bytes, size_t len);

#endif
