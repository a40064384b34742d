#include "worker.h"

#include "cli/bench_request.h"
#include "cli/command.h"
#include "cli/memory.h"
#include "cli/progress.h"
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    INPUT_BYTES_FIRST = 64 * 1024,
    FRAME_BYTES_MAX = MUSTER_MESSAGE_BYTES_MAX + WIRE_HEADER_BYTES_MAX,
    EVENTS_MAX = 256,
    PIECES_MAX = 64,        /* requests that one system call writes */
    WAIT_MAX_NS = 50000000, /* how often a worker looks whether it is to stop */
};

/* A place for one request in flight. */
struct slot {
    struct bench_request request;
    uint32_t connection, id; /* id: which place of the connection */
    bool is_busy;
    uint64_t due_ns;
    uint64_t walk_began_ns; /* of a list: when its first page was due */
};

struct connection {
    int fd;
    bool wants_writable;
    uint8_t *input;
    size_t input_len, input_capacity;
    struct slot **queue; /* ring: requests to be written */
    uint32_t queue_from, queue_count;
    size_t written; /* of the first one in the queue */
};

struct bench_worker {
    struct bench_shared *shared;
    const struct bench_plan *plan;
    bool is_ipc;
    int epoll;
    uint32_t connection_count, slot_count;
    struct connection *connections;
    struct slot *slots;
    struct slot **waiting; /* ring: slots whose ticket is not due yet, in the order of tickets */
    uint32_t waiting_from, waiting_count;
    uint32_t busy;
    uint64_t seed, items, bytes_sent, bytes_received, last_ns;
    struct histogram latency, walk;
};

static void fail(struct bench_worker *w, int status, const char *why) {
    int done = STATUS_DONE;
    if (atomic_compare_exchange_strong(&w->shared->status, &done, status))
        (void)fprintf(stderr, "muster: bench: %s\n", why);
}

/* ---- sending ---- */

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016. */
static uint64_t next_random(struct bench_worker *w) {
    w->seed ^= w->seed >> 12;
    w->seed ^= w->seed << 25;
    w->seed ^= w->seed >> 27;
    return w->seed * UINT64_C(2685821657736338717);
}

static void name_users(struct bench_worker *w, struct slot *slot, uint64_t ticket) {
    const uint64_t users = w->plan->users;
    for (uint32_t i = 0; i < slot->request.count; i++) {
        const uint64_t number = w->plan->order == BENCH_SEQUENTIAL
                                    ? (ticket * slot->request.count + i) % users
                                    : (uint64_t)(((unsigned __int128)next_random(w) * users) >> 64);
        bench_request_name(&slot->request, i, number);
    }
}

static void queue_request(struct bench_worker *w, struct slot *slot, uint64_t now_ns) {
    struct connection *c = &w->connections[slot->connection];
    if (w->plan->rate <= 0) slot->due_ns = now_ns;
    if (slot->walk_began_ns == 0) slot->walk_began_ns = slot->due_ns;
    slot->is_busy = true;
    w->busy++;
    c->queue[(c->queue_from + c->queue_count++) % w->plan->in_flight] = slot;
}

/* Gives a free slot its next request: at once, or when it is due. */
static void start_slot(struct bench_worker *w, struct slot *slot, uint64_t now_ns) {
    const struct bench_plan *plan = w->plan;
    if (now_ns >= w->shared->stop_ns) return;
    const uint64_t ticket = atomic_fetch_add_explicit(&w->shared->ticket, 1, memory_order_relaxed);
    if (plan->requests > 0 && ticket >= plan->requests) return;
    slot->due_ns = plan->rate > 0 ? w->shared->start_ns + (uint64_t)((double)ticket * 1e9 / plan->rate) : now_ns;
    if (slot->due_ns >= w->shared->stop_ns) return;
    if (slot->request.count > 0) name_users(w, slot, ticket);
    if (slot->due_ns <= now_ns) queue_request(w, slot, now_ns);
    else w->waiting[(w->waiting_from + w->waiting_count++) % w->slot_count] = slot;
}

static void watch_writable(struct bench_worker *w, struct connection *c, bool wants) {
    if (c->wants_writable == wants) return;
    struct epoll_event event = {.events = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0),
                                .data.u32 = (uint32_t)(c - w->connections)};
    c->wants_writable = wants;
    (void)epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* Takes what was written off the queue. */
static void consume(struct bench_worker *w, struct connection *c, size_t bytes) {
    w->bytes_sent += bytes;
    c->written += bytes;
    while (c->queue_count > 0 && c->written >= c->queue[c->queue_from]->request.len) {
        c->written -= c->queue[c->queue_from]->request.len;
        c->queue_from = (c->queue_from + 1) % w->plan->in_flight;
        c->queue_count--;
    }
}

