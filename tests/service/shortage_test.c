/* musterd where the system is short of something: it serves, or says why it cannot; it never crashes, hangs, or loses
 * what it has promised to keep without saying so. */
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, OTHER_USER = 54321 };

/* ---- memory and threads ------------------------------------------------------------------------------------------ */

/* Whether it served; ends the test unless it did, or said in a sentence that it cannot. */
static bool serves_or_says_why(const char *const argv[], const char *limit) {
    struct process *process = process_start(argv, NULL);
    struct process_exit how;
    bool is_ready = process_await_line(process, PROCESS_OUTPUT, "ready", PATIENCE_MS, NULL);
    if (is_ready) process_signal(process, SIGTERM);
    if (!process_wait(process, PATIENCE_MS, &how)) fail_msg("%s: it hangs", limit);
    char *errors = process_text(process, PROCESS_ERRORS, NULL);
    if (how.is_signal || how.status != (is_ready ? 0 : 1) || (!is_ready && strstr(errors, "cannot start: ") == NULL))
        fail_msg("%s: %s %d after it was %sready:\n%s", limit, how.is_signal ? "signal" : "status", how.status,
                 is_ready ? "" : "not ", errors);
    free(errors);
    process_free(process);
    return is_ready;
}

#ifndef UNDER_SANITIZER /* they reserve terabytes of addresses */
/* So does the command line, and with it libmuster: status 3 (no node answers) or 4 (the library cannot). */
static void the_client_says_why_with_little_memory(void **state) {
    (void)state;
    char limit[32];
    bool cannot = false, can = false;
    for (unsigned mebibytes = 8; mebibytes <= 320; mebibytes += mebibytes < 40 ? 2 : 40) {
        snprintf(limit, sizeof limit, "--as=%u", mebibytes << 20);
        const char *argv[] = {"prlimit", limit, MUSTER_PATH, "live", "ada", "--to", "tcp://127.0.0.1:1", NULL};
        struct process_result result = process_run(argv, NULL, NULL, PATIENCE_MS);
        if (result.timed_out || result.how.is_signal || result.errors_len == 0)
            fail_msg("%s: signal or status %d: %s", limit, result.how.status, result.errors);
        cannot |= result.how.status == 4;
        can |= result.how.status == 3;
        process_result_free(&result);
    }
    if (!can || !cannot) fail_msg("the limits are not what matters");
}

static void it_starts_or_says_why_with_little_memory(void **state) {
    (void)state;
    static const unsigned mebibytes[] = {30, 60, 80, 90, 100, 110, 120, 130, 140, 160, 180, 200, 250, 300, 2000};
    struct tempdir dir = tempdir_make(), socket = tempdir_path(&dir, "s");
    char url[TEMPDIR_PATH_BYTES + 8], limit[32];
    size_t served = 0, count = sizeof mebibytes / sizeof mebibytes[0];
    snprintf(url, sizeof url, "ipc://%s", socket.path);
    for (size_t i = 0; i < 2 * count; i++) {
        snprintf(limit, sizeof limit, "--as=%u", mebibytes[i / 2] << 20);
        const char *argv[] = {"prlimit", limit, MUSTERD_PATH, "--grpc", "127.0.0.1:0", "--rpc",
                              url,       NULL,  NULL,         NULL,     NULL,          NULL};
        static const char *const peers[] = {"--gossip", "tcp://127.0.0.1:0", "--sync", "tcp://127.0.0.1:0"};
        if (i % 2 == 1) memcpy(argv + 7, peers, sizeof peers);
        served += serves_or_says_why(argv, limit);
    }
    if (served < 2 || served == 2 * count)
        fail_msg("%zu of %zu served: the limits are not what matters", served, count);
    tempdir_remove(&dir);
}
#endif

