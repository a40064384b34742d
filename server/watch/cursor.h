/* A cursor: up to where a watcher was told, as bytes that it carries back. Good at this node alone, as long as it runs.
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

/* The watcher knows the part of the scope that it was told of as of version `base`, but for a walk: where `is_walking`,
 * it is being told what changed in (base, target], and was told up to `at`. */
struct cursor {
    uint64_t selection; /* a digest of what is watched */
    uint64_t base;      /* of a watch of counts: a digest of them */
    uint64_t target;
    uint64_t at;       /* a version; where users are named, a hash */
    uint64_t hash;     /* of a snapshot: users up to this hash were told of */
    uint64_t paced_ms; /* when the last answer that told of changes was due */
    bool is_walking;
    bool is_whole;  /* the snapshot is over */
    bool is_placed; /* `hash` is set: the snapshot has begun */
    bool is_owed;   /* the answer said that there is more: the next comes at once, if only to say that it was all */
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
