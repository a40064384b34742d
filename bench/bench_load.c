/* The load generator of scripts/bench: `muster bench` for Redis and an echo server too. Prints one JSON object; exits
 * with 1 and a message if the run failed. */
#include "load/load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 60000 };

static const char usage[] =
    "usage: bench_load --protocol muster|redis|echo --to tcp://HOST:PORT --work touch|live|list|counts|ping|echo\n"
    "         [--connections N] [--in-flight N] [--batch N] [--first N] [--users N] [--sequential]\n"
    "         [--requests N] [--seconds S] [--rate REQUESTS_PER_S] [--ttl-ms N] [--window-ms N]... [--seed N]\n";

static const struct option options[] = {
    {"protocol", required_argument, NULL, 'p'},  {"to", required_argument, NULL, 't'},
    {"work", required_argument, NULL, 'w'},      {"connections", required_argument, NULL, 'c'},
    {"in-flight", required_argument, NULL, 'f'}, {"batch", required_argument, NULL, 'b'},
    {"first", required_argument, NULL, 'i'},     {"users", required_argument, NULL, 'u'},
    {"sequential", no_argument, NULL, 'q'},      {"requests", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 's'},   {"rate", required_argument, NULL, 'r'},
    {"ttl-ms", required_argument, NULL, 'l'},    {"window-ms", required_argument, NULL, 'm'},
    {"seed", required_argument, NULL, 'd'},      {NULL, 0, NULL, 0},
};

static void die_usage(const char *what) {
    fprintf(stderr, "bench_load: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number_of(const char *text, uint64_t least, uint64_t most) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != 0 || value < least || value > most) die_usage(text);
    return value;
}

static const char *const work_names[] = {[WORK_TOUCH] = "touch",   [WORK_LIVE] = "live", [WORK_LIST] = "list",
                                         [WORK_COUNTS] = "counts", [WORK_PING] = "ping", [WORK_ECHO] = "echo"};

static enum work_kind work_of(const char *name) {
    for (int i = WORK_TOUCH; i <= WORK_ECHO; i++)
        if (strcmp(name, work_names[i]) == 0) return (enum work_kind)i;
    die_usage(name);
    return WORK_TOUCH;
}

static void window_add(struct work *work, uint64_t window_ms) {
    if (work->window_count == MUSTER_WINDOWS_MAX) die_usage("too many windows");
    work->windows_ms[work->window_count++] = window_ms;
}

static void read_load_option(struct load_plan *plan, int option, const char *value) {
    struct work *work = &plan->work;
    switch (option) {
    case 'p':
        plan->protocol = protocol_named(value);
        if (plan->protocol == NULL) die_usage(value);
        break;
    case 't':
        plan->address = value;
        break;
    case 'w':
        work->kind = work_of(value);
        break;
    case 'c':
        plan->connections = (uint32_t)number_of(value, 1, LOAD_CONNECTIONS_MAX);
        break;
    case 'f':
        plan->in_flight = (uint32_t)number_of(value, 1, LOAD_IN_FLIGHT_MAX);
        break;
    case 'b':
        work->batch = (uint32_t)number_of(value, 1, MUSTER_BEATS_MAX);
        break;
    case 'i':
        work->first = number_of(value, 0, USERS_MAX - 1);
        break;
    case 'u':
        work->users = number_of(value, 1, USERS_MAX - 1);
        break;
    case 'q':
        work->is_sequential = true;
        break;
    case 'n':
        plan->requests = number_of(value, 1, UINT64_MAX - 1);
        break;
    case 's':
        plan->duration_ms = (uint64_t)(strtod(value, NULL) * 1000);
        break;
    case 'r':
        plan->rate = strtod(value, NULL);
        break;
    case 'l':
        work->ttl_ms = (uint32_t)number_of(value, 1000, 86400000);
        break;
    case 'm':
        window_add(work, number_of(value, 1, UINT64_MAX - 1));
        break;
    case 'd':
        plan->seed = number_of(value, 0, UINT64_MAX - 1);
        break;
    default:
        die_usage("an unknown option");
    }
}

static double us_of_ns(uint64_t ns) {
    return (double)ns / 1000;
}

static void print_result(const struct load_plan *plan, const struct load_result *result) {
    const struct histogram *latency = &result->latency;
    const struct work *work = &plan->work;
    bool has_batch = work->kind == WORK_TOUCH || work->kind == WORK_LIVE;
    uint64_t items = has_batch ? latency->count * work->batch : result->hits;
    printf("{\"to\":\"%s\",\"work\":\"%s\",\"connections\":%u,\"in_flight\":%u,\"batch\":%u,\"users\":%llu,",
           plan->protocol->name, work_names[work->kind], plan->connections, plan->in_flight, work->batch,
           (unsigned long long)work->users);
    printf("\"requests\":%llu,\"items\":%llu,\"hits\":%llu,\"unsent\":%llu,\"seconds\":%.6f,",
           (unsigned long long)latency->count, (unsigned long long)items, (unsigned long long)result->hits,
           (unsigned long long)result->unsent, result->seconds);
    printf("\"requests_per_s\":%.1f,\"items_per_s\":%.1f,", (double)latency->count / result->seconds,
           (double)items / result->seconds);
    printf("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
           us_of_ns(histogram_percentile(latency, 50)), us_of_ns(histogram_percentile(latency, 90)),
           us_of_ns(histogram_percentile(latency, 99)), us_of_ns(histogram_percentile(latency, 99.9)),
           us_of_ns(latency->max));
}

int main(int argc, char **argv) {
    static struct load_result result;
    struct load_plan plan = {.connections = 1, .in_flight = 1, .threads = 1, .timeout_ms = TIMEOUT_MS, .seed = 1};
    plan.work = (struct work){.batch = 1, .users = 1000000, .ttl_ms = 3600000};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        read_load_option(&plan, option, optarg);
    if (plan.protocol == NULL || plan.address == NULL || optind < argc)
        die_usage("--protocol and --to must be given, and options only");
    if (plan.requests == 0 && plan.duration_ms == 0) die_usage("one of --requests and --seconds must be given");
    if (plan.work.kind == WORK_COUNTS && plan.work.window_count == 0) die_usage("counts needs a --window-ms");
    if ((uint64_t)plan.connections * plan.in_flight > LOAD_SLOTS_MAX) die_usage("too many requests in flight");
    struct error error;
    if (load_run(&plan, NULL, NULL, &result, &error) != LOAD_DONE) {
        fprintf(stderr, "bench_load: %s: %s\n", plan.protocol->name, error.text);
        return 1;
    }
    print_result(&plan, &result);
    return 0;
}
