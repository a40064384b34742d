/* Health and reflection of a real musterd: while it joins, while it serves, and when it stops. */
#include "common/protobuf.h"
#include "muster/codes.h"
#include "support/grpc_client.h"
#include "support/server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 20000, STATUS_SERVING = 1, STATUS_NOT_SERVING = 2 };

static struct h2 *open_grpc(const struct server *server) {
    char url[SERVER_URL_BYTES + 8];
    snprintf(url, sizeof url, "tcp://%s", server->grpc);
    return h2_open(url);
}

/* A message of one text. */
static struct text field_of(unsigned number, const char *text) {
    static uint8_t bytes[256];
    struct pb_writer out = pb_write_to(bytes, sizeof bytes);
    pb_write_element(&out, number, text_of(text));
    return pb_written_text(&out);
}

static int status_at(struct h2 *h2, uint32_t stream, size_t i) {
    struct text message;
    if (!grpc_await_messages(h2, stream, i + 1, WAIT_MS)) fail_msg("%zu answers do not come", i + 1);
    assert_true(grpc_message_at(h2, stream, i, &message));
    struct pb_reader in = pb_read(message);
    struct pb_field field;
    assert_true(pb_next(&in, &field));
    return (int)field.value;
}

static int check(struct h2 *h2, const char *service) {
    uint32_t stream;
    const struct grpc_request request = {.path = "/grpc.health.v1.Health/Check"};
    assert_int_equal(grpc_ask(h2, &request, field_of(1, service), &stream).code, MUSTER_OK);
    return status_at(h2, stream, 0);
}

/* Its one peer is not there: it joins until --join-timeout. */
static void from_joining_to_stopping(void **state) {
    (void)state;
    const char *const flags[] = {"--peer", "127.0.0.1:9",       "--gossip",       "tcp://127.0.0.1:0",
                                 "--sync", "tcp://127.0.0.1:0", "--join-timeout", "2s",
                                 NULL};
    struct server server = server_start(flags);
    struct h2 *h2 = open_grpc(&server);
    struct process_exit how;
    uint32_t stream = grpc_begin(h2, &(struct grpc_request){.path = "/grpc.health.v1.Health/Watch"}, 0);
    assert_true(grpc_send(h2, stream, field_of(1, "muster.v1.Presence"), H2_END_STREAM));
    assert_int_equal(status_at(h2, stream, 0), STATUS_NOT_SERVING);
    assert_int_equal(status_at(h2, stream, 1), STATUS_SERVING);
    static const char *const names[] = {"", "muster.v1.Presence", "grpc.health.v1.Health",
                                        "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) assert_int_equal(check(h2, names[i]), STATUS_SERVING);
    process_signal(server.process, SIGTERM);
    assert_true(h2_await_stream_end(h2, stream, WAIT_MS));
    assert_int_equal(grpc_result(h2, stream).messages, 3);
    assert_int_equal(status_at(h2, stream, 2), STATUS_NOT_SERVING);
    assert_int_equal(grpc_result(h2, stream).code, MUSTER_UNAVAILABLE);
    assert_true(h2_await_end(h2, WAIT_MS));
    h2_close(h2);
    if (!process_wait(server.process, WAIT_MS, &how) || how.is_signal || how.status != 0) fail_msg("it does not exit");
    process_free(server.process);
    tempdir_remove(&server.dir);
}

/* What it says that it has, it has: each service of the list is found by its name, and known to health. */
static void what_reflection_lists(void **state) {
    (void)state;
    enum { ASKED_SYMBOL = 4, ASKED_SERVICES = 7, ANSWER_FILES = 4, ANSWER_SERVICES = 6 };
    struct server server = server_start(NULL);
    struct h2 *h2 = open_grpc(&server);
    struct text message;
    const char *path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    uint32_t stream = grpc_begin(h2, &(struct grpc_request){.path = path}, 0);
    assert_true(grpc_send(h2, stream, field_of(ASKED_SERVICES, ""), 0));
    assert_true(grpc_await_messages(h2, stream, 1, WAIT_MS));
    assert_true(grpc_message_at(h2, stream, 0, &message));
    char names[8][128];
    size_t count = 0;
    struct pb_reader in = pb_read(message);
    for (struct pb_field answer; pb_next(&in, &answer);) {
        if (answer.number != ANSWER_SERVICES) continue;
        struct pb_reader services = pb_read(answer.bytes);
        for (struct pb_field service, name; count < 8 && pb_next(&services, &service);) {
            struct pb_reader inner = pb_read(service.bytes);
            assert_true(pb_next(&inner, &name));
            snprintf(names[count++], sizeof names[0], "%.*s", (int)name.bytes.len, name.bytes.data);
        }
    }
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        bool is_found = false;
        assert_true(grpc_send(h2, stream, field_of(ASKED_SYMBOL, names[i]), 0));
        assert_true(grpc_await_messages(h2, stream, i + 2, WAIT_MS));
        assert_true(grpc_message_at(h2, stream, i + 1, &message));
        in = pb_read(message);
        for (struct pb_field answer; pb_next(&in, &answer);) is_found |= answer.number == ANSWER_FILES;
        if (!is_found) fail_msg("%s is listed, and not found", names[i]);
        assert_int_equal(check(h2, names[i]), STATUS_SERVING);
    }
    h2_close(h2);
    server_end(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_joining_to_stopping),
        cmocka_unit_test(what_reflection_lists),
    };
    return cmocka_run_group_tests_name("net: gRPC's own services of a musterd", tests, NULL, NULL);
}
