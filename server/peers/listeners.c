#include "listeners.h"
#include "pipe_address.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <string.h>

enum { LISTENER_IPC_MODE = 0660 };

/* After the first time the port is known, and kept. */
static int listener_open(struct listeners *listeners, struct listener *listener) {
    int failure = nng_listener_create(&listener->nng, listeners->socket, listener->url);
    if (failure != 0) return failure;
    atomic_store(&listener->id, (unsigned)nng_listener_id(listener->nng));
    (void)nng_listener_set_bool(listener->nng, NNG_OPT_TCP_NODELAY, true);
    (void)nng_listener_set_bool(listener->nng, NNG_OPT_TCP_KEEPALIVE, true);
    (void)nng_listener_set_int(listener->nng, NNG_OPT_IPC_PERMISSIONS, LISTENER_IPC_MODE);
    if ((failure = nng_listener_set_size(listener->nng, NNG_OPT_RECVMAXSZ, listeners->receive_bytes_max)) != 0 ||
        (failure = nng_listener_start(listener->nng, 0)) != 0) {
        nng_listener_close(listener->nng);
        return failure;
    }
    listener->is_open = true;
    char *url = NULL;
    if (nng_listener_get_string(listener->nng, NNG_OPT_URL, &url) == 0) {
        if (strlen(url) < sizeof listener->url) strcpy(listener->url, url);
        nng_strfree(url);
    }
    (void)nng_listener_get_addr(listener->nng, NNG_OPT_LOCADDR, &listener->address);
    return 0;
}

/* A listener that no longer accepts. Closing it ends its connections, which nng gives no way around. */
static void listener_reopen(struct listeners *listeners, struct listener *listener) {
    if (listener->is_open) {
        listener->is_open = false;
        nng_listener_close(listener->nng);
    }
    int failure = listener_open(listeners, listener);
    if (failure == 0) atomic_fetch_add(&listeners->relistened, 1);
    log_line(failure == 0 ? LEVEL_WARN : LEVEL_ERROR, "listener_reopened",
             failure == 0 ? "a listener had stopped accepting; it was opened again"
                          : "a listener stopped accepting and cannot be opened again yet",
             {"url", listener->url, 0}, {"result", nng_strerror(failure), 0});
}

static void probe_again_later(struct listeners *listeners, struct listener *listener, uint64_t now_us) {
    probe_end(&listener->probe);
    atomic_store(&listener->probe_port, 0);
    listener->probe_us = now_us + (uint64_t)listeners->probe_every_ms * 1000;
}

/* A Unix socket has no ports; any other than 0 marks that a probe is under way. */
static enum probe_step probe_begin(struct listener *listener, uint64_t now_us) {
    listener->accepted_before = atomic_load(&listener->accepted);
    listener->probe_us = now_us;
    atomic_store(&listener->probe_port, UINT16_MAX);
    enum probe_step step = probe_start(&listener->probe, &listener->address);
    if (step == PROBE_GOES_ON && listener->probe.local_port != 0)
        atomic_store(&listener->probe_port, listener->probe.local_port);
    return step;
}

static void listener_step(struct listeners *listeners, struct listener *listener, uint64_t now_us) {
    bool is_begun = probe_is_under_way(&listener->probe);
    if (!is_begun && now_us < listener->probe_us) return;
    enum probe_step step = PROBE_FAILED;
    if (is_begun) step = probe_step(&listener->probe);
    else if (listener->is_open) step = probe_begin(listener, now_us);
    bool is_alive = listener->is_open && atomic_load(&listener->accepted) != listener->accepted_before;
    bool is_late = is_begun && now_us - listener->probe_us > (uint64_t)listeners->probe_patience_ms * 1000;
    if (is_alive || step == PROBE_TRY_LATER) {
        probe_again_later(listeners, listener, now_us);
    } else if (step == PROBE_FAILED || is_late) {
        probe_again_later(listeners, listener, now_us);
        listener_reopen(listeners, listener);
    }
}

void listeners_step(struct listeners *listeners, uint64_t now_us) {
    for (size_t i = 0; i < listeners->count; i++) listener_step(listeners, &listeners->items[i], now_us);
}

bool listeners_took(struct listeners *listeners, nng_pipe pipe) {
    unsigned id = (unsigned)nng_listener_id(nng_pipe_listener(pipe));
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->items[i];
        if (atomic_load(&listener->id) != id) continue;
        atomic_fetch_add(&listener->accepted, 1);
        return peer_is_probe(pipe, (uint16_t)atomic_load(&listener->probe_port));
    }
    return false;
}

int listeners_open(struct listeners *listeners, const char *const *urls, size_t count, const char **failed_url) {
    for (size_t i = 0; i < count; i++) listeners->items[i].probe = probe_none();
    listeners->count = count; /* connections come in as soon as the first is open */
    for (size_t i = 0; i < count; i++) {
        struct listener *listener = &listeners->items[i];
        *failed_url = urls[i];
        if (strlen(urls[i]) >= sizeof listener->url) return NNG_EADDRINVAL;
        strcpy(listener->url, urls[i]);
        int failure = listener_open(listeners, listener);
        if (failure != 0) return failure;
        listener->probe_us = clock_monotonic_us() + (uint64_t)listeners->probe_every_ms * 1000;
    }
    *failed_url = NULL;
    return 0;
}

void listeners_close(struct listeners *listeners) {
    for (size_t i = 0; i < listeners->count; i++) probe_end(&listeners->items[i].probe);
}
