/* What a seat waits for, and for how long: requests and frames that have begun, answers that are to be read, peers that
 * are silent. Each list has one patience for all its members, and is ordered by when they entered it; so only its first
 * is ever looked at. */
#include "grpc_door_internal.h"
#include "muster/limits.h"

enum {
    UNREAD_BYTES_MIN = 64 * 1024, /* with fewer that wait for its windows a connection is never in the way */
    SPARSE_MS = 20,               /* a client that was silent for so long does not ask one call after the other */
    QUIET_MS = 1000,              /* a client that has asked nothing for so long asks again later, if ever */
    UNFINISHED_SHORT_MS = 1000,   /* the time to finish a request while memory is short */
    TURN_COUNTED_MS = 1000,       /* a longer turn is one in which the loop stood still: clients could do nothing */
    TURN_ENDS = 256,              /* of each list in one turn: thousands may have entered it at once */
};

void seat_count_time(struct grpc_seat *seat, struct instant now) {
    uint64_t passed_ms = now.now_ms > seat->now.now_ms ? now.now_ms - seat->now.now_ms : 0;
    seat->waited_ms += passed_ms < TURN_COUNTED_MS ? passed_ms : TURN_COUNTED_MS;
    seat->now = now;
}

/* ---- places in lists ---- */

static void wait_enter(struct grpc_seat *seat, struct wait *wait, enum wait_list list) {
    if (wait->list != WAIT_NONE) TAILQ_REMOVE(&seat->waits[wait->list], wait, link);
    wait->list = (uint8_t)list;
    wait->since_ms = seat->waited_ms;
    if (list != WAIT_NONE) TAILQ_INSERT_TAIL(&seat->waits[list], wait, link);
}

static void wait_leave(struct grpc_seat *seat, struct wait *wait) {
    if (wait->list != WAIT_NONE) wait_enter(seat, wait, WAIT_NONE);
}

/* ---- requests ---- */

void call_await_request(struct grpc_call *call) {
    wait_enter(call->connection->seat, &call->wait, WAIT_REQUEST);
}

void call_await_nothing(struct grpc_call *call) {
    wait_leave(call->connection->seat, &call->wait);
}

bool call_awaits_request(const struct grpc_call *call) {
    return call->wait.list == WAIT_REQUEST;
}

/* ---- connections ---- */

void connection_await_frame(struct connection *connection) {
    const struct frame_walk *walk = &connection->walk;
    if (!frame_walk_is_partial(walk)) {
        wait_leave(connection->seat, &connection->frame_wait);
    } else if (connection->frame_wait.list == WAIT_NONE || connection->awaited_frame != walk->count) {
        connection->awaited_frame = walk->count;
        wait_enter(connection->seat, &connection->frame_wait, WAIT_FRAME);
    }
}

/* Who was full stays so until it has read more than what lets a small answer in: else a byte now and then would begin
 * its time anew. */
void connection_await_reader(struct connection *connection) {
    enum wait_list list = WAIT_NONE;
    if (connection_is_full(connection)) list = WAIT_FULL;
    else if (connection->unsent >= UNREAD_BYTES_MIN) list = WAIT_UNREAD;
    else if (connection->read_wait.list == WAIT_NONE) return;
    bool is_no_worse = list == connection->read_wait.list || connection->read_wait.list == WAIT_FULL;
    if (list != WAIT_NONE && is_no_worse && connection->progress < STREAM_PROGRESS_BYTES) return;
    connection->progress = 0;
    wait_enter(connection->seat, &connection->read_wait, list);
}

void connection_trim(struct connection *connection) {
    if (!connection->is_page_used || connection->call_count > 0) return;
    session_memory_trim(&connection->seat->memory, connection->streams_page);
    connection->is_page_used = false;
}

/* What is given back and taken again costs a microsecond: nothing to a client that asks now and then. */
void connection_heard(struct connection *connection) {
    struct grpc_seat *seat = connection->seat;
    connection->is_sparse = seat->waited_ms - connection->heard_ms >= SPARSE_MS;
    connection->heard_ms = seat->waited_ms;
    if (connection->silence_wait.list != WAIT_QUIET) wait_enter(seat, &connection->silence_wait, WAIT_QUIET);
}

void connection_await_nothing(struct connection *connection) {
    wait_leave(connection->seat, &connection->frame_wait);
    wait_leave(connection->seat, &connection->read_wait);
    wait_leave(connection->seat, &connection->silence_wait);
}

/* ---- those who are late ---- */

