/* Output. The replies of a turn are collected in the loop's buffer, for one connection at a time, and written by one
 * system call. What the socket does not take is kept by the connection, which is not read until all of it is sent. */
#include "net_internal.h"
#include "sys/log.h"
#include "tls_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { KEPT_BYTES_MIN = 256, KEPT_FLUSH_BYTES = 64 * 1024 };

/* ---- output that is kept ---- */

static bool reserve_output(struct stream *stream, size_t more) {
    size_t needed = stream->out_len + more, capacity = stream->out_capacity;
    if (needed <= capacity) return true;
    if (capacity == 0) capacity = KEPT_BYTES_MIN;
    while (capacity < needed) capacity *= 2;
    size_t grown = capacity - stream->out_capacity;
    if (!loops_take_bytes(stream->loop->loops, grown) && !streams_make_room(stream, grown)) return false;
    uint8_t *out = realloc(stream->out, capacity);
    if (out == NULL) {
        loops_give_bytes(stream->loop->loops, grown);
        return false;
    }
    stream->out = out;
    stream->out_capacity = (uint32_t)capacity;
    return true;
}

static void count_unsent(struct stream *stream) {
    atomic_store(&stream->unsent, stream->out_len - stream->out_at);
}

void stream_drop_output(struct stream *stream) {
    loops_give_bytes(stream->loop->loops, stream->out_capacity);
    free(stream->out);
    stream->out = NULL;
    stream->out_at = stream->out_len = stream->out_capacity = 0;
    count_unsent(stream);
}

static void keep_output(struct stream *stream, struct text bytes) {
    if (bytes.len == 0 || stream->why != STREAM_OPEN) return;
    if (stream->out_at > 0) { /* reuse the space of what is sent */
        stream->out_len -= stream->out_at;
        memmove(stream->out, stream->out + stream->out_at, stream->out_len);
        stream->out_at = 0;
    }
    bool is_over = stream->out_len > STREAM_OUT_BYTES_MAX;
    if (is_over || !reserve_output(stream, bytes.len)) {
        stream_end(stream, is_over || stream->is_blocked ? STREAM_UNREAD : STREAM_MEMORY);
        return;
    }
    memcpy(stream->out + stream->out_len, bytes.data, bytes.len);
    stream->out_len += bytes.len;
    count_unsent(stream);
}

static void wait_for_reader(struct stream *stream) {
    stream->unread_ms = stream->loop->now.now_ms;
    stream->progress = 0;
    if (stream->is_blocked) TAILQ_REMOVE(&stream_part(stream)->unread, stream, unread_link);
    TAILQ_INSERT_TAIL(&stream_part(stream)->unread, stream, unread_link);
    if (!stream->is_blocked && !loop_watch(stream->loop, &stream->source, EPOLLOUT, false))
        stream_end(stream, STREAM_MEMORY);
    stream->is_blocked = true;
    stream_leave_queue(stream);
}

static void reader_is_back(struct stream *stream) {
    if (!stream->is_blocked) return;
    stream->is_blocked = false;
    TAILQ_REMOVE(&stream_part(stream)->unread, stream, unread_link);
    if (!loop_watch(stream->loop, &stream->source, EPOLLIN, false)) stream_end(stream, STREAM_MEMORY);
    if (stream->is_leaving) stream_begin_lingering(stream);
    else if (stream->has_backlog) stream_queue_up(stream);
}

/* Returns how many bytes the socket took; 0 if the connection failed. */
static size_t hand_to_system(struct stream *stream, struct text head, struct text body) {
    struct iovec pieces[2] = {{(void *)(uintptr_t)head.data, head.len}, {(void *)(uintptr_t)body.data, body.len}};
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = body.len > 0 ? 2 : 1};
    ssize_t sent = body.len > 0 ? sendmsg(stream->source.fd, &message, MSG_NOSIGNAL)
                                : send(stream->source.fd, head.data, head.len, MSG_NOSIGNAL);
    if (sent >= 0) return (size_t)sent;
    if (errno != EAGAIN && errno != EINTR) stream_end(stream, STREAM_GONE);
    return 0;
}

