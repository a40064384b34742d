#include "worker.h"

#include "common/random.h"
#include "socket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    INPUT_BYTES_FIRST = 64 * 1024,
    OUTPUT_BYTES_FIRST = 4 * 1024,
    EVENTS_MAX = 256,
    WAIT_MAX_NS = 50000000, /* how often a worker checks whether it must stop */
    TIMER_SLACK_NS = 1000,  /* precision of the open loop's timers; the system's default is 50 µs */
};

/* A place for one request in flight. */
struct slot {
    uint32_t connection, number; /* number: of the connection's slots */
    bool is_busy;
    uint64_t ticket, due_ns;
    uint64_t walk_began_ns;  /* of a list: when its first page was due */
    struct page_token *page; /* of a list: the next page; else NULL */
};

struct load_connection {
    int fd;
    bool wants_writable;
    uint8_t *input, *output;
    size_t input_len, input_capacity;
    size_t output_len, output_sent, output_capacity;
    uint32_t *sent; /* ring of slots in the order of their requests, if the protocol is ordered; else NULL */
    uint32_t sent_from, sent_count;
    struct slot *
        *held; /* ring: slots whose request the server has no room for, where the protocol says so; else NULL */
    uint32_t held_from, held_count;
    struct reading reading;
};

struct load_worker {
    struct load_shared *shared;
    const struct load_plan *plan;
    size_t request_bytes_max;
    int epoll;
    uint32_t connection_count, slot_count;
    struct load_connection *connections;
    struct slot *slots;
    struct page_token *pages;
    struct slot **waiting; /* ring: slots whose ticket is not due yet, in the order of tickets */
    uint32_t waiting_from, waiting_count;
    uint32_t busy;
    struct user_choice choice;
    uint64_t hits, bytes_sent, bytes_received, last_ns;
    struct histogram latency, walk;
};

uint64_t load_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void load_shared_fail(struct load_shared *shared, enum load_outcome outcome, enum muster_code code, const char *text) {
    int done = LOAD_DONE;
    if (atomic_compare_exchange_strong(&shared->outcome, &done, (int)outcome))
        (void)error_fail(&shared->error, code, "%s", text);
}

static bool has_failed(const struct load_worker *w) {
    return atomic_load_explicit(&w->shared->outcome, memory_order_relaxed) != LOAD_DONE;
}

static void fail_lost(struct load_worker *w) {
    load_shared_fail(w->shared, LOAD_UNREACHABLE, MUSTER_UNAVAILABLE, "the node broke the connection off");
}

static void fail_memory(struct load_worker *w) {
    load_shared_fail(w->shared, LOAD_FAILED, MUSTER_RESOURCE_EXHAUSTED, "out of memory");
}

/* ---- sending ---- */

/* Makes room for one more request at the end of the output. */
static bool make_output_room(struct load_worker *w, struct load_connection *c) {
    if (c->output_sent == c->output_len) c->output_sent = c->output_len = 0;
    if (c->output_capacity - c->output_len >= w->request_bytes_max) return true;
    memmove(c->output, c->output + c->output_sent, c->output_len - c->output_sent);
    c->output_len -= c->output_sent;
    c->output_sent = 0;
    if (c->output_capacity - c->output_len >= w->request_bytes_max) return true;
    const size_t capacity = 2 * c->output_capacity + w->request_bytes_max;
    uint8_t *output = realloc(c->output, capacity);
    if (output == NULL) {
        fail_memory(w);
        return false;
    }
    c->output = output;
    c->output_capacity = capacity;
    return true;
}

static bool must_hold(const struct load_worker *w, const struct load_connection *c) {
    return c->held != NULL && !w->plan->protocol->has_room(&w->plan->work, &c->reading);
}

static void write_request(struct load_worker *w, struct load_connection *c, const struct slot *slot) {
    const struct request request = {slot->number, c->reading.is_ipc, slot->page, &c->reading};
    if (!make_output_room(w, c)) return;
    w->choice.next = slot->ticket * work_users_each(&w->plan->work);
    c->output_len += w->plan->protocol->write_request(&w->plan->work, &w->choice, &request, c->output + c->output_len);
    if (c->sent != NULL) c->sent[(c->sent_from + c->sent_count++) % w->plan->in_flight] = slot->number;
}

