#include "dialler.h"
#include "common/monotonic.h"
#include "common/thread.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct dialler {
    dialler_turn *turn;
    void *context;
    pthread_t thread;
    int wake_fd;
    atomic_bool is_stopping;

    /* The thread's. */
    struct dialled dialled;
    struct pollfd polled[REPLICA_PEERS_MAX + 1];
};

/* How long poll(2) may take: rounded up, so that what is due then is due. */
static int patience_ms(uint64_t due_us, uint64_t now_us) {
    if (due_us == UINT64_MAX) return -1;
    if (due_us <= now_us) return 0;
    uint64_t wait_ms = (due_us - now_us + 999) / 1000;
    return wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
}

static void poll_links(struct dialler *dialler) {
    struct dialled *dialled = &dialler->dialled;
    struct pollfd *polled = dialler->polled;
    eventfd_t ignored;
    for (size_t i = 0; i < dialled->count; i++) {
        polled[i] = link_polled(dialled->links[i]);
        dialled_by(dialled, link_due_us(dialled->links[i]));
    }
    polled[dialled->count] = (struct pollfd){.fd = dialler->wake_fd, .events = POLLIN};
    int ready = poll(polled, (nfds_t)dialled->count + 1, patience_ms(dialled->due_us, monotonic_us()));
    uint64_t now_us = monotonic_us();
    if (ready > 0 && polled[dialled->count].revents != 0) (void)eventfd_read(dialler->wake_fd, &ignored);
    for (size_t i = 0; i < dialled->count; i++) {
        if (ready > 0 && polled[i].revents != 0) link_ready(dialled->links[i], polled[i].revents, now_us);
        link_step(dialled->links[i], now_us);
    }
}

static void *run_dialler(void *context) {
    struct dialler *dialler = context;
    while (!atomic_load(&dialler->is_stopping)) {
        dialler->dialled.count = 0;
        dialler->dialled.due_us = UINT64_MAX;
        dialler->turn(dialler->context, monotonic_us(), &dialler->dialled);
        poll_links(dialler);
    }
    return NULL;
}

struct dialler *dialler_start(dialler_turn *turn, void *context) {
    struct dialler *dialler = calloc(1, sizeof *dialler);
    if (dialler == NULL) return NULL;
    dialler->turn = turn;
    dialler->context = context;
    if ((dialler->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0) {
        if (thread_start(&dialler->thread, run_dialler, dialler) == 0) return dialler;
        close(dialler->wake_fd);
    }
    free(dialler);
    return NULL;
}

void dialler_wake(struct dialler *dialler) {
    (void)eventfd_write(dialler->wake_fd, 1);
}

void dialler_stop(struct dialler *dialler) {
    if (dialler == NULL) return;
    atomic_store(&dialler->is_stopping, true);
    dialler_wake(dialler);
    pthread_join(dialler->thread, NULL);
    close(dialler->wake_fd);
    free(dialler);
}
