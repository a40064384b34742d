#include "fake_socket.h"

#include "common/byteorder.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    MESSAGE_BYTES_MAX = 4 * 1024 * 1024,
    READ_BYTES = 64 * 1024,
    GREETING_BYTES = 8,
    LENGTH_BYTES = 8,
    ID_BYTES = 4,
};

static const uint8_t rep_greeting[GREETING_BYTES] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

struct connection {
    int fd;                    /* -1: free */
    bool is_greeted, is_ended; /* is_ended: what comes is thrown away until the other side closes too */
    uint8_t *data;
    size_t len, capacity;
};

struct fake_socket {
    fake_serve *serve;
    void *context;
    int listener, wake[2];
    pthread_t thread;
    struct connection connections[CONNECTIONS_MAX];
};

static void must(bool is_done, const char *what) {
    if (is_done) return;
    perror(what);
    abort();
}

static void connection_close(struct connection *connection) {
    close(connection->fd);
    free(connection->data);
    *connection = (struct connection){.fd = -1};
}

static bool send_all(int fd, const uint8_t *data, size_t len) {
    while (len != 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* One whole message: a request's id and its body. */
static bool serve_message(struct fake_socket *socket, int fd, const uint8_t *message, size_t len) {
    if (len < ID_BYTES) return false;
    uint8_t *reply = NULL, head[LENGTH_BYTES + ID_BYTES];
    size_t reply_len = 0;
    enum fake_outcome outcome = socket->serve(socket->context, message + ID_BYTES, len - ID_BYTES, &reply, &reply_len);
    put_be64(head, ID_BYTES + reply_len);
    memcpy(head + LENGTH_BYTES, message, ID_BYTES);
    bool goes_on = outcome == FAKE_NO_REPLY;
    if (outcome == FAKE_REPLY) goes_on = send_all(fd, head, sizeof head) && send_all(fd, reply, reply_len);
    free(reply);
    return goes_on;
}

/* Serves the whole messages that are there; what is left of another stays. False: the connection is to be closed. */
static bool serve_messages(struct fake_socket *socket, struct connection *connection) {
    size_t at = 0;
    bool goes_on = true;
    if (!connection->is_greeted && connection->len >= GREETING_BYTES) {
        connection->is_greeted = true;
        at = GREETING_BYTES;
    }
    while (goes_on && connection->is_greeted && connection->len - at >= LENGTH_BYTES) {
        uint64_t len = get_be64(connection->data + at);
        if (len > MESSAGE_BYTES_MAX) return false;
        if (connection->len - at - LENGTH_BYTES < len) break;
        goes_on = serve_message(socket, connection->fd, connection->data + at + LENGTH_BYTES, len);
        at += LENGTH_BYTES + len;
    }
    connection->len -= at;
    memmove(connection->data, connection->data + at, connection->len);
    return goes_on;
}

static void read_connection(struct fake_socket *socket, struct connection *connection) {
    if (connection->capacity - connection->len < READ_BYTES) {
        connection->capacity = 2 * connection->capacity + READ_BYTES;
        connection->data = realloc(connection->data, connection->capacity);
        must(connection->data != NULL, "memory");
    }
    ssize_t got = recv(connection->fd, connection->data + connection->len, READ_BYTES, 0);
    if (got <= 0) {
        connection_close(connection);
        return;
    }
    if (connection->is_ended) return;
    connection->len += (size_t)got;
    if (serve_messages(socket, connection)) return;
    connection->is_ended = true; /* no reset: what was sent before arrives */
    shutdown(connection->fd, SHUT_WR);
}

static void accept_connection(struct fake_socket *socket) {
    int fd = accept(socket->listener, NULL, NULL), one = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (socket->connections[i].fd >= 0) continue;
        socket->connections[i] = (struct connection){.fd = fd};
        if (!send_all(fd, rep_greeting, sizeof rep_greeting)) connection_close(&socket->connections[i]);
        return;
    }
    close(fd);
}

static void *fake_socket_thread(void *arg) {
    struct fake_socket *socket = arg;
    for (;;) {
        struct pollfd polled[CONNECTIONS_MAX + 2] = {{socket->wake[0], POLLIN, 0}, {socket->listener, POLLIN, 0}};
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
            polled[i + 2] = (struct pollfd){socket->connections[i].fd, POLLIN, 0};
        if (poll(polled, CONNECTIONS_MAX + 2, -1) < 0) continue;
        if (polled[0].revents != 0) return NULL;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
            if (polled[i + 2].revents != 0) read_connection(socket, &socket->connections[i]);
        if (polled[1].revents != 0) accept_connection(socket);
    }
}

struct fake_socket *fake_socket_start(const char *url, fake_serve *serve, void *context) {
    struct fake_socket *made = calloc(1, sizeof *made);
    must(made != NULL, "memory");
    made->serve = serve;
    made->context = context;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) made->connections[i].fd = -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    int one = 1;
    must((made->listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0, "socket");
    setsockopt(made->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(bind(made->listener, (struct sockaddr *)&address, sizeof address) == 0, url);
    must(listen(made->listener, CONNECTIONS_MAX) == 0, url);
    must(pipe(made->wake) == 0, "pipe");
    must(pthread_create(&made->thread, NULL, fake_socket_thread, made) == 0, "thread");
    return made;
}

void fake_socket_stop(struct fake_socket *socket) {
    if (socket == NULL) return;
    close(socket->wake[1]); /* hangs up at the other end */
    pthread_join(socket->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (socket->connections[i].fd >= 0) connection_close(&socket->connections[i]);
    close(socket->listener);
    close(socket->wake[0]);
    free(socket);
}
