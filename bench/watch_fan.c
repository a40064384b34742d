/* Many watchers of one server, and the changes that they receive. scripts/bench writes orders to its standard input,
 * one per line, and reads a JSON object from its standard output when an order is carried out. Ends at the end of the
 * input; exits with 1 and a message if the run failed. */
#include "subscribers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char usage[] =
    "usage: watch_fan --to muster|redis --at URL [--connections N] [--watchers N] [--interval-ms N] [--users N]\n"
    "                 [--own-scopes]\n"
    "then, line by line:\n"
    "  watch                everybody watches; done when they know who is there, or are subscribed\n"
    "  change N RATE        N users change, RATE a second; done when everybody has received of all of it\n"
    "  live N               done when everybody knows N users to be live\n"
    "  rest SECONDS         listens for so long\n"
    "  connect N            opens N more connections, each of which asks once\n";

enum {
    LINE_BYTES_MAX = 100,
    PATIENCE_S = 120,
    CONNECTIONS_MAX = 10000,
    CHANGING_USERS_MAX = 10000000,
    WAIT_MS = 60000
};

static double ms_of_ns(uint64_t ns) {
    return (double)ns / 1e6;
}

static void print_report(struct subscribers *subscribers, const char *done, uint64_t begun_ns) {
    const struct reception_totals *received = &subscribers->received;
    printf("{\"done\":\"%s\",\"seconds\":%.3f,\"answers\":%llu,\"bytes\":%llu,\"changes_heard\":%llu,\"resyncs\":%llu,",
           done, (double)(now_ns() - begun_ns) / 1e9, (unsigned long long)received->answers,
           (unsigned long long)received->bytes, (unsigned long long)received->changes,
           (unsigned long long)received->resyncs);
    printf("\"changes_sent\":%llu,\"behind_ms\":%.1f,\"age_p50_ms\":%.1f,\"age_p99_ms\":%.1f,\"age_max_ms\":%.1f}\n",
           (unsigned long long)subscribers->publisher.sent, ms_of_ns(subscribers->publisher.behind_ns),
           ms_of_ns(histogram_percentile(&received->ages, 50)), ms_of_ns(histogram_percentile(&received->ages, 99)),
           ms_of_ns(received->ages.max));
    fflush(stdout);
    memset(&subscribers->received, 0, sizeof subscribers->received);
}

/* ---- orders ---- */

static void do_watch(struct subscribers *subscribers) {
    subscribers_aim(subscribers, GOAL_SYNCED, 0);
    subscribers_ask(subscribers);
    subscribers_listen(subscribers, PATIENCE_S);
}

static void do_change(struct subscribers *subscribers, uint64_t count, double rate) {
    static uint64_t runs;
    if (count == 0 || rate <= 0) die(usage);
    publisher_begin(&subscribers->publisher, count, rate);
    subscribers_aim(subscribers, GOAL_MARKED, ++runs);
    subscribers_listen(subscribers, PATIENCE_S);
}

static void do_live(struct subscribers *subscribers, uint64_t users) {
    subscribers_aim(subscribers, GOAL_LIVE, users);
    subscribers_listen(subscribers, PATIENCE_S);
}

static void do_connect(const struct subscribers *subscribers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct connection connection =
            connection_open(subscribers->plan.protocol->base, subscribers->plan.address, WORK_LIVE);
        (void)connection_ask(&connection, 0);
    }
}

static void do_order(struct subscribers *subscribers, const char *line) {
    char word[16] = "";
    double first = 0, second = 0;
    uint64_t begun_ns = now_ns();
    if (sscanf(line, "%15s %lf %lf", word, &first, &second) < 1) die(usage);
    if (strcmp(word, "watch") == 0) do_watch(subscribers);
    else if (strcmp(word, "change") == 0) do_change(subscribers, (uint64_t)first, second);
    else if (strcmp(word, "live") == 0) do_live(subscribers, (uint64_t)first);
    else if (strcmp(word, "rest") == 0) subscribers_rest(subscribers, (uint64_t)(first * 1e9));
    else if (strcmp(word, "connect") == 0) do_connect(subscribers, (uint32_t)first);
    else die(usage);
    print_report(subscribers, word, begun_ns);
}

/* Reads one order, receiving changes meanwhile. false: the end of the input. */
static bool read_order(struct subscribers *subscribers, char line[LINE_BYTES_MAX]) {
    size_t len = 0;
    subscribers_rest(subscribers, UINT64_MAX);
    for (ssize_t got = 1; len == 0 || line[len - 1] != '\n'; len += (size_t)got)
        if (len == LINE_BYTES_MAX - 1 || (got = read(STDIN_FILENO, line + len, LINE_BYTES_MAX - 1 - len)) <= 0)
            return false;
    line[len - 1] = 0;
    return true;
}

/* ---- the command line ---- */

static uint32_t number_of(const char *text, uint32_t most) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != 0 || value > most) die(usage);
    return (uint32_t)value;
}

static void read_fan_option(struct subscribers_plan *plan, int option, const char *value) {
    switch (option) {
    case 't':
        plan->protocol = strcmp(value, "redis") == 0 ? &subscribe_protocol_redis : &subscribe_protocol_muster;
        break;
    case 'a':
        plan->address = value;
        break;
    case 'c':
        plan->connections = number_of(value, CONNECTIONS_MAX);
        break;
    case 'w':
        plan->watchers_each = number_of(value, WATCHERS_EACH_MAX);
        break;
    case 'i':
        plan->watching.min_interval_ms = number_of(value, 60000);
        break;
    case 'u':
        plan->users = number_of(value, CHANGING_USERS_MAX);
        break;
    case 'o':
        plan->watching.has_own_scopes = true;
        break;
    default:
        die(usage);
    }
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},          {"at", required_argument, NULL, 'a'},
        {"connections", required_argument, NULL, 'c'}, {"watchers", required_argument, NULL, 'w'},
        {"interval-ms", required_argument, NULL, 'i'}, {"users", required_argument, NULL, 'u'},
        {"own-scopes", no_argument, NULL, 'o'},        {NULL, 0, NULL, 0}};
    static struct subscribers subscribers;
    struct subscribers_plan plan = {
        .connections = 1, .watchers_each = 1, .watching = {.max_wait_ms = WAIT_MS}, .users = 1000};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        read_fan_option(&plan, option, optarg);
    bool is_subscription = plan.protocol == &subscribe_protocol_redis;
    if (plan.protocol == NULL || plan.address == NULL || plan.connections == 0 || plan.watchers_each == 0 ||
        plan.users == 0 || (is_subscription && plan.watchers_each > 1))
        die(usage);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    uint64_t begun_ns = now_ns();
    subscribers_open(&subscribers, &plan);
    print_report(&subscribers, "open", begun_ns);
    for (char line[LINE_BYTES_MAX]; read_order(&subscribers, line);) do_order(&subscribers, line);
    return 0;
}
