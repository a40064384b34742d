#include "process.h"

#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS = 2, READ_BYTES = 4096, REAP_STEP_MS = 5, PROC_PATH_BYTES = NAME_MAX + 64 };

extern char **environ;

struct captured {
    char *data; /* NUL-terminated */
    size_t len, capacity;
};

struct process {
    pid_t pid;
    int input; /* -1: closed */
    int streams[STREAMS];
    pthread_t reader;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct captured captured[STREAMS];
    bool is_open[STREAMS];
    bool is_reaped;
    struct process_exit how;
};

static void die(const char *what) {
    perror(what);
    abort();
}

static void captured_append(struct captured *captured, const char *data, size_t len) {
    if (captured->len + len + 1 > captured->capacity) {
        captured->capacity = 2 * (captured->len + len + 1);
        captured->data = realloc(captured->data, captured->capacity);
        if (captured->data == NULL) die("realloc");
    }
    memcpy(captured->data + captured->len, data, len);
    captured->len += len;
    captured->data[captured->len] = '\0';
}

/* ---- the reader ------------------------------------------------------------------------------------------------- */

static void read_stream(struct process *process, int stream) {
    char buffer[READ_BYTES];
    ssize_t got = read(process->streams[stream], buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    pthread_mutex_lock(&process->mutex);
    if (got > 0) {
        captured_append(&process->captured[stream], buffer, (size_t)got);
    } else {
        process->is_open[stream] = false;
        close(process->streams[stream]);
        process->streams[stream] = -1;
    }
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->mutex);
}

static void *read_streams(void *argument) {
    struct process *process = argument;
    while (process->streams[0] >= 0 || process->streams[1] >= 0) {
        struct pollfd polled[STREAMS];
        /* poll passes over a negative descriptor. */
        for (int i = 0; i < STREAMS; i++) polled[i] = (struct pollfd){.fd = process->streams[i], .events = POLLIN};
        if (poll(polled, STREAMS, -1) <= 0) continue;
        for (int i = 0; i < STREAMS; i++)
            if (polled[i].fd >= 0 && polled[i].revents != 0) read_stream(process, i);
    }
    return NULL;
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static char **environment_with(const char *const *added) {
    size_t own = 0, more = 0;
    while (environ[own] != NULL) own++;
    while (added != NULL && added[more] != NULL) more++;
    char **all = calloc(own + more + 1, sizeof *all);
    if (all == NULL) die("calloc");
    /* The first of two equal names counts, so what is added goes first. */
    for (size_t i = 0; i < more; i++)
        if ((all[i] = strdup(added[i])) == NULL) die("strdup");
    for (size_t i = 0; i < own; i++)
        if ((all[more + i] = strdup(environ[i])) == NULL) die("strdup");
    return all;
}

static void environment_free(char **all) {
    for (size_t i = 0; all[i] != NULL; i++) free(all[i]);
    free(all);
}

/* In the child, between fork and exec: no call here may allocate or take a lock. */
_Noreturn static void become(const char *const argv[], const struct process_options *options, char **environment,
                             const int fds[3], pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0) _exit(127);
    const struct rlimit files = {options->files_max, options->files_max};
    if (options->files_max > 0 && setrlimit(RLIMIT_NOFILE, &files) != 0) _exit(127);
    if (options->directory == NULL || chdir(options->directory) == 0) {
        char **arguments;
        memcpy(&arguments, &argv, sizeof arguments); /* exec takes, for history's sake, what it does not change */
        execvpe(argv[0], arguments, environment);
    }
    static const char message[] = "process_start: cannot execute ";
    if (write(2, message, sizeof message - 1) < 0 || write(2, argv[0], strlen(argv[0])) < 0) _exit(127);
    _exit(127);
}

static void make_pipe(int fds[2]) {
    if (pipe2(fds, O_CLOEXEC) != 0) die("pipe2");
}

