/* The library's wire is nng's: it is served here by libnng itself, over TCP and over a Unix socket, in and out of
 * order.
 */
#include "muster/muster.h"
#include "muster/v1/presence.pb-c.h"
#include "support/port.h"
#include "support/tempdir.h"
#include "support/wait.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
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

enum { PATIENCE_MS = 20000, CONTEXTS = 4, CALLS = 500 };

/* A node made of libnng's REP socket: each context answers one request after another, so that replies overtake. */
struct fixture {
    struct tempdir dir;
    char url[600];
    nng_socket socket;
    pthread_t threads[CONTEXTS];
    struct muster_client *client;
    atomic_int answered, wrong;
};

/* Every call is answered as a Touch, with its number of beats as `joined`. */
static nng_msg *answer(nng_msg *request) {
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, nng_msg_len(request), nng_msg_body(request));
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    Muster__V1__TouchResponse touched = MUSTER__V1__TOUCH_RESPONSE__INIT;
    if (call == NULL || call->request_case != MUSTER__V1__CALL__REQUEST_TOUCH) abort();
    touched.joined = (uint32_t)call->touch->n_beats;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_TOUCH;
    reply.touch = &touched;
    muster__v1__call__free_unpacked(call, NULL);
    nng_msg *message;
    if (nng_msg_alloc(&message, muster__v1__reply__get_packed_size(&reply)) != 0) abort();
    muster__v1__reply__pack(&reply, nng_msg_body(message));
    return message;
}

static void *serve(void *arg) {
    struct fixture *fixture = arg;
    nng_ctx context;
    nng_aio *aio;
    if (nng_ctx_open(&context, fixture->socket) != 0 || nng_aio_alloc(&aio, NULL, NULL) != 0) abort();
    for (;;) {
        nng_ctx_recv(context, aio);
        nng_aio_wait(aio);
        if (nng_aio_result(aio) != 0) break;
        nng_msg *request = nng_aio_get_msg(aio);
        nng_aio_set_msg(aio, answer(request));
        nng_msg_free(request);
        nng_ctx_send(context, aio);
        nng_aio_wait(aio);
    }
    nng_aio_free(aio);
    return NULL;
}

static void node_start(struct fixture *fixture) {
    if (nng_rep0_open(&fixture->socket) != 0) fail_msg("no socket");
    int rv = nng_listen(fixture->socket, fixture->url, NULL, 0);
    if (rv != 0) fail_msg("%s: %s", fixture->url, nng_strerror(rv));
    for (int i = 0; i < CONTEXTS; i++) assert_int_equal(pthread_create(&fixture->threads[i], NULL, serve, fixture), 0);
}

static void node_stop(struct fixture *fixture) {
    nng_close(fixture->socket);
    for (int i = 0; i < CONTEXTS; i++) pthread_join(fixture->threads[i], NULL);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->dir = tempdir_make();
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_close(fixture->client);
    tempdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static void on_touched(void *arg, const struct muster_touched *touched, const struct muster_error *error) {
    struct fixture *fixture = ((void **)arg)[0];
    uintptr_t beats = (uintptr_t)((void **)arg)[1];
    if (error->code != MUSTER_OK || touched->joined != beats) atomic_fetch_add(&fixture->wrong, 1);
    atomic_fetch_add(&fixture->answered, 1);
}

static bool are_all_answered(void *context) {
    struct fixture *fixture = context;
    return atomic_load(&fixture->answered) == CALLS;
}

/* Each call has another number of beats, by which its answer is known. */
static void call_many(struct fixture *fixture) {
    static struct muster_beat beats[CALLS];
    static void *args[CALLS][2];
    struct muster_error error;
    for (size_t i = 0; i < CALLS; i++) beats[i] = (struct muster_beat){.user = "ada"};
    for (size_t i = 0; i < CALLS; i++) {
        args[i][0] = fixture;
        args[i][1] = (void *)(i + 1);
        if (muster_touch_async(fixture->client, NULL, 0, beats, i + 1, on_touched, args[i], &error) != MUSTER_OK)
            fail_msg("%s", error.message);
    }
    if (!wait_until(are_all_answered, fixture, PATIENCE_MS)) fail_msg("%d answers", atomic_load(&fixture->answered));
    if (atomic_load(&fixture->wrong) != 0) fail_msg("%d answers are of other calls", atomic_load(&fixture->wrong));
}

static void use_node(struct fixture *fixture) {
    const char *address = fixture->url;
    struct muster_options options = {.addresses = &address, .address_count = 1, .timeout_ms = PATIENCE_MS};
    struct muster_error error;
    struct muster_touched touched;
    struct muster_beat beat = {.user = "ada"};
    node_start(fixture);
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("%s", error.message);
    call_many(fixture);
    node_stop(fixture);
    node_start(fixture); /* and it is found again */
    if (muster_touch(fixture->client, NULL, 0, &beat, 1, &touched, &error) != MUSTER_OK) fail_msg("%s", error.message);
    assert_int_equal(touched.joined, 1);
    node_stop(fixture);
}

static void libnng_serves_it_over_tcp(void **state) {
    struct fixture *fixture = *state;
    snprintf(fixture->url, sizeof fixture->url, "tcp://127.0.0.1:%u", port_free());
    use_node(fixture);
}

static void libnng_serves_it_over_a_unix_socket(void **state) {
    struct fixture *fixture = *state;
    struct tempdir path = tempdir_path(&fixture->dir, "node");
    snprintf(fixture->url, sizeof fixture->url, "ipc://%s", path.path);
    use_node(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(libnng_serves_it_over_tcp),
        TEST(libnng_serves_it_over_a_unix_socket),
    };
    return cmocka_run_group_tests_name("client nng", tests, NULL, NULL);
}
