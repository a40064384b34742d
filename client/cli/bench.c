#include "command.h"
#include "load/load.h"
#include "memory.h"
#include "progress.h"
#include "rows.h"
#include "values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_DEFAULT = 1,
    BATCH_DEFAULT = 1,
    LIST_BATCH_DEFAULT = MUSTER_PAGE_DEFAULT,
    USERS_DEFAULT = 1000000,
    DURATION_DEFAULT_MS = 5000,
    TTL_DEFAULT_MS = 60 * 60 * 1000, /* longer than a run: preloaded users stay live */
    TIMEOUT_DEFAULT_MS = 10000,
    PRELOAD_BATCH = 1000,
};
#define WINDOWS_DEFAULT "5m,1h,24h"
static char windows_default[] = WINDOWS_DEFAULT;

static const char *const call_names[] = {[WORK_TOUCH] = "touch",   [WORK_LIVE] = "live", [WORK_LIST] = "list",
                                         [WORK_COUNTS] = "counts", [WORK_PING] = "ping", [WORK_ECHO] = "echo"};

struct bench {
    struct command_input input;
    struct load_plan plan;
    struct windows windows;
    uint64_t warmup_ms;
    bool must_preload;
};

enum {
    OPTION_CALL = 1,
    OPTION_CONNECTIONS,
    OPTION_IN_FLIGHT,
    OPTION_BATCH,
    OPTION_USERS,
    OPTION_DURATION,
    OPTION_REQUESTS,
    OPTION_RATE,
    OPTION_WARMUP,
    OPTION_PRELOAD,
    OPTION_TTL,
    OPTION_WINDOW,
    OPTION_ORDER,
    OPTION_THREADS,
};

static const struct argp_option options[] = {
    {"call", OPTION_CALL, "CALL", 0,
     "Call to send: touch (default), live, list, counts, ping (a live of one user) or echo (40 bytes, for an echo "
     "server in place of a node)",
     0},
    {"connections", OPTION_CONNECTIONS, "C", 0, "Number of connections (default: 1)", 0},
    {"in-flight", OPTION_IN_FLIGHT, "F", 0, "Requests in flight per connection (default: 1)", 0},
    {"batch", OPTION_BATCH, "B", 0,
     "Beats per touch, users per live (default: 1), users per page of a list (default: 1000)", 0},
    {"users", OPTION_USERS, "U", 0, "Number of users, named from user:000000000000 (default: 1000000)", 0},
    {"order", OPTION_ORDER, "ORDER", 0, "Order of the users: random (default) or sequential", 0},
    {"preload", OPTION_PRELOAD, 0, 0, "Touch every user once before measuring", 0},
    {"ttl", OPTION_TTL, "D", 0, "TTL of all touches (default: 1h)", 0},
    {"window", OPTION_WINDOW, "D,...", 0, "Windows of counts (default: " WINDOWS_DEFAULT ")", 0},
    {"duration", OPTION_DURATION, "D", 0, "Duration of the measurement (default: 5s)", 0},
    {"requests", OPTION_REQUESTS, "N", 0, "Measure N requests instead of a duration", 0},
    {"warmup", OPTION_WARMUP, "D", 0, "Run the load for D before measuring", 0},
    {"rate", OPTION_RATE, "R", 0,
     "Send R requests per second in all; latency counts from when a request was due (default: send when the previous "
     "answer arrives)",
     0},
    {"threads", OPTION_THREADS, "T", 0, "Number of threads of the load generator (default: 1)", 0},
    {0},
};

static void set_call(struct bench *bench, const char *name, struct argp_state *state) {
    for (size_t call = 0; call < sizeof call_names / sizeof call_names[0]; call++) {
        if (strcmp(name, call_names[call]) != 0) continue;
        bench->plan.work.kind = (enum work_kind)call;
        return;
    }
    argp_error(state, "--call: '%s' is none of touch, live, list, counts, ping, echo", name);
}

static void set_order(struct bench *bench, const char *name, struct argp_state *state) {
    if (strcmp(name, "random") != 0 && strcmp(name, "sequential") != 0)
        argp_error(state, "--order: '%s' is none of random, sequential", name);
    bench->plan.work.is_sequential = strcmp(name, "sequential") == 0;
}

