/* A simulated world of watchers: whole nodes (server/rpc), a network between them, clients that touch and leave,
 * watchers at any node, and what breaks. One seed decides everything; time is virtual.
 *
 * Checks, by the names that a failure prints:
 *   rules      an answer breaks a rule of the contract: joins and leaves of a user alternate, no user comes twice in an
 *              answer, a row is in itself right (tests/support/watcher.h)
 *   knows      a watcher that is in sync, or waits, does not know exactly what its node answers to List or Counts
 *   resync     a cursor of another node was not answered by a resync, or one of this node was
 *   refused    a Watch is refused by a node that is ready
 *   late       a request waits for longer than it said
 *   ghost      a watcher shows somebody whose last lease is over, by more than ticks and delays explain (promise 1)
 *   flap       a watcher is told that a lease has ended that holds, and was given long before, where nodes only stand
 * still diverged   2 s and a pace after all has healed: nodes answer differently, or a watcher has not caught up */
#ifndef MUSTER_SIM_STAGE_H
#define MUSTER_SIM_STAGE_H

#include "host.h"
#include "leases.h"
#include "script.h"
#include "sim_watcher.h"
#include "transcript.h"
#include "wires.h"

struct stage {
    uint64_t seed, now_ms;
    struct random random;
    struct script script;
    struct event_queue event_queue;
    struct wires wires;
    struct host hosts[HOSTS_MAX];
    struct sim_watcher sim_watchers[SIM_WATCHERS_MAX];
    struct leases leases;
    struct worker *worker; /* kept from seed to seed */
    struct keyring *keyring;
    bool is_quiet;   /* nothing breaks any more */
    bool is_writing; /* clients still call */
    uint64_t calls, answers, comparisons;
    const char *failed_check; /* NULL: none */
    char failure[600];
    struct transcript transcript;
};

void stage_begin(struct stage *stage, uint64_t seed, bool is_large);
/* The whole of it: with faults, healed, quiet, until everybody is gone. */
void stage_run(struct stage *stage);
void stage_end(struct stage *stage);
void stage_close(struct stage *stage);
/* What everybody knows. */
void stage_print(struct stage *stage, FILE *out);

/* A check has failed: the first one counts. */
void stage_fail(struct stage *stage, const char *check, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define stage_note(stage, ...) transcript_add(&(stage)->transcript, (stage)->now_ms, __VA_ARGS__)

/* calls.c: a client calls at some node. */
void clients_step(struct stage *stage);
/* mishaps.c: something breaks. */
void mishaps_step(struct stage *stage);
/* All cuts heal, and whoever is down starts. */
void mishaps_end(struct stage *stage);
/* looks.c: all nodes and watchers are looked at. */
void look(struct stage *stage);
/* Those who wait know the truth, and nodes answer alike. */
void look_for_agreement(struct stage *stage);

#endif
