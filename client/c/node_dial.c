/* Dialling: from resting to a connection over which the node has greeted, and back. On the I/O thread, under its mutex.
 *
 * A connection that lasted and breaks off is made again at once; after each dial that fails comes a back-off, which
 * doubles, with half of it left to chance, up to a second. */
#include "client.h"
#include "common/monotonic.h"
#include "node.h"

#include <assert.h>

enum {
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 1000,
    DOUBLINGS_MAX = 8,
    LOOKUP_MS = 10000,      /* a look-up that takes longer is left to itself */
    CONNECT_MS = 5000,      /* to the last address of a name, for the handshake of TLS, and for the greeting */
    CONNECT_NEXT_MS = 1000, /* to an address where there are others */
    STEADY_MS = 1000,       /* a connection that lasts as long, or answered, was no failure */
};

static void node_enter(struct node *node, enum node_phase phase, uint64_t due_ms) {
    static const uint8_t may_enter[] = {
        [NODE_RESTING] = 1u << NODE_LOOKING_UP | 1u << NODE_CONNECTING | 1u << NODE_RESTING,
        [NODE_LOOKING_UP] = 1u << NODE_CONNECTING | 1u << NODE_RESTING,
        [NODE_CONNECTING] = 1u << NODE_CONNECTING | 1u << NODE_SHAKING | 1u << NODE_GREETING | 1u << NODE_RESTING,
        [NODE_SHAKING] = 1u << NODE_CONNECTING | 1u << NODE_GREETING | 1u << NODE_RESTING,
        [NODE_GREETING] = 1u << NODE_CONNECTING | 1u << NODE_UP | 1u << NODE_RESTING,
        [NODE_UP] = 1u << NODE_RESTING,
    };
    assert((may_enter[node->phase] & 1u << phase) != 0);
    node->phase = phase;
    node->due_ms = due_ms;
}

/* ---- failing ----------------------------------------------------------------------------------------------------- */

static uint64_t node_backoff_ms(struct node *node) {
    uint32_t most_ms = (uint32_t)BACKOFF_MIN_MS << (node->failures < DOUBLINGS_MAX ? node->failures : DOUBLINGS_MAX);
    if (most_ms > BACKOFF_MAX_MS) most_ms = BACKOFF_MAX_MS;
    node->failures++;
    return most_ms / 2 + client_random(node->client, most_ms / 2 + 1);
}

static void node_rest(struct node *node, const struct error *why, uint64_t now_ms) {
    node->trouble = *why;
    node->news = NODE_WAS_REFUSED;
    node_enter(node, NODE_RESTING, now_ms + node_backoff_ms(node));
}

static void node_connect(struct node *node, uint64_t now_ms);

