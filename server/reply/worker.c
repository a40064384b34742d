#include "worker.h"

#include <stdlib.h>

struct worker *worker_new(void) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return NULL;
    if (!arena_open(&worker->arena, WORKER_BYTES_MAX)) {
        free(worker);
        return NULL;
    }
    return worker;
}

void worker_free(struct worker *worker) {
    if (worker == NULL) return;
    arena_close(&worker->arena);
    free(worker);
}
