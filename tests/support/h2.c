#include "h2.h"
#include "port.h"
#include "tls_client.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* A server that does not read or answer at all is noticed by WAIT_MS; or by so many turns that bring nothing. */
enum { WAIT_MS = 20000, IDLE_TURNS = 12, RECEIVE_BYTES = 65536 };

static void *grown(void *items, size_t *capacity, size_t needed) {
    if (needed <= *capacity) return items;
    *capacity = 2 * needed;
    items = realloc(items, *capacity);
    if (items == NULL) abort();
    return items;
}

/* ---- connections ---- */

struct h2 *h2_of(int fd, void (*turn)(void *context), void *context) {
    struct h2 *h2 = calloc(1, sizeof *h2);
    if (h2 == NULL || nghttp2_hd_deflate_new(&h2->deflater, 4096) != 0 || nghttp2_hd_inflate_new(&h2->inflater) != 0)
        abort();
    h2->fd = fd;
    h2->turn = turn;
    h2->turn_context = context;
    h2->next_stream = 1;
    h2->window = h2->receive_window = h2->initial_window = H2_WINDOW;
    h2->settings[NGHTTP2_SETTINGS_HEADER_TABLE_SIZE] = 4096;
    h2->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE] = H2_WINDOW;
    h2->settings[NGHTTP2_SETTINGS_MAX_FRAME_SIZE] = H2_FRAME_BYTES;
    h2->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS] = UINT32_MAX;
    h2->settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE] = UINT32_MAX;
    if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return h2;
}

struct h2 *h2_connect(const char *url) {
    int on = 1, fd = port_connect((uint16_t)atoi(strrchr(url, ':') + 1));
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct h2 *h2 = h2_of(fd, NULL, NULL);
    if (fd < 0 || strncmp(url, "tls:", 4) != 0) return h2;
    h2->tls = tls_client_new(fd, &(struct tls_client_options){.alpn = "h2"});
    if (!tls_client_shake_within(h2->tls, WAIT_MS)) fail_msg("%s: %s", url, tls_client_failure(h2->tls));
    return h2;
}

static void free_fields(struct h2_fields *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        free((void *)(uintptr_t)fields->items[i].name);
        free((void *)(uintptr_t)fields->items[i].value);
    }
    free(fields->items);
    *fields = (struct h2_fields){0};
}

static struct h2_stream **find_stream(struct h2 *h2, uint32_t id) {
    struct h2_stream **link = &h2->streams[id / 2 % H2_BUCKETS];
    while (*link != NULL && (*link)->id != id) link = &(*link)->next;
    return link;
}

void h2_forget(struct h2 *h2, uint32_t id) {
    struct h2_stream **link = find_stream(h2, id), *stream = *link;
    if (stream == NULL) return;
    *link = stream->next;
    free_fields(&stream->headers);
    free_fields(&stream->trailers);
    free(stream->body);
    free(stream);
}

/* What a change of the initial windows does to those of all streams (RFC 9113, 6.9.2). */
static void move_windows(struct h2 *h2, int64_t sent, int64_t received) {
    for (size_t i = 0; i < H2_BUCKETS; i++)
        for (struct h2_stream *stream = h2->streams[i]; stream != NULL; stream = stream->next) {
            stream->window += sent;
            stream->receive_window += received;
        }
}

void h2_close(struct h2 *h2) {
    if (h2 == NULL) return;
    tls_client_free(h2->tls);
    if (h2->fd >= 0) close(h2->fd);
    for (size_t i = 0; i < H2_BUCKETS; i++)
        while (h2->streams[i] != NULL) h2_forget(h2, h2->streams[i]->id);
    nghttp2_hd_deflate_del(h2->deflater);
    nghttp2_hd_inflate_del(h2->inflater);
    free(h2->in);
    free(h2->held);
    free(h2->block);
    free(h2);
}

