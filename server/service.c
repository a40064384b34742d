#include "service.h"
#include "common/headroom.h"
#include "common/monotonic.h"
#include "net/sp/rpc_door.h"
#include "node/figures.h"
#include "node/standstill.h"
#include "node/tick.h"
#include "peers/gossip.h"
#include "service_grpc.h"
#include "service_peers.h"
#include "service_room.h"
#include "snapshot/store.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "sys/log.h"
#include "sys/periodic.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_MS = 5000, CLOSE_S = 2 };
/* What is parked is answered within this time, unless its clients do not read. */
enum { ANSWER_PARKED_MS = 1000, ANSWER_STEP_MS = 2 };
/* Descriptors that are kept for listeners, loops, snapshots, the log, what libraries open, and connections that are
 * accepted only to be closed. */
enum { FILES_RESERVED = 64, FILES_NEEDED = 32 };
/* With peers, this share of all descriptors (a quarter, at most so many) is theirs: a part of it for the connections of
 * each of the two doors for peers, and the rest for the connections that this node dials. */
enum { FILES_PART_OF_PEERS = 4, FILES_OF_PEERS_MAX = 2560 };
enum { PEER_DOOR_PERCENT = 40 };
_Static_assert(2 * PEER_DOOR_PERCENT < 100, "there are descriptors to dial with");
/* Threads beside the loops: the starter, the ticker, snapshots, and some to spare. With peers: gossip, two that dial,
 * seeds, probes, and some that look up names. */
enum { THREADS_BESIDE = 5, THREADS_OF_PEERS = 8 };
/* Memory that a start needs at the least. */
enum { START_BYTES = 16 << 20 };

_Static_assert((int)CONFIG_RPC_URLS_MAX <= (int)DOOR_URLS_MAX, "the door listens on all that --rpc may name");
_Static_assert((int)CONFIG_THREADS_MAX <= (int)LOOPS_MAX, "there are as many loops as --threads may name");

struct service {
    const struct config *config;
    size_t connections_max; /* for requests, of both doors together */
    struct connection_counts *counts;
    size_t peer_connections_max; /* of each of the two doors for peers */
    struct node *node;
    struct rpc *rpc;
    struct loops *loops;
    struct tls_context *tls; /* NULL: no --tls-cert */
    struct periodic *ticker;
    struct service_peers *peers; /* NULL: alone */
    struct snapshots *snapshots; /* NULL: no data directory */
    struct watch_task *watch_task;
    struct rpc_door *door;
    struct service_grpc *grpc; /* NULL: no door for gRPC */
    struct service_room room;
};

/* ---- start ------------------------------------------------------------------------------------------------------- */

/* Tries for the threads and the memory of the whole start, before anything is opened. */
static bool check_headroom(const struct config *config, struct error *error) {
    unsigned threads = config->threads > 0 ? (unsigned)config->threads : loops_default_threads();
    threads += THREADS_BESIDE + (config->has_peers ? THREADS_OF_PEERS : 0);
    return headroom_check(threads, START_BYTES, error);
}

/* Divides the descriptors that the process may have open. False and *error: they are too few. */
static bool allot_files(struct service *service, struct error *error) {
    const struct config *config = service->config;
    size_t files = files_raise_limit(), reserved = files / 2 < FILES_RESERVED ? files / 2 : FILES_RESERVED;
    if (files < FILES_NEEDED)
        return error_fail(error, MUSTER_RESOURCE_EXHAUSTED,
                          "the process may have %zu files open (ulimit -n), and needs %d at the least", files,
                          FILES_NEEDED);
    if (config->has_peers) {
        size_t of_peers = files / FILES_PART_OF_PEERS;
        if (of_peers > FILES_OF_PEERS_MAX) of_peers = FILES_OF_PEERS_MAX;
        service->peer_connections_max = of_peers * PEER_DOOR_PERCENT / 100;
        reserved += of_peers;
    }
    service->connections_max = config->connections_max;
    if (files - reserved >= config->connections_max) return true;
    service->connections_max = files - reserved;
    log_line(LEVEL_WARN, "few_files", "the limit of open files allows fewer connections than --max-connections",
             {"files", NULL, files}, {"reserved", NULL, reserved}, {"connections", NULL, service->connections_max},
             {"max_connections", NULL, config->connections_max});
    return true;
}

static bool load_snapshot(struct service *service, const uint8_t *hash_key, struct error *error) {
    const struct config *config = service->config;
    if (config->data_dir == NULL) return true;
    const uint8_t *cluster_key = config->cluster_key_file != NULL ? hash_key : NULL;
    service->snapshots = snapshots_open(config->data_dir, cluster_key, service->node, error);
    return service->snapshots != NULL;
}

