/* A connection, as its protocol sees it. */
#include "net_internal.h"

void *stream_context(const struct stream *stream) {
    return stream->door->context;
}

unsigned stream_loop(const struct stream *stream) {
    return stream->loop->index;
}

uint64_t stream_id(const struct stream *stream) {
    return atomic_load_explicit(&stream->id, memory_order_relaxed);
}

bool stream_is_ipc(const struct stream *stream) {
    return stream->is_ipc;
}

struct instant stream_now(const struct stream *stream) {
    return stream->loop->now;
}

uint8_t *stream_phase(struct stream *stream) {
    return &stream->phase;
}

void **stream_data(struct stream *stream) {
    return &stream->data;
}

bool stream_may_go_on(const struct stream *stream) {
    const struct loop *loop = stream->loop;
    return stream->why == STREAM_OPEN && !stream->is_blocked && !stream->is_leaving &&
           loop->visit_answers < LOOP_TURN_ANSWERS && loop->visit_bytes < LOOP_BUFFER_BYTES;
}

void stream_greeted(struct stream *stream) {
    stream->has_greeted = true;
    stream_move_to(stream, stream_quiet_list(stream));
}

void stream_asked(struct stream *stream) {
    _Atomic uint64_t *requests = &stream_part(stream)->requests;
    atomic_store_explicit(requests, atomic_load_explicit(requests, memory_order_relaxed) + 1, memory_order_relaxed);
    stream->has_asked = true;
}

bool stream_must_refuse(struct stream *stream) {
    stream->is_refused |= atomic_load_explicit(&stream->door->is_refusing, memory_order_relaxed);
    return stream->is_refused;
}

void stream_answered(struct stream *stream) {
    stream->loop->visit_answers++;
}

void stream_borrow(struct stream *stream) {
    stream->loop->is_borrowed = true;
}

void stream_commit(struct stream *stream) {
    loop_commit(stream->loop);
}

bool stream_is_blocked(const struct stream *stream) {
    return stream->is_blocked;
}

bool stream_take_bytes(const struct stream *stream, size_t bytes) {
    return loops_take_bytes(stream->loop->loops, bytes);
}

bool stream_make_room(const struct stream *stream, size_t bytes) {
    return streams_make_room(stream, bytes);
}

void stream_give_bytes(const struct stream *stream, size_t bytes) {
    loops_give_bytes(stream->loop->loops, bytes);
}

uint64_t stream_look(struct stream *stream, size_t rest) {
    return loop_look(stream->loop, rest + stream->loop->visit_rest);
}

uint64_t stream_gap_ms(const struct stream *stream) {
    const struct loop *loop = stream->loop;
    uint64_t now_ms = loop->loops->clock().now_ms;
    uint64_t gap_ms = now_ms > loop->now.now_ms ? now_ms - loop->now.now_ms : 0;
    return gap_ms > loop->loops->stall_ms ? gap_ms : 0;
}

uint64_t stream_stale_ms(const struct stream *stream) {
    return stream->stale > 0 ? stream->loop->stood_still_ms : 0;
}

uint64_t stream_stale_since_ms(const struct stream *stream, uint64_t since_ms) {
    return stream->loop->thawed_ms > since_ms ? stream->loop->stood_still_ms : 0;
}

void stream_consumed(struct stream *stream, size_t bytes) {
    if (stream->stale > 0) stream->stale -= stream->stale < bytes ? stream->stale : (uint32_t)bytes;
    if (stream->due > 0) stream->due -= stream->due < bytes ? stream->due : (uint32_t)bytes;
}
