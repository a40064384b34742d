/* musterd: one node, from its command line to its exit status. */
#include "command_line.h"
#include "common/monotonic.h"
#include "service.h"
#include "sys/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_GOOD = 0, EXIT_FAILED = 1 };

/* A start, on a thread of its own. */
struct start {
    const struct config *config;
    struct service *service; /* NULL: it failed */
    struct error error;
};

static void *run_start(void *context) {
    struct start *start = context;
    start->service = service_start(start->config, &start->error);
    return NULL;
}

/* Signals come to sigwait alone: all threads but the main one are descended from the starter, which blocks them all.
 * The main thread blocks SIGTERM and SIGINT only once it waits for them, so that either ends a start that takes long,
 * or that hangs. */
static bool start_apart(struct start *start) {
    sigset_t all, hangup;
    pthread_t starter;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP); /* during a start it waits for the end of the start */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    int failure = pthread_create(&starter, NULL, run_start, start);
    pthread_sigmask(SIG_SETMASK, &hangup, NULL);
    if (failure != 0)
        return error_fail(&start->error, MUSTER_RESOURCE_EXHAUSTED, "no thread can be started: %s", strerror(failure));
    pthread_join(starter, NULL);
    return start->service != NULL;
}

static sigset_t block_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
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
    static struct start start = {.config = &config};
    uint64_t start_ms = monotonic_ms();
    command_line_read(&config, argc, argv);
    log_start((enum log_format)config.log_format, (enum log_level)config.log_level, config.name);

    signal(SIGPIPE, SIG_IGN);
    if (!start_apart(&start)) {
        fprintf(stderr, "%s: cannot start: %s\n", argv[0], start.error.text);
        return EXIT_FAILED;
    }
    sigset_t signals = block_signals();
    service_announce(start.service, monotonic_ms() - start_ms);
    int ended_by = wait_for_end(start.service, &signals);
    return service_stop(start.service, strsignal(ended_by)) ? EXIT_GOOD : EXIT_FAILED;
}
