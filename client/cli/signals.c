#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int wake = -1;
static volatile sig_atomic_t must_end, has_new_size;

static void handle_signal(int signal) {
    const int error = errno;
    const uint64_t one = 1;
    if (signal == SIGWINCH) has_new_size = 1;
    else must_end = 1;
    (void)!write(wake, &one, sizeof one);
    errno = error;
}

/* An ignored signal stays ignored. */
static void set_handler(int signal, void (*handler)(int)) {
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigaction before;
    if (sigaction(signal, NULL, &before) == 0 && before.sa_handler != SIG_IGN) (void)sigaction(signal, &action, NULL);
}

static void set_handlers(void (*handler)(int)) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) set_handler(ends[i], handler);
}

int signals_open(bool with_resizes) {
    wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake < 0) {
        perror("muster");
        exit(1);
    }
    set_handlers(handle_signal);
    if (with_resizes) set_handler(SIGWINCH, handle_signal);
    return wake;
}

bool signals_take(bool *resized) {
    uint64_t wakes;
    (void)!read(wake, &wakes, sizeof wakes);
    if (resized != NULL) {
        *resized = has_new_size != 0;
        has_new_size = 0;
    }
    return must_end != 0;
}

void signals_let_go(void) {
    set_handlers(SIG_DFL);
}
