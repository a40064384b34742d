/* The version vector: for each origin the sequence up to which the effect of all its beats, or something newer, is
 * here; and what is here beyond that. */
#ifndef MUSTER_CLUSTER_VECTOR_H
#define MUSTER_CLUSTER_VECTOR_H

#include "core/roll.h"

struct vector_entry {
    uint64_t origin, sequence;
    uint64_t
        unconfirmed; /* the last register beyond `sequence` that is here, and that no other node may have; 0: none */
    uint64_t idle_since_ms; /* since when no member refers to the origin, and no peer is it; 0: not so */
};

/* Ascending by origin. Begin with {0}. */
struct vector {
    struct vector_entry entries[ROLL_ORIGINS_MAX];
    size_t count, looked; /* looked: where vector_age goes on */
};

uint64_t vector_sequence(const struct vector *vector, uint64_t origin);
/* Raises the sequence of an origin; never lowers it. false: there are too many origins. */
bool vector_raise(struct vector *vector, uint64_t origin, uint64_t sequence);
/* A register beyond the vector was merged. */
void vector_note_unconfirmed(struct vector *vector, uint64_t origin, uint64_t sequence);
bool vector_has_unconfirmed(const struct vector *vector);
bool vector_entry_is_unconfirmed(const struct vector_entry *entry);
/* The entries to be sent to peers; at most `limit`, ascending. Those that have been idle for `fade_ms` are left out. */
size_t vector_list(const struct vector *vector, uint64_t now_ms, uint64_t fade_ms, struct known *out, size_t limit);

/* Looks at a few entries, and forgets those that have been idle for longer than forget_ms. is_present: whether an
 * origin is a peer's, or this node's. */
void vector_age(struct vector *vector, struct roll *roll, uint64_t now_ms, uint64_t forget_ms,
                bool (*is_present)(const void *context, uint64_t origin), const void *context);

#endif
