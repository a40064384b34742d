/* Input. Bytes are received into the loop's buffer, the protocol consumes whole messages, and the connection keeps the
 * rest. */
#include "net_internal.h"
#include "tls_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { KEPT_INPUT_MIN = 512 };

/* ---- input that is kept ---- */

void stream_drop_input(struct stream *stream) {
    loops_give_bytes(stream->loop->loops, stream->in_capacity);
    free(stream->in);
    stream->in = NULL;
    stream->in_at = stream->in_len = stream->in_capacity = stream->in_wanted = 0;
}

/* Grows with the bytes that arrive, never by an announced length. */
static bool keep_input(struct stream *stream, const uint8_t *bytes, size_t len) {
    size_t needed = stream->in_len + len, capacity = stream->in_capacity;
    if (capacity == 0) capacity = KEPT_INPUT_MIN;
    while (capacity < needed) capacity *= 2;
    size_t grown = capacity - stream->in_capacity;
    if (grown > 0) {
        if (!loops_take_bytes(stream->loop->loops, grown) && !streams_make_room(stream, grown)) return false;
        uint8_t *in = realloc(stream->in, capacity);
        if (in == NULL) {
            loops_give_bytes(stream->loop->loops, grown);
            return false;
        }
        stream->in = in;
        stream->in_capacity = (uint32_t)capacity;
    }
    memcpy(stream->in + stream->in_len, bytes, len);
    stream->in_len += (uint32_t)len;
    return true;
}

/* ---- taking ---- */

void stream_queue_up(struct stream *stream) {
    if (stream->is_queued) return;
    stream->is_queued = true;
    stream->loop->backlog_count++;
    TAILQ_INSERT_TAIL(&stream->loop->backlog, stream, backlog_link);
}

void stream_leave_queue(struct stream *stream) {
    if (!stream->is_queued) return;
    stream->is_queued = false;
    stream->loop->backlog_count--;
    TAILQ_REMOVE(&stream->loop->backlog, stream, backlog_link);
}

static struct taken take_bytes(struct stream *stream, const uint8_t *bytes, size_t len) {
    struct taken taken = stream->door->protocol->take(stream, bytes, len);
    assert(taken.consumed <= len && (taken.wanted == 0 || taken.wanted > len - taken.consumed));
    return taken;
}

/* Decides what the kept bytes are: a partial message, which gets a deadline, or messages for a later turn. */
static void settle_rest(struct stream *stream, const struct taken *taken, bool is_new_message) {
    stream->in_wanted = (uint32_t)taken->wanted;
    stream->has_backlog = taken->wanted == 0 && stream->in_len > stream->in_at;
    if (stream->why != STREAM_OPEN || stream->is_leaving) return;
    if (stream->has_backlog && !stream->is_blocked) stream_queue_up(stream);
    bool is_unfinished = taken->wanted > 0 && stream->in_len > stream->in_at && stream->has_greeted;
    if (!is_unfinished) {
        if (stream->slow != stream_quiet_list(stream)) stream_move_to(stream, stream_quiet_list(stream));
    } else if (is_new_message || stream->slow != SLOW_UNFINISHED) {
        stream_move_to(stream, SLOW_UNFINISHED);
    }
}

/* Passes the kept bytes to the protocol. */
static void take_kept(struct stream *stream) {
    struct taken taken = take_bytes(stream, stream->in + stream->in_at, stream->in_len - stream->in_at);
    stream_commit(stream); /* before the bytes go */
    stream->in_at += (uint32_t)taken.consumed;
    if (stream->in_at == stream->in_len) stream_drop_input(stream);
    settle_rest(stream, &taken, taken.consumed > 0);
}

static void keep_rest(struct stream *stream, const uint8_t *bytes, size_t len, const struct taken *taken) {
    if (len > 0 && stream->why == STREAM_OPEN && !keep_input(stream, bytes, len)) stream_end(stream, STREAM_MEMORY);
    settle_rest(stream, taken, true);
}

/* Appends bytes to the kept message until it is whole, and passes it on. Returns how many bytes were appended. */
static size_t complete_kept(struct stream *stream, const uint8_t *bytes, size_t len) {
    size_t used = 0;
    if (stream->in_at > 0) {
        stream->in_len -= stream->in_at;
        memmove(stream->in, stream->in + stream->in_at, stream->in_len);
        stream->in_at = 0;
    }
    while (stream->in != NULL && !stream->has_backlog && stream->why == STREAM_OPEN && used < len) {
        size_t missing = stream->in_wanted - (stream->in_len - stream->in_at);
        size_t some = len - used < missing ? len - used : missing;
        if (!keep_input(stream, bytes + used, some)) {
            stream_end(stream, STREAM_MEMORY);
            break;
        }
        used += some;
        stream->loop->visit_rest = len - used;
        if (some == missing) take_kept(stream);
    }
    return used;
}

