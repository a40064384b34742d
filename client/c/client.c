#include "client.h"
#include "client_error.h"
#include "common/monotonic.h"
#include "common/random.h"
#include "common/waiting.h"
#include "forks.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    CLOSE_GRACE_MS = 200,
    CLOSE_POLL_MS = 20,
    ADDRESSES_BYTES_MAX = MUSTER_ADDRESSES_MAX * ENDPOINT_ADDRESS_BYTES,
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

bool client_is_inherited(const struct muster_client *client) {
    return forks_count() != client->forks;
}

enum muster_code client_error_inherited(struct muster_error *error) {
    return client_error_set(error, MUSTER_FAILED_PRECONDITION,
                            "the client was opened before a fork, and this process is the child: open one in it");
}

/* ---- the first dials --------------------------------------------------------------------------------------------- */

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
    const struct node *node = &client->nodes[0];
    if (is_reached) client_error_none(error);
    else if (node->first_dial == NODE_REFUSED)
        client_error_set(error, MUSTER_UNAVAILABLE, "node %s: %s", node->endpoint.address, node->first_trouble.text);
    else
        client_error_set(error, MUSTER_UNAVAILABLE, "node %s: no connection within %u ms", node->endpoint.address,
                         wait_ms);
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

/* Opens a node for each address of a list; `where` names the list in errors. */
static enum muster_code open_listed(struct muster_client *client, const char *where, const char *list,
                                    struct muster_error *error) {
    struct text rest = {list, (uint32_t)strnlen(list, ADDRESSES_BYTES_MAX + 1)}, address;
    struct error why;
    if (rest.len > ADDRESSES_BYTES_MAX)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: longer than %d bytes", where, ADDRESSES_BYTES_MAX);
    if (!endpoint_next(&rest, &address))
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: \"%s\": it is empty", where, list);
    do {
        if (client->node_count == MUSTER_ADDRESSES_MAX)
            return client_error_set(error, MUSTER_INVALID_ARGUMENT, "addresses: more than %d", MUSTER_ADDRESSES_MAX);
        if (!node_open(&client->nodes[client->node_count++], client, address, &why))
            return client_error_set(error, why.code, "%s: \"%.*s\": %s", where, (int)address.len, address.data,
                                    why.text);
    } while (endpoint_next(&rest, &address));
    return MUSTER_OK;
}

static enum muster_code open_nodes(struct muster_client *client, const struct muster_options *options,
                                   struct muster_error *error) {
    const char *from_environment = secure_getenv("MUSTER_TO");
    enum muster_code code = MUSTER_OK;
    char where[32];
    if (options->address_count == 0 && from_environment != NULL && from_environment[0] != '\0')
        return open_listed(client, "MUSTER_TO", from_environment, error);
    if (options->address_count == 0) return open_listed(client, "addresses", MUSTER_ADDRESS_DEFAULT, error);
    for (size_t i = 0; i < options->address_count && code == MUSTER_OK; i++) {
        snprintf(where, sizeof where, "addresses[%zu]", i);
        code = open_listed(client, where, options->addresses[i], error);
    }
    return code;
}