/* The hash key of a node without peers is its own; its origin tells its snapshots apart. */
static bool make_node(struct service *service, struct error *error) {
    const struct config *config = service->config;
    struct node_config node = {.name = text_of(config->name),
                               .version = text_of(MUSTER_VERSION),
                               .ttl_ms = (uint32_t)config->ttl_ms,
                               .retention_ms = config->retention_ms,
                               .members_max = config->members_max,
                               .bytes_max = config->bytes_max};
    if (service->peers != NULL) service_peers_identify(service->peers, &node);
    else randombytes_buf(node.hash_key, sizeof node.hash_key);
    while (node.origin == 0 && config->data_dir != NULL) randombytes_buf(&node.origin, sizeof node.origin);
    service->node = node_new(&node, clock_now());
    if (service->node != NULL) service->rpc = rpc_new(service->node, config->watches_max);
    bool is_made = service->rpc != NULL && load_snapshot(service, node.hash_key, error);
    sodium_memzero(&node, sizeof node);
    return is_made;
}

static bool start_loops(struct service *service) {
    if ((service->counts = connection_counts_new()) == NULL) return false;
    const struct loops_config loops = {.threads = (unsigned)service->config->threads,
                                       .stall_ms = (uint32_t)service->config->max_stall_ms};
    return (service->loops = loops_start(&loops)) != NULL;
}

static bool read_certificate(struct service *service, struct error *error) {
    const struct config *config = service->config;
    const struct tls_files files = {config->tls_cert_file, config->tls_key_file, config->tls_client_ca_file};
    if (files.cert == NULL) return true;
    return (service->tls = tls_context_new(&files, error)) != NULL;
}

static bool open_door(struct service *service, struct error *error) {
    const struct config *config = service->config;
    if ((service->watch_task = watch_task_start(service->loops, rpc_watches(service->rpc))) == NULL) return false;
    const struct rpc_door_config door = {.rpc = service->rpc,
                                         .watch_task = service->watch_task,
                                         .urls = config->rpc.items,
                                         .url_count = config->rpc.count,
                                         .tls = service->tls,
                                         .connections_max = service->connections_max,
                                         .counts = service->counts,
                                         .connections_per_address = config->connections_per_address_max};
    service->door = rpc_door_open(service->loops, &door, error);
    return service->door != NULL;
}

static bool open_grpc(struct service *service, struct error *error) {
    if (service->config->grpc_url[0] == '\0') return true;
    const struct service_grpc_parts parts = {.config = service->config,
                                             .loops = service->loops,
                                             .node = service->node,
                                             .rpc = service->rpc,
                                             .tls = service->tls,
                                             .watch_task = service->watch_task,
                                             .connections_max = service->connections_max,
                                             .counts = service->counts};
    service->grpc = service_grpc_open(&parts, error);
    return service->grpc != NULL;
}

static const char *rpc_url(const struct service *service, size_t i) {
    return door_url(rpc_door_door(service->door), i);
}

static bool start_peers(struct service *service, struct error *error) {
    return service->peers == NULL ||
           service_peers_start(service->peers, service->node, service->loops, service->peer_connections_max, error);
}

static void tick_service(void *context) {
    struct service *service = context;
    struct instant now = clock_now();
    node_tick(service->node, now);
    service_room_look(&service->room, service->node, now);
}

/* A tick that is a little late is no standstill. */
static uint64_t node_stall_ms(const struct config *config) {
    return config->max_stall_ms > 2 * config->tick_ms ? config->max_stall_ms : 2 * config->tick_ms;
}

struct service *service_start(const struct config *config, struct error *error) {
    static struct service service; /* one a program; a failed start leaves it as it is */
    service.config = config;
    if (!check_headroom(config, error)) return NULL;
    if (!allot_files(&service, error) || !read_certificate(&service, error)) return NULL;
    (void)error_fail_memory(error);
    if (sodium_init() < 0) return NULL;
    if (config->has_peers && (service.peers = service_peers_new(config, error)) == NULL) return NULL;
    (void)error_fail_memory(error);
    if (!make_node(&service, error)) return NULL;
    if (!start_loops(&service)) return NULL;
    if ((service.ticker = periodic_start(tick_service, &service, 0, (uint32_t)config->tick_ms)) == NULL) return NULL;
    node_expect_ticks(service.node, node_stall_ms(config), clock_now());
    if (!start_peers(&service, error)) return NULL;
    (void)error_fail_memory(error);
    if (service.snapshots != NULL && !snapshots_start(service.snapshots, service.peers != NULL)) return NULL;
    return open_door(&service, error) && open_grpc(&service, error) ? &service : NULL;
}