static void visit_stream(struct stream *stream) {
    struct loop *loop = stream->loop;
    loop->visited = stream;
    loop->visit_answers = loop->visit_bytes = loop->visit_rest = 0;
}

void stream_take_received(struct stream *stream, const uint8_t *bytes, size_t len) {
    struct loop *loop = stream->loop;
    visit_stream(stream);
    loop_look(loop, stream->in_len - stream->in_at + len);
    size_t used = stream->in != NULL ? complete_kept(stream, bytes, len) : 0;
    loop->visit_rest = 0;
    if (stream->why == STREAM_OPEN && used < len) {
        struct taken taken = {0}; /* a backlog: consumed in a later turn */
        if (!stream->has_backlog) taken = take_bytes(stream, bytes + used, len - used);
        keep_rest(stream, bytes + used + taken.consumed, len - used - taken.consumed, &taken);
    }
    loop->visited = NULL;
    loop->in_used = loop->is_borrowed ? (size_t)(bytes - loop->in) + len : 0;
}

static void receive_bytes(struct stream *stream) {
    struct loop *loop = stream->loop;
    if (LOOP_BUFFER_BYTES - loop->in_used < LOOP_RECEIVE_MIN) loop_commit(loop);
    if (stream->is_tls) {
        tls_receive(stream);
        return;
    }
    uint8_t *room = loop->in + loop->in_used;
    ssize_t received = recv(stream->source.fd, room, LOOP_BUFFER_BYTES - loop->in_used, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
        stream_end(stream, STREAM_GONE);
        return;
    }
    stream_take_received(stream, room, (size_t)received);
}

/* ---- TLS handshakes: some in a turn, in the order in which their bytes came ---- */

static bool is_read(struct stream *stream) {
    return !stream->is_blocked && (!stream_part(stream)->is_last_call || stream->due > 0);
}

void stream_stop_shaking(struct stream *stream) {
    if (!stream->is_shaking) return;
    stream->is_shaking = false;
    TAILQ_REMOVE(&stream->loop->shaking, stream, backlog_link);
}

static void queue_handshake(struct stream *stream) {
    if (stream->is_shaking) return;
    stream->is_shaking = true;
    TAILQ_INSERT_TAIL(&stream->loop->shaking, stream, backlog_link);
}

void streams_shake_hands(struct loop *loop) {
    struct stream *stream;
    for (int i = 0; i < LOOP_HANDSHAKES && (stream = TAILQ_FIRST(&loop->shaking)) != NULL; i++) {
        stream_stop_shaking(stream);
        if (stream->why == STREAM_OPEN && stream->slow != SLOW_LINGERING && is_read(stream)) receive_bytes(stream);
    }
}

/* What a peer sends that has not read yet that this side has closed. A socket that is closed with unread input sends a
 * reset, which may overtake the replies. */
static void discard_input(struct stream *stream) {
    char ignored[4096];
    ssize_t received = recv(stream->source.fd, ignored, sizeof ignored, 0);
    if (received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR))) return;
    stream_end(stream, (enum stream_end)stream->leaves_as);
}

void stream_event(struct stream *stream, uint32_t events) {
    if (stream->source.fd < 0 || stream->why != STREAM_OPEN) return; /* ended earlier in this turn */
    if (stream->slow == SLOW_LINGERING) {
        discard_input(stream);
        return;
    }
    if (!is_read(stream) && (events & (EPOLLERR | EPOLLHUP)) != 0) stream_end(stream, STREAM_GONE);
    else if (stream->is_blocked) output_resume(stream);
    else if (!is_read(stream)) loop_watch(stream->loop, &stream->source, 0, false);
    else if (tls_is_shaking(stream)) queue_handshake(stream);
    else if (!stream->has_backlog) receive_bytes(stream);
}

void streams_resume(struct loop *loop) {
    struct stream *stream;
    for (size_t left = loop->backlog_count; left > 0 && (stream = TAILQ_FIRST(&loop->backlog)) != NULL; left--) {
        stream_leave_queue(stream);
        stream->has_backlog = false;
        if (stream->why != STREAM_OPEN || stream->is_leaving) continue;
        visit_stream(stream);
        loop_look(loop, stream->in_len - stream->in_at);
        take_kept(stream);
        loop->visited = NULL;
    }
}