static void open_streams(struct process *process, bool keep_input, int theirs[3]) {
    int fds[2];
    if (keep_input) {
        make_pipe(fds);
        theirs[0] = fds[0];
        process->input = fds[1];
    } else {
        theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        process->input = -1;
    }
    for (int i = 0; i < STREAMS; i++) {
        make_pipe(fds);
        process->streams[i] = fds[0];
        theirs[1 + i] = fds[1];
        process->is_open[i] = true;
        captured_append(&process->captured[i], "", 0);
    }
}

struct process *process_start(const char *const argv[], const struct process_options *options) {
    static const struct process_options none;
    if (options == NULL) options = &none;
    struct process *process = calloc(1, sizeof *process);
    if (process == NULL) die("calloc");
    pthread_mutex_init(&process->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&process->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);

    int theirs[3];
    open_streams(process, options->keep_input, theirs);
    char **environment = environment_with(options->environment);
    pid_t parent = getpid();
    process->pid = fork();
    if (process->pid < 0) die("fork");
    if (process->pid == 0) become(argv, options, environment, theirs, parent);
    environment_free(environment);
    for (int i = 0; i < 3; i++) close(theirs[i]);
    if (pthread_create(&process->reader, NULL, read_streams, process) != 0) die("pthread_create");
    return process;
}

/* ---- wait and end ----------------------------------------------------------------------------------------------- */

pid_t process_pid(const struct process *process) {
    return process->pid;
}

static void proc_path(const struct process *process, const char *name, char path[PROC_PATH_BYTES]) {
    snprintf(path, PROC_PATH_BYTES, "/proc/%d/%s", (int)process->pid, name);
}

