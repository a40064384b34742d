#include "output_queue.h"

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
    PIECE_BYTES = PIPE_BUF, /* a pipe that poll(2) reports as writable takes this many bytes without blocking */
    GRACE_MS = 500,         /* how long to wait for the reader after a signal */
};

struct output_queue {
    int fd, signals, wake;
    pthread_mutex_t mutex;
    pthread_cond_t has_room;
    char *text; /* len bytes, of which the first `sent` are written */
    size_t len, sent, capacity;
    bool is_finished;
};

struct output_queue *output_queue_new(int fd, int signals) {
    struct output_queue *queue = memory_new(sizeof *queue);
    queue->fd = fd;
    queue->signals = signals;
    queue->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->wake < 0 || pthread_mutex_init(&queue->mutex, NULL) != 0 ||
        pthread_cond_init(&queue->has_room, NULL) != 0) {
        perror("muster");
        exit(1);
    }
    return queue;
}

void output_queue_free(struct output_queue *queue) {
    if (queue == NULL) return;
    (void)close(queue->wake);
    (void)pthread_cond_destroy(&queue->has_room);
    (void)pthread_mutex_destroy(&queue->mutex);
    free(queue->text);
    free(queue);
}

static void wake_carrier(const struct output_queue *queue) {
    const uint64_t one = 1;
    (void)!write(queue->wake, &one, sizeof one);
}

/* Reuses the space of written bytes once they are half of the buffer, so that a byte is moved a bounded number of
 * times. Under the mutex. */
static void compact_queue(struct output_queue *queue) {
    if (queue->sent == 0 || queue->sent < queue->len / 2) return;
    memmove(queue->text, queue->text + queue->sent, queue->len - queue->sent);
    queue->len -= queue->sent;
    queue->sent = 0;
}

/* Under the mutex. */
static void append_text(struct output_queue *queue, const char *text, size_t len) {
    compact_queue(queue);
    if (queue->capacity - queue->len < len) {
        queue->capacity = (queue->len + len) * 2;
        queue->text = memory_grow(queue->text, queue->capacity, 1);
    }
    memcpy(queue->text + queue->len, text, len);
    queue->len += len;
}

void output_queue_write(struct output_queue *queue, const char *text, size_t len) {
    if (len == 0) return;
    (void)pthread_mutex_lock(&queue->mutex);
    while (!queue->is_finished && queue->len - queue->sent > OUTPUT_BYTES_MAX)
        (void)pthread_cond_wait(&queue->has_room, &queue->mutex);
    if (!queue->is_finished) append_text(queue, text, len);
    (void)pthread_mutex_unlock(&queue->mutex);
    wake_carrier(queue);
}

void output_queue_finish(struct output_queue *queue) {
    (void)pthread_mutex_lock(&queue->mutex);
    queue->is_finished = true;
    (void)pthread_cond_broadcast(&queue->has_room);
    (void)pthread_mutex_unlock(&queue->mutex);
    wake_carrier(queue);
}

/* Copies the next piece, which stays in the queue until count_sent. Returns its length. */
static size_t next_piece(struct output_queue *queue, char piece[PIECE_BYTES], bool *is_finished) {
    (void)pthread_mutex_lock(&queue->mutex);
    const size_t left = queue->len - queue->sent, len = left < PIECE_BYTES ? left : PIECE_BYTES;
    if (len > 0) memcpy(piece, queue->text + queue->sent, len);
    *is_finished = queue->is_finished;
    (void)pthread_mutex_unlock(&queue->mutex);
    return len;
}

static void count_sent(struct output_queue *queue, size_t len) {
    (void)pthread_mutex_lock(&queue->mutex);
    queue->sent += len;
    (void)pthread_cond_broadcast(&queue->has_room);
    (void)pthread_mutex_unlock(&queue->mutex);
}

/* The timeout for poll(2), in ms. */
static int poll_timeout(uint64_t until_ms) {
    const uint64_t now_ms = clock_now_ms();
    if (until_ms == UINT64_MAX) return -1;
    return until_ms <= now_ms ? 0 : until_ms - now_ms > INT_MAX ? INT_MAX : (int)(until_ms - now_ms);
}

static bool write_failed(ssize_t written) {
    return written < 0 && errno != EINTR && errno != EAGAIN;
}

static enum output_queue_end carry_piece(struct output_queue *queue, uint64_t until_ms) {
    for (bool is_interrupted = false;;) {
        char piece[PIECE_BYTES];
        bool is_finished;
        uint64_t wakes;
        const size_t len = next_piece(queue, piece, &is_finished);
        if (len == 0 && is_interrupted) return OUTPUT_INTERRUPTED;
        if (len == 0 && is_finished) return OUTPUT_FINISHED;
        /* With nothing to write the descriptor is still polled: an error means that nobody reads any longer. */
        struct pollfd fds[] = {{queue->fd, len > 0 ? POLLOUT : 0, 0},
                               {queue->wake, POLLIN, 0},
                               {is_interrupted ? -1 : queue->signals, POLLIN, 0}};
        if (poll(fds, 3, poll_timeout(until_ms)) == 0) return is_interrupted ? OUTPUT_INTERRUPTED : OUTPUT_TIMED_OUT;
        (void)!read(queue->wake, &wakes, sizeof wakes);
        if (!is_interrupted && signals_take(NULL)) {
            is_interrupted = true;
            until_ms = clock_now_ms() + GRACE_MS;
            output_queue_finish(queue);
        }
        const ssize_t written = (fds[0].revents & POLLOUT) != 0 ? write(queue->fd, piece, len) : 0;
        if (write_failed(written)) return errno == EPIPE ? OUTPUT_ABANDONED : OUTPUT_FAILED;
        if (written > 0) count_sent(queue, (size_t)written);
        else if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return OUTPUT_ABANDONED;
    }
}

enum output_queue_end output_queue_run(struct output_queue *queue, uint64_t until_ms) {
    const enum output_queue_end end = carry_piece(queue, until_ms);
    const int why = errno;
    if (end != OUTPUT_TIMED_OUT) output_queue_finish(queue);
    errno = why;
    return end;
}
