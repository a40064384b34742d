/* musterd as a process: how it starts, says that it serves, refuses to start, drains and starts again. */
#include "muster/codes.h"
#include "support/port.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { SOON_MS = 20000, SERVED_MS = 5000 };

/* ---- starting ---- */

static void it_prints_one_ready_line(void **state) {
    (void)state;
    struct server server = server_start(NULL);
    unsigned took_ms;
    size_t len;
    server_stop(&server);
    char *output = process_text(server.process, PROCESS_OUTPUT, &len);
    const char *in = strstr(output, " in ");
    if (strncmp(output, "musterd ready rpc=tcp://127.0.0.1:", 34) != 0 || strchr(output, '\n') != output + len - 1)
        fail_msg("not one ready line: %s", output);
    if (strstr(output, server.ipc) == NULL || in == NULL || sscanf(in, " in %ums\n", &took_ms) != 1)
        fail_msg("a ready line without its parts: %s", output);
    free(output);
    process_free(server.process);
    tempdir_remove(&server.dir);
}

struct refusal {
    const char *flags[6];
    int status;
    const char *says;
};

static void expect_refusal(const struct refusal *refusal) {
    const char *argv[10] = {MUSTERD_PATH, "--grpc", "127.0.0.1:0"};
    for (size_t i = 0; i < 6 && refusal->flags[i] != NULL; i++) argv[3 + i] = refusal->flags[i];
    struct process_result result = process_run(argv, NULL, NULL, SOON_MS);
    if (result.timed_out || result.how.is_signal || result.how.status != refusal->status ||
        strstr(result.errors, refusal->says) == NULL || result.output_len > 0)
        fail_msg("%s %s: status %d, expected %d; it says '%s', expected '%s'", argv[3], argv[4] ? argv[4] : "",
                 result.how.status, refusal->status, result.errors, refusal->says);
    process_result_free(&result);
}

static void it_refuses_what_it_cannot_do(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {{"--no-such-flag"}, 2, "--no-such-flag"},
        {{"extra"}, 2, "flags only"},
        {{"--rpc", "http://127.0.0.1:1"}, 2, "must begin with tcp://, tls+tcp:// or ipc://"},
        {{"--rpc", "tcp://127.0.0.1"}, 2, "HOST:PORT"},
        {{"--rpc", "tcp://127.0.0.1:99999"}, 2, "port of 0 to 65535"},
        {{"--rpc", "ipc://"}, 2, "path of 1 to 107 bytes"},
        {{"--rpc", "tcp://0.0.0.0:0"}, 2, "--insecure"},
        {{"--rpc", "tcp://*:0"}, 2, "beyond this machine"},
        {{"--rpc", "tcp://[::]:0"}, 2, "beyond this machine"},
        {{"--rpc", "tcp://example.org:7700"}, 2, "beyond this machine"},
        {{"--grpc", "127.0.0.1"}, 2, "write HOST:PORT"},
        {{"--grpc", "tcp://127.0.0.1:1"}, 2, "write HOST:PORT"},
        {{"--grpc", "[::1]:65536"}, 2, "port of 0 to 65535"},
        {{"--grpc", "0.0.0.0:0"}, 2, "--grpc 0.0.0.0:0 can be reached from beyond this machine"},
        {{"--grpc", "[::]:0"}, 2, "--insecure"},
        {{"--grpc", "*:7702"}, 2, "--insecure"},
        {{"--rpc", "ipc:///no/such/folder/socket"}, 1, "cannot listen on ipc:///no/such/folder/socket"},
        {{"--ttl", "60"}, 2, "is no duration"},
        {{"--ttl", "999ms"}, 2, "1s to 1d"},
        {{"--ttl", "25h"}, 2, "out of range"},
        {{"--retention", "31d"}, 2, "out of range"},
        {{"--retention", "18446744073709551615d"}, 2, "is no duration"},
        {{"--tick", "9ms"}, 2, "out of range, 10ms to 1s"},
        {{"--max-members", "0"}, 2, "out of range"},
        {{"--max-members", "many"}, 2, "no whole number"},
        {{"--max-bytes", "64"}, 2, "at least 64KiB"},
        {{"--max-bytes", "4GB"}, 2, "is no size"},
        {{"--max-connections", "0"}, 2, "out of range"},
        {{"--max-watches", "0"}, 2, "out of range"},
        {{"--max-watches", "1000001"}, 2, "1 to 1000000"},
        {{"--log-format", "xml"}, 2, "none of its values"},
        {{"--log-level", "loud"}, 2, "none of its values"},
        {{"--name", ""}, 2, "1 to 63"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) expect_refusal(&refusals[i]);
}