void h2_reset(struct h2 *h2) {
    struct linger abort = {.l_onoff = 1, .l_linger = 0};
    if (h2->fd >= 0) setsockopt(h2->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    h2_close(h2);
}

/* ---- bytes ---- */

/* As recv: 0: the end. */
static ssize_t receive_decrypted(struct h2 *h2, void *out, size_t len) {
    long n = tls_client_read(h2->tls, out, len);
    if (n != 0) return n > 0 ? n : 0;
    long pulled = tls_client_pull(h2->tls, len);
    n = tls_client_read(h2->tls, out, len);
    if (n != 0 || pulled < 0) return n > 0 ? n : 0;
    errno = EAGAIN;
    return -1;
}

/* As send, but all of it is taken where some is. */
static ssize_t send_encrypted(struct h2 *h2, const void *bytes, size_t len) {
    if (tls_client_waiting(h2->tls) == 0 && !tls_client_write(h2->tls, bytes, len)) return -1;
    while (tls_client_waiting(h2->tls) > 0 && tls_client_push(h2->tls, SIZE_MAX) > 0) continue;
    if (tls_client_waiting(h2->tls) == 0) return (ssize_t)len;
    errno = h2->is_ended ? EPIPE : EAGAIN;
    return -1;
}

/* Takes what is in the socket; how many bytes. */
static size_t receive(struct h2 *h2) {
    if (h2->is_ended) return 0;
    if (h2->in_at == h2->in_len) h2->in_at = h2->in_len = 0;
    if (h2->in_at > RECEIVE_BYTES) {
        memmove(h2->in, h2->in + h2->in_at, h2->in_len - h2->in_at);
        h2->in_len -= h2->in_at;
        h2->in_at = 0;
    }
    h2->in = grown(h2->in, &h2->in_capacity, h2->in_len + RECEIVE_BYTES);
    uint8_t *out = h2->in + h2->in_len;
    ssize_t n = h2->tls != NULL ? receive_decrypted(h2, out, RECEIVE_BYTES) : recv(h2->fd, out, RECEIVE_BYTES, 0);
    if (n > 0) h2->in_len += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) h2->is_ended = true;
    h2->was_reset = h2->is_ended && n < 0;
    return n > 0 ? (size_t)n : 0;
}

/* Waits until the socket may be ready for `events`. False: that was for too long. */
static bool wait_ready(struct h2 *h2, short events, uint64_t until_ms, unsigned *idle) {
    if (h2->turn != NULL) {
        h2->turn(h2->turn_context);
        return ++*idle <= IDLE_TURNS;
    }
    uint64_t now_ms = wait_now_ms();
    struct pollfd poll_fd = {.fd = h2->fd, .events = events};
    return now_ms < until_ms && poll(&poll_fd, 1, (int)(until_ms - now_ms)) >= 0;
}

bool h2_write(struct h2 *h2, const void *bytes, size_t len) {
    if (h2->is_held) {
        h2->held = grown(h2->held, &h2->held_capacity, h2->held_len + len);
        if (len > 0) memcpy(h2->held + h2->held_len, bytes, len);
        h2->held_len += len;
        return true;
    }
    const uint64_t until_ms = wait_now_ms() + WAIT_MS;
    const char *at = bytes;
    for (unsigned idle = 0; len > 0;) {
        ssize_t n = h2->tls != NULL ? send_encrypted(h2, at, len) : send(h2->fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return false;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
            idle = 0;
            continue;
        }
        /* It may be that the server does not read because nobody reads what it says. */
        if (!h2->never_reads && receive(h2) > 0) idle = 0;
        if (!wait_ready(h2, h2->never_reads ? POLLOUT : POLLOUT | POLLIN, until_ms, &idle)) return false;
    }
    return true;
}

void h2_hold(struct h2 *h2) {
    h2->is_held = true;
}

uint8_t *h2_take_held(struct h2 *h2, size_t *len) {
    uint8_t *held = h2->held;
    *len = h2->held_len;
    h2->held = NULL;
    h2->held_len = h2->held_capacity = 0;
    h2->is_held = false;
    return held;
}

bool h2_release(struct h2 *h2) {
    size_t len;
    uint8_t *bytes = h2_take_held(h2, &len);
    bool is_sent = h2_write(h2, bytes, len);
    free(bytes);
    return is_sent;
}

/* ---- writing frames ---- */

