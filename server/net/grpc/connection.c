/* A connection of the door: one nghttp2 session on a stream. */
#include "grpc_door_internal.h"

#include <stdlib.h>

enum { TAKE_BYTES = 8192 }; /* are taken before it is looked whether the connection has had its share of the turn */

static struct connection *connection_of(struct stream *stream) {
    return *stream_data(stream);
}

/* ---- output ---- */

void connection_wake(struct connection *connection) {
    if (connection->is_dirty || connection->is_leaving) return;
    connection->is_dirty = true;
    SLIST_INSERT_HEAD(&connection->seat->dirty, connection, dirty_link);
}

static void leave_dirty(struct connection *connection) {
    if (!connection->is_dirty) return;
    connection->is_dirty = false;
    SLIST_REMOVE(&connection->seat->dirty, connection, connection, dirty_link);
}

static void connection_leave(struct connection *connection) {
    if (connection->is_leaving) return;
    connection->is_leaving = true;
    connection_await_nothing(connection);
    stream_linger(connection->stream, (enum stream_end)connection->leaves_as);
}

/* What the socket does not take now stays in nghttp2 until the stream has drained. */
static void send_output(struct connection *connection) {
    const uint8_t *bytes;
    ssize_t len = 0;
    while (!stream_is_blocked(connection->stream) && (len = nghttp2_session_mem_send(connection->session, &bytes)) > 0)
        stream_send(connection->stream, (struct text){(const char *)bytes, (uint32_t)len}, (struct text){0});
    if (len < 0) stream_end(connection->stream, len == NGHTTP2_ERR_NOMEM ? STREAM_MEMORY : STREAM_BROKEN);
}

void connection_flush(struct connection *connection) {
    if (connection->session == NULL || connection->is_leaving) return;
    send_output(connection);
    connection_await_reader(connection);
    if (connection->is_sparse) connection_trim(connection);
    if (stream_is_blocked(connection->stream)) return;
    if (connection->is_goodbye_withheld ||
        (!nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session)))
        connection_leave(connection);
}

static void connection_drained(struct stream *stream) {
    connection_wake(connection_of(stream));
}

/* ---- input ---- */

void connection_greeted(struct connection *connection) {
    if (connection->is_greeted) return;
    connection->is_greeted = true;
    stream_greeted(connection->stream);
}

static void say_goodbye(struct connection *connection, uint32_t error, enum stream_end why) {
    if (connection->leaves_as != STREAM_DONE) return;
    connection->leaves_as = (uint8_t)why;
    (void)nghttp2_session_terminate_session(connection->session, error);
    connection_wake(connection);
}

void connection_calm(struct connection *connection) {
    say_goodbye(connection, NGHTTP2_ENHANCE_YOUR_CALM, STREAM_ABUSE);
}

void connection_spend(struct connection *connection, uint32_t points) {
    if (connection->leaves_as != STREAM_DONE) return;
    if (!budget_spend(&connection->budget, points, stream_now(connection->stream).now_ms)) connection_calm(connection);
}

/* Of a frame that is malformed nghttp2 tells the client itself, and returns no error. What it gives up for are floods
 * of what it counts, such as frames that wait to be sent. */
static void fail_input(struct connection *connection, int error) {
    if (error == NGHTTP2_ERR_NOMEM) stream_end(connection->stream, STREAM_MEMORY);
    else if (!connection->is_greeted) stream_end(connection->stream, STREAM_STRANGER);
    else if (error == NGHTTP2_ERR_CALLBACK_FAILURE) say_goodbye(connection, NGHTTP2_INTERNAL_ERROR, STREAM_BROKEN);
    else connection_calm(connection);
}

/* False: the connection ends. */
static bool feed_bytes(struct connection *connection, const uint8_t *bytes, size_t len) {
    ssize_t taken = len > 0 ? nghttp2_session_mem_recv(connection->session, bytes, len) : 0;
    if (taken < 0) fail_input(connection, (int)taken);
    return taken >= 0;
}

/* What a frame for a stream means depends on the frames before it: they are passed on first. */
static bool feed_frames(struct connection *connection, const uint8_t *bytes, size_t len) {
    size_t at = 0, fed = 0, used;
    struct frame_head head;
    while (frame_walk(&connection->walk, bytes + at, len - at, &used, &head)) {
        at += used;
        size_t begins = at - fed > FRAME_HEAD_BYTES ? at - FRAME_HEAD_BYTES : fed;
        if (head.type == NGHTTP2_DATA || head.type == NGHTTP2_HEADERS) {
            if (!feed_bytes(connection, bytes + fed, begins - fed)) return false;
            fed = begins;
        }
        session_judge_frame(connection, &head);
    }
    return feed_bytes(connection, bytes + fed, len - fed);
}