static void it_says_where_its_help_cannot_be_written(void **state) {
    (void)state;
    static const char *const scripts[] = {"exec \"$0\" --version >/dev/full", "exec \"$0\" --help >/dev/full"};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        const char *const argv[] = {"sh", "-c", scripts[i], MUSTERD_PATH, NULL};
        struct process_result result = process_run(argv, NULL, NULL, SOON_MS);
        if (result.how.status != 1 || strstr(result.errors, "cannot write standard output") == NULL)
            fail_msg("%s: status %d, '%s'", scripts[i], result.how.status, result.errors);
        process_result_free(&result);
    }
}

static void it_warns_of_a_ttl_beyond_the_retention(void **state) {
    (void)state;
    struct server server = server_start((const char *const[]){"--ttl", "1h", "--retention", "1m", NULL});
    if (!process_await_line(server.process, PROCESS_ERRORS, "event=ttl_beyond_retention", SOON_MS, NULL))
        fail_msg("no warning:\n%s", process_text(server.process, PROCESS_ERRORS, NULL));
    server_end(&server);
}

static void it_refuses_an_address_that_is_taken(void **state) {
    (void)state;
    struct server server = server_start(NULL);
    struct refusal taken = {{"--rpc", server.tcp}, 1, "cannot listen on tcp://127.0.0.1:"};
    expect_refusal(&taken);
    struct refusal taken_ipc = {{"--rpc", server.ipc}, 1, "cannot listen on ipc://"};
    expect_refusal(&taken_ipc);
    server_end(&server);
}

/* Only a socket that a node left behind gives way. */
static void it_deletes_no_file(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    struct tempdir file = tempdir_write(&dir, "notes", "precious", 8), folder = tempdir_path(&dir, "folder");
    char of_file[TEMPDIR_PATH_BYTES + 6], of_folder[TEMPDIR_PATH_BYTES + 6];
    snprintf(of_file, sizeof of_file, "ipc://%s", file.path);
    snprintf(of_folder, sizeof of_folder, "ipc://%s", folder.path);
    if (mkdir(folder.path, 0700) != 0) fail_msg("no folder");
    struct refusal refusals[] = {{{"--rpc", of_file}, 1, "there is a file that is not a socket"},
                                 {{"--rpc", of_folder}, 1, "there is a file that is not a socket"}};
    for (size_t i = 0; i < 2; i++) expect_refusal(&refusals[i]);
    char *content = tempdir_read(file.path, NULL);
    if (content == NULL || strcmp(content, "precious") != 0) fail_msg("--rpc ipc://FILE took the file's place");
    free(content);
    tempdir_remove(&dir);
}

static void it_listens_beyond_loopback_when_told(void **state) {
    (void)state;
    const char *const flags[] = {"--rpc", "tcp://0.0.0.0:0", "--insecure", NULL};
    struct server server = server_start(flags);
    if (!process_await_line(server.process, PROCESS_ERRORS, "event=insecure", SOON_MS, NULL))
        fail_msg("an insecure node does not say so");
    server_end(&server);
}

