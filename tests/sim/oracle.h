/* The oracle: knows every acknowledged call, when it was made in true time, and holds every node against that.
 *
 * Checks, by the names that a failure prints:
 *   invented   a node holds a register that nobody wrote, or one that differs from what was written
 *   ghost      a register seems fresher than it is, by more than the ticks and delays of the world explain (promise 1)
 *   early      a register seems older than it is
 *   invariant  a version vector covers a beat whose effect is not there, nor anything newer; or a register went back
 *   leave      the same of a leave: what it should have beaten is there (promise 5); after heal and quiet, a session
 *              that was stamped before a leave of all sessions is live
 *   reset      the same of a reset
 *   refresh    a refresh of a session that is not live has done something
 *   order      a beat is stamped before one that its node knew of already
 *   lost       after heal and quiet: an acknowledged beat is not everywhere (promise 2)
 *   killed     the same of one whose node was killed, though not before a flush, where all that is sent arrives
 *   diverged   after heal and quiet: nodes answer differently (promise 3)
 *   crowded    after heal and quiet: registers have the labels of more origins than a node should let them have
 *   late       a beat of a calm cluster is not everywhere in time (promise 2, "at once") */
#ifndef MUSTER_SIM_ORACLE_H
#define MUSTER_SIM_ORACLE_H

#include "core/roll.h"
#include "names.h"
#include "plan.h"

enum { ORIGINS_MAX = 8192, ORIGIN_SLOTS = 2 * ORIGINS_MAX };

struct world;
struct node;

/* What takes a sequence: an acknowledged beat or reset, or a register of another origin that a node makes its own
 * (roll_adopt): then it is a copy of what was acknowledged. */
struct acknowledged {
    uint64_t stamp, at_ms;     /* true time */
    uint64_t origin, sequence; /* which acknowledged it; an adoption has those of the original */
    bool is_reset, is_void;    /* is_void: an adoption that had become superfluous, or a beat that a later one of
                                * the same call has overwritten */
    bool is_news;              /* it is published at once; else it is a mere refresh */
    bool is_owed;              /* its node has ended, but stayed up for long enough: promise 2 holds for it */
    uint8_t status, state;
    uint16_t member; /* or scope, of a reset */
    uint32_t ttl_ms;
};

/* One incarnation of a node. */
struct origin_known {
    uint64_t id;
    unsigned node;
    uint64_t ended_ms;          /* UINT64_MAX: it lives */
    struct acknowledged *beats; /* [sequence - 1] */
    size_t count, capacity;
};

/* What orders a register: the stamp, then what it says. (A state orders as well; no check needs that.) */
struct version {
    uint64_t stamp;
    uint32_t ttl_ms;
    uint8_t status;
    uint64_t origin, sequence; /* its label, which orders nothing */
};

/* Where what was acknowledged stands. */
struct written {
    uint64_t key; /* of its register and stamp; 0: the slot is free */
    uint32_t origin;
    uint64_t sequence;
};

/* The last leave of all sessions of a user: what took the sequence, at which node. */
struct left_all {
    uint64_t stamp, sequence;
    size_t origin;
};

/* What is known of a node's present incarnation. */
struct watched {
    uint64_t checked[ORIGINS_MAX]; /* of each origin, up to where the invariant was checked */
    struct version held[MEMBERS], reset[SCOPES];
    int64_t lead_ms; /* by how much the stamps it knows of run ahead of true time */
};

struct oracle {
    struct origin_known origins[ORIGINS_MAX];
    size_t origin_count;
    uint16_t origin_slots[ORIGIN_SLOTS]; /* by id: the index + 1 */
    struct written *written;             /* what was acknowledged, by key; adoptions are not there */
    size_t written_count, written_capacity;
    struct watched watched[NODES_MAX];
    struct left_all left_all[SCOPES * USERS];
    uint64_t changed_ms[NODES_MAX]; /* when each node started or ended last */
    uint64_t slack_ms;
    uint64_t beats, adopted, looks;
};

void oracle_clear(struct oracle *oracle);
void oracle_node_started(struct world *world, const struct node *node);
void oracle_node_ended(struct world *world, const struct node *node);
/* Notes whether the node's roll has let members make room. */
void oracle_note_room(struct world *world, const struct node *node);

/* For how long a node has to stay up to have published news, with timers that are late, so that they arrive before a
 * successor is there: what arrives later is an earlier incarnation's, and is dropped. */
uint64_t oracle_flush_ms(const struct world *world);
/* A node has acknowledged n beats with one stamp; they took the sequences up to the roll's. A refresh comes with the
 * status and state that it has kept. is_news: they are published at once. */
void oracle_touched(struct world *world, const struct node *node, const struct beat *beats,
                    const struct beat_outcome *each, size_t n, uint64_t stamp, bool is_news);
/* A leave of all sessions was the last call that the node has acknowledged. */
void oracle_left_all(struct world *world, const struct node *node, struct text scope, struct text user);
void oracle_was_reset(struct world *world, const struct node *node, unsigned scope, uint64_t stamp);

/* After anything that may have made a node adopt registers. */
void oracle_learn_adopted(struct world *world, struct node *node);
/* After anything that may have moved a node's vector. */
void oracle_check_vector(struct world *world, struct node *node);
/* All registers of a node. */
void oracle_look(struct world *world, struct node *node);

bool version_is_before(struct version a, struct version b);
struct version version_of(const struct change *change);
struct version version_of_acknowledged(const struct acknowledged *beat);
/* An origin by its id; NULL if there is none. */
const struct origin_known *oracle_origin(const struct oracle *oracle, uint64_t id);
/* Whether the effect of a beat, or something newer, is at a node. *found: what is there; its stamp 0 if nothing is. */
bool oracle_has_effect(struct world *world, struct node *node, const struct origin_known *origin, uint64_t sequence,
                       struct version *found);
/* What the names of a beat are, for messages. */
const char *oracle_describe(const struct acknowledged *beat, char *out, size_t len);
/* What a node holds of a member; false: nothing. */
bool oracle_register(const struct node *node, unsigned member, struct change *out);
/* The stamp of what a node holds of a leave of all sessions of a member's user; 0: nothing. */
uint64_t oracle_leave_stamp(const struct node *node, unsigned member);

#endif
