#include "io.h"

#include "client.h"
#include "common/monotonic.h"
#include "common/thread.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- waking ------------------------------------------------------------------------------------------------------ */

bool io_is_own_thread(const struct io *io) {
    return io->has_thread && pthread_equal(pthread_self(), io->thread) != 0;
}

void io_wake(struct io *io) {
    io->has_work = true;
    if (!io->is_asleep || io->is_woken) return;
    io->is_woken = true;
    (void)eventfd_write(io->wake_fd, 1);
}

void io_set_timer(struct io *io, struct timer *timer, uint64_t due_ms) {
    timers_set(&io->timers, timer, due_ms);
    if (io->is_asleep && due_ms < io->sleeps_until_ms) io_wake(io);
}

void io_add_ended(struct io *io, struct attempt *attempt) {
    attempt->after = NULL;
    if (io->last_ended != NULL) io->last_ended->after = attempt;
    else io->ended = attempt;
    io->last_ended = attempt;
    io_wake(io);
}

/* ---- naps -------------------------------------------------------------------------------------------------------- */

static void nap_is_due(struct timer *timer) {
    struct nap *nap = (struct nap *)timer;
    struct io *io = nap->io;
    nap->next = NULL;
    if (io->last_over != NULL) io->last_over->next = nap;
    else io->over = nap;
    io->last_over = nap;
    io_wake(io);
}

bool nap_init(struct nap *nap, struct io *io, nap_woke *woke, void *arg) {
    *nap = (struct nap){.timer.fired = nap_is_due, .io = io, .woke = woke, .arg = arg};
    pthread_mutex_lock(&io->mutex);
    bool is_reserved = timers_reserve(&io->timers);
    pthread_mutex_unlock(&io->mutex);
    return is_reserved;
}

void nap_begin(struct nap *nap, uint32_t wait_ms) {
    uint64_t due_ms = monotonic_ms() + wait_ms;
    pthread_mutex_lock(&nap->io->mutex);
    assert(!timer_is_set(&nap->timer));
    io_set_timer(nap->io, &nap->timer, due_ms);
    pthread_mutex_unlock(&nap->io->mutex);
}

void nap_end(struct nap *nap) {
    pthread_mutex_lock(&nap->io->mutex);
    if (timer_is_set(&nap->timer)) io_set_timer(nap->io, &nap->timer, 0);
    pthread_mutex_unlock(&nap->io->mutex);
}

/* ---- the thread: each is called under the mutex and returns under it -------------------------------------------- */

static void io_fire_timers(struct io *io, uint64_t now_ms) {
    for (struct timer *timer; (timer = timers_take_due(&io->timers, now_ms)) != NULL;) timer->fired(timer);
}

/* Tells the owners of what has ended, without the mutex. */
static void io_deliver(struct io *io) {
    struct attempt *attempt = io->ended;
    struct nap *nap = io->over;
    if (attempt == NULL && nap == NULL) return;
    io->ended = io->last_ended = NULL;
    io->over = io->last_over = NULL;
    pthread_mutex_unlock(&io->mutex);
    attempts_deliver(attempt);
    for (struct nap *next; nap != NULL; nap = next) {
        next = nap->next;
        nap->woke(nap->arg);
    }
    pthread_mutex_lock(&io->mutex);
}

static void io_step_nodes(struct io *io, uint64_t now_ms) {
    struct muster_client *client = io->client;
    bool has_news = false;
    for (size_t i = 0; i < client->node_count; i++) {
        node_step(&client->nodes[i], now_ms);
        has_news |= client->nodes[i].news != NODE_NO_NEWS;
    }
    if (!has_news) return;
    pthread_mutex_unlock(&io->mutex);
    for (size_t i = 0; i < client->node_count; i++) node_tell(&client->nodes[i]);
    pthread_mutex_lock(&io->mutex);
    io->has_work = true;
}

/* How long poll(2) may take: rounded up, so that what is due then is due. */
static int io_patience(struct io *io, uint64_t now_ms) {
    struct muster_client *client = io->client;
    uint64_t until_ms = timers_next_ms(&io->timers);
    for (size_t i = 0; i < client->node_count; i++)
        if (client->nodes[i].due_ms < until_ms) until_ms = client->nodes[i].due_ms;
    io->sleeps_until_ms = until_ms;
    if (io->has_work || io->is_ending || until_ms <= now_ms) return 0;
    if (until_ms == UINT64_MAX) return -1;
    uint64_t wait_ms = until_ms - now_ms;
    return wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
}

/* Sleeps until something is to be done, and reads what has come. */
static void io_poll(struct io *io) {
    struct muster_client *client = io->client;
    struct pollfd polled[MUSTER_ADDRESSES_MAX + 1];
    size_t count = client->node_count;
    for (size_t i = 0; i < count; i++) polled[i] = node_polled(&client->nodes[i]);
    polled[count] = (struct pollfd){.fd = io->wake_fd, .events = POLLIN};
    int patience_ms = io_patience(io, monotonic_ms());
    io->is_asleep = patience_ms != 0;
    pthread_mutex_unlock(&io->mutex);
    int ready = poll(polled, (nfds_t)count + 1, patience_ms);
    pthread_mutex_lock(&io->mutex);
    io->is_asleep = false;
    eventfd_t ignored;
    if (io->is_woken) (void)eventfd_read(io->wake_fd, &ignored);
    io->is_woken = false;
    if (ready <= 0) return;
    for (size_t i = 0; i < count; i++)
        if (polled[i].revents != 0) node_is_ready(&client->nodes[i], polled[i].revents);
}

static void *io_thread(void *arg) {
    struct io *io = arg;
    pthread_mutex_lock(&io->mutex);
    while (!io->is_ending) {
        uint64_t now_ms = monotonic_ms();
        io->has_work = false;
        io_fire_timers(io, now_ms);
        io_step_nodes(io, now_ms);
        io_deliver(io);
        io_poll(io);
    }
    pthread_mutex_unlock(&io->mutex);
    return NULL;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

bool io_open(struct io *io, struct muster_client *client) {
    io->client = client;
    io->wake_fd = -1;
    if (pthread_mutex_init(&io->mutex, NULL) != 0) return false;
    io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return io->wake_fd >= 0;
}

bool io_start(struct io *io) {
    pthread_mutex_lock(&io->mutex); /* the thread knows itself by io->thread */
    io->has_thread = thread_start(&io->thread, io_thread, io) == 0;
    pthread_mutex_unlock(&io->mutex);
    return io->has_thread;
}

void io_stop(struct io *io) {
    if (!io->has_thread) return;
    assert(!io_is_own_thread(io));
    pthread_mutex_lock(&io->mutex);
    io->is_ending = true;
    io_wake(io);
    pthread_mutex_unlock(&io->mutex);
    pthread_join(io->thread, NULL);
    io->has_thread = false;
}

void io_close(struct io *io) {
    if (io->wake_fd >= 0) close(io->wake_fd);
    timers_free(&io->timers);
    pthread_mutex_destroy(&io->mutex);
}

void io_abandon(struct io *io) {
    int fd = io->wake_fd;
    io->wake_fd = -1;
    if (fd >= 0) close(fd);
}
