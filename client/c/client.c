#include "client.h"
#include "client_error.h"
#include "common/headroom.h"
#include "common/monotonic.h"
#include "common/random.h"
#include "common/waiting.h"
#include "options.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    CLOSE_GRACE_MS = 200,
    CLOSE_POLL_MS = 20,
};

/* ---- small things ------------------------------------------------------------------------------------------------ */

/* Threads share the generator without a lock: its state is a counter. */
uint32_t client_random(struct muster_client *client, uint32_t range) {
    uint64_t state = atomic_fetch_add_explicit(&client->random, SPLITMIX64_STEP, memory_order_relaxed);
    return (uint32_t)((splitmix64_mix(state) >> 32) * range >> 32);
}

uint64_t client_connection(struct muster_client *client) {
    unsigned first = atomic_load_explicit(&client->preferred, memory_order_relaxed);
    for (unsigned i = 0; i < client->node_count; i++) {
        unsigned at = (first + i) % (unsigned)client->node_count;
        struct node *node = &client->nodes[at];
        if (node_is_connected(node)) return (uint64_t)at << 48 | atomic_load(&node->connections);
    }
    return 0;
}

/* Threads that are made now take none of the program's signals. Returns the mask to set again. */
static sigset_t block_signals(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    return before;
}

int thread_start(pthread_t *thread, void *(*body)(void *), void *arg) {
    sigset_t before = block_signals();
    int rv = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

/* ---- the first dials --------------------------------------------------------------------------------------------- */

static enum muster_code dial_begin(struct muster_client *client, bool is_waited_for, struct muster_error *error) {
    for (size_t i = 0; i < client->node_count; i++) {
        struct node *node = &client->nodes[i];
        int rv = is_waited_for ? node_dial_watched(node) : node_dial(node);
        if (rv == 0) continue;
        if (is_waited_for) return client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "no thread can be made");
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "addresses[%zu]: %s: %s", i, node->address,
                                nng_strerror(rv));
    }
    return client_error_none(error);
}

/* How many of the nodes' first dials ended so. Under the mutex. */
static size_t dials_that(struct muster_client *client, enum node_state state) {
    size_t count = 0;
    for (size_t i = 0; i < client->node_count; i++) count += client->nodes[i].first_dial == state;
    return count;
}

static enum muster_code dial_wait(struct muster_client *client, uint32_t wait_ms, struct muster_error *error) {
    uint64_t until_ms = monotonic_ms() + wait_ms;
    pthread_mutex_lock(&client->mutex);
    while (dials_that(client, NODE_REACHED) == 0 && dials_that(client, NODE_DIALLING) != 0 && monotonic_ms() < until_ms)
        waiting_until(&client->changed, &client->mutex, until_ms * 1000);
    bool is_reached = dials_that(client, NODE_REACHED) != 0;
    struct node *node = &client->nodes[0];
    if (is_reached) client_error_none(error);
    else if (node->first_dial == NODE_REFUSED)
        client_error_set(error, MUSTER_UNAVAILABLE, "%s: %s", node->address, nng_strerror(node->dial_error));
    else client_error_set(error, MUSTER_UNAVAILABLE, "%s: no connection within %u ms", node->address, wait_ms);
    pthread_mutex_unlock(&client->mutex);
    return is_reached ? MUSTER_OK : MUSTER_UNAVAILABLE;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static enum muster_code options_check(const struct muster_options *options, struct muster_error *error) {
    if (options->address_count > MUSTER_ADDRESSES_MAX)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "addresses: %zu, at most %d", options->address_count,
                                MUSTER_ADDRESSES_MAX);
    for (size_t i = 0; i < options->address_count; i++) {
        if (options->addresses == NULL || options->addresses[i] == NULL)
            return client_error_set(error, MUSTER_INVALID_ARGUMENT, "addresses[%zu]: NULL", i);
    }
    if (options->token != NULL && strlen(options->token) > MUSTER_TOKEN_BYTES_MAX)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "token: longer than %d bytes", MUSTER_TOKEN_BYTES_MAX);
    if (options->timeout_ms > MUSTER_TIMEOUT_MAX_MS)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "timeout_ms: %u, at most %d", options->timeout_ms,
                                MUSTER_TIMEOUT_MAX_MS);
    if (options->connect_ms > MUSTER_TIMEOUT_MAX_MS)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "connect_ms: %u, at most %d", options->connect_ms,
                                MUSTER_TIMEOUT_MAX_MS);
    if (options->in_flight_max > MUSTER_IN_FLIGHT_MAX)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "in_flight_max: %u, at most %d", options->in_flight_max,
                                MUSTER_IN_FLIGHT_MAX);
    return MUSTER_OK;
}

static enum muster_code open_nodes(struct muster_client *client, const char *const *addresses, size_t count,
                                   struct muster_error *error) {
    for (size_t i = 0; i < count; i++) {
        client->node_count = i + 1;
        int rv = node_open(&client->nodes[i], client, addresses[i]);
        if (rv == 0) continue;
        enum muster_code code =
            rv == NNG_ENOMEM || rv == NNG_ENOFILES ? MUSTER_RESOURCE_EXHAUSTED : MUSTER_INVALID_ARGUMENT;
        return client_error_set(error, code, "addresses[%zu]: \"%s\": %s", i, addresses[i], nng_strerror(rv));
    }
    return MUSTER_OK;
}