static void queue_request(struct load_worker *w, struct slot *slot, uint64_t now_ns) {
    struct load_connection *c = &w->connections[slot->connection];
    if (must_hold(w, c)) c->held[(c->held_from + c->held_count++) % w->plan->in_flight] = slot;
    else write_request(w, c, slot);
    if (w->plan->rate <= 0) slot->due_ns = now_ns;
    if (slot->walk_began_ns == 0) slot->walk_began_ns = slot->due_ns;
    slot->is_busy = true;
    w->busy++;
}

/* Gives a free slot its next request: at once, or when it is due. */
static void start_slot(struct load_worker *w, struct slot *slot, uint64_t now_ns) {
    const struct load_plan *plan = w->plan;
    if (now_ns >= w->shared->stop_ns) return;
    slot->ticket = atomic_fetch_add_explicit(&w->shared->ticket, 1, memory_order_relaxed);
    if (plan->requests > 0 && slot->ticket >= plan->requests) return;
    slot->due_ns = now_ns;
    if (plan->rate > 0) slot->due_ns = w->shared->start_ns + (uint64_t)((double)slot->ticket * 1e9 / plan->rate);
    if (slot->due_ns >= w->shared->stop_ns) return;
    if (slot->due_ns <= now_ns) queue_request(w, slot, now_ns);
    else w->waiting[(w->waiting_from + w->waiting_count++) % w->slot_count] = slot;
}

/* What the input made possible, or asked for. */
static void queue_after_input(struct load_worker *w, struct load_connection *c) {
    const struct protocol *protocol = w->plan->protocol;
    if (protocol->write_control != NULL && make_output_room(w, c))
        c->output_len += protocol->write_control(&c->reading, c->output + c->output_len);
    while (c->held_count > 0 && !must_hold(w, c)) {
        write_request(w, c, c->held[c->held_from]);
        c->held_from = (c->held_from + 1) % w->plan->in_flight;
        c->held_count--;
    }
}

static void watch_writable(struct load_worker *w, struct load_connection *c, bool wants) {
    if (c->wants_writable == wants) return;
    struct epoll_event event = {.events = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0),
                                .data.u32 = (uint32_t)(c - w->connections)};
    c->wants_writable = wants;
    (void)epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void send_output(struct load_worker *w, struct load_connection *c) {
    while (c->output_sent < c->output_len) {
        const ssize_t n =
            send(c->fd, c->output + c->output_sent, c->output_len - c->output_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) {
            fail_lost(w);
            return;
        }
        c->output_sent += (size_t)n;
        w->bytes_sent += (uint64_t)n;
    }
    watch_writable(w, c, c->output_sent < c->output_len);
}

/* Sends the requests that have become due. */
static void start_waiting(struct load_worker *w, uint64_t now_ns) {
    while (w->waiting_count > 0 && w->waiting[w->waiting_from]->due_ns <= now_ns) {
        struct slot *slot = w->waiting[w->waiting_from];
        w->waiting_from = (w->waiting_from + 1) % w->slot_count;
        w->waiting_count--;
        queue_request(w, slot, now_ns);
        send_output(w, &w->connections[slot->connection]);
    }
}

/* ---- receiving ---- */

static void turn_page(struct load_worker *w, struct slot *slot, const struct answer *answer, uint64_t now_ns) {
    assert(answer->page_token_len <= PAGE_TOKEN_BYTES_MAX);
    if (answer->page_token_len == 0) {
        histogram_record(&w->walk, now_ns - slot->walk_began_ns);
        slot->walk_began_ns = 0;
    }
    slot->page->len = answer->page_token_len;
    if (answer->page_token_len > 0) memcpy(slot->page->bytes, answer->page_token, answer->page_token_len);
}

/* The slot of an answer; NULL: there is none. */
static struct slot *slot_of(struct load_worker *w, struct load_connection *c, const struct answer *answer) {
    uint32_t number = answer->slot;
    if (c->sent != NULL) {
        if (c->sent_count == 0) return NULL;
        number = c->sent[c->sent_from];
        c->sent_from = (c->sent_from + 1) % w->plan->in_flight;
        c->sent_count--;
    }
    if (number >= w->plan->in_flight) return NULL;
    struct slot *slot = &w->slots[(size_t)(c - w->connections) * w->plan->in_flight + number];
    return slot->is_busy ? slot : NULL;
}

