#include "engine.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, STALL_MS = 60000 };

struct connection {
    int fd;
    uint32_t free_count, free[IN_FLIGHT_MAX]; /* slots */
    uint32_t oldest;                          /* slot that is answered next, where answers are ordered */
    uint64_t begun_ns[IN_FLIGHT_MAX];
    struct progress progress;
    uint8_t *in, *out;
    size_t in_len, out_len, out_sent;
    bool waits_for_room; /* EPOLLOUT is asked for */
};

struct engine {
    const struct load *load;
    struct work work;
    struct result *result;
    char *problem;
    int epoll;
    struct connection *connections;
    uint32_t next_connection; /* whose turn it is in the open loop */
    uint64_t start_ns, end_ns, last_ns;
    uint64_t begun, answered;
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool fail(struct engine *engine, const char *what) {
    if (engine->problem[0] == 0) snprintf(engine->problem, 256, "%s: %s", engine->load->protocol->name, what);
    return false;
}

static bool fail_errno(struct engine *engine, const char *what) {
    char text[200];
    snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
    return fail(engine, text);
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

static int dial(const struct load *load) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(load->host, load->port, &hints, &found) != 0) return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static bool greet(const struct protocol *protocol, int fd) {
    uint8_t answer[16];
    size_t wanted = protocol->hello_bytes;
    if (wanted == 0) return true;
    if (send(fd, protocol->hello, wanted, MSG_NOSIGNAL) != (ssize_t)wanted) return false;
    return recv(fd, answer, wanted, MSG_WAITALL) == (ssize_t)wanted &&
           memcmp(answer, protocol->hello_answer, wanted) == 0;
}

static bool connection_open(struct engine *engine, struct connection *connection) {
    const struct load *load = engine->load;
    connection->fd = dial(load);
    if (connection->fd < 0) return fail_errno(engine, "cannot connect");
    if (!greet(load->protocol, connection->fd)) return fail(engine, "the handshake failed");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    size_t request_bytes = REQUEST_BYTES_BASE + (size_t)load->work.batch * REQUEST_BYTES_EACH;
    connection->in = malloc(ANSWER_BYTES_MAX + 1);
    connection->out = malloc(request_bytes * load->in_flight);
    if (connection->in == NULL || connection->out == NULL) return fail(engine, "memory is short");
    for (uint32_t i = 0; i < load->in_flight; i++) connection->free[i] = load->in_flight - 1 - i;
    connection->free_count = load->in_flight;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(engine->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) return fail_errno(engine, "epoll_ctl");
    return true;
}

static void connection_close(struct connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    free(connection->in);
    free(connection->out);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

/* Sends what is written; asks to be told of room where the socket has none. */
static bool flush(struct engine *engine, struct connection *connection) {
    while (connection->out_sent < connection->out_len) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_len - connection->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) return fail_errno(engine, "send");
        if (sent < 0) break;
        connection->out_sent += (size_t)sent;
    }
    bool is_blocked = connection->out_sent < connection->out_len;
    if (!is_blocked) connection->out_len = connection->out_sent = 0;
    if (is_blocked == connection->waits_for_room) return true;
    connection->waits_for_room = is_blocked;
    struct epoll_event event = {.events = EPOLLIN | (is_blocked ? EPOLLOUT : 0), .data.ptr = connection};
    if (epoll_ctl(engine->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0) return fail_errno(engine, "epoll_ctl");
    return true;
}

static void write_request(struct engine *engine, struct connection *connection, uint32_t slot) {
    /* Every slot has its share of the buffer; what was sent of it makes room at the front. */
    if (connection->out_sent > 0) {
        memmove(connection->out, connection->out + connection->out_sent, connection->out_len - connection->out_sent);
        connection->out_len -= connection->out_sent;
        connection->out_sent = 0;
    }
    connection->out_len += engine->load->protocol->request(&engine->work, &connection->progress, slot,
                                                           connection->out + connection->out_len);
}

static bool may_begin(const struct engine *engine) {
    return engine->load->requests == 0 || engine->begun < engine->load->requests;
}

static void begin(struct engine *engine, struct connection *connection, uint64_t begun_ns) {
    uint32_t slot = connection->free[--connection->free_count];
    connection->begun_ns[slot] = begun_ns;
    engine->begun++;
    write_request(engine, connection, slot);
}

/* Closed loop: fills the free slots of a connection. */
static bool refill(struct engine *engine, struct connection *connection) {
    uint64_t now = now_ns();
    bool is_over = engine->end_ns != 0 && now >= engine->end_ns;
    while (!is_over && connection->free_count > 0 && may_begin(engine)) {
        begin(engine, connection, now);
    }
    return flush(engine, connection);
}

static uint64_t due_ns(const struct engine *engine) {
    return engine->start_ns + (uint64_t)((double)engine->begun * 1e9 / engine->load->rate);
}

/* Open loop: begins what is due, on connections in turn that have a slot free. */
static bool begin_due(struct engine *engine) {
    uint32_t count = engine->load->connections;
    uint64_t now = now_ns();
    for (uint32_t tried = 0; tried < count && may_begin(engine);) {
        uint64_t due = due_ns(engine);
        if (due > now || (engine->end_ns != 0 && due >= engine->end_ns)) break;
        struct connection *connection = &engine->connections[engine->next_connection++ % count];
        if (connection->free_count == 0) {
            tried++;
            continue;
        }
        tried = 0;
        begin(engine, connection, due);
        if (!flush(engine, connection)) return false;
    }
    return true;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static bool finish(struct engine *engine, struct connection *connection, const struct answer *answer) {
    uint32_t slot = answer->slot;
    if (engine->load->protocol->is_ordered) {
        slot = connection->oldest;
        connection->oldest = (connection->oldest + 1) % engine->load->in_flight;
    }
    if (slot >= engine->load->in_flight) return fail(engine, "an answer to no request");
    if (answer->is_more) {
        write_request(engine, connection, slot);
        return flush(engine, connection);
    }
    engine->last_ns = now_ns();
    histogram_add(&engine->result->latencies, engine->last_ns - connection->begun_ns[slot]);
    engine->answered++;
    connection->free[connection->free_count++] = slot;
    return true;
}

static bool read_answers(struct engine *engine, struct connection *connection) {
    size_t at = 0;
    for (;;) {
        struct answer answer = {0};
        size_t used = engine->load->protocol->answer(&engine->work, &connection->progress, connection->in + at,
                                                     connection->in_len - at, &answer);
        at += used;
        engine->result->hits += answer.hits;
        if (answer.problem[0] != 0) return fail(engine, answer.problem);
        if ((answer.is_done || answer.is_more) && !finish(engine, connection, &answer)) return false;
        if (used == 0 || at == connection->in_len) break;
    }
    memmove(connection->in, connection->in + at, connection->in_len - at);
    connection->in_len -= at;
    return true;
}

static bool receive(struct engine *engine, struct connection *connection) {
    ssize_t got =
        recv(connection->fd, connection->in + connection->in_len, ANSWER_BYTES_MAX - connection->in_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return true;
    if (got < 0) return fail_errno(engine, "recv");
    if (got == 0) return fail(engine, "the server closed the connection");
    connection->in_len += (size_t)got;
    connection->in[connection->in_len] = 0;
    if (!read_answers(engine, connection)) return false;
    return engine->load->rate > 0 || refill(engine, connection);
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

static bool is_over(const struct engine *engine) {
    if (engine->answered < engine->begun) return false;
    if (!may_begin(engine)) return true;
    if (engine->end_ns == 0) return false;
    return engine->load->rate > 0 ? due_ns(engine) >= engine->end_ns : now_ns() >= engine->end_ns;
}

static struct timespec patience(const struct engine *engine) {
    uint64_t ns = (uint64_t)STALL_MS * 1000000;
    if (engine->load->rate > 0 && may_begin(engine)) {
        uint64_t due = due_ns(engine), now = now_ns();
        if (engine->end_ns == 0 || due < engine->end_ns) ns = due > now ? due - now : 1000;
    }
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

static bool step(struct engine *engine) {
    struct epoll_event events[EVENTS_MAX];
    if (engine->load->rate > 0 && !begin_due(engine)) return false;
    struct timespec timeout = patience(engine);
    int count = epoll_pwait2(engine->epoll, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) return fail_errno(engine, "epoll_wait");
    if (count == 0 && timeout.tv_sec * 1000 >= STALL_MS) return fail(engine, "no answer came for a minute");
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0 && !flush(engine, connection)) return false;
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !receive(engine, connection)) return false;
    }
    return true;
}

static bool run(struct engine *engine) {
    const struct load *load = engine->load;
    for (uint32_t i = 0; i < load->connections; i++)
        if (!connection_open(engine, &engine->connections[i])) return false;
    engine->start_ns = engine->last_ns = now_ns();
    if (load->seconds > 0) engine->end_ns = engine->start_ns + (uint64_t)(load->seconds * 1e9);
    for (uint32_t i = 0; i < load->connections && load->rate == 0; i++)
        if (!refill(engine, &engine->connections[i])) return false;
    while (!is_over(engine))
        if (!step(engine)) return false;
    engine->result->requests = engine->answered;
    engine->result->seconds = (double)(engine->last_ns - engine->start_ns) / 1e9;
    return true;
}

bool engine_run(const struct load *load, struct result *result, char problem[256]) {
    struct engine engine = {.load = load, .work = load->work, .result = result, .problem = problem};
    memset(result, 0, sizeof *result);
    problem[0] = 0;
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    engine.connections = calloc(load->connections, sizeof *engine.connections);
    engine.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (engine.connections == NULL || engine.epoll < 0) {
        free(engine.connections);
        return fail(&engine, "memory or descriptors are short");
    }
    for (uint32_t i = 0; i < load->connections; i++) engine.connections[i].fd = -1;
    bool is_done = run(&engine);
    for (uint32_t i = 0; i < load->connections; i++) connection_close(&engine.connections[i]);
    close(engine.epoll);
    free(engine.connections);
    return is_done;
}