static void put32(uint8_t *out, uint32_t value) {
    for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *in) {
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static void put_header(uint8_t out[H2_HEADER_BYTES], size_t len, uint8_t type, uint8_t flags, uint32_t stream) {
    put32(out, (uint32_t)len << 8 | type);
    out[4] = flags;
    put32(out + 5, stream);
}

bool h2_write_header(struct h2 *h2, size_t len, uint8_t type, uint8_t flags, uint32_t stream) {
    uint8_t header[H2_HEADER_BYTES];
    put_header(header, len, type, flags, stream);
    return h2_write(h2, header, sizeof header);
}

bool h2_write_frame(struct h2 *h2, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len) {
    uint8_t small[H2_HEADER_BYTES + 256], *frame = len <= 256 ? small : malloc(H2_HEADER_BYTES + len);
    if (frame == NULL) abort();
    put_header(frame, len, type, flags, stream);
    if (len > 0) memcpy(frame + H2_HEADER_BYTES, payload, len);
    if (type == H2_DATA) {
        h2->window -= (int64_t)len;
        h2_stream(h2, stream)->window -= (int64_t)len;
    }
    bool is_sent = h2_write(h2, frame, H2_HEADER_BYTES + len);
    if (frame != small) free(frame);
    return is_sent;
}

static void set_initial_window(struct h2 *h2, uint32_t window) {
    move_windows(h2, 0, (int64_t)window - h2->initial_window);
    h2->initial_window = window;
}

bool h2_write_settings(struct h2 *h2, const nghttp2_settings_entry *entries, size_t count) {
    uint8_t payload[16 * 6];
    if (count > 16) abort();
    for (size_t i = 0; i < count; i++) {
        if (entries[i].settings_id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) set_initial_window(h2, entries[i].value);
        payload[6 * i] = (uint8_t)(entries[i].settings_id >> 8);
        payload[6 * i + 1] = (uint8_t)entries[i].settings_id;
        put32(payload + 6 * i + 2, entries[i].value);
    }
    return h2_write_frame(h2, H2_SETTINGS, 0, 0, payload, 6 * count);
}

bool h2_write_reset(struct h2 *h2, uint32_t stream, uint32_t error) {
    uint8_t payload[4];
    put32(payload, error);
    return h2_write_frame(h2, H2_RST_STREAM, 0, stream, payload, sizeof payload);
}

bool h2_write_window(struct h2 *h2, uint32_t stream, uint32_t increment) {
    uint8_t payload[4];
    put32(payload, increment);
    if (stream == 0) h2->receive_window += increment;
    else h2_stream(h2, stream)->receive_window += increment;
    return h2_write_frame(h2, H2_WINDOW_UPDATE, 0, stream, payload, sizeof payload);
}

bool h2_write_ping(struct h2 *h2, uint64_t opaque) {
    uint8_t payload[8];
    put32(payload, (uint32_t)(opaque >> 32));
    put32(payload + 4, (uint32_t)opaque);
    return h2_write_frame(h2, H2_PING, 0, 0, payload, sizeof payload);
}

bool h2_write_headers(struct h2 *h2, uint8_t flags, uint32_t stream, const struct h2_field *fields, size_t count) {
    nghttp2_nv *nva = calloc(count + 1, sizeof *nva);
    if (nva == NULL) abort();
    for (size_t i = 0; i < count; i++)
        nva[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)fields[i].name, (uint8_t *)(uintptr_t)fields[i].value,
                              strlen(fields[i].name), strlen(fields[i].value), NGHTTP2_NV_FLAG_NONE};
    size_t bound = nghttp2_hd_deflate_bound(h2->deflater, nva, count), at = 0;
    uint8_t *block = malloc(bound + 1);
    if (block == NULL) abort();
    ssize_t len = nghttp2_hd_deflate_hd(h2->deflater, block, bound, nva, count);
    if (len < 0) fail_msg("header block: %s", nghttp2_strerror((int)len));
    bool is_sent = true;
    do {
        size_t piece = (size_t)len - at < H2_FRAME_BYTES ? (size_t)len - at : H2_FRAME_BYTES;
        uint8_t ends = at + piece == (size_t)len ? H2_END_HEADERS : 0;
        uint8_t own = at == 0 ? flags & (uint8_t)~H2_END_HEADERS : 0;
        is_sent = is_sent &&
                  h2_write_frame(h2, at == 0 ? H2_HEADERS : H2_CONTINUATION, own | ends, stream, block + at, piece);
        at += piece;
    } while (at < (size_t)len);
    free(block);
    free(nva);
    return is_sent;
}

