/* musterd: one node, from its command line to its exit status. */
#include "command_line.h"
#include "common/monotonic.h"
#include "service.h"
#include "sys/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_GOOD = 0, EXIT_FAILED = 1 };

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

/* Waits for a signal to end; returns it. */
static int wait_for_end(struct service *service, const sigset_t *signals) {
    int signal_number;
    for (;;) {
        if (sigwait(signals, &signal_number) != 0) continue;
        if (signal_number != SIGHUP) return signal_number;
        service_reload(service);
    }
}

int main(int argc, char **argv) {
    static struct config config;
    struct error error;
    uint64_t start_ms = monotonic_ms();
    command_line_read(&config, argc, argv);
    log_start((enum log_format)config.log_format, (enum log_level)config.log_level, config.name);

    sigset_t signals = block_signals();
    struct service *service = service_start(&config, &error);
    if (service == NULL) {
        fprintf(stderr, "%s: cannot start: %s\n", argv[0], error.text);
        return EXIT_FAILED;
    }
    service_announce(service, monotonic_ms() - start_ms);
    int ended_by = wait_for_end(service, &signals);
    return service_stop(service, strsignal(ended_by)) ? EXIT_GOOD : EXIT_FAILED;
}
