/* Measures how long a change takes to reach a watching program: joins a new user at one node, while libmuster watches
 * at the same node or another. Timed from the answer to the join to the callback; a callback before the answer counts
 * as 0. The round trip of an echo is measured between the samples. Prints one JSON object; exits with 1 and a message
 * if the run failed. */
#include "connection.h"
#include "load/histogram.h"
#include "muster/muster.h"

#include <errno.h>
#include <getopt.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { PATIENCE_S = 20 };

static const char usage[] = "usage: watch_probe --touch URL --watch URL --echo URL [--samples N]\n";

/* Written by the callbacks, read by the main thread. */
struct news {
    sem_t synced, joined;
    _Atomic(uint64_t) awaited, joined_ns; /* joined_ns: when the awaited user joined */
};

struct tally {
    struct histogram from_answer, from_request, echo;
    uint64_t early; /* callbacks before the answer */
};

static void on_synced(void *arg) {
    struct news *news = arg;
    sem_post(&news->synced);
}

static void on_joined(void *arg, const struct muster_user *user) {
    struct news *news = arg;
    uint64_t now = now_ns();
    if (strlen(user->user) != USER_BYTES || strtoull(user->user + 5, NULL, 10) != atomic_load(&news->awaited)) return;
    atomic_store(&news->joined_ns, now);
    sem_post(&news->joined);
}

static void on_trouble(void *arg, const struct muster_error *error) {
    (void)arg;
    die(error->message);
}

static void await_semaphore(sem_t *what, const char *problem) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(what, &until) != 0)
        if (errno != EINTR) die(problem);
}

static struct muster_watch *watch_open(const char *address, struct news *news, struct muster_client **client) {
    const char *const urls[] = {address};
    const struct muster_options to = {.addresses = urls, .address_count = 1};
    const struct muster_watch_options options = {
        .callbacks = {.synced = on_synced, .joined = on_joined, .trouble = on_trouble}, .arg = news};
    struct muster_error error;
    struct muster_watch *watch;
    if (muster_open(&to, client, &error) != MUSTER_OK ||
        muster_watch_open(*client, &options, &watch, &error) != MUSTER_OK)
        die(error.message);
    await_semaphore(&news->synced, "the watch did not become whole");
    return watch;
}

static void sample_delay(struct connection *touch, struct connection *echo, struct news *news, uint64_t user,
                         struct tally *tally) {
    uint64_t begun = now_ns();
    (void)connection_ask(echo, user);
    histogram_record(&tally->echo, now_ns() - begun);
    pause_unevenly(user);
    atomic_store(&news->awaited, user);
    begun = now_ns();
    (void)connection_ask(touch, user);
    uint64_t answered = now_ns();
    await_semaphore(&news->joined, "a user never came");
    uint64_t joined = atomic_load(&news->joined_ns);
    histogram_record(&tally->from_request, joined - begun);
    histogram_record(&tally->from_answer, joined > answered ? joined - answered : 0);
    tally->early += joined <= answered;
}

static void print_times(const char *name, const struct histogram *times) {
    printf(",\"%s_p50_us\":%.1f,\"%s_p99_us\":%.1f,\"%s_max_us\":%.1f", name,
           (double)histogram_percentile(times, 50) / 1000, name, (double)histogram_percentile(times, 99) / 1000, name,
           (double)times->max / 1000);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"touch", required_argument, NULL, 't'},
                                            {"watch", required_argument, NULL, 'w'},
                                            {"echo", required_argument, NULL, 'e'},
                                            {"samples", required_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    static struct tally tally;
    static struct news news;
    const char *touch_text = NULL, *watch_text = NULL, *echo_text = NULL;
    uint64_t samples = 100;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 't') touch_text = optarg;
        if (option == 'w') watch_text = optarg;
        if (option == 'e') echo_text = optarg;
        if (option == 'n') samples = strtoull(optarg, NULL, 10);
    }
    if (touch_text == NULL || watch_text == NULL || echo_text == NULL || samples == 0) die(usage);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    struct connection touch = connection_open(&protocol_muster, touch_text, WORK_TOUCH);
    struct connection echo = connection_open(&protocol_echo, echo_text, WORK_TOUCH);
    struct muster_client *client;
    atomic_init(&news.awaited, UINT64_MAX);
    if (sem_init(&news.synced, 0, 0) != 0 || sem_init(&news.joined, 0, 0) != 0) die("sem_init");
    struct muster_watch *watch = watch_open(watch_text, &news, &client);
    (void)connection_ask(&echo, 0); /* the first answer on a connection takes longer */
    (void)connection_ask(&touch, 0);
    /* Start at a number derived from the clock: the users are new to the server. */
    uint64_t first = UINT64_C(500000000000) + now_ns() / 1000 % UINT64_C(400000000000);
    for (uint64_t i = 0; i < samples; i++) sample_delay(&touch, &echo, &news, first + i, &tally);
    muster_watch_close(watch);
    muster_close(client);
    printf("{\"samples\":%llu,\"early\":%llu", (unsigned long long)samples, (unsigned long long)tally.early);
    print_times("answer", &tally.from_answer);
    print_times("request", &tally.from_request);
    print_times("echo", &tally.echo);
    puts("}");
    return 0;
}
