/* Hosts by name: a name server that is slow, or that fails later; names with several addresses. The program's
 * getaddrinfo(3) is the one below. */
#include "fake_node.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

/* ---- a name server ----------------------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_stuck; /* look-ups of slow.test do not end; guarded, as are the counters */
static int stuck, ended;
static atomic_bool is_failing; /* all other names are unknown */

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);

static struct addrinfo *found_new(const char *digits, const char *port, struct addrinfo *next) {
    struct found {
        struct addrinfo info;
        struct sockaddr_in address;
    } *made = calloc(1, sizeof *made);
    made->address.sin_family = AF_INET;
    made->address.sin_port = htons((uint16_t)atoi(port));
    assert_int_equal(inet_pton(AF_INET, digits, &made->address.sin_addr), 1);
    made->info = (struct addrinfo){.ai_family = AF_INET,
                                   .ai_addr = (struct sockaddr *)&made->address,
                                   .ai_addrlen = sizeof made->address,
                                   .ai_next = next};
    return &made->info;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    (void)hints;
    if (strcmp(host, "slow.test") == 0) {
        pthread_mutex_lock(&mutex);
        stuck++;
        pthread_cond_broadcast(&changed);
        while (is_stuck) pthread_cond_wait(&changed, &mutex);
        ended++;
        pthread_mutex_unlock(&mutex);
        return EAI_AGAIN;
    }
    if (atomic_load(&is_failing)) return EAI_NONAME;
    *found = found_new("127.0.0.1", port, NULL);
    if (strcmp(host, "several.test") == 0) /* nobody listens at the first two */
        *found = found_new("127.0.0.2", port, found_new("127.0.0.3", port, *found));
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *found) {
    for (struct addrinfo *next; found != NULL; found = next) {
        next = found->ai_next;
        free(found);
    }
}

static void set_stuck(bool value) {
    pthread_mutex_lock(&mutex);
    is_stuck = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static bool is_one_stuck(void *context) {
    (void)context;
    pthread_mutex_lock(&mutex);
    bool is_so = stuck > ended;
    pthread_mutex_unlock(&mutex);
    return is_so;
}

static bool is_none_stuck(void *context) {
    return !is_one_stuck(context);
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

struct fixture {
    unsigned port;
    char url[48], address[64];
    struct fake_node *node;
    struct muster_client *client;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->port = port_free();
    snprintf(fixture->url, sizeof fixture->url, "tcp://127.0.0.1:%u", fixture->port);
    fixture->node = fake_node_start(fixture->url);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_close(fixture->client);
    fake_node_stop(fixture->node);
    free(fixture);
    return 0;
}

static void open_client(struct fixture *fixture, const char *list, uint32_t timeout_ms) {
    struct muster_error error;
    struct muster_options options = {.addresses = &list, .address_count = 1, .timeout_ms = timeout_ms};
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("%s", error.message);
}

static void must_touch(struct fixture *fixture) {
    struct muster_error error;
    struct muster_beat beat = {.user = "ada"};
    if (muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &error) != MUSTER_OK) fail_msg("%s", error.message);
}

static const char *named(struct fixture *fixture, const char *host) {
    snprintf(fixture->address, sizeof fixture->address, "%s:%u", host, fixture->port);
    return fixture->address;
}

static void a_name_that_takes_long_delays_nobody_else(void **state) {
    struct fixture *fixture = *state;
    char list[128];
    set_stuck(true);
    snprintf(list, sizeof list, "slow.test:1,%s", fixture->url);
    open_client(fixture, list, PATIENCE_MS);
    if (!wait_until(is_one_stuck, NULL, PATIENCE_MS)) fail_msg("the name was not looked up");
    must_touch(fixture);
    uint64_t began_ms = wait_now_ms();
    muster_close(fixture->client); /* nor the end of the client */
    fixture->client = NULL;
    if (wait_now_ms() - began_ms > PATIENCE_MS / 2) fail_msg("closing waits for the name server");
    set_stuck(false);
    if (!wait_until(is_none_stuck, NULL, PATIENCE_MS)) fail_msg("the look-up did not end");
}

static void a_call_says_that_a_name_is_still_looked_up(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_beat beat = {.user = "ada"};
    set_stuck(true);
    open_client(fixture, "slow.test:1", 300);
    assert_int_equal(muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &error), MUSTER_UNAVAILABLE);
    assert_string_equal(error.message, "node slow.test:1: host name is still being looked up");
    set_stuck(false);
    if (!wait_until(is_none_stuck, NULL, PATIENCE_MS)) fail_msg("the look-up did not end");
}

static void every_address_of_a_name_is_tried(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, named(fixture, "several.test"), PATIENCE_MS);
    must_touch(fixture);
}

/* Where the name server fails later, the addresses that it named before will do. */
static void a_name_server_that_fails_later_is_no_loss(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, named(fixture, "one.test"), PATIENCE_MS);
    must_touch(fixture);
    atomic_store(&is_failing, true);
    fake_node_stop(fixture->node);
    fixture->node = fake_node_start(fixture->url);
    must_touch(fixture);
    atomic_store(&is_failing, false);
}

static void a_name_that_is_unknown_at_first_is_looked_up_again(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_beat beat = {.user = "ada"};
    atomic_store(&is_failing, true);
    open_client(fixture, named(fixture, "one.test"), 500);
    assert_int_equal(muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &error), MUSTER_UNAVAILABLE);
    if (strstr(error.message, "host name does not resolve: ") == NULL) fail_msg("%s", error.message);
    muster_close(fixture->client);
    open_client(fixture, named(fixture, "one.test"), PATIENCE_MS);
    atomic_store(&is_failing, false);
    must_touch(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_name_that_takes_long_delays_nobody_else),
        TEST(a_call_says_that_a_name_is_still_looked_up),
        TEST(every_address_of_a_name_is_tried),
        TEST(a_name_server_that_fails_later_is_no_loss),
        TEST(a_name_that_is_unknown_at_first_is_looked_up_again),
    };
    return cmocka_run_group_tests_name("client names", tests, NULL, NULL);
}