uint32_t h2_new_stream(struct h2 *h2) {
    uint32_t id = h2->next_stream;
    h2->next_stream += 2;
    return id;
}

/* ---- streams ---- */

struct h2_stream *h2_stream(struct h2 *h2, uint32_t id) {
    struct h2_stream **link = find_stream(h2, id);
    if (*link == NULL) {
        if ((*link = calloc(1, sizeof **link)) == NULL) abort();
        (*link)->id = id;
        (*link)->window = h2->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE];
        (*link)->receive_window = h2->initial_window;
    }
    return *link;
}

const char *h2_value(const struct h2_fields *fields, const char *name) {
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->items[i].name, name) == 0) return fields->items[i].value;
    return NULL;
}

/* ---- reading frames ---- */

static char *copied(const uint8_t *bytes, size_t len) {
    char *copy = malloc(len + 1);
    if (copy == NULL) abort();
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

static void add_field(struct h2_fields *fields, const nghttp2_nv *field) {
    fields->items = realloc(fields->items, (fields->count + 1) * sizeof *fields->items);
    if (fields->items == NULL) abort();
    fields->items[fields->count++] =
        (struct h2_field){copied(field->name, field->namelen), copied(field->value, field->valuelen)};
}

static void inflate_block(struct h2 *h2, struct h2_fields *fields) {
    size_t at = 0;
    for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
        nghttp2_nv field;
        ssize_t n = nghttp2_hd_inflate_hd2(h2->inflater, &field, &flags, h2->block + at, h2->block_len - at, 1);
        if (n < 0) fail_msg("the server's header block does not decode: %s", nghttp2_strerror((int)n));
        at += (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) add_field(fields, &field);
        else if (n == 0 && (flags & NGHTTP2_HD_INFLATE_FINAL) == 0) fail_msg("the server's header block is cut");
    }
    nghttp2_hd_inflate_end_headers(h2->inflater);
}

static void take_headers(struct h2 *h2, const struct h2_frame *frame) {
    const uint8_t *at = frame->payload;
    size_t len = frame->len, padding = 0;
    if (frame->type == H2_HEADERS) {
        if ((frame->flags & H2_PADDED) != 0) padding = *at, at++, len--;
        if ((frame->flags & H2_HAS_PRIORITY) != 0) at += 5, len -= 5;
        if (padding > len) fail_msg("padding of %zu in a HEADERS of %zu", padding, len);
        h2->block_len = 0;
        h2->block_ends_stream = (frame->flags & H2_END_STREAM) != 0;
    }
    h2->block = realloc(h2->block, h2->block_len + len - padding + 1);
    if (h2->block == NULL) abort();
    memcpy(h2->block + h2->block_len, at, len - padding);
    h2->block_len += len - padding;
    if ((frame->flags & H2_END_HEADERS) == 0) return;
    struct h2_stream *stream = h2_stream(h2, frame->stream);
    if (stream->has_ended && !stream->is_reset) fail_msg("HEADERS on stream %u, which ended", frame->stream);
    inflate_block(h2, stream->has_headers ? &stream->trailers : &stream->headers);
    stream->has_headers = true;
    if (h2->block_ends_stream) stream->has_ended = true;
}

static void take_data(struct h2 *h2, const struct h2_frame *frame) {
    struct h2_stream *stream = h2_stream(h2, frame->stream);
    const uint8_t *at = frame->payload;
    size_t len = frame->len, padding = 0;
    h2->receive_window -= (int64_t)frame->len;
    stream->receive_window -= (int64_t)frame->len;
    if (h2->receive_window < 0) fail_msg("%zu bytes of DATA pass the window of the connection", frame->len);
    if (stream->receive_window < 0) fail_msg("%zu bytes of DATA pass the window of stream %u", frame->len, stream->id);
    if (stream->has_ended && !stream->is_reset) fail_msg("DATA on stream %u, which ended", frame->stream);
    if (!stream->has_headers && !stream->is_reset) fail_msg("DATA on stream %u before its HEADERS", frame->stream);
    if ((frame->flags & H2_PADDED) != 0) padding = *at, at++, len--;
    if (padding > len) fail_msg("padding of %zu in a DATA of %zu", padding, len);
    len -= padding;
    stream->body = grown(stream->body, &stream->body_capacity, stream->body_len + len + 1);
    memcpy(stream->body + stream->body_len, at, len);
    stream->body_len += len;
    if ((frame->flags & H2_END_STREAM) != 0) stream->has_ended = true;
    if (h2->keeps_windows || frame->len == 0) return;
    h2_write_window(h2, 0, (uint32_t)frame->len);
    if (!stream->has_ended) h2_write_window(h2, frame->stream, (uint32_t)frame->len);
}

