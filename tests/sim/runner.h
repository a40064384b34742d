/* A program that runs simulated worlds, seed after seed:
 * PROGRAM [--seed N | --seeds FROM..TO] [--jobs N] [--expect CHECK] [--large] [--verbose | --trace]
 *
 * Without --expect: all worlds must hold; the first that does not is printed, with what replays it.
 * With --expect: at least one of the worlds must fail the named check, as a planted fault should make it.
 * With --large: all worlds have many users.
 * With --verbose: all that happens is printed, not only what led to a failure. With --trace: what messages hold, and
 * what nodes make of them, as well (trace.h). */
#ifndef MUSTER_SIM_RUNNER_H
#define MUSTER_SIM_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { RUNNER_FIGURES = 3 };

/* What is printed of a world while it runs. */
enum detail { DETAIL_NONE, DETAIL_VERBOSE, DETAIL_TRACE };

/* One kind of world. */
struct simulation {
    const char *program;
    const char *figures[RUNNER_FIGURES]; /* what is counted, besides worlds */
    size_t world_bytes;                  /* zeroed before the first seed, and used again for each */
    /* Runs a whole world. */
    void (*run)(void *world, uint64_t seed, bool is_large, enum detail detail);
    /* The name of the check that it failed, NULL if none; *failure says how. */
    const char *(*failed)(const void *world, const char **failure);
    void (*count)(const void *world, uint64_t figures[RUNNER_FIGURES]);
    /* What led to a failure, for people. */
    void (*print)(void *world, FILE *out);
    /* After each run. */
    void (*end)(void *world);
    /* After the last. */
    void (*close)(void *world);
};

/* libsodium's randomness is of the seed. Seeds are 1..MUSTER_SIM_SEEDS, or 1..seeds, unless the arguments name them. */
int runner_main(const struct simulation *simulation, uint64_t seeds, int argc, char **argv);

#endif
