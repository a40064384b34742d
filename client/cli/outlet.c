#include "outlet.h"

#include "memory.h"
#include "progress.h"
#include "signals.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    PIECE_BYTES = PIPE_BUF, /* what poll(2) promises that a pipe takes without blocking */
    GRACE_MS = 500,         /* how long a reader is waited for once a signal came */
};

struct outlet {
    int fd, signals, wake;
    pthread_mutex_t mutex;
    pthread_cond_t has_room;
    char *text; /* len bytes, of which `sent` are written */
    size_t len, sent, capacity;
    bool is_finished;
};

struct outlet *outlet_new(int fd, int signals) {
    struct outlet *outlet = memory_new(sizeof *outlet);
    outlet->fd = fd;
    outlet->signals = signals;
    outlet->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (outlet->wake < 0 || pthread_mutex_init(&outlet->mutex, NULL) != 0 ||
        pthread_cond_init(&outlet->has_room, NULL) != 0) {
        perror("muster");
        exit(1);
    }
    return outlet;
}

void outlet_free(struct outlet *outlet) {
    if (outlet == NULL) return;
    (void)close(outlet->wake);
    (void)pthread_cond_destroy(&outlet->has_room);
    (void)pthread_mutex_destroy(&outlet->mutex);
    free(outlet->text);
    free(outlet);
}

static void wake(const struct outlet *outlet) {
    const uint64_t one = 1;
    (void)!write(outlet->wake, &one, sizeof one);
}

/* Makes the room of what is sent useful again, once that is half: each byte is moved a bounded number of times. Under
 * the mutex. */
static void compact(struct outlet *outlet) {
    if (outlet->sent == 0 || outlet->sent < outlet->len / 2) return;
    memmove(outlet->text, outlet->text + outlet->sent, outlet->len - outlet->sent);
    outlet->len -= outlet->sent;
    outlet->sent = 0;
}

/* Under the mutex. */
static void append(struct outlet *outlet, const char *text, size_t len) {
    compact(outlet);
    if (outlet->capacity - outlet->len < len) {
        outlet->capacity = (outlet->len + len) * 2;
        outlet->text = memory_grow(outlet->text, outlet->capacity, 1);
    }
    memcpy(outlet->text + outlet->len, text, len);
    outlet->len += len;
}

void outlet_write(struct outlet *outlet, const char *text, size_t len) {
    if (len == 0) return;
    (void)pthread_mutex_lock(&outlet->mutex);
    while (!outlet->is_finished && outlet->len - outlet->sent > OUTLET_BYTES_MAX)
        (void)pthread_cond_wait(&outlet->has_room, &outlet->mutex);
    if (!outlet->is_finished) append(outlet, text, len);
    (void)pthread_mutex_unlock(&outlet->mutex);
    wake(outlet);
}

void outlet_finish(struct outlet *outlet) {
    (void)pthread_mutex_lock(&outlet->mutex);
    outlet->is_finished = true;
    (void)pthread_cond_broadcast(&outlet->has_room);
    (void)pthread_mutex_unlock(&outlet->mutex);
    wake(outlet);
}

/* Copies the next piece, which stays held back until it is `sent`. Returns its length. */
static size_t next_piece(struct outlet *outlet, char piece[PIECE_BYTES], bool *is_finished) {
    (void)pthread_mutex_lock(&outlet->mutex);
    const size_t left = outlet->len - outlet->sent, len = left < PIECE_BYTES ? left : PIECE_BYTES;
    if (len > 0) memcpy(piece, outlet->text + outlet->sent, len);
    *is_finished = outlet->is_finished;
    (void)pthread_mutex_unlock(&outlet->mutex);
    return len;
}

static void sent(struct outlet *outlet, size_t len) {
    (void)pthread_mutex_lock(&outlet->mutex);
    outlet->sent += len;
    (void)pthread_cond_broadcast(&outlet->has_room);
    (void)pthread_mutex_unlock(&outlet->mutex);
}

/* The milliseconds for poll(2). */
static int patience(uint64_t until_ms) {
    const uint64_t now_ms = clock_now_ms();
    if (until_ms == UINT64_MAX) return -1;
    return until_ms <= now_ms ? 0 : until_ms - now_ms > INT_MAX ? INT_MAX : (int)(until_ms - now_ms);
}

static bool write_failed(ssize_t written) {
    return written < 0 && errno != EINTR && errno != EAGAIN;
}

static enum outlet_end carry(struct outlet *outlet, uint64_t until_ms) {
    for (bool is_interrupted = false;;) {
        char piece[PIECE_BYTES];
        bool is_finished;
        uint64_t wakes;
        const size_t len = next_piece(outlet, piece, &is_finished);
        if (len == 0 && is_interrupted) return OUTLET_INTERRUPTED;
        if (len == 0 && is_finished) return OUTLET_FINISHED;
        /* Where there is nothing to write, the descriptor is still asked whether anybody reads. */
        struct pollfd fds[] = {{outlet->fd, len > 0 ? POLLOUT : 0, 0},
                               {outlet->wake, POLLIN, 0},
                               {is_interrupted ? -1 : outlet->signals, POLLIN, 0}};
        if (poll(fds, 3, patience(until_ms)) == 0) return is_interrupted ? OUTLET_INTERRUPTED : OUTLET_TIMED_OUT;
        (void)!read(outlet->wake, &wakes, sizeof wakes);
        if (!is_interrupted && signals_take(NULL)) {
            is_interrupted = true;
            until_ms = clock_now_ms() + GRACE_MS;
            outlet_finish(outlet);
        }
        const ssize_t written = (fds[0].revents & POLLOUT) != 0 ? write(outlet->fd, piece, len) : 0;
        if (write_failed(written)) return errno == EPIPE ? OUTLET_ABANDONED : OUTLET_FAILED;
        if (written > 0) sent(outlet, (size_t)written);
        else if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return OUTLET_ABANDONED;
    }
}

enum outlet_end outlet_run(struct outlet *outlet, uint64_t until_ms) {
    const enum outlet_end end = carry(outlet, until_ms);
    const int why = errno;
    if (end != OUTLET_TIMED_OUT) outlet_finish(outlet);
    errno = why;
    return end;
}
