/* A musterd that is told to stop while clients call it: GOAWAY in two steps, and every call is either answered or
 * known to the client as one that was not looked at. Many runs, since what is lost now and then is lost at the end. */
#include "attack.h"
#include "muster/codes.h"
#include "support/grpc_client.h"
#include "support/server.h"
#include "support/wait.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { RUNS = 3 };
#else
enum { RUNS = 12 };
#endif
enum { CLIENTS = 6, CALLS_BEFORE = 30, BATCH = 8, ANSWER_MS = 20000, PROBLEM_BYTES = 200 };

/* A client on its own thread, and what it saw; nothing is asserted there. */
struct client {
    pthread_t thread;
    const char *url;
    bool is_idle; /* it does not call: it only has a watch */
    atomic_uint answered;
    unsigned untold;
    char problem[PROBLEM_BYTES]; /* empty: none */
};

static void note_problem(struct client *client, const struct h2 *h2, const char *what, uint32_t stream) {
    if (client->problem[0] != '\0') return;
    snprintf(client->problem, sizeof client->problem, "%s (stream %u; %u GOAWAYs, the last of stream %u, error %u%s)",
             what, stream, h2->goaways, h2->goaway_last, h2->goaway_error, h2->was_reset ? "; reset" : "");
}

/* A call ends with an answer, or unseen by the server: then the last GOAWAY says so. None is refused: a client of gRPC
 * does not ask again of its own accord. */
static void judge_call(struct client *client, struct h2 *h2, uint32_t id) {
    const struct h2_stream *stream = h2_stream(h2, id);
    const struct grpc_result result = grpc_result(h2, id);
    if (stream->has_ended && !stream->is_reset) {
        if (result.code == MUSTER_OK) atomic_fetch_add(&client->answered, 1);
        else note_problem(client, h2, result.code == MUSTER_UNAVAILABLE ? "a call is refused" : "another status", id);
    } else if (stream->is_reset && stream->reset_error == NGHTTP2_REFUSED_STREAM) {
        client->untold++;
    } else if (h2->goaways > 0 && h2->goaway_last < id) {
        client->untold++;
    } else {
        note_problem(client, h2, stream->is_reset ? "a call was reset" : "a call was lost", id);
    }
}

static void call_until_told(struct client *client, struct h2 *h2) {
    uint32_t ids[BATCH];
    while (h2->goaways == 0 && !h2->is_ended) {
        h2_hold(h2);
        for (size_t i = 0; i < BATCH; i++) {
            ids[i] = grpc_begin(h2, &(struct grpc_request){.path = "/muster.v1.Presence/Nodes"}, 0);
            grpc_send_frame(h2, ids[i], (struct text){"", 0}, H2_END_STREAM);
        }
        if (!h2_release(h2)) break;
        for (size_t i = 0; i < BATCH; i++) h2_await_stream_end(h2, ids[i], ANSWER_MS);
        for (size_t i = 0; i < BATCH; i++) {
            judge_call(client, h2, ids[i]);
            h2_forget(h2, ids[i]);
        }
    }
}

static void *run_client(void *context) {
    struct client *client = context;
    struct h2 *h2 = h2_open(client->url);
    uint32_t watch = grpc_begin(h2, &(struct grpc_request){.path = "/muster.v1.Presence/Watch"}, 0);
    grpc_send(h2, watch, (struct text){"", 0}, H2_END_STREAM);
    if (!grpc_await_messages(h2, watch, 1, ANSWER_MS)) note_problem(client, h2, "a watch is not answered", watch);
    atomic_fetch_add(&client->answered, 1);
    if (!client->is_idle) call_until_told(client, h2);
    if (!h2_await_end(h2, ANSWER_MS)) note_problem(client, h2, "the connection is kept", 0);
    if (h2->goaways != 2 || h2->goaway_last == INT32_MAX || h2->goaway_error != 0)
        note_problem(client, h2, "not two GOAWAYs, the last of which names a stream", 0);
    if (h2->was_reset) note_problem(client, h2, "the connection is reset", 0);
    if (!h2_stream(h2, watch)->has_ended || grpc_result(h2, watch).code != MUSTER_UNAVAILABLE)
        note_problem(client, h2, "the watch does not end with UNAVAILABLE", watch);
    h2_close(h2);
    return NULL;
}

static bool have_called(void *context) {
    struct client *clients = context;
    for (int i = 0; i < CLIENTS; i++)
        if (atomic_load(&clients[i].answered) < (clients[i].is_idle ? 1 : CALLS_BEFORE)) return false;
    return true;
}

static void drain_once(int run) {
    struct client clients[CLIENTS] = {{.url = NULL}};
    struct server server = attack_server_start(NULL);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].url = server.grpc;
        clients[i].is_idle = i % 3 == 2;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0) fail_msg("no thread");
    }
    if (!wait_until(have_called, clients, ANSWER_MS)) fail_msg("run %d: calls are not answered", run);
    int status = server_stop(&server);
    unsigned answered = 0, untold = 0;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        if (clients[i].problem[0] != '\0') fail_msg("run %d, client %d: %s", run, i, clients[i].problem);
        answered += clients[i].answered;
        untold += clients[i].untold;
    }
    if (status != 0) fail_msg("run %d: musterd exits with status %d", run, status);
    print_message("run %d: %u calls answered, %u not looked at\n", run, answered, untold);
    process_free(server.process);
    tempdir_remove(&server.dir);
}

static void no_call_is_lost_by_a_drain(void **state) {
    (void)state;
    for (int run = 0; run < RUNS; run++) drain_once(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_call_is_lost_by_a_drain)};
    return cmocka_run_group_tests_name("gRPC: drain under load", tests, NULL, NULL);
}