static void set_times(struct muster_client *client, const struct muster_options *options, size_t node_count) {
    client->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : MUSTER_TIMEOUT_DEFAULT_MS;
    uint32_t share_ms = client->timeout_ms / (uint32_t)(node_count < 2 ? 2 : node_count);
    uint32_t attempt_ms = options->attempt_ms != 0 ? options->attempt_ms : share_ms;
    client->attempt_ms = attempt_ms == 0 ? 1 : attempt_ms;
    client->in_flight_max = options->in_flight_max != 0 ? options->in_flight_max : MUSTER_IN_FLIGHT_DEFAULT;
}

static struct muster_client *client_new(void) {
    struct muster_client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    uint64_t seed = monotonic_ms();
    /* Where there is no randomness yet, early at boot, the time will do: it only spreads load. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) seed ^= (uint64_t)(uintptr_t)client;
    atomic_init(&client->random, seed);
    if (pthread_mutex_init(&client->mutex, NULL) != 0) goto fail_client;
    if (!waiting_init(&client->changed)) goto fail_mutex;
    if (writes_init(&client->writes, client)) return client;
    pthread_cond_destroy(&client->changed);
fail_mutex:
    pthread_mutex_destroy(&client->mutex);
fail_client:
    free(client);
    return NULL;
}

/* Threads of a client's own, beside those of nng: the dispatcher, and those that dial or tell. */
enum { CLIENT_THREADS = 4 };

/* Before this process uses nng for the first time, which crashes or hangs where threads or memory are short. */
static enum muster_code check_headroom(struct muster_error *error) {
    static atomic_bool is_checked;
    struct error shortage;
    if (atomic_load(&is_checked)) return MUSTER_OK;
    sigset_t before = block_signals();
    bool has_room = headroom_check(headroom_nng_threads() + CLIENT_THREADS, HEADROOM_NNG_BYTES, &shortage);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!has_room) return client_error_set(error, shortage.code, "%s", shortage.text);
    atomic_store(&is_checked, true);
    return MUSTER_OK;
}

/* options: checked. */
static enum muster_code client_open(const struct muster_options *options, struct muster_client **client,
                                    struct muster_error *error) {
    static const char *const default_addresses[] = {MUSTER_ADDRESS_DEFAULT};
    enum muster_code code = MUSTER_OK;
    struct muster_client *made = client_new();
    if (made == NULL) return client_error_no_memory(error);
    bool is_default = options->address_count == 0;
    size_t count = is_default ? 1 : options->address_count;
    set_times(made, options, count);
    if (options->token != NULL && (made->token = strdup(options->token)) == NULL) code = client_error_no_memory(error);
    if (code == MUSTER_OK) code = open_nodes(made, is_default ? default_addresses : options->addresses, count, error);
    if (code == MUSTER_OK) code = dial_begin(made, options->connect_ms != 0, error);
    if (code == MUSTER_OK && options->connect_ms != 0) code = dial_wait(made, options->connect_ms, error);
    if (code != MUSTER_OK) {
        muster_close(made);
        return code;
    }
    *client = made;
    return client_error_none(error);
}

enum muster_code muster_open_sized(const struct muster_options *options, size_t options_size,
                                   struct muster_client **client, struct muster_error *error) {
    struct muster_options known;
    *client = NULL;
    enum muster_code code = options_copy(&known, sizeof known, options, options_size, error);
    if (code == MUSTER_OK) code = options_check(&known, error);
    if (code == MUSTER_OK) code = check_headroom(error);
    return code == MUSTER_OK ? client_open(&known, client, error) : code;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void free_calls(struct muster_client *client) {
    for (struct call *call = client->calls, *next; call != NULL; call = next) {
        next = call->next_made;
        call_free(call);
    }
    for (struct attempt *attempt = client->attempts, *next; attempt != NULL; attempt = next) {
        next = attempt->next;
        attempt_free(attempt);
    }
}

/* Waits until no asynchronous call is under way, or until_ms. Under the mutex. */
static bool await_landings(struct muster_client *client, uint64_t until_ms) {
    while (client->in_flight != 0 || client->landing != 0) {
        if (monotonic_ms() >= until_ms) return false;
        waiting_until(&client->changed, &client->mutex, until_ms * 1000);
    }
    return true;
}

/* Ends all asynchronous calls: those that back off at once, those that wait for an answer after a moment of grace.
 * This comes before the sockets are closed, when nng 1.5.2 must be at rest: a connection that is closed between the
 * length and the body of a message that comes in is never reaped, and nng_close waits for it for good. */
static void end_calls(struct muster_client *client) {
    pthread_mutex_lock(&client->mutex);
    client->is_closing = true;
    for (struct call *call = client->calls; call != NULL; call = call->next_made) {
        if (call->is_asleep) nng_aio_cancel(call->nap_aio);
    }
    pthread_mutex_unlock(&client->mutex);
    writes_close(&client->writes);
    pthread_mutex_lock(&client->mutex);
    uint64_t until_ms = monotonic_ms() + CLOSE_GRACE_MS;
    while (!await_landings(client, until_ms)) {
        /* Again and again, since an attempt that was between two operations is not under way until the next. */
        for (struct attempt *attempt = client->attempts; attempt != NULL; attempt = attempt->next)
            attempt_cancel(attempt);
        until_ms = monotonic_ms() + CLOSE_POLL_MS;
    }
    pthread_mutex_unlock(&client->mutex);
}

static void close_nodes(struct muster_client *client) {
    for (size_t i = 0; i < client->node_count; i++) node_close(&client->nodes[i]);
}

void muster_close(struct muster_client *client) {
    if (client == NULL) return;
    watches_end(client);
    end_calls(client);
    close_nodes(client);
    free_calls(client);
    writes_destroy(&client->writes);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->mutex);
    free(client->token);
    free(client);
}
