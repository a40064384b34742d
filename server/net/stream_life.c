/* Opening, deadlines and closing of connections on their loop. */
#include "net_internal.h"
#include "sys/log.h"
#include "tls_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- deadlines ---- */

/* All streams of a list have the same timeout, so appending keeps the list ordered by time. */
void stream_move_to(struct stream *stream, enum slow_list list) {
    struct door_part *part = stream_part(stream);
    if (stream->slow != SLOW_NONE) TAILQ_REMOVE(&part->slow[stream->slow], stream, slow_link);
    stream->slow = (uint8_t)list;
    stream->slow_ms = stream->loop->now.now_ms;
    if (list != SLOW_NONE) TAILQ_INSERT_TAIL(&part->slow[list], stream, slow_link);
}

enum slow_list stream_quiet_list(const struct stream *stream) {
    if (!stream->has_greeted) return SLOW_GREETING;
    return stream->has_asked || stream->door->is_idle_fine ? SLOW_NONE : SLOW_IDLE;
}

static void expire_slow(struct stream_queue *queue, uint64_t now_ms, uint64_t patience_ms, enum stream_end why) {
    struct stream *stream, *next;
    for (stream = TAILQ_FIRST(queue); stream != NULL && stream->slow_ms + patience_ms <= now_ms; stream = next) {
        next = TAILQ_NEXT(stream, slow_link);
        stream_end(stream, why);
    }
}

/* What is blocked is not read: that its message does not go on is not the peer's fault. */
static void expire_unfinished(struct stream_queue *queue, uint64_t now_ms, uint64_t patience_ms) {
    struct stream *stream, *next;
    for (stream = TAILQ_FIRST(queue); stream != NULL && stream->slow_ms + patience_ms <= now_ms; stream = next) {
        next = TAILQ_NEXT(stream, slow_link);
        if (stream->is_blocked) stream_move_to(stream, SLOW_UNFINISHED);
        else stream_end(stream, STREAM_UNFINISHED);
    }
}

static void expire_idle(struct stream_queue *queue, uint64_t now_ms, uint64_t patience_ms) {
    struct stream *stream, *next;
    for (stream = TAILQ_FIRST(queue); stream != NULL && stream->slow_ms + patience_ms <= now_ms; stream = next) {
        next = TAILQ_NEXT(stream, slow_link);
        if (stream->door->protocol->idle == NULL) {
            stream_end(stream, STREAM_IDLE);
        } else if (stream->why == STREAM_OPEN) {
            stream_move_to(stream, SLOW_NONE);
            stream->door->protocol->idle(stream);
        }
    }
}

static void expire_lingering(struct stream_queue *queue, uint64_t now_ms) {
    struct stream *stream, *next;
    for (stream = TAILQ_FIRST(queue); stream != NULL && stream->slow_ms + DOOR_LINGER_MS <= now_ms; stream = next) {
        next = TAILQ_NEXT(stream, slow_link);
        stream_end(stream, (enum stream_end)stream->leaves_as);
    }
}

static void expire_part(struct loop *loop, const struct door *door, bool is_short) {
    struct door_part *part = &loop->parts[door->index];
    uint64_t now_ms = loop->now.now_ms;
    bool is_crowded = atomic_load(&door->crowded_until_ms) > now_ms;
    uint64_t unread_ms = is_short && door->unread_ms > DOOR_UNREAD_SHORT_MS ? DOOR_UNREAD_SHORT_MS : door->unread_ms;
    uint64_t idle_ms = is_crowded && door->idle_ms > DOOR_IDLE_CROWDED_MS ? DOOR_IDLE_CROWDED_MS : door->idle_ms;
    struct stream *stream, *next;
    for (stream = TAILQ_FIRST(&part->unread); stream != NULL && stream->unread_ms + unread_ms <= now_ms;
         stream = next) {
        next = TAILQ_NEXT(stream, unread_link);
        stream_end(stream, STREAM_UNREAD);
    }
    expire_slow(&part->slow[SLOW_GREETING], now_ms, is_crowded ? idle_ms : door->unfinished_ms, STREAM_STRANGER);
    expire_idle(&part->slow[SLOW_IDLE], now_ms, idle_ms);
    expire_unfinished(&part->slow[SLOW_UNFINISHED], now_ms, door->unfinished_ms);
    expire_lingering(&part->slow[SLOW_LINGERING], now_ms);
}

