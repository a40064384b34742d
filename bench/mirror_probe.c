/* Measures a mirror: mirrors the default scope of a node, and looks up random users of 0..N - 1 whose names are
 * prepared. As the floor it reads random words of a table of the smallest size that could hold as many users. Prints
 * one JSON object; exits with 1 and a message if the run failed. */
#include "connection.h"
#include "load/histogram.h"
#include "muster/muster.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BLOCK = 1024, /* names that are prepared, then looked up: they stay in the cache */
    PATIENCE_MS = 120000,
    THREADS_MAX = 16,
    HUGE_PAGE_BYTES = 2 << 20,
};

static const char usage[] = "usage: mirror_probe --at URL --users N [--seconds S] [--threads N] [--absent]\n"
                            "       --absent: asks for users that nobody ever touched\n";

struct reader {
    const struct muster_mirror *mirror;
    struct work work;
    struct user_choice choice;
    double seconds;
    uint64_t asked, live;
    struct histogram blocks; /* ns per BLOCK look-ups */
    struct histogram floor;  /* ns per BLOCK reads */
    const uint64_t *words;
    uint64_t words_mask;
    pthread_t thread;
};

/* Reads one word per name, at an index computed from the name. Returns the sum, so that the compiler keeps the reads.
 */
static uint64_t read_words(struct reader *reader, char names[BLOCK][USER_BYTES + 1]) {
    uint64_t places[BLOCK], sum = 0;
    for (int i = 0; i < BLOCK; i++) {
        uint64_t digits;
        memcpy(&digits, names[i] + USER_BYTES - sizeof digits, sizeof digits);
        places[i] = ((digits ^ digits >> 28) * 0x9e3779b97f4a7c15) >> 20 & reader->words_mask;
    }
    uint64_t begun = now_ns();
    for (int i = 0; i < BLOCK; i++) sum += reader->words[(places[i] + sum) & reader->words_mask];
    histogram_record(&reader->floor, now_ns() - begun);
    return sum;
}

static void *read_mirror(void *arg) {
    struct reader *reader = arg;
    static _Thread_local char names[BLOCK][USER_BYTES + 1];
    uint64_t end_ns = now_ns() + (uint64_t)(reader->seconds * 1e9);
    while (now_ns() < end_ns) {
        uint64_t live = 0;
        for (int i = 0; i < BLOCK; i++) work_next_user(&reader->work, &reader->choice, (uint8_t *)names[i]);
        uint64_t begun = now_ns();
        for (int i = 0; i < BLOCK; i++) live += muster_mirror_is_live(reader->mirror, names[i]);
        histogram_record(&reader->blocks, now_ns() - begun);
        reader->asked += BLOCK;
        reader->live += live + read_words(reader, names);
    }
    return NULL;
}

/* A zeroed table of at least 1.5 words per user, on huge pages if the system has them. */
static const uint64_t *words_new(uint64_t users, uint64_t *mask) {
    uint64_t count = HUGE_PAGE_BYTES / sizeof(uint64_t);
    while (count < users / 2 * 3) count *= 2;
    uint64_t *words = aligned_alloc(HUGE_PAGE_BYTES, count * sizeof *words);
    if (words == NULL) die("memory is short");
    madvise(words, count * sizeof *words, MADV_HUGEPAGE);
    memset(words, 0, count * sizeof *words);
    *mask = count - 1;
    return words;
}

static uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%*u %llu", &pages) != 1) die("/proc/self/statm");
    fclose(statm);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void on_trouble(void *arg, const struct muster_error *error) {
    (void)arg;
    die(error->message);
}

static struct muster_mirror *mirror_open(const char *address, struct muster_client **client) {
    const char *const urls[] = {address};
    const struct muster_options to = {.addresses = urls, .address_count = 1};
    const struct muster_mirror_options options = {.callbacks = {.trouble = on_trouble}};
    struct muster_error error;
    struct muster_mirror *mirror;
    if (muster_open(&to, client, &error) != MUSTER_OK ||
        muster_mirror_open(*client, &options, &mirror, &error) != MUSTER_OK)
        die(error.message);
    if (!muster_mirror_wait(mirror, PATIENCE_MS)) die("the mirror did not become whole");
    return mirror;
}

static double ns_each(const struct histogram *blocks, double percent) {
    return (double)histogram_percentile(blocks, percent) / BLOCK;
}

static void run_readers(struct reader *readers, uint32_t threads) {
    for (uint32_t i = 0; i < threads; i++)
        if (pthread_create(&readers[i].thread, NULL, read_mirror, &readers[i]) != 0) die("threads are short");
    for (uint32_t i = 0; i < threads; i++) pthread_join(readers[i].thread, NULL);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"at", required_argument, NULL, 'a'},      {"users", required_argument, NULL, 'u'},
        {"seconds", required_argument, NULL, 's'}, {"threads", required_argument, NULL, 't'},
        {"absent", no_argument, NULL, 'n'},        {NULL, 0, NULL, 0}};
    static struct reader readers[THREADS_MAX];
    const char *at = NULL;
    uint64_t users = 0, first = 0;
    uint32_t threads = 1;
    double seconds = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'a') at = optarg;
        if (option == 'u') users = strtoull(optarg, NULL, 10);
        if (option == 's') seconds = strtod(optarg, NULL);
        if (option == 't') threads = (uint32_t)strtoul(optarg, NULL, 10);
        if (option == 'n') first = UINT64_C(900000000000);
    }
    if (at == NULL || users == 0 || threads == 0 || threads > THREADS_MAX) die(usage);
    uint64_t begun = now_ns(), before = resident_bytes();
    struct muster_client *client;
    struct muster_mirror *mirror = mirror_open(at, &client);
    double synced_s = (double)(now_ns() - begun) / 1e9;
    double bytes_a_user = (double)(resident_bytes() - before) / (double)users;
    uint64_t mask;
    const uint64_t *words = words_new(users, &mask);
    for (uint32_t i = 0; i < threads; i++)
        readers[i] = (struct reader){.mirror = mirror,
                                     .seconds = seconds,
                                     .work = {.first = first, .users = users},
                                     .choice = {.random = i + 1},
                                     .words = words,
                                     .words_mask = mask};
    run_readers(readers, threads);
    printf("{\"users\":%llu,\"threads\":%u,\"mirrored\":%zu,\"synced_s\":%.3f,\"bytes_a_user\":%.1f,",
           (unsigned long long)users, threads, muster_mirror_count(mirror), synced_s, bytes_a_user);
    printf(
        "\"asked\":%llu,\"live\":%llu,\"staleness_ms\":%llu,\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"floor_p50_ns\":%.1f}\n",
        (unsigned long long)readers[0].asked, (unsigned long long)readers[0].live,
        (unsigned long long)muster_mirror_staleness_ms(mirror), ns_each(&readers[0].blocks, 50),
        ns_each(&readers[0].blocks, 99), ns_each(&readers[0].floor, 50));
    muster_mirror_close(mirror);
    muster_close(client);
    return 0;
}
