#include "pub_door.h"
#include "sp_side.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* A frame with its prefix, shared by the queues that hold it. Used on loop 0 only, once it is posted. */
struct pub_frame {
    struct post post;
    struct pub_door *door;
    size_t holders;
    uint32_t len; /* of the bytes: the prefix as on ipc, then the payload */
    uint8_t bytes[];
};

struct subscriber {
    struct stream *stream;
    unsigned ignored; /* messages that it sent */
    size_t first, count;
    struct pub_frame **queue; /* PUB_FRAMES_QUEUED; NULL: it was never slow */
    TAILQ_ENTRY(subscriber) all;
};

struct pub_door {
    struct loops *loops;
    struct door *door;
    TAILQ_HEAD(, subscriber) subscribers;
    _Atomic uint64_t dropped;
};

static void release_frame(struct pub_frame *frame) {
    if (--frame->holders == 0) free(frame);
}

static void send_frame(struct subscriber *subscriber, const struct pub_frame *frame) {
    uint32_t skip = stream_is_ipc(subscriber->stream) ? 0 : 1;
    stream_send(subscriber->stream, (struct text){(const char *)frame->bytes + skip, frame->len - skip},
                (struct text){0});
}

static struct pub_frame *take_queued(struct subscriber *subscriber) {
    struct pub_frame *frame = subscriber->queue[subscriber->first];
    subscriber->first = (subscriber->first + 1) % PUB_FRAMES_QUEUED;
    subscriber->count--;
    return frame;
}

static void queue_frame(struct pub_door *door, struct subscriber *subscriber, struct pub_frame *frame) {
    if (subscriber->queue == NULL) subscriber->queue = calloc(PUB_FRAMES_QUEUED, sizeof(struct pub_frame *));
    if (subscriber->queue == NULL || subscriber->count == PUB_FRAMES_QUEUED)
        atomic_fetch_add_explicit(&door->dropped, 1, memory_order_relaxed);
    if (subscriber->queue == NULL) return;
    if (subscriber->count == PUB_FRAMES_QUEUED) release_frame(take_queued(subscriber));
    subscriber->queue[(subscriber->first + subscriber->count++) % PUB_FRAMES_QUEUED] = frame;
    frame->holders++;
}

static void run_publish(struct post *post, struct loop *loop) {
    struct pub_frame *frame = (struct pub_frame *)post;
    struct subscriber *subscriber;
    (void)loop;
    TAILQ_FOREACH(subscriber, &frame->door->subscribers, all) {
        if (!sp_is_greeted(subscriber->stream)) continue;
        if (stream_unsent(subscriber->stream) > 0) queue_frame(frame->door, subscriber, frame);
        else send_frame(subscriber, frame);
    }
    release_frame(frame);
}

void pub_door_publish(struct pub_door *door, const void *bytes, size_t len) {
    struct pub_frame *frame = malloc(sizeof *frame + SP_PREFIX_BYTES_MAX + len);
    if (frame == NULL) {
        atomic_fetch_add_explicit(&door->dropped, 1, memory_order_relaxed);
        return;
    }
    *frame = (struct pub_frame){.post = {.run = run_publish}, .door = door, .holders = 1};
    size_t prefix = sp_prefix_write(true, len, frame->bytes);
    memcpy(frame->bytes + prefix, bytes, len);
    frame->len = (uint32_t)(prefix + len);
    loop_post(loops_at(door->loops, 0), &frame->post);
}

uint64_t pub_door_dropped(const struct pub_door *door) {
    return atomic_load_explicit(&door->dropped, memory_order_relaxed);
}

/* ---- the protocol ---- */

static void pub_message(struct stream *stream, const struct sp_frame *frame, size_t rest) {
    struct subscriber *subscriber = *stream_data(stream);
    (void)frame, (void)rest;
    if (++subscriber->ignored > PUB_IGNORED_MAX) sp_end_broken(stream);
}

static const struct sp_side pub_side = {
    .own = SP_PUB, .other = SP_SUB, .payload_bytes_max = PUB_IGNORED_BYTES_MAX, .message = pub_message};

static void pub_opened(struct stream *stream) {
    struct pub_door *door = stream_context(stream);
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (subscriber == NULL) {
        stream_end(stream, STREAM_MEMORY);
        return;
    }
    subscriber->stream = stream;
    *stream_data(stream) = subscriber;
    TAILQ_INSERT_TAIL(&door->subscribers, subscriber, all);
    sp_opened(&pub_side, stream);
}

static struct taken pub_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    return sp_take(&pub_side, stream, bytes, len);
}

static void pub_drained(struct stream *stream) {
    struct subscriber *subscriber = *stream_data(stream);
    while (subscriber->count > 0 && stream_unsent(stream) == 0) {
        struct pub_frame *frame = take_queued(subscriber);
        send_frame(subscriber, frame);
        stream_flush(stream);
        release_frame(frame);
    }
}

static void pub_closed(struct stream *stream) {
    struct pub_door *door = stream_context(stream);
    struct subscriber *subscriber = *stream_data(stream);
    if (subscriber == NULL) return;
    while (subscriber->count > 0) release_frame(take_queued(subscriber));
    TAILQ_REMOVE(&door->subscribers, subscriber, all);
    free(subscriber->queue);
    free(subscriber);
}

static const struct protocol pub_protocol = {
    .name = "gossip", .opened = pub_opened, .take = pub_take, .drained = pub_drained, .closed = pub_closed};

struct pub_door *pub_door_open(struct loops *loops, const char *url, size_t connections_max, struct error *error) {
    (void)error_fail_memory(error);
    struct pub_door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    door->loops = loops;
    TAILQ_INIT(&door->subscribers);
    const struct door_config config = {.protocol = &pub_protocol,
                                       .context = door,
                                       .urls = &url,
                                       .url_count = 1,
                                       .connections_max = connections_max,
                                       .unread_ms = PUB_UNREAD_MS,
                                       .is_idle_fine = true,
                                       .is_on_one_loop = true};
    if ((door->door = door_open(loops, &config, error)) != NULL) return door;
    free(door);
    return NULL;
}

const char *pub_door_url(const struct pub_door *door) {
    return door_url(door->door, 0);
}

void pub_door_close(struct pub_door *door) {
    if (door == NULL) return;
    door_close(door->door);
    free(door);
}