static void finish_request(struct load_worker *w, struct load_connection *c, const struct answer *answer,
                           uint64_t now_ns) {
    struct slot *slot = slot_of(w, c, answer);
    if (slot == NULL) {
        load_shared_fail(w->shared, LOAD_UNREACHABLE, MUSTER_UNAVAILABLE, "an answer to no request");
        return;
    }
    slot->is_busy = false;
    w->busy--;
    w->last_ns = now_ns;
    histogram_record(&w->latency, now_ns - slot->due_ns);
    atomic_fetch_add_explicit(&w->shared->answered, 1, memory_order_relaxed);
    if (slot->page != NULL) turn_page(w, slot, answer, now_ns);
    start_slot(w, slot, now_ns);
}

/* Reads all complete answers in the input. */
static void read_answers(struct load_worker *w, struct load_connection *c, uint64_t now_ns) {
    size_t at = 0;
    while (at < c->input_len && !has_failed(w)) {
        struct answer answer;
        answer.is_done = false;
        answer.slot = 0;
        answer.hits = 0;
        answer.page_token_len = 0;
        answer.fault = FAULT_NONE;
        const size_t used =
            w->plan->protocol->read_answer(&w->plan->work, &c->reading, c->input + at, c->input_len - at, &answer);
        at += used;
        w->hits += answer.hits;
        if (answer.fault != FAULT_NONE)
            load_shared_fail(w->shared, answer.fault == FAULT_REFUSED ? LOAD_REFUSED : LOAD_UNREACHABLE,
                             answer.why.code, answer.why.text);
        else if (answer.is_done) finish_request(w, c, &answer, now_ns);
        if (used == 0) break;
    }
    memmove(c->input, c->input + at, c->input_len - at);
    c->input_len -= at;
}

/* Grows the input if an answer fills it. */
static bool make_input_room(struct load_worker *w, struct load_connection *c) {
    if (c->input_len < c->input_capacity) return true;
    if (c->input_capacity >= ANSWER_BYTES_MAX) {
        load_shared_fail(w->shared, LOAD_UNREACHABLE, MUSTER_UNAVAILABLE, "an answer that is too long");
        return false;
    }
    uint8_t *input = realloc(c->input, 2 * c->input_capacity);
    if (input == NULL) {
        fail_memory(w);
        return false;
    }
    c->input = input;
    c->input_capacity *= 2;
    return true;
}

static void receive_input(struct load_worker *w, struct load_connection *c) {
    if (!make_input_room(w, c)) return;
    const ssize_t n = recv(c->fd, c->input + c->input_len, c->input_capacity - c->input_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        fail_lost(w);
        return;
    }
    c->input_len += (size_t)n;
    w->bytes_received += (uint64_t)n;
    read_answers(w, c, load_now_ns());
    queue_after_input(w, c);
    send_output(w, c);
}

/* ---- the loop ---- */

/* The time to wait: until the next request is due, at most WAIT_MAX_NS. */
static struct timespec wait_span(const struct load_worker *w) {
    uint64_t span_ns = WAIT_MAX_NS;
    if (w->waiting_count > 0) {
        const uint64_t now_ns = load_now_ns(), due_ns = w->waiting[w->waiting_from]->due_ns;
        if (due_ns <= now_ns) span_ns = 0;
        else if (due_ns - now_ns < span_ns) span_ns = due_ns - now_ns;
    }
    return (struct timespec){0, (long)span_ns};
}

static void fail_if_silent(struct load_worker *w, uint64_t received_ns) {
    if (w->busy > 0 && load_now_ns() - received_ns > (uint64_t)w->plan->timeout_ms * 1000000u)
        load_shared_fail(w->shared, LOAD_UNREACHABLE, MUSTER_UNAVAILABLE, "the node does not answer");
}

static void run_loop(struct load_worker *w) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t received_ns = load_now_ns();
    while (w->busy + w->waiting_count > 0 && !has_failed(w)) {
        const struct timespec span = wait_span(w);
        const int count = epoll_pwait2(w->epoll, events, EVENTS_MAX, &span, NULL);
        if (w->busy == 0 || count > 0) received_ns = load_now_ns();
        for (int i = 0; i < count; i++) {
            struct load_connection *c = &w->connections[events[i].data.u32];
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive_input(w, c);
            if (events[i].events & EPOLLOUT) send_output(w, c);
        }
        if (w->waiting_count > 0) start_waiting(w, load_now_ns());
        if (count == 0) fail_if_silent(w, received_ns);
    }
}

void load_worker_run(struct load_worker *w) {
    (void)prctl(PR_SET_TIMERSLACK, (unsigned long)TIMER_SLACK_NS, 0ul, 0ul, 0ul);
    const uint64_t now_ns = load_now_ns();
    for (uint32_t i = 0; i < w->slot_count; i++) start_slot(w, &w->slots[i], now_ns);
    for (uint32_t i = 0; i < w->connection_count; i++) send_output(w, &w->connections[i]);
    run_loop(w);
}