void output_resume(struct stream *stream) {
    uint32_t left = stream->out_len - stream->out_at;
    if (stream->why != STREAM_OPEN || left == 0) return;
    size_t sent = hand_to_system(stream, (struct text){(char *)stream->out + stream->out_at, left}, (struct text){0});
    stream->out_at += (uint32_t)sent;
    stream->progress += (uint32_t)sent;
    if (stream->why != STREAM_OPEN) return;
    if (sent < left) {
        count_unsent(stream);
        if (!stream->is_blocked || stream->progress >= STREAM_PROGRESS_BYTES) wait_for_reader(stream);
        return;
    }
    bool was_blocked = stream->is_blocked;
    stream_drop_output(stream);
    reader_is_back(stream);
    if (was_blocked && stream->is_opened && !stream->is_leaving && stream->door->protocol->drained != NULL)
        stream->door->protocol->drained(stream);
}

/* ---- output of this turn ---- */

static void send_plain(struct stream *stream, struct text head, struct text body) {
    size_t sent = hand_to_system(stream, head, body);
    if (stream->why != STREAM_OPEN || sent == (size_t)head.len + body.len) return;
    size_t of_head = sent < head.len ? sent : head.len, of_body = sent - of_head;
    keep_output(stream, (struct text){head.data + of_head, head.len - (uint32_t)of_head});
    if (body.len > 0) keep_output(stream, (struct text){body.data + of_body, body.len - (uint32_t)of_body});
    if (stream->why == STREAM_OPEN) wait_for_reader(stream);
}

static void send_now(struct stream *stream, struct text head, struct text body) {
    if (!stream->is_tls) {
        send_plain(stream, head, body);
        return;
    }
    tls_send(stream, head);
    tls_send(stream, body);
}

void output_flush_owner(struct loop *loop) {
    struct stream *owner = loop->owner;
    if (owner == NULL) return;
    const struct text bytes = {(const char *)loop->out, (uint32_t)loop->out_used};
    loop->owner = NULL;
    loop->out_used = 0;
    if (owner->why == STREAM_OPEN) send_now(owner, bytes, (struct text){0});
}

static void mark_dirty(struct stream *stream) {
    if (stream->is_dirty || stream->is_blocked) return;
    stream->is_dirty = true;
    SLIST_INSERT_HEAD(&stream->loop->dirty, stream, dirty_link);
}

void output_put(struct stream *stream, struct text bytes) {
    if (stream->out_len == 0) {
        send_plain(stream, bytes, (struct text){0});
        return;
    }
    keep_output(stream, bytes);
    mark_dirty(stream);
}

/* Output behind other that is kept. With TLS it is kept encrypted: head and body as one record, where they fit into the
 * loop's buffer, which is nobody's then. */
static void send_behind(struct stream *stream, struct text head, struct text body) {
    struct loop *loop = stream->loop;
    assert(loop->owner == NULL);
    if (!stream->is_tls) {
        keep_output(stream, head);
        keep_output(stream, body);
        mark_dirty(stream);
    } else if ((size_t)head.len + body.len <= LOOP_BUFFER_BYTES) {
        memcpy(loop->out, head.data, head.len);
        if (body.len > 0) memcpy(loop->out + head.len, body.data, body.len);
        tls_send(stream, (struct text){(const char *)loop->out, head.len + body.len});
    } else {
        send_now(stream, head, body);
    }
}