static void it_says_its_version_and_help(void **state) {
    (void)state;
    const char *const flags[] = {"--version", "--help"}, *const says[] = {"musterd 0.", "--max-members"};
    for (int i = 0; i < 2; i++) {
        const char *argv[] = {MUSTERD_PATH, flags[i], NULL};
        struct process_result result = process_run(argv, NULL, NULL, SOON_MS);
        if (result.how.status != 0 || strstr(result.output, says[i]) == NULL)
            fail_msg("%s: status %d, '%s'", flags[i], result.how.status, result.output);
        process_result_free(&result);
    }
}

/* ---- settings ---- */

static void its_settings_are_in_force(void **state) {
    (void)state;
    const char *const flags[] = {"--ttl", "7s", "--retention", "1h", "--max-members", "5", "--name", "n1", NULL};
    struct server server = server_start(flags);
    const struct answerer answerer = sp_answerer(server.tcp);
    struct request_builder builder;
    builder_touch(&builder, "s");
    builder_beat(&builder, "ada", "");
    Muster__V1__Reply *reply = ask(&answerer, &builder);
    if (reply->touch->ttl_ms != 7000) fail_msg("a TTL of %u", reply->touch->ttl_ms);
    reply_free(reply);
    builder_counts(&builder);
    builder_window(&builder, 3600001);
    ask_refused(&answerer, &builder, 3, "at most 3600000");
    builder_touch(&builder, "s");
    for (size_t i = 0; i < 6; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, "u", i);
    ask_refused(&answerer, &builder, 8, "at most 5 members");
    if (!process_await_line(server.process, PROCESS_ERRORS, "node=n1", SOON_MS, NULL)) fail_msg("no name in the logs");
    server_end(&server);
}

/* The process ticks: leases end without a request that would look. */
static bool nobody_is_live(void *context) {
    struct request_builder builder;
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes("s"));
    Muster__V1__Reply *reply = ask(context, &builder);
    bool is_empty = reply->counts->scopes[0]->live == 0;
    reply_free(reply);
    return is_empty;
}

static void its_leases_end(void **state) {
    (void)state;
    const char *const flags[] = {"--ttl", "1s", "--tick", "10ms", NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.ipc);
    uint64_t start_ms = wait_now_ms();
    touch(&answerer, "s", "ada", "");
    if (!wait_until(nobody_is_live, &answerer, SOON_MS)) fail_msg("live for ever");
    if (wait_now_ms() - start_ms < 1000) fail_msg("gone before the TTL");
    server_end(&server);
}

static void it_logs_json(void **state) {
    (void)state;
    const char *const flags[] = {"--log-format", "json", "--name", "a\"b\\c", NULL};
    struct server server = server_start(flags);
    char *line;
    if (!process_await_line(server.process, PROCESS_ERRORS, "\"event\":\"started\"", SOON_MS, &line))
        fail_msg("no started event");
    if (line[0] != '{' || line[strlen(line) - 1] != '}' || strstr(line, "\"node\":\"a\\\"b\\\\c\"") == NULL ||
        strstr(line, "\"level\":\"info\"") == NULL || strstr(line, "\"pid\":") == NULL)
        fail_msg("not the JSON it should be: %s", line);
    free(line);
    server_end(&server);
}

/* ---- stopping ---- */

/* Requests that are on their way when the signal comes: each is answered before the connection ends. */
static void it_drains(void **state) {
    enum { CONNECTIONS = 20, REQUESTS = 3 };
    (void)state;
    struct server server = server_start(NULL);
    struct sp sps[CONNECTIONS];
    uint32_t id, replied_id;
    size_t len;
    for (int i = 0; i < CONNECTIONS; i++) {
        sps[i] = sp_open(i % 2 == 0 ? server.tcp : server.ipc, SERVED_MS);
        if (sps[i].fd < 0) fail_msg("no connection");
    }
    for (int i = 0; i < CONNECTIONS * REQUESTS; i++) {
        struct request_builder builder;
        builder_touch(&builder, "drain");
        for (size_t j = 0; j < 3000; j++)
            builder_beat(&builder, "", "")->user = builder_number(&builder, "user-", (size_t)i * 3000 + j);
        if (!sp_send_built(&sps[i % CONNECTIONS], &builder, &id)) fail_msg("a request is not taken");
    }
    process_signal(server.process, SIGTERM);
    for (int i = 0; i < CONNECTIONS * REQUESTS; i++) {
        uint8_t *reply = sp_receive(&sps[i % CONNECTIONS], SOON_MS, &replied_id, &len);
        if (reply == NULL)
            fail_msg("request %d was on its way and is not answered:\n%s", i,
                     process_text(server.process, PROCESS_ERRORS, NULL));
        free(reply);
    }
    for (int i = 0; i < CONNECTIONS; i++) sp_close(&sps[i]);
    server_end(&server);
}