/* ---- making and freeing ---- */

static bool connection_open(struct load_worker *w, uint32_t number) {
    struct load_connection *c = &w->connections[number];
    const struct load_plan *plan = w->plan;
    struct error error;
    c->reading.is_ipc = load_socket_is_ipc(plan->address);
    c->fd = load_socket_open(plan->protocol, plan->address, plan->timeout_ms, &error);
    if (c->fd < 0) {
        load_shared_fail(w->shared, LOAD_UNREACHABLE, error.code, error.text);
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    c->input_capacity = INPUT_BYTES_FIRST;
    c->input = malloc(c->input_capacity);
    c->output_capacity = OUTPUT_BYTES_FIRST;
    c->output = malloc(c->output_capacity);
    if (plan->protocol->is_ordered) c->sent = calloc(plan->in_flight, sizeof *c->sent);
    if (plan->protocol->has_room != NULL) c->held = calloc(plan->in_flight, sizeof(struct slot *));
    if (plan->protocol->has_streams) c->reading.http2.streams = calloc(plan->in_flight, sizeof(uint32_t));
    c->reading.http2.slots = plan->in_flight;
    if (c->input != NULL && c->output != NULL && (c->sent != NULL || !plan->protocol->is_ordered) &&
        (c->held != NULL || plan->protocol->has_room == NULL) &&
        (c->reading.http2.streams != NULL || !plan->protocol->has_streams) &&
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
        return true;
    fail_memory(w);
    return false;
}

static bool make_slots(struct load_worker *w, uint32_t connections) {
    const struct load_plan *plan = w->plan;
    const bool has_pages = plan->work.kind == WORK_LIST;
    w->slot_count = connections * plan->in_flight;
    w->connections = calloc(connections, sizeof *w->connections);
    w->slots = calloc(w->slot_count, sizeof *w->slots);
    w->waiting = calloc(w->slot_count, sizeof(struct slot *));
    if (has_pages) w->pages = calloc(w->slot_count, sizeof *w->pages);
    if (w->connections == NULL || w->slots == NULL || w->waiting == NULL || (has_pages && w->pages == NULL))
        return false;
    w->connection_count = connections;
    for (uint32_t i = 0; i < connections; i++) w->connections[i].fd = -1;
    for (uint32_t i = 0; i < w->slot_count; i++) {
        w->slots[i].connection = i / plan->in_flight;
        w->slots[i].number = i % plan->in_flight;
        w->slots[i].page = has_pages ? &w->pages[i] : NULL;
    }
    return true;
}

struct load_worker *load_worker_new(struct load_shared *shared, uint32_t connections, uint32_t number) {
    struct load_worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        load_shared_fail(shared, LOAD_FAILED, MUSTER_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    w->shared = shared;
    w->plan = shared->plan;
    w->request_bytes_max = work_request_bytes_max(&w->plan->work) + CONTROL_BYTES_MAX;
    w->choice.random = splitmix64_mix(w->plan->seed + (number + 1) * SPLITMIX64_STEP);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    bool is_made = w->epoll >= 0 && make_slots(w, connections);
    if (!is_made) fail_memory(w);
    for (uint32_t i = 0; i < w->connection_count && is_made; i++) is_made = connection_open(w, i);
    if (is_made) return w;
    load_worker_free(w);
    return NULL;
}

void load_worker_free(struct load_worker *w) {
    if (w == NULL) return;
    for (uint32_t i = 0; i < w->connection_count; i++) {
        if (w->connections[i].fd >= 0) (void)close(w->connections[i].fd);
        free(w->connections[i].input);
        free(w->connections[i].output);
        free(w->connections[i].sent);
        free(w->connections[i].held);
        free(w->connections[i].reading.http2.streams);
    }
    if (w->epoll >= 0) (void)close(w->epoll);
    free(w->pages);
    free(w->waiting);
    free(w->slots);
    free(w->connections);
    free(w);
}

void load_worker_collect(const struct load_worker *w, struct load_result *into, uint64_t *last_ns) {
    histogram_merge(&into->latency, &w->latency);
    histogram_merge(&into->walk, &w->walk);
    into->hits += w->hits;
    into->bytes_sent += w->bytes_sent;
    into->bytes_received += w->bytes_received;
    if (w->last_ns > *last_ns) *last_ns = w->last_ns;
}