static void set_rate(struct bench *bench, const char *argument, struct argp_state *state) {
    char *end;
    bench->plan.rate = strtod(argument, &end);
    if (end == argument || *end != '\0' || !isfinite(bench->plan.rate) || bench->plan.rate <= 0)
        argp_error(state, "--rate: '%s' is not a number above 0", argument);
}

static void set_bench_windows(struct bench *bench, char *list, struct argp_state *state) {
    const char *piece;
    const enum windows_result result = windows_add(&bench->windows, list, &piece);
    if (result == WINDOWS_MALFORMED) argp_error(state, "--window: '%s' is not a duration such as 5m, 1h or 24h", piece);
    if (result == WINDOWS_TOO_MANY) argp_error(state, "--window: at most %d windows", (int)MUSTER_WINDOWS_MAX);
}

static error_t parse_size(int key, char *argument, struct argp_state *state) {
    struct load_plan *plan = &((struct bench *)state->input)->plan;
    switch (key) {
    case OPTION_CONNECTIONS:
        plan->connections = (uint32_t)command_number(state, "--connections", argument, 1, LOAD_CONNECTIONS_MAX);
        return 0;
    case OPTION_IN_FLIGHT:
        plan->in_flight = (uint32_t)command_number(state, "--in-flight", argument, 1, LOAD_IN_FLIGHT_MAX);
        return 0;
    case OPTION_BATCH:
        plan->work.batch = (uint32_t)command_number(state, "--batch", argument, 1, MUSTER_BEATS_MAX);
        return 0;
    case OPTION_USERS:
        plan->work.users = command_number(state, "--users", argument, 1, USERS_MAX);
        return 0;
    case OPTION_THREADS:
        plan->threads = (uint32_t)command_number(state, "--threads", argument, 1, LOAD_THREADS_MAX);
        return 0;
    case OPTION_REQUESTS:
        plan->requests = command_number(state, "--requests", argument, 1, UINT64_MAX / 2);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_bench(int key, char *argument, struct argp_state *state) {
    struct bench *bench = state->input;
    switch (key) {
    case OPTION_CALL:
        set_call(bench, argument, state);
        return 0;
    case OPTION_ORDER:
        set_order(bench, argument, state);
        return 0;
    case OPTION_RATE:
        set_rate(bench, argument, state);
        return 0;
    case OPTION_WINDOW:
        set_bench_windows(bench, argument, state);
        return 0;
    case OPTION_PRELOAD:
        bench->must_preload = true;
        return 0;
    case OPTION_DURATION:
        bench->plan.duration_ms = command_span(state, "--duration", argument, 1, MUSTER_TTL_MAX_MS);
        return 0;
    case OPTION_WARMUP:
        bench->warmup_ms = command_span(state, "--warmup", argument, 1, MUSTER_TTL_MAX_MS);
        return 0;
    case OPTION_TTL:
        bench->plan.work.ttl_ms = (uint32_t)command_span(state, "--ttl", argument, 1, MUSTER_TTL_MAX_MS);
        return 0;
    default:
        return parse_size(key, argument, state);
    }
}

static void set_default(uint32_t *field, uint32_t value) {
    if (*field == 0) *field = value;
}

/* Checks options that depend on each other, and sets defaults. */
static void complete_bench(struct bench *bench) {
    struct load_plan *plan = &bench->plan;
    const struct globals *globals = bench->input.globals;
    const char *const *addresses, *piece;
    if (globals->address_count > 1) command_usage(&command_bench, "bench uses one node: give --to once");
    if (plan->requests > 0 && plan->duration_ms > 0)
        command_usage(&command_bench, "--requests and --duration cannot both be given");
    plan->protocol = plan->work.kind == WORK_ECHO ? &protocol_echo : &protocol_muster;
    plan->seed = 1;
    (void)command_addresses(globals, &addresses);
    plan->address = addresses[0];
    plan->work.token = globals->token != NULL ? globals->token : getenv("MUSTER_TOKEN");
    plan->work.scope = globals->scope;
    set_default(&plan->connections, CONNECTIONS_DEFAULT);
    set_default(&plan->in_flight, 1);
    set_default(&plan->threads, 1);
    set_default(&plan->work.batch, plan->work.kind == WORK_LIST ? LIST_BATCH_DEFAULT : BATCH_DEFAULT);
    set_default(&plan->work.ttl_ms, TTL_DEFAULT_MS);
    plan->timeout_ms = globals->timeout_ms > 0 ? globals->timeout_ms : TIMEOUT_DEFAULT_MS;
    if (plan->work.users == 0) plan->work.users = USERS_DEFAULT;
    if (plan->requests == 0 && plan->duration_ms == 0) plan->duration_ms = DURATION_DEFAULT_MS;
    if (bench->windows.count == 0) (void)windows_add(&bench->windows, windows_default, &piece);
    plan->work.window_count = (uint32_t)bench->windows.count;
    memcpy(plan->work.windows_ms, bench->windows.span_ms, sizeof plan->work.windows_ms);
    if ((uint64_t)plan->connections * plan->in_flight > LOAD_SLOTS_MAX)
        command_usage(&command_bench, "--connections times --in-flight is more than %d", (int)LOAD_SLOTS_MAX);
}

static void show_progress(void *progress, uint64_t answered) {
    progress_show(progress, answered);
}

static int report_failure(enum load_outcome outcome, const struct error *error) {
    if (outcome == LOAD_REFUSED)
        (void)fprintf(stderr, "muster: bench: %s: %s\n", muster_strerror(error->code), error->text);
    else (void)fprintf(stderr, "muster: bench: %s\n", error->text);
    /* A node that stops says so before it closes the connection. */
    if (outcome == LOAD_REFUSED && error->code != MUSTER_UNAVAILABLE) return STATUS_REFUSED;
    return outcome == LOAD_FAILED ? STATUS_FAILED : STATUS_UNREACHABLE;
}

/* what: names the unit of the progress line. */
static int run_plan(const struct load_plan *plan, const char *what, struct load_result *result) {
    struct progress progress = progress_start(what, plan->requests);
    struct error error;
    const enum load_outcome outcome = load_run(plan, show_progress, &progress, result, &error);
    progress_end(&progress);
    return outcome == LOAD_DONE ? STATUS_DONE : report_failure(outcome, &error);
}

static int preload(const struct bench *bench, struct load_result *result) {
    struct load_plan plan = bench->plan;
    struct work *work = &plan.work;
    work->kind = WORK_TOUCH;
    work->is_sequential = true;
    work->batch = work->users < PRELOAD_BATCH ? (uint32_t)work->users : PRELOAD_BATCH;
    plan.requests = (work->users + work->batch - 1) / work->batch;
    plan.duration_ms = 0;
    plan.connections = 1;
    plan.in_flight = 4;
    plan.rate = 0;
    return run_plan(&plan, "batches preloaded", result);
}

static int warm_up(const struct bench *bench, struct load_result *result) {
    struct load_plan plan = bench->plan;
    plan.requests = 0;
    plan.duration_ms = bench->warmup_ms;
    return run_plan(&plan, "requests to warm up", result);
}

/* Beats sent, users answered or users listed; requests for all other calls. */
static uint64_t items_of(const struct work *work, const struct load_result *result) {
    if (work->kind == WORK_LIST) return result->hits;
    return result->latency.count * (work->kind == WORK_TOUCH || work->kind == WORK_LIVE ? work->batch : 1);
}

static double per_second(uint64_t count, const struct load_result *result) {
    return result->seconds > 0 ? (double)count / result->seconds : 0;
}

static double us_of_ns(uint64_t ns) {
    return (double)ns / 1000.0;
}

static json_t *json_of_histogram(const struct histogram *h) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "p50", us_of_ns(histogram_percentile(h, 50)), "p90",
                     us_of_ns(histogram_percentile(h, 90)), "p99", us_of_ns(histogram_percentile(h, 99)), "p99_9",
                     us_of_ns(histogram_percentile(h, 99.9)), "max", us_of_ns(h->max), "mean",
                     histogram_mean(h) / 1000.0);
}