void stream_send(struct stream *stream, struct text head, struct text body) {
    struct loop *loop = stream->loop;
    size_t len = (size_t)head.len + body.len;
    loop->visit_bytes += len;
    if (stream->why != STREAM_OPEN) return;
    if (loop->owner != stream) output_flush_owner(loop);
    if (stream->out_len == 0 && loop->out_used + len > LOOP_BUFFER_BYTES) output_flush_owner(loop);
    if (stream->out_len > 0) {
        send_behind(stream, head, body);
    } else if (len > LOOP_BUFFER_BYTES) {
        send_now(stream, head, body);
    } else {
        loop->owner = stream;
        memcpy(loop->out + loop->out_used, head.data, head.len);
        if (body.len > 0) memcpy(loop->out + loop->out_used + head.len, body.data, body.len);
        loop->out_used += len;
    }
}

void stream_flush(struct stream *stream) {
    if (stream->loop->owner == stream) output_flush_owner(stream->loop);
    if (!stream->is_blocked) output_resume(stream);
}

void stream_linger(struct stream *stream, enum stream_end why) {
    if (stream->why != STREAM_OPEN || stream->is_leaving) return;
    stream->is_leaving = true;
    stream->leaves_as = (uint8_t)why;
    stream_flush(stream);
    if (stream->why == STREAM_OPEN && !stream->is_blocked) stream_begin_lingering(stream);
}

void streams_flush(struct loop *loop) {
    struct stream *stream;
    output_flush_owner(loop);
    while ((stream = SLIST_FIRST(&loop->dirty)) != NULL) {
        SLIST_REMOVE_HEAD(&loop->dirty, dirty_link);
        stream->is_dirty = false;
        if (!stream->is_blocked) output_resume(stream);
    }
}

/* ---- from elsewhere ---- */

/* Bytes for a connection of another loop. */
struct delivery {
    struct post post;
    struct stream *stream;
    uint64_t id;
    uint32_t head_len, body_len;
    char bytes[];
};

static void send_kept(struct stream *stream, uint64_t id, struct text head, struct text body) {
    if (atomic_load(&stream->id) != id || stream->why != STREAM_OPEN) return;
    if (stream->loop->owner == stream) output_flush_owner(stream->loop);
    keep_output(stream, head);
    keep_output(stream, body);
    mark_dirty(stream);
    if (!stream->is_blocked && stream->out_len > KEPT_FLUSH_BYTES) output_resume(stream);
}

static size_t delivery_bytes(const struct delivery *delivery) {
    return sizeof *delivery + delivery->head_len + delivery->body_len;
}

static void run_delivery(struct post *post, struct loop *loop) {
    struct delivery *delivery = (struct delivery *)post;
    struct text head = {delivery->bytes, delivery->head_len};
    struct text body = {delivery->bytes + delivery->head_len, delivery->body_len};
    atomic_fetch_sub(&loop->loops->bytes, delivery_bytes(delivery));
    atomic_fetch_sub(&delivery->stream->posted, delivery->head_len + delivery->body_len);
    send_kept(delivery->stream, delivery->id, head, body);
    free(delivery);
}

void stream_send_later(struct stream *stream, uint64_t id, struct text head, struct text body) {
    struct loop *loop = stream->loop;
    if (loop_is_current(loop)) {
        send_kept(stream, id, head, body);
        return;
    }
    struct delivery *delivery = malloc(sizeof *delivery + head.len + body.len);
    if (delivery == NULL) {
        log_line(LEVEL_ERROR, "out_of_memory", "no memory for an answer", {"bytes", NULL, body.len});
        return;
    }
    *delivery = (struct delivery){{.run = run_delivery}, stream, id, head.len, body.len};
    memcpy(delivery->bytes, head.data, head.len);
    if (body.len > 0) memcpy(delivery->bytes + head.len, body.data, body.len);
    atomic_fetch_add(&loop->loops->bytes, delivery_bytes(delivery));
    atomic_fetch_add(&stream->posted, head.len + body.len);
    loop_post(loop, &delivery->post);
}

size_t stream_unsent(const struct stream *stream) {
    return (size_t)atomic_load(&stream->unsent) + atomic_load(&stream->posted);
}
