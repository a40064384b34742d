#include "probes.h"
#include "common/monotonic.h"
#include "node/cluster.h"
#include "probe.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/periodic.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)PROBE_TEXT_BYTES <= (int)REPLICA_ADDRESS_BYTES_MAX + 1, "what is wrong fits a peer's trouble");

/* How long a stop waits for a probe. */
enum { STOP_MS = 200 };

/* A peer that is lost. */
struct suspect {
    char address[REPLICA_ADDRESS_BYTES_MAX + 1]; /* empty: the entry is free */
    bool is_lost;                                /* still, at this look */
    uint64_t due_ms, wait_ms;
    char trouble[PROBE_TEXT_BYTES]; /* what the last probe found */
};

struct probes {
    struct node *node;
    struct suspect suspects[REPLICA_PEERS_MAX];
    atomic_bool is_stopping;
    struct periodic *thread;
};

static struct suspect *suspect_of(struct probes *probes, struct text address) {
    struct suspect *unused = NULL;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct suspect *suspect = &probes->suspects[i];
        if (text_equal(text_of(suspect->address), address)) return suspect;
        if (unused == NULL && suspect->address[0] == '\0') unused = suspect;
    }
    if (unused == NULL || address.len == 0 || address.len > REPLICA_ADDRESS_BYTES_MAX) return NULL;
    *unused = (struct suspect){.wait_ms = PROBE_AGAIN_MS};
    memcpy(unused->address, address.data, address.len);
    return unused;
}

static void note_lost(void *context, const struct peer_view *view) {
    if (view->is_self || !view->is_lost) return;
    struct suspect *suspect = suspect_of(context, view->address);
    if (suspect != NULL) suspect->is_lost = true;
}

static void probe_suspect(struct probes *probes, struct suspect *suspect) {
    char trouble[PROBE_TEXT_BYTES];
    probe_address(suspect->address, trouble);
    suspect->due_ms = monotonic_ms() + suspect->wait_ms;
    suspect->wait_ms = suspect->wait_ms * 2 < PROBE_AGAIN_MAX_MS ? suspect->wait_ms * 2 : PROBE_AGAIN_MAX_MS;
    node_set_trouble(probes->node, text_of(suspect->address), text_of(trouble), clock_now());
    if (strcmp(trouble, suspect->trouble) == 0) return;
    memcpy(suspect->trouble, trouble, sizeof trouble);
    log_line(LEVEL_WARN, "peer_trouble", "a peer does not answer", {"address", suspect->address, 0},
             {"trouble", trouble, 0});
}

static void run_probes(void *context) {
    struct probes *probes = context;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) probes->suspects[i].is_lost = false;
    node_peers(probes->node, clock_now(), note_lost, probes);
    for (size_t i = 0; i < REPLICA_PEERS_MAX && !atomic_load(&probes->is_stopping); i++) {
        struct suspect *suspect = &probes->suspects[i];
        if (!suspect->is_lost) suspect->address[0] = '\0';
        else if (monotonic_ms() >= suspect->due_ms) probe_suspect(probes, suspect);
    }
}

struct probes *probes_start(struct node *node) {
    struct probes *probes = calloc(1, sizeof *probes);
    if (probes == NULL) return NULL;
    probes->node = node;
    if ((probes->thread = periodic_start(run_probes, probes, PROBES_EVERY_MS, PROBES_EVERY_MS)) != NULL) return probes;
    free(probes);
    return NULL;
}

bool probes_stop(struct probes *probes) {
    if (probes == NULL) return true;
    atomic_store(&probes->is_stopping, true);
    if (!periodic_stop_within(probes->thread, STOP_MS)) return false;
    free(probes);
    return true;
}