static void write_queue(struct bench_worker *w, struct connection *c) {
    while (c->queue_count > 0) {
        struct iovec pieces[PIECES_MAX];
        int count = 0;
        for (; count < PIECES_MAX && (uint32_t)count < c->queue_count; count++) {
            const struct slot *slot = c->queue[(c->queue_from + (uint32_t)count) % w->plan->in_flight];
            const size_t skip = count == 0 ? c->written : 0;
            pieces[count] = (struct iovec){slot->request.bytes + skip, slot->request.len - skip};
        }
        const ssize_t n = writev(c->fd, pieces, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) {
            fail(w, STATUS_UNREACHABLE, "the node broke the connection off");
            return;
        }
        consume(w, c, (size_t)n);
    }
    watch_writable(w, c, c->queue_count > 0);
}

/* Sends what has become due meanwhile. */
static void start_waiting(struct bench_worker *w, uint64_t now_ns) {
    while (w->waiting_count > 0 && w->waiting[w->waiting_from]->due_ns <= now_ns) {
        struct slot *slot = w->waiting[w->waiting_from];
        w->waiting_from = (w->waiting_from + 1) % w->slot_count;
        w->waiting_count--;
        queue_request(w, slot, now_ns);
        write_queue(w, &w->connections[slot->connection]);
    }
}

/* ---- receiving ---- */

static void refused(struct bench_worker *w, const uint8_t *message, size_t len) {
    char text[512], why[600];
    bench_answer_error(message, len, text, sizeof text);
    (void)snprintf(why, sizeof why, "%s", text);
    fail(w, STATUS_REFUSED, why);
}

static void turn_page(struct bench_worker *w, struct slot *slot, const struct bench_answer *answer, uint64_t now_ns) {
    if (answer->token_len == 0) {
        histogram_record(&w->walk, now_ns - slot->walk_began_ns);
        slot->walk_began_ns = 0;
    }
    bench_request_turn(&slot->request, w->plan, w->is_ipc, slot->id, answer->token, answer->token_len);
}

static uint64_t items_of(const struct bench_plan *plan, const struct bench_answer *answer) {
    switch (plan->call) {
    case BENCH_TOUCH:
    case BENCH_LIVE:
        return plan->batch;
    case BENCH_LIST:
        return answer->items;
    default:
        return 1;
    }
}

/* One whole frame, from its request id on. */
static bool take_answer(struct bench_worker *w, struct connection *c, const uint8_t *frame, size_t len,
                        uint64_t now_ns) {
    if (len < WIRE_ID_BYTES) return false;
    const uint32_t id =
        ((uint32_t)(frame[0] & 0x7f) << 24) | ((uint32_t)frame[1] << 16) | ((uint32_t)frame[2] << 8) | frame[3];
    if (id >= w->plan->in_flight) return false;
    struct slot *slot = &w->slots[(size_t)(c - w->connections) * w->plan->in_flight + id];
    struct bench_answer answer;
    if (!slot->is_busy || !bench_answer_read(w->plan->call, frame + WIRE_ID_BYTES, len - WIRE_ID_BYTES, &answer))
        return false;
    if (answer.code != 0) {
        refused(w, frame + WIRE_ID_BYTES, len - WIRE_ID_BYTES);
        return true;
    }
    slot->is_busy = false;
    w->busy--;
    w->items += items_of(w->plan, &answer);
    w->last_ns = now_ns;
    histogram_record(&w->latency, now_ns - slot->due_ns);
    atomic_fetch_add_explicit(&w->shared->answered, 1, memory_order_relaxed);
    if (w->plan->call == BENCH_LIST) turn_page(w, slot, &answer, now_ns);
    start_slot(w, slot, now_ns);
    return true;
}

/* The length of the frame at the start of `len` bytes, its header included, and how long the header is. 0: not all of
 * the header is there yet; more than FRAME_BYTES_MAX: no node sends that. */
static uint64_t frame_length(const struct bench_worker *w, const uint8_t *at, size_t len, size_t *header) {
    const size_t prefix = w->is_ipc ? 1 : 0;
    uint64_t payload = 0;
    *header = prefix + WIRE_LENGTH_BYTES;
    if (len < *header) return 0;
    for (size_t i = 0; i < WIRE_LENGTH_BYTES; i++) payload = payload << 8 | at[prefix + i];
    return payload > FRAME_BYTES_MAX ? UINT64_MAX : payload + *header;
}

/* Takes all whole frames of the input. */
static void take_frames(struct bench_worker *w, struct connection *c, uint64_t now_ns) {
    size_t at = 0, header;
    uint64_t len = 0;
    while (atomic_load_explicit(&w->shared->status, memory_order_relaxed) == STATUS_DONE) {
        len = frame_length(w, c->input + at, c->input_len - at, &header);
        if (len == 0 || (len != UINT64_MAX && len > c->input_len - at)) break;
        if (len == UINT64_MAX || !take_answer(w, c, c->input + at + header, len - header, now_ns)) {
            fail(w, STATUS_UNREACHABLE, "what answers is not a node");
            return;
        }
        at += len;
    }
    memmove(c->input, c->input + at, c->input_len - at);
    c->input_len -= at;
    if (len > c->input_capacity && len <= FRAME_BYTES_MAX + WIRE_HEADER_BYTES_MAX) {
        c->input_capacity = len;
        c->input = memory_grow(c->input, c->input_capacity, 1);
    }
}

