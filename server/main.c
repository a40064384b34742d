/* musterd: one node. Reads the command line, joins its peers, opens the doors, waits for a signal, drains. */
#include "config.h"
#include "net/nng_guard.h"
#include "net/rep_door.h"
#include "net/watch_pump.h"
#include "peers/clustering.h"
#include "snapshot/store.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/periodic.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_FAILED = 1 };
enum { DRAIN_MS = 5000, CLOSE_S = 2 };
/* File descriptors beside those of connections: listeners, nng's own, connections that shake hands. */
enum { FILES_BESIDE = 256, FILES_GUARDED_MAX = 1 << 20 };

struct service {
    struct node *node;
    struct rpc *rpc;
    struct watch_pump *pump;
    struct periodic *ticker;
    struct clustering *clustering; /* NULL: no peers */
    struct snapshots *snapshots;   /* NULL: no data directory */
    struct rep_door *door;
};

/* Before any thread is started, so that all inherit it: signals come to sigwait alone. */
static sigset_t block_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signals;
}

static size_t raise_file_limit(const struct options *options) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < options->connections_max + FILES_BESIDE)
        log_line(LEVEL_WARN, "few_files", "the limit of open files is below the limit of connections",
                 {"files", NULL, limit.rlim_cur}, {"connections", NULL, options->connections_max});
    return limit.rlim_cur < FILES_GUARDED_MAX ? limit.rlim_cur : FILES_GUARDED_MAX;
}

static bool recall(struct service *service, const struct options *options, const uint8_t *hash_key,
                   struct error *error) {
    if (options->data_dir == NULL) return true;
    const uint8_t *cluster_key = options->cluster.key_file != NULL ? hash_key : NULL;
    service->snapshots = snapshots_open(options->data_dir, cluster_key, service->node, error);
    return service->snapshots != NULL;
}

/* A node without peers needs its key to agree with nobody's; what it remembers is told apart by its origin. */
static bool make_node(struct service *service, const struct options *options, struct error *error) {
    struct node_config config = {.name = text_of(options->name),
                                 .version = text_of(MUSTER_VERSION),
                                 .ttl_ms = options->ttl_ms,
                                 .retention_ms = options->retention_ms,
                                 .members_max = options->members_max,
                                 .bytes_max = options->bytes_max};
    if (sodium_init() < 0) return false;
    if (service->clustering != NULL) clustering_identify(service->clustering, &config);
    else randombytes_buf(config.hash_key, sizeof config.hash_key);
    while (config.origin == 0 && options->data_dir != NULL) randombytes_buf(&config.origin, sizeof config.origin);
    service->node = node_new(&config, clock_now());
    if (service->node != NULL) service->rpc = rpc_new(service->node, options->watches_max);
    bool is_made = service->rpc != NULL && recall(service, options, config.hash_key, error);
    sodium_memzero(&config, sizeof config);
    return is_made;
}

static struct rep_door *open_door(const struct service *service, const struct options *options, const char *program) {
    const char *url = NULL, *why = "out of memory";
    const struct rep_door_config config = {.rpc = service->rpc,
                                           .urls = options->rpc_urls,
                                           .url_count = options->rpc_url_count,
                                           .connections_max = options->connections_max,
                                           .end_unread = nng_guard_end_unread};
    struct rep_door *door = rep_door_open(&config, &url, &why);
    if (door == NULL && url != NULL) fprintf(stderr, "%s: cannot listen on %s: %s\n", program, url, why);
    else if (door == NULL) fprintf(stderr, "%s: cannot start: %s\n", program, why);
    return door;
}

static void tick(void *node) {
    node_tick(node, clock_now());
}