static size_t feed_session(struct connection *connection, const uint8_t *bytes, size_t len) {
    size_t at = 0;
    while (at < len && stream_may_go_on(connection->stream)) {
        size_t some = len - at < TAKE_BYTES ? len - at : TAKE_BYTES;
        connection->rest = len - at;
        if (!feed_frames(connection, bytes + at, some)) return len;
        stream_consumed(connection->stream, some);
        at += some;
        if (connection->loose != NULL) call_keep_request(connection->loose);
    }
    connection->rest = 0;
    return at;
}

static struct taken connection_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    struct connection *connection = connection_of(stream);
    if (connection == NULL || (connection->session == NULL && !session_open(connection))) {
        stream_end(stream, STREAM_MEMORY);
        return (struct taken){len, 1};
    }
    connection_heard(connection);
    size_t consumed = feed_session(connection, bytes, len);
    connection_await_frame(connection);
    connection_wake(connection);
    return (struct taken){consumed, consumed == len ? 1 : 0};
}

/* ---- life ---- */

/* Memory for nghttp2 is taken when something comes: a connection that says nothing costs little. */
static void connection_opened(struct stream *stream) {
    const struct grpc_door *door = stream_context(stream);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        stream_end(stream, STREAM_MEMORY);
        return;
    }
    connection->seat = door->seats[stream_loop(stream)];
    connection->stream = stream;
    connection->leaves_as = STREAM_DONE;
    connection->goaway_last_id = INT32_MAX;
    budget_open(&connection->budget, stream_now(stream).now_ms);
    LIST_INIT(&connection->calls);
    TAILQ_INIT(&connection->held);
    *stream_data(stream) = connection;
}

static void connection_closed(struct stream *stream) {
    struct connection *connection = connection_of(stream);
    struct grpc_call *call;
    if (connection == NULL) return;
    leave_dirty(connection);
    connection_await_nothing(connection);
    while ((call = LIST_FIRST(&connection->calls)) != NULL) call_close(call);
    calls_bury(connection->seat); /* they know their connection */
    nghttp2_session_del(connection->session);
    tally_release(connection->tally);
    free(connection);
    *stream_data(stream) = NULL;
}

/* ---- drain: GOAWAY in two steps (RFC 9113, 6.8) ---- */

static void say_last_goaway(struct connection *connection) {
    if (connection->is_last_goaway_sent) return;
    connection->is_last_goaway_sent = true;
    (void)nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(connection->session), NGHTTP2_NO_ERROR, NULL,
                                0);
    connection_wake(connection);
}

void connection_ponged(struct connection *connection) {
    if (connection->is_draining) say_last_goaway(connection);
}

/* The first GOAWAY names no stream: calls that are on their way are still answered. The second, once its ping is
 * answered or the client's time is over, names the last. */
static void begin_drain(struct connection *connection) {
    connection->is_draining = true;
    (void)nghttp2_submit_shutdown_notice(connection->session);
    (void)nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
    connection_wake(connection);
}

static void seat_drain(struct grpc_seat *seat) {
    if (seat->is_draining) return;
    seat->is_draining = true;
    for (size_t i = 0; i < seat->door->config.service_count; i++) {
        const struct grpc_service *service = &seat->door->config.services[i];
        if (service->draining != NULL) service->draining(service->service, seat->loop);
    }
}

/* Also a client that has not said anything yet may have calls on their way. */
static void connection_drain(struct stream *stream, bool is_last) {
    struct connection *connection = connection_of(stream);
    if (connection == NULL || (connection->session == NULL && !session_open(connection))) {
        stream_linger(stream, STREAM_DONE);
        return;
    }
    if (!connection->is_draining) begin_drain(connection);
    seat_drain(connection->seat);
    if (is_last) say_last_goaway(connection);
    if (connection->is_last_goaway_sent && connection->call_count == 0 && !connection->is_dirty &&
        !stream_is_blocked(stream))
        connection_leave(connection);
}

/* Calls that are on their way are made again elsewhere: the client is told that they were not looked at. */
static void connection_idle(struct stream *stream) {
    struct connection *connection = connection_of(stream);
    connection->leaves_as = STREAM_IDLE;
    say_last_goaway(connection);
}

/* ---- turns ---- */

static void grpc_commit(void *context, unsigned loop) {
    const struct grpc_door *door = context;
    struct grpc_seat *seat = door->seats[loop];
    for (size_t i = 0; i < door->config.service_count; i++) {
        const struct grpc_service *service = &door->config.services[i];
        if (service->commit != NULL) service->commit(service->service, loop);
    }
    seat->turn++;
    calls_bury(seat);
}

static uint64_t grpc_step(void *context, unsigned loop, struct instant now) {
    const struct grpc_door *door = context;
    return seat_step(door->seats[loop], now);
}

const struct protocol grpc_protocol = {
    .name = "grpc",
    .opened = connection_opened,
    .take = connection_take,
    .drained = connection_drained,
    .closed = connection_closed,
    .commit = grpc_commit,
    .step = grpc_step,
    .drain = connection_drain,
    .idle = connection_idle,
};
