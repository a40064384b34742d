/* What nng alone costs: a REP server that sends back what it gets, from as many contexts as musterd has. Ends on
 * SIGTERM. Usage: nng_echo URL [CONTEXTS] */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONTEXTS_DEFAULT = 256, CONTEXTS_MAX = 1024, MESSAGE_BYTES_MAX = 1 << 20 };

struct worker {
    nng_ctx context;
    nng_aio *aio;
    enum { RECEIVING, SENDING } state;
};

static void check_nng(int rv, const char *what) {
    if (rv == 0) return;
    fprintf(stderr, "nng_echo: %s: %s\n", what, nng_strerror(rv));
    exit(1);
}

static void worker_go_on(void *arg) {
    struct worker *worker = arg;
    int rv = nng_aio_result(worker->aio);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) return;
    if (worker->state == RECEIVING && rv == 0) {
        /* The message stays in the aio: it is the answer. */
        worker->state = SENDING;
        nng_ctx_send(worker->context, worker->aio);
        return;
    }
    if (worker->state == SENDING && rv != 0) {
        nng_msg_free(nng_aio_get_msg(worker->aio));
        nng_aio_set_msg(worker->aio, NULL);
    }
    worker->state = RECEIVING;
    nng_ctx_recv(worker->context, worker->aio);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: nng_echo URL [CONTEXTS]\n");
        return 2;
    }
    int count = argc > 2 ? atoi(argv[2]) : CONTEXTS_DEFAULT;
    if (count < 1 || count > CONTEXTS_MAX) count = CONTEXTS_DEFAULT;
    static struct worker workers[CONTEXTS_MAX];
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* nng's threads inherit it */

    nng_socket rep;
    check_nng(nng_rep0_open(&rep), "open");
    check_nng(nng_socket_set_size(rep, NNG_OPT_RECVMAXSZ, MESSAGE_BYTES_MAX), "limit");
    for (int i = 0; i < count; i++) {
        check_nng(nng_ctx_open(&workers[i].context, rep), "context");
        check_nng(nng_aio_alloc(&workers[i].aio, worker_go_on, &workers[i]), "aio");
        nng_ctx_recv(workers[i].context, workers[i].aio);
    }
    check_nng(nng_listen(rep, argv[1], NULL, 0), argv[1]);
    puts("ready");
    fflush(stdout);
    int signal_number;
    sigwait(&ends, &signal_number);
    nng_close(rep);
    return 0;
}
