/* The table of a protocol on a loop: the same bytes on two connections, at once on one and cut on the other, get the
 * same answers and the same end. */
#include "fuzz.h"
#include "net/net_internal.h"
#include "net/sp/sp_side.h"
#include "sys/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD_MAX = 1 << 16, ANSWERS_MAX = 1 << 20, IDLE_TURNS = 4 };

static struct loops *loops;
static struct door *door;

/* Every other answer is put off, as a group commit does, if its request begins with an odd byte. */
static struct stream *owed_to;
static uint8_t owed[PAYLOAD_MAX];
static size_t owed_len;

static void send_answer(struct stream *stream, const uint8_t *payload, size_t len) {
    uint8_t prefix[SP_PREFIX_BYTES_MAX];
    size_t prefix_len = sp_prefix_write(stream_is_ipc(stream), len, prefix);
    stream_send(stream, (struct text){(char *)prefix, (uint32_t)prefix_len},
                (struct text){(const char *)payload, (uint32_t)len});
}

static void commit_owed(void *context, unsigned loop) {
    (void)context, (void)loop;
    if (owed_to != NULL) send_answer(owed_to, owed, owed_len);
    owed_to = NULL;
}

static void answer_message(struct stream *stream, const struct sp_frame *frame, size_t rest) {
    hold(rest >= frame->total);
    if (sp_header_len(frame->payload, frame->payload_len) == 0) {
        sp_end_broken(stream);
        return;
    }
    stream_asked(stream);
    stream_commit(stream);
    if ((frame->payload[0] & 1) == 0) {
        stream_answered(stream);
        send_answer(stream, frame->payload, frame->payload_len);
        return;
    }
    owed_to = stream;
    owed_len = frame->payload_len;
    memcpy(owed, frame->payload, frame->payload_len);
    stream_borrow(stream);
}

static const struct sp_side side = {
    .own = SP_REP, .other = SP_REQ, .payload_bytes_max = PAYLOAD_MAX, .message = answer_message};

static void side_opened(struct stream *stream) {
    sp_opened(&side, stream);
}

static struct taken side_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    return sp_take(&side, stream, bytes, len);
}

static const struct protocol protocol = {
    .name = "fuzz", .opened = side_opened, .take = side_take, .commit = commit_owed};

static void open_loops(void) {
    static const char *const urls[] = {"tcp://127.0.0.1:0"};
    const struct loops_config config = {.threads = 1, .stall_ms = 1 << 30, .is_driven = true};
    const struct door_config of_door = {.protocol = &protocol, .urls = urls, .url_count = 1, .connections_max = 100};
    struct error error;
    log_start(FORMAT_LOGFMT, LEVEL_ERROR, NULL);
    hold((loops = loops_start(&config)) != NULL);
    hold((door = door_open(loops, &of_door, &error)) != NULL);
}

/* What came back on one connection. */
struct answers {
    uint8_t bytes[ANSWERS_MAX];
    size_t len;
    bool has_ended;
};

static void read_answers(int fd, struct answers *answers) {
    ssize_t n;
    while ((n = recv(fd, answers->bytes + answers->len, sizeof answers->bytes - answers->len, MSG_DONTWAIT)) > 0)
        answers->len += (size_t)n;
    answers->has_ended = n == 0 || errno == ECONNRESET; /* reset: what was sent after the end is unread */
}

/* Sends the bytes in pieces of at most `piece`, which the data itself makes uneven. */
static void converse(const uint8_t *data, size_t size, size_t piece, bool is_ipc, struct answers *answers) {
    int ends[2];
    const struct remote remote = {.key = {.kind = REMOTE_LOCAL}, .name = "test"};
    *answers = (struct answers){.len = 0};
    hold(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    atomic_fetch_add(&door->connections, 1);
    hold(stream_open(loops_at(loops, 0), door, ends[1], is_ipc, &remote) != NULL);
    for (size_t at = 0; at < size && !answers->has_ended;) {
        size_t len = 1 + (piece == SIZE_MAX ? size : (data[at] + at) % piece);
        if (len > size - at) len = size - at;
        ssize_t sent = send(ends[0], data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) at += (size_t)sent;
        loops_turn(loops, 0);
        read_answers(ends[0], answers);
    }
    for (int idle = 0; idle < IDLE_TURNS && !answers->has_ended; idle++) {
        size_t before = answers->len;
        loops_turn(loops, 0);
        read_answers(ends[0], answers);
        if (answers->len > before) idle = 0;
    }
    close(ends[0]);
    loops_turn(loops, 0);
    hold(atomic_load(&door->connections) == 0 && atomic_load(&loops->bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct answers whole, cut;
    if (size < 2 || size > PAYLOAD_MAX) return 0;
    if (loops == NULL) open_loops();
    bool is_ipc = (data[0] & 1) != 0;
    converse(data + 2, size - 2, SIZE_MAX, is_ipc, &whole);
    converse(data + 2, size - 2, 1 + data[1], is_ipc, &cut);
    hold(whole.len == cut.len && memcmp(whole.bytes, cut.bytes, cut.len) == 0);
    hold(whole.has_ended == cut.has_ended);
    return 0;
}