void service_announce(const struct service *service, uint64_t took_ms) {
    const struct config *config = service->config;
    printf("musterd ready");
    for (size_t i = 0; i < config->rpc.count; i++) printf(" rpc=%s", rpc_url(service, i));
    if (service->grpc != NULL) printf(" grpc=%s", service_grpc_address(service->grpc));
    if (service->peers != NULL)
        printf(" gossip=%s sync=%s", service_peers_gossip_url(service->peers), service_peers_sync_url(service->peers));
    printf(" in %llums\n", (unsigned long long)took_ms);
    fflush(stdout);
    log_line(LEVEL_INFO, "started", "serving", {"version", MUSTER_VERSION, 0}, {"pid", NULL, (uint64_t)getpid()},
             {"rpc", rpc_url(service, 0), 0}, {"took_ms", NULL, took_ms});
    if (config->ttl_ms > config->retention_ms)
        log_line(LEVEL_WARN, "ttl_beyond_retention", "a leave may be forgotten before a touch that it beats",
                 {"ttl_ms", NULL, config->ttl_ms}, {"retention_ms", NULL, config->retention_ms});
    for (size_t i = 0; i < config->rpc.count && config->is_insecure; i++)
        log_line(LEVEL_WARN, "insecure", "whoever can reach this address may read and write everything",
                 {"rpc", rpc_url(service, i), 0});
    if (service->grpc != NULL && config->is_insecure)
        log_line(LEVEL_WARN, "insecure", "whoever can reach this address may read and write everything",
                 {"grpc", service_grpc_address(service->grpc), 0});
}

static void reload_certificate(struct service *service) {
    struct error error;
    if (tls_context_reload(service->tls, &error))
        log_line(LEVEL_INFO, "reloaded", "the certificate was read again; new connections get it",
                 {"path", service->config->tls_cert_file, 0});
    else
        log_line(LEVEL_ERROR, "not_reloaded", "the certificate cannot be read; the old one stays in use",
                 {"result", error.text, 0});
}

void service_reload(struct service *service) {
    if (service->tls != NULL) reload_certificate(service);
    if (service->peers != NULL) service_peers_reload(service->peers);
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t status_at_once;

/* A part that does not stop in time must not keep a node that has drained. */
static void exit_at_once(int signal_number) {
    (void)signal_number;
    _exit(status_at_once);
}

/* Clients that wait for a change are answered, and go elsewhere. */
static void answer_parked(struct watches *watches) {
    uint64_t until_ms = monotonic_ms() + ANSWER_PARKED_MS;
    pump_stop(watches);
    while (pump_parked(watches) > 0 && monotonic_ms() < until_ms) usleep(ANSWER_STEP_MS * 1000);
}

/* Whether all that had come in was answered in time. */
static bool drain_doors(struct service *service, const char *reason) {
    struct door *doors[2] = {rpc_door_door(service->door)};
    size_t count = 1, connections = 0;
    if (service->grpc != NULL) doors[count++] = service_grpc_door(service->grpc);
    for (size_t i = 0; i < count; i++) door_refuse(doors[i]); /* before it is logged, so that the log is true */
    for (size_t i = 0; i < count; i++) connections += door_figures(doors[i]).connections;
    log_line(LEVEL_INFO, "draining", "no new connections; requests are refused", {"signal", reason, 0},
             {"connections", NULL, connections});
    answer_parked(rpc_watches(service->rpc));
    return doors_drain(doors, count, DRAIN_MS);
}

bool service_stop(struct service *service, const char *reason) {
    bool is_drained = drain_doors(service, reason);
    if (service->peers != NULL) service_peers_leave(service->peers);
    bool is_kept = service->snapshots == NULL || snapshots_finish(service->snapshots);
    struct node_figures figures;
    node_figures(service->node, &figures);
    log_line(is_drained ? LEVEL_INFO : LEVEL_WARN, "stopped",
             is_drained ? "all that had come in was answered" : "some replies could not be delivered in time",
             {"members", NULL, figures.members});
    status_at_once = is_kept ? EXIT_SUCCESS : EXIT_FAILURE;
    signal(SIGALRM, exit_at_once);
    alarm(CLOSE_S);
    loops_stop(service->loops);
    if (!service_peers_free(service->peers)) _exit(status_at_once);
    periodic_stop(service->ticker);
    snapshots_close(service->snapshots);
    service_grpc_close(service->grpc);
    rpc_door_close(service->door);
    watch_task_free(service->watch_task);
    tls_context_free(service->tls);
    loops_free(service->loops);
    connection_counts_free(service->counts);
    rpc_free(service->rpc);
    node_free(service->node);
    return is_kept;
}
