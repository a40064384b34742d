/* The traffic of a connection: requests out of the queue, replies in. */
#include "client.h"
#include "common/monotonic.h"
#include "node.h"

#include <stdlib.h>

enum {
    OUTPUT_BYTES = 64 * 1024, /* requests that are written together; one that is longer goes alone */
    FLUSHES_MAX = 8,          /* that a thread of the program writes for others before it leaves the rest */
    READS_MAX = 8,            /* before other nodes have their turn */
};

/* ---- the queue --------------------------------------------------------------------------------------------------- */

void node_queue(struct node *node, struct attempt *attempt) {
    attempt->after = NULL;
    attempt->before = node->last;
    if (node->last != NULL) node->last->after = attempt;
    else node->first = attempt;
    node->last = attempt;
}

void node_unqueue(struct node *node, struct attempt *attempt) {
    if (attempt->before != NULL) attempt->before->after = attempt->after;
    else node->first = attempt->after;
    if (attempt->after != NULL) attempt->after->before = attempt->before;
    else node->last = attempt->before;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* false: memory is short. */
static bool output_reserve(struct output *output, size_t bytes) {
    if (bytes <= output->capacity - output->len) return true;
    size_t capacity = output->len + bytes > OUTPUT_BYTES ? output->len + bytes : OUTPUT_BYTES;
    uint8_t *data = realloc(output->data, capacity);
    if (data == NULL) return false;
    output->data = data;
    output->capacity = capacity;
    return true;
}

static void output_reset(struct output *output) {
    output->len = output->sent = 0;
    if (output->capacity <= OUTPUT_BYTES) return;
    free(output->data);
    *output = (struct output){0};
}

/* Moves one request from the queue into the output. */
static void node_put_request(struct node *node, struct attempt *attempt, uint64_t now_ms) {
    struct output *output = &node->output;
    struct text bytes = request_bytes(&attempt->request);
    size_t header = sp_header_bytes(node->endpoint.is_ipc);
    uint32_t id = output_reserve(output, header + bytes.len) ? pending_add(&node->pending, attempt) : 0;
    if (id == 0) {
        attempt_end_no_memory(attempt);
        return;
    }
    node_unqueue(node, attempt);
    sp_put_header(output->data + output->len, node->endpoint.is_ipc, id, bytes.len);
    memcpy(output->data + output->len + header, bytes.data, bytes.len);
    output->len += header + bytes.len;
    attempt_is_sent(attempt, id, now_ms);
}

/* Fills the output, which is empty, from the queue. What waits behind it can still be cancelled, and the node has then
 * seen nothing of it. */
static void node_fill(struct node *node) {
    uint64_t now_ms = monotonic_ms();
    output_reset(&node->output);
    for (struct attempt *attempt; (attempt = node->first) != NULL;) {
        size_t bytes = sp_header_bytes(node->endpoint.is_ipc) + request_bytes(&attempt->request).len;
        if (node->output.len != 0 && (node->output.len >= OUTPUT_BYTES || bytes > OUTPUT_BYTES - node->output.len))
            return;
        if (now_ms >= attempt->send_until_ms) attempt_time_out(attempt, now_ms);
        else node_put_request(node, attempt, now_ms);
    }
}

/* Writes what is in the output. Without the mutex meanwhile: no other thread writes, and the I/O thread does not close
 * the stream. */
static void node_write(struct node *node) {
    struct io *io = &node->client->io;
    struct output *output = &node->output;
    struct error why;
    size_t put;
    node->is_flushing = true;
    pthread_mutex_unlock(&io->mutex);
    enum byte_stream_status status =
        byte_stream_write(&node->stream, output->data + output->sent, output->len - output->sent, &put, &why);
    pthread_mutex_lock(&io->mutex);
    node->is_flushing = false;
    output->sent += put;
    if (status == BYTE_STREAM_WAITS) node->is_blocked = true;
    if (status == BYTE_STREAM_FAILED) node_break(node, &why);
    if (node->is_blocked || node->is_broken) io_wake(io);
}

void node_flush(struct node *node) {
    for (int i = 0; node->phase == NODE_UP && !node->is_flushing && !node->is_blocked && !node->is_broken; i++) {
        if (node->output.sent == node->output.len) node_fill(node);
        if (node->output.sent == node->output.len) return;
        if (i == FLUSHES_MAX) {
            io_wake(&node->client->io);
            return;
        }
        node_write(node);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Matches the whole replies that are there with their attempts, and ends these. false: the stream is of no more use. */
static bool node_take_replies(struct node *node) {
    struct io *io = &node->client->io;
    struct attempt *first = NULL, *last = NULL;
    enum sp_result result;
    struct text message;
    uint32_t id;
    pthread_mutex_lock(&io->mutex);
    while ((result = reply_reader_next(&node->reader, &id, &message)) == SP_MESSAGE) {
        struct attempt *attempt = pending_take(&node->pending, id);
        if (attempt == NULL) continue; /* it was given up before */
        attempt_is_answered(attempt, message);
        if (last != NULL) last->after = attempt;
        else first = attempt;
        last = attempt;
    }
    pthread_mutex_unlock(&io->mutex);
    atomic_store_explicit(&node->heard_ms, monotonic_ms(), memory_order_relaxed);
    attempts_deliver(first);
    return result == SP_INCOMPLETE;
}

/* Without the mutex. BYTE_STREAM_DONE: there may be more to read. */
static enum byte_stream_status node_read_some(struct node *node, struct error *why) {
    size_t size, len;
    uint8_t *room = reply_reader_room(&node->reader, &size);
    if (room == NULL) {
        (void)error_fail_memory(why);
        return BYTE_STREAM_FAILED;
    }
    enum byte_stream_status status = byte_stream_read(&node->stream, room, size, &len, why);
    if (status == BYTE_STREAM_ENDED) (void)error_fail(why, MUSTER_UNAVAILABLE, "the node closed the connection");
    if (status != BYTE_STREAM_DONE) return status;
    reply_reader_took(&node->reader, len);
    if (!node_take_replies(node)) {
        (void)error_fail(why, MUSTER_UNAVAILABLE, "what came is not a reply, or one of more than %d bytes",
                         MUSTER_MESSAGE_BYTES_MAX);
        return BYTE_STREAM_FAILED;
    }
    return len == size ? BYTE_STREAM_DONE : BYTE_STREAM_WAITS;
}

void node_read(struct node *node) {
    struct io *io = &node->client->io;
    enum byte_stream_status status = BYTE_STREAM_DONE;
    struct error why;
    pthread_mutex_unlock(&io->mutex);
    for (int i = 0; status == BYTE_STREAM_DONE; i++) { /* what poll(2) does not see, at most a record, is not left */
        if (i >= READS_MAX && !byte_stream_holds_input(&node->stream)) break;
        status = node_read_some(node, &why);
    }
    pthread_mutex_lock(&io->mutex);
    if (status == BYTE_STREAM_ENDED || status == BYTE_STREAM_FAILED) node_break(node, &why);
}

/* ---- the end of a connection ------------------------------------------------------------------------------------- */

static void end_pending(struct attempt *attempt, const void *why) {
    attempt_end_broken(attempt, why);
}

void node_drop_traffic(struct node *node) {
    pending_drain(&node->pending, end_pending, &node->trouble);
    output_reset(&node->output);
    reply_reader_free(&node->reader);
}
