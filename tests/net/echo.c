#include "echo.h"
#include "net/sp/sp_side.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

struct instant echo_clock = {1000000, 1000000};

static struct instant read_echo_clock(void) {
    return echo_clock;
}

static void echo_message(struct stream *stream, const struct sp_frame *frame, size_t rest) {
    struct echo *echo = stream_context(stream);
    uint8_t prefix[SP_PREFIX_BYTES_MAX];
    stream_look(stream, rest);
    stream_asked(stream);
    stream_answered(stream);
    echo->answered++;
    echo->stale += stream_stale_ms(stream) > 0;
    echo->refused += stream_must_refuse(stream);
    if (echo->is_deaf) return;
    size_t len = sp_prefix_write(stream_is_ipc(stream), frame->payload_len, prefix);
    stream_send(stream, (struct text){(char *)prefix, (uint32_t)len},
                (struct text){(const char *)frame->payload, (uint32_t)frame->payload_len});
}

static const struct sp_side echo_side = {
    .own = SP_REP, .other = SP_REQ, .payload_bytes_max = ECHO_PAYLOAD_MAX, .message = echo_message};

static void echo_opened(struct stream *stream) {
    sp_opened(&echo_side, stream);
}

static struct taken echo_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    return sp_take(&echo_side, stream, bytes, len);
}

static const struct protocol echo_protocol = {.name = "echo", .opened = echo_opened, .take = echo_take};

void echo_open(struct echo *echo, unsigned loops) {
    echo_open_tls(echo, loops, NULL, NULL);
}

void echo_open_tls(struct echo *echo, unsigned loops, struct tls_context *tls, const char *alpn) {
    const char *const urls[] = {tls != NULL ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0"};
    const struct loops_config config = {.threads = loops, .clock = read_echo_clock, .is_driven = true};
    struct error error;
    *echo = (struct echo){.loops = loops_start(&config), .is_tls = tls != NULL};
    if (echo->loops == NULL) fail_msg("no loops");
    const struct door_config door = {.protocol = &echo_protocol,
                                     .context = echo,
                                     .urls = urls,
                                     .url_count = 1,
                                     .connections_max = 10000,
                                     .tls = tls,
                                     .alpn = alpn};
    if ((echo->door = door_open(echo->loops, &door, &error)) == NULL) fail_msg("no door: %s", error.text);
}

void echo_close(struct echo *echo) {
    loops_stop(echo->loops);
    door_close(echo->door);
    loops_free(echo->loops);
}

/* As accept.c does, but for the listener. */
int echo_dial(struct echo *echo, unsigned loop) {
    int ends[2], small = 4096;
    const struct remote remote = {.key = {.kind = REMOTE_LOCAL}, .name = "test"};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) fail_msg("no sockets");
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    atomic_fetch_add(&echo->door->connections, 1);
    enum stream_kind kind = echo->is_tls ? STREAM_TLS : STREAM_TCP;
    if (stream_open(loops_at(echo->loops, loop), echo->door, ends[1], kind, &remote) == NULL) fail_msg("no stream");
    return ends[0];
}

int echo_connect(struct echo *echo, unsigned loop, bool is_greeted) {
    int fd = echo_dial(echo, loop);
    if (!is_greeted) return fd;
    uint8_t greeting[SP_GREETING_BYTES], answer[SP_GREETING_BYTES];
    sp_greeting_write(SP_REQ, greeting);
    if (write(fd, greeting, sizeof greeting) != sizeof greeting) fail_msg("no greeting is taken");
    echo_turn(echo, 1);
    if (echo_read(fd, answer, sizeof answer) != sizeof answer) fail_msg("no greeting is sent");
    return fd;
}

void echo_turn(struct echo *echo, unsigned turns) {
    for (unsigned i = 0; i < turns; i++) loops_turn(echo->loops, 0);
}

void echo_send(int fd, size_t len, size_t sent) {
    uint8_t *bytes = calloc(1, SP_PREFIX_BYTES_MAX + len);
    if (bytes == NULL) abort();
    size_t prefix = sp_prefix_write(false, len, bytes);
    bytes[prefix] = 0x80;
    if (sent > prefix + len) sent = prefix + len;
    if (write(fd, bytes, sent) != (ssize_t)sent) fail_msg("%zu bytes are not taken", sent);
    free(bytes);
}

void echo_fill(struct echo *echo, int fd, size_t len) {
    uint8_t *bytes = calloc(1, SP_PREFIX_BYTES_MAX + len);
    if (bytes == NULL) abort();
    size_t prefix = sp_prefix_write(false, len, bytes), total = prefix + len, at = 0;
    bytes[prefix] = 0x80;
    for (unsigned idle = 0; idle < 10;) {
        ssize_t n = write(fd, bytes + at, total - at);
        echo_turn(echo, 1);
        idle = n > 0 ? 0 : idle + 1;
        if (n > 0) at = (at + (size_t)n) % total;
    }
    free(bytes);
}

long echo_read(int fd, void *out, size_t len) {
    ssize_t n = recv(fd, out, len, 0);
    if (n < 0 && errno == EAGAIN) return 0;
    return n > 0 ? (long)n : -1;
}
