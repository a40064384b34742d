/* The load generator of scripts/bench. Prints one JSON object; exit status 1 and a sentence where the run failed. */
#include "engine.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: muster_load --to muster|redis|echo --port PORT --work touch|live|list|counts\n"
    "         [--host HOST] [--connections N] [--in-flight N] [--batch N] [--first N] [--users N] [--sequential]\n"
    "         [--requests N] [--seconds S] [--rate REQUESTS_PER_S] [--ttl-ms N] [--window-ms N]... [--seed N]\n";

static const struct option options[] = {
    {"to", required_argument, NULL, 't'},
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"work", required_argument, NULL, 'w'},
    {"connections", required_argument, NULL, 'c'},
    {"in-flight", required_argument, NULL, 'f'},
    {"batch", required_argument, NULL, 'b'},
    {"first", required_argument, NULL, 'i'},
    {"users", required_argument, NULL, 'u'},
    {"sequential", no_argument, NULL, 'q'},
    {"requests", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 's'},
    {"rate", required_argument, NULL, 'r'},
    {"ttl-ms", required_argument, NULL, 'l'},
    {"window-ms", required_argument, NULL, 'm'},
    {"seed", required_argument, NULL, 'd'},
    {NULL, 0, NULL, 0},
};

static void die(const char *what) {
    fprintf(stderr, "muster_load: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != 0 || value < least || value > most) die(text);
    return value;
}

static const struct protocol *protocol_of(const char *name) {
    static const struct protocol *const all[] = {&protocol_muster, &protocol_redis, &protocol_echo};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(name, all[i]->name) == 0) return all[i];
    die(name);
    return NULL;
}

static const char *const work_names[] = {
    [WORK_TOUCH] = "touch", [WORK_LIVE] = "live", [WORK_LIST] = "list", [WORK_COUNTS] = "counts"};

static enum work_kind work_of(const char *name) {
    for (int i = WORK_TOUCH; i <= WORK_COUNTS; i++)
        if (strcmp(name, work_names[i]) == 0) return (enum work_kind)i;
    die(name);
    return WORK_TOUCH;
}

static void window_add(struct work *work, uint64_t window_ms) {
    if (work->window_count == WINDOWS_MAX) die("too many windows");
    work->windows_ms[work->window_count++] = window_ms;
}

static void read_option(struct load *load, int option, const char *value) {
    struct work *work = &load->work;
    switch (option) {
    case 't':
        load->protocol = protocol_of(value);
        break;
    case 'h':
        load->host = value;
        break;
    case 'p':
        load->port = value;
        break;
    case 'w':
        work->kind = work_of(value);
        break;
    case 'c':
        load->connections = (uint32_t)number(value, 1, CONNECTIONS_MAX);
        break;
    case 'f':
        load->in_flight = (uint32_t)number(value, 1, IN_FLIGHT_MAX);
        break;
    case 'b':
        work->batch = (uint32_t)number(value, 1, BATCH_MAX);
        break;
    case 'i':
        work->first = number(value, 0, UINT64_C(999999999999));
        break;
    case 'u':
        work->users = number(value, 1, UINT64_C(999999999999));
        break;
    case 'q':
        work->is_sequential = true;
        break;
    case 'n':
        load->requests = number(value, 1, UINT64_MAX - 1);
        break;
    case 's':
        load->seconds = strtod(value, NULL);
        break;
    case 'r':
        load->rate = strtod(value, NULL);
        break;
    case 'l':
        work->ttl_ms = (uint32_t)number(value, 1000, 86400000);
        break;
    case 'm':
        window_add(work, number(value, 1, UINT64_MAX - 1));
        break;
    case 'd':
        work->random = number(value, 0, UINT64_MAX - 1);
        break;
    default:
        die("an unknown option");
    }
}

static double us(uint64_t ns) {
    return (double)ns / 1000;
}

static void print_result(const struct load *load, const struct result *result) {
    const struct histogram *latencies = &result->latencies;
    const struct work *work = &load->work;
    bool has_batch = work->kind == WORK_TOUCH || work->kind == WORK_LIVE;
    uint64_t items = has_batch ? result->requests * work->batch : result->hits;
    printf("{\"to\":\"%s\",\"work\":\"%s\",\"connections\":%u,\"in_flight\":%u,\"batch\":%u,\"users\":%llu,",
           load->protocol->name, work_names[work->kind], load->connections, load->in_flight, work->batch,
           (unsigned long long)work->users);
    printf("\"requests\":%llu,\"items\":%llu,\"hits\":%llu,\"seconds\":%.6f,", (unsigned long long)result->requests,
           (unsigned long long)items, (unsigned long long)result->hits, result->seconds);
    printf("\"requests_per_s\":%.1f,\"items_per_s\":%.1f,", (double)result->requests / result->seconds,
           (double)items / result->seconds);
    printf("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
           us(histogram_at(latencies, 0.5)), us(histogram_at(latencies, 0.9)), us(histogram_at(latencies, 0.99)),
           us(histogram_at(latencies, 0.999)), us(latencies->max_ns));
}

int main(int argc, char **argv) {
    static struct result result;
    struct load load = {.host = "127.0.0.1", .connections = 1, .in_flight = 1};
    load.work = (struct work){.batch = 1, .users = 1000000, .ttl_ms = 3600000, .random = 1};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) read_option(&load, option, optarg);
    if (load.protocol == NULL || load.port == NULL || optind < argc)
        die("--to and --port must be given, and options only");
    if (load.requests == 0 && load.seconds <= 0) die("one of --requests and --seconds must be given");
    if (load.work.kind == WORK_COUNTS && load.work.window_count == 0) die("counts needs a --window-ms");
    char problem[256];
    if (!engine_run(&load, &result, problem)) {
        fprintf(stderr, "muster_load: %s\n", problem);
        return 1;
    }
    print_result(&load, &result);
    return 0;
}