void streams_expire(struct loop *loop) {
    bool is_short = loops_are_short(loop->loops);
    for (unsigned i = 0; i < atomic_load(&loop->loops->door_count); i++) {
        const struct door *door = loop->loops->doors[i];
        if (door != NULL) expire_part(loop, door, is_short);
    }
}

/* ---- opening and ending ---- */

static bool add_chunk(struct loop *loop) {
    if (loop->chunk_count == LOOP_CHUNKS_MAX) return false;
    struct stream *chunk = calloc(STREAMS_PER_CHUNK, sizeof *chunk);
    if (chunk == NULL) return false;
    loop->chunks[loop->chunk_count++] = chunk;
    for (size_t i = 0; i < STREAMS_PER_CHUNK; i++) {
        chunk[i].loop = loop;
        chunk[i].source = (struct source){SOURCE_STREAM, -1};
        SLIST_INSERT_HEAD(&loop->free_streams, &chunk[i], end_link);
    }
    return true;
}

/* Slots are reused while posts to their former streams may be pending; the id tells them apart. */
struct stream *stream_open(struct loop *loop, struct door *door, int fd, enum stream_kind kind,
                           const struct remote *remote) {
    struct stream *stream = NULL;
    if (!SLIST_EMPTY(&loop->free_streams) || add_chunk(loop)) stream = SLIST_FIRST(&loop->free_streams);
    if (stream == NULL) {
        close(fd);
        return NULL;
    }
    stream->source.fd = fd;
    if (!loop_watch(loop, &stream->source, EPOLLIN, true)) {
        stream->source.fd = -1;
        close(fd);
        return NULL;
    }
    SLIST_REMOVE_HEAD(&loop->free_streams, end_link);
    stream->door = door;
    stream->is_ipc = kind == STREAM_IPC;
    stream->is_tls = kind == STREAM_TLS;
    stream->remote = *remote;
    stream->phase = 0;
    stream->leaves_as = STREAM_DONE;
    stream->data = NULL;
    stream->has_asked = stream->has_greeted = stream->is_refused = stream->is_leaving = stream->is_opened = false;
    stream->stale = stream->stale_wire = stream->due = 0;
    atomic_store(&stream->id, ++loop->next_id << 8 | loop->index);
    stream_move_to(stream, SLOW_GREETING);
    if (!stream->is_tls) stream_opened(stream);
    return stream;
}

void stream_opened(struct stream *stream) {
    stream->is_opened = true;
    stream->door->protocol->opened(stream);
}

void stream_end(struct stream *stream, enum stream_end why) {
    assert(why != STREAM_OPEN && stream->source.fd >= 0);
    if (stream->why != STREAM_OPEN) return;
    stream->why = (uint8_t)why;
    SLIST_INSERT_HEAD(&stream->loop->ending, stream, end_link);
}

static bool give_up(struct stream *victim, const struct stream *needy, enum stream_end why, size_t bytes) {
    struct loop *loop = victim->loop;
    if (victim == needy || victim == loop->visited || victim->why != STREAM_OPEN) return false;
    stream_end(victim, why);
    stream_drop_input(victim);
    stream_drop_output(victim);
    tls_drop_record(victim);
    return loops_take_bytes(loop->loops, bytes);
}

bool streams_make_room(const struct stream *needy, size_t bytes) {
    const struct loop *loop = needy->loop;
    struct stream *victim;
    for (unsigned i = 0; i < DOORS_MAX; i++) {
        TAILQ_FOREACH(victim, &loop->parts[i].unread, unread_link) {
            if (give_up(victim, needy, STREAM_UNREAD, bytes)) return true;
        }
    }
    for (unsigned i = 0; i < DOORS_MAX; i++) {
        TAILQ_FOREACH(victim, &loop->parts[i].slow[SLOW_UNFINISHED], slow_link) {
            if (give_up(victim, needy, STREAM_UNFINISHED, bytes)) return true;
        }
    }
    return false;
}

/* A connection that its peer closes so soon after the loop stood still was given up while it did. */
enum { GIVEN_UP_MS = 1000 };

static void log_cut(const struct stream *stream) {
    log_line(LEVEL_INFO, "connection_cut", "a client closed its connection before all was sent",
             {"peer", stream->remote.name, 0}, {"door", stream->door->protocol->name, 0},
             {"unsent", NULL, stream_unsent(stream)}, {"unfinished", NULL, stream->in_len - stream->in_at});
}

