/* Runs simulated worlds: sim_test [--seed N | --seeds FROM..TO] [--jobs N] [--expect CHECK] [--large] [--verbose]
 *
 * Without --expect: all worlds must hold; the first that does not is printed, with what replays it.
 * With --expect: at least one of the worlds must fail the named check, as a planted fault should make it.
 * With --large: all worlds have many users. */
#include "sim_main.h"

#include "verdict.h"
#include "world.h"

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
    uint64_t first, last;
    unsigned jobs;
    const char *expect;
    bool is_verbose, is_large;
};

/* What the jobs share. */
struct progress {
    _Atomic uint64_t next; /* seed */
    _Atomic uint64_t worlds, beats, relays, looks;
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

static void print_failure(struct world *world) {
    printf("\nseed %" PRIu64 " fails the check \"%s\" at %" PRIu64 " ms:\n%s\n\n", world->seed, world->failed_check,
           world->now_ms, world->failure);
    plan_print(&world->plan, stdout);
    printf("\nthe last events:\n");
    transcript_print(&world->transcript, stdout);
    printf("\nthe views:\n");
    verdict_print_views(world, stdout);
    printf("\nseed %" PRIu64 " fails the check \"%s\": %s\nreplay it with: sim_test --seed %" PRIu64 " --verbose\n",
           world->seed, world->failed_check, world->failure, world->seed);
    fflush(stdout);
}

/* Whether the run goes on. */
static bool run_seed(struct world *world, uint64_t seed, const struct run *run, struct progress *progress) {
    nonces = random_of(seed ^ UINT64_C(0x6e6f6e636573));
    world->transcript.is_verbose = run->is_verbose;
    world_begin(world, seed, run->is_large);
    verdict_run(world);
    progress->worlds++;
    progress->beats += world->oracle.beats;
    progress->relays += world->oracle.relays;
    progress->looks += world->oracle.looks;
    bool is_expected = world->has_failed && run->expect != NULL && strcmp(run->expect, world->failed_check) == 0;
    bool goes_on = run->expect != NULL ? !is_expected : !world->has_failed;
    if (is_expected && !progress->is_over)
        printf("seed %" PRIu64 " fails the check \"%s\", as it should: %s\n", seed, run->expect, world->failure);
    else if (!goes_on && !progress->is_over) print_failure(world);
    fflush(stdout);
    world_end(world);
    return goes_on;
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

static int work(const struct run *run, struct progress *progress, unsigned job) {
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL) return STATUS_FAILED;
    bool goes_on = true;
    while (goes_on && !progress->is_over) {
        uint64_t seed = progress->next++;
        if (seed > run->last) break;
        progress->seeds[job] = seed;
        goes_on = run_seed(world, seed, run, progress);
        if (!goes_on) progress->is_over = true;
    }
    agenda_free(&world->agenda);
    free(world);
    return goes_on ? 0 : STATUS_FAILED;
}

static int wait_for_jobs(struct progress *progress, const pid_t *pids, unsigned jobs) {
    int worst = 0;
    for (unsigned i = 0; i < jobs; i++) {
        int status;
        pid_t pid;
        while ((pid = wait(&status)) < 0 && errno == EINTR) {
        }
        if (WIFEXITED(status)) {
            if (WEXITSTATUS(status) > worst) worst = WEXITSTATUS(status);
            continue;
        }
        for (unsigned job = 0; job < jobs; job++)
            if (pids[job] == pid)
                printf("seed %" PRIu64 " ended by signal %d\nreplay it with: sim_test --seed %" PRIu64 " --verbose\n",
                       progress->seeds[job], WTERMSIG(status), progress->seeds[job]);
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
    return wait_for_jobs(progress, pids, run->jobs);
}

static int run_all(const struct run *run) {
    struct progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) return STATUS_USAGE;
    progress->next = run->first;
    int status = run->jobs == 1 ? work(run, progress, 0) : run_jobs(run, progress);
    printf("%" PRIu64 " worlds, %" PRIu64 " acknowledged beats, %" PRIu64 " relays, %" PRIu64 " looks at a node\n",
           (uint64_t)progress->worlds, (uint64_t)progress->beats, (uint64_t)progress->relays,
           (uint64_t)progress->looks);
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
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 's'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"expect", required_argument, NULL, 'e'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"large", no_argument, NULL, 'l'},
                                            {0}};
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
            run->is_verbose = true;
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

int sim_main(int argc, char **argv) {
    struct run run = {.first = 1, .last = random_number_from_environment("MUSTER_SIM_SEEDS", 2000), .jobs = 1};
    if (!read_options(argc, argv, &run)) {
        fputs("usage: sim_test [--seed N | --seeds FROM..TO] [--jobs N] [--expect CHECK] [--large] [--verbose]\n",
              stderr);
        return STATUS_USAGE;
    }
    names_make();
    randombytes_set_implementation(&seeded);
    if (sodium_init() < 0) return STATUS_USAGE;
    return run_all(&run);
}
