/* The worlds of watchers; see runner.h for what the program can be asked. */
#include "runner.h"
#include "stage.h"

enum { SEEDS_USUAL = 400 };

static void run(void *context, uint64_t seed, bool is_large, enum detail detail) {
    struct stage *stage = context;
    stage->transcript.is_verbose = detail != DETAIL_NONE;
    stage_begin(stage, seed, is_large);
    stage_run(stage);
}

static const char *failed(const void *context, const char **failure) {
    const struct stage *stage = context;
    *failure = stage->failure;
    return stage->failed_check;
}

static void count(const void *context, uint64_t figures[RUNNER_FIGURES]) {
    const struct stage *stage = context;
    figures[0] = stage->calls;
    figures[1] = stage->answers;
    figures[2] = stage->comparisons;
}

static void print(void *context, FILE *out) {
    stage_print(context, out);
}

static void end(void *context) {
    stage_end(context);
}

static void close(void *context) {
    stage_close(context);
}

int main(int argc, char **argv) {
    static const struct simulation simulation = {
        .program = "sim_watch",
        .figures = {"calls", "answers to watchers", "comparisons with List and Counts"},
        .world_bytes = sizeof(struct stage),
        .run = run,
        .failed = failed,
        .count = count,
        .print = print,
        .end = end,
        .close = close};
    return runner_main(&simulation, SEEDS_USUAL, argc, argv);
}
