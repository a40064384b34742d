#include "client.h"
#include "client_error.h"
#include "common/headroom.h"
#include "common/monotonic.h"
#include "common/random.h"
#include "common/waiting.h"
#include "dispatcher.h"

#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    RECONNECT_MIN_MS = 50,
    RECONNECT_MAX_MS = 1000,
    REPLY_BYTES_MAX = MUSTER_MESSAGE_BYTES_MAX + 4096, /* with nng's header */
    CLOSE_GRACE_MS = 200,
    CLOSE_POLL_MS = 20,
    HASTEN_MS = 50,
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

int thread_start(pthread_t *thread, void *(*body)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rv = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

/* Under the mutex. */
static void client_changed(struct muster_client *client) {
    pthread_cond_broadcast(&client->changed);
    for (struct muster_keepalive *k = client->keepalives; k != NULL; k = keepalive_next(k)) keepalive_wake(k);
}

/* A new connection: sleeping watches try again within HASTEN_MS, spread by chance. Under the mutex. */
static void client_connected(struct muster_client *client) {
    if (client->dispatcher != NULL)
        dispatcher_hasten(client->dispatcher, monotonic_ms() + client_random(client, HASTEN_MS));
    client_changed(client);
}

static void node_connected(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    (void)event;
    struct node *node = arg;
    atomic_fetch_add(&node->connections, 1);
    atomic_store_explicit(&node->avoid_until_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&node->pipe, pipe.id, memory_order_release);
    pthread_mutex_lock(&node->client->mutex);
    node->first_dial = NODE_REACHED;
    client_connected(node->client);
    pthread_mutex_unlock(&node->client->mutex);
}

static void node_disconnected(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    (void)event;
    struct node *node = arg;
    uint32_t id = pipe.id;
    atomic_compare_exchange_strong(&node->pipe, &id, 0);
    pthread_mutex_lock(&node->client->mutex);
    client_changed(node->client);
    pthread_mutex_unlock(&node->client->mutex);
}

/* A first dial that says how it ended; nng tells nothing of those that go on in the background. */
static void *node_dial(void *arg) {
    struct node *node = arg;
    int rv = nng_dialer_start(node->dialer, 0);
    if (rv == 0 || rv == NNG_ECLOSED) return NULL;
    pthread_mutex_lock(&node->client->mutex);
    if (node->first_dial == NODE_DIALLING) {
        node->first_dial = NODE_REFUSED;
        node->dial_error = rv;
    }
    client_changed(node->client);
    pthread_mutex_unlock(&node->client->mutex);
    nng_dialer_start(node->dialer, NNG_FLAG_NONBLOCK);
    return NULL;
}

static int node_open(struct node *node, struct muster_client *client, const char *address) {
    node->client = client;
    if ((node->address = strdup(address)) == NULL) return NNG_ENOMEM;
    int rv = nng_req0_open(&node->socket);
    if (rv != 0) return rv;
    nng_socket socket = node->socket;
    /* A length from the wire is believed unless this comes before the dialer. */
    if ((rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, REPLY_BYTES_MAX)) != 0) return rv;
    /* A request whose connection breaks off is ours to send again, perhaps elsewhere. */
    if ((rv = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0) return rv;
    if ((rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0) return rv;
    if ((rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0) return rv;
    if ((rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, node_connected, node)) != 0) return rv;
    if ((rv = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, node_disconnected, node)) != 0) return rv;
    return nng_dialer_create(&node->dialer, socket, address);
}

/* ---- the first dials --------------------------------------------------------------------------------------------- */

static enum muster_code dial_begin(struct muster_client *client, bool is_waited_for, struct muster_error *error) {
    for (size_t i = 0; i < client->node_count; i++) {
        struct node *node = &client->nodes[i];
        int rv = is_waited_for ? 0 : nng_dialer_start(node->dialer, NNG_FLAG_NONBLOCK);
        if (rv != 0)
            return client_error_set(error, MUSTER_INVALID_ARGUMENT, "addresses[%zu]: %s: %s", i, node->address,
                                    nng_strerror(rv));
        if (!is_waited_for) continue;
        if (thread_start(&node->dial_thread, node_dial, node) != 0)
            return client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "no thread can be made");
        node->has_dial_thread = true;
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
    return client;
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
    if (!headroom_check(headroom_nng_threads() + CLIENT_THREADS, HEADROOM_NNG_BYTES, &shortage))
        return client_error_set(error, shortage.code, "%s", shortage.text);
    atomic_store(&is_checked, true);
    return MUSTER_OK;
}

enum muster_code muster_open(const struct muster_options *options, struct muster_client **client,
                             struct muster_error *error) {
    static const char *const default_addresses[] = {MUSTER_ADDRESS_DEFAULT};
    struct muster_options defaults = {0};
    *client = NULL;
    if (options == NULL) options = &defaults;
    enum muster_code code = options_check(options, error);
    if (code == MUSTER_OK) code = check_headroom(error);
    if (code != MUSTER_OK) return code;
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

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void free_flights(struct muster_client *client) {
    for (struct flight *flight = client->free_blocking, *next; flight != NULL; flight = next) {
        next = flight->next_free;
        flight_free(flight);
    }
    for (size_t i = 0; i < client->all_count; i++) flight_free(client->all[i]);
    free(client->all);
}

static void close_nodes(struct muster_client *client) {
    for (size_t i = 0; i < client->node_count; i++) {
        struct node *node = &client->nodes[i];
        if (node->socket.id != 0) nng_close(node->socket);
        if (node->has_dial_thread) pthread_join(node->dial_thread, NULL);
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
static void end_flights(struct muster_client *client) {
    pthread_mutex_lock(&client->mutex);
    client->is_closing = true;
    for (size_t i = 0; i < client->all_count; i++) {
        if (client->all[i]->is_asleep) nng_aio_cancel(client->all[i]->nap_aio);
    }
    uint64_t until_ms = monotonic_ms() + CLOSE_GRACE_MS;
    while (!await_landings(client, until_ms)) {
        /* Again and again, since a flight that was between two operations is not under way until the next. */
        for (size_t i = 0; i < client->all_count; i++) nng_aio_cancel(client->all[i]->aio);
        until_ms = monotonic_ms() + CLOSE_POLL_MS;
    }
    pthread_mutex_unlock(&client->mutex);
}

void muster_close(struct muster_client *client) {
    if (client == NULL) return;
    watches_end(client);
    end_flights(client);
    close_nodes(client);
    free_flights(client);
    for (size_t i = 0; i < client->node_count; i++) free(client->nodes[i].address);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->mutex);
    free(client->token);
    free(client);
}
