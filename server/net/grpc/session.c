/* What a session of nghttp2 tells. Options and callbacks are the same for all connections of the door. */
#include "grpc_door_internal.h"
#include "muster/limits.h"

static struct grpc_call *call_of(nghttp2_session *session, int32_t stream_id) {
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* ---- streams that are closed: nghttp2 keeps none of them, and ignores what they get ---- */

/* Of clients, every second id. */
static size_t reset_bit(int32_t stream_id) {
    return (size_t)stream_id / 2 % OWN_RESETS_KEPT;
}

static bool is_own_reset(const struct connection *connection, int32_t stream_id) {
    const size_t bit = reset_bit(stream_id);
    if ((size_t)(connection->highest_id - stream_id) / 2 >= OWN_RESETS_KEPT) return false;
    return (connection->own_resets[bit / 64] >> bit % 64 & 1) != 0;
}

static void note_own_reset(struct connection *connection, int32_t stream_id, bool is_reset) {
    const size_t bit = reset_bit(stream_id);
    const uint64_t mask = UINT64_C(1) << bit % 64;
    if (is_reset) connection->own_resets[bit / 64] |= mask;
    else connection->own_resets[bit / 64] &= ~mask;
}

/* RFC 9113, 5.1 and 5.1.1. A stream that this side has reset still gets what was on its way. */
static void judge_closed(struct connection *connection, const struct frame_head *head) {
    if (is_own_reset(connection, head->stream_id)) {
        connection_spend(connection, NUISANCE_LATE_DATA);
        return;
    }
    connection_spend(connection, NUISANCE_CLOSED_DATA);
    if (head->type == NGHTTP2_DATA)
        (void)nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, head->stream_id, NGHTTP2_STREAM_CLOSED);
    else (void)nghttp2_session_terminate_session(connection->session, NGHTTP2_PROTOCOL_ERROR);
}

/* nghttp2 counts the pieces in which they come, not the frames. */
static void count_continuations(struct connection *connection, const struct frame_head *head) {
    if (head->type != NGHTTP2_CONTINUATION) connection->continuations = 0;
    else if (++connection->continuations > MUSTER_GRPC_CONTINUATIONS_MAX) connection_calm(connection);
}

void session_judge_frame(struct connection *connection, const struct frame_head *head) {
    static const uint8_t costs[] = {
        [NGHTTP2_DATA] = 0,
        [NGHTTP2_HEADERS] = 0,
        [NGHTTP2_PRIORITY] = NUISANCE_PRIORITY,
        [NGHTTP2_RST_STREAM] = NUISANCE_RESET,
        [NGHTTP2_SETTINGS] = NUISANCE_SETTINGS,
        [NGHTTP2_PUSH_PROMISE] = NUISANCE_UNKNOWN,
        [NGHTTP2_PING] = NUISANCE_PING,
        [NGHTTP2_GOAWAY] = NUISANCE_UNKNOWN,
        [NGHTTP2_WINDOW_UPDATE] = NUISANCE_WINDOW_UPDATE,
        [NGHTTP2_CONTINUATION] = NUISANCE_CONTINUATION,
    };
    count_continuations(connection, head);
    uint32_t cost = head->type < sizeof costs ? costs[head->type] : NUISANCE_UNKNOWN;
    if (cost > 0) {
        connection_spend(connection, cost);
        return;
    }
    if (head->stream_id == 0 || head->stream_id > connection->highest_id) return;
    if (call_of(connection->session, head->stream_id) == NULL) judge_closed(connection, head);
}