static void print_bench_json(const struct load_plan *plan, const struct load_result *result) {
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "call", call_names[plan->work.kind], "to", plan->address,
                  "connections", (json_int_t)plan->connections, "in_flight", (json_int_t)plan->in_flight, "batch",
                  (json_int_t)plan->work.batch, "users", (json_int_t)plan->work.users, "threads",
                  (json_int_t)plan->threads, "closed_loop", plan->rate <= 0);
    if (plan->rate > 0) json_object_set_new(object, "rate", json_real(plan->rate));
    if (plan->rate > 0) json_object_set_new(object, "unsent", json_integer((json_int_t)result->unsent));
    json_object_set_new(object, "seconds", json_real(result->seconds));
    json_object_set_new(object, "requests", json_integer((json_int_t)result->latency.count));
    json_object_set_new(object, "items", json_integer((json_int_t)items_of(&plan->work, result)));
    json_object_set_new(object, "requests_per_second", json_real(per_second(result->latency.count, result)));
    json_object_set_new(object, "items_per_second", json_real(per_second(items_of(&plan->work, result), result)));
    json_object_set_new(object, "bytes_sent", json_integer((json_int_t)result->bytes_sent));
    json_object_set_new(object, "bytes_received", json_integer((json_int_t)result->bytes_received));
    json_object_set_new(object, "latency_us", json_of_histogram(&result->latency));
    if (plan->work.kind == WORK_LIST) {
        json_object_set_new(object, "walks", json_integer((json_int_t)result->walk.count));
        json_object_set_new(object, "walk_us", json_of_histogram(&result->walk));
    }
    (void)json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    (void)fputc('\n', stdout);
    json_decref(object);
}