static void take_settings(struct h2 *h2, const struct h2_frame *frame) {
    if ((frame->flags & H2_ACK) != 0) {
        h2->settings_acks++;
        return;
    }
    h2->has_settings = true;
    if (frame->len % 6 != 0) fail_msg("SETTINGS of %zu bytes", frame->len);
    for (size_t i = 0; i < frame->len; i += 6) {
        uint16_t id = (uint16_t)(frame->payload[i] << 8 | frame->payload[i + 1]);
        uint32_t value = get32(frame->payload + i + 2);
        if (id >= H2_SETTING_COUNT) continue;
        if (id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) move_windows(h2, (int64_t)value - h2->settings[id], 0);
        if (id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE && value < 4096)
            nghttp2_hd_deflate_change_table_size(h2->deflater, value);
        h2->settings[id] = value;
    }
    if (!h2->keeps_settings) h2_write_frame(h2, H2_SETTINGS, H2_ACK, 0, NULL, 0);
}

static void take_goaway(struct h2 *h2, const struct h2_frame *frame) {
    if (frame->len < 8) fail_msg("GOAWAY of %zu bytes", frame->len);
    size_t debug = frame->len - 8 < H2_DEBUG_BYTES - 1 ? frame->len - 8 : H2_DEBUG_BYTES - 1;
    uint32_t last = get32(frame->payload) & 0x7fffffff;
    if (h2->goaways > 0 && last > h2->goaway_last)
        fail_msg("GOAWAY names stream %u after %u (RFC 9113, 6.8: not a higher one)", last, h2->goaway_last);
    h2->goaways++;
    h2->goaway_last = last;
    h2->goaway_error = get32(frame->payload + 4);
    memcpy(h2->goaway_debug, frame->payload + 8, debug);
    h2->goaway_debug[debug] = '\0';
}

static void take_reset(struct h2 *h2, const struct h2_frame *frame) {
    struct h2_stream *stream = h2_stream(h2, frame->stream);
    if (frame->len != 4) fail_msg("RST_STREAM of %zu bytes", frame->len);
    h2->resets++;
    stream->is_reset = stream->has_ended = true;
    stream->reset_error = get32(frame->payload);
}

static void take_frame(struct h2 *h2, const struct h2_frame *frame) {
    switch (frame->type) {
    case H2_DATA:
        take_data(h2, frame);
        return;
    case H2_HEADERS:
    case H2_CONTINUATION:
        take_headers(h2, frame);
        return;
    case H2_RST_STREAM:
        take_reset(h2, frame);
        return;
    case H2_SETTINGS:
        take_settings(h2, frame);
        return;
    case H2_GOAWAY:
        take_goaway(h2, frame);
        return;
    case H2_WINDOW_UPDATE:
        if (frame->stream == 0) h2->window += get32(frame->payload);
        else h2_stream(h2, frame->stream)->window += get32(frame->payload);
        return;
    case H2_PING:
        if ((frame->flags & H2_ACK) != 0) h2->pongs++;
        else h2->pings++;
        if ((frame->flags & H2_ACK) == 0 && !h2->keeps_pings)
            h2_write_frame(h2, H2_PING, H2_ACK, 0, frame->payload, frame->len);
        return;
    case H2_PUSH_PROMISE:
        fail_msg("a push");
        return;
    default:
        return;
    }
}

/* Whether a whole frame is there. */
static bool next_frame(struct h2 *h2, struct h2_frame *frame) {
    size_t have = h2->in_len - h2->in_at;
    if (have < H2_HEADER_BYTES) return false;
    const uint8_t *at = h2->in + h2->in_at;
    frame->len = get32(at) >> 8;
    frame->type = at[3];
    frame->flags = at[4];
    frame->stream = get32(at + 5) & 0x7fffffff;
    frame->payload = at + H2_HEADER_BYTES;
    if (frame->len > H2_FRAME_BYTES) fail_msg("the server sends a frame of %zu bytes", frame->len);
    if (have - H2_HEADER_BYTES < frame->len) return false;
    h2->in_at += H2_HEADER_BYTES + frame->len;
    return true;
}