size_t process_resident_bytes(const struct process *process) {
    char path[PROC_PATH_BYTES];
    size_t pages = 0;
    proc_path(process, "statm", path);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%*u %zu", &pages) != 1) die(path);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t process_open_files(const struct process *process) {
    char path[PROC_PATH_BYTES];
    size_t count = 0;
    proc_path(process, "fd", path);
    DIR *folder = opendir(path);
    if (folder == NULL) die(path);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* The mutex is held. */
static void reap(struct process *process, int flags) {
    int status;
    if (process->is_reaped || waitpid(process->pid, &status, flags) != process->pid) return;
    process->is_reaped = true;
    process->how.is_signal = WIFSIGNALED(status);
    process->how.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

bool process_is_running(struct process *process) {
    pthread_mutex_lock(&process->mutex);
    reap(process, WNOHANG);
    bool is_running = !process->is_reaped;
    pthread_mutex_unlock(&process->mutex);
    return is_running;
}

void process_signal(struct process *process, int signal) {
    pthread_mutex_lock(&process->mutex);
    /* Once it is reaped, its number may be another's. */
    if (!process->is_reaped) kill(process->pid, signal);
    pthread_mutex_unlock(&process->mutex);
}

static bool thread_is_stopped(const struct process *process, const char *thread) {
    char path[PROC_PATH_BYTES], name[NAME_MAX + 16];
    char thread_state = '\0';
    snprintf(name, sizeof name, "task/%s/stat", thread);
    proc_path(process, name, path);
    FILE *file = fopen(path, "r");
    if (file == NULL) return true; /* it has ended */
    bool is_read = fscanf(file, "%*d (%*[^)]) %c", &thread_state) == 1;
    fclose(file);
    return is_read && thread_state == 'T';
}

static bool is_stopped(void *context) {
    const struct process *process = context;
    char path[PROC_PATH_BYTES];
    bool all = true;
    proc_path(process, "task", path);
    DIR *folder = opendir(path);
    if (folder == NULL) die(path);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.' && !thread_is_stopped(process, entry->d_name)) all = false;
    closedir(folder);
    return all;
}

void process_stand_still(struct process *process, uint64_t timeout_ms) {
    process_signal(process, SIGSTOP);
    if (!wait_until(is_stopped, process, timeout_ms)) die("a process does not stop");
}

static bool has_ended(void *context) {
    struct process *process = context;
    pthread_mutex_lock(&process->mutex);
    reap(process, WNOHANG);
    bool ended = process->is_reaped && !process->is_open[0] && !process->is_open[1];
    pthread_mutex_unlock(&process->mutex);
    return ended;
}

bool process_wait(struct process *process, uint64_t timeout_ms, struct process_exit *how) {
    if (how != NULL) *how = (struct process_exit){0};
    if (!wait_until(has_ended, process, timeout_ms)) return false;
    if (how != NULL) *how = process->how;
    return true;
}

void process_free(struct process *process) {
    if (process == NULL) return;
    process_close_input(process);
    process_signal(process, SIGKILL);
    pthread_mutex_lock(&process->mutex);
    reap(process, 0);
    pthread_mutex_unlock(&process->mutex);
    /* A grandchild may hold the pipes open: give what is on its way a moment, and then do not wait for more. */
    if (!wait_until(has_ended, process, 1000)) pthread_cancel(process->reader);
    pthread_join(process->reader, NULL);
    for (int i = 0; i < STREAMS; i++) {
        if (process->streams[i] >= 0) close(process->streams[i]);
        free(process->captured[i].data);
    }
    pthread_cond_destroy(&process->changed);
    pthread_mutex_destroy(&process->mutex);
    free(process);
}

/* ---- input and output ------------------------------------------------------------------------------------------- */

bool process_write(struct process *process, const void *data, size_t len) {
    const char *at = data;
    /* A program that ended would end this one with SIGPIPE. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before);
    while (len > 0) {
        ssize_t written = write(process->input, at, len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) break;
        at += written;
        len -= (size_t)written;
    }
    sigaction(SIGPIPE, &before, NULL);
    return len == 0;
}

void process_close_input(struct process *process) {
    if (process->input >= 0) close(process->input);
    process->input = -1;
}

/* A copy of the first whole line with `needle`, or NULL. The mutex is held. */
static char *find_line(const struct captured *captured, const char *needle) {
    const char *line = captured->data, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        char *copy = strndup(line, (size_t)(end - line));
        if (copy == NULL) die("strndup");
        if (strstr(copy, needle) != NULL) return copy;
        free(copy);
        line = end + 1;
    }
    return NULL;
}

bool process_await_line(struct process *process, enum process_stream stream, const char *needle, uint64_t timeout_ms,
                        char **line) {
    uint64_t deadline_ms = wait_now_ms() + timeout_ms;
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ms / 1000),
                                .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    pthread_mutex_lock(&process->mutex);
    char *found;
    int late = 0;
    while ((found = find_line(&process->captured[stream], needle)) == NULL && process->is_open[stream] && late == 0)
        late = pthread_cond_timedwait(&process->changed, &process->mutex, &deadline);
    pthread_mutex_unlock(&process->mutex);
    bool is_found = found != NULL;
    if (line != NULL) *line = found;
    else free(found);
    return is_found;
}

char *process_text(struct process *process, enum process_stream stream, size_t *len) {
    pthread_mutex_lock(&process->mutex);
    struct captured *captured = &process->captured[stream];
    char *copy = malloc(captured->len + 1);
    if (copy == NULL) die("malloc");
    memcpy(copy, captured->data, captured->len + 1);
    if (len != NULL) *len = captured->len;
    pthread_mutex_unlock(&process->mutex);
    return copy;
}

struct process_result process_run(const char *const argv[], const struct process_options *options, const char *input,
                                  uint64_t timeout_ms) {
    struct process_options with_input = options != NULL ? *options : (struct process_options){0};
    with_input.keep_input = input != NULL;
    struct process *process = process_start(argv, &with_input);
    if (input != NULL) process_write(process, input, strlen(input));
    process_close_input(process);
    struct process_result result = {0};
    result.timed_out = !process_wait(process, timeout_ms, &result.how);
    result.output = process_text(process, PROCESS_OUTPUT, &result.output_len);
    result.errors = process_text(process, PROCESS_ERRORS, &result.errors_len);
    process_free(process);
    return result;
}

void process_result_free(struct process_result *result) {
    free(result->output);
    free(result->errors);
    *result = (struct process_result){0};
}