static void print_histogram(const char *title, const struct histogram *h) {
    (void)printf("%-10s p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f  mean %.1f µs\n", title,
                 us_of_ns(histogram_percentile(h, 50)), us_of_ns(histogram_percentile(h, 90)),
                 us_of_ns(histogram_percentile(h, 99)), us_of_ns(histogram_percentile(h, 99.9)), us_of_ns(h->max),
                 histogram_mean(h) / 1000.0);
}

static void print_text(const struct load_plan *plan, const struct load_result *result) {
    (void)printf("%s at %s: %u connections, %u in flight on each, batches of %u, %" PRIu64 " users, %u threads\n",
                 call_names[plan->work.kind], plan->address, plan->connections, plan->in_flight, plan->work.batch,
                 plan->work.users, plan->threads);
    (void)printf("requests   %" PRIu64 " in %.2f s, %.0f/s\n", result->latency.count, result->seconds,
                 per_second(result->latency.count, result));
    (void)printf("items      %" PRIu64 ", %.0f/s\n", items_of(&plan->work, result),
                 per_second(items_of(&plan->work, result), result));
    print_histogram("latency", &result->latency);
    if (plan->work.kind == WORK_LIST && result->walk.count > 0) print_histogram("whole list", &result->walk);
    if (plan->rate > 0)
        (void)printf("open loop: %g/s were due, latency counts from then; %" PRIu64 " were never sent\n", plan->rate,
                     result->unsent);
    else (void)printf("closed loop: a slow answer delays the requests behind it; --rate shows what that hides\n");
}

static int run_all(const struct bench *bench, struct load_result *result) {
    int status = STATUS_DONE;
    if (bench->must_preload) status = preload(bench, result);
    if (status == STATUS_DONE && bench->warmup_ms > 0) status = warm_up(bench, result);
    if (status == STATUS_DONE) status = run_plan(&bench->plan, "requests answered", result);
    return status;
}

static int run_bench(struct globals *globals, int argc, char **argv) {
    struct bench bench = {.input = {globals}};
    command_parse(
        &command_bench, options, parse_bench,
        "Users are touched in the scope of -s. Use a node of its own for this: the users stay live for the TTL.", argc,
        argv, &bench);
    complete_bench(&bench);
    struct load_result *result = memory_new(sizeof *result);
    const int status = run_all(&bench, result);
    if (status == STATUS_DONE && globals->is_json) print_bench_json(&bench.plan, result);
    if (status == STATUS_DONE && !globals->is_json) print_text(&bench.plan, result);
    free(result);
    return status;
}

const struct command command_bench = {"bench", "", "Measure a node's throughput and latency under load", run_bench};