static bool is_cut(const struct stream *stream) {
    if (stream->why != STREAM_GONE) return false;
    const struct loop *loop = stream->loop;
    bool is_given_up = loop->thawed_ms != 0 && loop->now.now_ms - loop->thawed_ms < GIVEN_UP_MS;
    return is_given_up || stream_unsent(stream) > 0 || stream->in_len > stream->in_at;
}

static void log_end(const struct stream *stream) {
    static const struct {
        enum log_level level;
        const char *event, *message;
    } ends[STREAM_ENDS] = {
        [STREAM_GONE] = {LEVEL_DEBUG, "connection_closed", "a client closed its connection"},
        [STREAM_STRANGER] = {LEVEL_INFO, "handshake_failed", "closed a connection that did not shake hands"},
        [STREAM_BROKEN] = {LEVEL_WARN, "connection_broken", "closed a connection that sent what is no message"},
        [STREAM_UNREAD] = {LEVEL_WARN, "connection_unread", "closed a connection that does not read its replies"},
        [STREAM_UNFINISHED] = {LEVEL_WARN, "connection_unfinished",
                               "closed a connection that did not finish a message"},
        [STREAM_IDLE] = {LEVEL_INFO, "connection_idle", "closed a connection that never asked anything"},
        [STREAM_ABUSE] = {LEVEL_WARN, "connection_abuse", "closed a connection that was past its abuse budget"},
        [STREAM_MEMORY] = {LEVEL_ERROR, "out_of_memory", "closed a connection for want of memory"},
    };
    const char *failure = tls_failure(stream);
    if (failure != NULL) {
        log_line(LEVEL_INFO, "tls_failed", "closed a connection on which TLS failed", {"peer", stream->remote.name, 0},
                 {"door", stream->door->protocol->name, 0}, {"reason", failure, 0});
        return;
    }
    if (ends[stream->why].event == NULL) return;
    if (is_cut(stream)) {
        log_cut(stream);
        return;
    }
    log_line(ends[stream->why].level, ends[stream->why].event, ends[stream->why].message,
             {"peer", stream->remote.name, 0}, {"door", stream->door->protocol->name, 0},
             {"connections", NULL, atomic_load(&stream->door->connections)});
}

