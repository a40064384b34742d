#include "sp.h"
#include "tls_client.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

const unsigned char sp_greeting[SP_HEADER_BYTES] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const unsigned char expected_greeting[SP_HEADER_BYTES] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

/* A server that does not answer at all is noticed by this. */
enum { ANSWER_MS = 20000 };

/* from: of which address of this machine; 0: any. */
static struct sp connect_from(const char *url, in_addr_t from) {
    struct sp sp = {.fd = -1, .is_ipc = strncmp(url, "ipc://", 6) == 0, .last_id = 0x80000000u};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = from};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (sp.is_ipc) snprintf(un.sun_path, sizeof un.sun_path, "%s", url + 6);
    else in.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    sp.fd = socket(sp.is_ipc ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sp.fd < 0) fail_msg("no socket: %s", strerror(errno));
    const struct sockaddr *address = sp.is_ipc ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    int on = 1; /* a request is written in pieces */
    if (!sp.is_ipc) setsockopt(sp.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (from != 0 && bind(sp.fd, (struct sockaddr *)&own, sizeof own) != 0) fail_msg("bind: %s", strerror(errno));
    if (connect(sp.fd, address, sp.is_ipc ? sizeof un : sizeof in) != 0) sp_close(&sp);
    if (sp.fd < 0 || strncmp(url, "tls+tcp://", 10) != 0) return sp;
    sp.tls = tls_client_new(sp.fd, &(struct tls_client_options){0});
    if (!tls_client_shake_within(sp.tls, ANSWER_MS)) sp_close(&sp);
    return sp;
}

struct sp sp_connect(const char *url) {
    return connect_from(url, 0);
}

struct sp sp_connect_from(const char *url, const char *address) {
    return connect_from(url, inet_addr(address));
}

