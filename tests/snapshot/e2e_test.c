/* musterd with a data directory: restarted, given what is no snapshot, and refused one that is in use. */
#include "support/server.h"
#include "support/sp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static void expect_event(struct server *server, const char *event) {
    if (process_await_line(server->process, PROCESS_ERRORS, event, PATIENCE_MS, NULL)) return;
    char *log = process_text(server->process, PROCESS_ERRORS, NULL);
    fail_msg("no %s in the log:\n%s", event, log);
}

/* Stops it, and starts it in the same directory. */
static void restart(struct server *server, const char *const flags[]) {
    if (server_stop(server) != 0) fail_msg("it did not stop well");
    server_start_again(server, flags);
}

static void a_restart_keeps_everybody(void **state) {
    (void)state;
    struct tempdir parent = tempdir_make(), data = tempdir_path(&parent, "data");
    const char *const flags[] = {"--data-dir", data.path, "--retention", "1h", NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.tcp);
    expect_event(&server, "event=snapshot_none");
    touch(&answerer, "room", "ada", "tab");
    touch(&answerer, "room", "ben", "");
    uint64_t stamp = touch(&answerer, "room", "cyd", "");
    leave(&answerer, "room", "cyd", "");
    for (int i = 0; i < 3; i++) {
        restart(&server, flags);
        expect_event(&server, "event=snapshot_loaded");
        if (!is_live(&answerer, "room", "ada") || !is_live(&answerer, "room", "ben"))
            fail_msg("restart %d lost somebody", i);
        if (is_live(&answerer, "room", "cyd")) fail_msg("restart %d brought back who had left", i);
        uint64_t later = touch(&answerer, "room", "dan", "");
        if (later <= stamp) fail_msg("restart %d: the stamps do not go on", i);
        stamp = later;
    }
    server_end(&server);
    tempdir_remove(&parent);
}

static void a_bad_snapshot_does_not_end_the_start(void **state) {
    (void)state;
    struct tempdir data = tempdir_make();
    tempdir_write(&data, "roll.snapshot", "this is not a snapshot, but long enough", 39);
    const char *const flags[] = {"--data-dir", data.path, NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.tcp);
    expect_event(&server, "event=snapshot_bad");
    expect_event(&server, "set_aside_as=roll.snapshot.bad-");
    touch(&answerer, "room", "ada", "");
    restart(&server, flags);
    if (!is_live(&answerer, "room", "ada")) fail_msg("the node did not go on after a bad snapshot");
    server_end(&server);
    tempdir_remove(&data);
}

static void expect_refusal(const char *dir, int status, const char *says) {
    const char *const argv[] = {MUSTERD_PATH, "--grpc", "none", "--rpc", "tcp://127.0.0.1:0", "--data-dir", dir, NULL};
    struct process_result result = process_run(argv, NULL, NULL, PATIENCE_MS);
    if (result.timed_out || result.how.is_signal || result.how.status != status || strstr(result.errors, says) == NULL)
        fail_msg("--data-dir %s: status %d, '%s'; expected %d, '%s'", dir, result.how.status, result.errors, status,
                 says);
    process_result_free(&result);
}

static void a_directory_that_cannot_be_had_ends_the_start(void **state) {
    (void)state;
    struct tempdir data = tempdir_make();
    struct tempdir file = tempdir_write(&data, "file", "", 0);
    struct server server = server_start((const char *const[]){"--data-dir", data.path, NULL});
    expect_refusal(data.path, 1, "another node uses it");
    expect_refusal(file.path, 1, "Not a directory");
    expect_refusal("/nonexistent/folder/data", 1, "No such file");
    expect_refusal("", 2, "--data-dir");
    server_end(&server);
    tempdir_remove(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_keeps_everybody),
        cmocka_unit_test(a_bad_snapshot_does_not_end_the_start),
        cmocka_unit_test(a_directory_that_cannot_be_had_ends_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
