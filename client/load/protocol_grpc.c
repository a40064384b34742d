/* gRPC on HTTP/2, as far as a load of unary calls needs it (RFC 9113, RFC 7541, gRPC's PROTOCOL-HTTP2.md): requests
 * with the header table that any client builds up, answers of one DATA frame each. */
#include "common/byteorder.h"
#include "common/protobuf.h"
#include "presence_message.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FRAME_HEAD_BYTES = 9,
    FRAME_BYTES_MAX = 16384, /* of the server, and of this client, which announces no other */
    UNANSWERED_MAX = 8,      /* SETTINGS and PINGs between two answers of ours */
    PREFIX_BYTES = 5,        /* of a message */
    WINDOW_BYTES = 65535,    /* of a connection, until a WINDOW_UPDATE, and of a stream, until SETTINGS */
    BODY_BYTES_BASE = 512,   /* of a request, without users and scope */
    BODY_BYTES_EACH = 24,    /* a beat; a user takes less */
    RETURN_BYTES = 1 << 20,  /* read answers are told of in pieces of so much */
};
enum frame_type { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { SETTINGS_INITIAL_WINDOW_SIZE = 4 };
static const uint32_t H2_HAS_MESSAGE = UINT32_C(1) << 31;

/* The preface, SETTINGS with windows of 2^31 - 1 for streams, and the same for the connection. */
static const uint8_t hello[] = {'P',
                                'R',
                                'I',
                                ' ',
                                '*',
                                ' ',
                                'H',
                                'T',
                                'T',
                                'P',
                                '/',
                                '2',
                                '.',
                                '0',
                                '\r',
                                '\n',
                                '\r',
                                '\n',
                                'S',
                                'M',
                                '\r',
                                '\n',
                                '\r',
                                '\n',
                                0,
                                0,
                                6,
                                SETTINGS,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                SETTINGS_INITIAL_WINDOW_SIZE,
                                0x7f,
                                0xff,
                                0xff,
                                0xff,
                                0,
                                0,
                                4,
                                WINDOW_UPDATE,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0x7f,
                                0xff,
                                0,
                                0};

static uint8_t *put_frame_head(uint8_t *at, size_t len, enum frame_type type, uint8_t flags, uint32_t stream) {
    *at++ = (uint8_t)(len >> 16);
    *at++ = (uint8_t)(len >> 8);
    *at++ = (uint8_t)len;
    *at++ = (uint8_t)type;
    *at++ = flags;
    put_be32(at, stream);
    return at + 4;
}

/* ---- requests ---- */

/* A literal that the server's table keeps: `name` is a byte of an index, or 0 and a new name. */
static uint8_t *put_literal(uint8_t *at, uint8_t index, const char *name, const char *value, const char *rest) {
    size_t name_len = strlen(name), value_len = strlen(value), rest_len = strlen(rest);
    assert(name_len < 127 && value_len + rest_len < 127);
    *at++ = (uint8_t)(0x40 | index);
    if (index == 0) {
        *at++ = (uint8_t)name_len;
        memcpy(at, name, name_len);
        at += name_len;
    }
    *at++ = (uint8_t)(value_len + rest_len);
    memcpy(at, value, value_len);
    memcpy(at + value_len, rest, rest_len);
    return at + value_len + rest_len;
}

static const char *path_of(const struct work *work) {
    static const char *const paths[] = {[WORK_TOUCH] = "/muster.v1.Presence/Touch",
                                        [WORK_LIVE] = "/muster.v1.Presence/Live",
                                        [WORK_LIST] = "/muster.v1.Presence/List",
                                        [WORK_COUNTS] = "/muster.v1.Presence/Counts",
                                        [WORK_PING] = "/muster.v1.Presence/Live"};
    assert(work->kind != WORK_ECHO);
    return paths[work->kind];
}

/* The first request of a connection fills the server's table of headers, from which the others take them. */
static uint8_t *put_header_block(uint8_t *at, const struct work *work, bool is_first) {
    *at++ = 0x83; /* :method POST */
    *at++ = 0x86; /* :scheme http */
    if (is_first) {
        if (work->token != NULL) at = put_literal(at, 23, "authorization", "Bearer ", work->token);
        at = put_literal(at, 4, ":path", path_of(work), "");
        at = put_literal(at, 1, ":authority", "localhost", "");
        at = put_literal(at, 31, "content-type", "application/grpc", "");
        at = put_literal(at, 0, "te", "trailers", "");
        return put_literal(at, 58, "user-agent", "muster-bench", "");
    }
    for (uint8_t index = 66; index >= 62; index--) *at++ = 0x80 | index;
    if (work->token != NULL) *at++ = 0x80 | 67;
    return at;
}

/* Cuts the `len` bytes at `from` into DATA frames at `at`, which is far enough below. */
static uint8_t *put_data(uint8_t *at, const uint8_t *from, size_t len, uint32_t stream) {
    while (len > 0) {
        size_t some = len < FRAME_BYTES_MAX ? len : FRAME_BYTES_MAX;
        at = put_frame_head(at, some, DATA, some == len ? END_STREAM : 0, stream);
        memmove(at, from, some);
        at += some;
        from += some;
        len -= some;
    }
    return at;
}

static size_t write_request(const struct work *work, struct user_choice *choice, const struct request *request,
                            uint8_t *out) {
    struct http2 *http2 = &request->reading->http2;
    size_t most = work_request_bytes_max(work), frames = most / FRAME_BYTES_MAX + 1;
    bool is_first = http2->last_stream == 0;
    uint32_t stream = is_first ? 1 : http2->last_stream + 2;
    uint8_t *at = put_header_block(out + FRAME_HEAD_BYTES, work, is_first);
    (void)put_frame_head(out, (size_t)(at - out) - FRAME_HEAD_BYTES, HEADERS, END_HEADERS, stream);
    uint8_t *body = at + frames * FRAME_HEAD_BYTES;
    struct pb_writer message = pb_write_to(body + PREFIX_BYTES, most - (size_t)(body + PREFIX_BYTES - out));
    message_write(work, choice, request->page, &message);
    size_t len = pb_written(&message);
    body[0] = 0;
    put_be32(body + 1, (uint32_t)len);
    http2->last_stream = stream;
    http2->streams[request->slot] = stream;
    http2->send_window -= (int64_t)(PREFIX_BYTES + len);
    return (size_t)(put_data(at, body, PREFIX_BYTES + len, stream) - out);
}

/* Requests of more than a connection's first window wait for a server that opens it further. */
static bool has_room(const struct work *work, const struct reading *reading) {
    size_t scope = work->scope != NULL ? strlen(work->scope) : 0;
    size_t most = BODY_BYTES_BASE + scope + (size_t)work_users_each(work) * BODY_BYTES_EACH;
    return WINDOW_BYTES + reading->http2.send_window >= (int64_t)most;
}

static size_t write_control(struct reading *reading, uint8_t *out) {
    struct http2 *http2 = &reading->http2;
    uint8_t *at = out;
    for (; http2->settings_unanswered > 0; http2->settings_unanswered--) at = put_frame_head(at, 0, SETTINGS, ACK, 0);
    for (; http2->pings_unanswered > 0; http2->pings_unanswered--) {
        at = put_frame_head(at, sizeof http2->ping, PING, ACK, 0);
        memcpy(at, http2->ping, sizeof http2->ping);
        at += sizeof http2->ping;
    }
    if (http2->unreturned < RETURN_BYTES) return (size_t)(at - out);
    at = put_frame_head(at, 4, WINDOW_UPDATE, 0, 0);
    put_be32(at, http2->unreturned);
    http2->unreturned = 0;
    return (size_t)(at + 4 - out);
}

/* ---- answers ---- */

struct frame {
    enum frame_type type;
    uint8_t flags;
    uint32_t stream;
    struct text payload;
};

static void note_fault(struct answer *out, enum answer_fault fault, const char *why) {
    out->fault = fault;
    (void)error_fail(&out->why, MUSTER_UNAVAILABLE, "%s", why);
}

static bool find_slot(const struct http2 *http2, uint32_t stream, uint32_t *slot) {
    for (uint32_t i = 0; i < http2->slots; i++) {
        *slot = i;
        if ((http2->streams[i] & ~H2_HAS_MESSAGE) == stream) return true;
    }
    return false;
}

static void read_data(const struct work *work, struct http2 *http2, const struct frame *frame, struct answer *out) {
    const uint8_t *bytes = (const uint8_t *)frame->payload.data;
    uint32_t len = frame->payload.len, slot;
    http2->unreturned += len;
    if (len == 0) return;
    if (len < PREFIX_BYTES || bytes[0] != 0 || get_be32(bytes + 1) != len - PREFIX_BYTES) {
        note_fault(out, FAULT_MALFORMED, "an answer that is not one message in one frame");
    } else if (find_slot(http2, frame->stream, &slot)) {
        http2->streams[slot] |= H2_HAS_MESSAGE;
        message_read(work, (struct text){frame->payload.data + PREFIX_BYTES, len - PREFIX_BYTES}, out);
    }
}

/* The trailers. Their status is not decoded: an answer with a message is a good one. */
static void read_headers(struct http2 *http2, const struct frame *frame, struct answer *out) {
    if ((frame->flags & END_STREAM) == 0 || !find_slot(http2, frame->stream, &out->slot)) return;
    if ((http2->streams[out->slot] & H2_HAS_MESSAGE) == 0) {
        note_fault(out, FAULT_REFUSED, "the node refused a call");
        return;
    }
    http2->streams[out->slot] = 0;
    out->is_done = true;
}

static void read_settings(struct http2 *http2, const struct frame *frame) {
    if ((frame->flags & ACK) == 0 && http2->settings_unanswered < UNANSWERED_MAX) http2->settings_unanswered++;
}

static void read_frame(const struct work *work, struct http2 *http2, const struct frame *frame, struct answer *out) {
    const uint8_t *bytes = (const uint8_t *)frame->payload.data;
    switch (frame->type) {
    case DATA:
        read_data(work, http2, frame, out);
        return;
    case HEADERS:
        read_headers(http2, frame, out);
        return;
    case SETTINGS:
        read_settings(http2, frame);
        return;
    case PING:
        if (frame->payload.len != sizeof http2->ping || (frame->flags & ACK) != 0) return;
        memcpy(http2->ping, bytes, sizeof http2->ping);
        if (http2->pings_unanswered < UNANSWERED_MAX) http2->pings_unanswered++;
        return;
    case WINDOW_UPDATE:
        if (frame->stream == 0 && frame->payload.len == 4) http2->send_window += get_be32(bytes) & INT32_MAX;
        return;
    case RST_STREAM:
        note_fault(out, FAULT_REFUSED, "the node reset a call");
        return;
    case GOAWAY:
        note_fault(out, FAULT_REFUSED, "the node sends its clients away");
        return;
    default:
        return;
    }
}

static size_t read_answer(const struct work *work, struct reading *reading, const uint8_t *data, size_t len,
                          struct answer *out) {
    if (len < FRAME_HEAD_BYTES) return 0;
    uint32_t payload = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    if (payload > FRAME_BYTES_MAX) note_fault(out, FAULT_MALFORMED, "the other side does not speak gRPC");
    if (payload > FRAME_BYTES_MAX || len - FRAME_HEAD_BYTES < payload) return 0;
    const struct frame frame = {(enum frame_type)data[3],
                                data[4],
                                get_be32(data + 5) & INT32_MAX,
                                {(const char *)data + FRAME_HEAD_BYTES, payload}};
    read_frame(work, &reading->http2, &frame, out);
    return FRAME_HEAD_BYTES + payload;
}

const struct protocol protocol_grpc = {.name = "grpc",
                                       .hello = hello,
                                       .hello_bytes = sizeof hello,
                                       .has_streams = true,
                                       .has_room = has_room,
                                       .write_control = write_control,
                                       .write_request = write_request,
                                       .read_answer = read_answer};