/* What is not set comes from the environment, as the addresses do. name: NULL: there is no variable for it. */
static const char *option_or_environment(const char *option, const char *name) {
    const char *value = option == NULL && name != NULL ? secure_getenv(name) : option;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum muster_code open_tls(struct muster_client *client, const struct muster_options *options,
                                 struct muster_error *error) {
    const struct tls_options known = {
        .ca_file = option_or_environment(options->tls_ca_file, "MUSTER_TLS_CA"),
        .cert_file = option_or_environment(options->tls_cert_file, "MUSTER_TLS_CERT"),
        .key_file = option_or_environment(options->tls_key_file, "MUSTER_TLS_KEY"),
        .server_name = option_or_environment(options->tls_server_name, NULL),
    };
    struct error why;
    bool is_wanted = false;
    for (size_t i = 0; i < client->node_count; i++) is_wanted |= client->nodes[i].endpoint.is_tls;
    if (!is_wanted || (client->tls = tls_new(&known, &why)) != NULL) return MUSTER_OK;
    return client_error_set(error, why.code, "%s", why.text);
}

static void set_times(struct muster_client *client, const struct muster_options *options) {
    size_t node_count = client->node_count;
    client->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : MUSTER_TIMEOUT_DEFAULT_MS;
    uint32_t share_ms = client->timeout_ms / (uint32_t)(node_count < 2 ? 2 : node_count);
    uint32_t attempt_ms = options->attempt_ms != 0 ? options->attempt_ms : share_ms;
    client->attempt_ms = attempt_ms == 0 ? 1 : attempt_ms;
    client->in_flight_max = options->in_flight_max != 0 ? options->in_flight_max : MUSTER_IN_FLIGHT_DEFAULT;
}

static struct muster_client *client_new(void) {
    struct muster_client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->forks = forks_count();
    uint64_t seed = monotonic_ms();
    /* Where there is no randomness yet, early at boot, the time will do: it only spreads load. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) seed ^= (uint64_t)(uintptr_t)client;
    atomic_init(&client->random, seed);
    if (pthread_mutex_init(&client->mutex, NULL) != 0) goto fail_client;
    if (!waiting_init(&client->changed)) goto fail_mutex;
    if (io_open(&client->io, client) && writes_init(&client->writes, client)) return client;
    io_close(&client->io);
    pthread_cond_destroy(&client->changed);
fail_mutex:
    pthread_mutex_destroy(&client->mutex);
fail_client:
    free(client);
    return NULL;
}

/* options: checked. */
static enum muster_code client_open(const struct muster_options *options, struct muster_client **client,
                                    struct muster_error *error) {
    struct muster_client *made = client_new();
    if (made == NULL) return client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "memory or file descriptors are short");
    enum muster_code code = open_nodes(made, options, error);
    if (code == MUSTER_OK) code = open_tls(made, options, error);
    set_times(made, options);
    if (options->token != NULL && (made->token = strdup(options->token)) == NULL) code = client_error_no_memory(error);
    if (code == MUSTER_OK && !io_start(&made->io))
        code = client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "the system has no room for more threads");
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
    if (code == MUSTER_OK && !forks_watch()) code = client_error_no_memory(error);
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

/* Ends all asynchronous calls: those that back off at once, those that wait for an answer after a moment of grace. */
static void end_calls(struct muster_client *client) {
    pthread_mutex_lock(&client->mutex);
    client->is_closing = true;
    for (struct call *call = client->calls; call != NULL; call = call->next_made) {
        if (call->is_asleep) nap_end(&call->nap);
    }
    pthread_mutex_unlock(&client->mutex);
    writes_close(&client->writes);
    pthread_mutex_lock(&client->mutex);
    uint64_t until_ms = monotonic_ms() + CLOSE_GRACE_MS;
    while (!await_landings(client, until_ms)) {
        /* Again and again, since a call that is between two attempts is not under way until the next. */
        for (struct attempt *attempt = client->attempts; attempt != NULL; attempt = attempt->next)
            attempt_cancel(attempt);
        until_ms = monotonic_ms() + CLOSE_POLL_MS;
    }
    pthread_mutex_unlock(&client->mutex);
}

static void close_nodes(struct muster_client *client) {
    for (size_t i = 0; i < client->node_count; i++) node_close(&client->nodes[i]);
}

/* Clients that were closed in a child of fork(2). A thread of the parent may have been changing anything as the memory
 * was copied, so none of it can be freed; here it can still be found, by those who look for leaks. */
static _Atomic(struct muster_client *) abandoned;

static void client_abandon(struct muster_client *client) {
    for (size_t i = 0; i < client->node_count; i++) node_abandon(&client->nodes[i]);
    io_abandon(&client->io);
    client->next_abandoned = atomic_exchange(&abandoned, client);
}

void muster_close(struct muster_client *client) {
    if (client == NULL) return;
    if (client_is_inherited(client)) {
        client_abandon(client);
        return;
    }
    watches_end(client);
    end_calls(client);
    io_stop(&client->io);
    close_nodes(client);
    tls_free(client->tls);
    free_calls(client);
    writes_destroy(&client->writes);
    io_close(&client->io);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->mutex);
    free(client->token);
    free(client);
}
