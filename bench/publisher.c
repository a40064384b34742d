#include "publisher.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { PATIENCE_NS = 1000000000 };

void publisher_open(struct publisher *publisher, const struct subscribe_protocol *protocol, const char *address,
                    uint64_t users) {
    *publisher = (struct publisher){.protocol = protocol, .work = {.users = users}, .choice = {.random = 7}};
    publisher->fd = connection_dial(protocol->base, address);
    publisher->is_busy = calloc(users, sizeof *publisher->is_busy);
    publisher->due_ns = calloc(users, sizeof *publisher->due_ns);
    if (publisher->is_busy == NULL || publisher->due_ns == NULL) die("memory is short");
}

static size_t put_marker(struct publisher *publisher, uint8_t *out) {
    publisher->is_marker_busy = !publisher->is_marker_busy;
    return publisher->protocol->change((const uint8_t *)USER_MARKER, publisher->is_marker_busy, out);
}

static size_t put_change(struct publisher *publisher, uint64_t due_ns, uint8_t *out) {
    uint8_t user[USER_BYTES + 1] = {0};
    work_next_user(&publisher->work, &publisher->choice, user);
    uint64_t number = strtoull((const char *)user + 5, NULL, 10);
    publisher->is_busy[number] ^= 1;
    atomic_store_explicit(&publisher->due_ns[number], due_ns, memory_order_relaxed);
    return publisher->protocol->change(user, publisher->is_busy[number] != 0, out);
}

/* Sends the changes that are due. Returns the ns until the next one; PATIENCE_NS if there is none, or if answers must
 * arrive first. */
static uint64_t send_due(struct publisher *publisher) {
    uint8_t bytes[PUBLISHER_IN_FLIGHT_MAX * CHANGE_BYTES_MAX];
    size_t len = 0;
    uint64_t now = now_ns(), wait_ns = PATIENCE_NS;
    while (publisher->sent < publisher->wanted && publisher->sent - publisher->confirmed < PUBLISHER_IN_FLIGHT_MAX) {
        bool is_last = publisher->sent + 1 == publisher->wanted;
        uint64_t due = publisher->start_ns + (uint64_t)((double)publisher->sent * 1e9 / publisher->rate);
        if (!is_last && due > now) {
            wait_ns = due - now;
            break;
        }
        len += is_last ? put_marker(publisher, bytes + len) : put_change(publisher, due, bytes + len);
        if (!is_last && now - due > publisher->behind_ns) publisher->behind_ns = now - due;
        publisher->sent++;
    }
    connection_send(publisher->fd, bytes, len);
    return wait_ns;
}

/* Reads the answers that have arrived. */
static void receive_answers(struct publisher *publisher) {
    ssize_t got = recv(publisher->fd, publisher->in + publisher->in_len, sizeof publisher->in - 1 - publisher->in_len,
                       MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server closed the connection of the changes");
    publisher->in_len += (size_t)got;
    size_t at = 0;
    for (size_t used = 1; used > 0 && at < publisher->in_len; at += used) {
        struct reception reception = {0};
        used = publisher->protocol->confirm(publisher->in + at, publisher->in_len - at, &reception);
        if (reception.problem[0] != 0) die(reception.problem);
        publisher->confirmed += used > 0;
    }
    memmove(publisher->in, publisher->in + at, publisher->in_len - at);
    publisher->in_len -= at;
}

static void *run_publisher(void *arg) {
    struct publisher *publisher = arg;
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    while (publisher->confirmed < publisher->wanted) {
        uint64_t wait_ns = send_due(publisher);
        struct timespec timeout = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)};
        struct pollfd input = {.fd = publisher->fd, .events = POLLIN};
        if (ppoll(&input, 1, &timeout, NULL) > 0) receive_answers(publisher);
    }
    atomic_store(&publisher->is_done, true);
    return NULL;
}

static void end_run(struct publisher *publisher) {
    if (publisher->is_running) pthread_join(publisher->thread, NULL);
    publisher->is_running = false;
}

void publisher_begin(struct publisher *publisher, uint64_t count, double rate) {
    end_run(publisher);
    publisher->wanted = count + 1;
    publisher->sent = publisher->confirmed = publisher->behind_ns = 0;
    publisher->rate = rate;
    publisher->start_ns = now_ns();
    atomic_store(&publisher->is_done, false);
    if (pthread_create(&publisher->thread, NULL, run_publisher, publisher) != 0) die("threads are short");
    publisher->is_running = true;
}

bool publisher_is_done(struct publisher *publisher) {
    return !publisher->is_running || atomic_load(&publisher->is_done);
}

uint64_t publisher_due_ns(const struct publisher *publisher, uint64_t user) {
    if (user >= publisher->work.users) return 0;
    return atomic_load_explicit(&publisher->due_ns[user], memory_order_relaxed);
}