/* Reads exactly len bytes. */
static bool read_all(struct sp *sp, void *bytes, size_t len, uint64_t until_ms) {
    char *at = bytes;
    while (len > 0) {
        uint64_t now_ms = wait_now_ms();
        struct pollfd poll_fd = {.fd = sp->fd, .events = POLLIN};
        if (now_ms >= until_ms) return false;
        if (sp->tls == NULL && poll(&poll_fd, 1, (int)(until_ms - now_ms)) <= 0) return false;
        ssize_t n =
            sp->tls == NULL ? recv(sp->fd, at, len, 0) : tls_client_read_within(sp->tls, at, len, until_ms - now_ms);
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool sp_read(struct sp *sp, void *bytes, size_t len, uint64_t timeout_ms) {
    return read_all(sp, bytes, len, wait_now_ms() + timeout_ms);
}

void sp_shake_hands(struct sp *sp, uint64_t timeout_ms) {
    unsigned char greeting[SP_HEADER_BYTES];
    if (sp->fd < 0) return;
    if (!sp_write(sp, sp_greeting, sizeof sp_greeting) ||
        !read_all(sp, greeting, sizeof greeting, wait_now_ms() + timeout_ms) ||
        memcmp(greeting, expected_greeting, sizeof greeting) != 0)
        sp_close(sp);
}

struct sp sp_open(const char *url, uint64_t timeout_ms) {
    struct sp sp = sp_connect(url);
    sp_shake_hands(&sp, timeout_ms);
    return sp;
}

void sp_close(struct sp *sp) {
    tls_client_free(sp->tls);
    sp->tls = NULL;
    if (sp->fd >= 0) close(sp->fd);
    sp->fd = -1;
}

void sp_reset(struct sp *sp) {
    struct linger abort = {.l_onoff = 1, .l_linger = 0};
    if (sp->fd >= 0) setsockopt(sp->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    sp_close(sp);
}

bool sp_write(struct sp *sp, const void *bytes, size_t len) {
    const char *at = bytes;
    if (sp->tls != NULL) return len == 0 || tls_client_write_all(sp->tls, bytes, len, ANSWER_MS);
    while (len > 0) {
        ssize_t n = send(sp->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool sp_write_length(struct sp *sp, uint64_t len) {
    unsigned char header[9] = {1};
    for (int i = 0; i < 8; i++) header[1 + i] = (unsigned char)(len >> (56 - 8 * i));
    return sp->is_ipc ? sp_write(sp, header, 9) : sp_write(sp, header + 1, 8);
}

bool sp_send(struct sp *sp, const void *request, size_t len, uint32_t *id) {
    *id = ++sp->last_id;
    uint32_t big_endian = htonl(*id);
    return sp_write_length(sp, len + 4) && sp_write(sp, &big_endian, 4) && sp_write(sp, request, len);
}

bool sp_send_built(struct sp *sp, struct request_builder *builder, uint32_t *id) {
    size_t len;
    uint8_t *request = builder_packed(builder, &len);
    bool is_sent = sp_send(sp, request, len, id);
    free(request);
    return is_sent;
}

static void batch_append(struct sp_batch *batch, const void *bytes, size_t len) {
    if (len > batch->capacity - batch->len) {
        batch->capacity = 2 * (batch->len + len);
        batch->bytes = realloc(batch->bytes, batch->capacity);
        if (batch->bytes == NULL) abort();
    }
    memcpy(batch->bytes + batch->len, bytes, len);
    batch->len += len;
}

void sp_batch_add(struct sp_batch *batch, struct sp *sp, struct request_builder *builder, uint32_t *id) {
    unsigned char header[13] = {1};
    size_t len, skip = sp->is_ipc ? 0 : 1;
    uint8_t *request = builder_packed(builder, &len);
    *id = ++sp->last_id;
    for (int i = 0; i < 8; i++) header[1 + i] = (unsigned char)((len + 4) >> (56 - 8 * i));
    for (int i = 0; i < 4; i++) header[9 + i] = (unsigned char)(*id >> (24 - 8 * i));
    batch_append(batch, header + skip, sizeof header - skip);
    batch_append(batch, request, len);
    free(request);
}

bool sp_batch_send(struct sp_batch *batch, struct sp *sp) {
    bool is_sent = sp_write(sp, batch->bytes, batch->len);
    batch->len = 0;
    return is_sent;
}

void sp_batch_free(struct sp_batch *batch) {
    free(batch->bytes);
    *batch = (struct sp_batch){0};
}

uint8_t *sp_receive(struct sp *sp, uint64_t timeout_ms, uint32_t *id, size_t *len) {
    uint64_t until_ms = wait_now_ms() + timeout_ms, length = 0;
    unsigned char header[13];
    size_t skip = sp->is_ipc ? 1 : 0;
    if (!read_all(sp, header, skip + 12, until_ms)) return NULL;
    for (size_t i = 0; i < 8; i++) length = length << 8 | header[skip + i];
    memcpy(id, header + skip + 8, 4);
    *id = ntohl(*id);
    if (length < 4 || length > (1 << 21)) fail_msg("a reply of %llu bytes", (unsigned long long)length);
    *len = (size_t)length - 4;
    uint8_t *reply = malloc(*len + 1);
    if (reply == NULL) abort();
    if (read_all(sp, reply, *len, until_ms)) return reply;
    free(reply);
    return NULL;
}

bool sp_is_closed(struct sp *sp, uint64_t timeout_ms) {
    uint64_t until_ms = wait_now_ms() + timeout_ms;
    char ignored[65536];
    for (;;) {
        uint64_t now_ms = wait_now_ms();
        struct pollfd poll_fd = {.fd = sp->fd, .events = POLLIN};
        if (now_ms >= until_ms || poll(&poll_fd, 1, (int)(until_ms - now_ms)) <= 0) return false;
        if (recv(sp->fd, ignored, sizeof ignored, 0) <= 0) return true;
    }
}

bool sp_is_hung_up(struct sp *sp, uint64_t timeout_ms) {
    struct pollfd poll_fd = {.fd = sp->fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, (int)timeout_ms) > 0;
}

static size_t ask_anew(void *context, const uint8_t *request, size_t len, uint8_t **reply) {
    const char *url = context;
    uint32_t id, replied_id;
    size_t reply_len;
    struct sp sp = sp_open(url, ANSWER_MS);
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    if (!sp_send(&sp, request, len, &id)) fail_msg("%s: the connection ended", url);
    *reply = sp_receive(&sp, ANSWER_MS, &replied_id, &reply_len);
    if (*reply == NULL || replied_id != id) fail_msg("%s: no reply", url);
    sp_close(&sp);
    return reply_len;
}

struct answerer sp_answerer(const char *url) {
    return (struct answerer){(void *)(uintptr_t)url, url, ask_anew};
}

bool sp_is_answered(struct sp *sp, uint64_t timeout_ms) {
    uint32_t id, replied_id;
    size_t len;
    if (sp->fd < 0 || !sp_send(sp, "", 0, &id)) return false;
    uint8_t *reply = sp_receive(sp, timeout_ms, &replied_id, &len);
    free(reply);
    return reply != NULL && replied_id == id;
}

bool sp_is_served(const char *url, uint64_t timeout_ms) {
    uint64_t until_ms = wait_now_ms() + timeout_ms;
    struct sp sp = sp_open(url, timeout_ms);
    uint64_t now_ms = wait_now_ms();
    bool is_served = now_ms < until_ms && sp_is_answered(&sp, until_ms - now_ms);
    sp_close(&sp);
    return is_served;
}