/* Clients that go on asking do not keep it from stopping. */
static void *keep_asking(void *context) {
    struct sp *sp = context;
    uint32_t id;
    size_t len;
    uint8_t *reply = NULL;
    while (sp_send(sp, "", 0, &id) && (reply = sp_receive(sp, SOON_MS, &id, &len)) != NULL) free(reply);
    return NULL;
}

static void it_drains_though_clients_go_on(void **state) {
    enum { CONNECTIONS = 4 };
    (void)state;
    struct server server = server_start(NULL);
    struct sp sps[CONNECTIONS];
    pthread_t threads[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        sps[i] = sp_open(server.tcp, SERVED_MS);
        if (sps[i].fd < 0 || pthread_create(&threads[i], NULL, keep_asking, &sps[i]) != 0) fail_msg("no connection");
    }
    uint64_t start_ms = wait_now_ms();
    if (server_stop(&server) != 0) fail_msg("it does not exit with status 0");
    if (wait_now_ms() - start_ms > 8000) fail_msg("it takes more than 8 s to stop");
    for (int i = 0; i < CONNECTIONS; i++) {
        pthread_join(threads[i], NULL);
        sp_close(&sps[i]);
    }
    process_free(server.process);
    tempdir_remove(&server.dir);
}

/* Fault 29: with a client that polled every 50 ms, a drain took five seconds, and requests timed out in the end. */
static void who_polls_is_refused_once_and_hung_up(void **state) {
    enum { EVERY_MS = 50, POLLERS = 3 };
    (void)state;
    struct server server = server_start(NULL);
    struct sp sps[POLLERS];
    bool is_open[POLLERS];
    unsigned open = POLLERS, refused[POLLERS] = {0};
    for (int i = 0; i < POLLERS; i++) {
        sps[i] = sp_open(i == 0 ? server.ipc : server.tcp, SERVED_MS);
        is_open[i] = sp_is_answered(&sps[i], SERVED_MS);
        if (!is_open[i]) fail_msg("not served");
    }
    process_signal(server.process, SIGTERM);
    if (!process_await_line(server.process, PROCESS_ERRORS, "event=draining", SOON_MS, NULL)) fail_msg("no drain");
    for (uint64_t start_ms = wait_now_ms(), at_ms = start_ms; open > 0 && at_ms - start_ms < SOON_MS;
         at_ms = wait_now_ms()) {
        for (int i = 0; i < POLLERS; i++) {
            struct request_builder builder;
            uint32_t id;
            size_t len;
            builder_touch(&builder, "s");
            builder_beat(&builder, "ada", "");
            if (!is_open[i]) {
                builder_free(&builder);
                continue;
            }
            bool is_sent = sp_send_built(&sps[i], &builder, &id);
            uint8_t *bytes = is_sent ? sp_receive(&sps[i], SERVED_MS, &id, &len) : NULL;
            Muster__V1__Reply *reply = bytes != NULL ? muster__v1__reply__unpack(NULL, len, bytes) : NULL;
            if (reply != NULL && reply->code != MUSTER_UNAVAILABLE) fail_msg("code %u during a drain", reply->code);
            refused[i] += reply != NULL;
            is_open[i] = reply != NULL;
            open -= reply == NULL;
            if (reply != NULL) reply_free(reply);
            free(bytes);
        }
        (void)poll(NULL, 0, EVERY_MS);
    }
    if (open > 0) fail_msg("%u of %d are still served", open, POLLERS);
    for (int i = 0; i < POLLERS; i++) {
        if (refused[i] == 0 || refused[i] > 3) fail_msg("client %d was refused %u times", i, refused[i]);
        sp_close(&sps[i]);
    }
    if (server_stop(&server) != 0) fail_msg("it does not exit with status 0");
    if (!process_await_line(server.process, PROCESS_ERRORS, "all that had come in was answered", SOON_MS, NULL))
        fail_msg("replies were not delivered in time");
    server_end(&server);
}

