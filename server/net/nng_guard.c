#include "nng_guard.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* A greeting of the SP protocol: what is sent before a connection is one. */
enum { GREETING_BYTES = 8 };
enum { GUARD_IOVECS = 16 }; /* as many as nng ever passes */

/* One descriptor. nng uses one from one thread at a time; that one thread closes a descriptor before another gets it
 * again is known to the system alone, hence the atomics. */
struct guarded {
    atomic_size_t written;     /* of the message that is being written */
    _Atomic uint64_t since_ms; /* when its writing began; 0: none is */
    atomic_bool is_ended;      /* by nng_guard_end_unread, or the peer has hung up */
};

static struct guarded *table;
static size_t table_size;
static atomic_size_t in_use; /* above the highest descriptor that ever waited */
/* Held while connections are ended, and to forget a descriptor: so that none is ended that has just become another. */
static pthread_mutex_t forget_lock = PTHREAD_MUTEX_INITIALIZER;

/* What stands behind these functions: the C library, or a sanitizer's runtime before it. */
static ssize_t (*next_sendmsg)(int, const struct msghdr *, int);
static ssize_t (*next_readv)(int, const struct iovec *, int);
static int (*next_epoll_wait)(int, struct epoll_event *, int, int);
static int (*next_listen)(int, int);
static int (*next_close)(int);

/* dlsym gives an object pointer, which C does not turn into a function's. */
static void find_next(const char *name, void *function) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

__attribute__((constructor)) static void find_all(void) {
    find_next("sendmsg", &next_sendmsg);
    find_next("readv", &next_readv);
    find_next("epoll_wait", &next_epoll_wait);
    find_next("listen", &next_listen);
    find_next("close", &next_close);
}

void nng_guard_start(size_t files) {
    void *memory =
        mmap(NULL, files * sizeof *table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    table = memory;
    table_size = files;
}

static struct guarded *guarded_of(int fd) {
    return fd >= 0 && (size_t)fd < table_size ? &table[fd] : NULL;
}

static uint64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static size_t length_of(const struct msghdr *message) {
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) length += message->msg_iov[i].iov_len;
    return length;
}

/* What of a message is left after its first `skip` bytes. */
static size_t rest_of(const struct msghdr *message, size_t skip, struct iovec rest[GUARD_IOVECS]) {
    size_t n = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        struct iovec piece = message->msg_iov[i];
        size_t gone = skip < piece.iov_len ? skip : piece.iov_len;
        skip -= gone;
        if (gone == piece.iov_len) continue;
        rest[n++] = (struct iovec){(char *)piece.iov_base + gone, piece.iov_len - gone};
    }
    return n;
}

static bool is_gone(int error) {
    return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == ECONNABORTED;
}

static ssize_t write_is_over(struct guarded *guarded, ssize_t result) {
    atomic_store_explicit(&guarded->written, 0, memory_order_relaxed);
    atomic_store_explicit(&guarded->since_ms, 0, memory_order_relaxed);
    return result;
}

/* Writes what is left of the message. The whole length once all of it is taken, EAGAIN until then. */
static ssize_t write_on(int fd, struct guarded *guarded, const struct msghdr *message, size_t length, int flags) {
    struct iovec rest[GUARD_IOVECS];
    struct msghdr header = *message;
    header.msg_iov = rest;
    size_t written = atomic_load_explicit(&guarded->written, memory_order_relaxed);
    header.msg_iovlen = rest_of(message, written, rest);
    ssize_t n = next_sendmsg(fd, &header, flags);
    if (n < 0 && is_gone(errno)) {
        atomic_store(&guarded->is_ended, true);
        return write_is_over(guarded, (ssize_t)length);
    }
    if (n < 0 && errno != EAGAIN) return n;
    if (n > 0) atomic_store_explicit(&guarded->written, written += (size_t)n, memory_order_relaxed);
    if (written >= length) return write_is_over(guarded, (ssize_t)length);
    if (atomic_load_explicit(&guarded->since_ms, memory_order_relaxed) == 0) {
        atomic_store_explicit(&guarded->since_ms, now_ms(), memory_order_relaxed);
        size_t above = (size_t)fd + 1, known = atomic_load(&in_use);
        while (known < above && !atomic_compare_exchange_weak(&in_use, &known, above)) continue;
    }
    errno = EAGAIN;
    return -1;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    struct guarded *guarded = guarded_of(fd);
    size_t length = length_of(message);
    if (guarded != NULL && length > GREETING_BYTES && message->msg_iovlen <= GUARD_IOVECS && message->msg_name == NULL)
        return write_on(fd, guarded, message, length, flags);
    ssize_t n = next_sendmsg(fd, message, flags);
    if (n < 0 && errno == EPIPE) errno = ECONNRESET;
    return n;
}

ssize_t readv(int fd, const struct iovec *pieces, int count) {
    struct guarded *guarded = guarded_of(fd);
    if (guarded != NULL && atomic_load_explicit(&guarded->is_ended, memory_order_relaxed)) return 0;
    return next_readv(fd, pieces, count);
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int capacity, int timeout_ms) {
    int n = next_epoll_wait(epoll_fd, events, capacity, timeout_ms);
    for (int i = 0; i < n && table != NULL; i++) {
        if ((events[i].events & (EPOLLERR | EPOLLHUP)) == 0) continue;
        events[i].events = (events[i].events & ~(uint32_t)(EPOLLERR | EPOLLHUP)) | EPOLLIN | EPOLLOUT;
    }
    return n;
}

int listen(int fd, int backlog) {
    return next_listen(fd, backlog > GUARD_BACKLOG ? backlog : GUARD_BACKLOG);
}

int close(int fd) {
    struct guarded *guarded = guarded_of(fd);
    if (guarded != NULL) {
        pthread_mutex_lock(&forget_lock);
        write_is_over(guarded, 0);
        atomic_store(&guarded->is_ended, false);
        pthread_mutex_unlock(&forget_lock);
    }
    if (next_close == NULL) find_all(); /* a library's own constructor may come before ours */
    return next_close(fd);
}

/* What is still unsent would hold up the end: it goes with a reset when nng closes the descriptor. */
static void end_now(int fd) {
    const struct linger abort = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    shutdown(fd, SHUT_RDWR);
}

size_t nng_guard_end_unread(uint64_t age_ms) {
    size_t ended = 0;
    uint64_t now = now_ms();
    pthread_mutex_lock(&forget_lock);
    for (size_t fd = 0; fd < atomic_load(&in_use); fd++) {
        uint64_t since = atomic_load_explicit(&table[fd].since_ms, memory_order_relaxed);
        if (since == 0 || now - since <= age_ms || atomic_load(&table[fd].is_ended)) continue;
        atomic_store(&table[fd].is_ended, true);
        end_now((int)fd);
        ended++;
    }
    pthread_mutex_unlock(&forget_lock);
    return ended;
}