static uint64_t patience_ms(const struct grpc_seat *seat, enum wait_list list) {
    const struct grpc_door_config *config = &seat->door->config;
    const bool is_short = loops_are_short(seat->door->loops);
    switch (list) {
    case WAIT_REQUEST:
    case WAIT_FRAME:
        return is_short && config->unfinished_ms > UNFINISHED_SHORT_MS ? UNFINISHED_SHORT_MS : config->unfinished_ms;
    case WAIT_FULL:
        return is_short && config->unread_ms > DOOR_UNREAD_SHORT_MS ? DOOR_UNREAD_SHORT_MS : config->unread_ms;
    case WAIT_UNREAD:
        return is_short ? DOOR_UNREAD_SHORT_MS : UINT64_MAX;
    case WAIT_QUIET:
        return QUIET_MS;
    case WAIT_SILENT:
        return config->keepalive_ms;
    default: /* WAIT_PONG */
        return MUSTER_GRPC_PONG_MS;
    }
}

/* Who was heard since it entered the list enters it again. */
static void expect_silence(struct connection *connection) {
    struct grpc_seat *seat = connection->seat;
    bool is_silent = connection->heard_ms <= connection->silence_wait.since_ms;
    wait_enter(seat, &connection->silence_wait, is_silent ? WAIT_SILENT : WAIT_QUIET);
    if (is_silent) connection_trim(connection);
}

static void expect_pong(struct connection *connection) {
    struct grpc_seat *seat = connection->seat;
    wait_enter(seat, &connection->silence_wait, WAIT_PONG);
    (void)nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
    connection_wake(connection);
}

static struct connection *connection_of(struct wait *wait) {
    switch ((enum wait_list)wait->list) {
    case WAIT_REQUEST:
        return WAIT_OWNER(wait, struct grpc_call, wait)->connection;
    case WAIT_FRAME:
        return WAIT_OWNER(wait, struct connection, frame_wait);
    case WAIT_FULL:
    case WAIT_UNREAD:
        return WAIT_OWNER(wait, struct connection, read_wait);
    default:
        return WAIT_OWNER(wait, struct connection, silence_wait);
    }
}

/* This side does not read a connection whose socket takes no output: nothing of it is late meanwhile. */
static bool is_own_fault(const struct connection *connection, enum wait_list list) {
    return list != WAIT_FULL && list != WAIT_UNREAD && stream_is_blocked(connection->stream);
}

static void end_wait(struct grpc_seat *seat, struct wait *wait) {
    const enum wait_list list = (enum wait_list)wait->list;
    struct connection *connection = connection_of(wait);
    if (is_own_fault(connection, list)) {
        wait_enter(seat, wait, list);
        return;
    }
    switch (list) {
    case WAIT_REQUEST:
        wait_leave(seat, wait);
        call_expire_request(WAIT_OWNER(wait, struct grpc_call, wait));
        break;
    case WAIT_FRAME:
        wait_leave(seat, wait);
        stream_end(connection->stream, STREAM_UNFINISHED);
        break;
    case WAIT_FULL:
    case WAIT_UNREAD:
        wait_leave(seat, wait);
        stream_end(connection->stream, STREAM_UNREAD);
        break;
    case WAIT_QUIET:
        expect_silence(connection);
        break;
    case WAIT_SILENT:
        expect_pong(connection);
        break;
    default: /* WAIT_PONG */
        wait_leave(seat, wait);
        stream_end(connection->stream, STREAM_GONE);
        break;
    }
}

/* How long it is until the first of a list is late; UINT64_MAX: there is none. */
static uint64_t first_left_ms(const struct grpc_seat *seat, enum wait_list list, uint64_t patience) {
    const struct wait *first = TAILQ_FIRST(&seat->waits[list]);
    if (first == NULL) return UINT64_MAX;
    return first->since_ms + patience > seat->waited_ms ? first->since_ms + patience - seat->waited_ms : 0;
}

uint64_t seat_end_waits(struct grpc_seat *seat) {
    uint64_t next_ms = UINT64_MAX;
    for (enum wait_list list = WAIT_NONE + 1; list < WAIT_LISTS; list++) {
        const uint64_t patience = patience_ms(seat, list);
        if (patience == UINT64_MAX) continue;
        for (unsigned left = TURN_ENDS; left > 0 && first_left_ms(seat, list, patience) == 0; left--)
            end_wait(seat, TAILQ_FIRST(&seat->waits[list]));
        uint64_t left_ms = first_left_ms(seat, list, patience);
        if (left_ms < next_ms - seat->now.now_ms) next_ms = seat->now.now_ms + left_ms;
    }
    return next_ms;
}
