/* The worlds of replica and roll; see runner.h for what the program can be asked. */
#include "sim_main.h"

#include "restarts.h"
#include "runner.h"
#include "verdict.h"
#include "world.h"

#include <inttypes.h>

enum { SEEDS_USUAL = 2000 };

static unsigned restarts; /* of a node, in every world */

static void run(void *context, uint64_t seed, bool is_large, enum detail detail) {
    struct world *world = context;
    world->transcript.is_verbose = detail != DETAIL_NONE;
    world->trace = (struct trace){.is_on = detail == DETAIL_TRACE};
    world_begin(world, seed, is_large);
    if (restarts > 0) {
        restarts_plan(world);
        restarts_run(world, restarts);
    }
    verdict_run(world);
}

static const char *failed(const void *context, const char **failure) {
    const struct world *world = context;
    *failure = world->failure;
    return world->has_failed ? world->failed_check : NULL;
}

static void count(const void *context, uint64_t figures[RUNNER_FIGURES]) {
    const struct world *world = context;
    figures[0] = world->oracle.beats;
    figures[1] = world->oracle.adopted;
    figures[2] = world->oracle.looks;
}

static void print(void *context, FILE *out) {
    struct world *world = context;
    plan_print(&world->plan, out);
    fprintf(out, "at %" PRIu64 " ms; the last events:\n", world->now_ms);
    transcript_print(&world->transcript, out);
    fputs("\nthe views:\n", out);
    verdict_print_views(world, out);
}

static void end(void *context) {
    world_end(context);
}

static void close(void *context) {
    struct world *world = context;
    event_queue_free(&world->event_queue);
}

int sim_restarts_main(int argc, char **argv, unsigned times) {
    restarts = times;
    return sim_main(argc, argv);
}

int sim_main(int argc, char **argv) {
    static const struct simulation simulation = {.program = "sim_test",
                                                 .figures = {"acknowledged beats", "adopted beats", "looks at a node"},
                                                 .world_bytes = sizeof(struct world),
                                                 .run = run,
                                                 .failed = failed,
                                                 .count = count,
                                                 .print = print,
                                                 .end = end,
                                                 .close = close};
    names_make();
    return runner_main(&simulation, SEEDS_USUAL, argc, argv);
}
