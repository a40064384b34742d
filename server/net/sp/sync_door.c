#include "sync_door.h"
#include "sp_side.h"

#include <stdlib.h>

struct sync_door {
    struct node *node;
    struct door *door;
};

/* Where a response goes: behind the header of its request. */
struct requester {
    struct stream *stream;
    const struct sp_frame *frame;
    size_t header_len;
};

static void send_response(void *context, struct text response) {
    const struct requester *to = context;
    struct sp_reply_head space;
    stream_send(to->stream,
                sp_reply_head(stream_is_ipc(to->stream), to->frame->payload, to->header_len, response.len, &space),
                response);
}

static void sync_message(struct stream *stream, const struct sp_frame *frame, size_t rest) {
    struct sync_door *door = stream_context(stream);
    struct requester requester = {stream, frame, sp_header_len(frame->payload, frame->payload_len)};
    (void)rest;
    if (requester.header_len == 0) {
        sp_end_broken(stream);
        return;
    }
    stream_asked(stream);
    stream_answered(stream);
    const struct text request = {(const char *)frame->payload + requester.header_len,
                                 (uint32_t)(frame->payload_len - requester.header_len)};
    node_sync_request(door->node, request, stream_now(stream), send_response, &requester);
}

static const struct sp_side sync_side = {.own = SP_REP,
                                         .other = SP_REQ,
                                         .payload_bytes_max = REPLICA_SYNC_BYTES_MAX + SP_HEADER_BYTES_MAX,
                                         .message = sync_message};

static void sync_opened(struct stream *stream) {
    sp_opened(&sync_side, stream);
}

static struct taken sync_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    return sp_take(&sync_side, stream, bytes, len);
}

static const struct protocol sync_protocol = {.name = "sync", .opened = sync_opened, .take = sync_take};

struct sync_door *sync_door_open(struct loops *loops, struct node *node, const char *url, size_t connections_max,
                                 struct error *error) {
    (void)error_fail_memory(error);
    struct sync_door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    door->node = node;
    const struct door_config config = {.protocol = &sync_protocol,
                                       .context = door,
                                       .urls = &url,
                                       .url_count = 1,
                                       .connections_max = connections_max,
                                       .is_idle_fine = true};
    if ((door->door = door_open(loops, &config, error)) != NULL) return door;
    sync_door_close(door);
    return NULL;
}

const char *sync_door_url(const struct sync_door *door) {
    return door_url(door->door, 0);
}

void sync_door_close(struct sync_door *door) {
    if (door == NULL) return;
    door_close(door->door);
    free(door);
}