/* This address failed: the next one is tried, or, after the last, none for a while. */
static void target_failed(struct node *node, const struct error *why, uint64_t now_ms) {
    byte_stream_close(&node->stream);
    if (++node->target_at < node->target_count) node_connect(node, now_ms);
    else node_rest(node, why, now_ms);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void node_connect(struct node *node, uint64_t now_ms) {
    struct error why = {0};
    bool is_open = false;
    for (; node->target_at < node->target_count; node->target_at++)
        if ((is_open = byte_stream_open(&node->stream, &node->targets[node->target_at], &why))) break;
    bool has_other = node->target_at + 1 < node->target_count;
    if (is_open) node_enter(node, NODE_CONNECTING, now_ms + (has_other ? CONNECT_NEXT_MS : CONNECT_MS));
    else node_rest(node, &why, now_ms);
}

/* The address that was connected to last comes first, where it is still one of the host's. */
static void prefer_target(struct target targets[TARGETS_MAX], size_t count, const struct target *known) {
    for (size_t i = 1; i < count; i++) {
        if (targets[i].len != known->len || memcmp(&targets[i].address, &known->address, known->len) != 0) continue;
        struct target first = targets[0];
        targets[0] = targets[i];
        targets[i] = first;
    }
}

/* Where a name server fails, the addresses that it named before are tried. */
static void node_looked_up(struct node *node, size_t count, struct target found[TARGETS_MAX], const struct error *why,
                           uint64_t now_ms) {
    struct target known = node->targets[0];
    lookup_drop(node->lookup);
    node->lookup = NULL;
    node->target_at = 0;
    if (count != 0) {
        prefer_target(found, count, &known);
        memcpy(node->targets, found, count * sizeof *found);
        node->target_count = count;
    }
    if (node->target_count != 0) node_connect(node, now_ms);
    else node_rest(node, why, now_ms);
}

static void node_look_up(struct node *node, uint64_t now_ms) {
    struct error why = {0};
    struct target only;
    node->target_at = 0;
    if (target_of(&node->endpoint, &only)) {
        node->targets[0] = only;
        node->target_count = 1;
        node_connect(node, now_ms);
    } else if ((node->lookup = lookup_start(&node->endpoint, &why)) != NULL) {
        node_enter(node, NODE_LOOKING_UP, now_ms + LOOKUP_MS);
    } else {
        node_rest(node, &why, now_ms);
    }
}

static void node_look_at_lookup(struct node *node, uint64_t now_ms) {
    struct target found[TARGETS_MAX];
    struct error why = {0};
    size_t count = 0;
    if (lookup_has_ended(node->lookup)) count = lookup_targets(node->lookup, found, &why);
    else if (now_ms < node->due_ms) return;
    else (void)error_fail(&why, MUSTER_UNAVAILABLE, "host name does not resolve within %d s", LOOKUP_MS / 1000);
    node_looked_up(node, count, found, &why, now_ms);
}

/* ---- greeting ---------------------------------------------------------------------------------------------------- */

static void node_is_up(struct node *node, uint64_t now_ms) {
    node_enter(node, NODE_UP, UINT64_MAX);
    if (node->target_at != 0) { /* it comes first next time */
        struct target first = node->targets[0];
        node->targets[0] = node->targets[node->target_at];
        node->targets[node->target_at] = first;
    }
    node->trouble = (struct error){0};
    node->up_ms = now_ms;
    node->news = NODE_CAME_UP;
    atomic_fetch_add(&node->connections, 1);
    atomic_store_explicit(&node->avoid_until_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&node->is_up, true, memory_order_release);
}

/* Sends our greeting, and reads the node's. No byte that follows it is read. */
static enum byte_stream_status node_exchange_greetings(struct node *node, struct error *why) {
    static const uint8_t ours[] = SP_GREETING_REQ, theirs[] = SP_GREETING_REP;
    enum byte_stream_status status = BYTE_STREAM_DONE;
    size_t len;
    while (status == BYTE_STREAM_DONE && node->greeting_sent < sizeof ours) {
        status =
            byte_stream_write(&node->stream, ours + node->greeting_sent, sizeof ours - node->greeting_sent, &len, why);
        node->greeting_sent += len;
    }
    while (status == BYTE_STREAM_DONE && node->greeting_got < sizeof theirs) {
        status = byte_stream_read(&node->stream, node->greeting + node->greeting_got,
                                  sizeof theirs - node->greeting_got, &len, why);
        node->greeting_got += len;
    }
    if (status == BYTE_STREAM_ENDED)
        (void)error_fail(why, MUSTER_UNAVAILABLE, "it closed the connection without a node's greeting");
    if (status != BYTE_STREAM_DONE || memcmp(node->greeting, theirs, sizeof theirs) == 0) return status;
    (void)error_fail(why, MUSTER_UNAVAILABLE, "what answers there is not a node's port for clients");
    return BYTE_STREAM_FAILED;
}

static void node_greet(struct node *node, uint64_t now_ms) {
    struct error why = {0};
    enum byte_stream_status status = node_exchange_greetings(node, &why);
    if (status == BYTE_STREAM_DONE) node_is_up(node, now_ms);
    else if (status != BYTE_STREAM_WAITS) target_failed(node, &why, now_ms);
}

static void node_begin_greeting(struct node *node, uint64_t now_ms) {
    node->greeting_sent = node->greeting_got = 0;
    node_enter(node, NODE_GREETING, now_ms + CONNECT_MS);
    node_greet(node, now_ms);
}

static void node_shake(struct node *node, uint64_t now_ms) {
    struct error why = {0};
    enum byte_stream_status status = byte_stream_shake(&node->stream, &why);
    if (status == BYTE_STREAM_DONE) node_begin_greeting(node, now_ms);
    else if (status != BYTE_STREAM_WAITS) target_failed(node, &why, now_ms);
}

static void node_begin_tls(struct node *node, uint64_t now_ms) {
    struct error why = {0};
    if (tls_begin(node->client->tls, &node->stream, node->endpoint.host, &why)) {
        node_enter(node, NODE_SHAKING, now_ms + CONNECT_MS);
        node_shake(node, now_ms);
    } else {
        target_failed(node, &why, now_ms);
    }
}

static void node_establish(struct node *node, uint64_t now_ms) {
    struct error why = {0};
    enum byte_stream_status status = byte_stream_establish(&node->stream, &why);
    if (status == BYTE_STREAM_WAITS) return;
    if (status != BYTE_STREAM_DONE) {
        target_failed(node, &why, now_ms);
        return;
    }
    if (node->endpoint.is_tls) node_begin_tls(node, now_ms);
    else node_begin_greeting(node, now_ms);
}

/* ---- a connection that broke off --------------------------------------------------------------------------------- */

static void node_hang_up(struct node *node, uint64_t now_ms) {
    uint64_t heard_ms = atomic_load_explicit(&node->heard_ms, memory_order_relaxed);
    bool was_steady = heard_ms >= node->up_ms || now_ms - node->up_ms >= STEADY_MS;
    atomic_store_explicit(&node->is_up, false, memory_order_release);
    byte_stream_close(&node->stream);
    node_drop_traffic(node);
    node->is_broken = node->is_blocked = false;
    node->news = NODE_WENT_DOWN;
    if (was_steady) node->failures = 0;
    node_enter(node, NODE_RESTING, was_steady ? now_ms : now_ms + node_backoff_ms(node));
}

/* ---- on the I/O thread ------------------------------------------------------------------------------------------- */

static void node_wait_is_over(struct node *node, uint64_t now_ms) {
    struct error why;
    const char *what = node->phase == NODE_GREETING  ? "it is connected, and has sent no greeting"
                       : node->phase == NODE_SHAKING ? "it is connected, and does not finish the TLS handshake"
                                                     : "no answer to the dial";
    (void)error_fail(&why, MUSTER_UNAVAILABLE, "%s", what);
    target_failed(node, &why, now_ms);
}

void node_step(struct node *node, uint64_t now_ms) {
    if (node->is_broken && !node->is_flushing) node_hang_up(node, now_ms);
    switch (node->phase) {
    case NODE_RESTING:
        if (now_ms >= node->due_ms) node_look_up(node, now_ms);
        return;
    case NODE_LOOKING_UP:
        node_look_at_lookup(node, now_ms);
        return;
    case NODE_CONNECTING:
    case NODE_SHAKING:
    case NODE_GREETING:
        if (now_ms >= node->due_ms) node_wait_is_over(node, now_ms);
        return;
    case NODE_UP:
        node_flush(node);
        return;
    }
}

struct pollfd node_polled(const struct node *node) {
    struct pollfd polled = {.fd = node->stream.fd};
    switch (node->phase) {
    case NODE_RESTING:
        polled.fd = -1;
        break;
    case NODE_LOOKING_UP:
        polled.fd = lookup_fd(node->lookup);
        polled.events = POLLIN;
        break;
    case NODE_CONNECTING:
        polled.events = byte_stream_wants(false, false);
        break;
    case NODE_SHAKING:
        polled.events = byte_stream_wants_to_shake(&node->stream);
        break;
    case NODE_GREETING:
        polled.events = byte_stream_wants(true, node->greeting_sent < SP_GREETING_BYTES);
        break;
    case NODE_UP:
        polled.events = byte_stream_wants(true, node->is_blocked);
        break;
    }
    return polled;
}

void node_is_ready(struct node *node, short events) {
    uint64_t now_ms = monotonic_ms();
    switch (node->phase) {
    case NODE_RESTING:
    case NODE_LOOKING_UP: /* node_step looks at it */
        return;
    case NODE_CONNECTING:
        node_establish(node, now_ms);
        return;
    case NODE_SHAKING:
        node_shake(node, now_ms);
        return;
    case NODE_GREETING:
        node_greet(node, now_ms);
        return;
    case NODE_UP:
        if ((events & POLLOUT) != 0) node->is_blocked = false;
        if ((events & ~POLLOUT) != 0 && !node->is_broken) node_read(node);
        return;
    }
}