/* What is open when it fails ends with the program. */
static bool service_start(struct service *service, const struct options *options, const char *program) {
    struct error error;
    (void)error_fail_memory(&error);
    const struct cluster_options *cluster = &options->cluster;
    if (cluster->is_wanted && (service->clustering = clustering_open(cluster, &error)) == NULL) goto fail;
    if (!make_node(service, options, &error)) goto fail;
    if ((service->pump = watch_pump_start(rpc_watches(service->rpc))) == NULL) goto fail;
    if ((service->ticker = periodic_start(tick, service->node, 0, options->tick_ms)) == NULL) goto fail;
    if (service->clustering != NULL &&
        !clustering_start(service->clustering, service->node, nng_guard_end_unread, &error))
        goto fail;
    if (service->snapshots != NULL && !snapshots_start(service->snapshots, service->clustering != NULL)) goto fail;
    return (service->door = open_door(service, options, program)) != NULL;

fail:
    fprintf(stderr, "%s: cannot start: %s\n", program, error.text);
    return false;
}

static void say_ready(const struct service *service, const struct options *options, uint64_t start_us) {
    uint64_t took_ms = (clock_monotonic_us() - start_us) / 1000;
    printf("musterd ready");
    for (size_t i = 0; i < options->rpc_url_count; i++) printf(" rpc=%s", rep_door_url(service->door, i));
    if (service->clustering != NULL)
        printf(" gossip=%s sync=%s", clustering_gossip_url(service->clustering),
               clustering_sync_url(service->clustering));
    printf(" in %llums\n", (unsigned long long)took_ms);
    fflush(stdout);
    log_line(LEVEL_INFO, "started", "serving", {"version", MUSTER_VERSION, 0}, {"pid", NULL, (uint64_t)getpid()},
             {"rpc", rep_door_url(service->door, 0), 0}, {"took_ms", NULL, took_ms});
    for (size_t i = 0; i < options->rpc_url_count && options->is_insecure; i++)
        log_line(LEVEL_WARN, "insecure", "anybody who can reach this address may ask and tell",
                 {"rpc", rep_door_url(service->door, i), 0});
}

/* A door that does not close in time must not keep a node that has drained. */
static void exit_anyway(int signal_number) {
    (void)signal_number;
    _exit(EXIT_SUCCESS);
}

static void service_stop(struct service *service, int signal_number) {
    rep_door_refuse(service->door); /* before it is said, so that what is said is true */
    log_line(LEVEL_INFO, "draining", "no new connections; answering what has come in",
             {"signal", strsignal(signal_number), 0},
             {"connections", NULL, rep_door_figures(service->door).connections});
    pump_stop(rpc_watches(service->rpc)); /* who waits for a change waits elsewhere */
    bool is_drained = rep_door_drain(service->door, DRAIN_MS);
    if (service->clustering != NULL) clustering_leave(service->clustering);
    if (service->snapshots != NULL) snapshots_finish(service->snapshots);
    struct node_figures figures;
    node_figures(service->node, &figures);
    log_line(is_drained ? LEVEL_INFO : LEVEL_WARN, "stopped",
             is_drained ? "all that had come in was answered" : "some replies could not be delivered in time",
             {"members", NULL, figures.members});
    signal(SIGALRM, exit_anyway);
    alarm(CLOSE_S);
    watch_pump_stop(service->pump);
    rep_door_close(service->door);
    if (!clustering_close(service->clustering)) _exit(EXIT_SUCCESS);
    periodic_stop(service->ticker);
    snapshots_close(service->snapshots);
    watch_pump_free(service->pump);
    rpc_free(service->rpc);
    node_free(service->node);
}

/* Serves until a signal to end; returns it. */
static int serve(const struct service *service, const sigset_t *signals) {
    int signal_number;
    for (;;) {
        if (sigwait(signals, &signal_number) != 0) continue;
        if (signal_number != SIGHUP) return signal_number;
        if (service->clustering != NULL) clustering_reload(service->clustering);
    }
}

int main(int argc, char **argv) {
    uint64_t start_us = clock_monotonic_us();
    struct options options = options_read(argc, argv);
    log_start(options.log_format, options.log_level, options.name);
    sigset_t signals = block_signals();
    nng_guard_start(raise_file_limit(&options));

    static struct service service; /* a failed start leaves it as it is */
    if (!service_start(&service, &options, argv[0])) return EXIT_FAILED;
    say_ready(&service, &options, start_us);

    service_stop(&service, serve(&service, &signals));
    return EXIT_SUCCESS;
}
