/* An echo server on musterd's own loops and SP wire: what the transport costs without any presence work. Ends on
 * SIGTERM. Usage: loop_echo URL [THREADS] */
#include "net/door.h"
#include "net/sp/sp_side.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_BYTES_MAX = 1 << 20, CONNECTIONS_MAX = 20000 };

static void echo_message(struct stream *stream, const struct sp_frame *frame, size_t rest) {
    const size_t header_len = sp_header_len(frame->payload, frame->payload_len);
    (void)rest;
    if (header_len == 0) {
        stream_end(stream, STREAM_BROKEN);
        return;
    }
    stream_asked(stream);
    stream_answered(stream);
    const struct text body = {(const char *)frame->payload + header_len, (uint32_t)(frame->payload_len - header_len)};
    struct sp_reply_head head;
    stream_send(stream, sp_reply_head(stream_is_ipc(stream), frame->payload, header_len, body.len, &head), body);
}

static const struct sp_side echo_side = {
    .own = SP_REP, .other = SP_REQ, .payload_bytes_max = MESSAGE_BYTES_MAX, .message = echo_message};

static void echo_opened(struct stream *stream) {
    sp_opened(&echo_side, stream);
}

static struct taken echo_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    return sp_take(&echo_side, stream, bytes, len);
}

static const struct protocol echo_protocol = {.name = "echo", .opened = echo_opened, .take = echo_take};

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: loop_echo URL [THREADS]\n");
        return 2;
    }
    const char *const urls[] = {argv[1]};
    struct error error;
    (void)error_fail_memory(&error);
    const struct loops_config config = {.threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1};
    const struct door_config door_config = {.protocol = &echo_protocol,
                                            .urls = urls,
                                            .url_count = 1,
                                            .connections_max = CONNECTIONS_MAX,
                                            .connections_per_address = CONNECTIONS_MAX,
                                            .is_idle_fine = true};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* the threads of the loops inherit it */
    struct loops *loops = loops_start(&config);
    struct door *door = loops == NULL ? NULL : door_open(loops, &door_config, &error);
    if (door == NULL) {
        fprintf(stderr, "loop_echo: %s\n", error.text);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    int signal_number;
    sigwait(&ends, &signal_number);
    loops_stop(loops);
    door_close(door);
    loops_free(loops);
    return 0;
}
