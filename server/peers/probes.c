#include "probes.h"
#include "common/monotonic.h"
#include "node/cluster.h"
#include "probe.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/periodic.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)PROBE_TEXT_BYTES <= (int)REPLICA_ADDRESS_BYTES_MAX + 1, "what is wrong fits a peer's trouble");

/* How long a stop waits for a probe. */
enum { STOP_MS = 200 };

/* A peer that is lost. */
struct suspect {
    char address[REPLICA_ADDRESS_BYTES_MAX + 1]; /* empty: the entry is free */
    char gossip[REPLICA_ADDRESS_BYTES_MAX + 1];
    enum peer_loss loss; /* at this look */
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
    if (view->is_self || view->loss == PEER_FOUND || view->gossip_address.len > REPLICA_ADDRESS_BYTES_MAX) return;
    struct suspect *suspect = suspect_of(context, view->address);
    if (suspect == NULL) return;
    suspect->loss = view->loss;
    if (view->gossip_address.len > 0) memcpy(suspect->gossip, view->gossip_address.data, view->gossip_address.len);
    suspect->gossip[view->gossip_address.len] = '\0';
}

static void find_trouble(const struct suspect *suspect, char out[PROBE_TEXT_BYTES]) {
    char found[PROBE_TEXT_BYTES];
    if (suspect->loss == PEER_UNANSWERED) {
        probe_address(PROBE_SYNC, suspect->address, out);
        return;
    }
    probe_address(PROBE_GOSSIP, suspect->gossip, found);
    out[0] = '\0';
    if (found[0] != '\0') (void)snprintf(out, PROBE_TEXT_BYTES, "%.60s: %.90s", suspect->gossip, found);
}

static void probe_suspect(struct probes *probes, struct suspect *suspect) {
    char trouble[PROBE_TEXT_BYTES];
    find_trouble(suspect, trouble);
    suspect->due_ms = monotonic_ms() + suspect->wait_ms;
    suspect->wait_ms = suspect->wait_ms * 2 < PROBE_AGAIN_MAX_MS ? suspect->wait_ms * 2 : PROBE_AGAIN_MAX_MS;
    node_set_trouble(probes->node, text_of(suspect->address), suspect->loss, text_of(trouble), clock_now());
    if (trouble[0] == '\0' || strcmp(trouble, suspect->trouble) == 0) return;
    memcpy(suspect->trouble, trouble, sizeof trouble);
    log_line(LEVEL_WARN, "peer_trouble",
             suspect->loss == PEER_UNANSWERED ? "a peer does not answer" : "nothing comes from a peer's gossip address",
             {"address", suspect->address, 0}, {"trouble", trouble, 0});
}

static void run_probes(void *context) {
    struct probes *probes = context;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) probes->suspects[i].loss = PEER_FOUND;
    node_peers(probes->node, clock_now(), note_lost, probes);
    for (size_t i = 0; i < REPLICA_PEERS_MAX && !atomic_load(&probes->is_stopping); i++) {
        struct suspect *suspect = &probes->suspects[i];
        if (suspect->loss == PEER_FOUND) suspect->address[0] = '\0';
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