/* ---- requests ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct connection *connection = user_data;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct grpc_call *call = call_new(connection, frame->hd.stream_id);
    if (call == NULL) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    connection->highest_id = frame->hd.stream_id;
    note_own_reset(connection, frame->hd.stream_id, false);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user_data) {
    (void)flags, (void)user_data;
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL) return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return request_add_header(call, name, value) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    request_skip_trailer(call, name, value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes, size_t len,
                   void *user_data) {
    struct grpc_call *call = call_of(session, stream_id);
    (void)flags, (void)user_data;
    if (call != NULL && call_must_wait(call)) {
        call_hold(call, bytes, len, false);
        return 0;
    }
    if (call != NULL) call_receive(call, bytes, len);
    return nghttp2_session_consume(session, stream_id, len);
}

static void on_request_frame(struct grpc_call *call, const nghttp2_frame *frame) {
    const bool is_empty = frame->hd.type == NGHTTP2_DATA && frame->hd.length <= frame->data.padlen;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) request_open(call);
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_end && call_must_wait(call)) call_hold(call, NULL, 0, true);
    else if (is_end) call_half_close(call);
    else call_keep_request(call);
    if (is_empty && !is_end) connection_spend(call->connection, NUISANCE_EMPTY_DATA);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct connection *connection = user_data;
    struct grpc_call *call;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if ((call = call_of(session, frame->hd.stream_id)) != NULL) on_request_frame(call, frame);
        break;
    case NGHTTP2_SETTINGS:
        connection_greeted(connection);
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) connection_ponged(connection);
        break;
    default:
        break;
    }
    return 0;
}

/* A client that has its answer is told to stop sending (RFC 9113, 8.1). */
static int end_request(struct connection *connection, int32_t stream_id) {
    const struct grpc_call *call = call_of(connection->session, stream_id);
    if (call == NULL) return 0;
    if (call->code == MUSTER_OK && !call->is_plain) budget_earn(&connection->budget, MERIT_ANSWER);
    if (call->is_half_closed) return 0;
    return nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR);
}

/* Where streams are reset too often, nghttp2 says GOAWAY INTERNAL_ERROR by itself, and goes on: ours takes its place.
 * None names a higher stream than the one before (RFC 9113, 6.8). */
static int before_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct connection *connection = user_data;
    (void)session;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    if (frame->goaway.error_code == NGHTTP2_INTERNAL_ERROR && connection->leaves_as != STREAM_BROKEN) { /* not ours */
        connection_calm(connection);
        return NGHTTP2_ERR_CANCEL;
    }
    if (frame->goaway.last_stream_id > connection->goaway_last_id) {
        connection->is_goodbye_withheld = connection->leaves_as != STREAM_DONE;
        return NGHTTP2_ERR_CANCEL;
    }
    connection->goaway_last_id = frame->goaway.last_stream_id;
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct connection *connection = user_data;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
        note_own_reset(connection, frame->hd.stream_id, true);
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR) connection_spend(connection, NUISANCE_RESET);
        return 0;
    case NGHTTP2_DATA:
        budget_earn(&connection->budget, MERIT_DATA_SENT);
        break;
    case NGHTTP2_HEADERS:
        break;
    default:
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    return end_request(connection, frame->hd.stream_id);
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user_data) {
    struct grpc_call *call = call_of(session, stream_id);
    (void)error_code, (void)user_data;
    if (call != NULL) call_close(call);
    return 0;
}

/* Each time that bytes of a CONTINUATION's head come, nghttp2 counts one more. */
enum { CONTINUATION_PIECES_MAX = FRAME_HEAD_BYTES * (MUSTER_GRPC_CONTINUATIONS_MAX + 1) };

bool session_setup(struct grpc_door *door) {
    if (nghttp2_session_callbacks_new(&door->callbacks) != 0 || nghttp2_option_new(&door->option) != 0) return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(door->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(door->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(door->callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(door->callbacks, on_frame);
    nghttp2_session_callbacks_set_before_frame_send_callback(door->callbacks, before_frame_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(door->callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(door->callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(door->option, 1);
    nghttp2_option_set_no_closed_streams(door->option, 1);
#ifdef HAVE_NGHTTP2_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(door->option, CONTINUATION_PIECES_MAX); /* CVE-2024-28182 */
#endif
    nghttp2_option_set_max_deflate_dynamic_table_size(door->option, RESPONSE_TABLE_BYTES);
    nghttp2_option_set_server_fallback_rfc7540_priorities(door->option, 1);
    return true;
}

void session_teardown(struct grpc_door *door) {
    nghttp2_session_callbacks_del(door->callbacks);
    nghttp2_option_del(door->option);
}

bool session_open(struct connection *connection) {
    const struct grpc_door *door = connection->seat->door;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MUSTER_GRPC_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MUSTER_GRPC_HEADER_BYTES_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct session_memory *memory = &connection->seat->memory;
    nghttp2_session *session;
    memory->is_opening = true;
    memory->opened_page = NULL;
    int error = nghttp2_session_server_new3(&session, door->callbacks, connection, door->option, &memory->functions);
    memory->is_opening = false;
    if (error != 0) return false;
    connection->session = session;
    connection->streams_page = memory->opened_page;
    return nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]) == 0 &&
           nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_BYTES) == 0;
}