/* Who was let in before the door was shut is told to go elsewhere. */
static bool is_turned_away(void *url) {
    struct sp sp = sp_open(url, SERVED_MS);
    bool is_away = sp.fd < 0;
    struct request_builder builder;
    uint32_t id;
    size_t len;
    builder_touch(&builder, "s");
    builder_beat(&builder, "ada", "");
    uint8_t *bytes = !is_away && sp_send_built(&sp, &builder, &id) ? sp_receive(&sp, SERVED_MS, &id, &len) : NULL;
    if (is_away) builder_free(&builder);
    if (bytes != NULL) {
        Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL || reply->code != MUSTER_UNAVAILABLE) fail_msg("a new connection is served while it drains");
        reply_free(reply);
        free(bytes);
    }
    sp_close(&sp);
    return is_away;
}

static void it_refuses_connections_while_it_drains(void **state) {
    (void)state;
    struct server server = server_start(NULL);
    process_signal(server.process, SIGINT);
    if (!process_await_line(server.process, PROCESS_ERRORS, "event=draining", SOON_MS, NULL))
        fail_msg("it does not say that it drains");
    if (!wait_until(is_turned_away, server.tcp, SOON_MS)) fail_msg("it lets connections in while it drains");
    server_end(&server);
}

static void it_starts_again_where_it_was(void **state) {
    (void)state;
    struct server server = server_start(NULL);
    for (int round = 0; round < 3; round++) {
        struct sp before = sp_open(server.tcp, SERVED_MS);
        if (round == 0) {
            server_stop(&server);
        } else { /* a crash leaves the Unix socket's file, and connections in every state */
            process_signal(server.process, SIGKILL);
            if (!process_wait(server.process, SOON_MS, NULL)) fail_msg("SIGKILL does not end it");
        }
        server_start_again(&server, NULL);
        if (!sp_is_served(server.tcp, SERVED_MS) || !sp_is_served(server.ipc, SERVED_MS))
            fail_msg("not served after restart %d", round);
        sp_close(&before);
    }
    server_end(&server);
}

/* main [TEST]: this one alone. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_prints_one_ready_line),
        cmocka_unit_test(it_refuses_what_it_cannot_do),
        cmocka_unit_test(it_says_where_its_help_cannot_be_written),
        cmocka_unit_test(it_warns_of_a_ttl_beyond_the_retention),
        cmocka_unit_test(it_refuses_an_address_that_is_taken),
        cmocka_unit_test(it_deletes_no_file),
        cmocka_unit_test(it_listens_beyond_loopback_when_told),
        cmocka_unit_test(it_says_its_version_and_help),
        cmocka_unit_test(its_settings_are_in_force),
        cmocka_unit_test(its_leases_end),
        cmocka_unit_test(it_logs_json),
        cmocka_unit_test(it_drains),
        cmocka_unit_test(it_drains_though_clients_go_on),
        cmocka_unit_test(who_polls_is_refused_once_and_hung_up),
        cmocka_unit_test(it_refuses_connections_while_it_drains),
        cmocka_unit_test(it_starts_again_where_it_was),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("rpc end to end: process", tests, NULL, NULL);
}
