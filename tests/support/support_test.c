/* The helpers that the other tests lean on. */
#include "port.h"
#include "process.h"
#include "random.h"
#include "tempdir.h"
#include "wait.h"
#include "wall.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static void a_program_is_run_with_input_and_both_streams_are_kept(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c", "cat; echo oops >&2; exit 7", NULL};
    struct process_result result = process_run(argv, NULL, "hello\n", PATIENCE_MS);
    if (result.timed_out || result.how.is_signal || result.how.status != 7)
        fail_msg("ended with %d (signal: %d)", result.how.status, result.how.is_signal);
    assert_string_equal(result.output, "hello\n");
    assert_string_equal(result.errors, "oops\n");
    process_result_free(&result);
}

static void a_line_is_awaited_and_a_missing_one_ends_with_the_stream(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c", "echo one; echo ready at port 5; read line; echo got $line", NULL};
    struct process *process = process_start(argv, &(struct process_options){.keep_input = true});
    char *line = NULL;
    if (!process_await_line(process, PROCESS_OUTPUT, "ready", PATIENCE_MS, &line)) fail_msg("no line");
    assert_string_equal(line, "ready at port 5");
    free(line);
    assert_true(process_is_running(process));
    assert_true(process_write(process, "x\n", 2));
    assert_false(process_await_line(process, PROCESS_OUTPUT, "never said", PATIENCE_MS, NULL));
    assert_true(process_await_line(process, PROCESS_OUTPUT, "got x", 0, NULL));
    assert_true(process_wait(process, PATIENCE_MS, NULL));
    process_free(process);
}

static void a_line_that_does_not_come_is_given_up_at_the_deadline(void **state) {
    (void)state;
    const char *argv[] = {"sleep", "1000", NULL};
    struct process *process = process_start(argv, NULL);
    uint64_t began_ms = wait_now_ms();
    assert_false(process_await_line(process, PROCESS_OUTPUT, "anything", 50, NULL));
    assert_false(process_wait(process, 0, NULL));
    if (wait_now_ms() - began_ms < 50) fail_msg("gave up too early");
    process_free(process);
}

static void a_program_is_signalled_and_its_end_is_told(void **state) {
    (void)state;
    const char *argv[] = {"sleep", "1000", NULL};
    struct process *process = process_start(argv, NULL);
    process_signal(process, SIGTERM);
    struct process_exit how;
    assert_true(process_wait(process, PATIENCE_MS, &how));
    if (!how.is_signal || how.status != SIGTERM) fail_msg("ended with %d (signal: %d)", how.status, how.is_signal);
    process_free(process);
}

static void freeing_ends_the_program(void **state) {
    (void)state;
    const char *argv[] = {"sleep", "1000", NULL};
    struct process *process = process_start(argv, NULL);
    pid_t pid = process_pid(process);
    process_free(process);
    if (kill(pid, 0) == 0) fail_msg("%d runs still", (int)pid);
}

static void a_missing_program_says_so(void **state) {
    (void)state;
    const char *argv[] = {"/nonexistent/program", NULL};
    struct process_result result = process_run(argv, NULL, NULL, PATIENCE_MS);
    if (result.how.status != 127) fail_msg("ended with %d", result.how.status);
    assert_non_null(strstr(result.errors, "/nonexistent/program"));
    process_result_free(&result);
}

/* How many days the wall clock of a program is off, which answers a line with itself and the time in s since 1970. */
static long days_off(struct process *program, const char *question) {
    enum { DAY_S = 86400 };
    char *line;
    process_write(program, question, strlen(question));
    process_write(program, "\n", 1);
    if (!process_await_line(program, PROCESS_OUTPUT, question, PATIENCE_MS, &line)) fail_msg("no answer");
    double off_s = (double)(strtoll(line + strlen(question), NULL, 10) - (long long)time(NULL));
    free(line);
    return (long)(off_s / DAY_S + (off_s < 0 ? -0.5 : 0.5));
}

static void the_wall_clock_of_a_program_is_shifted_and_stepped_while_it_runs(void **state) {
    (void)state;
    const int64_t day_ms = INT64_C(86400) * 1000;
    struct tempdir dir = tempdir_make();
    struct wall wall;
    wall_open(&wall, &dir, "wall", -1000 * day_ms);
    const char *argv[] = {"bash", "-c", "while read line; do printf '%s %(%s)T\n' $line -1; done", NULL};
    struct process *program =
        process_start(argv, &(struct process_options){.environment = wall.environment, .keep_input = true});
    assert_int_equal(days_off(program, "first"), -1000);
    wall_step(&wall, 2 * day_ms);
    assert_int_equal(days_off(program, "second"), 2);
    process_free(program);
    tempdir_remove(&dir);
}

static void a_program_gets_environment_and_directory(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    const char *argv[] = {"sh", "-c", "echo $COLOUR; pwd", NULL};
    const char *environment[] = {"COLOUR=green", NULL};
    struct process_options options = {.environment = environment, .directory = dir.path};
    struct process_result result = process_run(argv, &options, NULL, PATIENCE_MS);
    if (strncmp(result.output, "green\n", 6) != 0) fail_msg("said %s", result.output);
    assert_non_null(strstr(result.output + 6, strrchr(dir.path, '/')));
    process_result_free(&result);
    tempdir_remove(&dir);
}

static void a_temporary_folder_is_written_read_and_removed(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make();
    struct tempdir file = tempdir_write(&dir, "a", "x\0y", 3);
    size_t len = 0;
    char *data = tempdir_read(file.path, &len);
    if (len != 3 || memcmp(data, "x\0y", 4) != 0) fail_msg("read %zu bytes", len);
    free(data);
    tempdir_remove(&dir);
    assert_null(tempdir_read(file.path, NULL));
    tempdir_remove(&dir);
}

static void free_ports_differ_and_nobody_listens(void **state) {
    (void)state;
    uint16_t a = port_free(), b = port_free();
    if (a == b) fail_msg("%d twice", a);
    assert_false(port_is_open(a));
}

static void the_generator_repeats_itself_and_stays_in_bounds(void **state) {
    (void)state;
    struct random a = random_of(5), b = random_of(5);
    for (int i = 0; i < 1000; i++) {
        if (random_next(&a) != random_next(&b)) fail_msg("differs at %d", i);
        uint64_t x = random_between(&a, 3, 9);
        if (x < 3 || x > 9) fail_msg("%llu", (unsigned long long)x);
        random_next(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_run_with_input_and_both_streams_are_kept),
        cmocka_unit_test(a_line_is_awaited_and_a_missing_one_ends_with_the_stream),
        cmocka_unit_test(a_line_that_does_not_come_is_given_up_at_the_deadline),
        cmocka_unit_test(a_program_is_signalled_and_its_end_is_told),
        cmocka_unit_test(freeing_ends_the_program),
        cmocka_unit_test(a_missing_program_says_so),
        cmocka_unit_test(a_program_gets_environment_and_directory),
        cmocka_unit_test(the_wall_clock_of_a_program_is_shifted_and_stepped_while_it_runs),
        cmocka_unit_test(a_temporary_folder_is_written_read_and_removed),
        cmocka_unit_test(free_ports_differ_and_nobody_listens),
        cmocka_unit_test(the_generator_repeats_itself_and_stays_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
