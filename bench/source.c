#include "source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { PATIENCE_NS = 1000000000 };

void source_open(struct source *source, const struct tongue *tongue, const struct sockaddr_in *address,
                 uint64_t users) {
    *source = (struct source){.tongue = tongue, .work = {.users = users, .random = 7}};
    source->fd = line_dial(tongue->dialect, address);
    source->is_busy = calloc(users, sizeof *source->is_busy);
    source->due_ns = calloc(users, sizeof *source->due_ns);
    if (source->is_busy == NULL || source->due_ns == NULL) die("memory is short");
}

static size_t put_marker(struct source *source, uint8_t *out) {
    source->is_marker_busy = !source->is_marker_busy;
    return source->tongue->change((const uint8_t *)USER_MARKER, source->is_marker_busy, out);
}

static size_t put_change(struct source *source, uint64_t due_ns, uint8_t *out) {
    uint8_t user[USER_BYTES + 1] = {0};
    work_next_user(&source->work, user);
    uint64_t number = strtoull((const char *)user + 5, NULL, 10);
    source->is_busy[number] ^= 1;
    atomic_store_explicit(&source->due_ns[number], due_ns, memory_order_relaxed);
    return source->tongue->change(user, source->is_busy[number] != 0, out);
}

/* Sends what is due. Returns in how many ns the next is, PATIENCE_NS if none is or answers must come first. */
static uint64_t send_due(struct source *source) {
    uint8_t bytes[SOURCE_IN_FLIGHT_MAX * CHANGE_BYTES_MAX];
    size_t len = 0;
    uint64_t now = now_ns(), wait_ns = PATIENCE_NS;
    while (source->sent < source->wanted && source->sent - source->confirmed < SOURCE_IN_FLIGHT_MAX) {
        bool is_last = source->sent + 1 == source->wanted;
        uint64_t due = source->start_ns + (uint64_t)((double)source->sent * 1e9 / source->rate);
        if (!is_last && due > now) {
            wait_ns = due - now;
            break;
        }
        len += is_last ? put_marker(source, bytes + len) : put_change(source, due, bytes + len);
        if (!is_last && now - due > source->behind_ns) source->behind_ns = now - due;
        source->sent++;
    }
    line_send(source->fd, bytes, len);
    return wait_ns;
}

/* Takes the answers that have come. */
static void receive(struct source *source) {
    ssize_t got = recv(source->fd, source->in + source->in_len, sizeof source->in - 1 - source->in_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server closed the connection of the changes");
    source->in_len += (size_t)got;
    size_t at = 0;
    for (size_t used = 1; used > 0 && at < source->in_len; at += used) {
        struct hearing hearing = {0};
        used = source->tongue->confirm(source->in + at, source->in_len - at, &hearing);
        if (hearing.problem[0] != 0) die(hearing.problem);
        source->confirmed += used > 0;
    }
    memmove(source->in, source->in + at, source->in_len - at);
    source->in_len -= at;
}

static void *run(void *arg) {
    struct source *source = arg;
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    while (source->confirmed < source->wanted) {
        uint64_t wait_ns = send_due(source);
        struct timespec timeout = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)};
        struct pollfd input = {.fd = source->fd, .events = POLLIN};
        if (ppoll(&input, 1, &timeout, NULL) > 0) receive(source);
    }
    atomic_store(&source->is_done, true);
    return NULL;
}

static void end_run(struct source *source) {
    if (source->is_running) pthread_join(source->thread, NULL);
    source->is_running = false;
}

void source_begin(struct source *source, uint64_t count, double rate) {
    end_run(source);
    source->wanted = count + 1;
    source->sent = source->confirmed = source->behind_ns = 0;
    source->rate = rate;
    source->start_ns = now_ns();
    atomic_store(&source->is_done, false);
    if (pthread_create(&source->thread, NULL, run, source) != 0) die("threads are short");
    source->is_running = true;
}

bool source_is_done(struct source *source) {
    return !source->is_running || atomic_load(&source->is_done);
}

uint64_t source_due_ns(const struct source *source, uint64_t user) {
    if (user >= source->work.users) return 0;
    return atomic_load_explicit(&source->due_ns[user], memory_order_relaxed);
}
