/* The version vector: for each origin the sequence up to which the effect of all its beats, or something newer, is
 * here; and what is here beyond that. */
#ifndef MUSTER_CLUSTER_VECTOR_H
#define MUSTER_CLUSTER_VECTOR_H

#include "core/roll.h"

struct vector_entry {
    uint64_t origin, sequence;
    uint64_t
        unconfirmed; /* the last register beyond `sequence` that is here, and that no other node may have; 0: none */
    uint64_t idle_since_ms; /* since when no register has its label, and no peer is it; 0: not so */
    uint64_t registers;     /* with its label, as of the last vector_age */
    bool is_present;        /* this node's, or a peer's, as of the last vector_age */
    uint64_t changed;       /* the version of the vector that tells of it as it is */
};

/* Ascending by origin. Begin with {0}. */
struct vector {
    struct vector_entry entries[ROLL_ORIGINS_MAX];
    size_t count;
    uint64_t version; /* counts what was told to peers: see vector_next_version */
};

uint64_t vector_sequence(const struct vector *vector, uint64_t origin);
/* Raises the sequence of an origin; never lowers it. A full vector lets go of an origin that is gone: an idle one, else
 * the one with the fewest registers, which peers send again. false: none is gone. */
bool vector_raise(struct vector *vector, uint64_t origin, uint64_t sequence);
/* A register beyond the vector was merged. */
void vector_note_unconfirmed(struct vector *vector, uint64_t origin, uint64_t sequence);
bool vector_has_unconfirmed(const struct vector *vector);
bool vector_entry_is_unconfirmed(const struct vector_entry *entry);
/* The entries, at most `limit`, ascending. is_offer: those alone of which this node has anything to give, not the idle
 * ones; else all that it has no need to be given. since: only what has changed after that version; 0: all. */
size_t vector_list(const struct vector *vector, bool is_offer, uint64_t since, struct known *out, size_t limit);
/* What changes from now on is of the next version. Returns this one. */
uint64_t vector_next_version(struct vector *vector);

/* Notes who is gone and what is idle, and forgets what has been idle for longer than forget_ms; in a vector of more
 * than `crowded` entries, for longer than VECTOR_CROWDED_IDLE_MS. is_present: whether an origin is a peer's, or this
 * node's. About each second. */
enum { VECTOR_CROWDED_IDLE_MS = 10000 };
void vector_age(struct vector *vector, const struct roll *roll, uint64_t now_ms, uint64_t forget_ms, size_t crowded,
                bool (*is_present)(const void *context, uint64_t origin), const void *context);

#endif
