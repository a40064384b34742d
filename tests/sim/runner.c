#include "runner.h"

#include "support/random.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, STATUS_FAILED = 1, STATUS_USAGE = 2 };

struct run {
    const struct simulation *simulation;
    uint64_t first, last;
    unsigned jobs;
    const char *expect;
    bool is_large;
    enum detail detail;
};

/* What the jobs share. */
struct progress {
    _Atomic uint64_t next; /* seed */
    _Atomic uint64_t worlds, figures[RUNNER_FIGURES];
    _Atomic bool is_over;
    uint64_t seeds[JOBS_MAX]; /* that each job is at */
};

/* ---- randomness ------------------------------------------------------------------------------------------------ */

/* Nonces come from libsodium: here they must be the same at each run of a seed. */
static struct random nonces;

static const char *nonces_name(void) {
    return "of the seed";
}

static uint32_t nonces_next(void) {
    return (uint32_t)random_next(&nonces);
}

static void nonces_fill(void *const out, const size_t len) {
    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (uint8_t)random_next(&nonces);
}

static struct randombytes_implementation seeded = {
    .implementation_name = nonces_name, .random = nonces_next, .buf = nonces_fill};

/* ---- one world ------------------------------------------------------------------------------------------------- */

static void print_failure(const struct run *run, void *world, uint64_t seed) {
    const char *failure, *check = run->simulation->failed(world, &failure);
    printf("\nseed %" PRIu64 " fails the check \"%s\":\n%s\n\n", seed, check, failure);
    run->simulation->print(world, stdout);
    printf("\nseed %" PRIu64 " fails the check \"%s\": %s\nreplay it with: %s --seed %" PRIu64 " --trace\n", seed,
           check, failure, run->simulation->program, seed);
    fflush(stdout);
}

/* Whether the run goes on. */
static bool run_seed(void *world, uint64_t seed, const struct run *run, struct progress *progress) {
    const struct simulation *simulation = run->simulation;
    nonces = random_of(seed ^ UINT64_C(0x6e6f6e636573));
    simulation->run(world, seed, run->is_large, run->detail);
    uint64_t figures[RUNNER_FIGURES] = {0};
    simulation->count(world, figures);
    progress->worlds++;
    for (int i = 0; i < RUNNER_FIGURES; i++) progress->figures[i] += figures[i];
    const char *failure = NULL, *check = simulation->failed(world, &failure);
    bool is_expected = check != NULL && run->expect != NULL && strcmp(run->expect, check) == 0;
    bool goes_on = run->expect != NULL ? !is_expected : check == NULL;
    if (is_expected && !progress->is_over)
        printf("seed %" PRIu64 " fails the check \"%s\", as it should: %s\n", seed, run->expect, failure);
    else if (!goes_on && !progress->is_over) print_failure(run, world, seed);
    fflush(stdout);
    simulation->end(world);
    return goes_on;
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

static int work(const struct run *run, struct progress *progress, unsigned job) {
    void *world = calloc(1, run->simulation->world_bytes);
    if (world == NULL) return STATUS_FAILED;
    bool goes_on = true;
    while (goes_on && !progress->is_over) {
        uint64_t seed = progress->next++;
        if (seed > run->last) break;
        progress->seeds[job] = seed;
        goes_on = run_seed(world, seed, run, progress);
        if (!goes_on) progress->is_over = true;
    }
    run->simulation->close(world);
    free(world);
    return goes_on ? 0 : STATUS_FAILED;
}

static int wait_for_jobs(const struct run *run, struct progress *progress, const pid_t *pids) {
    int worst = 0;
    for (unsigned i = 0; i < run->jobs; i++) {
        int status;
        pid_t pid;
        while ((pid = wait(&status)) < 0 && errno == EINTR) {
        }
        if (WIFEXITED(status)) {
            if (WEXITSTATUS(status) > worst) worst = WEXITSTATUS(status);
            continue;
        }
        for (unsigned job = 0; job < run->jobs; job++)
            if (pids[job] == pid)
                printf("seed %" PRIu64 " ended by signal %d\nreplay it with: %s --seed %" PRIu64 " --trace\n",
                       progress->seeds[job], WTERMSIG(status), run->simulation->program, progress->seeds[job]);
        progress->is_over = true;
        worst = STATUS_USAGE;
    }
    return worst;
}

static int run_jobs(const struct run *run, struct progress *progress) {
    pid_t pids[JOBS_MAX];
    fflush(stdout);
    for (unsigned job = 0; job < run->jobs; job++) {
        if ((pids[job] = fork()) == 0) {
            int status = work(run, progress, job);
            fflush(stdout);
            _exit(status);
        }
        if (pids[job] < 0) {
            perror("fork");
            return STATUS_USAGE;
        }
    }
    return wait_for_jobs(run, progress, pids);
}

static int run_all(const struct run *run) {
    struct progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) return STATUS_USAGE;
    progress->next = run->first;
    int status = run->jobs == 1 ? work(run, progress, 0) : run_jobs(run, progress);
    printf("%" PRIu64 " worlds", (uint64_t)progress->worlds);
    for (int i = 0; i < RUNNER_FIGURES; i++)
        printf(", %" PRIu64 " %s", (uint64_t)progress->figures[i], run->simulation->figures[i]);
    putchar('\n');
    munmap(progress, sizeof *progress);
    if (run->expect == NULL || status == STATUS_USAGE) return status;
    if (status == 0) printf("no world failed the check \"%s\"\n", run->expect);
    return status == STATUS_FAILED ? 0 : STATUS_FAILED;
}

/* ---- options --------------------------------------------------------------------------------------------------- */

static bool read_seeds(const char *text, struct run *run) {
    char *end;
    run->first = run->last = strtoull(text, &end, 0);
    if (end != text && strncmp(end, "..", 2) == 0) run->last = strtoull(end + 2, &end, 0);
    return end != text && *end == '\0' && run->first <= run->last;
}

static bool read_options(int argc, char **argv, struct run *run) {
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'}, {"expect", required_argument, NULL, 'e'},
        {"verbose", no_argument, NULL, 'v'},    {"trace", no_argument, NULL, 't'},
        {"large", no_argument, NULL, 'l'},      {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            if (!read_seeds(optarg, run)) return false;
            break;
        case 'j':
            run->jobs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            run->expect = optarg;
            break;
        case 'v':
            run->detail = DETAIL_VERBOSE;
            break;
        case 't':
            run->detail = DETAIL_TRACE;
            break;
        case 'l':
            run->is_large = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && run->jobs >= 1 && run->jobs <= JOBS_MAX;
}

int runner_main(const struct simulation *simulation, uint64_t seeds, int argc, char **argv) {
    struct run run = {.simulation = simulation,
                      .first = 1,
                      .last = random_number_from_environment("MUSTER_SIM_SEEDS", seeds),
                      .jobs = 1};
    if (!read_options(argc, argv, &run)) {
        fprintf(stderr,
                "usage: %s [--seed N | --seeds FROM..TO] [--jobs N] [--expect CHECK] [--large] [--verbose | --trace]\n",
                simulation->program);
        return STATUS_USAGE;
    }
    randombytes_set_implementation(&seeded);
    if (sodium_init() < 0) return STATUS_USAGE;
    return run_all(&run);
}