/* A reset discards what the kernel still holds for a peer that does not read. */
static void close_socket(int fd, enum stream_end why) {
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (why == STREAM_UNREAD || why == STREAM_UNFINISHED || why == STREAM_MEMORY)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

/* Whether the peer got all that was meant for it. */
static bool is_clean_end(const struct stream *stream) {
    return stream->why == STREAM_DONE || stream->why == STREAM_IDLE || stream->why == STREAM_GONE ||
           stream->why == STREAM_STRANGER || stream->why == STREAM_BROKEN;
}

static void reap_stream(struct stream *stream) {
    struct loop *loop = stream->loop;
    struct door *door = stream->door;
    if (stream->why == STREAM_GONE && !stream->has_greeted) stream->why = STREAM_STRANGER;
    atomic_fetch_add(&stream_part(stream)->ended[stream->why], 1);
    log_end(stream);
    if (stream->is_opened && door->protocol->closed != NULL) door->protocol->closed(stream);
    atomic_store(&stream->id, 0);
    if (loop->owner == stream) loop->owner = NULL, loop->out_used = 0;
    if (stream->slow != SLOW_LINGERING && is_clean_end(stream)) tls_say_goodbye(stream);
    if (stream->is_blocked) TAILQ_REMOVE(&stream_part(stream)->unread, stream, unread_link);
    stream_leave_queue(stream);
    stream_stop_shaking(stream);
    if (stream->is_dirty) SLIST_REMOVE(&loop->dirty, stream, stream, dirty_link);
    stream_move_to(stream, SLOW_NONE);
    stream->is_blocked = stream->has_backlog = stream->is_dirty = false;
    stream_drop_input(stream);
    stream_drop_output(stream);
    tls_close(stream);
    close_socket(stream->source.fd, (enum stream_end)stream->why);
    stream->source.fd = -1;
    stream->why = STREAM_OPEN;
    door_forget_connection(door, &stream->remote.key);
    SLIST_INSERT_HEAD(&loop->free_streams, stream, end_link);
}

/* Closing one stream may end others. */
void streams_reap(struct loop *loop) {
    struct stream *stream;
    while ((stream = SLIST_FIRST(&loop->ending)) != NULL) {
        SLIST_REMOVE_HEAD(&loop->ending, end_link);
        reap_stream(stream);
    }
}

static uint32_t waiting_in(const struct stream *stream) {
    int waiting = 0;
    return ioctl(stream->source.fd, FIONREAD, &waiting) == 0 ? (uint32_t)waiting : 0;
}

static void streams_each(struct loop *loop, void (*each)(struct stream *stream, const void *context),
                         const void *context) {
    for (size_t i = 0; i < loop->chunk_count; i++)
        for (size_t j = 0; j < STREAMS_PER_CHUNK; j++)
            if (loop->chunks[i][j].source.fd >= 0) each(&loop->chunks[i][j], context);
}

static void end_of_door(struct stream *stream, const void *door) {
    if (stream->door == door) stream_end(stream, STREAM_DONE);
}

void streams_close_of(struct loop *loop, const struct door *door) {
    streams_each(loop, end_of_door, door);
    streams_reap(loop);
}

/* ---- draining ---- */

static void call_last(struct stream *stream, const void *door) {
    if (stream->door == door) stream->due = stream->in_len - stream->in_at + waiting_in(stream);
}

static bool is_busy(const struct stream *stream) {
    if (stream->has_backlog || atomic_load(&stream->unsent) > 0) return true;
    return (!stream_part(stream)->is_last_call || stream->due > 0) && waiting_in(stream) > 0;
}

void stream_begin_lingering(struct stream *stream) {
    tls_say_goodbye(stream);
    stream_move_to(stream, SLOW_LINGERING);
    if (shutdown(stream->source.fd, SHUT_WR) != 0 || !loop_watch(stream->loop, &stream->source, EPOLLIN, false))
        stream_end(stream, STREAM_GONE);
}

/* Whether the connection keeps its door from being drained. */
static bool drain_stream(struct stream *stream, enum drain_step step) {
    if (stream->slow == SLOW_LINGERING || stream->why != STREAM_OPEN) return true;
    if (stream->door->protocol->drain != NULL && stream->is_opened) {
        if (!stream->is_leaving) stream->door->protocol->drain(stream, step == DRAIN_LAST);
        return true;
    }
    if (is_busy(stream)) return true;
    if (step == DRAIN_LOOK || (step == DRAIN_CLOSE && !stream->is_refused)) return false;
    stream_begin_lingering(stream);
    return true;
}

bool streams_drain(struct loop *loop, const struct door *door, enum drain_step step) {
    bool is_any_busy = false;
    if (step == DRAIN_LAST && door->protocol->drain == NULL && !loop->parts[door->index].is_last_call) {
        loop->parts[door->index].is_last_call = true;
        streams_each(loop, call_last, door);
    }
    for (size_t i = 0; i < loop->chunk_count; i++)
        for (size_t j = 0; j < STREAMS_PER_CHUNK; j++) {
            struct stream *stream = &loop->chunks[i][j];
            if (stream->source.fd >= 0 && stream->door == door) is_any_busy |= drain_stream(stream, step);
        }
    return is_any_busy;
}

void streams_free(struct loop *loop) {
    for (size_t i = 0; i < loop->chunk_count; i++) free(loop->chunks[i]);
}

/* ---- standing still ---- */

static void mark_waiting(struct stream *stream) {
    if (stream->is_tls) tls_mark_stale(stream, waiting_in(stream));
    else stream->stale += waiting_in(stream);
}

static void thaw_stream(struct stream *stream, const void *unconsumed) {
    bool is_visited = stream == stream->loop->visited;
    stream->stale = is_visited ? (uint32_t) * (const size_t *)unconsumed : stream->in_len - stream->in_at;
    mark_waiting(stream);
    stream->unread_ms += stream->loop->stood_still_ms; /* time in which the loop did not run does not count */
    stream->slow_ms += stream->loop->stood_still_ms;
}

void stream_mark_stale(struct stream *stream) {
    stream->stale = stream->in_len - stream->in_at;
    mark_waiting(stream);
}

/* Iterates over all connections, which nothing else does while the loop serves; rare. */
void streams_mark_stale(struct loop *loop, size_t unconsumed) {
    streams_each(loop, thaw_stream, &unconsumed);
    log_line(LEVEL_WARN, "stood_still", "this process did not run for a while; what was written meanwhile is refused",
             {"ms", NULL, loop->stood_still_ms}, {"loop", NULL, loop->index});
    if (loop->index != 0) return;
    for (unsigned i = 0; i < atomic_load(&loop->loops->door_count); i++) {
        struct door *door = loop->loops->doors[i];
        for (size_t j = 0; door != NULL && j < door->listener_count; j++)
            listener_accept(loop, &door->listeners[j], true);
    }
}