/* Only for another user than root does the system count threads. */
static void it_starts_or_says_why_with_few_threads(void **state) {
    (void)state;
    if (geteuid() != 0) skip();
    struct tempdir dir = tempdir_make(), program = tempdir_path(&dir, "musterd");
    const char *install[] = {"install", "-m", "755", MUSTERD_PATH, program.path, NULL};
    struct process_result installed = process_run(install, NULL, NULL, PATIENCE_MS);
    if (installed.how.status != 0 || chmod(dir.path, 0777) != 0) fail_msg("no copy: %s", installed.errors);
    process_result_free(&installed);
    char user[32], limit[32], url[TEMPDIR_PATH_BYTES + 16];
    snprintf(user, sizeof user, "--reuid=%d", OTHER_USER + (int)(getpid() % 1000));
    bool serves = false;
    for (unsigned threads = 1; threads <= 64; threads += threads < 30 ? 1 : 34) {
        snprintf(limit, sizeof limit, "--nproc=%u", threads);
        snprintf(url, sizeof url, "ipc://%s/s%u", dir.path, threads);
        const char *argv[] = {"setpriv", user,          "--clear-groups", "prlimit", limit, program.path,
                              "--grpc",  "127.0.0.1:0", "--rpc",          url,       NULL};
        serves = serves_or_says_why(argv, limit);
        if (threads == 1 && serves) fail_msg("it serves with one thread: the limit is none");
    }
    if (!serves) fail_msg("it does not serve with 64 threads");
    tempdir_remove(&dir);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void expect_logged(struct server *server, const char *event) {
    if (process_await_line(server->process, PROCESS_ERRORS, event, PATIENCE_MS, NULL)) return;
    fail_msg("no %s in the log:\n%s", event, process_text(server->process, PROCESS_ERRORS, NULL));
}

enum { FILES = 96, IDLE = 200 };

static void open_idle(struct sp idle[IDLE], const char *url) {
    for (int i = 0; i < IDLE; i++) {
        idle[i] = sp_connect(url);
        if (idle[i].fd >= 0) sp_shake_hands(&idle[i], 100);
    }
}

static void close_idle(struct sp idle[IDLE]) {
    for (int i = 0; i < IDLE; i++) sp_close(&idle[i]);
}

/* Stops a node that has one user, and starts it again where descriptors are plenty: it must have kept the user. */
static void expect_kept(struct server *server, const char *const flags[]) {
    int status = server_stop(server);
    if (status != 0) fail_msg("status %d:\n%s", status, process_text(server->process, PROCESS_ERRORS, NULL));
    server_start_again(server, flags);
    struct answerer answerer = sp_answerer(server->tcp);
    if (!is_live(&answerer, "room", "ada")) fail_msg("the snapshot was lost, and the exit status was 0");
}

/* Connections that ask nothing take all that they may; there is still a descriptor for the snapshot. */
static void idle_connections_leave_descriptors_for_the_snapshot(void **state) {
    static struct sp idle[IDLE];
    (void)state;
    struct tempdir data = tempdir_make();
    const char *const flags[] = {"--data-dir", data.path, "--retention", "1h", NULL};
    struct server server = server_start_with_files(FILES, flags);
    struct answerer answerer = sp_answerer(server.tcp);
    expect_logged(&server, "event=few_files");
    touch(&answerer, "room", "ada", "");
    open_idle(idle, server.tcp);
    expect_logged(&server, "event=connections_full");
    expect_kept(&server, flags);
    close_idle(idle);
    server_end(&server);
    tempdir_remove(&data);
}

/* So do connections to the ports for peers. */
static void connections_of_peers_leave_descriptors_too(void **state) {
    static struct sp idle[2][IDLE];
    static const char *const names[] = {" gossip=", " sync="};
    (void)state;
    struct tempdir data = tempdir_make();
    const char *const flags[] = {"--data-dir",        data.path, "--retention",       "1h", "--gossip",
                                 "tcp://127.0.0.1:0", "--sync",  "tcp://127.0.0.1:0", NULL};
    struct server server = server_start_with_files(FILES, flags);
    struct answerer answerer = sp_answerer(server.tcp);
    touch(&answerer, "room", "ada", "");
    char *ready;
    if (!process_await_line(server.process, PROCESS_OUTPUT, " sync=", PATIENCE_MS, &ready)) fail_msg("no sync address");
    for (int i = 0; i < 2; i++) {
        char url[64];
        if (sscanf(strstr(ready, names[i]) + strlen(names[i]), "%63s", url) != 1) fail_msg("no URL in %s", ready);
        for (int n = 0; n < IDLE; n++) idle[i][n] = sp_connect(url);
    }
    expect_logged(&server, "event=connections_full");
    if (!sp_is_served(server.tcp, PATIENCE_MS))
        fail_msg("requests are not served while strangers idle at peers' ports");
    expect_kept(&server, flags);
    for (int i = 0; i < 2; i++) close_idle(idle[i]);
    free(ready);
    server_end(&server);
    tempdir_remove(&data);
}

static void a_last_snapshot_that_fails_is_an_error(void **state) {
    (void)state;
    struct tempdir data = tempdir_make();
    const char *const flags[] = {"--data-dir", data.path, NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.tcp);
    touch(&answerer, "room", "ada", "");
    tempdir_remove(&data);
    if (server_stop(&server) != 1) fail_msg("the last snapshot is lost, and the exit status is not 1");
    expect_logged(&server, "event=snapshot_failed");
    process_free(server.process);
    tempdir_remove(&server.dir);
}

static void expect_refused_directory(const char *const argv[], const char *dir, const char *says) {
    struct process_result result = process_run(argv, NULL, NULL, PATIENCE_MS);
    if (result.timed_out || result.how.is_signal || result.how.status != 1 || strstr(result.errors, dir) == NULL ||
        strstr(result.errors, says) == NULL || result.output_len > 0)
        fail_msg("%s: status %d: %s%s", dir, result.how.status, result.output, result.errors);
    process_result_free(&result);
}

/* Fault 10: the loss showed at SIGTERM. */
static void a_directory_that_cannot_be_written_is_refused(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make(), file = tempdir_write(&dir, "file", "precious", 8);
    struct tempdir below_file = tempdir_path(&dir, "file/data"), nowhere = tempdir_path(&dir, "no/such/folder");
    const struct {
        const char *dir, *says;
    } rows[] = {{"/proc/self", "cannot be written"},
                {file.path, "Not a directory"},
                {below_file.path, "Not a directory"},
                {nowhere.path, "No such file or directory"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *argv[] = {MUSTERD_PATH,        "--grpc",     "none",      "--rpc",
                              "tcp://127.0.0.1:0", "--data-dir", rows[i].dir, NULL};
        expect_refused_directory(argv, rows[i].dir, rows[i].says);
    }
    char *content = tempdir_read(file.path, NULL);
    if (content == NULL || strcmp(content, "precious") != 0) fail_msg("the file in place of the directory is gone");
    free(content);
    tempdir_remove(&dir);
}

static void a_disk_that_is_read_only_is_refused(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    const char *const may[] = {"unshare", "--mount", "mount", "-t", "tmpfs", "-o", "ro", "none", dir.path, NULL};
    struct process_result tried = process_run(may, NULL, NULL, PATIENCE_MS);
    bool may_mount = !tried.timed_out && tried.how.status == 0;
    process_result_free(&tried);
    if (!may_mount) {
        print_message("SKIPPED: this system does not let us mount\n");
        tempdir_remove(&dir);
        skip();
    }
    static const char script[] =
        "mount -t tmpfs -o ro none \"$1\" && exec \"$0\" --grpc none --rpc tcp://127.0.0.1:0 --data-dir \"$1\"";
    const char *argv[] = {"unshare", "--mount", "sh", "-c", script, MUSTERD_PATH, dir.path, NULL};
    expect_refused_directory(argv, dir.path, "cannot be written: Read-only file system");
    tempdir_remove(&dir);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void touch_many(const struct answerer *answerer, size_t requests) {
    enum { BEATS = 10000 };
    struct request_builder builder;
    for (size_t i = 0; i < requests; i++) {
        builder_touch(&builder, "room");
        for (size_t j = 0; j < BEATS; j++)
            builder_beat(&builder, "", "")->user = builder_number(&builder, "user-", i * BEATS + j);
        reply_free(ask(answerer, &builder));
    }
}

/* The directory is locked from before the snapshot is loaded. */
static bool is_loading(void *context) {
    const struct tempdir *data = context;
    int dir = open(data->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_locked = dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) != 0;
    if (dir >= 0) close(dir);
    return is_locked;
}

/* Whether SIGTERM came before it served, and ended it. */
static bool is_interrupted(const char *const argv[], struct tempdir *data) {
    struct process *process = process_start(argv, NULL);
    struct process_exit how;
    if (!wait_until(is_loading, data, PATIENCE_MS)) fail_msg("it does not begin to load");
    process_signal(process, SIGTERM);
    if (!process_wait(process, PATIENCE_MS, &how)) fail_msg("it does not end");
    char *output = process_text(process, PROCESS_OUTPUT, NULL);
    bool is_ready = strstr(output, "ready") != NULL;
    if (!is_ready && (!how.is_signal || how.status != SIGTERM)) fail_msg("status %d without a word", how.status);
    free(output);
    process_free(process);
    return !is_ready;
}

static void a_signal_ends_a_slow_start(void **state) {
    (void)state;
    struct tempdir data = tempdir_make();
    const char *const flags[] = {"--data-dir", data.path, "--retention", "1h", NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.tcp);
    touch_many(&answerer, 30);
    if (server_stop(&server) != 0) fail_msg("it did not stop well");
    const char *argv[] = {MUSTERD_PATH, "--grpc", "none", "--rpc", "tcp://127.0.0.1:0", "--data-dir", data.path, NULL};
    bool was_interrupted = false;
    for (int i = 0; i < 5 && !was_interrupted; i++) was_interrupted = is_interrupted(argv, &data);
    if (!was_interrupted) fail_msg("SIGTERM waits for the end of the start");
    server_start_again(&server, flags);
    answerer = sp_answerer(server.tcp);
    if (!is_live(&answerer, "room", "user-299999")) fail_msg("a start that was interrupted lost the snapshot");
    server_end(&server);
    tempdir_remove(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#ifndef UNDER_SANITIZER
        cmocka_unit_test(the_client_says_why_with_little_memory),
        cmocka_unit_test(it_starts_or_says_why_with_little_memory),
#endif
        cmocka_unit_test(it_starts_or_says_why_with_few_threads),
        cmocka_unit_test(idle_connections_leave_descriptors_for_the_snapshot),
        cmocka_unit_test(connections_of_peers_leave_descriptors_too),
        cmocka_unit_test(a_last_snapshot_that_fails_is_an_error),
        cmocka_unit_test(a_directory_that_cannot_be_written_is_refused),
        cmocka_unit_test(a_disk_that_is_read_only_is_refused),
        cmocka_unit_test(a_signal_ends_a_slow_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