static void read_answers(struct bench_worker *w, struct connection *c) {
    const ssize_t n = read(c->fd, c->input + c->input_len, c->input_capacity - c->input_len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        fail(w, STATUS_UNREACHABLE, "the node broke the connection off");
        return;
    }
    c->input_len += (size_t)n;
    w->bytes_received += (uint64_t)n;
    take_frames(w, c, clock_now_ns());
    write_queue(w, c);
}

/* ---- the loop ---- */

/* How long to sleep: until the next request is due, and never long. */
static struct timespec nap(const struct bench_worker *w) {
    uint64_t span_ns = WAIT_MAX_NS;
    if (w->waiting_count > 0) {
        const uint64_t now_ns = clock_now_ns(), due_ns = w->waiting[w->waiting_from]->due_ns;
        if (due_ns <= now_ns) span_ns = 0;
        else if (due_ns - now_ns < span_ns) span_ns = due_ns - now_ns;
    }
    return (struct timespec){0, (long)span_ns};
}

static void give_up_if_silent(struct bench_worker *w, uint64_t heard_ns) {
    if (w->busy > 0 && clock_now_ns() - heard_ns > (uint64_t)w->plan->timeout_ms * 1000000u)
        fail(w, STATUS_UNREACHABLE, "the node does not answer");
}

static void loop(struct bench_worker *w) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t heard_ns = clock_now_ns();
    while (w->busy + w->waiting_count > 0 && atomic_load(&w->shared->status) == STATUS_DONE) {
        const struct timespec span = nap(w);
        const int count = epoll_pwait2(w->epoll, events, EVENTS_MAX, &span, NULL);
        if (w->busy == 0 || count > 0) heard_ns = clock_now_ns();
        for (int i = 0; i < count; i++) {
            struct connection *c = &w->connections[events[i].data.u32];
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_answers(w, c);
            if (events[i].events & EPOLLOUT) write_queue(w, c);
        }
        start_waiting(w, clock_now_ns());
        if (count == 0) give_up_if_silent(w, heard_ns);
    }
}

void bench_worker_run(struct bench_worker *w) {
    const uint64_t now_ns = clock_now_ns();
    for (uint32_t i = 0; i < w->slot_count; i++) start_slot(w, &w->slots[i], now_ns);
    for (uint32_t i = 0; i < w->connection_count; i++) write_queue(w, &w->connections[i]);
    loop(w);
}

/* ---- making and freeing ---- */

static bool connect_all(struct bench_worker *w) {
    for (uint32_t i = 0; i < w->connection_count; i++) {
        struct connection *c = &w->connections[i];
        c->fd = bench_socket_open(w->plan->address, w->plan->timeout_ms);
        if (c->fd < 0) return false;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) return false;
        c->input_capacity = INPUT_BYTES_FIRST;
        c->input = memory_new(c->input_capacity);
        c->queue = memory_new(w->plan->in_flight * sizeof *c->queue);
    }
    return true;
}

struct bench_worker *bench_worker_new(struct bench_shared *shared, uint32_t connections, uint64_t seed) {
    const struct bench_plan *plan = shared->plan;
    struct bench_worker *w = memory_new(sizeof *w);
    w->shared = shared;
    w->plan = plan;
    w->is_ipc = bench_socket_is_ipc(plan->address);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->connection_count = connections;
    w->slot_count = connections * plan->in_flight;
    w->connections = memory_new(connections * sizeof *w->connections);
    for (uint32_t i = 0; i < connections; i++) w->connections[i].fd = -1;
    w->slots = memory_new(w->slot_count * sizeof *w->slots);
    w->waiting = memory_new(w->slot_count * sizeof *w->waiting);
    w->seed = seed | 1; /* xorshift never leaves zero */
    for (uint32_t i = 0; i < w->slot_count; i++) {
        w->slots[i].connection = i / plan->in_flight;
        w->slots[i].id = i % plan->in_flight;
        bench_request_make(&w->slots[i].request, plan, w->is_ipc, w->slots[i].id);
    }
    if (connect_all(w)) return w;
    bench_worker_free(w);
    return NULL;
}

void bench_worker_free(struct bench_worker *w) {
    if (w == NULL) return;
    for (uint32_t i = 0; i < w->slot_count; i++) bench_request_free(&w->slots[i].request);
    for (uint32_t i = 0; i < w->connection_count; i++) {
        if (w->connections[i].fd >= 0) (void)close(w->connections[i].fd);
        free(w->connections[i].input);
        free(w->connections[i].queue);
    }
    (void)close(w->epoll);
    free(w->waiting);
    free(w->slots);
    free(w->connections);
    free(w);
}

void bench_worker_collect(const struct bench_worker *w, struct bench_result *into, uint64_t *last_ns) {
    histogram_merge(&into->latency, &w->latency);
    histogram_merge(&into->walk, &w->walk);
    into->items += w->items;
    into->bytes_sent += w->bytes_sent;
    into->bytes_received += w->bytes_received;
    if (w->last_ns > *last_ns) *last_ns = w->last_ns;
}
