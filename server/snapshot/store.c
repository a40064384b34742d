#include "store.h"
#include "file.h"
#include "node/cluster.h"
#include "sys/clock.h"
#include "sys/periodic.h"

#include <stdlib.h>

struct snapshots {
    struct node *node;
    struct snapshot_file *file;
    struct periodic *writer;
    struct snapshot_peers peers;
};

struct snapshots *snapshots_open(const char *dir, const uint8_t *cluster_key, struct node *node, struct error *error) {
    uint64_t cluster = cluster_key == NULL ? 0 : snapshot_cluster(cluster_key);
    struct snapshots *snapshots = calloc(1, sizeof *snapshots);
    if (snapshots == NULL) {
        (void)error_fail_memory(error);
        return NULL;
    }
    if ((snapshots->file = snapshot_file_open(dir, cluster, error)) == NULL) {
        (void)error_prefix(error, "--data-dir %.100s", dir);
        free(snapshots);
        return NULL;
    }
    snapshots->node = node;
    (void)snapshot_file_load(snapshots->file, node, &snapshots->peers);
    return snapshots;
}

static void write_one(void *context) {
    struct snapshots *snapshots = context;
    (void)snapshot_file_write(snapshots->file, snapshots->node);
}

bool snapshots_start(struct snapshots *snapshots, bool has_peers) {
    for (size_t i = 0; has_peers && i < snapshots->peers.count; i++)
        node_add_peer(snapshots->node, text_of(snapshots->peers.addresses[i]), clock_now());
    snapshot_peers_free(&snapshots->peers);
    snapshots->writer = periodic_start(write_one, snapshots, SNAPSHOT_EVERY_MS, SNAPSHOT_EVERY_MS);
    return snapshots->writer != NULL;
}

bool snapshots_finish(struct snapshots *snapshots) {
    periodic_stop(snapshots->writer);
    snapshots->writer = NULL;
    return snapshot_file_write(snapshots->file, snapshots->node);
}

void snapshots_close(struct snapshots *snapshots) {
    if (snapshots == NULL) return;
    periodic_stop(snapshots->writer);
    snapshot_peers_free(&snapshots->peers);
    snapshot_file_close(snapshots->file);
    free(snapshots);
}
