/* Measures how long a join takes to reach another node: joins a new user at one node, and asks the other in a tight
 * loop until the user is live. Timed from the answer to the join to the first positive answer; the round trip of that
 * request is included, for Muster and for Redis. Prints one JSON object; exits with 1 and a message if the run failed.
 */
#include "connection.h"
#include "load/histogram.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { PATIENCE_S = 20 };

static const char usage[] = "usage: spread_probe --to muster|redis --from URL --at URL [--samples N]\n";

struct tally {
    struct histogram times;
    uint64_t questions, at_once; /* at_once: samples whose first request found the user live */
};

static void sample_spread(struct connection *from, struct connection *at, uint64_t user, struct tally *tally) {
    (void)connection_ask(from, user);
    uint64_t start = now_ns(), questions = 0, end;
    do {
        bool is_live = connection_ask(at, user) > 0;
        end = now_ns();
        questions++;
        if (is_live) break;
        if (end - start > (uint64_t)PATIENCE_S * 1000000000) die("a user never came");
    } while (true);
    histogram_record(&tally->times, end - start);
    tally->questions += questions;
    if (questions == 1) tally->at_once++;
}

static double us_at(const struct tally *tally, double percent) {
    return (double)histogram_percentile(&tally->times, percent) / 1000;
}

static void print_tally(const char *to, const struct tally *tally) {
    printf("{\"to\":\"%s\",\"samples\":%llu,\"questions\":%llu,\"at_once\":%llu,", to,
           (unsigned long long)tally->times.count, (unsigned long long)tally->questions,
           (unsigned long long)tally->at_once);
    printf("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", us_at(tally, 50), us_at(tally, 90),
           us_at(tally, 99), (double)tally->times.max / 1000);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"to", required_argument, NULL, 't'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"at", required_argument, NULL, 'a'},
                                            {"samples", required_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    static struct tally tally;
    const struct protocol *protocol = NULL;
    const char *from_text = NULL, *at_text = NULL;
    uint64_t samples = 100;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 't') protocol = strcmp(optarg, "redis") == 0 ? &protocol_redis : &protocol_muster;
        if (option == 'f') from_text = optarg;
        if (option == 'a') at_text = optarg;
        if (option == 'n') samples = strtoull(optarg, NULL, 10);
    }
    if (protocol == NULL || from_text == NULL || at_text == NULL || samples == 0) die(usage);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    struct connection from = connection_open(protocol, from_text, WORK_TOUCH),
                      at = connection_open(protocol, at_text, WORK_LIVE);
    /* Start at a number derived from the clock: the users are new to the server. */
    uint64_t first = UINT64_C(500000000000) + now_ns() / 1000 % UINT64_C(400000000000);
    for (uint64_t i = 0; i < samples; i++) {
        sample_spread(&from, &at, first + i, &tally);
        pause_unevenly(i);
    }
    print_tally(protocol->name, &tally);
    close(from.fd);
    close(at.fd);
    return 0;
}
