/* Programs under test: started, fed, read and ended with deadlines.
 *
 * A thread of this module reads standard output and standard error all the time, so that a program never blocks on a
 * full pipe and nothing is lost. A program dies with the thread that started it (PR_SET_PDEATHSIG), so that a failed
 * test leaves none behind; start programs from a thread that lives, the main one say.
 * All calls may be made from any thread, process_free last. */
#ifndef MUSTER_TESTS_SUPPORT_PROCESS_H
#define MUSTER_TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

enum process_stream { PROCESS_OUTPUT, PROCESS_ERRORS };

/* Zero is the default of each field. */
struct process_options {
    const char *const *environment; /* "NAME=value" texts, NULL at the end: added to this process's own */
    const char *directory;          /* where it runs; NULL: here */
    uint64_t files_max;             /* descriptors that it may have open (RLIMIT_NOFILE); 0: as this one */
    bool keep_input;                /* its standard input is a pipe for process_write; else it is /dev/null */
};

struct process_exit {
    bool is_signal; /* it was killed */
    int status;     /* the exit status, or the signal's number */
};

/* Starts argv[0] (looked for in PATH if it has no slash) with argv, NULL at the end. options may be NULL. Ends the test
 * program if it cannot fork; a program that cannot be executed exits with status 127 and says so on standard error. */
struct process *process_start(const char *const argv[], const struct process_options *options);
/* Kills it if it still runs, reaps it and frees all. `process` may be NULL. */
void process_free(struct process *process);

pid_t process_pid(const struct process *process);
bool process_is_running(struct process *process);
/* Its resident memory, and how many descriptors it has open. End the test program if it does not run. */
size_t process_resident_bytes(const struct process *process);
size_t process_open_files(const struct process *process);
/* Sends a signal, if it still runs. */
void process_signal(struct process *process, int signal);
/* SIGSTOP, and waits until each of its threads stands still: until then it may still do something. Ends the test
 * program if that takes longer than timeout_ms. SIGCONT lets it go on. */
void process_stand_still(struct process *process, uint64_t timeout_ms);
/* Waits until it has ended and both its streams are read to their end. false: it runs still, after timeout_ms. `how`
 * may be NULL. May be called again after it returned true, and says the same. */
bool process_wait(struct process *process, uint64_t timeout_ms, struct process_exit *how);

/* Writes to its standard input; false if it no longer reads. Only with options.keep_input. */
bool process_write(struct process *process, const void *data, size_t len);
/* Ends its standard input. Twice is harmless. */
void process_close_input(struct process *process);

/* Waits for the first whole line of the stream that contains `needle`, among all it has written so far and will write;
 * *line gets a copy without the line feed, to be freed by the caller (line may be NULL). false: the stream ended
 * without one, or timeout_ms have passed. */
bool process_await_line(struct process *process, enum process_stream stream, const char *needle, uint64_t timeout_ms,
                        char **line);
/* A copy of all that it has written so far, NUL-terminated, to be freed by the caller. len may be NULL. */
char *process_text(struct process *process, enum process_stream stream, size_t *len);

/* What a program wrote, and how it ended. */
struct process_result {
    bool timed_out; /* it ran still and was killed */
    struct process_exit how;
    char *output, *errors; /* NUL-terminated */
    size_t output_len, errors_len;
};

/* Runs a program to its end with `input` (NULL: none) on its standard input. process_result_free frees the result. */
struct process_result process_run(const char *const argv[], const struct process_options *options, const char *input,
                                  uint64_t timeout_ms);
void process_result_free(struct process_result *result);

#endif
