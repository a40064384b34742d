#include "link.h"
#include "common/byte_stream.h"
#include "common/lookup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Turns of reading before other links have theirs. */
enum { READS_MAX = 8 };

/* What is to be sent from `at` on, or was read and is to be told of from `at` on. */
struct link_bytes {
    uint8_t *data;
    size_t capacity, len, at;
};

struct link {
    const struct link_kind *kind;
    void *context;

    struct endpoint endpoint;
    struct lookup *lookup;
    struct target targets[TARGETS_MAX];
    size_t target_count, target_at;
    uint64_t looked_up_us; /* when the targets were found; 0: never */

    enum link_state state;
    struct byte_stream stream;
    uint64_t due_us, heard_us, again_us;
    bool was_answered; /* a message came over this connection */
    bool is_blocked;   /* the peer takes no more for now */
    size_t refusals;   /* of this dial */
    bool was_refused;
    uint32_t failures; /* dials in a row */
    struct error why;
    struct link_bytes input, output; /* the greetings are at their beginnings */
};

static uint64_t after_ms(uint64_t now_us, uint64_t ms) {
    return now_us + ms * 1000;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void bytes_free(struct link_bytes *bytes) {
    free(bytes->data);
    *bytes = (struct link_bytes){0};
}

/* What is before `at` is forgotten. Memory that one long message took is given back. */
static void bytes_discard(struct link_bytes *bytes) {
    bytes->len -= bytes->at;
    if (bytes->len != 0 && bytes->at != 0) memmove(bytes->data, bytes->data + bytes->at, bytes->len);
    bytes->at = 0;
    if (bytes->len == 0 && bytes->capacity > LINK_INPUT_BYTES_MIN) bytes_free(bytes);
}

/* Makes room for so many bytes more. It doubles, so that little is copied. */
static bool bytes_reserve(struct link_bytes *bytes, size_t more) {
    size_t capacity = bytes->capacity == 0 ? LINK_INPUT_BYTES_MIN : bytes->capacity;
    while (capacity - bytes->len < more) capacity *= 2;
    if (capacity == bytes->capacity) return true;
    uint8_t *data = realloc(bytes->data, capacity);
    if (data == NULL) return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

static void bytes_put(struct link_bytes *bytes, const void *data, size_t len) {
    if (len == 0) return;
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void link_hang_up(struct link *link) {
    byte_stream_close(&link->stream);
    lookup_drop(link->lookup);
    link->lookup = NULL;
    bytes_free(&link->input);
    bytes_free(&link->output);
    link->is_blocked = false;
    link->state = LINK_DOWN;
    link->due_us = UINT64_MAX;
}

/* The link is down, as link->why says. */
static void link_end(struct link *link, uint64_t now_us) {
    bool was_up = link->state == LINK_UP, was_looking_up = link->state == LINK_LOOKING_UP;
    uint64_t wait_ms = LINK_AGAIN_MIN_MS;
    link_hang_up(link);
    if (was_up && link->was_answered) link->failures = wait_ms = 0;
    else
        for (uint32_t i = 0; i < link->failures && wait_ms < LINK_AGAIN_MAX_MS; i++) wait_ms *= 2;
    if (wait_ms > LINK_AGAIN_MAX_MS) wait_ms = LINK_AGAIN_MAX_MS;
    if (was_looking_up || link->why.code != MUSTER_UNAVAILABLE) wait_ms = LINK_AGAIN_SHORTAGE_MS;
    if (wait_ms != 0) link->failures++;
    link->again_us = after_ms(now_us, wait_ms);
}

static void link_connect(struct link *link, uint64_t now_us);

/* This address failed: the next one is tried. */
static void target_failed(struct link *link, uint64_t now_us) {
    byte_stream_close(&link->stream);
    link->target_at++;
    link_connect(link, now_us);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static bool nobody_listens(int number) {
    return number == ECONNREFUSED || number == ENOENT; /* of TCP, of a Unix socket */
}

static void link_connect(struct link *link, uint64_t now_us) {
    link->state = LINK_CONNECTING;
    for (; link->target_at < link->target_count; link->target_at++) {
        int on = 1;
        if (!byte_stream_open(&link->stream, &link->targets[link->target_at], &link->why)) {
            link->refusals += nobody_listens(link->stream.failure);
            continue;
        }
        (void)setsockopt(link->stream.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        bool has_other = link->target_at + 1 < link->target_count;
        link->due_us = after_ms(now_us, has_other ? LINK_CONNECT_NEXT_MS : LINK_CONNECT_MS);
        return;
    }
    link->was_refused = link->refusals != 0 && link->refusals == link->target_count;
    link_end(link, now_us);
}

static void link_connect_first(struct link *link, uint64_t now_us) {
    link->target_at = link->refusals = 0;
    link_connect(link, now_us);
}

static bool knows_targets(const struct link *link, uint64_t now_us) {
    return link->target_count != 0 && link->looked_up_us != 0 &&
           now_us < after_ms(link->looked_up_us, LINK_LOOKUP_KEPT_MS);
}

static void link_look_up(struct link *link, uint64_t now_us) {
    struct target only;
    if (target_of(&link->endpoint, &only)) {
        link->targets[0] = only;
        link->target_count = 1;
        link_connect_first(link, now_us);
    } else if (knows_targets(link, now_us)) {
        link_connect_first(link, now_us);
    } else {
        link->state = LINK_LOOKING_UP;
        link->due_us = after_ms(now_us, LINK_LOOKUP_MS);
        if ((link->lookup = lookup_start(&link->endpoint, &link->why)) == NULL) link_end(link, now_us);
    }
}

/* Where a name server fails, the addresses that it named before are tried. */
static void link_looked_up(struct link *link, uint64_t now_us) {
    struct target found[TARGETS_MAX];
    size_t count = 0;
    if (lookup_has_ended(link->lookup)) count = lookup_targets(link->lookup, found, &link->why);
    else if (now_us < link->due_us) return;
    else
        (void)error_fail(&link->why, MUSTER_UNAVAILABLE, "host name does not resolve within %d s",
                         LINK_LOOKUP_MS / 1000);
    lookup_drop(link->lookup);
    link->lookup = NULL;
    if (count != 0) {
        memcpy(link->targets, found, count * sizeof found[0]);
        link->target_count = count;
        link->looked_up_us = now_us;
    }
    if (link->target_count != 0) link_connect_first(link, now_us);
    else link_end(link, now_us);
}

/* Between nodes there is no TLS: what they send is sealed. */
static bool check_plain(const struct endpoint *endpoint, struct error *error) {
    if (!endpoint->is_tls) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "nodes are dialled without TLS");
}

void link_dial(struct link *link, const char *url, uint64_t now_us) {
    struct endpoint endpoint;
    link_hang_up(link);
    link->was_refused = false;
    link->why = (struct error){0};
    if (!endpoint_parse(&endpoint, text_of(url), &link->why) || !check_plain(&endpoint, &link->why)) {
        link_end(link, now_us);
        return;
    }
    if (strcmp(endpoint.address, link->endpoint.address) != 0) link->target_count = 0;
    link->endpoint = endpoint;
    link_look_up(link, now_us);
}

/* ---- reading and writing ----------------------------------------------------------------------------------------- */

/* Ends a link whose greetings are exchanged; before that, this address failed. */
static void link_break(struct link *link, uint64_t now_us) {
    if (link->state == LINK_UP) {
        link_end(link, now_us);
        return;
    }
    link->input.len = link->output.len = link->output.at = 0;
    target_failed(link, now_us);
}

static void link_break_because(struct link *link, const char *why, uint64_t now_us) {
    (void)error_fail(&link->why, MUSTER_UNAVAILABLE, "%s", why);
    link_break(link, now_us);
}

/* Writes what there is, as far as the peer takes it. False: the link broke. */
static bool link_flush(struct link *link, uint64_t now_us) {
    struct link_bytes *output = &link->output;
    enum byte_stream_status status = BYTE_STREAM_DONE;
    size_t put;
    while (status == BYTE_STREAM_DONE && output->at < output->len) {
        status =
            byte_stream_write(&link->stream, output->data + output->at, output->len - output->at, &put, &link->why);
        output->at += put;
    }
    link->is_blocked = status == BYTE_STREAM_WAITS;
    if (status == BYTE_STREAM_FAILED) {
        link_break(link, now_us);
        return false;
    }
    bytes_discard(output);
    return true;
}

/* False: the link broke. */
static bool link_take_greeting(struct link *link, uint64_t now_us) {
    switch (sp_greeting_read(link->input.data, link->input.len, link->kind->other)) {
    case SP_MORE:
        return true;
    case SP_BAD:
        link_break_because(link, "what answers there is not a peer's port of this kind", now_us);
        return false;
    case SP_WHOLE:
        break;
    }
    link->input.at = SP_GREETING_BYTES;
    link->state = LINK_UP;
    link->due_us = UINT64_MAX;
    link->why = (struct error){0};
    return true;
}

/* Tells of the whole messages that are there. False: the link broke. */
static bool link_take_messages(struct link *link, uint64_t now_us) {
    struct link_bytes *input = &link->input;
    struct sp_frame frame;
    enum sp_verdict verdict;
    while ((verdict = sp_frame_read(input->data + input->at, input->len - input->at, link->endpoint.is_ipc,
                                    link->kind->message_bytes_max, &frame)) == SP_WHOLE) {
        link->was_answered = true;
        link->failures = 0;
        link->kind->message(link->context, (struct text){(const char *)frame.payload, (uint32_t)frame.payload_len});
        input->at += frame.total;
    }
    if (verdict == SP_MORE) return true;
    link_break_because(link, "what came is not a message, or one that is too long", now_us);
    return false;
}

static bool link_take_input(struct link *link, uint64_t now_us) {
    if (link->state == LINK_GREETING && !link_take_greeting(link, now_us)) return false;
    return link->state != LINK_UP || link_take_messages(link, now_us);
}

/* Whether there may be more to read. */
static bool link_read_some(struct link *link, uint64_t now_us) {
    struct link_bytes *input = &link->input;
    size_t got;
    bytes_discard(input);
    if (!bytes_reserve(input, 1)) {
        (void)error_fail_memory(&link->why);
        link_end(link, now_us);
        return false;
    }
    size_t room = input->capacity - input->len;
    enum byte_stream_status status = byte_stream_read(&link->stream, input->data + input->len, room, &got, &link->why);
    if (status == BYTE_STREAM_ENDED) link_break_because(link, "the peer closed the connection", now_us);
    else if (status == BYTE_STREAM_FAILED) link_break(link, now_us);
    if (status != BYTE_STREAM_DONE) return false;
    input->len += got;
    link->heard_us = now_us;
    return link_take_input(link, now_us) && got == room;
}

/* ---- greeting ---------------------------------------------------------------------------------------------------- */

static void link_greet(struct link *link, uint64_t now_us) {
    uint8_t greeting[SP_GREETING_BYTES];
    sp_greeting_write(link->kind->own, greeting);
    link->state = LINK_GREETING;
    link->was_answered = false;
    link->heard_us = now_us;
    link->due_us = after_ms(now_us, LINK_CONNECT_MS);
    if (!bytes_reserve(&link->output, sizeof greeting)) {
        (void)error_fail_memory(&link->why);
        link_end(link, now_us);
        return;
    }
    bytes_put(&link->output, greeting, sizeof greeting);
    (void)link_flush(link, now_us);
}

static void link_establish(struct link *link, uint64_t now_us) {
    enum byte_stream_status status = byte_stream_establish(&link->stream, &link->why);
    if (status == BYTE_STREAM_WAITS) return;
    if (status == BYTE_STREAM_DONE) {
        link_greet(link, now_us);
        return;
    }
    link->refusals += nobody_listens(link->stream.failure);
    target_failed(link, now_us);
}

/* ---- for the poll ------------------------------------------------------------------------------------------------ */

struct pollfd link_polled(const struct link *link) {
    struct pollfd polled = {.fd = link->stream.fd};
    if (link->state == LINK_DOWN) polled.fd = -1;
    else if (link->state == LINK_LOOKING_UP) polled = (struct pollfd){.fd = lookup_fd(link->lookup), .events = POLLIN};
    else polled.events = byte_stream_wants(link->state != LINK_CONNECTING, link->is_blocked);
    return polled;
}

uint64_t link_due_us(const struct link *link) {
    return link->due_us;
}

void link_ready(struct link *link, short events, uint64_t now_us) {
    switch (link->state) {
    case LINK_DOWN:
        return;
    case LINK_LOOKING_UP:
        link_looked_up(link, now_us);
        return;
    case LINK_CONNECTING:
        link_establish(link, now_us);
        return;
    case LINK_GREETING:
    case LINK_UP:
        if ((events & POLLOUT) != 0 && !link_flush(link, now_us)) return;
        if ((events & ~POLLOUT) == 0) return;
        for (int i = 0; i < READS_MAX && link_read_some(link, now_us); i++) {
        }
        return;
    }
}

void link_step(struct link *link, uint64_t now_us) {
    if (now_us < link->due_us) return;
    if (link->state == LINK_LOOKING_UP) link_looked_up(link, now_us);
    else if (link->state == LINK_CONNECTING) link_break_because(link, "no answer to the dial", now_us);
    else if (link->state == LINK_GREETING)
        link_break_because(link, "it is connected, and has sent no greeting", now_us);
}

/* ---- for its owner ----------------------------------------------------------------------------------------------- */

struct link *link_new(const struct link_kind *kind, void *context) {
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL) return NULL;
    link->kind = kind;
    link->context = context;
    link->stream.fd = -1;
    link->due_us = UINT64_MAX;
    return link;
}

void link_free(struct link *link) {
    if (link == NULL) return;
    link_hang_up(link);
    free(link);
}

void link_adopt(struct link *link, int fd, bool is_ipc, uint64_t now_us) {
    link_hang_up(link);
    link->endpoint.is_ipc = is_ipc;
    link->target_at = link->target_count = 0;
    link->stream.fd = fd;
    link_greet(link, now_us);
}

enum link_state link_state(const struct link *link) {
    return link->state;
}

const struct error *link_why(const struct link *link) {
    return &link->why;
}

bool link_was_refused(const struct link *link) {
    return link->state == LINK_DOWN && link->was_refused;
}

uint64_t link_again_us(const struct link *link) {
    return link->again_us;
}

uint64_t link_heard_us(const struct link *link) {
    return link->heard_us;
}

bool link_send(struct link *link, struct text head, struct text body, uint64_t now_us) {
    uint8_t prefix[SP_PREFIX_BYTES_MAX];
    size_t prefix_len = sp_prefix_write(link->endpoint.is_ipc, (size_t)head.len + body.len, prefix);
    size_t len = prefix_len + head.len + body.len;
    assert(link->state == LINK_UP);
    if (link->output.len + len > LINK_OUTPUT_BYTES_MAX || !bytes_reserve(&link->output, len)) return false;
    bytes_put(&link->output, prefix, prefix_len);
    bytes_put(&link->output, head.data, head.len);
    bytes_put(&link->output, body.data, body.len);
    if (!link->is_blocked) (void)link_flush(link, now_us);
    return true;
}