enum h2_read h2_read(struct h2 *h2, struct h2_frame *frame, uint64_t timeout_ms) {
    const uint64_t until_ms = h2->turn == NULL ? wait_now_ms() + timeout_ms : 0;
    struct h2_frame own;
    if (frame == NULL) frame = &own;
    for (unsigned idle = 0; !next_frame(h2, frame);) {
        if (h2->is_ended) return H2_ENDED;
        if (receive(h2) > 0 || h2->is_ended) continue;
        if (!wait_ready(h2, POLLIN, until_ms, &idle)) return H2_NOTHING;
    }
    take_frame(h2, frame);
    return H2_READ;
}

bool h2_await(struct h2 *h2, bool (*fact)(const struct h2 *h2, const void *context), const void *context,
              uint64_t timeout_ms) {
    const uint64_t until_ms = wait_now_ms() + timeout_ms;
    while (!fact(h2, context)) {
        uint64_t now_ms = wait_now_ms();
        if (h2_read(h2, NULL, now_ms < until_ms ? until_ms - now_ms : 0) != H2_READ) return fact(h2, context);
        if (h2->turn == NULL && now_ms >= until_ms) return fact(h2, context);
    }
    return true;
}

static bool never(const struct h2 *h2, const void *context) {
    (void)h2, (void)context;
    return false;
}

bool h2_await_end(struct h2 *h2, uint64_t timeout_ms) {
    h2_await(h2, never, NULL, timeout_ms);
    return h2->is_ended;
}

void h2_read_all(struct h2 *h2) {
    while (h2_read(h2, NULL, 0) == H2_READ) continue;
}

static const struct h2_stream *stream_of(const struct h2 *h2, const void *context) {
    const uint32_t id = *(const uint32_t *)context;
    const struct h2_stream *stream = h2->streams[id / 2 % H2_BUCKETS];
    while (stream != NULL && stream->id != id) stream = stream->next;
    return stream;
}

static bool stream_has_ended(const struct h2 *h2, const void *context) {
    const struct h2_stream *stream = stream_of(h2, context);
    return stream != NULL && stream->has_ended;
}

static bool stream_has_headers(const struct h2 *h2, const void *context) {
    const struct h2_stream *stream = stream_of(h2, context);
    return stream != NULL && stream->has_headers;
}

bool h2_await_stream_end(struct h2 *h2, uint32_t stream, uint64_t timeout_ms) {
    return h2_await(h2, stream_has_ended, &stream, timeout_ms);
}

bool h2_await_headers(struct h2 *h2, uint32_t stream, uint64_t timeout_ms) {
    return h2_await(h2, stream_has_headers, &stream, timeout_ms);
}

static bool has_goaways(const struct h2 *h2, const void *context) {
    return h2->goaways >= *(const unsigned *)context;
}

bool h2_await_goaways(struct h2 *h2, unsigned count, uint64_t timeout_ms) {
    return h2_await(h2, has_goaways, &count, timeout_ms);
}

static bool has_pongs(const struct h2 *h2, const void *context) {
    return h2->pongs >= *(const unsigned *)context;
}

bool h2_round_trip(struct h2 *h2, uint64_t timeout_ms) {
    unsigned wanted = h2->pongs + 1;
    return h2_write_ping(h2, wanted) && h2_await(h2, has_pongs, &wanted, timeout_ms);
}

static bool has_settings(const struct h2 *h2, const void *context) {
    (void)context;
    return h2->has_settings;
}

void h2_greet(struct h2 *h2) {
    h2_write(h2, H2_PREFACE, H2_PREFACE_BYTES);
    h2_write_settings(h2, NULL, 0);
    if (!h2_await(h2, has_settings, NULL, WAIT_MS)) fail_msg("no SETTINGS come");
}

struct h2 *h2_open(const char *url) {
    struct h2 *h2 = h2_connect(url);
    if (h2->fd < 0) fail_msg("%s: no connection", url);
    h2_greet(h2);
    return h2;
}
